//! Records in memory, for unit tests: with the real bytes and links, but without a disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::survey::Survey;
use super::walk::{self, Edge, Lineage, runs_of, weights_of};
use super::{Objects, Registry, RegistryError};
use crate::hash::{Digest, Hash, Id};
use crate::progress::Silent;
use crate::records::{File, Kind, Packed, Record, Roles, Run, Weights, codec};
use crate::store::StoreError;

/// Objects by hash, and their referrers.
#[derive(Default)]
pub(crate) struct MemoryStore {
    objects: HashMap<Hash, Vec<u8>>,
    kinds: HashMap<Hash, Kind>,
    referrers: HashMap<Hash, Vec<(Hash, Roles)>>,
    survey: Survey,
    /// How often objects were read.
    pub(crate) reads: AtomicUsize,
}

impl MemoryStore {
    /// Adds a record; the objects to which it refers need not exist.
    pub(crate) fn put<T: Record>(&mut self, record: &T) -> Id<T> {
        let bytes = codec::encode(record).unwrap();
        let links = codec::Header::read(&bytes).unwrap().links();
        let id = self.put_blob(bytes);
        walk::named(id, links.clone()).into_iter().for_each(|edge| self.note(edge));
        self.kinds.insert(id, T::KIND);
        self.survey.records.insert(id, (T::KIND, links));
        Id::new(id)
    }

    /// Adds a packed array.
    pub(crate) fn put_packed<T: Packed>(&mut self, value: &T) -> Id<T> {
        let id = self.put_blob(codec::pack(value).unwrap());
        walk::images(id, value.links()).for_each(|edge| self.note(edge));
        self.survey.packed.insert(id, value.links());
        Id::new(id)
    }

    fn note(&mut self, edge: Edge) {
        self.referrers.entry(edge.to).or_default().push((edge.from, edge.role));
    }

    /// Adds bytes.
    pub(crate) fn put_blob(&mut self, bytes: impl Into<Vec<u8>>) -> Hash {
        let bytes = bytes.into();
        let id = Hash::of(&bytes);
        self.objects.insert(id, bytes);
        id
    }

    /// Adds an imported file.
    pub(crate) fn put_file(&mut self, bytes: &[u8]) -> File {
        self.put_blob(bytes);
        File::from(Digest::of(bytes))
    }

    /// Puts everything into a registry.
    pub(crate) fn write_to(&self, registry: &Registry) {
        let batch = registry.store().batch().unwrap();
        self.objects.values().for_each(|bytes| _ = batch.put(bytes).unwrap());
        batch.persist().unwrap();
        registry.reindex(&Silent).unwrap();
    }

    /// What a look at all objects would find.
    pub(crate) fn survey(&self) -> &Survey {
        &self.survey
    }
}

impl Objects for MemoryStore {
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let bytes = self.objects.get(id).cloned();
        Ok(bytes.ok_or_else(|| StoreError::Missing { id: *id, path: id.to_string().into() })?)
    }

    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError> {
        Ok(runs_of(self, file)?.into_iter().map(Id::new).collect())
    }

    fn weights_of(&self, file: &Hash) -> Result<Vec<Id<Weights>>, RegistryError> {
        Ok(weights_of(self, file)?.into_iter().map(Id::new).collect())
    }
}

impl Lineage for MemoryStore {
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(self.kinds.get(id).copied())
    }

    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, RegistryError> {
        Ok(self.referrers.get(id).cloned().unwrap_or_default())
    }
}
