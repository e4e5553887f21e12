//! Changes of files in an open folder.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, OFlags, RenameFlags, fstat, linkat, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use super::dir::{Dir, raw};
use super::refused::Refused;
use super::stat::FileStat;
use super::{WriteStep, beneath, remove, step};

/// Mode of a new file, less the umask.
pub const PLAIN: u32 = 0o666;
/// A file that has a temporary name for longer was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

impl Dir {
    /// Opens a plain file for reading and writing in place; with `create`, a missing file is created.
    pub fn open_to_change(&self, path: impl AsRef<Path>, create: bool) -> io::Result<File> {
        let path = path.as_ref();
        match self.open_plain(path, OFlags::RDWR, 0) {
            Err(e) if create && e.kind() == ErrorKind::NotFound => {
                let new = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
                let shown = self.path_of(path);
                match step(WriteStep::Write { path: &shown, bytes: b"" }, || {
                    self.open_plain(path, new, PLAIN)
                }) {
                    Err(e) if e.kind() == ErrorKind::AlreadyExists => self.open_to_change(path, false),
                    made => Ok(made?.0),
                }
            }
            opened => Ok(opened?.0),
        }
    }

    /// Creates an empty file, or empties an existing file that has no other name.
    pub fn create(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        let file = self.open_to_change(path, true)?;
        if FileStat(fstat(&file)?).names() > 1 {
            return Err(Refused::SecondName(self.path_of(path)).into());
        }
        file.set_len(0)?;
        Ok(file)
    }

    /// Creates a file that must be new; if `mode` is read-only, only this handle can write to the file.
    pub fn create_new(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<File> {
        let path = path.as_ref();
        let shown = self.path_of(path);
        step(WriteStep::Write { path: &shown, bytes: b"" }, || self.new_file(path, mode))
    }

    fn new_file(&self, path: &Path, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let opened = beneath::open(self.fd.as_fd(), path, flags, raw(mode));
        Ok(opened.map_err(|e| self.explain(path, e))?.into())
    }

    /// Creates a file of these bytes, which must be new.
    pub fn write_new(&self, path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> io::Result<()> {
        let path = path.as_ref();
        let shown = self.path_of(path);
        step(WriteStep::Write { path: &shown, bytes }, || self.new_file(path, mode)?.write_all(bytes))
    }

    /// Writes a file of these bytes under a random name and renames it, so that readers see either the complete old
    /// file or the complete new one. If the machine stops, the file may lose its bytes.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_with(name, |dir, part| dir.write_new(part, bytes, PLAIN))
    }

    /// The same, durably: the bytes are on the disk before the name is, and the name is before this returns.
    pub fn replace_durably(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        self.replace_with(name, |dir, part| {
            let mut file = dir.create_new(part, PLAIN)?;
            write(&mut file)?;
            let shown = dir.path_of(part);
            step(WriteStep::Sync { path: &shown }, || file.sync_all())
        })?;
        self.sync_dir()
    }

    fn replace_with(&self, name: &str, write: impl FnOnce(&Dir, &str) -> io::Result<()>) -> io::Result<()> {
        self.remove_abandoned(name, ABANDONED);
        let part = part_name(name)?;
        let placed = write(self, &part).and_then(|()| self.rename(&part, self, name));
        if placed.is_err() {
            let _ = self.remove_file(&part);
        }
        placed
    }

    /// Removes files with temporary names for `name` that killed processes have left, if they are that old and
    /// unlocked. A file that cannot be removed does no harm.
    pub fn remove_abandoned(&self, name: &str, age: Duration) {
        for (part, _) in remove::entries(&self.fd).unwrap_or_default() {
            let is_old = |stat: &FileStat| {
                let (seconds, _) = stat.modified();
                let then = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                then.elapsed().is_ok_and(|since| since >= age)
            };
            let ours = is_part_of(&part, name)
                && self.stat(&part).is_ok_and(|stat| stat.is_file() && self.is_ours(&stat) && is_old(&stat))
                && self.open_file(&part).is_ok_and(|(file, _)| file.try_lock().is_ok());
            if ours {
                let _ = self.remove_file(&part);
            }
        }
    }

    /// Renames `from` to `to` in `dir`, and replaces a file of that name.
    pub fn rename(&self, from: impl AsRef<Path>, dir: &Dir, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let (shown, new) = (self.path_of(from), dir.path_of(to));
        step(WriteStep::Rename { from: &shown, to: &new }, || {
            let ((from, old), (to, new)) = (self.above(from)?, dir.above(to)?);
            Ok(renameat(from, old, to, new)?)
        })
    }

    /// Renames the file `from` to `to` in `dir`; the new name must be free.
    pub fn rename_new(&self, from: impl AsRef<Path>, dir: &Dir, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let (shown, new) = (self.path_of(from), dir.path_of(to));
        step(WriteStep::Rename { from: &shown, to: &new }, || {
            let ((from, old), (to, new)) = (self.above(from)?, dir.above(to)?);
            match renameat_with(&from, old, &to, new, RenameFlags::NOREPLACE) {
                // Some file systems and older kernels cannot do this in one step: a second link takes the name.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    linkat(&from, old, &to, new, AtFlags::empty())?;
                    Ok(unlinkat(from, old, AtFlags::empty())?)
                }
                renamed => Ok(renamed?),
            }
        })
    }

    /// Gives a file a second name, which must be free.
    pub fn hard_link(&self, from: impl AsRef<Path>, dir: &Dir, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let (shown, new) = (self.path_of(from), dir.path_of(to));
        step(WriteStep::Link { from: &shown, to: &new }, || {
            let ((from, old), (to, new)) = (self.above(from)?, dir.above(to)?);
            Ok(linkat(from, old, to, new, AtFlags::empty())?)
        })
    }

    /// Gives a file from outside a second name in this folder, which must be free.
    pub fn link_from(&self, outside: &Path, to: impl AsRef<Path>) -> io::Result<()> {
        let to = to.as_ref();
        let shown = self.path_of(to);
        step(WriteStep::Link { from: outside, to: &shown }, || {
            let (above, name) = self.above(to)?;
            Ok(linkat(rustix::fs::CWD, outside, above, name, AtFlags::empty())?)
        })
    }

    /// Creates a file that shares its blocks with an open file until one of the two is written. If the file system
    /// cannot share blocks, no file is left.
    pub fn reflink(&self, source: &File, to: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let to = to.as_ref();
        // Not a step: the file systems of the tests cannot share blocks.
        #[cfg(target_os = "linux")]
        {
            let file = self.new_file(to, mode)?;
            rustix::fs::ioctl_ficlone(&file, source).map_err(|e| {
                if let Ok((above, name)) = self.above(to) {
                    let _ = unlinkat(above, name, AtFlags::empty());
                }
                e.into()
            })
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (source, to, mode);
            Err(ErrorKind::Unsupported.into())
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    /// Also a link, a pipe or a device in its place: reg creates none of these.
    pub fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let shown = self.path_of(path);
        step(WriteStep::Remove { path: &shown }, || {
            let (above, name) = self.above(path)?;
            let stat = FileStat(statat(&above, name, AtFlags::SYMLINK_NOFOLLOW)?);
            if stat.is_link() {
                return Err(self.link(shown.clone()));
            } else if !stat.is_file() {
                return Err(self.not_a_file(path, &stat));
            }
            Ok(unlinkat(above, name, AtFlags::empty())?)
        })
    }

    /// Removes a folder with its contents. Links in it are removed, not their targets.
    ///
    /// # Errors
    /// Also a folder that belongs neither to this folder's owner, nor to its group if the group may write here, nor to
    /// the user of this process; and a folder that contains something that reg does not create.
    pub fn remove_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let shown = self.path_of(path);
        step(WriteStep::RemoveDirAll { path: &shown }, || {
            let (above, name) = self.above(path)?;
            let stat = FileStat(statat(&above, name, AtFlags::SYMLINK_NOFOLLOW)?);
            if stat.is_link() {
                return Err(self.link(shown.clone()));
            } else if !self.is_ours(&stat) {
                return Err(Refused::NotOurs(shown.clone()).into());
            }
            remove::folder(above.as_fd(), name, &shown)
        })
    }

    /// Sets permissions of a plain file.
    pub fn set_mode(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let path = path.as_ref();
        let (file, _) = self.open_file(path)?;
        let shown = self.path_of(path);
        step(WriteStep::SetMode { path: &shown, mode }, || Ok(rustix::fs::fchmod(&file, raw(mode))?))
    }

    /// Waits until the bytes of a file are on the disk.
    pub fn sync_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let shown = self.path_of(path);
        step(WriteStep::Sync { path: &shown }, || self.open_file(path)?.0.sync_all())
    }

    /// Waits until the names in this folder are on the disk.
    pub fn sync_dir(&self) -> io::Result<()> {
        step(WriteStep::SyncDir { path: self.path() }, || Ok(rustix::fs::fsync(&self.fd)?))
    }

    /// Waits until all pending changes of its file system are on the disk.
    pub fn sync_file_system(&self) -> io::Result<()> {
        step(WriteStep::SyncFileSystem { path: self.path() }, || {
            #[cfg(target_os = "linux")]
            rustix::fs::syncfs(&self.fd)?;
            #[cfg(not(target_os = "linux"))]
            rustix::fs::sync();
            Ok(())
        })
    }
}

/// An unpredictable name for an incomplete file `name`: `.NAME.<16 hex digits>.part`.
pub(crate) fn part_name(name: &str) -> io::Result<String> {
    Ok(format!(".{name}.{}.part", random_name()?))
}

/// Sixteen unpredictable hex digits.
pub(crate) fn random_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// Whether a name has the form of [`part_name`].
pub(crate) fn is_part_of(part: &OsStr, name: &str) -> bool {
    let digits =
        || part.to_str()?.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".part");
    digits().is_some_and(is_random)
}

/// Whether a text has the form of [`random_name`].
pub(crate) fn is_random(digits: &str) -> bool {
    digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
