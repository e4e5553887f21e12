//! Removes the bytes of withdrawn images for good, with all that was derived from them.
//!
//! Records stay, so manifests go on to name what is gone; the withdrawal, which is on the disk before the first byte goes,
//! says why. Whatever ends this half-way, the same call does the rest.

use std::io::ErrorKind;
use std::path::Path;

use super::{CACHE, IMAGE, Registry, RegistryError, io};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{Kind, Spec};
use crate::store::StoreError;

/// What a purge removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that have a second name outside of the registry, where the bytes still are.
    pub linked: u64,
    /// Files of derived pixels and features.
    pub cached: u64,
}

/// Roles of an image and of its picture in the table of a heat map.
const PICTURED: [&str; 2] = ["object", "picture"];

impl Registry {
    /// Removes objects that a recorded withdrawal purges, and everything in the cache that may hold their pixels.
    pub fn purge(&self, objects: &[Hash]) -> Result<Purged, RegistryError> {
        let _lease = self.lease_to_remove()?;
        let manifests = self.manifests_of(&self.view()?, objects)?;
        self.not_in_use(&manifests)?;
        // First what is derived: while an object is there, whoever looks sees that something is left to do.
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

    /// The manifests that name any of these as an image.
    fn manifests_of(&self, view: &View, objects: &[Hash]) -> Result<Vec<Hash>, RegistryError> {
        let mut manifests = Vec::new();
        for id in objects {
            let named = view.referrers(id)?.into_iter().filter(|(_, role)| role == IMAGE);
            manifests.extend(named.map(|(manifest, _)| manifest));
        }
        manifests.sort_unstable();
        manifests.dedup();
        Ok(manifests)
    }

    /// Asserts that no process trains on a data set of these manifests: it would put pixels into the cache again.
    fn not_in_use(&self, manifests: &[Hash]) -> Result<(), RegistryError> {
        for spec in self.live_entries()?.iter().filter_map(|name| name.parse::<Hash>().ok()) {
            if self.is_locked(&spec) && self.store.contains(&spec) {
                let dataset = self.get(self.get::<Spec>(Id::new(spec))?.dataset)?;
                if manifests.contains(&dataset.manifest.hash) {
                    return Err(RegistryError::InUse(spec));
                }
            }
        }
        Ok(())
    }

    /// Asserts that [`Registry::purge`] can begin.
    pub fn can_purge(&self, view: &View, objects: &[Hash]) -> Result<(), RegistryError> {
        self.not_in_use(&self.manifests_of(view, objects)?)
    }

    /// Removes the pixels of whole data sets, which are made again in minutes, and all features, whose
    /// files do not say what they are of.
    fn forget_pixels(&self, manifests: &[Hash]) -> Result<u64, RegistryError> {
        let mut all_removed = 0;
        for (folder, all) in [("pixels", false), ("features", true)] {
            let shown = self.cache().join(folder);
            let folder = match self.root.subdir(Path::new(CACHE).join(folder)) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                opened => opened.map_err(io("open", &shown))?,
            };
            let mut removed = 0;
            for (name, _) in folder.entries().map_err(io("list", &shown))? {
                let called = name.to_string_lossy();
                let of_these = || manifests.iter().any(|id| called.starts_with(&id.to_string()));
                if !manifests.is_empty() && (all || of_these()) {
                    folder.remove_file(&name).map_err(io("remove", &folder.path_of(&name)))?;
                    removed += 1;
                }
            }
            if removed > 0 {
                folder.sync_dir().map_err(io("sync", &shown))?;
            }
            all_removed += removed;
        }
        Ok(all_removed)
    }

    /// Whether all that names an object names it as an image or as its picture. Nothing else can be purged: a
    /// withdrawal that somebody made up must not excuse that a checkpoint is missing.
    pub fn is_picture(&self, view: &View, id: &Hash) -> Result<bool, RegistryError> {
        for (from, roles) in view.referrers(id)? {
            if roles == IMAGE {
                continue;
            }
            let is_table = view.kind(&from)? == Some(Kind::Table);
            if !is_table || !roles.split(',').all(is_pictured) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether this is the role of an image, or of its picture, in the table of a heat map.
pub fn is_pictured(role: &str) -> bool {
    PICTURED.contains(&role)
}
