//! Why something cannot be signed or verified.

use std::path::PathBuf;

use crate::disk::FileError;
use crate::hash::Hash;
use crate::index::IndexError;
use crate::registry::RegistryError;
use crate::store::StoreError;

/// Why something cannot be signed or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file.
    #[error(transparent)]
    Io(#[from] FileError),
    /// The system provides no random bytes.
    #[error("cannot get random bytes for a key from the system: {0}")]
    Random(String),
    /// A key file already exists.
    #[error("{} already exists; keys are never overwritten", .0.display())]
    Exists(PathBuf),
    /// A private key without its public key, as a killed `reg key new` leaves it.
    #[error(
        "{} already exists, but not its public key {}; keys are never overwritten",
        private.display(),
        public.display()
    )]
    NoPublicKey {
        /// The private key.
        private: PathBuf,
        /// The missing file.
        public: PathBuf,
    },
    /// A private key inside a registry, whose folders are pushed and shared.
    #[error("{} is inside the registry {}; a private key must not be stored there", path.display(), registry.display())]
    InRegistry {
        /// The requested path of the key.
        path: PathBuf,
        /// The registry.
        registry: PathBuf,
    },
    /// A private key that others may read.
    #[error("the private key {} can be read by others (mode {mode:03o})", path.display())]
    Exposed {
        /// The key.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file that is not a key of the expected kind.
    #[error("{} is not a {expected}: {reason}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// The expected kind of key.
        expected: &'static str,
        /// What it is instead.
        reason: String,
    },
    /// An object without a lineage.
    #[error("{} is not a record and has no lineage", .0.short())]
    NotARecord(Hash),
    /// A path that names no file.
    #[error("{} has no file name", .0.display())]
    NoFile(PathBuf),
    /// Two files of one name in a statement about files.
    #[error("two of the files have the name {0}")]
    SameName(String),
    /// An object in the lineage is damaged or missing.
    #[error("cannot sign: {role} {id} in the lineage is {what}")]
    Unsound {
        /// Its role.
        role: String,
        /// Its id.
        id: Hash,
        /// `missing` or `damaged`.
        what: &'static str,
    },
    /// A file that does not verify.
    #[error("{} does not verify: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl From<IndexError> for AttestError {
    fn from(e: IndexError) -> Self {
        AttestError::Registry(e.into())
    }
}

impl From<StoreError> for AttestError {
    fn from(e: StoreError) -> Self {
        AttestError::Registry(e.into())
    }
}

impl AttestError {}
