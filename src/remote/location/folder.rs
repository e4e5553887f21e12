//! A folder, on a disk or mounted from elsewhere.
//!
//! Nothing here relies on locks, which do not reach from one machine that mounts the folder to the other:
//! files are written under `tmp/`, synced, and renamed; what must be new is hard-linked, which fails if the
//! name is taken.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::io::Errno;

use super::{Location, Pieces};
use crate::disk;
use crate::remote::RemoteError;

const STAGING: &str = "tmp";
const READ_ONLY: u32 = 0o444;
/// What lies in `tmp/` for longer was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

pub(in crate::remote) struct FolderLocation {
    root: PathBuf,
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RemoteError {
    let path = path.to_owned();
    move |source| RemoteError::Io { doing, path, source }
}

fn is_absent(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::NotFound)
}

/// A file on its way; it vanishes when dropped, unless it was renamed.
struct Staged(PathBuf);

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl FolderLocation {
    pub(in crate::remote) fn at(root: PathBuf) -> Self {
        FolderLocation { root }
    }

    /// Makes the folder in which a file of this key lies, durably, and returns the path of the file.
    fn prepare(&self, key: &str) -> Result<PathBuf, RemoteError> {
        let path = self.root.join(key);
        let folder = path.parent().unwrap_or(&self.root);
        let is_there = |folder: &&Path| folder.as_os_str().is_empty() || folder.is_dir();
        let new: Vec<&Path> = folder.ancestors().take_while(|folder| !is_there(folder)).collect();
        if !new.is_empty() {
            disk::create_dir_all(folder).map_err(io("create", folder))?;
        }
        new.into_iter().try_for_each(sync_parent)?;
        Ok(path)
    }

    /// The folder for files on their way, which is never followed out of the remote.
    fn staging(&self) -> Result<PathBuf, RemoteError> {
        let path = self.root.join(STAGING);
        if disk::is_link(&path) { Err(RemoteError::StagingIsLink(path)) } else { Ok(path) }
    }

    /// Writes and syncs a file under `tmp/`.
    fn stage(
        &self,
        fill: impl FnOnce(&File, &Path) -> Result<(), RemoteError>,
    ) -> Result<Staged, RemoteError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let staging = self.staging()?;
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let moment = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
            let path = staging.join(format!("{}-{number}-{moment}", process::id()));
            let file = match disk::create_new(&path, READ_ONLY) {
                Err(e) if is_absent(&e) => {
                    disk::create_dir_all(&staging).map_err(io("create", &staging))?;
                    disk::create_new(&path, READ_ONLY)
                }
                made => made,
            };
            let file = match file {
                // Another machine has a process of this number.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
                made => made.map_err(io("create", &path))?,
            };
            let staged = Staged(path);
            fill(&file, &staged.0)?;
            disk::sync(&staged.0).map_err(io("sync", &staged.0))?;
            return Ok(staged);
        }
    }

    fn stage_bytes(&self, bytes: &[u8]) -> Result<Staged, RemoteError> {
        self.stage(|file, path| disk::write_at(file, path, 0, bytes).map_err(io("write", path)))
    }

    fn location(&self, staged: Staged, path: &Path) -> Result<(), RemoteError> {
        disk::rename(&staged.0, path).map_err(io("create", path))?;
        sync_parent(path)
    }

    /// What killed processes left. Courtesy: what cannot be removed stays.
    fn tidy(&self) {
        let Ok(staging) = self.staging() else { return };
        let entries = fs::read_dir(staging).into_iter().flatten().flatten();
        // The type of an entry is that of a link itself.
        let ours = entries.filter(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_file())
                && is_staged(&entry.file_name().to_string_lossy())
        });
        for entry in ours {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
            if age.is_some_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Whether a name is one that [`FolderLocation::stage`] gives: `<process>-<number>-<moment>`.
fn is_staged(name: &str) -> bool {
    let mut numbers = name.split('-');
    let number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    numbers.by_ref().take(3).filter(|text| number(text)).count() == 3 && numbers.next().is_none()
}

fn sync_parent(path: &Path) -> Result<(), RemoteError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk::sync_dir(folder).map_err(io("sync", folder))
}

impl Location for FolderLocation {
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, RemoteError> {
        let path = self.root.join(folder);
        let entries = match fs::read_dir(&path) {
            Err(e) if is_absent(&e) => return Ok(Vec::new()),
            entries => entries.map_err(io("list", &path))?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io("list", &path))?;
            // A link's own length is not that of the file.
            let metadata = fs::metadata(entry.path()).map_err(io("read", &path))?;
            if let (Ok(name), true) = (entry.file_name().into_string(), metadata.is_file()) {
                files.push((name, metadata.len()));
            }
        }
        Ok(files)
    }

    fn read(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, RemoteError> {
        let path = self.root.join(key);
        let read = || -> io::Result<Vec<u8>> {
            let file = File::open(&path)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::other("it is not a file"));
            }
            let end = range.end.min(metadata.len());
            let mut bytes = vec![0; usize::try_from(end.saturating_sub(range.start)).unwrap_or(0)];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(bytes)
        };
        match read() {
            Err(e) if is_absent(&e) => Ok(None),
            read => read.map(Some).map_err(io("read", &path)),
        }
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
        let path = self.prepare(key)?;
        self.location(self.stage_bytes(&bytes)?, &path)
    }

    fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, RemoteError> {
        self.tidy();
        let path = self.prepare(key)?;
        let staged = self.stage_bytes(&bytes)?;
        match disk::hard_link(&staged.0, &path) {
            Ok(()) => {
                // The name under `tmp/` goes in a step of its own, so that a crash is seen by the tests.
                let _ = disk::remove_file(&staged.0);
                sync_parent(&path)?;
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            // A file system without hard links. Between this look and the rename, another process may come.
            Err(e)
                if [Errno::PERM, Errno::NOTSUP, Errno::NOSYS]
                    .iter()
                    .any(|no| Some(no.raw_os_error()) == e.raw_os_error()) =>
            {
                if path.exists() {
                    return Ok(false);
                }
                self.location(staged, &path).map(|()| true)
            }
            Err(e) => Err(io("create", &path)(e)),
        }
    }

    fn put_pieces(&self, key: &str, next: &mut Pieces<'_>) -> Result<(), RemoteError> {
        let path = self.prepare(key)?;
        let staged = self.stage(|file, staged| {
            let mut at = 0;
            while let Some(piece) = next()? {
                disk::write_at(file, staged, at, &piece).map_err(io("write", staged))?;
                at += piece.len() as u64;
            }
            Ok(())
        })?;
        self.location(staged, &path)
    }

    fn is_empty(&self) -> Result<bool, RemoteError> {
        let mut entries = match fs::read_dir(&self.root) {
            Err(e) if is_absent(&e) => return Ok(true),
            entries => entries.map_err(io("list", &self.root))?,
        };
        Ok(entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == STAGING)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_new_is_written_by_one_of_many() {
        let dir = tempfile::tempdir().unwrap();
        let folder = FolderLocation::at(dir.path().join("depot"));
        let won: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8u8)
                .map(|n| {
                    scope.spawn({
                        let folder = &folder;
                        move || u64::from(folder.put_new("names/1", vec![n]).unwrap())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
        assert_eq!(folder.list("names").unwrap(), [("1".to_owned(), 1)]);
        assert_eq!(folder.list(STAGING).unwrap(), [], "nothing is left on its way");
    }

    #[test]
    fn only_old_files_of_ours_are_tidied_away_and_no_link_is_followed() {
        let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = |path: &Path| {
            fs::write(path, b"x").unwrap();
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - 3 * ABANDONED).unwrap();
        };
        let folder = FolderLocation::at(dir.path().join("depot"));
        folder.put("names/1", vec![1]).unwrap();
        let staging = dir.path().join("depot/tmp");
        for name in ["1-2-3", "thesis", "1-2", "1-2-3-4", "1-2-x"] {
            old(&staging.join(name));
        }
        folder.put_new("names/2", vec![2]).unwrap();
        let left: Vec<String> = folder.list(STAGING).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(!left.contains(&"1-2-3".to_owned()));
        fs::remove_dir_all(&staging).unwrap();
        old(&home.path().join("1-2-3"));
        std::os::unix::fs::symlink(home.path(), &staging).unwrap();
        assert!(matches!(folder.put_new("names/3", vec![3]), Err(RemoteError::StagingIsLink(_))));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let folder = FolderLocation::at(dir.path().to_owned());
        let mut pieces = vec![Ok(Some(vec![1; 3])), Err(RemoteError::Interrupted)].into_iter();
        assert!(folder.put_pieces("objects/x", &mut || pieces.next().unwrap()).is_err());
        assert_eq!(folder.read("objects/x", 0..99).unwrap(), None);
        assert!(folder.is_empty().unwrap() || folder.list("objects").unwrap().is_empty());
        let mut pieces = vec![Ok(Some(vec![1; 3])), Ok(Some(vec![2])), Ok(None)].into_iter();
        folder.put_pieces("objects/x", &mut || pieces.next().unwrap()).unwrap();
        assert_eq!(folder.read("objects/x", 0..99).unwrap().unwrap(), [1, 1, 1, 2]);
        assert_eq!(folder.read("objects/x", 2..9).unwrap().unwrap(), [1, 2]);
    }
}
