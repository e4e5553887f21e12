//! A folder that is kept open, and the only way to the files in it.
//!
//! Whoever made a registry or a remote, or can write to one, may have put anything in the place of a file or folder.
//! So below the folder that was opened by its path, no link is followed; a file is opened without waiting and used only
//! if it is a plain file; and a new file gets an unpredictable name that must not exist yet.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, fstat, mkdirat, statat};
use rustix::io::Errno;

use super::refused::Refused;
use super::stat::FileStat;
use super::{WriteStep, beneath, remove, step};

/// An open folder. Cheap to clone; all clones are the same open folder, and a lock on it is released with the last.
#[derive(Debug, Clone)]
pub struct Dir {
    pub(super) fd: Arc<OwnedFd>,
    /// Its path in messages.
    path: PathBuf,
    top: Arc<Top>,
}

/// The folder that was opened by its path.
#[derive(Debug)]
struct Top {
    path: PathBuf,
    owner: u32,
    /// The group that may write to it, besides the owner.
    group: Option<u32>,
}

/// The folder that contains the last component of a path.
pub(super) enum Above<'a> {
    Here(&'a OwnedFd),
    Below(OwnedFd),
}

impl AsFd for Above<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Above::Here(fd) => fd.as_fd(),
            Above::Below(fd) => fd.as_fd(),
        }
    }
}

impl Dir {
    /// Opens a folder, which may be a link to one.
    pub fn open(path: &Path) -> io::Result<Dir> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let open = |flags| rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty());
        let fd = match open(OFlags::RDONLY | OFlags::DIRECTORY) {
            // A folder without read permission can still be entered.
            Err(Errno::ACCESS) => open(beneath::PASS)?,
            opened => opened?,
        };
        let stat = FileStat(fstat(&fd)?);
        let (owner, group) = stat.owner();
        let group = (stat.mode() & 0o020 != 0).then_some(group);
        let top = Arc::new(Top { path: path.to_owned(), owner, group });
        Ok(Dir { fd: Arc::new(fd), path: path.to_owned(), top })
    }

    /// Creates a folder and its missing parents, and opens it.
    pub fn make(path: &Path) -> io::Result<Dir> {
        match Dir::open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                super::create_dir_all(path)?;
                Dir::open(path)
            }
            opened => opened,
        }
    }

    /// Its path in messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it, as messages show it.
    pub fn path_of(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path.join(path)
    }

    /// Opens a folder in it.
    pub fn subdir(&self, path: impl AsRef<Path>) -> io::Result<Dir> {
        let path = path.as_ref();
        let opened = beneath::open(self.fd.as_fd(), path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        let fd = opened.map_err(|e| self.explain(path, e))?;
        Ok(Dir { fd: Arc::new(fd), path: self.path_of(path), top: self.top.clone() })
    }

    /// Opens a folder in it; a missing folder is created first.
    pub fn folder(&self, path: impl AsRef<Path>) -> io::Result<Dir> {
        match self.subdir(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.create_dir_all(&path)?;
                self.subdir(&path)
            }
            opened => opened,
        }
    }

    /// Creates a folder, which must be new.
    pub fn create_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let shown = self.path_of(path);
        step(WriteStep::CreateDir { path: &shown }, || {
            let (above, name) = self.above(path)?;
            Ok(mkdirat(above, name, Mode::from_raw_mode(0o777))?)
        })
    }

    /// Creates a folder and its missing parents.
    pub fn create_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let create = || match self.create_dir(path) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => self.subdir(path).map(drop),
            made => made,
        };
        match create() {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.create_dir_all(path.parent().filter(|above| !above.as_os_str().is_empty()).ok_or(e)?)?;
                // Only once: a file system such as /proc reports any folder as missing.
                create()
            }
            made => made,
        }
    }

    /// Opens a plain file for reading.
    ///
    /// # Errors
    /// Also a folder, a pipe or a device, without waiting, and a link ([`Refused`]).
    pub fn open_file(&self, path: impl AsRef<Path>) -> io::Result<(File, Metadata)> {
        self.open_plain(path.as_ref(), OFlags::RDONLY, 0)
    }

    pub(super) fn open_plain(&self, path: &Path, flags: OFlags, mode: u32) -> io::Result<(File, Metadata)> {
        // Without NONBLOCK a pipe would wait for somebody at its other end.
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = beneath::open(self.fd.as_fd(), path, flags, raw(mode));
        let file = File::from(opened.map_err(|e| self.explain(path, e))?);
        let metadata = file.metadata()?;
        match metadata.is_file() {
            true => Ok((file, metadata)),
            false => Err(self.not_a_file(path, &FileStat(fstat(&file)?))),
        }
    }

    /// Reads a plain file of at most `limit` bytes.
    pub fn read(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
        let path = path.as_ref();
        let (file, metadata) = self.open_file(path)?;
        let too_long = || Refused::TooLong { path: self.path_of(path), limit };
        if metadata.len() > limit {
            return Err(too_long().into());
        }
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(usize::try_from(metadata.len()).unwrap_or(usize::MAX));
        room.map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
        // The file may be growing.
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit { Err(too_long().into()) } else { Ok(bytes) }
    }

    /// Metadata of a file or folder; of a link, the link's own.
    pub fn stat(&self, path: impl AsRef<Path>) -> io::Result<FileStat> {
        let path = path.as_ref();
        let (above, name) = self.above(path)?;
        Ok(FileStat(statat(above, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// The names in it, and whether each is a folder's.
    pub fn entries(&self) -> io::Result<Vec<(OsString, bool)>> {
        let is_dir = |name: &OsStr, kind| match kind {
            // Not every file system says this.
            FileType::Unknown => self.stat(name).is_ok_and(|stat| stat.is_dir()),
            kind => kind == FileType::Directory,
        };
        let entries = remove::entries(&self.fd)?.into_iter();
        Ok(entries
            .map(|(name, kind)| (is_dir(&name, kind), name))
            .map(|(is_dir, name)| (name, is_dir))
            .collect())
    }

    /// Whether reg may have created the file with this metadata: it belongs to the owner of the folder that was opened
    /// by its path, to the group that may write there, or to the user of this process.
    pub fn is_ours(&self, stat: &FileStat) -> bool {
        let (owner, group) = stat.owner();
        owner == self.top.owner
            || self.top.group.is_some_and(|ours| ours == group)
            || owner == rustix::process::geteuid().as_raw()
    }

    /// The user id of the owner of the folder that was opened by its path.
    pub fn owner_id(&self) -> u32 {
        self.top.owner
    }

    /// The group of the folder that was opened by its path, if the group may write there.
    pub fn shared_group(&self) -> Option<u32> {
        self.top.group
    }

    /// Whether other accounts than the owner's can create files in it. The user's own group does not count.
    pub fn is_writable_by_others(&self) -> bool {
        let Ok(stat) = fstat(&self.fd).map(FileStat) else { return true };
        let foreign_group = stat.owner().1 != rustix::process::getegid().as_raw();
        stat.mode() & 0o002 != 0 || stat.mode() & 0o020 != 0 && foreign_group
    }

    /// Whether it is on the same file system as the folder at `path`.
    pub fn is_on_device_of(&self, path: &Path) -> bool {
        let device = |stat: rustix::io::Result<rustix::fs::Stat>| stat.map(|stat| stat.st_dev).ok();
        let own = device(fstat(&self.fd));
        own.is_some() && own == device(rustix::fs::stat(path))
    }

    /// Lets new folders in it, and new folders in those, inherit its group.
    pub fn set_group_bit(&self) -> io::Result<()> {
        let mode = FileStat(fstat(&self.fd)?).mode() | 0o2000;
        let path = self.path();
        step(WriteStep::SetMode { path, mode }, || Ok(rustix::fs::fchmod(&self.fd, raw(mode))?))
    }

    /// Free bytes of its file system.
    pub fn free_space(&self) -> Option<u64> {
        let space = rustix::fs::fstatvfs(&self.fd).ok()?;
        Some(space.f_bavail * space.f_frsize)
    }

    /// Locks the folder itself; false if another process has.
    pub fn try_lock(&self) -> io::Result<bool> {
        match rustix::fs::flock(&self.fd, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(false),
            locked => Ok(locked.map(|()| true)?),
        }
    }

    /// Locks the folder itself, and waits until it can.
    pub fn lock(&self) -> io::Result<()> {
        Ok(rustix::fs::flock(&self.fd, FlockOperation::LockExclusive)?)
    }

    /// Whether a folder in it is still this open one.
    pub fn has(&self, path: impl AsRef<Path>, dir: &Dir) -> bool {
        let open = fstat(&dir.fd).map(FileStat);
        self.stat(path).is_ok_and(|stat| open.is_ok_and(|open| open.is_same(&stat)))
    }

    /// Opens the file of a lock, or creates it. Whoever may not write to the file may not read it either, and so cannot
    /// hold the lock: any open file can be locked.
    pub fn open_lock(&self, name: &str) -> io::Result<File> {
        loop {
            match self.open_plain(name.as_ref(), OFlags::WRONLY, 0) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                opened => return Ok(opened?.0),
            }
            let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            match self.open_plain(name.as_ref(), new, 0o222) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                made => {
                    let file = made?.0;
                    // The umask has decided who may write.
                    let write = FileStat(fstat(&file)?).mode() & 0o222;
                    rustix::fs::fchmod(&file, raw(write | write << 1))?;
                    return Ok(file);
                }
            }
        }
    }

    pub(super) fn above<'a>(&'a self, path: &'a Path) -> io::Result<(Above<'a>, &'a OsStr)> {
        let (above, name) = beneath::split(path)?;
        let above = match above {
            None => Above::Here(&self.fd),
            Some(above) => {
                let opened = beneath::open(self.fd.as_fd(), above, beneath::PASS, Mode::empty());
                Above::Below(opened.map_err(|e| self.explain(above, e))?)
            }
        };
        Ok((above, name))
    }

    pub(super) fn link(&self, path: PathBuf) -> io::Error {
        Refused::Link { path, root: self.top.path.clone() }.into()
    }

    pub(super) fn not_a_file(&self, path: &Path, stat: &FileStat) -> io::Error {
        Refused::NotAFile { path: self.path_of(path), found: stat.called() }.into()
    }

    /// The reason of a system error, if it is a link or something else in the place of a file or folder.
    pub(super) fn explain(&self, path: &Path, e: io::Error) -> io::Error {
        let telling = [Errno::LOOP, Errno::NOTDIR, Errno::NXIO, Errno::ISDIR];
        if !telling.iter().any(|errno| e.raw_os_error() == Some(errno.raw_os_error())) {
            return e;
        }
        let mut at = PathBuf::new();
        for part in path.iter() {
            at.push(part);
            let Ok(stat) = statat(&self.fd, &at, AtFlags::SYMLINK_NOFOLLOW).map(FileStat) else { return e };
            if stat.is_link() {
                return self.link(self.path_of(&at));
            } else if at == path && !stat.is_file() && e.raw_os_error() != Some(Errno::NOTDIR.raw_os_error())
            {
                return self.not_a_file(path, &stat);
            }
        }
        e
    }
}

pub(super) fn raw(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode as rustix::fs::RawMode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_with_those_above_it_or_an_error_says_why_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = Dir::open(dir.path()).unwrap();
        root.folder("a/b/c").unwrap();
        root.create_dir_all("a/b/c").unwrap();
        std::fs::write(dir.path().join("a/file"), b"").unwrap();
        assert!(root.folder("a/file").is_err() && root.folder("a/file/d").is_err());
        assert!(Dir::make(&dir.path().join("x/y")).is_ok());
        // Where nobody can create a folder, the system reports its parent as missing.
        assert!(Dir::make(Path::new("/proc/none")).is_err());
    }
}
