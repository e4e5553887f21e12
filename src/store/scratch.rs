//! Folders under `tmp/` that vanish with the process that made them, even if it is killed.
//!
//! Each is locked by its process. What lies unlocked was left by a process that died; the next one
//! removes it. Nothing under `tmp/` is ever part of the registry.
//!
//! Whoever made the registry may have put a link there. So neither `tmp/` nor anything in it is followed, and
//! only folders that bear a name of ours are removed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::OFlags;

use super::StoreError;
use crate::disk;

/// How the name of each begins; process and number follow.
const PREFIX: &str = "scratch-";

/// A folder for files on their way.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    _lock: File,
}

impl Scratch {
    pub(super) fn new(staging: &Path) -> Result<Self, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        if disk::is_link(staging) {
            return Err(StoreError::StagingIsLink(staging.to_owned()));
        }
        remove_abandoned(staging);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let dir = staging.join(format!("{PREFIX}{}-{number}", process::id()));
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
    // The type of an entry is that of a link itself.
    let ours = entries.filter(|entry| {
        entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_ours(&entry.file_name().to_string_lossy())
    });
    for path in ours.map(|entry| entry.path()) {
        let Ok(folder) = open_folder(&path) else { continue };
        // Locked until it is gone, so that whoever has just made it waits and then sees that it is.
        if folder.try_lock().is_ok() {
            let _ = disk::remove_dir_all(&path);
        }
    }
}

/// Whether a name is one that [`Scratch::new`] gives: `scratch-<process>-<number>`.
fn is_ours(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let numbers = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    numbers.is_some_and(|(process, count)| number(process) && number(count))
}

/// Opens a folder; what a link leads to is none.
fn open_folder(path: &Path) -> io::Result<File> {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits() as i32;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_is_in_use_stays() {
        let staging = tempfile::tempdir().unwrap();
        let in_use = Scratch::new(staging.path()).unwrap();
        let abandoned = staging.path().join("scratch-4711-0");
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join("half"), b"hal").unwrap();
        let other = Scratch::new(staging.path()).unwrap();
        assert!(!abandoned.exists());
        assert!(in_use.path().exists() && other.path().exists());
    }

    #[test]
    fn links_are_not_followed_and_what_is_not_ours_stays() {
        let (staging, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let thesis = home.path().join("scratch-1-1");
        fs::create_dir(&thesis).unwrap();
        fs::write(thesis.join("text"), b"precious").unwrap();
        // A link in the place of a folder of ours, and folders that are called otherwise.
        std::os::unix::fs::symlink(&thesis, staging.path().join("scratch-2-2")).unwrap();
        let strangers = ["thesis", "scratch-", "scratch-1", "scratch-1-", "scratch-1-x", "scratch-1-1-1"];
        for name in strangers {
            fs::create_dir(staging.path().join(name)).unwrap();
        }
        drop(Scratch::new(staging.path()).unwrap());
        assert!(thesis.join("text").exists());
        assert!(strangers.iter().all(|name| staging.path().join(name).exists()));
        // A link in the place of `tmp/` itself.
        let link = staging.path().join("tmp");
        std::os::unix::fs::symlink(home.path(), &link).unwrap();
        assert!(matches!(Scratch::new(&link), Err(StoreError::StagingIsLink(path)) if path == link));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert!(thesis.join("text").exists());
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
