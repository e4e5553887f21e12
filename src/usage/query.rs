//! Which records used which images: not everything that depends on a data set, but the records that were trained,
//! selected or evaluated on some of its rows.
//!
//! A run has not seen the test patients of its fold, although its lineage leads to the data set with their images. So
//! the query walks from a record towards its inputs and looks up the subset of each row in the split.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use serde::Serialize;

use crate::hash::{Hash, Id};
use crate::records::{
    self, Dataset, ImageRow, ImageUse, Manifest, Predictions, Purpose, Scores, Split, Subset, TrainingData,
    codec,
};
use crate::registry::walk::{DepthFirst, WalkEvent};
use crate::registry::{Objects, Origins, RegistryError};

/// Rows of data sets: indices in the manifest, by data set.
pub type RowSet = BTreeSet<(Hash, u32)>;

/// How a record used the chosen images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataUsage {
    /// It contains them: a data set, a split, a table of counts.
    pub holds: RowSet,
    /// Weights were fitted to them.
    pub trained: RowSet,
    /// Weights, penalties or thresholds were selected on them.
    pub validated: RowSet,
    /// It contains their scores, or numbers computed from such scores.
    pub scored: RowSet,
}

/// Number of chosen images that a record used, by use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct UsageCounts {
    /// Images that it contains.
    pub holds: u64,
    /// Images that weights were fitted to.
    pub trained: u64,
    /// Images that weights, penalties or thresholds were selected on.
    pub validated: u64,
    /// Images whose scores are in it.
    pub scored: u64,
}

impl DataUsage {
    pub(crate) fn add(&mut self, other: &DataUsage) {
        self.holds.extend(&other.holds);
        self.trained.extend(&other.trained);
        self.validated.extend(&other.validated);
        self.scored.extend(&other.scored);
    }

    /// Whether none of the images was used.
    pub fn is_empty(&self) -> bool {
        self.rows().is_empty()
    }

    /// All rows, however they were used.
    pub fn rows(&self) -> RowSet {
        [&self.holds, &self.trained, &self.validated, &self.scored].into_iter().flatten().copied().collect()
    }
}

/// Number of different images among names with files. A name without a file, in a metadata-only data set, counts as the
/// image with that name.
pub fn different<'i>(images: impl Iterator<Item = (&'i str, Option<Hash>)>) -> u64 {
    let mut files: BTreeMap<&str, BTreeSet<Hash>> = BTreeMap::new();
    for (name, file) in images {
        files.entry(name).or_default().extend(file);
    }
    files.values().map(|files| files.len().max(1) as u64).sum()
}

impl std::fmt::Display for UsageCounts {
    /// `trained on 3, scored 2`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("trained on", self.trained),
            ("selected on", self.validated),
            ("scored", self.scored),
            ("holds", self.holds),
        ];
        let said = parts.iter().filter(|(_, count)| *count > 0);
        let said: Vec<String> = said.map(|(verb, count)| format!("{verb} {count}")).collect();
        f.write_str(&said.join(", "))
    }
}

/// Selects rows of a data set.
pub type Choice<'a> = dyn Fn(Id<Dataset>, &Dataset) -> Result<Vec<u32>, RegistryError> + 'a;

/// Answers queries for one choice of images; each record is read once.
pub struct UsageQuery<'a> {
    objects: &'a dyn Objects,
    choice: Box<Choice<'a>>,
    rows: HashMap<Hash, Rc<Vec<u32>>>,
    /// Rows of each subset of each fold of a split.
    folds: HashMap<Hash, Rc<Vec<[Vec<u32>; 3]>>>,
    known: HashMap<Hash, Rc<DataUsage>>,
    /// Images of the data sets of which names were needed.
    manifests: HashMap<Hash, Manifest>,
    /// Records that could not be read, whose use is unknown.
    pub unread: BTreeMap<Hash, String>,
}

impl<'a> UsageQuery<'a> {
    /// Creates a query.
    pub fn new(objects: &'a dyn Objects, choice: Box<Choice<'a>>) -> Self {
        let (rows, folds, known, manifests, unread) = Default::default();
        UsageQuery { objects, choice, rows, folds, known, manifests, unread }
    }

    /// The chosen rows of a data set.
    pub fn rows(&mut self, dataset: Id<Dataset>) -> Result<Rc<Vec<u32>>, RegistryError> {
        if let Some(rows) = self.rows.get(&dataset.hash) {
            return Ok(rows.clone());
        }
        let record = self.objects.get(dataset)?;
        let rows = Rc::new((self.choice)(dataset, &record)?);
        self.rows.insert(dataset.hash, rows.clone());
        Ok(rows)
    }

    /// What a division of a split is called: `re-sampling`, `fold`.
    pub fn division(&self, split: Id<Split>) -> Result<&'static str, RegistryError> {
        Ok(self.objects.get(split)?.method.division().name())
    }

    /// The chosen rows of each subset of each fold of a split.
    pub fn folds(&mut self, split: Id<Split>) -> Result<Rc<Vec<[Vec<u32>; 3]>>, RegistryError> {
        if let Some(folds) = self.folds.get(&split.hash) {
            return Ok(folds.clone());
        }
        let record = self.objects.get(split)?;
        let rows = self.rows(record.dataset)?;
        let mut folds = Vec::new();
        if !rows.is_empty() {
            let assignment = self.objects.assignment(&record)?;
            let of = |codes: &Vec<u8>, subset: Subset| {
                let is = |row: &&u32| codes.get(**row as usize) == Some(&(subset as u8));
                rows.iter().filter(is).copied().collect()
            };
            folds =
                assignment.folds.iter().map(|codes| Subset::ALL.map(|subset| of(codes, subset))).collect();
        }
        let folds = Rc::new(folds);
        self.folds.insert(split.hash, folds.clone());
        Ok(folds)
    }

    /// How a record used the chosen images. Unreadable records are noted and count as unused.
    ///
    /// Until the uses of its inputs are known, only the uses of a record are kept: a chain of weights that were trained
    /// from weights can have any length.
    pub fn of(&mut self, id: &Hash) -> Rc<DataUsage> {
        let objects = self.objects;
        // Without an index each record says itself why it cannot be read.
        let opened = objects.opened().ok().flatten();
        let objects = opened.as_deref().unwrap_or(objects);
        let mut walk = DepthFirst::from([(*id, ())]);
        let mut open: HashMap<Hash, Vec<ImageUse>> = HashMap::new();
        while let Some(visit) = walk.step() {
            match visit {
                WalkEvent::Enter(id, ()) if self.known.contains_key(&id) => {}
                WalkEvent::Enter(id, ()) => match uses(objects, &id) {
                    Ok(uses) => {
                        walk.descend(uses.iter().filter_map(depends_on).map(|on| (on, ())));
                        open.insert(id, uses);
                    }
                    Err(e) => self.note_unread(id, &e),
                },
                WalkEvent::Leave(id) => {
                    let Some(uses) = open.remove(&id) else { continue };
                    match self.sum(uses) {
                        Ok(used) => drop(self.known.insert(id, used)),
                        Err(e) => self.note_unread(id, &e),
                    }
                }
            }
        }
        self.known.get(id).cloned().unwrap_or_default()
    }

    fn note_unread(&mut self, id: Hash, e: &RegistryError) {
        self.unread.insert(id, e.to_string());
        self.known.insert(id, Rc::default());
    }

    /// Adds up the uses of a record whose inputs are all known.
    fn sum(&mut self, uses: Vec<ImageUse>) -> Result<Rc<DataUsage>, RegistryError> {
        let alone = match uses[..] {
            [ImageUse::Of(id)] => self.known.get(&id).cloned(),
            _ => None,
        };
        if let Some(same) = alone {
            return Ok(same);
        }
        let mut used = DataUsage::default();
        for term in uses {
            self.add(&mut used, term)?;
        }
        Ok(Rc::new(used))
    }

    /// Adds one use of the chosen images by a record.
    fn add(&mut self, used: &mut DataUsage, term: ImageUse) -> Result<(), RegistryError> {
        match term {
            ImageUse::Holds(dataset) => used.holds.extend(self.all(dataset)?),
            ImageUse::Subset { dataset, split, fold, subset, purpose } => {
                let rows = self.subset(dataset, split, fold, subset)?;
                match purpose {
                    Purpose::Training => used.trained.extend(rows),
                    Purpose::Validation => used.validated.extend(rows),
                    Purpose::Scoring => used.scored.extend(rows),
                }
            }
            // A record that is not known yet waits for this one: weights that a run started from and did not change.
            ImageUse::Of(id) => self.known.get(&id).into_iter().for_each(|of| used.add(of)),
            // Was replaced by what is known of the file.
            ImageUse::Learnt(_) => {}
            ImageUse::TrainedOnAll(dataset) => used.trained.extend(self.all(dataset)?),
            ImageUse::Scores { dataset, scores } => used.scored.extend(self.scored(dataset, scores)?),
            ImageUse::File { run, file } => {
                let dataset = self.objects.get(self.objects.get(run)?.spec)?.dataset();
                used.scored.extend(self.rows_that(dataset, |row| row.object == Some(file))?);
            }
            ImageUse::Names { dataset, names } => {
                let is = |row: &ImageRow| names.binary_search_by(|name| name.as_str().cmp(&row.name)).is_ok();
                used.scored.extend(self.rows_that(dataset, is)?);
            }
            ImageUse::Shared(predictions) => {
                if !used.scored.is_empty() {
                    used.scored = self.shared(&predictions)?;
                }
            }
        }
        Ok(())
    }

    /// Number of different images that a record used, by use.
    pub fn counts(&mut self, used: &DataUsage) -> UsageCounts {
        UsageCounts {
            holds: self.different(&used.holds),
            trained: self.different(&used.trained),
            validated: self.different(&used.validated),
            scored: self.different(&used.scored),
        }
    }

    /// Number of different images: two versions of a data set have different rows for the same image.
    pub fn different(&mut self, rows: &RowSet) -> u64 {
        let datasets: BTreeSet<Hash> = rows.iter().map(|(dataset, _)| *dataset).collect();
        if datasets.len() < 2 {
            return rows.len() as u64;
        }
        let images: Vec<_> = rows.iter().filter_map(|row| self.image(row)).collect();
        different(images.iter().map(|(name, object)| (name.as_str(), *object)))
    }

    /// The document of a record whose use is known; none if it could not be read.
    pub(crate) fn header(&self, id: &Hash) -> Option<codec::Header> {
        let bytes = if self.unread.contains_key(id) { None } else { self.objects.bytes(id).ok() };
        codec::Header::read(&bytes?).ok()
    }

    /// The chosen images that every model scored on the same fold: a table of shared images has no others.
    fn shared(&mut self, predictions: &[Id<Predictions>]) -> Result<RowSet, RegistryError> {
        let mut folds: BTreeMap<Option<u32>, Vec<RowSet>> = BTreeMap::new();
        for id in predictions {
            let fold = self.objects.get(*id)?.fold;
            let scored = self.known.get(&id.hash).map(|of| of.scored.clone());
            folds.entry(fold).or_default().push(scored.unwrap_or_default());
        }
        let mut shared = RowSet::new();
        for cells in folds.into_values() {
            let mut named = Vec::new();
            for rows in &cells {
                let images = rows.iter().filter_map(|row| Some((self.image(row)?, *row)));
                named.push(images.collect::<HashMap<_, _>>());
            }
            let in_all = |image| named.iter().all(|images| images.contains_key(image));
            shared.extend(named.iter().flatten().filter(|(image, _)| in_all(*image)).map(|(_, row)| *row));
        }
        Ok(shared)
    }

    /// Name and file of the image of a row; none if its data set cannot be read, which is noted.
    fn image(&mut self, (dataset, row): &(Hash, u32)) -> Option<(String, Option<Hash>)> {
        if !self.manifests.contains_key(dataset) {
            let manifest = || self.objects.manifest(&self.objects.get(Id::<Dataset>::new(*dataset))?);
            match manifest() {
                Ok(manifest) => drop(self.manifests.insert(*dataset, manifest)),
                Err(e) => drop(self.unread.insert(*dataset, e.to_string())),
            }
        }
        let row = self.manifests.get(dataset)?.rows.get(*row as usize)?;
        Some((row.name.to_string(), row.object))
    }

    fn all(&mut self, dataset: Id<Dataset>) -> Result<RowSet, RegistryError> {
        Ok(self.rows(dataset)?.iter().map(|row| (dataset.hash, *row)).collect())
    }

    fn subset(
        &mut self,
        dataset: Id<Dataset>,
        split: Id<Split>,
        fold: u32,
        subset: Subset,
    ) -> Result<RowSet, RegistryError> {
        let folds = self.folds(split)?;
        let rows = folds.get(fold as usize).map(|subsets| subsets[subset as usize].as_slice());
        Ok(rows.unwrap_or_default().iter().map(|row| (dataset.hash, *row)).collect())
    }

    /// The chosen images among those with scores.
    fn scored(&mut self, dataset: Id<Dataset>, scores: Id<Scores>) -> Result<RowSet, RegistryError> {
        let rows = self.rows(dataset)?;
        if rows.is_empty() {
            return Ok(RowSet::new());
        }
        let scores = self.objects.packed_alone(scores)?;
        let scored = rows.iter().filter(|row| scores.rows.binary_search(row).is_ok());
        Ok(scored.map(|row| (dataset.hash, *row)).collect())
    }

    fn rows_that(
        &mut self,
        dataset: Id<Dataset>,
        is: impl Fn(&ImageRow) -> bool,
    ) -> Result<RowSet, RegistryError> {
        let rows = self.rows(dataset)?;
        if rows.is_empty() {
            return Ok(RowSet::new());
        }
        let manifest = self.objects.manifest(&self.objects.get(dataset)?)?;
        let found = rows.iter().filter(|row| is(&manifest.rows[**row as usize]));
        Ok(found.map(|row| (dataset.hash, *row)).collect())
    }
}

/// The uses of a record, with what the weights that it starts from had learnt.
fn uses(objects: &dyn Objects, id: &Hash) -> Result<Vec<ImageUse>, RegistryError> {
    let bytes = objects.bytes(id)?;
    let wrong = |source| RegistryError::Codec { id: *id, source };
    // Weights that are a run's checkpoint have seen what the run has seen.
    let mut uses: Vec<ImageUse> = Vec::new();
    for term in records::decode_any(&bytes).map_err(wrong)?.uses(*id) {
        match term {
            ImageUse::Learnt(file) => {
                let Origins { runs, trained_on } = objects.origins(&file)?;
                let runs = runs.into_iter().map(|run| ImageUse::Of(run.hash));
                let declared = trained_on.iter().flat_map(TrainingData::uses);
                let more: Vec<ImageUse> = runs.chain(declared).filter(|more| !uses.contains(more)).collect();
                uses.extend(more);
            }
            term @ (ImageUse::Holds(_)
            | ImageUse::Subset { .. }
            | ImageUse::TrainedOnAll(_)
            | ImageUse::Of(_)
            | ImageUse::Scores { .. }
            | ImageUse::File { .. }
            | ImageUse::Names { .. }
            | ImageUse::Shared(_)) => uses.push(term),
        }
    }
    Ok(uses)
}

/// The record whose use must be known before this one can be added.
fn depends_on(term: &ImageUse) -> Option<Hash> {
    match term {
        ImageUse::Of(on) => Some(*on),
        ImageUse::Holds(_)
        | ImageUse::Subset { .. }
        | ImageUse::TrainedOnAll(_)
        | ImageUse::Learnt(_)
        | ImageUse::Scores { .. }
        | ImageUse::File { .. }
        | ImageUse::Names { .. }
        | ImageUse::Shared(_) => None,
    }
}
