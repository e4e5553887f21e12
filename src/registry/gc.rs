//! Removes what nothing needs any more: mark, then sweep.
//!
//! What is kept is found from the objects themselves, never from the index alone: an index that lost
//! something must not cost an object.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::survey::{Depth, Survey};
use super::walk::Walk;
use super::{Registry, RegistryError, io};
use crate::disk;
use crate::hash::Hash;
use crate::progress::{Progress, Unit};
use crate::records::Kind;

/// What is younger stays.
#[derive(Debug, Clone)]
pub struct Cutoff {
    /// Seconds since 1970.
    pub seconds: i64,
    /// The same as RFC 3339 in UTC, as events have it.
    pub time: String,
}

/// An object that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Its id.
    pub id: Hash,
    /// What it is.
    pub kind: GarbageKind,
    /// Its size.
    pub bytes: u64,
}

/// What an object is that nothing needs; ordered so that nothing goes before what names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GarbageKind {
    /// A record.
    Record(std::cmp::Reverse<Kind>),
    /// A packed array.
    Packed,
    /// Neither.
    Blob,
}

impl std::fmt::Display for GarbageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            GarbageKind::Record(kind) => kind.0.name(),
            GarbageKind::Packed => "packed array",
            GarbageKind::Blob => "blob",
        })
    }
}

/// What a sweep removed, or would remove.
#[derive(Debug, Default)]
pub struct Swept {
    /// What went, in the order in which it did: nothing goes before what names it.
    pub removed: Vec<Garbage>,
    /// Objects that stay, and their bytes.
    pub kept: (u64, u64),
    /// Those of them that stay only because they are young, or because something young names them.
    pub young: (u64, u64),
    /// Folders of trainings whose run is recorded.
    pub finished: Vec<Hash>,
}

impl Registry {
    /// Removes every object that no name, no result, no interrupted training and no entry of the log since
    /// `cutoff` leads to, and that has been here since before `cutoff`. With `dry_run`, only says so.
    ///
    /// # Errors
    /// Also whenever something that is kept is damaged or names what is not there: what else it needs
    /// cannot be known then.
    pub fn gc(
        &self,
        cutoff: &Cutoff,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<Swept, RegistryError> {
        let _lease = if dry_run { None } else { Some(self.lease_to_remove()?) };
        let objects = self.store.list()?.objects;
        progress.begin("read", Unit::Items, objects.len() as u64);
        let survey = self.survey(&objects, Depth::Records, progress);
        progress.end();
        if let Some((id, problem)) = survey.problems.first() {
            return Err(unsound(format!("object {id} {problem}")));
        }
        let there = |id: &Hash| objects.binary_search(id).is_ok();
        let withdrawn = self.withdrawn_in(&survey)?;
        let (roots, finished) = self.roots(&survey, cutoff)?;
        // All that is reached from somewhere, but for what was marked before.
        let mark = |from: Vec<Hash>, marked: &HashSet<Hash>, strict: bool| {
            let mut reached = HashSet::new();
            let mut walk = Walk::from(from.into_iter().map(|id| (id, ())));
            while let Some((id, ())) = walk.step() {
                match there(&id) {
                    false if strict && withdrawn.gone(&id).is_none() => {
                        return Err(unsound(format!("object {id} is missing")));
                    }
                    false => {}
                    true if marked.contains(&id) => {}
                    true => {
                        reached.insert(id);
                        for to in survey.links(&id) {
                            walk.reach(to, ());
                        }
                    }
                }
            }
            Ok(reached)
        };
        let needed = mark(roots, &HashSet::new(), true)?;
        let mut recent = Vec::new();
        for id in objects.iter().filter(|id| !needed.contains(id)) {
            if self.store.arrived(id)? >= cutoff.seconds {
                recent.push(*id);
            }
        }
        // Nobody has promised yet that what they name is there.
        let young = mark(recent, &needed, false)?;

        let mut swept = Swept { finished, ..Swept::default() };
        for id in &objects {
            let bytes = self.store.size(id)?;
            let add = |(objects, sum): &mut (u64, u64)| (*objects, *sum) = (*objects + 1, *sum + bytes);
            if needed.contains(id) {
                add(&mut swept.kept);
            } else if young.contains(id) {
                add(&mut swept.kept);
                add(&mut swept.young);
            } else {
                swept.removed.push(Garbage { id: *id, kind: kind(&survey, id), bytes });
            }
        }
        swept.removed.sort_by_key(|garbage| (garbage.kind, garbage.id));
        if !dry_run {
            self.sweep(&survey, &swept)?;
        }
        Ok(swept)
    }

    /// What must stay, and the folders of trainings that nothing will go on with.
    fn roots(&self, survey: &Survey, cutoff: &Cutoff) -> Result<(Vec<Hash>, Vec<Hash>), RegistryError> {
        let view = self.view()?;
        let mut roots: Vec<Hash> = view.names()?.into_iter().map(|(_, id)| id).collect();
        let log = view.log()?;
        // What the index knows and the objects do not is missing, and marking says so.
        for id in &log {
            roots.push(*id);
            let event = survey.events.get(id);
            if event.is_none() && self.store.contains(id) {
                return Err(unsound(format!("object {id} is damaged: it is no longer a log entry")));
            }
            let recent = event.filter(|event| event.time >= cutoff.time);
            let changes = recent.into_iter().flat_map(|event| &event.names);
            for id in changes.flat_map(|change| [change.from, change.to]).flatten() {
                // It may have been removed since, by a sweep that kept less; the index then knows it no more.
                if self.store.contains(&id) || view.kind(&id)?.is_some() {
                    roots.push(id);
                }
            }
        }
        // A record or manifest whose first bytes are damaged looks like any file; the index knows better.
        let naming = view.all_referrers()?.into_iter().map(|(_, from, _)| from);
        let known = |id: &Hash| survey.records.contains_key(id) || survey.packed.contains_key(id);
        if let Some(id) = naming.filter(|id| !known(id)).find(|id| self.store.contains(id)) {
            return Err(unsound(format!("object {id} is damaged: its references have changed")));
        }
        // Names that an index has lost are found in the log that the objects hold.
        let longest = survey.log(log.last().copied());
        if longest.len() > log.len() + 1 {
            return Err(unsound(format!("the index is missing {} log entries", longest.len() - log.len())));
        }
        let results = survey.records.iter().filter(|(_, (kind, _))| kind.descriptor().class.is_result());
        roots.extend(results.map(|(id, _)| *id));
        let recorded: HashSet<Hash> = survey
            .records
            .iter()
            .filter(|(_, (kind, _))| *kind == Kind::Run)
            .flat_map(|(id, _)| survey.links(id))
            .collect();
        let mut finished = Vec::new();
        let live = self.root.join("live");
        // A copy of a registry may lack its empty folders.
        let entries = match fs::read_dir(&live) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            entries => Some(entries.map_err(io("list", &live))?),
        };
        for entry in entries.into_iter().flatten() {
            let entry = entry.map_err(io("list", &live))?;
            let Some(spec) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            match recorded.contains(&spec) {
                true if is_locked(&entry.path()) => {}
                true => finished.push(spec),
                false => roots.extend(self.store.contains(&spec).then_some(spec)),
            }
        }
        Ok((roots, finished))
    }

    /// First the index forgets, then the objects go: records, what they name, what that names. Each round
    /// is on the disk before the next, so that a crash leaves nothing that names what is gone.
    fn sweep(&self, survey: &Survey, swept: &Swept) -> Result<(), RegistryError> {
        for spec in &swept.finished {
            let live = self.training_folder(spec);
            disk::remove_dir_all(&live).map_err(io("remove", &live))?;
        }
        if swept.removed.is_empty() {
            return Ok(());
        }
        self.index.write(|writer| {
            for garbage in &swept.removed {
                writer.forget(&garbage.id, survey.links(&garbage.id))?;
            }
            Ok::<_, RegistryError>(())
        })?;
        let objects = self.store.objects();
        for round in swept.removed.chunk_by(|a, b| a.kind == b.kind) {
            for garbage in round {
                self.store.remove(&garbage.id)?;
            }
            disk::sync_file_system(objects).map_err(io("sync", objects))?;
        }
        Ok(())
    }
}

/// Whether a process is training in the folder.
pub(super) fn is_locked(live: &Path) -> bool {
    fs::File::open(live.join("lock")).is_ok_and(|lock| lock.try_lock().is_err())
}

fn unsound(problem: String) -> RegistryError {
    RegistryError::Unsound { doing: "removing objects", problem }
}

fn kind(survey: &Survey, id: &Hash) -> GarbageKind {
    let record = |kind| GarbageKind::Record(std::cmp::Reverse(kind));
    match survey.records.get(id) {
        Some((kind, _)) => record(*kind),
        None if survey.events.contains_key(id) => record(Kind::Event),
        None if survey.packed.contains_key(id) => GarbageKind::Packed,
        None => GarbageKind::Blob,
    }
}
