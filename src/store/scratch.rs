//! Folders under `tmp/` that vanish with the process that made them, even if it is killed.
//!
//! Each folder is locked by its process. An unlocked folder was left by a process that died; the next process
//! removes the folder. Nothing under `tmp/` is ever part of the registry.
//!
//! Whoever made the registry may have put anything there. So no link in `tmp/` is followed, nor one in the place of
//! `tmp/`, and only folders with a name of reg's own pattern that belong to the registry's owner or group are removed.

use std::io;
use std::path::Path;

use super::StoreError;
use crate::disk::{self, Dir, Doing};

/// First part of the name of each folder; sixteen random hex digits follow.
const PREFIX: &str = "scratch-";

/// A temporary folder.
#[derive(Debug)]
pub struct Scratch {
    staging: Dir,
    name: String,
    /// Locked for as long as it is open.
    dir: Dir,
}

impl Scratch {
    /// Creates a temporary folder in the folder `name` of `root`.
    pub(super) fn new(root: &Dir, name: &str) -> Result<Self, StoreError> {
        // A copy of a registry may lack its empty folders.
        let staging = root.folder(name).doing("open", &root.path_of(name))?;
        remove_abandoned(&staging);
        loop {
            let random = disk::random_name().doing("create", staging.path())?;
            let name = format!("{PREFIX}{random}");
            let path = staging.path_of(&name);
            staging.create_dir(&name).doing("create", &path)?;
            // Before the new folder is locked, another process may have removed it as abandoned.
            let dir = match staging.subdir(&name) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.doing("open", &path)?,
            };
            dir.lock().doing("lock", &path)?;
            if staging.has(&name, &dir) {
                return Ok(Scratch { staging, name, dir });
            }
        }
    }

    /// The folder, for messages and for programs that are not reg.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The folder.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that cannot be removed now counts as abandoned from now on.
        let _ = self.staging.remove_dir_all(&self.name);
    }
}

/// Tidying up is a courtesy: what cannot be removed now is left for the next process.
fn remove_abandoned(staging: &Dir) {
    for (name, is_dir) in staging.entries().unwrap_or_default() {
        let ours = is_dir
            && is_ours(&name.to_string_lossy())
            && staging.stat(&name).is_ok_and(|stat| staging.is_ours(&stat));
        // Locked until it is gone, so that whoever has just made it waits and then sees that it is.
        let locked = || staging.subdir(&name).ok().filter(|dir| dir.try_lock().is_ok_and(|free| free));
        if let Some(_lock) = ours.then(locked).flatten() {
            let _ = staging.remove_dir_all(&name);
        }
    }
}

/// Folders in `tmp/` that a process that died has left: those that bear a name of ours and that nobody has locked.
pub fn abandoned(root: &Dir) -> usize {
    let Ok(staging) = root.subdir(super::STAGING) else { return 0 };
    let free = |name: &std::ffi::OsString| {
        staging.subdir(name).and_then(|dir| dir.try_lock()).is_ok_and(|free| free)
    };
    let folders = staging.entries().unwrap_or_default().into_iter().filter(|(_, is_dir)| *is_dir);
    folders.filter(|(name, _)| is_ours(&name.to_string_lossy()) && free(name)).count()
}

/// Whether a name is one that [`Scratch::new`] gives, or that it gave once: `scratch-<process>-<number>`.
fn is_ours(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let numbers = rest.split_once('-');
    disk::is_random(rest) || numbers.is_some_and(|(process, count)| number(process) && number(count))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn scratch(root: &Dir) -> Scratch {
        Scratch::new(root, "tmp").unwrap()
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_is_in_use_stays() {
        let root = tempfile::tempdir().unwrap();
        let (dir, staging) = (Dir::open(root.path()).unwrap(), root.path().join("tmp"));
        let in_use = scratch(&dir);
        let abandoned = ["scratch-4711-0", "scratch-0123456789abcdef"].map(|name| staging.join(name));
        for abandoned in &abandoned {
            fs::create_dir(abandoned).unwrap();
            fs::write(abandoned.join("half"), b"hal").unwrap();
        }
        let other = scratch(&dir);
        assert!(abandoned.iter().all(|abandoned| !abandoned.exists()));
        assert!(in_use.path().exists() && other.path().exists());
    }

    #[test]
    fn links_are_not_followed_and_what_is_not_ours_stays() {
        let (root, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (dir, staging) = (Dir::open(root.path()).unwrap(), root.path().join("tmp"));
        let thesis = home.path().join("scratch-1-1");
        fs::create_dir(&thesis).unwrap();
        fs::write(thesis.join("text"), b"precious").unwrap();
        // A link in the place of a folder of ours, one in such a folder, and folders that are called otherwise.
        fs::create_dir(&staging).unwrap();
        std::os::unix::fs::symlink(&thesis, staging.join("scratch-2-2")).unwrap();
        fs::create_dir(staging.join("scratch-3-3")).unwrap();
        std::os::unix::fs::symlink(&thesis, staging.join("scratch-3-3/in")).unwrap();
        let strangers =
            ["thesis", "scratch-", "scratch-1", "scratch-1-", "scratch-1-x", "scratch-1-1-1", "scratch-0123"];
        for name in strangers {
            fs::create_dir(staging.join(name)).unwrap();
        }
        drop(scratch(&dir));
        assert!(thesis.join("text").exists());
        assert!(!staging.join("scratch-3-3").exists());
        assert!(strangers.iter().all(|name| staging.join(name).exists()));
        // A link in the place of `tmp/` itself.
        fs::rename(&staging, root.path().join("other")).unwrap();
        std::os::unix::fs::symlink(home.path(), &staging).unwrap();
        let refused = Scratch::new(&dir, "tmp").unwrap_err().to_string();
        assert!(refused.contains("tmp is a symbolic link"), "{refused}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert!(thesis.join("text").exists());
    }

    #[test]
    fn nobody_takes_a_folder_for_abandoned_while_it_is_made() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::open(root.path()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let scratch = scratch(&dir);
                        fs::write(scratch.path().join("file"), b"mine").unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
    }
}
