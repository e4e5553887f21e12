//! From a registry to a depot.

use super::depot::{ALONE, Depot, PACK};
use super::documents::PackEntry;
use super::near::Near;
use super::plan::{Item, Plan, Source, gone};
use super::{Exchanged, Job, RemoteError, Request, crew};
use crate::hash::Hash;
use crate::progress::Unit;
use crate::records::ObjectKind;

/// An object that the depot lacks.
#[derive(Debug, Clone, Copy)]
struct Parcel {
    id: Hash,
    kind: ObjectKind,
    bytes: u64,
}

impl Parcel {
    fn is_record(&self) -> bool {
        self.kind.record().is_some()
    }
}

/// Sends what the depot lacks: what is no record in any order, then records behind what they name, then names.
pub(super) fn send(
    mut depot: Depot<'_>,
    near: &Near<'_>,
    plan: &Plan,
    request: &Request,
    job: Job<'_>,
) -> Result<Exchanged, RemoteError> {
    let mut parcels = Vec::new();
    let gone = gone(&depot, &depot.withdrawals())?;
    let purged = |item: &&Item| item.picture && gone.contains(&item.id);
    let kept_out = plan.items.iter().filter(purged).count() + plan.gone.len();
    for Item { id, kind, .. } in plan.items.iter().filter(|item| !depot.has(&item.id) && !purged(item)) {
        let missing = || RemoteError::Missing {
            remote: near.called().to_owned(),
            id: *id,
            by: "a record to be pushed".to_owned(),
        };
        parcels.push(Parcel { id: *id, kind: *kind, bytes: near.size(id)?.ok_or_else(missing)? });
    }
    let mut done = Exchanged {
        skipped: (plan.items.len() - parcels.len()) as u64,
        purged: kept_out as u64,
        ..Exchanged::default()
    };
    for parcel in &parcels {
        done.count(parcel.kind, parcel.bytes);
    }
    let (alone, small): (Vec<Parcel>, Vec<Parcel>) =
        parcels.into_iter().partition(|parcel| parcel.bytes > ALONE && !parcel.is_record());
    let packs = cut(&small);
    done.packs = packs.len() as u64;
    if !request.dry_run {
        job.progress.begin("send", Unit::Bytes, done.bytes);
        crew::each(&alone, job, |parcel| {
            let mut pieces = near.pieces(&parcel.id)?;
            depot.put_alone(&parcel.id, &mut || {
                let piece = pieces()?;
                job.progress.advance(piece.as_ref().map_or(0, |piece| piece.len() as u64));
                Ok(piece)
            })
        })?;
        let put = |pack: &&[Parcel]| put_pack(&depot, near, pack, job);
        let (first, last): (Vec<&[Parcel]>, Vec<&[Parcel]>) =
            packs.into_iter().partition(|pack| !pack.iter().any(Parcel::is_record));
        crew::each(&first, job, put)?;
        for pack in &last {
            job.go_on()?;
            put(pack)?;
        }
        job.progress.end();
    }
    done.names = depot.put_names(&plan.names, request.move_names, request.dry_run)?;
    Ok(done)
}

/// Packs of neighbours, each as full as it may be.
fn cut(parcels: &[Parcel]) -> Vec<&[Parcel]> {
    let (mut packs, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, parcel) in parcels.iter().enumerate() {
        if at > start && bytes + parcel.bytes > PACK {
            packs.push(&parcels[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += parcel.bytes;
    }
    if start < parcels.len() {
        packs.push(&parcels[start..]);
    }
    packs
}

fn put_pack(depot: &Depot<'_>, near: &Near<'_>, pack: &[Parcel], job: Job<'_>) -> Result<(), RemoteError> {
    let mut bytes = Vec::with_capacity(pack.iter().map(|parcel| parcel.bytes as usize).sum());
    let mut objects = Vec::with_capacity(pack.len());
    for parcel in pack {
        job.go_on()?;
        let object = near.read(&parcel.id)?;
        objects.push(PackEntry {
            bytes: object.len() as u64,
            id: parcel.id,
            kind: parcel.kind.name().to_owned(),
        });
        bytes.extend(object);
    }
    let size = bytes.len() as u64;
    depot.put_pack(bytes, objects)?;
    job.progress.advance(size);
    Ok(())
}
