//! The columns of a comparison: each model's scores by fold, with the true labels.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{CompareError, Grouping, Input};
use crate::hash::Id;
use crate::records::{
    Dataset, Division, ImageRow, Manifest, PatientId, Predictions, ScoreSource, Spec, different_settings,
};
use crate::registry::Objects;
use crate::scores::truth;

/// A data set, read once for all models.
pub(super) struct ComparedImages {
    pub(super) dataset: Dataset,
    pub(super) manifest: Manifest,
}

/// One model on one fold, with one seed.
#[derive(Clone)]
pub(super) struct FoldScores {
    pub(super) id: Id<Predictions>,
    pub(super) predictions: Predictions,
    /// The seed of its training; `None` for scores of another tool and for means.
    pub(super) seed: Option<u64>,
    /// What a division of their split is called.
    pub(super) division: Division,
    pub(super) images: Arc<ComparedImages>,
    /// The scored rows of the manifest, ascending.
    pub(super) rows: Vec<u32>,
    /// Labels of `scores` and `truth`.
    pub(super) labels: Vec<String>,
    /// `[labels, images]`.
    pub(super) scores: Vec<Vec<f64>>,
    /// `[labels, images]`: whether an image has the label; `None` if the label is missing.
    pub(super) truth: Vec<Vec<Option<bool>>>,
    /// The number of each image's patient, in the order in which the patients first appear.
    pub(super) patients: Vec<u32>,
}

/// The scores of a label on the images whose label is known, and whether the images have the label.
pub(super) struct KnownLabels {
    pub(super) scores: Vec<f64>,
    pub(super) truth: Vec<bool>,
    /// Indices of the images in the cell.
    pub(super) places: Vec<usize>,
}

impl KnownLabels {
    /// Number of images without the label.
    pub(super) fn negatives(&self) -> u64 {
        self.truth.len() as u64 - self.positives()
    }

    /// Number of images with the label.
    pub(super) fn positives(&self) -> u64 {
        self.truth.iter().filter(|positive| **positive).count() as u64
    }
}

/// One model on one fold: the scores of one or more seeds, of the same images and labels, ascending by seed.
#[derive(Clone)]
pub(super) struct SeedScores {
    seeds: Vec<FoldScores>,
}

impl SeedScores {
    /// What all seeds share: images, labels and division.
    pub(super) fn shared(&self) -> &FoldScores {
        &self.seeds[0]
    }

    /// The scores of each seed.
    pub(super) fn seeds(&self) -> &[FoldScores] {
        &self.seeds
    }

    /// Whether these are scores of the same setup and images with yet another seed.
    fn takes(&self, objects: &dyn Objects, new: &FoldScores) -> Result<bool, CompareError> {
        let first = self.shared();
        let (a, b) = (&first.predictions, &new.predictions);
        let is_new = new.seed.is_some() && self.seeds.iter().all(|known| known.seed != new.seed);
        let is_alike = a.subset == b.subset
            && a.scale == b.scale
            && first.labels == new.labels
            && first.seed.is_some()
            && same_images(first, new);
        if !is_new || !is_alike {
            return Ok(false);
        }
        let specs = [a, b].map(|predictions| specs(objects, predictions));
        let [ours, theirs] = specs;
        Ok(ours?.iter().zip(theirs?).all(|(ours, theirs)| different_settings(ours, &theirs).is_none()))
    }

    fn add(&mut self, new: FoldScores) {
        let place = self.seeds.partition_point(|known| known.seed < new.seed);
        self.seeds.insert(place, new);
    }

    fn map(&self, change: impl Fn(&FoldScores) -> FoldScores) -> SeedScores {
        SeedScores { seeds: self.seeds.iter().map(change).collect() }
    }
}

/// The specs of the runs behind scores; none for another tool's.
pub(super) fn specs(objects: &dyn Objects, predictions: &Predictions) -> Result<Vec<Spec>, CompareError> {
    let runs = objects.scorers(predictions)?;
    runs.into_iter().map(|run| Ok(objects.get(objects.get(run)?.spec)?)).collect()
}

/// One model: its cells by fold.
#[derive(Clone)]
pub(super) struct ModelColumn {
    pub(super) name: String,
    pub(super) folds: BTreeMap<Option<u32>, SeedScores>,
}

impl ModelColumn {
    /// What the seeds of each fold share.
    pub(super) fn shared(&self) -> impl Iterator<Item = &FoldScores> {
        self.folds.values().map(SeedScores::shared)
    }

    /// The scores of each fold and seed.
    pub(super) fn cells(&self) -> impl Iterator<Item = &FoldScores> {
        self.folds.values().flat_map(SeedScores::seeds)
    }
}

impl FoldScores {
    /// What its images are of a split, in messages: `re-sampling 0`, `fold 0`, `division 0`.
    pub(super) fn place(&self) -> String {
        match self.predictions.fold {
            Some(fold) => format!("{} {fold}", self.division.name()),
            None => "no division".to_owned(),
        }
    }

    pub(super) fn image_rows(&self) -> impl Iterator<Item = &ImageRow> {
        self.rows.iter().map(|row| &self.images.manifest.rows[*row as usize])
    }

    /// The scores and labels with which a label is evaluated: images whose label is missing are left out.
    pub(super) fn known(&self, label: usize) -> KnownLabels {
        self.known_of(label, 0..self.rows.len())
    }

    /// The same for some of the images, given by their indices in `rows`.
    pub(super) fn known_of(&self, label: usize, places: impl Iterator<Item = usize>) -> KnownLabels {
        let (scores, truth) = (&self.scores[label], &self.truth[label]);
        let mut known = KnownLabels { scores: Vec::new(), truth: Vec::new(), places: Vec::new() };
        for (place, positive) in places.filter_map(|place| Some((place, truth[place]?))) {
            known.scores.push(scores[place]);
            known.truth.push(positive);
            known.places.push(place);
        }
        known
    }

    /// Number of images whose label is missing.
    pub(super) fn missing(&self, label: usize) -> u64 {
        self.truth[label].iter().filter(|truth| truth.is_none()).count() as u64
    }

    /// For each image, its row in the data set of another cell, which must have the same source, name, file,
    /// patient and labels. Data sets can number rows differently, for example after a withdrawal, or if the CSV
    /// has other line ends.
    pub(super) fn rows_in(&self, other: &FoldScores) -> Vec<Option<u32>> {
        if self.predictions.dataset == other.predictions.dataset {
            return self.rows.iter().copied().map(Some).collect();
        }
        let (own, theirs) = (&self.images.dataset, &other.images.dataset);
        if (&own.source, &own.labels) != (&theirs.source, &theirs.labels) {
            return vec![None; self.rows.len()];
        }
        fn identity(row: &ImageRow) -> impl PartialEq {
            (row.object, row.patient.clone(), row.labels.clone())
        }
        let place = |row: &ImageRow| {
            let place = other.images.manifest.row_named(&row.name)?;
            let there = &other.images.manifest.rows[place];
            (identity(row) == identity(there)).then_some(place as u32)
        };
        self.image_rows().map(place).collect()
    }

    /// Restricts the cell to these labels, all of which it must have.
    fn select(&mut self, labels: &[String]) {
        let place = |label| self.labels.iter().position(|own| own == label).expect("labels were checked");
        let places: Vec<usize> = labels.iter().map(place).collect();
        self.scores = places.iter().map(|place| self.scores[*place].clone()).collect();
        self.truth = places.iter().map(|place| self.truth[*place].clone()).collect();
        self.labels = labels.to_vec();
    }

    /// The cell restricted to the images in `rows` of the data set of another cell.
    fn restrict(&self, rows: &HashSet<u32>, other: &FoldScores) -> FoldScores {
        fn pick<T: Copy>(values: &[T], kept: &[usize]) -> Vec<T> {
            kept.iter().map(|place| values[*place]).collect()
        }
        let there = self.rows_in(other);
        let kept: Vec<usize> =
            (0..there.len()).filter(|place| there[*place].is_some_and(|row| rows.contains(&row))).collect();
        let rows = pick(&self.rows, &kept);
        FoldScores {
            patients: numbered_patients(&self.images.manifest, &rows),
            rows,
            scores: self.scores.iter().map(|scores| pick(scores, &kept)).collect(),
            truth: self.truth.iter().map(|truth| pick(truth, &kept)).collect(),
            ..self.clone()
        }
    }

    /// Number of patients.
    pub(super) fn patient_count(&self) -> usize {
        self.patients.iter().max().map_or(0, |last| *last as usize + 1)
    }
}

/// Numbers the patients of some rows in the order in which they first appear, so that two models' scores of the same
/// images have the same numbers.
fn numbered_patients(manifest: &Manifest, rows: &[u32]) -> Vec<u32> {
    let mut numbers: HashMap<&PatientId, u32> = HashMap::new();
    let number = |row: &u32| {
        let next = numbers.len() as u32;
        *numbers.entry(&manifest.rows[*row as usize].patient).or_insert(next)
    };
    rows.iter().map(number).collect()
}

/// Reads scores and truth of all inputs and puts them into columns. Runs of one column and fold that differ in their seed
/// only share a cell.
pub(super) fn columns(
    objects: &dyn Objects,
    inputs: Vec<Input>,
    grouping: Grouping,
) -> Result<Vec<ModelColumn>, CompareError> {
    let mut columns: Vec<ModelColumn> = Vec::new();
    let mut owners: BTreeMap<(usize, Option<u32>), String> = BTreeMap::new();
    let mut datasets: HashMap<Id<Dataset>, Arc<ComparedImages>> = HashMap::new();
    for input in inputs {
        let Input { name, label, id, predictions } = input;
        let labelled = label.is_some();
        let key = label.unwrap_or_else(|| match grouping {
            Grouping::Model => predictions.model.clone(),
            Grouping::Run => name.clone(),
        });
        let place = columns.iter().position(|column| column.name == key).unwrap_or_else(|| {
            columns.push(ModelColumn { name: key.clone(), folds: BTreeMap::new() });
            columns.len() - 1
        });
        let fold = predictions.fold;
        let known = columns[place].folds.get(&fold);
        // The same predictions given twice count once.
        if known.is_some_and(|known| known.seeds.iter().any(|seed| seed.id == id)) {
            continue;
        }
        let images = match datasets.get(&predictions.dataset) {
            Some(images) => images.clone(),
            None => {
                let dataset = objects.get(predictions.dataset)?;
                let manifest = objects.manifest(&dataset)?;
                let images = Arc::new(ComparedImages { dataset, manifest });
                datasets.insert(predictions.dataset, images.clone());
                images
            }
        };
        let new = cell(objects, id, predictions, images)?;
        match columns[place].folds.get_mut(&fold) {
            None => {
                owners.insert((place, fold), name);
                columns[place].folds.insert(fold, SeedScores { seeds: vec![new] });
            }
            Some(known) if known.takes(objects, &new)? => known.add(new),
            Some(known) => {
                let a = owners.remove(&(place, fold)).unwrap_or_default();
                let (fold, shared) = (known.shared().place(), known.shared());
                let subsets = shared.predictions.subset.zip(new.predictions.subset);
                if let Some((first, other)) = subsets.filter(|(first, other)| first != other) {
                    return Err(CompareError::SubsetsOfCell { model: key, fold, subsets: [first, other] });
                }
                let difference = difference(objects, &shared.predictions, &new.predictions)?;
                return Err(CompareError::SameCell {
                    a,
                    b: name,
                    model: key,
                    fold,
                    labelled,
                    difference: difference.map(Box::new),
                });
            }
        }
    }
    Ok(columns)
}

/// The first setting in which the trainings behind scores differ: `hidden: 4 and 8`.
fn difference(
    objects: &dyn Objects,
    a: &Predictions,
    b: &Predictions,
) -> Result<Option<String>, CompareError> {
    let (ours, theirs) = (specs(objects, a)?, specs(objects, b)?);
    let mut pairs = ours.iter().zip(&theirs);
    let found = pairs.find_map(|(ours, theirs)| different_settings(ours, theirs));
    // By the name that `--set` takes, not by the path in the record.
    let name = |what: &str| what.rsplit('.').next().unwrap_or(what).to_owned();
    Ok(found.map(|(what, ours, theirs)| format!("{}: {ours} and {theirs}", name(&what))))
}

/// Reads scores and truth of predictions.
pub(super) fn cell(
    objects: &dyn Objects,
    id: Id<Predictions>,
    predictions: Predictions,
    images: Arc<ComparedImages>,
) -> Result<FoldScores, CompareError> {
    let scores = objects.scores(&predictions)?;
    let split = predictions.split.map(|split| objects.get(split)).transpose()?;
    let division = split.map_or(Division::Published, |split| split.method.division());
    let labels = predictions.labels.clone();
    let of = |label: &String| truth(&images.dataset, &images.manifest, &scores, label);
    let seed = match predictions.source {
        ScoreSource::Run { run, .. } | ScoreSource::Program { run, .. } => {
            Some(objects.get(objects.get(run)?.spec)?.seed())
        }
        ScoreSource::Mean { .. } | ScoreSource::Import { .. } => None,
    };
    Ok(FoldScores {
        seed,
        truth: labels.iter().map(of).collect(),
        scores: (0..labels.len()).map(|label| scores.column(label)).collect(),
        patients: numbered_patients(&images.manifest, &scores.rows),
        rows: scores.rows,
        id,
        predictions,
        division,
        images,
        labels,
    })
}

/// The labels that every cell scores, in the order of the first.
pub(super) fn shared_labels(columns: &[ModelColumn]) -> Vec<String> {
    let mut cells = columns.iter().flat_map(ModelColumn::shared);
    let mut labels = cells.next().map_or(Vec::new(), |cell| cell.labels.clone());
    for cell in cells {
        labels.retain(|label| cell.labels.contains(label));
    }
    labels
}

/// Restricts every cell to these labels, in this order.
pub(super) fn select(columns: &mut [ModelColumn], labels: &[String]) {
    let cells = columns.iter_mut().flat_map(|column| column.folds.values_mut());
    cells.flat_map(|cell| &mut cell.seeds).for_each(|cell| cell.select(labels));
}

/// The columns restricted to the folds and images that all of them scored: paired statistics are computed from
/// these.
pub(super) fn common(columns: &[ModelColumn]) -> Vec<ModelColumn> {
    let mut common = columns.to_vec();
    let folds: Vec<Option<u32>> = columns[0].folds.keys().copied().collect();
    let shared = |fold: &Option<u32>| columns.iter().all(|column| column.folds.contains_key(fold));
    let (shared, single): (Vec<_>, Vec<_>) = folds.into_iter().partition(shared);
    for column in &mut common {
        column.folds.retain(|fold, _| shared.contains(fold) && !single.contains(fold));
    }
    for fold in &shared {
        let cells: Vec<&FoldScores> = columns.iter().map(|column| column.folds[fold].shared()).collect();
        if cells.windows(2).all(|pair| same_images(pair[0], pair[1])) {
            continue;
        }
        let mut rows: HashSet<u32> = cells[0].rows.iter().copied().collect();
        for cell in &cells {
            let own: HashSet<u32> = cell.rows_in(cells[0]).into_iter().flatten().collect();
            rows.retain(|row| own.contains(row));
        }
        for column in &mut common {
            let cell = column.folds[fold].map(|cell| cell.restrict(&rows, cells[0]));
            column.folds.insert(*fold, cell);
        }
    }
    common
}

/// Whether two cells have the same images.
pub(super) fn same_images(a: &FoldScores, b: &FoldScores) -> bool {
    let mut rows = a.rows.iter().copied().map(Some);
    a.rows.len() == b.rows.len() && b.rows_in(a).into_iter().all(|row| rows.next() == Some(row))
}
