//! Locks for changes of the registry: many processes that add objects, or one that removes objects.
//!
//! A process that adds objects holds a shared lock from before the first object until after the commit, so that
//! no object it found is removed before the new record refers to it. The system releases the locks however a
//! process ends.
//!
//! Processes that add objects come and go all the time, so a process that waits until there are none could wait
//! forever. Therefore every process first locks a second file, `turn`, and holds it until it has the lock: while a
//! process that removes objects waits, no other process can get the lock.
//!
//! Whoever can open the file of a lock can hold the lock for any time. So accounts that may not write to the registry
//! may not read these files either.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use super::{Registry, RegistryError};
use crate::disk::{self, Dir, Doing, FileError};
use crate::index::{IndexError, PATIENCE};

const FILE: &str = "lock";
const TURN: &str = "turn";
/// How long a process that removes objects blocks the others: much less than their own time limit.
const HOLD_UP: Duration = Duration::from_secs(5);

/// The right to change a registry, until dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    _file: File,
}

impl Registry {
    /// The right to add objects, together with others.
    pub(super) fn lease_to_add(&self) -> Result<Lease, RegistryError> {
        let _turn = take(&self.root, TURN, File::try_lock_shared, PATIENCE)?;
        take(&self.root, FILE, File::try_lock_shared, PATIENCE)
    }

    /// The right to read all objects while none is removed; `None` if the registry is not writable.
    pub(crate) fn lease_to_look(&self) -> Result<Option<Lease>, RegistryError> {
        match self.lease_to_add() {
            Err(RegistryError::Io(e))
                if matches!(
                    e.source.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull
                ) =>
            {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// The right to remove objects, alone.
    pub(super) fn lease_to_remove(&self) -> Result<Lease, RegistryError> {
        let _turn = take(&self.root, TURN, File::try_lock, PATIENCE)?;
        take(&self.root, FILE, File::try_lock, HOLD_UP)
    }
}

fn take(
    root: &Dir,
    name: &str,
    try_lock: fn(&File) -> Result<(), TryLockError>,
    patience: Duration,
) -> Result<Lease, RegistryError> {
    let path = root.path_of(name);
    let file = root.open_lock(name).doing("open", &path)?;
    let start = Instant::now();
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok(Lease { _file: file }),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                let holder = disk::lock_holder(&file);
                return Err(IndexError::Busy { path, holder }.into());
            }
            Err(TryLockError::Error(source)) => return Err(FileError::new("lock", &path, source).into()),
        }
    }
}
