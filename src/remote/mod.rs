//! Exchange between registries: what one has and the other lacks, and the names of it.
//!
//! The other registry, folder or bucket is a registry, in a folder, or a *pack store*: a folder or an S3 bucket that holds
//! objects in packs, so that a hundred thousand small ones are not as many requests. Both directions are the same walk:
//! a plan says what the source has and what it names; what the target lacks travels, each object hashed where it
//! arrives: first what names nothing, then records behind what they name, then names. So neither side ever has a record
//! that names what is not there, however either of them ends, and what arrived needs not travel again.
//!
//! A log of name changes says what happened in one registry. It does not travel: what a pull changes is one
//! entry of the log of the registry that pulled.

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
mod send;
mod worker_pool;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

pub use address::Address;
pub use error::RemoteError;
pub use heads::{Age, age};

use crate::hash::Hash;
use crate::progress::Progress;
use crate::records::ObjectKind;
use crate::registry::{Registry, Stamp};
use address::Remote;
use local::Local;
use pack_store::PackStore;
use plan::TransferPlan;

/// What shall travel, and how.
#[derive(Debug, Default)]
pub struct TransferRequest {
    /// Names, ids or beginnings of ids on the side that gives: these, all that they depend on, and the results
    /// that hang on the runs among it. If there are none: all that has a name or is a result.
    pub ids: Vec<String>,
    /// A name that names something else on the side that takes is moved.
    pub move_names: bool,
    /// Only say what would travel.
    pub dry_run: bool,
}

/// What an exchange runs in.
#[derive(Clone, Copy)]
pub struct TransferJob<'a> {
    /// When and by which command.
    pub stamp: &'a Stamp,
    /// Hears how far it is.
    pub progress: &'a dyn Progress,
    /// Becomes true when it shall end early.
    pub stop: &'a AtomicBool,
}

impl TransferJob<'_> {
    fn go_on(&self) -> Result<(), RemoteError> {
        if self.stop.load(Ordering::Relaxed) { Err(RemoteError::Interrupted) } else { Ok(()) }
    }
}

/// What travelled, or would.
#[derive(Debug, Default)]
pub struct Exchanged {
    /// Objects that the target lacked.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packs that were written, or read from.
    pub packs: u64,
    /// Objects that the target had.
    pub skipped: u64,
    /// Images that did not travel because they were removed for good on one side.
    pub purged: u64,
    /// The objects that the target lacked and their bytes, by kind.
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
    /// What became of the names.
    pub names: TransferredNames,
    /// After a push, what the target knew of this registry.
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

/// What became of the names of what travelled.
#[derive(Debug, Default, Serialize)]
pub struct TransferredNames {
    /// Names that the target did not have.
    pub added: u64,
    /// Names that name the same on both sides.
    pub unchanged: u64,
    /// Names that named something else and were moved.
    pub moved: u64,
    /// Names that name something else and stay as they are.
    pub conflicts: Vec<Conflict>,
}

/// One name, two things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The name.
    pub name: String,
    /// What it names in this registry.
    pub local: Hash,
    /// What it names on the other side.
    pub remote: Hash,
}

/// Which side is asked to take over names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransferDirection {
    Push,
    Pull,
}

impl TransferredNames {
    /// Holds the names that travel against those of the target; `changes` are those to be given there.
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

/// Gives what the other side lacks.
pub fn push(
    registry: &Registry,
    to: &Address,
    request: &TransferRequest,
    job: TransferJob<'_>,
) -> Result<Exchanged, RemoteError> {
    let local = Local::open(registry, job)?;
    let remote = to.open(registry)?;
    // Before anything is made there.
    let plan = TransferPlan::make(&local, &request.ids, job)?;
    let mut exchanged = match &remote {
        Remote::Registry(other) => {
            receive::receive(other, &local, &plan, request, TransferDirection::Push, job)?
        }
        Remote::PackStore { location, exists } => {
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

/// Takes what the other side has and this one lacks.
pub fn pull(
    registry: &Registry,
    from: &Address,
    request: &TransferRequest,
    job: TransferJob<'_>,
) -> Result<Exchanged, RemoteError> {
    match from.open(registry)? {
        Remote::Registry(other) => {
            let source = Local::open(&other, job)?;
            let plan = TransferPlan::make(&source, &request.ids, job)?;
            receive::receive(registry, &source, &plan, request, TransferDirection::Pull, job)
        }
        Remote::PackStore { exists: false, .. } => Err(RemoteError::Nothing(from.to_string())),
        Remote::PackStore { location, .. } => {
            let mut looks = 0;
            let (pack_store, plan) = loop {
                let pack_store =
                    PackStore::open(&*location, from, true, Some(registry.store().clone()), job)?;
                match TransferPlan::make(&pack_store, &request.ids, job) {
                    // While a long list is read page by page, a push may add to pages on either side of it.
                    Err(RemoteError::Missing { .. }) if looks < 2 => looks += 1,
                    plan => break (pack_store, plan?),
                }
            };
            receive::receive(registry, &pack_store, &plan, request, TransferDirection::Pull, job)
        }
    }
}
