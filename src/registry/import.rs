//! Imports objects from another registry: bytes are stored unchanged after a check of what they claim to be.

use super::{NameRequest, NewPacked, NewRecord, RegistryError, Transaction};
use crate::hash::Hash;
use crate::records::{self, Travels, codec};

impl Transaction<'_> {
    /// Adds an object of `size` bytes piece by piece; see [`crate::store::Batch::put_pieces`].
    pub fn put_pieces<E: From<RegistryError>>(
        &self,
        id: Hash,
        size: u64,
        mut next: impl FnMut() -> Result<Option<Vec<u8>>, E>,
    ) -> Result<(), E> {
        enum Failed<E> {
            Next(E),
            Store(crate::store::StoreError),
        }
        impl<E> From<crate::store::StoreError> for Failed<E> {
            fn from(e: crate::store::StoreError) -> Self {
                Failed::Store(e)
            }
        }
        self.batch.put_pieces(id, size, || next().map_err(Failed::Next)).map_err(|e| match e {
            Failed::Next(e) => e,
            Failed::Store(e) => RegistryError::from(e).into(),
        })
    }

    /// Makes the objects added so far durable, before any object that refers to them is added.
    pub fn settle(&self) -> Result<(), RegistryError> {
        Ok(self.batch.settle()?)
    }

    /// Imports a record of another registry unchanged. The objects to which it refers must exist or have been
    /// imported before.
    ///
    /// # Errors
    /// Bytes that are not a canonical record, and log entries, which belong to the registry that wrote them.
    pub fn adopt_record(&mut self, bytes: Vec<u8>) -> Result<(), RegistryError> {
        let id = Hash::of(&bytes);
        let wrong = |source| RegistryError::Codec { id, source };
        let header = records::check(&bytes).map_err(wrong)?;
        let kind = header.kind;
        if kind.descriptor().travels == Travels::Never {
            let found = kind.name().to_owned();
            return Err(wrong(codec::CodecError::Kind { expected: "record of results", found }));
        }
        self.records.push(NewRecord { id, kind, links: header.links(), bytes });
        Ok(())
    }

    /// Records the references of a packed array that was added as bytes and settled.
    pub fn adopt_packed(&mut self, id: Hash, mut links: Vec<Hash>) {
        links.sort_unstable();
        self.packed.push(NewPacked { id, bytes: None, links });
    }

    /// Allows records to refer to these permanently removed objects.
    pub fn excuse(&mut self, gone: impl Iterator<Item = Hash>) {
        self.gone.extend(gone);
    }

    /// Gives `id` a name unless the name has another target; [`super::Committed::conflicts`] lists such names.
    pub fn name_untaken(&mut self, name: &str, id: Hash) -> Result<(), RegistryError> {
        self.request(NameRequest::Untaken(name.to_owned()), name, id)
    }
}
