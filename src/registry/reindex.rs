//! Rebuilds the index from the objects alone.

use super::survey::{Depth, Survey, breaks, replay};
use super::{Registry, RegistryError};
use crate::hash::Hash;
use crate::index::IndexWriter;
use crate::progress::{Progress, Unit};

/// The result of a rebuild.
#[derive(Debug, Default)]
pub struct Reindexed {
    /// Number of objects in the store.
    pub objects: u64,
    /// Number of records among them.
    pub records: u64,
    /// Number of restored names.
    pub names: u64,
    /// Number of restored log entries.
    pub log: u64,
    /// Objects that cannot be read; `reg verify` shows details.
    pub damaged: Vec<Hash>,
    /// Missing targets of records, manifests and names.
    pub missing: Vec<Hash>,
    /// Problems of the log.
    pub breaks: Vec<String>,
    /// The new id of the registry, if it had none.
    pub new_id: Option<String>,
}

impl Reindexed {
    /// Whether everything was restored, as far as the objects show.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty() && self.breaks.is_empty()
    }
}

impl Registry {
    /// Rebuilds the index from the objects: kinds, links, names and the log.
    ///
    /// Records are ordered by the time of their files. Of events that continue the same entry, which a crash
    /// can leave, the valid one is the event that the index knows, otherwise the one with the longest chain.
    pub fn reindex(&self, progress: &dyn Progress) -> Result<Reindexed, RegistryError> {
        let _lease = self.lease_to_add()?;
        // What is noted beside the objects is as new as the index or newer, unless it was never written.
        let noted = self.index.head().and_then(|head| head.event).map(|(_, event)| event);
        let noted = noted.filter(|event| self.store.contains(event));
        let indexed = || {
            self.index.view_of_any_age().and_then(|view| view.log()).ok().and_then(|log| log.last().copied())
        };
        let head = noted.or_else(indexed);
        let rebuilt = self.index.rebuild(|writer| self.fill(writer, head, progress))?;
        let new_id = if self.id().is_none() { Some(self.renew_id()?) } else { None };
        Ok(Reindexed { new_id, ..rebuilt })
    }

    /// Fills an emptied index. The objects are read inside the transaction, so that commits of other processes
    /// come after it and are not lost.
    fn fill(
        &self,
        writer: &mut IndexWriter,
        head: Option<Hash>,
        progress: &dyn Progress,
    ) -> Result<Reindexed, RegistryError> {
        let objects = self.store.list()?.objects;
        progress.begin("read", Unit::Items, objects.len() as u64);
        let survey = self.survey(&objects, Depth::Records, progress);
        progress.end();

        // By time, then id, so that the order of the folders does not matter.
        let aged = survey.records.keys().map(|id| Ok((self.age(id)?, id)));
        let mut records: Vec<_> = aged.collect::<Result<_, RegistryError>>()?;
        records.sort_unstable();
        for (_, id) in &records {
            writer.record(id, survey.records[*id].0)?;
        }
        write_links(writer, &survey)?;
        let log = survey.log(head);
        for (id, event) in &log {
            writer.push_log(event.seq, id)?;
        }
        let names = replay(log.iter().map(|(_, event)| *event));
        for (name, id) in &names {
            writer.set_name(name, Some(*id))?;
        }

        let may_be_missing = self.may_be_missing(&survey)?;
        let there = |id: &Hash| objects.binary_search(id).is_ok() || may_be_missing.contains(id);
        let named = survey.records.keys().chain(survey.packed.keys()).flat_map(|id| survey.links(id));
        let mut missing: Vec<Hash> = named.chain(names.values().copied()).filter(|id| !there(id)).collect();
        missing.sort_unstable();
        missing.dedup();
        Ok(Reindexed {
            objects: objects.len() as u64,
            records: survey.records.len() as u64,
            names: names.len() as u64,
            log: log.len() as u64,
            damaged: survey.problems.iter().map(|(id, _)| *id).collect(),
            missing,
            new_id: None,
            breaks: breaks(&log).into_iter().chain(survey.strays(&log)).collect(),
        })
    }

    fn age(&self, id: &Hash) -> Result<(i64, i64), RegistryError> {
        Ok(self.store.stat(id)?.modified())
    }
}

fn write_links(writer: &mut IndexWriter, survey: &Survey) -> Result<(), RegistryError> {
    // Fastest in the order of the table.
    let mut mentions: Vec<_> = survey.mentions().collect();
    mentions.sort_unstable();
    Ok(writer.mentions(mentions.into_iter())?)
}
