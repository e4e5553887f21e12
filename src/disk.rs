//! Every change that a registry makes to files goes through here, one step at a time.
//!
//! So there is one list of the points at which a crash or a full disk can strike, and the tests can
//! strike at each of them: with the feature `faults`, which no release has, a step can kill its process,
//! fail for want of space, or be written down so that a disk that lost its unsynced writes can be made.

#[cfg(feature = "faults")]
mod faults;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// One change of the disk, or one wait for it. Only faults look into it.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "faults"), allow(dead_code))]
#[cfg_attr(feature = "faults", derive(serde::Serialize))]
pub(crate) enum WriteStep<'a> {
    CreateDir {
        path: &'a Path,
    },
    /// A new file with these bytes.
    Write {
        path: &'a Path,
        bytes: &'a [u8],
    },
    SetMode {
        path: &'a Path,
        mode: u32,
    },
    Link {
        from: &'a Path,
        to: &'a Path,
    },
    Rename {
        from: &'a Path,
        to: &'a Path,
    },
    Remove {
        path: &'a Path,
    },
    RemoveDirAll {
        path: &'a Path,
    },
    /// The bytes of a file are on the disk.
    Sync {
        path: &'a Path,
    },
    /// The names in a folder are on the disk.
    SyncDir {
        path: &'a Path,
    },
    SyncFileSystem {
        path: &'a Path,
    },
    /// Bytes within the index file.
    WriteAt {
        path: &'a Path,
        offset: u64,
        bytes: &'a [u8],
    },
    SetLen {
        path: &'a Path,
        len: u64,
    },
}

#[cfg(feature = "faults")]
pub(crate) use faults::step;

/// Takes a step.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(crate) fn step<T>(_: WriteStep<'_>, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    act()
}

/// Makes a folder in one that exists.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    step(WriteStep::CreateDir { path }, || DirBuilder::new().create(path))
}

/// Makes a folder, and those above it that are missing.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    match create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            create_dir_all(path.parent().ok_or(e)?)?;
            create_dir_all(path)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Whether a path is a symbolic link. What has been put in the place of a folder can lead anywhere, so that
/// nothing may be written or removed behind it.
pub(crate) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_symlink())
}

/// Makes a file; it is an error if there is one of this name.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    step(WriteStep::Write { path, bytes }, || {
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
    })
}

/// Makes an empty file that only the returned handle can be written through where `mode` is read-only.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    step(WriteStep::Write { path, bytes: b"" }, || {
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
    })
}

/// Writes bytes at a place of the file `path`, which is open as `file`.
pub(crate) fn write_at(file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
    step(WriteStep::WriteAt { path, offset, bytes }, || file.write_all_at(bytes, offset))
}

/// Makes a file, or writes one anew. A crash leaves anything: rename it to where it is read.
pub(crate) fn write_over(path: &Path, bytes: &[u8]) -> io::Result<()> {
    step(WriteStep::Write { path, bytes }, || fs::write(path, bytes))
}

/// What a file or folder that somebody asked for is called beside its place until it is whole.
pub(crate) fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

/// Makes a file that shares its blocks with another until one of them is written.
pub(crate) fn reflink(from: &Path, to: &Path) -> io::Result<()> {
    // Copied outside of any step: file systems that can do it are not those that tests run on.
    reflink_copy::reflink(from, to)
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    step(WriteStep::SetMode { path, mode }, || fs::set_permissions(path, Permissions::from_mode(mode)))
}

pub(crate) fn hard_link(from: &Path, to: &Path) -> io::Result<()> {
    step(WriteStep::Link { from, to }, || fs::hard_link(from, to))
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step(WriteStep::Rename { from, to }, || fs::rename(from, to))
}

pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    step(WriteStep::Remove { path }, || fs::remove_file(path))
}

pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    step(WriteStep::RemoveDirAll { path }, || fs::remove_dir_all(path))
}

/// Waits until the bytes of a file are on the disk.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    step(WriteStep::Sync { path }, || File::open(path)?.sync_all())
}

/// Waits until the names in a folder are on the disk.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    step(WriteStep::SyncDir { path }, || File::open(path)?.sync_all())
}

/// Waits until all that is pending on the file system that holds a folder is on the disk.
pub(crate) fn sync_file_system(path: &Path) -> io::Result<()> {
    step(WriteStep::SyncFileSystem { path }, || {
        let dir = File::open(path)?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&dir)?;
        #[cfg(not(target_os = "linux"))]
        {
            drop(dir);
            rustix::fs::sync();
        }
        Ok(())
    })
}

/// The process that holds a lock on `path`, where the system tells.
pub(crate) fn lock_holder(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{}", fs::metadata(path).ok()?.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:393217 0 EOF`
    let mut columns = locks.lines().map(|line| line.split_whitespace().skip(4));
    columns.find_map(|mut rest| {
        let pid = rest.next()?.parse().ok()?;
        rest.next()?.ends_with(&inode).then_some(pid)
    })
}
