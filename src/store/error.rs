//! What can go wrong with objects.

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
        /// Where it should lie.
        path: PathBuf,
    },
    /// The bytes are not those that the name promises.
    #[error("object {id} is damaged: the bytes of {} hash to {}…", path.display(), found.short())]
    Damaged {
        /// The object.
        id: Hash,
        /// Where it lies.
        path: PathBuf,
        /// The hash of what lies there.
        found: Hash,
    },
    /// The bytes are right, but any program could change them in place.
    #[error("object {id} is not a read-only file: {} {found}", path.display())]
    Exposed {
        /// The object.
        id: Hash,
        /// Where it lies.
        path: PathBuf,
        /// What lies there: the second half of a sentence that begins with it.
        found: String,
    },
    /// A file from outside was written to while it was taken in.
    #[error("{} changed while it was being read", .0.display())]
    Changed(PathBuf),
    /// A file from outside cannot become an object by a hard link.
    #[error("cannot hard-link {}: it {why}", path.display())]
    NotLinked {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// The file system says no.
    #[error("cannot {doing} {}: {source}", path.display())]
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
    /// Says what was being done to which file.
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

    /// The object that is damaged or missing, if it is that.
    pub fn bad_object(&self) -> Option<Hash> {
        match self {
            StoreError::Missing { id, .. }
            | StoreError::Damaged { id, .. }
            | StoreError::Exposed { id, .. } => Some(*id),
            StoreError::Changed(_) | StoreError::NotLinked { .. } | StoreError::Io { .. } => None,
        }
    }
}
