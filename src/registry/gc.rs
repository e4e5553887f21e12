//! Removes unneeded objects: mark, then sweep.
//!
//! The objects to keep are determined from the objects themselves, never from the index alone, because a defect
//! of the index must not cost an object.

use super::survey::{Depth, Survey};
use super::walk::Walk;
use super::{Registry, RegistryError, Removed};
use crate::digits::thousands;
use crate::disk::Doing;
use crate::hash::Hash;
use crate::progress::{Progress, Unit};
use crate::records::{Kind, Role};
use std::collections::HashSet;

/// Younger objects are kept.
#[derive(Debug, Clone)]
pub struct Cutoff {
    /// Seconds since 1970.
    pub seconds: i64,
    /// The same time as RFC 3339 in UTC, the form used in events.
    pub time: String,
}

/// An unneeded object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Its id.
    pub id: Hash,
    /// Its kind.
    pub kind: GarbageKind,
    /// Its size.
    pub bytes: u64,
}

/// Kind of an unneeded object; ordered so that an object is removed before the objects to which it refers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GarbageKind {
    /// A record.
    Record(std::cmp::Reverse<Kind>),
    /// A packed array.
    Packed,
    /// Neither a record nor a packed array.
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
    /// The removed objects in the order of removal: each before the objects to which it refers.
    pub removed: Vec<Garbage>,
    /// Number of objects that are kept, and their bytes.
    pub kept: (u64, u64),
    /// Number and bytes of those that are kept only because they, or objects that refer to them, are young.
    pub young: (u64, u64),
    /// Folders of trainings whose run is recorded, or that failed and left nothing to go on from.
    pub finished: Vec<Hash>,
}

impl Registry {
    /// Removes every object that is older than `cutoff` and not reachable from any name, result, interrupted
    /// training or log entry since `cutoff`. With `dry_run`, only reports them.
    ///
    /// # Errors
    /// Among others, if an object to be kept is damaged or has a missing reference: then its other references
    /// are unknown.
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
        let may_be_missing = self.may_be_missing(&survey)?;
        let listed: HashSet<Hash> = self.view()?.registrations()?[0].iter().map(|(_, _, id)| *id).collect();
        let removed = self.removed_in(&survey)?.without(|id| listed.contains(id));
        let (roots, finished) = self.roots(&survey, &removed, cutoff)?;
        // All objects reachable from some objects, except for those marked before.
        let mark = |from: Vec<Hash>, marked: &HashSet<Hash>, strict: bool| {
            let mut reached = HashSet::new();
            let mut walk = Walk::from(from.into_iter().map(|id| (id, ())));
            while let Some((id, ())) = walk.step() {
                match there(&id) {
                    false if strict && !may_be_missing.contains(&id) => {
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
        let mut needed = mark(roots, &HashSet::new(), true)?;
        // What follows from records that stay is worth more than its bytes.
        let derived = survey.records.iter().filter(|(id, (kind, _))| {
            let mut named = survey.links(id).filter(|to| survey.records.contains_key(to));
            kind.descriptor().class.is_derived() && named.all(|to| needed.contains(&to))
        });
        let derived: Vec<Hash> = derived.map(|(id, _)| *id).collect();
        let derived = mark(derived, &needed, true)?;
        needed.extend(derived);
        let mut recent = Vec::new();
        // What was removed need not get old first.
        let freed = freed(&survey, &removed);
        for id in objects.iter().filter(|id| !needed.contains(id) && !freed.contains(id)) {
            if self.store.arrived(id)? >= cutoff.seconds {
                recent.push(*id);
            }
        }
        // The references of a young object need not exist yet.
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

    /// The objects that must be kept, and the folders of trainings that nobody will resume.
    fn roots(
        &self,
        survey: &Survey,
        removed: &Removed,
        cutoff: &Cutoff,
    ) -> Result<(Vec<Hash>, Vec<Hash>), RegistryError> {
        let view = self.view()?;
        let mut roots: Vec<Hash> = view.names()?.into_iter().map(|(_, id)| id).collect();
        let log = view.log()?;
        // An object that is in the index but not in the store is missing; marking reports it.
        for id in &log {
            roots.push(*id);
            let event = survey.events.get(id);
            if event.is_none() && self.store.contains(id) {
                return Err(unsound(format!("object {id} is damaged: it is no longer a log entry")));
            }
            let recent = event.filter(|event| event.time >= cutoff.time);
            let changes = recent.into_iter().flat_map(|event| &event.names);
            let named = changes.flat_map(|change| [change.from, change.to]).flatten();
            for id in named.filter(|id| !removed.contains(id)) {
                // An earlier sweep with a later cutoff may have removed it; then it is not in the index either.
                if self.store.contains(&id) || view.kind(&id)?.is_some() {
                    roots.push(id);
                }
            }
        }
        // A record or manifest whose first bytes are damaged looks like any file, but the index still knows its
        // references.
        let naming = view.all_referrers()?.into_iter().map(|(_, from, _)| from);
        let known = |id: &Hash| survey.records.contains_key(id) || survey.packed.contains_key(id);
        if let Some(id) = naming.filter(|id| !known(id)).find(|id| self.store.contains(id)) {
            return Err(unsound(format!("object {id} is damaged: its references have changed")));
        }
        // Names that the index has lost are in the log, which the objects contain.
        let longest = survey.log(log.last().copied());
        if longest.len() > log.len() + 1 {
            let lost = thousands((longest.len() - log.len()) as u64);
            return Err(unsound(format!("the index is missing {lost} log entries")));
        }
        let results = survey.records.iter().filter(|(_, (kind, _))| kind.descriptor().class.is_result());
        roots.extend(results.map(|(id, _)| *id).filter(|id| !removed.contains(id)));
        let recorded: HashSet<Hash> = survey
            .records
            .iter()
            .filter(|(id, (kind, _))| *kind == Kind::Run && !removed.contains(id))
            .flat_map(|(id, _)| survey.links(id))
            .collect();
        let mut finished = Vec::new();
        for name in self.live_entries()? {
            let Ok(spec) = name.parse() else { continue };
            match recorded.contains(&spec) {
                true if self.is_locked(&spec) => {}
                true => finished.push(spec),
                // The training would start from the beginning and fail again: nothing is lost.
                false if self.has_failed(&spec) && !self.is_locked(&spec) => finished.push(spec),
                false => roots.extend(self.store.contains(&spec).then_some(spec)),
            }
        }
        Ok((roots, finished))
    }

    /// Whether a process trains a spec.
    pub(super) fn is_locked(&self, spec: &Hash) -> bool {
        let lock = self.root.open_file(self.training_folder(spec).join("lock"));
        lock.is_ok_and(|(lock, _)| lock.try_lock().is_err())
    }

    /// Whether the last training of a spec ended in an error and left no checkpoint to resume from. After a full disk
    /// there is one, for which the user frees space.
    fn has_failed(&self, spec: &Hash) -> bool {
        let has = |name: &str| self.root.stat(self.training_folder(spec).join(name)).is_ok();
        has("error.txt") && !has("state.safetensors")
    }

    /// Removes objects first from the index, then from the store: records, then the objects to which they refer, and so
    /// on. Each round is on the disk before the next, so that a crash leaves no reference to a removed object.
    fn sweep(&self, survey: &Survey, swept: &Swept) -> Result<(), RegistryError> {
        for spec in &swept.finished {
            let live = self.training_folder(spec);
            self.root.remove_dir_all(&live).doing("remove", &self.root.path_of(&live))?;
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
        for round in swept.removed.chunk_by(|a, b| a.kind == b.kind) {
            for garbage in round {
                self.store.remove(&garbage.id)?;
            }
            self.store.sync_all()?;
        }
        Ok(())
    }
}

/// What removed records made, and their specs: all that nothing else needs is freed with them.
pub fn freed(survey: &Survey, removed: &Removed) -> HashSet<Hash> {
    let mut freed: HashSet<Hash> = removed.ids().copied().collect();
    for (kind, links) in removed.ids().filter_map(|id| survey.records.get(id)) {
        let own = links.iter().filter(|link| is_own(*kind, &link.role));
        freed.extend(own.map(|link| link.to));
    }
    freed
}

/// Whether what plays this role for a record of this kind was made by or for it alone.
pub fn is_own(kind: Kind, role: &Role) -> bool {
    kind.descriptor().is_output(role) || matches!(role, Role::Spec | Role::File)
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
