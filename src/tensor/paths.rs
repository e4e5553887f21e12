//! Where a job finds its objects and leaves its files.

use reg::disk::Dir;
use reg::hash::Hash;
use reg::records::{Packed, codec};
use reg::store::Store;

use crate::error::TensorError;

type Result<T> = std::result::Result<T, TensorError>;

/// The folders of a job.
pub(crate) struct JobPaths {
    pub(crate) store: Store,
    /// The job's folder.
    pub(crate) out: Dir,
    /// Threads of libtorch.
    pub(crate) threads: u32,
}

impl JobPaths {
    /// Reads an object and checks its hash.
    pub(crate) fn read(&self, what: &'static str, id: Hash) -> Result<Vec<u8>> {
        self.store.read(&id).map_err(|source| TensorError::Object { what, source })
    }

    pub(crate) fn unpack<T: Packed>(&self, what: &'static str, id: Hash) -> Result<T> {
        codec::unpack(&self.read(what, id)?).map_err(|source| TensorError::Codec { what, id, source })
    }
}
