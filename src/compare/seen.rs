//! What models have seen in training: patients, and images by their bytes and by their pixels.
//!
//! A patient's number says who it is in one source only: in another data set, or after somebody has renumbered them,
//! the same image stands under another number. Its bytes are the same; of a picture that was saved again, its pixels
//! are, as far as these are known.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::CompareError;
use super::columns::{FoldScores, ModelColumn, SeedScores};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{
    Dataset, ImageRow, Incomparable, IncomparableKind, LeakCheck, Manifest, PatientId, PixelHashes, Subset,
    TrainingData, rules,
};
use crate::registry::{Objects, Registry};
use crate::split::SeenInTest;

/// Where to look for hashes of pixels.
#[derive(Clone, Copy)]
pub(super) enum PixelSource<'a> {
    /// Anywhere in the registry.
    In(&'a Registry, &'a View),
    /// Among these.
    Among(&'a [Id<PixelHashes>]),
}

/// The outcome of a search for leaks.
pub(super) struct Leaks {
    /// One for each model that has seen what is tested.
    pub(super) incomparable: Vec<Incomparable>,
    /// What was compared; `None` if no model's training is known.
    pub(super) check: Option<LeakCheck>,
}

/// A data set, read once.
struct Images {
    source: String,
    manifest: Manifest,
    /// Hashes of pixels, by row; empty if none is known.
    pixels: Vec<Option<Hash>>,
}

impl Images {
    fn pixels(&self, row: u32) -> Option<Hash> {
        self.pixels.get(row as usize).copied().flatten()
    }
}

/// What was seen.
#[derive(Default)]
struct Seen {
    /// Each with its source.
    patients: HashSet<(String, PatientId)>,
    bytes: HashSet<Hash>,
    pixels: HashSet<Hash>,
}

struct Search<'a> {
    objects: &'a dyn Objects,
    source: PixelSource<'a>,
    known: HashMap<Hash, Rc<Images>>,
    used: Vec<Id<PixelHashes>>,
    /// Data set and row of every image that was compared, with what is known of it.
    compared: BTreeMap<(Hash, u32), [bool; 2]>,
}

/// Models that were trained or selected on patients or images that another one is evaluated on.
///
/// Cells of the same fold are compared with each other; if the folds differ, every cell is compared with every other.
pub(super) fn leaks(
    objects: &dyn Objects,
    columns: &[ModelColumn],
    source: PixelSource,
) -> Result<Leaks, CompareError> {
    let mut search =
        Search { objects, source, known: HashMap::new(), used: Vec::new(), compared: BTreeMap::new() };
    let mut incomparable = Vec::new();
    let same_folds = columns.iter().all(|column| column.folds.keys().eq(columns[0].folds.keys()));
    for a in columns {
        for (fold_a, learner) in &a.folds {
            let Some(seen) = search.seen(learner)? else { continue };
            let learner = learner.shared();
            let who = format!("{} ({})", a.name, learner.place());
            for b in columns {
                for (fold_b, evaluated) in &b.folds {
                    let evaluated = evaluated.shared();
                    if fold_a != fold_b && (same_folds || a.name == b.name) {
                        continue;
                    }
                    let whose = if a.name == b.name { "it" } else { &b.name };
                    let leak = |why: String| Incomparable { kind: IncomparableKind::Leak, why };
                    let found = search.compare(&seen, evaluated)?;
                    incomparable.extend(found.sentences(&who, whose).into_iter().map(leak));
                }
            }
        }
    }
    let check = (!search.compared.is_empty()).then(|| {
        let count = |of: usize| search.compared.values().filter(|known| known[of]).count() as u64;
        search.used.sort_unstable_by_key(|id| id.hash);
        LeakCheck {
            images: search.compared.len() as u64,
            bytes: count(0),
            pixels: count(1),
            pixel_hashes: search.used.clone(),
        }
    });
    Ok(Leaks { incomparable, check })
}

impl Search<'_> {
    /// Reads a data set, with the hashes of its pixels.
    fn images(&mut self, dataset: Id<Dataset>) -> Result<Rc<Images>, CompareError> {
        if let Some(known) = self.known.get(&dataset.hash) {
            return Ok(known.clone());
        }
        let record = self.objects.get(dataset)?;
        let manifest = self.objects.manifest(&record)?;
        let hashes = match self.source {
            PixelSource::In(registry, view) => registry.pixel_hashes(view, dataset)?,
            PixelSource::Among(known) => {
                let mut found = None;
                for id in known {
                    let hashes = self.objects.get(*id)?;
                    if hashes.dataset == dataset && hashes.rules == rules::PIXELS {
                        found = Some((*id, hashes));
                    }
                }
                found
            }
        };
        let pixels = match hashes {
            None => Vec::new(),
            Some((id, hashes)) => {
                self.used.push(id);
                self.objects.pixel_digests(&hashes)?.rows
            }
        };
        let images = Rc::new(Images { source: record.source, manifest, pixels });
        self.known.insert(dataset.hash, images.clone());
        Ok(images)
    }

    fn note(&mut self, dataset: Id<Dataset>, row: u32, image: &ImageRow, pixels: Option<Hash>) {
        self.compared.insert((dataset.hash, row), [image.object.is_some(), pixels.is_some()]);
    }

    /// What the runs behind scores were trained and selected on, and what their initial weights had learnt from; `None`
    /// for another tool's scores, for which this is unknown. If the evaluated images are the validation images, these do
    /// not count as seen.
    fn seen(&mut self, cell: &SeedScores) -> Result<Option<Seen>, CompareError> {
        let mut runs = BTreeSet::new();
        for seed in cell.seeds() {
            runs.extend(self.objects.scorers(&seed.predictions)?);
        }
        if runs.is_empty() {
            return Ok(None);
        }
        let cell = cell.shared();
        let own: &[Subset] = match cell.predictions.subset {
            Some(Subset::Val) => &[Subset::Train],
            _ => &[Subset::Train, Subset::Val],
        };
        let mut seen = Seen::default();
        for run in runs {
            let spec = self.objects.get(self.objects.get(run)?.spec)?;
            let before = self.objects.learnt_before(&spec)?;
            let before = before.into_iter().map(|data| (data, &[Subset::Train, Subset::Val][..]));
            for (data, subsets) in std::iter::once((spec.training_data(), own)).chain(before) {
                self.learnt(&data, subsets, &mut seen)?;
            }
        }
        Ok(Some(seen))
    }

    fn learnt(
        &mut self,
        data: &TrainingData,
        subsets: &[Subset],
        seen: &mut Seen,
    ) -> Result<(), CompareError> {
        let Some(dataset) = data.dataset() else { return Ok(()) };
        let images = self.images(dataset)?;
        for row in self.objects.rows_of(data, subsets)? {
            let image = &images.manifest.rows[row as usize];
            let pixels = images.pixels(row);
            self.note(dataset, row, image, pixels);
            seen.patients.insert((images.source.clone(), image.patient.clone()));
            seen.bytes.extend(image.object);
            seen.pixels.extend(pixels);
        }
        Ok(())
    }

    fn compare(&mut self, seen: &Seen, cell: &FoldScores) -> Result<SeenInTest, CompareError> {
        let dataset = cell.predictions.dataset;
        let images = self.images(dataset)?;
        let (mut patients, mut known) = (HashSet::new(), HashSet::new());
        let mut found = SeenInTest { images: cell.rows.len() as u64, ..SeenInTest::default() };
        for row in &cell.rows {
            let image = &images.manifest.rows[*row as usize];
            let pixels = images.pixels(*row);
            self.note(dataset, *row, image, pixels);
            patients.insert(&image.patient);
            if seen.patients.contains(&(images.source.clone(), image.patient.clone())) {
                known.insert(&image.patient);
            } else if image.object.is_some_and(|object| seen.bytes.contains(&object)) {
                found.bytes += 1;
            } else if pixels.is_some_and(|pixels| seen.pixels.contains(&pixels)) {
                found.pixels += 1;
            }
        }
        Ok(SeenInTest { patients: patients.len() as u64, known: known.len() as u64, ..found })
    }
}
