//! Locks for changes of the registry: many processes that add objects, or one that removes objects.
//!
//! A process that adds objects holds a shared lock from before the first object until after the commit, so that
//! no object it found is removed before the new record refers to it. The system releases the locks however a
//! process ends.
//!
//! Processes that add objects come and go all the time, so a process that waits for a moment without any of
//! them could wait forever. Therefore every process first takes a turn lock (shared for adding, exclusive for
//! removing) and keeps it until it has the main lock: while one process waits to remove objects, no new process
//! can start to add any.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{Registry, RegistryError, io};
use crate::disk;
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
        let _turn = take(&self.root.join(TURN), File::try_lock_shared, PATIENCE)?;
        take(&self.root.join(FILE), File::try_lock_shared, PATIENCE)
    }

    /// The right to read all objects while none is removed; `None` if the registry is not writable.
    pub(crate) fn lease_to_look(&self) -> Result<Option<Lease>, RegistryError> {
        match self.lease_to_add() {
            Err(RegistryError::Io { source, .. })
                if matches!(
                    source.kind(),
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
        let _turn = take(&self.root.join(TURN), File::try_lock, PATIENCE)?;
        take(&self.root.join(FILE), File::try_lock, HOLD_UP)
    }
}

fn take(
    path: &Path,
    try_lock: fn(&File) -> Result<(), TryLockError>,
    patience: Duration,
) -> Result<Lease, RegistryError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(io("open", path))?;
    let start = Instant::now();
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok(Lease { _file: file }),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                let holder = disk::lock_holder(path);
                return Err(IndexError::Busy { path: path.to_owned(), holder }.into());
            }
            Err(TryLockError::Error(source)) => return Err(io("lock", path)(source)),
        }
    }
}
