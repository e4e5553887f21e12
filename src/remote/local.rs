//! A registry on a disk, as the source of an exchange.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use super::location::Pieces;
use super::plan::{Take, TransferSource};
use super::{RemoteError, TransferJob, worker_pool};
use crate::disk::Doing;
use crate::hash::{Hash, Hasher};
use crate::limits;
use crate::records::{Kind, ObjectKind, PackedKind};
use crate::registry::{Lease, Registry, is_name};
use crate::store::StoreError;

/// Bytes of a large object that are read at once.
const PIECE: u64 = 8 << 20;

/// A registry as it was when it was opened. No object is removed from it meanwhile.
pub(super) struct Local<'r> {
    registry: &'r Registry,
    called: String,
    job: TransferJob<'r>,
    names: BTreeMap<String, Hash>,
    kinds: HashMap<Hash, Kind>,
    /// None if the registry is not writable, so that it cannot be locked.
    _lease: Option<Lease>,
}

impl<'r> Local<'r> {
    pub(super) fn open(registry: &'r Registry, job: TransferJob<'r>) -> Result<Self, RemoteError> {
        let lease = registry.lease_to_look()?;
        let view = registry.view()?;
        let [registrations, _] = view.registrations()?;
        let kinds = registrations.into_iter().filter_map(|(kind, _, id)| Some((id, Kind::named(&kind)?)));
        Ok(Local {
            registry,
            called: registry.root().display().to_string(),
            job,
            // Every reader that pulls would refuse what a forged index says.
            names: view.names()?.into_iter().filter(|(name, _)| is_name(name)).collect(),
            kinds: kinds.collect(),
            _lease: lease,
        })
    }
}

impl Local<'_> {
    /// Reads an object and checks its hash.
    pub(super) fn read(&self, id: &Hash) -> Result<Vec<u8>, RemoteError> {
        Ok(self.registry.store().read(id)?)
    }
}

impl TransferSource for Local<'_> {
    fn called(&self) -> &str {
        &self.called
    }

    fn names(&self) -> &BTreeMap<String, Hash> {
        &self.names
    }

    fn resolve(&self, text: &str) -> Result<Hash, RemoteError> {
        Ok(self.registry.resolve(&self.registry.view()?, text)?)
    }

    fn results(&self) -> Vec<Hash> {
        self.kinds.iter().filter(|(_, kind)| kind.descriptor().class.is_result()).map(|(id, _)| *id).collect()
    }

    fn derived(&self) -> Vec<Hash> {
        self.kinds
            .iter()
            .filter(|(_, kind)| kind.descriptor().class.is_derived())
            .map(|(id, _)| *id)
            .collect()
    }

    fn of_kind(&self, wanted: Kind) -> Vec<Hash> {
        self.kinds.iter().filter(|(_, kind)| **kind == wanted).map(|(id, _)| *id).collect()
    }

    fn kind(&self, id: &Hash) -> Result<Option<ObjectKind>, RemoteError> {
        if let Some(kind) = self.kinds.get(id) {
            return Ok(Some(ObjectKind::Record(*kind)));
        }
        let store = self.registry.store();
        let head = match store.head(id) {
            Err(StoreError::Missing { .. }) => return Ok(None),
            head => head?,
        };
        match PackedKind::of(&head) {
            Some(kind) => Ok(Some(ObjectKind::Packed(kind))),
            // Entries of the log are in no list of records.
            None if head.first() == Some(&b'{') && store.size(id)? <= limits::RECORD => {
                Ok(Some(ObjectKind::of(&store.read(id)?)))
            }
            None => Ok(Some(ObjectKind::Blob)),
        }
    }

    fn size(&self, id: &Hash) -> Result<Option<u64>, RemoteError> {
        match self.registry.store().size(id) {
            Err(StoreError::Missing { .. }) => Ok(None),
            size => Ok(Some(size?)),
        }
    }

    fn read_each(&self, ids: &[Hash], take: &Take<'_>) -> Result<u64, RemoteError> {
        worker_pool::each(ids, self.job, |id| take(*id, &self.registry.store().read(id)?))?;
        Ok(0)
    }

    fn pieces<'s>(&'s self, id: &Hash) -> Result<Box<Pieces<'s>>, RemoteError> {
        let id = *id;
        let (mut file, _) = self.registry.store().open_object(&id)?;
        let mut hasher = Hasher::name_only();
        Ok(Box::new(move || {
            self.job.go_on()?;
            let mut piece = Vec::new();
            let read = (&mut file).take(PIECE).read_to_end(&mut piece);
            read.doing("read", &self.registry.store().path(&id))?;
            hasher.update(&piece);
            match piece.is_empty() {
                false => Ok(Some(piece)),
                true if hasher.finish() == id => Ok(None),
                true => {
                    let (path, found) = (self.registry.store().path(&id), hasher.finish());
                    Err(StoreError::Damaged { id, path, found }.into())
                }
            }
        }))
    }
}
