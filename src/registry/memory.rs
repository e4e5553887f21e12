//! Objects in memory, for tests of what only reads.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{Objects, RegistryError};
use crate::hash::{Digest, Hash, Id};
use crate::records::{File, Packed, Record, Run, codec};
use crate::store::StoreError;

/// Records and packed arrays in their bytes, by hash.
#[derive(Default)]
pub(crate) struct MemoryStore {
    objects: HashMap<Hash, Vec<u8>>,
}

impl MemoryStore {
    /// Adds a record.
    pub(crate) fn put<T: Record>(&mut self, record: &T) -> Id<T> {
        Id::new(self.put_file(&codec::encode(record).unwrap()).object.hash)
    }

    /// Adds a packed array.
    pub(crate) fn put_packed<T: Packed>(&mut self, array: &T) -> Id<T> {
        Id::new(self.put_file(&codec::pack(array).unwrap()).object.hash)
    }

    /// Adds bytes from outside.
    pub(crate) fn put_file(&mut self, bytes: &[u8]) -> File {
        let file = File::from(Digest::of(bytes));
        self.objects.insert(file.object.hash, bytes.to_owned());
        file
    }
}

impl Objects for MemoryStore {
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError> {
        let missing = || StoreError::Missing { id: *id, path: PathBuf::from("memory") };
        Ok(self.objects.get(id).cloned().ok_or_else(missing)?)
    }

    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError> {
        let runs = self
            .objects
            .iter()
            .filter(|(_, bytes)| codec::decode::<Run>(bytes).is_ok_and(|run| run.checkpoint.hash == *file));
        let mut runs: Vec<Id<Run>> = runs.map(|(id, _)| Id::new(*id)).collect();
        runs.sort_unstable();
        Ok(runs)
    }
}
