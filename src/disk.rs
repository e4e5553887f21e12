//! Every change of a registry's files goes through here, one step at a time.
//!
//! So there is one list of the points at which a crash or a full disk can strike, and the tests can strike at each
//! of them: with the feature `faults`, which no release has, a step can kill its process, fail because the disk is
//! full, or be recorded, so that tests can construct the disk that has lost its unsynced writes.
//!
//! And there is one way to the files of a registry, a remote or a job's folder: a [`Dir`], which follows no link. The
//! free functions are for paths that a user gave.

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

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

pub use change::PLAIN;
pub(crate) use change::{is_part_of, is_random, part_name, random_name};
pub use dir::Dir;
pub use output::{OutputFile, OutputFolder, allow, save};
pub use reason::{Doing, FileError, failed, why_denied};
pub(crate) use reason::{not_ours, why_not_linked};
pub use refused::Refused;
pub use stat::FileStat;

/// One change of the disk, or one wait for the disk. Only `faults` reads the fields.
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

/// Creates a folder and its missing parents. For paths that a user gave: links are followed.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    let create = || match step(WriteStep::CreateDir { path }, || DirBuilder::new().create(path)) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    };
    match create() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            create_dir_all(path.parent().filter(|above| !above.as_os_str().is_empty()).ok_or(e)?)?;
            // Only once: a file system such as /proc reports any folder as missing.
            create()
        }
        made => made,
    }
}

/// Writes bytes at an offset of the file `path`, which is open as `file`.
pub(crate) fn write_at(file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
    step(WriteStep::WriteAt { path, offset, bytes }, || file.write_all_at(bytes, offset))
}

/// The process that holds a lock on an open file, if the system provides it.
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
