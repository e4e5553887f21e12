//! All removals that a registry knows, collected at once, and how a removal is carried out.
//!
//! A removed record is in the store until `reg gc` frees it, and nowhere in the index: so all that asks the index
//! does not see it. Two rules keep the objects and the index in step, whatever is removed, exchanged or rebuilt, in
//! any order: what a result that stays depends on is not removed, and a record that is registered after its removal
//! has come back. Where either rule contradicts a removal, a record that revokes this part of it is written.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::survey::Survey;
use super::walk::Lineage;
use super::{NewRecord, Registry, RegistryError, Stamp};
use crate::hash::{Hash, Id};
use crate::index::{IndexWriter, View};
use crate::records::{Header, Kind, Link, NameChange, RecordClass, Removal, RemovedRecord, Role, codec};
use crate::store::Store;

/// All removals of a registry.
#[derive(Debug, Default)]
pub struct Removed {
    records: Vec<(Id<Removal>, Removal)>,
    /// Removed records that have not come back: the removal, and the place in it.
    in_force: HashMap<Hash, (usize, usize)>,
    /// Notes about removed records and executions that made them, which no removal names: they came from elsewhere.
    beside: HashSet<Hash>,
}

impl Removed {
    /// Collects removals. Those of several registries may be put together: the same one counts once.
    pub fn of(mut records: Vec<(Id<Removal>, Removal)>) -> Self {
        records.sort_by_key(|(id, removal)| (removal.time.clone(), id.hash));
        records.dedup_by_key(|(id, _)| id.hash);
        let revocations = records.iter().filter_map(|(_, removal)| Some((removal.revokes?.hash, removal)));
        let revoked: HashSet<(Hash, Hash)> = revocations
            .flat_map(|(of, removal)| removal.records.iter().map(move |record| (of, record.id.0)))
            .collect();
        let mut in_force = HashMap::new();
        for (place, (id, removal)) in records.iter().enumerate() {
            let removes = removal.records.iter().enumerate().filter(|_| removal.revokes.is_none());
            let holds = removes.filter(|(_, record)| !revoked.contains(&(id.hash, record.id.0)));
            in_force.extend(holds.map(|(entry, record)| (record.id.0, (place, entry))));
        }
        Removed { records, in_force, beside: HashSet::new() }
    }

    /// Whether nothing is removed.
    pub fn is_empty(&self) -> bool {
        self.in_force.is_empty()
    }

    /// Whether a record is removed.
    pub fn contains(&self, id: &Hash) -> bool {
        self.in_force.contains_key(id) || self.beside.contains(id)
    }

    /// Without records that the index still lists: a crash has left a removal that was never carried out.
    pub(crate) fn without(mut self, is_listed: impl Fn(&Hash) -> bool) -> Self {
        self.in_force.retain(|id, _| !is_listed(id));
        self.beside.retain(|id| !is_listed(id));
        self
    }

    /// All removed records.
    pub fn ids(&self) -> impl Iterator<Item = &Hash> {
        self.in_force.keys().chain(&self.beside)
    }

    /// The newest removal of a record, and what it says of the record.
    pub fn get(&self, id: &Hash) -> Option<(Id<Removal>, &Removal, &RemovedRecord)> {
        let (place, entry) = self.in_force.get(id)?;
        let (removal, content) = &self.records[*place];
        Some((*removal, content, &content.records[*entry]))
    }

    /// The removed record that had this name last.
    pub fn named(&self, name: &str) -> Option<Hash> {
        let is_it =
            |id: &&Hash| self.get(id).is_some_and(|(_, _, record)| record.name.as_deref() == Some(name));
        self.in_force.keys().filter(is_it).max_by_key(|id| (self.in_force[*id], **id)).copied()
    }

    /// The removals with their ids, oldest first.
    pub fn records(&self) -> &[(Id<Removal>, Removal)] {
        &self.records
    }

    /// The error of somebody who asks for a removed record.
    pub(super) fn error(&self, id: &Hash, store: &Store) -> Option<RegistryError> {
        let (_, removal, record) = self.get(id)?;
        let (time, command) = (removal.time.clone(), removal.command.clone().into_boxed_str());
        let restorable = store.contains(id);
        Some(RegistryError::Removed { id: *id, called: record.called(), time, command, restorable })
    }

    /// What came back, each with the removal after which it did.
    fn revocation(
        &self,
        back: impl Iterator<Item = Hash>,
        number: u64,
        stamp: &Stamp,
    ) -> impl Iterator<Item = Removal> {
        let mut by_removal: BTreeMap<Id<Removal>, Vec<RemovedRecord>> = BTreeMap::new();
        // Several removals may name it, one after another.
        for id in back {
            for (removal, content) in self.records.iter().filter(|(_, content)| content.revokes.is_none()) {
                let same = content.records.iter().filter(|record| record.id.0 == id);
                by_removal.entry(*removal).or_default().extend(same.cloned());
            }
        }
        by_removal.retain(|_, records| !records.is_empty());
        let (time, command) = (stamp.time.clone(), stamp.command.clone());
        by_removal.into_iter().map(move |(removal, mut records)| {
            records.sort();
            records.dedup();
            Removal { records, number, time: time.clone(), command: command.clone(), revokes: Some(removal) }
        })
    }
}

impl Registry {
    /// All removals in the index.
    pub fn removals(&self, view: &View) -> Result<Vec<(Id<Removal>, Removal)>, RegistryError> {
        self.read_removals(view.of_kind(Kind::Removal)?)
    }

    /// All removals in the index, collected.
    pub fn removed(&self, view: &View) -> Result<Removed, RegistryError> {
        Ok(Removed::of(self.removals(view)?))
    }

    fn read_removals(&self, ids: Vec<Hash>) -> Result<Vec<(Id<Removal>, Removal)>, RegistryError> {
        ids.into_iter().map(Id::new).map(|id| Ok((id, self.get(id)?))).collect()
    }

    /// The removed records among the surveyed objects, whether the index knows the removals or not, without those
    /// that a result which stays depends on.
    pub(crate) fn removed_in(&self, survey: &Survey) -> Result<Removed, RegistryError> {
        let found = survey.records.iter().filter(|(_, (kind, _))| *kind == Kind::Removal);
        let mut removed = Removed::of(self.read_removals(found.map(|(id, _)| *id).collect())?);
        if !removed.is_empty() {
            let stays = |id: &Hash| !removed.contains(id);
            let mut needed: Vec<Hash> = survey.records.keys().filter(|id| stays(id)).copied().collect();
            let mut kept: HashSet<Hash> = HashSet::new();
            loop {
                while let Some(id) = needed.pop() {
                    let Some((kind, links)) = survey.records.get(&id) else { continue };
                    for link in links.iter().filter(|link| depends(*kind, std::slice::from_ref(&link.role))) {
                        if removed.in_force.remove(&link.to).is_some() {
                            kept.insert(link.to);
                            needed.push(link.to);
                        }
                    }
                }
                // What was removed only along with it stays, too: the table of a run that stays.
                let of_kept = |id: &&Hash| survey.links(id).any(|to| kept.contains(&to));
                let more: Vec<Hash> = removed.in_force.keys().filter(of_kept).copied().collect();
                if more.is_empty() {
                    break;
                }
                more.iter().for_each(|id| _ = removed.in_force.remove(id));
                kept.extend(&more);
                needed.extend(more);
            }
            // What stands only beside removed records goes with them.
            let of_removed = |(kind, links): &(Kind, Vec<Link>)| {
                let about = |link: &&Link| !depends(*kind, std::slice::from_ref(&link.role));
                links.iter().filter(about).any(|link| removed.in_force.contains_key(&link.to))
            };
            let beside = survey.records.iter().filter(|(_, record)| of_removed(record)).map(|(id, _)| *id);
            removed.beside = beside.filter(|id| !removed.in_force.contains_key(id)).collect();
        }
        Ok(removed)
    }

    /// Records that come back because they are added again, as revocations of their removals.
    pub(super) fn come_back(
        &self,
        records: &[NewRecord],
        stamp: &Stamp,
    ) -> Result<Vec<Removal>, RegistryError> {
        let view = self.view()?;
        let mut removals = self.removals(&view)?;
        let number = removals.len() as u64;
        removals.extend(new_removals(records)?);
        if removals.is_empty() {
            return Ok(Vec::new());
        }
        let removed = Removed::of(removals);
        let new: HashSet<Hash> = records.iter().map(|record| record.id).collect();
        // What is not in the index and is named by a new record would be missing.
        for record in records {
            for link in record.links.iter().filter(|link| !new.contains(&link.to)) {
                if view.kind(&link.to)?.is_none()
                    && let Some(error) = removed.error(&link.to, self.store())
                {
                    return Err(error);
                }
            }
        }
        let back = records.iter().map(|record| record.id).filter(|id| removed.contains(id));
        Ok(removed.revocation(back, number, stamp).collect())
    }

    /// Carries out new removals inside an index transaction: the index forgets the records and their names. Gives
    /// what was removed.
    ///
    /// What a record that stays depends on stays, and a revocation says so. Like an event, that is durable before the
    /// commit.
    pub(super) fn carry_out_removals(
        &self,
        writer: &mut IndexWriter,
        records: &[NewRecord],
        stamp: &Stamp,
    ) -> Result<Vec<RemovedRecord>, RegistryError> {
        let new = new_removals(records)?;
        if new.iter().all(|(_, removal)| removal.revokes.is_some()) {
            return Ok(Vec::new());
        }
        let all = writer.of_kind(Kind::Removal)?;
        let number = all.len() as u64;
        let removed = Removed::of(self.read_removals(all)?);
        let named = new.iter().flat_map(|(_, removal)| removal.records.iter().map(|record| record.id.0));
        let mut gone: HashSet<Hash> = HashSet::new();
        for id in named.filter(|id| removed.contains(id)) {
            if writer.kind(&id)?.is_some() {
                gone.insert(id);
            }
        }
        let kept = self.keep_needed(writer, &mut gone)?;
        if !kept.is_empty() {
            for record in removed.revocation(kept.into_iter(), number, stamp) {
                self.register_at_once(writer, &record)?;
            }
        }
        // What stands only beside them goes, too.
        for id in gone.clone() {
            gone.extend(writer.referrers(&id)?.into_iter().map(|(from, _)| from));
        }
        let mut affected = HashSet::new();
        for id in &gone {
            if let Some(kind) = writer.kind(id)? {
                affected.extend(self.runs_affected(*id, kind, &self.links_of(id)));
            }
        }
        for id in &gone {
            match self.links_of(id) {
                links if links.is_empty() => writer.forget_all_of(id)?,
                links => writer.forget(id, links.into_iter().map(|link| link.to))?,
            }
        }
        self.set_run_rows(writer, affected)?;
        let mut changes = Vec::new();
        for (name, id) in writer.names()? {
            if gone.contains(&id) {
                writer.set_name(&name, None)?;
                changes.push(NameChange { name, from: Some(id), to: None });
            }
        }
        if !changes.is_empty() {
            self.log(writer, changes, stamp)?;
        }
        Ok(gone.iter().filter_map(|id| removed.get(id)).map(|(_, _, record)| record.clone()).collect())
    }

    /// Takes out of `gone` what records that stay depend on, with what was made of it, and returns both.
    fn keep_needed(
        &self,
        lineage: &dyn Lineage,
        gone: &mut HashSet<Hash>,
    ) -> Result<Vec<Hash>, RegistryError> {
        let mut kept: HashSet<Hash> = HashSet::new();
        loop {
            let mut more = Vec::new();
            for id in gone.iter() {
                // What was removed only along with it stays, too: the table of a run that stays.
                let mut stays = self.links_of(id).iter().any(|link| kept.contains(&link.to));
                for (from, roles) in lineage.referrers(id)? {
                    // Notes and executions are about it, and go with it.
                    stays |= !gone.contains(&from)
                        && lineage.kind(&from)?.is_some_and(|kind| depends(kind, roles.as_slice()));
                }
                more.extend(stays.then_some(*id));
            }
            if more.is_empty() {
                return Ok(kept.into_iter().collect());
            }
            gone.retain(|id| !more.contains(id));
            kept.extend(more);
        }
    }

    /// Writes a record and makes it known inside an index transaction.
    fn register_at_once(&self, writer: &mut IndexWriter, record: &Removal) -> Result<(), RegistryError> {
        let bytes = codec::encode(record).map_err(RegistryError::Unwritable)?;
        let links = Header::read(&bytes).map_err(RegistryError::Unwritable)?.links();
        let batch = self.store.batch()?;
        let id = batch.put_sound(&bytes)?;
        batch.persist()?;
        writer.record(&id, Kind::Removal)?;
        Ok(super::write_links(writer, &id, Kind::Removal, links)?)
    }

    /// What a record in the store names; nothing if it cannot be read.
    fn links_of(&self, id: &Hash) -> Vec<Link> {
        let header = self.store.read(id).ok().and_then(|bytes| Header::read(&bytes).ok());
        header.map(|header| header.links()).unwrap_or_default()
    }
}

/// The removals among new records.
fn new_removals(records: &[NewRecord]) -> Result<Vec<(Id<Removal>, Removal)>, RegistryError> {
    let removals = records.iter().filter(|record| record.kind == Kind::Removal);
    removals
        .map(|record| {
            let wrong = |source| RegistryError::Codec { id: record.id, source };
            Ok((Id::new(record.id), codec::decode(&record.bytes).map_err(wrong)?))
        })
        .collect()
}

/// Whether a record of a kind that names another in these roles depends on it.
pub fn depends(kind: Kind, roles: &[Role]) -> bool {
    match kind.descriptor().class {
        RecordClass::Input | RecordClass::Computed => true,
        // It is kept as long as what it follows from.
        RecordClass::Derived => false,
        RecordClass::Execution => !roles.iter().all(|role| *role == Role::Made),
        RecordClass::Decided => !roles.iter().all(|role| *role == Role::About),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Mention;

    fn removal(time: &str, ids: &[u8], revokes: Option<Id<Removal>>) -> (Id<Removal>, Removal) {
        let record = |id: &u8| RemovedRecord {
            id: Mention(Hash([*id; 32])),
            kind: "run".to_owned(),
            name: Some(format!("run-{id}")),
        };
        let removal = Removal {
            records: ids.iter().map(record).collect(),
            number: 0,
            time: time.to_owned(),
            command: "reg rm".to_owned(),
            revokes,
        };
        (Registry::id_of(&removal).unwrap(), removal)
    }

    #[test]
    fn a_removal_holds_for_each_record_until_that_comes_back() {
        let (first, second) = (removal("1", &[1, 2], None), removal("3", &[2], None));
        let back = removal("2", &[2], Some(first.0));
        let removed = Removed::of(vec![back.clone(), first.clone()]);
        assert!(removed.contains(&Hash([1; 32])) && !removed.contains(&Hash([2; 32])));
        // Removed again, and the order in which they are read does not matter.
        let removed = Removed::of(vec![second, back, first.clone(), first]);
        assert!(removed.contains(&Hash([2; 32])));
        assert_eq!(removed.records().len(), 3);
        assert_eq!(removed.named("run-2"), Some(Hash([2; 32])));
        assert_eq!(removed.get(&Hash([2; 32])).unwrap().1.time, "3");
    }

    #[test]
    fn what_comes_back_revokes_every_removal_that_names_it() {
        let (first, second) = (removal("1", &[1], None), removal("2", &[1, 2], None));
        let removed = Removed::of(vec![first.clone(), second.clone()]);
        let stamp = Stamp { time: "4".to_owned(), command: "reg train".to_owned() };
        let back: Vec<Removal> = removed.revocation([Hash([1; 32])].into_iter(), 2, &stamp).collect();
        assert_eq!(back.len(), 2);
        let mut all = vec![first, second];
        all.extend(back.into_iter().map(|record| (Registry::id_of(&record).unwrap(), record)));
        let removed = Removed::of(all);
        assert_eq!(removed.ids().collect::<Vec<_>>(), [&Hash([2; 32])]);
    }
}
