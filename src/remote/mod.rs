//! Exchange between registries: objects that one has and the other lacks, and their names.
//!
//! A remote is a registry in a folder, or a *pack store*: a folder or an S3 bucket with objects in packs, so that a
//! hundred thousand small objects do not cost as many requests. Both directions work alike: a plan lists the objects of
//! the source, and those that the target lacks are copied, each hashed on arrival: first objects without references,
//! then records after the objects to which they refer, then names. So neither side ever has a record that refers to a
//! missing object, however either process ends, and no object is copied twice.
//!
//! The log of name changes belongs to one registry and is not copied: the changes of a pull are one log entry of the
//! registry that pulled.

mod address;
mod documents;
mod error;
mod format;
mod heads;
mod local;
mod location;
mod pack_store;
mod plan;
mod receive;
mod repair;
mod send;
mod worker_pool;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

pub use address::{Address, is_pack_store};
pub use error::RemoteError;
pub use heads::{Age, age};
pub use repair::repair;

use crate::hash::Hash;
use crate::progress::Progress;
use crate::records::{ObjectKind, RemovedRecord};
use crate::registry::{Registry, Stamp};
use address::Remote;
use local::Local;
use pack_store::PackStore;
use plan::{TransferPlan, TransferSource, removals};

/// What to copy, and how.
#[derive(Debug, Default)]
pub struct TransferRequest {
    /// Names, ids or prefixes of ids at the source: these objects, everything that they depend on, and the results of
    /// the runs among them. If empty: everything that has a name or is a result.
    pub ids: Vec<String>,
    /// Whether a name with another target at the receiving side is moved.
    pub move_names: bool,
    /// Whether a pull removes here what was removed at the source.
    pub accept_removals: bool,
    /// Whether only to report what would be copied.
    pub dry_run: bool,
}

/// The context of an exchange.
#[derive(Clone, Copy)]
pub struct TransferJob<'a> {
    /// Time and command of the change.
    pub stamp: &'a Stamp,
    /// Receives the progress.
    pub progress: &'a dyn Progress,
    /// Becomes true when the exchange should end early.
    pub stop: &'a AtomicBool,
}

impl TransferJob<'_> {
    fn go_on(&self) -> Result<(), RemoteError> {
        if self.stop.load(Ordering::Relaxed) { Err(RemoteError::Interrupted) } else { Ok(()) }
    }
}

/// What was copied, or would be.
#[derive(Debug, Default)]
pub struct Exchanged {
    /// Number of objects that the target lacked.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of packs that were written or read.
    pub packs: u64,
    /// Number of objects that the target had.
    pub skipped: u64,
    /// Records that the target no longer has, because they were removed at the source.
    pub removed: u64,
    /// Records that were removed at the source and stay at the target.
    pub not_removed: Vec<RemovedRecord>,
    /// Number of images that were not copied because one side has purged them.
    pub purged: u64,
    /// Number and bytes of the objects that the target lacked, by kind.
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
    /// Changes of names.
    pub names: TransferredNames,
    /// After a push, the age of this registry according to the target.
    pub age: Age,
}

impl Exchanged {
    fn count(&mut self, kind: ObjectKind, bytes: u64) {
        let (objects, sum) = self.kinds.entry(kind.name()).or_default();
        (*objects, *sum) = (*objects + 1, *sum + bytes);
        self.objects += 1;
        self.bytes += bytes;
    }
}

/// Changes of the names of the copied objects.
#[derive(Debug, Default, Serialize)]
pub struct TransferredNames {
    /// Number of names that the target did not have.
    pub added: u64,
    /// Number of names with the same target on both sides.
    pub unchanged: u64,
    /// Names with another target that were moved.
    pub moved: u64,
    /// Names with another target that were not moved.
    pub conflicts: Vec<Conflict>,
}

/// A name with different targets on the two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The name.
    pub name: String,
    /// Its target in this registry.
    pub local: Hash,
    /// Its target on the other side.
    pub remote: Hash,
}

/// The side whose names change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransferDirection {
    Push,
    Pull,
}

impl TransferredNames {
    /// Compares the names of copied objects with those of the target; `changes` are the names to set there.
    fn compare(
        wanted: &BTreeMap<String, Hash>,
        there: impl Fn(&str) -> Option<Hash>,
        move_names: bool,
        direction: TransferDirection,
    ) -> (TransferredNames, Vec<(String, Hash)>) {
        let (mut names, mut changes) = (TransferredNames::default(), Vec::new());
        for (name, id) in wanted {
            match there(name) {
                Some(same) if same == *id => names.unchanged += 1,
                Some(other) if !move_names => names.conflicts.push(direction.conflict(name, *id, other)),
                other => {
                    *if other.is_none() { &mut names.added } else { &mut names.moved } += 1;
                    changes.push((name.clone(), *id));
                }
            }
        }
        (names, changes)
    }
}

impl TransferDirection {
    fn conflict(self, name: &str, source: Hash, target: Hash) -> Conflict {
        let (local, remote) =
            if self == TransferDirection::Push { (source, target) } else { (target, source) };
        Conflict { name: name.to_owned(), local, remote }
    }
}

/// Copies objects that the other side lacks.
pub fn push(
    registry: &Registry,
    to: &Address,
    request: &TransferRequest,
    job: TransferJob<'_>,
) -> Result<Exchanged, RemoteError> {
    let local = Local::open(registry, job)?;
    let remote = to.open(registry)?;
    let mut exchanged = match &remote {
        Remote::Registry(other) => {
            let removed = other.removals(&other.view().map_err(RemoteError::from)?)?;
            let plan = TransferPlan::make(&local, &request.ids, removed, job)?;
            receive::receive(other, &local, &plan, request, TransferDirection::Push, job)?
        }
        Remote::PackStore { location, exists } => {
            let removed = match exists {
                true => removals(&PackStore::open(&**location, to, true, None, job)?)?,
                false => Vec::new(),
            };
            // Before anything is made there.
            let plan = TransferPlan::make(&local, &request.ids, removed, job)?;
            if !exists && !request.dry_run {
                PackStore::create(&**location, to)?;
            } else if !request.dry_run {
                PackStore::check_conditions(&**location, to)?;
            }
            let pack_store = PackStore::open(&**location, to, *exists || !request.dry_run, None, job)?;
            send::send(pack_store, &local, &plan, request, job)?
        }
    };
    if !request.dry_run {
        exchanged.age = heads::leave(registry, &remote, to)?;
    }
    Ok(exchanged)
}

/// Copies objects from the other side that this one lacks.
pub fn pull(
    registry: &Registry,
    from: &Address,
    request: &TransferRequest,
    job: TransferJob<'_>,
) -> Result<Exchanged, RemoteError> {
    match from.open(registry)? {
        Remote::Registry(other) => {
            let source = Local::open(&other, job)?;
            let removed = registry.removals(&registry.view()?)?;
            let plan = TransferPlan::make(&source, &request.ids, removed, job)?;
            take(registry, &source, plan, request, job)
        }
        Remote::PackStore { exists: false, .. } => Err(from.nothing()),
        Remote::PackStore { location, .. } => {
            let mut looks = 0;
            let removed = registry.removals(&registry.view()?)?;
            let (pack_store, plan) = loop {
                let pack_store =
                    PackStore::open(&*location, from, true, Some(registry.store().clone()), job)?;
                match TransferPlan::make(&pack_store, &request.ids, removed.clone(), job) {
                    // While a long list is read page by page, a push may add to pages on either side of it.
                    Err(RemoteError::Missing { .. }) if looks < 2 => looks += 1,
                    plan => break (pack_store, plan?),
                }
            };
            take(registry, &pack_store, plan, request, job)
        }
    }
}

fn take(
    registry: &Registry,
    source: &dyn TransferSource,
    mut plan: TransferPlan,
    request: &TransferRequest,
    job: TransferJob<'_>,
) -> Result<Exchanged, RemoteError> {
    let not_removed = match request.accept_removals {
        true => Vec::new(),
        false => {
            let view = registry.view()?;
            plan.leave_out_removals(|id| Ok(view.kind(id)?.is_some()))?
        }
    };
    let done = receive::receive(registry, source, &plan, request, TransferDirection::Pull, job)?;
    Ok(Exchanged { not_removed, ..done })
}
