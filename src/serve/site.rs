//! The registry of a server, and what it keeps of it between requests.
//!
//! Records are named by their bytes, so what was read once is never out of date; whether it may still be shown, after a
//! removal or a withdrawal, is asked for each request.

use std::sync::{Arc, Mutex, PoisonError};

use super::answer::Nothing;
use crate::compare::{CompareError, CompareOptions, Grouping, Input, preview};
use crate::dataset::pixel_cache::{PixelCache, ResizedPixels};
use crate::hash::{Hash, Id};
use crate::index::Head;
use crate::records::{Comparison, Dataset, Kind, Manifest};
use crate::registry::{Registry, RegistryError};
use crate::report::FoundRemarks;

/// Data sets, and comparisons, that are kept.
const KEPT: usize = 8;
/// Length of the shorter side of a thumbnail in pixels.
pub(super) const THUMBNAIL: u32 = 160;

/// A registry with what is kept of it.
pub(super) struct Site {
    pub(super) registry: Registry,
    images: Recent<Hash, ImageSet>,
    /// By predictions and, with thresholds, the number of records that name their runs.
    comparisons: Recent<(Vec<Hash>, Option<usize>), Comparison>,
    /// Leaks and ancestries that were found in this state of the index.
    found: Mutex<(Head, FoundRemarks)>,
}

/// A data set with its images.
pub(super) struct ImageSet {
    pub(super) id: Id<Dataset>,
    pub(super) dataset: Dataset,
    pub(super) manifest: Manifest,
}

/// Values by key, those that were asked for last.
struct Recent<K, V>(Mutex<Vec<(K, Arc<V>)>>);

impl<K: PartialEq, V> Recent<K, V> {
    fn new() -> Self {
        Recent(Mutex::new(Vec::new()))
    }

    /// The value of a key, which is made where it is not known. Two threads may make the same one.
    fn get<E>(&self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        // Nothing is done under the lock that could leave the list half changed.
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().iter().find(|(own, _)| *own == key).map(|(_, value)| value.clone());
        let value = known.map_or_else(|| make().map(Arc::new), Ok)?;
        let mut kept = lock();
        kept.retain(|(own, _)| *own != key);
        kept.truncate(KEPT - 1);
        kept.insert(0, (key, value.clone()));
        Ok(value)
    }
}

impl Site {
    pub(super) fn new(registry: Registry) -> Self {
        let found = Mutex::default();
        Site { registry, images: Recent::new(), comparisons: Recent::new(), found }
    }

    /// Asks for leaks and ancestries with what earlier requests found. Both follow from records and from which records there
    /// are: as soon as one is added, removed or named, nothing found before counts any more.
    pub(super) fn found<T>(
        &self,
        ask: impl FnOnce(&mut FoundRemarks) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        // Requests wait for each other: most of what the second would look for is what the first finds.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.registry.view()?.state()?;
        if found.0 != state {
            *found = (state, FoundRemarks::default());
        }
        ask(&mut found.1)
    }

    /// A data set of the registry.
    pub(super) fn images(&self, id: Hash) -> Result<Arc<ImageSet>, Nothing> {
        if self.registry.view()?.kind(&id)? != Some(Kind::Dataset) {
            return Err(Nothing::Unknown(format!("data set {id}")));
        }
        self.images.get(id, || {
            let dataset: Dataset = self.registry.get(Id::new(id))?;
            let manifest = self.registry.manifest(&dataset)?;
            Ok::<_, Nothing>(ImageSet { id: Id::new(id), dataset, manifest })
        })
    }

    /// The thumbnails of a data set; none where the cache cannot be written. Opened for each request, because a file that is
    /// kept open keeps the pixels of images that a purge has removed.
    pub(super) fn thumbnails(&self, images: &ImageSet) -> Option<PixelCache> {
        let cache = self.registry.dir().folder("cache").ok()?;
        let resized = ResizedPixels::Shrunk(THUMBNAIL);
        PixelCache::open(&cache, images.dataset.manifest, &images.manifest.rows, resized).ok()
    }

    /// The AUCs of runs, a column each, with intervals, and with thresholds if `metrics` is set; flagged if they are not
    /// comparable. Nothing is recorded.
    pub(super) fn comparison(
        &self,
        inputs: Vec<Input>,
        metrics: bool,
    ) -> Result<Arc<Comparison>, CompareError> {
        let view = self.registry.view()?;
        let mut scored = 0;
        for input in inputs.iter().filter(|_| metrics) {
            // Thresholds are chosen on validation images, which may have been scored since.
            if let Some(run) = input.predictions.source.run() {
                scored += view.referrers(&run.hash)?.len();
            }
        }
        drop(view);
        let key = (inputs.iter().map(|input| input.id.hash).collect(), metrics.then_some(scored));
        let grouping = Grouping::Run;
        let options =
            CompareOptions { grouping, metrics, allow_incomparable: true, ..CompareOptions::default() };
        self.comparisons.get(key, || preview(&self.registry, inputs, &options))
    }
}
