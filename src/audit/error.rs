//! Why a bundle cannot be written or read.

use std::path::{Path, PathBuf};

use crate::hash::Hash;
use crate::index::IndexError;
use crate::records::CodecError;
use crate::registry::RegistryError;

/// Why a bundle cannot be written or read.
#[derive(Debug, thiserror::Error)]
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
    #[error("{}", crate::disk::failed(doing, path, source))]
    Io {
        /// The verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
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

impl AuditError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> AuditError {
        let path = path.to_owned();
        move |source| AuditError::Io { doing, path, source }
    }
}
