//! Folders under `tmp/` that vanish with the process that made them, even if it is killed.
//!
//! Each is locked by its process. What lies unlocked was left by a process that died; the next one
//! removes it. Nothing under `tmp/` is ever part of the registry.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;
use crate::disk;

/// A folder for files on their way.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    _lock: File,
}

impl Scratch {
    pub(super) fn new(staging: &Path) -> Result<Self, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        remove_abandoned(staging);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let dir = staging.join(format!("scratch-{}-{number}", process::id()));
            let made = match disk::create_dir(&dir) {
                // A copy of a registry may lack its empty folders.
                Err(e) if e.kind() == io::ErrorKind::NotFound => disk::create_dir_all(&dir),
                made => made,
            };
            match made {
                // Another machine that shares the registry has a process of this number.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(StoreError::io("create", &dir))?,
            }
            // Between its making and its locking, another process may take it for abandoned.
            let lock = match File::open(&dir) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(StoreError::io("open", &dir))?,
            };
            lock.lock().map_err(StoreError::io("lock", &dir))?;
            if dir.exists() {
                return Ok(Scratch { dir, _lock: lock });
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now counts as abandoned from now on.
        let _ = disk::remove_dir_all(&self.dir);
    }
}

/// Tidying up is a courtesy: what cannot be removed now is left for the next process.
fn remove_abandoned(staging: &Path) {
    let entries = fs::read_dir(staging).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path: &PathBuf| path.is_dir()) {
        let Ok(folder) = File::open(&path) else { continue };
        // Locked until it is gone, so that whoever has just made it waits and then sees that it is.
        if folder.try_lock().is_ok() {
            let _ = disk::remove_dir_all(&path);
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

    #[test]
    fn nobody_takes_a_folder_for_abandoned_while_it_is_made() {
        let staging = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let scratch = Scratch::new(staging.path()).unwrap();
                        fs::write(scratch.path().join("file"), b"mine").unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(staging.path()).unwrap().count(), 0);
    }
}
