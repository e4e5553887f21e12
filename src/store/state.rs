//! How a file from outside looked when it was read.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What changes when a file is written to or replaced: size, time of the last change, inode.
///
/// A program that changes bytes in place can set the time of the last change back, but not `ctime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    size: u64,
    /// Time of the last change: seconds since 1970 and nanoseconds.
    modified: (i64, i64),
    device: u64,
    inode: u64,
    /// Time of the last change of content, links, owner or mode (ctime), which no program can set back.
    changed: (i64, i64),
}

impl FileState {
    /// The state of the file at `path`.
    pub fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| FileState::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        FileState {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The state of an open file.
    pub fn of_file(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| FileState::of(&metadata))
    }

    /// Reads a file into `buffer`, which is emptied first; at most `limit + 1` bytes are read.
    ///
    /// # Errors
    /// Also a file that changed while it was read ([`io::ErrorKind::ResourceBusy`]).
    pub fn read(path: &Path, limit: u64, buffer: &mut Vec<u8>) -> io::Result<Self> {
        FileState::read_file(&mut File::open(path)?, limit, buffer)
    }

    /// The same for an open file.
    pub fn read_file(mut file: &mut File, limit: u64, buffer: &mut Vec<u8>) -> io::Result<Self> {
        buffer.clear();
        let before = FileState::of(&file.metadata()?);
        // A `File` itself would first ask for its size and position.
        Read::take(&mut file, limit.saturating_add(1)).read_to_end(buffer)?;
        let whole = buffer.len() as u64 == before.size.min(limit.saturating_add(1));
        if !FileState::of(&file.metadata()?).has_content_of(&before) || !whole {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "it changed while it was being read"));
        }
        Ok(before)
    }

    /// Whether size, inode and time of the last write are the same. Unlike `==`, this ignores a new hard link or mode,
    /// which every ingest by hard link causes.
    pub fn has_content_of(&self, other: &FileState) -> bool {
        FileState { changed: other.changed, ..*self } == *other
    }

    /// Time of the last write, in seconds since 1970.
    pub fn modified(&self) -> i64 {
        self.modified.0
    }

    /// Whether the last change lies so far before `now` (seconds since 1970) that a later change would have another
    /// time: file systems keep times in steps of up to two seconds.
    pub fn is_settled(&self, now: i64) -> bool {
        self.modified.0 + 2 < now
    }
}
