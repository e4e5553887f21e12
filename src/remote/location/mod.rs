//! Files by key, wherever they lie: what a pack store needs of a folder or a bucket, and no more.

mod folder;
#[cfg(feature = "s3")]
mod s3;

use std::ops::Range;

pub(super) use folder::FolderLocation;
#[cfg(feature = "s3")]
pub(super) use s3::S3Location;

use super::RemoteError;

/// Gives an object piece by piece, and none behind the last; an error if the pieces are not the object.
pub(super) type Pieces<'a> = dyn FnMut() -> Result<Option<Vec<u8>>, RemoteError> + 'a;

/// Files by key. A key is `format` or `FOLDER/NAME`. A file is there whole or not at all, and for good when the
/// call that wrote it is over. Threads and processes may use a place at the same time.
pub(super) trait Location: Send + Sync {
    /// The files of a folder, without it, and their sizes; none of a folder that is not there.
    ///
    /// # Errors
    /// Also more files than [`crate::limits::REMOTE_FILES`].
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, RemoteError>;

    /// Bytes of a file; none if it is not there. What lies behind its end is left out, and nothing beyond the range is
    /// read, whatever the other side sends.
    fn read(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, RemoteError>;

    /// Writes a file; one of the same key is replaced.
    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), RemoteError>;

    /// Writes a file if there is none of its key; says whether it did.
    fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, RemoteError>;

    /// Writes a file that is never whole in memory.
    fn put_pieces(&self, key: &str, next: &mut Pieces<'_>) -> Result<(), RemoteError>;

    /// Whether nothing lies there but what an attempt to make a pack store may have left.
    fn is_empty(&self) -> Result<bool, RemoteError>;
}
