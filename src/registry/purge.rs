//! Permanently removes the bytes of withdrawn images and everything derived from them.
//!
//! Records stay, so manifests still refer to the removed images; the withdrawal, which is on the disk before
//! the first byte is removed, gives the reason. After an interruption, the same call finishes the purge.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;

use super::survey::Survey;
use super::walk::manifests_of;
use super::{CACHE, Registry, RegistryError};
use crate::disk::Doing;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{Kind, Spec, Withdrawal};
use crate::store::StoreError;

/// What a purge removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Number of removed objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of them that have another hard link outside the registry, so that the bytes still exist.
    pub linked: u64,
    /// Number of removed files with derived pixels and features.
    pub cached: u64,
}

impl Registry {
    /// All withdrawals among surveyed objects, whether the index knows them or not.
    pub(crate) fn surveyed_withdrawals(
        &self,
        survey: &Survey,
    ) -> Result<Vec<(Id<Withdrawal>, Withdrawal)>, RegistryError> {
        let found = survey.records.iter().filter(|(_, (kind, _))| *kind == Kind::Withdrawal);
        let mut ids: Vec<Id<Withdrawal>> = found.map(|(id, _)| Id::new(*id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|id| Ok((id, self.get(id)?))).collect()
    }

    /// The objects that may be missing, because their purge is recorded, even if it was revoked later.
    pub(super) fn may_be_missing(&self, survey: &Survey) -> Result<HashSet<Hash>, RegistryError> {
        let withdrawals = self.surveyed_withdrawals(survey)?.into_iter().map(|(_, record)| record);
        let purges = withdrawals.filter(|record| record.purge && record.revokes.is_none());
        Ok(purges.flat_map(|record| record.objects().collect::<Vec<_>>()).collect())
    }

    /// Removes the objects of a recorded purge, and everything in the cache that may contain their pixels.
    pub fn purge(&self, objects: &[Hash]) -> Result<Purged, RegistryError> {
        let _lease = self.lease_to_remove()?;
        let manifests = self.manifests_of(&self.view()?, objects)?;
        self.not_in_use(&manifests)?;
        // Derived files first: while an object exists, it shows that the purge is not finished.
        let mut purged = Purged { cached: self.forget_pixels(&manifests)?, ..Purged::default() };
        for id in objects {
            let linked = match self.store.stat(id) {
                Ok(stat) => stat.names() > 1,
                Err(StoreError::Missing { .. }) => continue,
                Err(e) => return Err(e.into()),
            };
            match self.store.remove(id) {
                Ok(bytes) => purged.bytes += bytes,
                Err(StoreError::Missing { .. }) => continue,
                Err(e) => return Err(e.into()),
            }
            (purged.objects, purged.linked) = (purged.objects + 1, purged.linked + u64::from(linked));
        }
        if purged.objects > 0 {
            self.store.sync_all()?;
        }
        Ok(purged)
    }

    /// The manifests that refer to any of these as an image.
    fn manifests_of(&self, view: &View, objects: &[Hash]) -> Result<Vec<Hash>, RegistryError> {
        let mut manifests = Vec::new();
        for id in objects {
            manifests.extend(manifests_of(view, id)?);
        }
        manifests.sort_unstable();
        manifests.dedup();
        Ok(manifests)
    }

    /// Asserts that no process trains on a data set of these manifests: it would add pixels to the cache again.
    fn not_in_use(&self, manifests: &[Hash]) -> Result<(), RegistryError> {
        for spec in self.live_entries()?.iter().filter_map(|name| name.parse::<Hash>().ok()) {
            if self.is_locked(&spec) && self.store.contains(&spec) {
                let dataset = self.get(self.get::<Spec>(Id::new(spec))?.dataset())?;
                if manifests.contains(&dataset.manifest.hash) {
                    return Err(RegistryError::InUse(spec));
                }
            }
        }
        Ok(())
    }

    /// Asserts that [`Registry::purge`] can start.
    pub fn can_purge(&self, view: &View, objects: &[Hash]) -> Result<(), RegistryError> {
        self.not_in_use(&self.manifests_of(view, objects)?)
    }

    /// Removes the pixels of whole data sets, which take minutes to recompute, and all features, because their
    /// files do not say to which images they belong.
    fn forget_pixels(&self, manifests: &[Hash]) -> Result<u64, RegistryError> {
        let mut all_removed = 0;
        for (folder, all) in [("pixels", false), ("features", true)] {
            let shown = self.cache().join(folder);
            let folder = match self.root.subdir(Path::new(CACHE).join(folder)) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                opened => opened.doing("open", &shown)?,
            };
            let mut removed = 0;
            for (name, _) in folder.entries().doing("list", &shown)? {
                let called = name.to_string_lossy();
                let of_these = || manifests.iter().any(|id| called.starts_with(&id.to_string()));
                if !manifests.is_empty() && (all || of_these()) {
                    folder.remove_file(&name).doing("remove", &folder.path_of(&name))?;
                    removed += 1;
                }
            }
            if removed > 0 {
                folder.sync_dir().doing("sync", &shown)?;
            }
            all_removed += removed;
        }
        Ok(all_removed)
    }
}
