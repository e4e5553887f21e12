//! Files by key: the operations that a pack store needs of a folder or a bucket.

#[cfg(feature = "s3")]
mod answers;
mod folder;
#[cfg(feature = "s3")]
mod s3;

use std::ops::Range;

pub(super) use folder::FolderLocation;
#[cfg(feature = "s3")]
pub(super) use s3::S3Location;

use super::RemoteError;
use crate::digits::thousands;
use crate::limits;

/// Returns an object piece by piece, and `None` after the last; an error if the pieces do not hash to its id.
pub(super) type Pieces<'a> = dyn FnMut() -> Result<Option<Vec<u8>>, RemoteError> + 'a;

/// The error of a folder with more files than [`limits::REMOTE_FILES`].
fn too_many_files(location: String) -> RemoteError {
    let reason = format!("it has more than {} files", thousands(limits::REMOTE_FILES as u64));
    RemoteError::Garbled { location, reason }
}

/// Files by key. A key is `format` or `FOLDER/NAME`. A file is complete or absent, and durable when the call that
/// wrote it has returned. Threads and processes may use a location at the same time.
pub(super) trait Location: Send + Sync {
    /// The names of the files of a folder, and their sizes; none if the folder does not exist.
    ///
    /// # Errors
    /// Also more files than [`limits::REMOTE_FILES`].
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, RemoteError>;

    /// Bytes of a file; none if it does not exist. The part of the range after the end of the file is left out, and
    /// nothing beyond the range is read, whatever the other side sends.
    fn read(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, RemoteError>;

    /// Writes a file; a file with the same key is replaced.
    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), RemoteError>;

    /// Writes a file if the key is free; returns whether it did.
    fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, RemoteError>;

    /// Writes a file piece by piece, so that the whole file is never in memory.
    fn put_pieces(&self, key: &str, next: &mut Pieces<'_>) -> Result<(), RemoteError>;

    /// Whether nothing is there, except for the remains of an attempt to create a pack store.
    fn is_empty(&self) -> Result<bool, RemoteError>;
}
