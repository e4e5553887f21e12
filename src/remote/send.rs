//! Copies objects from a registry to a pack store.

use std::collections::HashSet;

use super::documents::PackEntry;
use super::local::Local;
use super::pack_store::{ALONE, PACK, PackStore};
use super::plan::{Item, TransferPlan, TransferSource, gone, removals};
use super::{Exchanged, RemoteError, TransferJob, TransferRequest, worker_pool};
use crate::hash::Hash;
use crate::progress::Unit;
use crate::records::{Kind, ObjectKind};
use crate::registry::Removed;

/// An object that the pack store lacks.
#[derive(Debug, Clone, Copy)]
struct MissingObject {
    id: Hash,
    kind: ObjectKind,
    bytes: u64,
}

impl MissingObject {
    fn is_record(&self) -> bool {
        self.kind.record().is_some()
    }
}

/// Sends the objects that the pack store lacks: objects that are not records, then records after the objects to which
/// they refer, then names.
pub(super) fn send(
    mut pack_store: PackStore<'_>,
    local: &Local<'_>,
    plan: &TransferPlan,
    request: &TransferRequest,
    job: TransferJob<'_>,
) -> Result<Exchanged, RemoteError> {
    let mut missing_objects = Vec::new();
    let gone = gone(&pack_store, &pack_store.of_kind(Kind::Withdrawal))?;
    let purged = |item: &&Item| item.picture && gone.contains(&item.id);
    let kept_out = plan.items.iter().filter(purged).count() + plan.gone.len();
    for Item { id, kind, .. } in plan.items.iter().filter(|item| !pack_store.has(&item.id) && !purged(item)) {
        let missing = || RemoteError::Missing {
            remote: local.called().to_owned(),
            id: *id,
            by: "a record to be pushed".to_owned(),
        };
        missing_objects.push(MissingObject {
            id: *id,
            kind: *kind,
            bytes: local.size(id)?.ok_or_else(missing)?,
        });
    }
    let mut done = Exchanged {
        skipped: (plan.items.len() - missing_objects.len()) as u64,
        purged: kept_out as u64,
        ..Exchanged::default()
    };
    for missing_object in &missing_objects {
        done.count(missing_object.kind, missing_object.bytes);
    }
    let (alone, small): (Vec<MissingObject>, Vec<MissingObject>) = missing_objects
        .into_iter()
        .partition(|missing_object| missing_object.bytes > ALONE && !missing_object.is_record());
    let packs = cut(&small);
    done.packs = packs.len() as u64;
    if !request.dry_run {
        job.progress.begin("send", Unit::Bytes, done.bytes);
        worker_pool::each(&alone, job, |missing_object| {
            let mut pieces = local.pieces(&missing_object.id)?;
            pack_store.put_alone(&missing_object.id, &mut || {
                let piece = pieces()?;
                job.progress.advance(piece.as_ref().map_or(0, |piece| piece.len() as u64));
                Ok(piece)
            })
        })?;
        let put = |pack: &&[MissingObject]| put_pack(&pack_store, local, pack, job);
        let (first, last): (Vec<&[MissingObject]>, Vec<&[MissingObject]>) =
            packs.into_iter().partition(|pack| !pack.iter().any(MissingObject::is_record));
        worker_pool::each(&first, job, put)?;
        for pack in &last {
            job.go_on()?;
            put(pack)?;
        }
        job.progress.end();
    }
    // What travels has come back, if it was removed.
    let travels: HashSet<Hash> = plan.items.iter().map(|item| item.id).collect();
    let mut all = removals(local)?;
    all.extend(removals(&pack_store)?);
    let removed = Removed::of(all).without(|id| travels.contains(id));
    done.names = pack_store.put_names(&plan.names, request.move_names, request.dry_run, &removed)?;
    Ok(done)
}

/// Divides neighbours into packs, each as full as possible.
fn cut(missing_objects: &[MissingObject]) -> Vec<&[MissingObject]> {
    let (mut packs, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, missing_object) in missing_objects.iter().enumerate() {
        if at > start && bytes + missing_object.bytes > PACK {
            packs.push(&missing_objects[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += missing_object.bytes;
    }
    if start < missing_objects.len() {
        packs.push(&missing_objects[start..]);
    }
    packs
}

fn put_pack(
    pack_store: &PackStore<'_>,
    local: &Local<'_>,
    pack: &[MissingObject],
    job: TransferJob<'_>,
) -> Result<(), RemoteError> {
    let mut bytes = Vec::with_capacity(pack.iter().map(|missing_object| missing_object.bytes as usize).sum());
    let mut objects = Vec::with_capacity(pack.len());
    for missing_object in pack {
        job.go_on()?;
        let object = local.read(&missing_object.id)?;
        objects.push(PackEntry {
            bytes: object.len() as u64,
            id: missing_object.id,
            kind: missing_object.kind.name().to_owned(),
        });
        bytes.extend(object);
    }
    let size = bytes.len() as u64;
    pack_store.put_pack(bytes, objects)?;
    job.progress.advance(size);
    Ok(())
}
