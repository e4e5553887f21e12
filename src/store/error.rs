//! Errors of objects.

use std::io;
use std::path::{Path, PathBuf};

use crate::hash::Hash;

/// An object that cannot be read or written.
#[derive(Debug, thiserror::Error)]
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
    #[error("{}", crate::disk::failed(doing, path, source))]
    Io {
        /// The verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl StoreError {
    /// Adds the failed operation and the file to an error.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
        let path = path.to_owned();
        move |source| StoreError::Io { doing, path, source }
    }

    pub(super) fn open(id: Hash, path: PathBuf, source: io::Error) -> StoreError {
        match source.kind() {
            io::ErrorKind::NotFound => StoreError::Missing { id, path },
            _ => StoreError::Io { doing: "read", path, source },
        }
    }

    /// The object, if it is damaged or missing.
    pub fn bad_object(&self) -> Option<Hash> {
        match self {
            StoreError::Missing { id, .. }
            | StoreError::Damaged { id, .. }
            | StoreError::Exposed { id, .. } => Some(*id),
            StoreError::Changed(_) | StoreError::NotLinked { .. } | StoreError::Io { .. } => None,
        }
    }
}
