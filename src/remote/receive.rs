//! Copies objects into a registry, from another registry or a pack store.

use std::collections::HashSet;
use std::sync::Mutex;

use super::plan::{Item, TransferPlan, TransferSource};
use super::{Exchanged, RemoteError, TransferDirection, TransferJob, TransferRequest, TransferredNames};
use crate::hash::Hash;
use crate::limits;
use crate::progress::Unit;
use crate::records::{ObjectKind, PackedKind};
use crate::registry::{Registry, Transaction};
use crate::withdrawal::Withdrawn;

/// Copies missing objects in rounds: blobs, packed arrays, records. Each round is on the disk before the next begins.
/// Then one transaction of the index adds records and names.
pub(super) fn receive(
    registry: &Registry,
    source: &dyn TransferSource,
    plan: &TransferPlan,
    request: &TransferRequest,
    direction: TransferDirection,
    job: TransferJob<'_>,
) -> Result<Exchanged, RemoteError> {
    // From here on no object is removed, so an object that exists now still exists when a record refers to it.
    let mut transaction = registry.transaction()?;
    let here = registry.store().list()?.objects;
    let view = registry.view()?;
    let withdrawn = Withdrawn::known(registry, &view)?;
    // Purged objects are not copied back from another registry that still has them.
    let purged = |item: &Item| item.picture && withdrawn.is_purged(&item.id);
    let lacks = |item: &&Item| here.binary_search(&item.id).is_err() && !purged(item);
    let kept_out = plan.items.iter().filter(|item| purged(item)).map(|item| item.id);
    let gone: Vec<Hash> = kept_out.chain(plan.gone.iter().copied()).collect();
    let mut done = Exchanged { purged: gone.len() as u64, ..Exchanged::default() };
    transaction.excuse(gone.into_iter());
    for item in &plan.items {
        if lacks(&item) {
            let bytes = source.size(&item.id)?.ok_or_else(|| missing(source, item))?;
            done.count(item.kind, bytes);
        } else {
            done.skipped += 1;
        }
    }
    let mut unknown = Vec::new();
    for item in plan.items.iter().filter(|item| item.kind.record().is_some()) {
        // A killed pull may have left the object without an entry in the index.
        if view.kind(&item.id)?.is_none() {
            unknown.push(item.id);
        }
    }
    let names: std::collections::BTreeMap<String, Hash> = view.names()?.into_iter().collect();
    drop(view);
    let (names, changes) = TransferredNames::compare(
        &plan.names,
        |name| names.get(name).copied(),
        request.move_names,
        direction,
    );
    done.names = names;
    if request.dry_run || (done.objects == 0 && unknown.is_empty() && changes.is_empty()) {
        return Ok(done);
    }
    job.progress.begin("receive", Unit::Bytes, done.bytes);
    let import = Import { source, transaction: &transaction, job };
    let round = |packed: bool| {
        let of = move |item: &&Item| match item.kind {
            ObjectKind::Blob => !packed,
            ObjectKind::Packed(_) => packed,
            ObjectKind::Record(_) => false,
        };
        plan.items.iter().filter(of).filter(lacks)
    };
    for packed in [false, true] {
        let arrived = import.take(round(packed));
        // Objects that arrived before the error are complete, and the next attempt finds them.
        transaction.settle()?;
        done.packs += arrived?;
    }
    let unknown: HashSet<Hash> = unknown.into_iter().collect();
    let needed = plan.items.iter().filter(|item| item.kind.record().is_some());
    let needed: Vec<&Item> = needed.filter(|item| unknown.contains(&item.id) || lacks(item)).collect();
    let (records, packs) = import.records(&needed)?;
    done.packs += packs;
    for bytes in records {
        transaction.adopt_record(bytes)?;
    }
    for item in
        plan.items.iter().filter(|item| matches!(item.kind, ObjectKind::Packed(_)) && !item.links.is_empty())
    {
        transaction.adopt_packed(item.id, item.links.clone());
    }
    for (name, id) in &plan.names {
        match request.move_names {
            true => transaction.move_name(name, *id)?,
            false => transaction.name_untaken(name, *id)?,
        }
    }
    job.go_on()?;
    let committed = transaction.commit(job.stamp)?;
    job.progress.end();
    done.removed = committed.removed.len() as u64;
    // As they were in the transaction, during which no other process can change them.
    let moved = committed.names.iter().filter(|change| change.from.is_some()).count() as u64;
    let added = committed.names.len() as u64 - moved;
    let conflicts = committed.conflicts.iter().map(|of| direction.conflict(&of.name, of.wanted, of.current));
    let conflicts: Vec<_> = conflicts.collect();
    let unchanged = plan.names.len() as u64 - added - moved - conflicts.len() as u64;
    done.names = TransferredNames { added, unchanged, moved, conflicts };
    Ok(done)
}

fn missing(source: &dyn TransferSource, item: &Item) -> RemoteError {
    let by = "a manifest or record of it".to_owned();
    RemoteError::Missing { remote: source.called().to_owned(), id: item.id, by }
}

/// Objects that are being added to a registry.
struct Import<'a, 'r> {
    source: &'a dyn TransferSource,
    transaction: &'a Transaction<'r>,
    job: TransferJob<'a>,
}

impl Import<'_, '_> {
    /// Copies blobs or packed arrays; returns the number of packs that were read.
    fn take<'i>(&self, items: impl Iterator<Item = &'i Item>) -> Result<u64, RemoteError> {
        let (mut whole, mut large) = (Vec::new(), Vec::new());
        let mut kinds = std::collections::HashMap::new();
        for item in items {
            let bytes = self.source.size(&item.id)?.ok_or_else(|| missing(self.source, item))?;
            match item.kind == ObjectKind::Blob && bytes > limits::RECORD {
                true => large.push((item.id, bytes)),
                false => whole.push(item.id),
            }
            kinds.insert(item.id, item.kind);
        }
        let packs = self.source.read_each(&whole, &|id, bytes| {
            self.check_kind(id, ObjectKind::of(bytes), kinds[&id])?;
            self.transaction.put_hashed(bytes, id)?;
            self.job.progress.advance(bytes.len() as u64);
            Ok(())
        })?;
        super::worker_pool::each(&large, self.job, |(id, bytes)| {
            let mut pieces = self.source.pieces(id)?;
            let mut first = true;
            self.transaction.put_pieces(*id, *bytes, || {
                let piece = pieces()?;
                if let (Some(piece), true) = (&piece, std::mem::take(&mut first)) {
                    // Too long for a record.
                    let found = PackedKind::of(piece).map_or(ObjectKind::Blob, ObjectKind::Packed);
                    self.check_kind(*id, found, ObjectKind::Blob)?;
                }
                self.job.progress.advance(piece.as_ref().map_or(0, |piece| piece.len() as u64));
                Ok(piece)
            })
        })?;
        Ok(packs)
    }

    /// Reads records, in this order.
    fn records(&self, items: &[&Item]) -> Result<(Vec<Vec<u8>>, u64), RemoteError> {
        let ids: Vec<Hash> = items.iter().map(|item| item.id).collect();
        let read: Mutex<std::collections::HashMap<Hash, Vec<u8>>> = Mutex::default();
        let packs = self.source.read_each(&ids, &|id, bytes| {
            read.lock().expect("no thread panics while it holds this lock").insert(id, bytes.to_vec());
            self.job.progress.advance(bytes.len() as u64);
            Ok(())
        })?;
        let mut read = read.into_inner().expect("no thread panics while it holds this lock");
        let mut records = Vec::new();
        for item in items {
            let bytes = read.remove(&item.id).ok_or_else(|| missing(self.source, item))?;
            self.check_kind(item.id, ObjectKind::of(&bytes), item.kind)?;
            records.push(bytes);
        }
        Ok((records, packs))
    }

    /// The kind of an object decides which references are followed, so a source must not call a record a blob.
    fn check_kind(&self, id: Hash, found: ObjectKind, claimed: ObjectKind) -> Result<(), RemoteError> {
        if found == claimed {
            return Ok(());
        }
        Err(RemoteError::Kind { remote: self.source.called().to_owned(), id, found, claimed })
    }
}
