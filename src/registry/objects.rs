//! Where objects are read: a registry, or what was taken out of one.

use super::{Registry, RegistryError};
use crate::hash::{Hash, Id};
use crate::records::{Packed, Record, codec};

/// Whatever objects are read from.
pub trait Objects {
    /// Reads an object and checks it against its id.
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError>;
}

impl dyn Objects + '_ {
    /// Reads a record.
    pub fn get<T: Record>(&self, id: Id<T>) -> Result<T, RegistryError> {
        codec::decode(&self.bytes(&id.hash)?).map_err(|source| RegistryError::Codec { id: id.hash, source })
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
}

impl Registry {
    /// Reads a record.
    pub fn get<T: Record>(&self, id: Id<T>) -> Result<T, RegistryError> {
        (self as &dyn Objects).get(id)
    }

    /// Reads a packed array.
    pub fn get_packed<T: Packed>(&self, id: Id<T>) -> Result<T, RegistryError> {
        (self as &dyn Objects).get_packed(id)
    }
}
