//! A folder, on a local or mounted file system.
//!
//! Nothing here relies on locks, which do not work between machines that mount the folder: files are written under
//! `tmp/`, synced, and renamed; a file that must be new is hard-linked, which fails if the name is taken.
//!
//! The folder itself may be a link; below it no link is followed, and only plain files are read.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;

use super::{Location, Pieces};
use crate::disk::{self, Dir, Doing, FileError};
use crate::limits;
use crate::remote::RemoteError;

const STAGING: &str = "tmp";
const READ_ONLY: u32 = 0o444;
/// A file that is in `tmp/` for longer was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

pub(in crate::remote) struct FolderLocation {
    path: PathBuf,
    /// Opened once the folder exists, and kept open from then on.
    root: OnceLock<Dir>,
}

fn is_absent(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::NotFound)
}

/// A temporary file; it is removed when dropped, unless it was renamed.
struct Staged {
    staging: Dir,
    name: String,
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = self.staging.remove_file(&self.name);
    }
}

impl FolderLocation {
    pub(in crate::remote) fn at(path: PathBuf) -> Self {
        FolderLocation { path, root: OnceLock::new() }
    }

    /// The open folder; none if it does not exist yet.
    fn root(&self) -> Result<Option<&Dir>, RemoteError> {
        if let Some(root) = self.root.get() {
            return Ok(Some(root));
        }
        match Dir::open(&self.path) {
            Err(e) if is_absent(&e) => Ok(None),
            opened => {
                let opened = opened.doing("open", &self.path)?;
                Ok(Some(self.root.get_or_init(|| opened)))
            }
        }
    }

    /// The open folder, created durably if it does not exist yet.
    fn made_root(&self) -> Result<&Dir, RemoteError> {
        if let Some(root) = self.root()? {
            return Ok(root);
        }
        let is_there = |folder: &&Path| folder.as_os_str().is_empty() || folder.is_dir();
        let new: Vec<&Path> = self.path.ancestors().take_while(|folder| !is_there(folder)).collect();
        let root = Dir::make(&self.path).doing("create", &self.path)?;
        for folder in new {
            let above = folder.parent().unwrap_or(Path::new("."));
            Dir::open(above).and_then(|above| above.sync_dir()).doing("sync", above)?;
        }
        Ok(self.root.get_or_init(|| root))
    }

    /// Opens the folder of the file with this key, created durably if missing, and returns it with the name of the
    /// file.
    fn prepare<'k>(&self, key: &'k str) -> Result<(Dir, &'k str), RemoteError> {
        let root = self.made_root()?;
        let Some((folder, name)) = key.rsplit_once('/') else { return Ok((root.clone(), key)) };
        let shown = root.path_of(folder);
        match root.subdir(folder) {
            Err(e) if is_absent(&e) => {
                let made = root.folder(folder).doing("create", &shown)?;
                root.sync_dir().doing("sync", root.path())?;
                Ok((made, name))
            }
            opened => Ok((opened.doing("open", &shown)?, name)),
        }
    }

    /// Writes and syncs a file under `tmp/`.
    fn stage(
        &self,
        fill: impl FnOnce(&File, &Path) -> Result<(), RemoteError>,
    ) -> Result<Staged, RemoteError> {
        let root = self.made_root()?;
        let staging = root.folder(STAGING).doing("open", &root.path_of(STAGING))?;
        let name = disk::random_name().doing("create a file in", staging.path())?;
        let path = staging.path_of(&name);
        let file = staging.create_new(&name, READ_ONLY).doing("create", &path)?;
        let staged = Staged { staging, name };
        fill(&file, &path)?;
        staged.staging.sync_file(&staged.name).doing("sync", &path)?;
        Ok(staged)
    }

    fn stage_bytes(&self, bytes: &[u8]) -> Result<Staged, RemoteError> {
        self.stage(|file, path| Ok(disk::write_at(file, path, 0, bytes).doing("write", path)?))
    }

    fn place(&self, staged: &Staged, folder: &Dir, name: &str) -> Result<(), RemoteError> {
        let renamed = staged.staging.rename(&staged.name, folder, name);
        renamed.doing("create", &folder.path_of(name))?;
        Ok(folder.sync_dir().doing("sync", folder.path())?)
    }

    /// Removes files that killed processes have left. A file that cannot be removed stays.
    fn tidy(&self) {
        let Ok(Some(staging)) = self.root().map(|root| root.and_then(|root| root.subdir(STAGING).ok()))
        else {
            return;
        };
        for (name, _) in staging.entries().unwrap_or_default() {
            let is_old = |seconds: i64| {
                let then = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                then.elapsed().is_ok_and(|age| age > ABANDONED)
            };
            let left = is_staged(&name.to_string_lossy())
                && staging
                    .stat(&name)
                    .is_ok_and(|stat| stat.is_file() && staging.is_ours(&stat) && is_old(stat.modified().0));
            if left {
                let _ = staging.remove_file(&name);
            }
        }
    }
}

/// Whether a name has the form of [`FolderLocation::stage`], or the earlier form `<process>-<number>-<moment>`.
fn is_staged(name: &str) -> bool {
    let mut numbers = name.split('-');
    let number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    disk::is_random(name)
        || numbers.by_ref().take(3).filter(|text| number(text)).count() == 3 && numbers.next().is_none()
}

impl Location for FolderLocation {
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, RemoteError> {
        let Some(root) = self.root()? else { return Ok(Vec::new()) };
        let path = root.path_of(folder);
        let folder = match root.subdir(folder) {
            Err(e) if is_absent(&e) => return Ok(Vec::new()),
            opened => opened.doing("list", &path)?,
        };
        let mut files = Vec::new();
        for (name, is_dir) in folder.entries().doing("list", &path)? {
            let Ok(name) = name.into_string() else { continue };
            if files.len() == limits::REMOTE_FILES {
                return Err(super::too_many_files(path.display().to_string()));
            }
            match folder.stat(&name) {
                _ if is_dir => {}
                Ok(stat) if stat.is_file() => files.push((name, stat.len())),
                // If the file were left out, its list of names would seem to be missing.
                Ok(_) => {
                    let refused = folder.open_file(&name).err().unwrap_or(ErrorKind::Other.into());
                    return Err(FileError::new("read", &folder.path_of(&name), refused).into());
                }
                Err(e) if is_absent(&e) => {}
                Err(e) => return Err(FileError::new("read", &path, e).into()),
            }
        }
        Ok(files)
    }

    fn read(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, RemoteError> {
        let Some(root) = self.root()? else { return Ok(None) };
        let path = root.path_of(key);
        let read = || -> io::Result<Vec<u8>> {
            let (file, metadata) = root.open_file(key)?;
            let length = range.end.min(metadata.len()).saturating_sub(range.start);
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(bytes)
        };
        match read() {
            Err(e) if is_absent(&e) => Ok(None),
            read => Ok(read.map(Some).doing("read", &path)?),
        }
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
        let (folder, name) = self.prepare(key)?;
        self.place(&self.stage_bytes(&bytes)?, &folder, name)
    }

    fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, RemoteError> {
        self.tidy();
        let (folder, name) = self.prepare(key)?;
        let staged = self.stage_bytes(&bytes)?;
        match staged.staging.hard_link(&staged.name, &folder, name) {
            Ok(()) => {
                // The name under `tmp/` is removed in a step of its own, so that tests can crash before it.
                drop(staged);
                folder.sync_dir().doing("sync", folder.path())?;
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            // A file system without hard links. Between this check and the rename, another process may create the file.
            Err(e)
                if [Errno::PERM, Errno::NOTSUP, Errno::NOSYS]
                    .iter()
                    .any(|no| Some(no.raw_os_error()) == e.raw_os_error()) =>
            {
                match folder.stat(name) {
                    Err(e) if is_absent(&e) => self.place(&staged, &folder, name).map(|()| true),
                    Err(e) => Err(FileError::new("create", &folder.path_of(name), e).into()),
                    Ok(_) => Ok(false),
                }
            }
            Err(e) => Err(FileError::new("create", &folder.path_of(name), e).into()),
        }
    }

    fn put_pieces(&self, key: &str, next: &mut Pieces<'_>) -> Result<(), RemoteError> {
        let (folder, name) = self.prepare(key)?;
        let staged = self.stage(|file, staged| {
            let mut at = 0;
            while let Some(piece) = next()? {
                disk::write_at(file, staged, at, &piece).doing("write", staged)?;
                at += piece.len() as u64;
            }
            Ok(())
        })?;
        self.place(&staged, &folder, name)
    }

    fn is_empty(&self) -> Result<bool, RemoteError> {
        let Some(root) = self.root()? else { return Ok(true) };
        let entries = root.entries().doing("list", root.path())?;
        Ok(entries.iter().all(|(name, _)| name == STAGING))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        for name in ["1-2-3", "0123456789abcdef", "thesis", "1-2", "1-2-3-4", "1-2-x"] {
            old(&staging.join(name));
        }
        folder.put_new("names/2", vec![2]).unwrap();
        let left: Vec<String> = folder.list(STAGING).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(!left.contains(&"1-2-3".to_owned()) && !left.contains(&"0123456789abcdef".to_owned()));
        fs::remove_dir_all(&staging).unwrap();
        old(&home.path().join("1-2-3"));
        std::os::unix::fs::symlink(home.path(), &staging).unwrap();
        let refused = folder.put_new("names/3", vec![3]).unwrap_err().to_string();
        assert!(refused.contains("tmp is a symbolic link"), "{refused}");
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
