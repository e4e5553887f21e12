//! A folder that is kept open, and the only way to what lies in it.
//!
//! Whoever made a registry or a remote, or can write to one, may have put anything in the place of a file or folder.
//! So below the folder that was opened by name no link is followed, a file is opened without waiting and used only if it
//! is a plain file, and a new one gets a name that nobody could foresee and must not exist yet.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, fstat, linkat, mkdirat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::refused::Refused;
use super::stat::FileStat;
use super::{WriteStep, beneath, remove, step};

/// Mode of a new file, less the umask.
pub const PLAIN: u32 = 0o666;
/// What lies under a temporary name for longer was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// An open folder. Cheap to clone; all clones are the same open folder, and a lock on it is let go with the last.
#[derive(Debug, Clone)]
pub struct Dir {
    fd: Arc<OwnedFd>,
    /// What messages call it.
    path: PathBuf,
    top: Arc<Top>,
}

/// The folder that was opened by name.
#[derive(Debug)]
struct Top {
    path: PathBuf,
    owner: u32,
    /// Those who may change it beside the owner.
    group: Option<u32>,
}

/// The folder in which the last component of a path lies.
enum Above<'a> {
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
            // One that may not be listed can be used all the same.
            Err(Errno::ACCESS) => open(beneath::PASS)?,
            opened => opened?,
        };
        let stat = FileStat(fstat(&fd)?);
        let (owner, group) = stat.owner();
        let group = (stat.mode() & 0o020 != 0).then_some(group);
        let top = Arc::new(Top { path: path.to_owned(), owner, group });
        Ok(Dir { fd: Arc::new(fd), path: path.to_owned(), top })
    }

    /// Makes a folder and those above it, as far as they are missing, and opens it.
    pub fn make(path: &Path) -> io::Result<Dir> {
        match Dir::open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                super::create_dir_all(path)?;
                Dir::open(path)
            }
            opened => opened,
        }
    }

    /// What it is called in messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What messages call a path in it.
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

    /// Opens a folder in it, which is made first if it is missing.
    pub fn folder(&self, path: impl AsRef<Path>) -> io::Result<Dir> {
        match self.subdir(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.create_dir_all(&path)?;
                self.subdir(&path)
            }
            opened => opened,
        }
    }

    /// Makes a folder that must be new.
    pub fn create_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let shown = self.path_of(path);
        step(WriteStep::CreateDir { path: &shown }, || {
            let (above, name) = self.above(path)?;
            Ok(mkdirat(above, name, Mode::from_raw_mode(0o777))?)
        })
    }

    /// Makes a folder, and those above it that are missing.
    pub fn create_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        match self.create_dir(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.create_dir_all(path.parent().filter(|above| !above.as_os_str().is_empty()).ok_or(e)?)?;
                self.create_dir_all(path)
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => self.subdir(path).map(drop),
            made => made,
        }
    }

    /// Opens a plain file for reading.
    ///
    /// # Errors
    /// Also a folder, pipe or device, on which nothing is waited for, and a link ([`Refused`]).
    pub fn open_file(&self, path: impl AsRef<Path>) -> io::Result<(File, Metadata)> {
        self.open_plain(path.as_ref(), OFlags::RDONLY, 0)
    }

    fn open_plain(&self, path: &Path, flags: OFlags, mode: u32) -> io::Result<(File, Metadata)> {
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

    /// Opens a plain file for reading and writing in place; with `create`, makes it if it is missing.
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

    /// Makes an empty file, or empties one that is there and has no other name.
    pub fn create(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        let file = self.open_to_change(path, true)?;
        if FileStat(fstat(&file)?).names() > 1 {
            return Err(Refused::SecondName(self.path_of(path)).into());
        }
        file.set_len(0)?;
        Ok(file)
    }

    /// Makes a file that must be new; where `mode` is read-only, only this handle can be written through.
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

    /// Makes a file of these bytes that must be new.
    pub fn write_new(&self, path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> io::Result<()> {
        let path = path.as_ref();
        let shown = self.path_of(path);
        step(WriteStep::Write { path: &shown, bytes }, || self.new_file(path, mode)?.write_all(bytes))
    }

    /// Writes a file of these bytes under a random name and gives it its name, so that whoever reads it sees all of the
    /// old one or all of the new one. A machine that stops may leave it without its bytes.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_with(name, |dir, part| dir.write_new(part, bytes, PLAIN))
    }

    /// The same for good: the bytes are on the disk before the name is, and the name before this returns.
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

    /// Removes what processes that were killed have left under temporary names for `name`, if it is that old and nobody
    /// has locked it. That it cannot be removed harms nothing.
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

    /// Reads a plain file of at most `limit` bytes.
    pub fn read(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
        let path = path.as_ref();
        let (file, metadata) = self.open_file(path)?;
        let too_long = || Refused::TooLong { path: self.path_of(path), limit };
        if metadata.len() > limit {
            return Err(too_long().into());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        // It may be growing.
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit { Err(too_long().into()) } else { Ok(bytes) }
    }

    /// What lies under a name; of a link, the link itself.
    pub fn stat(&self, path: impl AsRef<Path>) -> io::Result<FileStat> {
        let path = path.as_ref();
        let (above, name) = self.above(path)?;
        Ok(FileStat(statat(above, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// The names in it, and whether each is a folder's.
    pub fn entries(&self) -> io::Result<Vec<(OsString, bool)>> {
        let is_dir = |name: &OsStr, kind| match kind {
            // Not every file system says.
            FileType::Unknown => self.stat(name).is_ok_and(|stat| stat.is_dir()),
            kind => kind == FileType::Directory,
        };
        let entries = remove::entries(&self.fd)?.into_iter();
        Ok(entries
            .map(|(name, kind)| (is_dir(&name, kind), name))
            .map(|(is_dir, name)| (name, is_dir))
            .collect())
    }

    /// Gives what lies under `from` the name `to` in `dir`; what had that name is replaced.
    pub fn rename(&self, from: impl AsRef<Path>, dir: &Dir, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let (shown, new) = (self.path_of(from), dir.path_of(to));
        step(WriteStep::Rename { from: &shown, to: &new }, || {
            let ((from, old), (to, new)) = (self.above(from)?, dir.above(to)?);
            Ok(renameat(from, old, to, new)?)
        })
    }

    /// Gives a file a second name, which must be new.
    pub fn hard_link(&self, from: impl AsRef<Path>, dir: &Dir, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let (shown, new) = (self.path_of(from), dir.path_of(to));
        step(WriteStep::Link { from: &shown, to: &new }, || {
            let ((from, old), (to, new)) = (self.above(from)?, dir.above(to)?);
            Ok(linkat(from, old, to, new, AtFlags::empty())?)
        })
    }

    /// Gives a file from outside a second name in here, which must be new.
    pub fn link_from(&self, outside: &Path, to: impl AsRef<Path>) -> io::Result<()> {
        let to = to.as_ref();
        let shown = self.path_of(to);
        step(WriteStep::Link { from: outside, to: &shown }, || {
            let (above, name) = self.above(to)?;
            Ok(linkat(rustix::fs::CWD, outside, above, name, AtFlags::empty())?)
        })
    }

    /// Makes a file that shares its blocks with an open one until one of them is written; nothing is left where
    /// the file system cannot.
    pub fn reflink(&self, source: &File, to: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let to = to.as_ref();
        // Outside of any step: file systems that can do it are not those that tests run on.
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
    /// Also a link, a pipe or a device in its place: reg makes none.
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

    /// Removes a folder with all that is in it. What links in it lead to stays.
    ///
    /// # Errors
    /// Also a folder that belongs to somebody else than this one's owner, its group where that may write here, and
    /// this process, and one with something in it that reg does not make.
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

    /// Whether reg may have made what this says of: it belongs to whom the folder belongs that was opened by name, to
    /// the group that may write there, or to whoever runs this process.
    pub fn is_ours(&self, stat: &FileStat) -> bool {
        let (owner, group) = stat.owner();
        owner == self.top.owner
            || self.top.group.is_some_and(|ours| ours == group)
            || owner == rustix::process::geteuid().as_raw()
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

    /// Waits until the names in it are on the disk.
    pub fn sync_dir(&self) -> io::Result<()> {
        step(WriteStep::SyncDir { path: &self.path }, || Ok(rustix::fs::fsync(&self.fd)?))
    }

    /// Waits until all that is pending on its file system is on the disk.
    pub fn sync_file_system(&self) -> io::Result<()> {
        step(WriteStep::SyncFileSystem { path: &self.path }, || {
            #[cfg(target_os = "linux")]
            rustix::fs::syncfs(&self.fd)?;
            #[cfg(not(target_os = "linux"))]
            rustix::fs::sync();
            Ok(())
        })
    }

    /// Bytes that may still be written to its file system.
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

    /// Locks the folder itself, and waits for that.
    pub fn lock(&self) -> io::Result<()> {
        Ok(rustix::fs::flock(&self.fd, FlockOperation::LockExclusive)?)
    }

    /// Whether a folder in it is still this open one.
    pub fn has(&self, path: impl AsRef<Path>, dir: &Dir) -> bool {
        let open = fstat(&dir.fd).map(FileStat);
        self.stat(path).is_ok_and(|stat| open.is_ok_and(|open| open.is_same(&stat)))
    }

    /// Opens the file of a lock, or makes it. Whoever may not write to it may not read it either, and so cannot hold the
    /// lock: a lock needs no more than a file that can be opened.
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
                    // The umask has said who may write.
                    let write = FileStat(fstat(&file)?).mode() & 0o222;
                    rustix::fs::fchmod(&file, raw(write | write << 1))?;
                    return Ok(file);
                }
            }
        }
    }

    fn above<'a>(&'a self, path: &'a Path) -> io::Result<(Above<'a>, &'a OsStr)> {
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

    fn link(&self, path: PathBuf) -> io::Error {
        Refused::Link { path, root: self.top.path.clone() }.into()
    }

    fn not_a_file(&self, path: &Path, stat: &FileStat) -> io::Error {
        Refused::NotAFile { path: self.path_of(path), found: stat.called() }.into()
    }

    /// What a refusal of the system comes of, where it is a link or something else in the place of a file or folder.
    fn explain(&self, path: &Path, e: io::Error) -> io::Error {
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

fn raw(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode as rustix::fs::RawMode)
}

/// A name for a file on its way to `name` that nobody can foresee: `.NAME.<16 hex digits>.part`.
pub(crate) fn part_name(name: &str) -> io::Result<String> {
    Ok(format!(".{name}.{}.part", random_name()?))
}

/// Sixteen hex digits that nobody can foresee.
pub(crate) fn random_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// Whether a name is one that [`part_name`] gives.
pub(super) fn is_part_of(part: &OsStr, name: &str) -> bool {
    let digits =
        || part.to_str()?.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".part");
    digits().is_some_and(is_random)
}

/// Whether a text is one that [`random_name`] gives.
pub(crate) fn is_random(digits: &str) -> bool {
    digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
