//! Folders under `tmp/` that vanish with the process that made them, even if it is killed.
//!
//! Each is locked by its process. What lies unlocked was left by a process that died; the next one
//! removes it. Nothing under `tmp/` is ever part of the registry.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::StoreError;

/// A folder for files on their way.
#[derive(Debug)]
pub struct Scratch {
    dir: tempfile::TempDir,
    _lock: File,
}

impl Scratch {
    pub(super) fn new(staging: &Path) -> Result<Self, StoreError> {
        remove_abandoned(staging);
        loop {
            let dir = tempfile::Builder::new()
                .prefix("scratch-")
                .tempdir_in(staging)
                .map_err(StoreError::io("create a folder in", staging))?;
            let lock = File::open(dir.path()).map_err(StoreError::io("open", dir.path()))?;
            lock.lock().map_err(StoreError::io("lock", dir.path()))?;
            // Between its making and its locking, another process may have taken it for abandoned.
            if dir.path().exists() {
                return Ok(Scratch { dir, _lock: lock });
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Tidying up is a courtesy: what cannot be removed now is left for the next process.
fn remove_abandoned(staging: &Path) {
    let entries = fs::read_dir(staging).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path: &PathBuf| path.is_dir()) {
        let abandoned = File::open(&path).is_ok_and(|dir| dir.try_lock().is_ok());
        if abandoned {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_is_in_use_stays() {
        let staging = tempfile::tempdir().unwrap();
        let in_use = Scratch::new(staging.path()).unwrap();
        let abandoned = staging.path().join("scratch-left");
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join("half"), b"hal").unwrap();
        let other = Scratch::new(staging.path()).unwrap();
        assert!(!abandoned.exists());
        assert!(in_use.path().exists() && other.path().exists());
    }
}
