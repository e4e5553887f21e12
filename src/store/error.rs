//! Errors of objects.

use std::io;
use std::path::PathBuf;

use crate::disk::FileError;
use crate::hash::Hash;

/// An object that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such object.
    #[error("object {id} is missing: there is no file {}", path.display())]
    Missing {
        /// The object.
        id: Hash,
        /// Where its file should be.
        path: PathBuf,
    },
    /// The bytes do not match the name.
    #[error("object {id} is damaged: the bytes of {} hash to {}…", path.display(), found.short())]
    Damaged {
        /// The object.
        id: Hash,
        /// Its file.
        path: PathBuf,
        /// The hash of the bytes in that file.
        found: Hash,
    },
    /// The bytes are right, but any program could change them in place.
    #[error("object {id} is not a read-only file: {} {found}", path.display())]
    Exposed {
        /// The object.
        id: Hash,
        /// Its file.
        path: PathBuf,
        /// What the file is: the second half of a sentence whose subject is the file.
        found: String,
    },
    /// A file from outside changed while it was added.
    #[error("{} changed while it was being read", .0.display())]
    Changed(PathBuf),
    /// A file from outside cannot become an object by a hard link.
    #[error("cannot hard-link {}: it {why}", path.display())]
    NotLinked {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The file system returned an error.
    #[error(transparent)]
    Io(#[from] FileError),
}

impl StoreError {
    pub(super) fn open(id: Hash, path: PathBuf, source: io::Error) -> StoreError {
        match source.kind() {
            io::ErrorKind::NotFound => StoreError::Missing { id, path },
            _ => FileError::new("read", &path, source).into(),
        }
    }

    /// The object, if it is damaged or missing.
    pub fn bad_object(&self) -> Option<Hash> {
        match self {
            StoreError::Missing { id, .. }
            | StoreError::Damaged { id, .. }
            | StoreError::Exposed { id, .. } => Some(*id),
            StoreError::Changed(_) | StoreError::NotLinked { .. } | StoreError::Io(_) => None,
        }
    }
}
