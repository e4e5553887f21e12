//! Sources of objects: a registry, or an excerpt of one.

use super::walk::runs_of;
use super::{Registry, RegistryError};
use crate::hash::{Hash, Id};
use crate::records::{Packed, Record, Run, Weights, codec};

/// A source of objects.
pub trait Objects {
    /// Reads an object and checks it against its id.
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError>;

    /// Whether a referenced object is absent and need not be present. Never the case in a registry.
    fn lacks(&self, _: &Hash) -> bool {
        false
    }

    /// The runs whose checkpoint the file is, sorted by id.
    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError>;
}

impl dyn Objects + '_ {
    /// Reads a record.
    pub fn get<T: Record>(&self, id: Id<T>) -> Result<T, RegistryError> {
        codec::decode(&self.bytes(&id.hash)?).map_err(|source| RegistryError::Codec { id: id.hash, source })
    }

    /// The runs whose checkpoint these weights are: those known when the weights were imported, and those added
    /// since.
    pub fn origins(&self, weights: Id<Weights>) -> Result<Vec<Id<Run>>, RegistryError> {
        let weights = self.get(weights)?;
        let mut runs = self.runs_of(&weights.file.object.hash)?;
        runs.extend(weights.runs);
        runs.sort_unstable();
        runs.dedup();
        Ok(runs)
    }

    /// Reads a packed array.
    pub fn get_packed<T: Packed>(&self, id: Id<T>) -> Result<T, RegistryError> {
        codec::unpack(&self.bytes(&id.hash)?).map_err(|source| RegistryError::Codec { id: id.hash, source })
    }
}

impl Objects for Registry {
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError> {
        Ok(self.store.read(id)?)
    }

    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError> {
        Ok(runs_of(&self.view()?, file)?.into_iter().map(Id::new).collect())
    }
}

impl Registry {
    /// Reads a record.
    pub fn get<T: Record>(&self, id: Id<T>) -> Result<T, RegistryError> {
        (self as &dyn Objects).get(id)
    }

    /// The runs whose checkpoint these weights are; see [`Objects`].
    pub fn origins(&self, weights: Id<Weights>) -> Result<Vec<Id<Run>>, RegistryError> {
        (self as &dyn Objects).origins(weights)
    }

    /// Reads a packed array.
    pub fn get_packed<T: Packed>(&self, id: Id<T>) -> Result<T, RegistryError> {
        (self as &dyn Objects).get_packed(id)
    }
}
