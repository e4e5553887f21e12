//! Every change that a registry makes to files goes through here, one step at a time.
//!
//! So there is one list of the points at which a crash or a full disk can strike, and the tests can
//! strike at each of them: with the feature `faults`, which no release has, a step can kill its process,
//! fail for want of space, or be written down so that a disk that lost its unsynced writes can be made.
//!
//! And there is one way to what lies in a registry, a remote or a folder of a job: a [`Dir`], which follows no link. Free
//! functions are for places that somebody named.

mod beneath;
mod change;
mod dir;
#[cfg(feature = "faults")]
mod faults;
mod output;
mod reason;
mod refused;
mod remove;
mod stat;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

pub use change::PLAIN;
pub(crate) use change::{is_part_of, is_random, part_name, random_name};
pub use dir::Dir;
pub use output::{OutputFile, OutputFolder, allow, save};
pub use reason::why_denied;
pub(crate) use reason::{not_ours, why_not_linked};
pub use refused::Refused;
pub use stat::FileStat;

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

/// Makes a folder, and those above it that are missing. For places that somebody named: links are followed.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    let create = || match step(WriteStep::CreateDir { path }, || DirBuilder::new().create(path)) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    };
    match create() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            create_dir_all(path.parent().filter(|above| !above.as_os_str().is_empty()).ok_or(e)?)?;
            // Once: a file system such as /proc says so of any folder.
            create()
        }
        made => made,
    }
}

/// Makes a file where somebody named; it is an error if there is one of this name.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    step(WriteStep::Write { path, bytes }, || {
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
    })
}

/// Writes bytes at a place of the file `path`, which is open as `file`.
pub(crate) fn write_at(file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
    step(WriteStep::WriteAt { path, offset, bytes }, || file.write_all_at(bytes, offset))
}

/// The process that holds a lock on an open file, where the system tells.
pub(crate) fn lock_holder(file: &File) -> Option<u32> {
    let inode = format!(":{}", file.metadata().ok()?.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:393217 0 EOF`
    let mut columns = locks.lines().map(|line| line.split_whitespace().skip(4));
    columns.find_map(|mut rest| {
        let pid = rest.next()?.parse().ok()?;
        rest.next()?.ends_with(&inode).then_some(pid)
    })
}
