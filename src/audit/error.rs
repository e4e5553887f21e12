//! Why a bundle cannot be written or read.

use std::path::PathBuf;

use crate::disk::FileError;
use crate::hash::Hash;
use crate::index::IndexError;
use crate::records::CodecError;
use crate::registry::RegistryError;

/// Why a bundle cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An object without inputs.
    #[error("{} is not a record, so it has no lineage: {source}", id.short())]
    NotARecord {
        /// Its id.
        id: Hash,
        /// Why it is not a record.
        source: CodecError,
    },
    /// A file.
    #[error(transparent)]
    Io(#[from] FileError),
    /// A study, which contains plans and no results.
    #[error("`{0}` is a study, which has only plans; audit the tables of `reg study compare {0}` instead")]
    Plan(String),
    /// A file that is not a bundle, or a bundle of another version.
    #[error("{} is not an audit bundle: {reason}", path.display())]
    NotABundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<IndexError> for AuditError {
    fn from(e: IndexError) -> Self {
        AuditError::Registry(e.into())
    }
}

impl AuditError {}
