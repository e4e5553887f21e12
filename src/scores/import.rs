//! Imports another tool's scores: a CSV becomes predictions like those of a run.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::ScoreError;
use super::auc::{auc_table, subset_images, truth};
use crate::dataset::matching::{ImageNames, Spelling};
use crate::dataset::revealed::told_by_two_values;
use crate::dataset::scores::{self, ScoreFile};
use crate::dataset::{DatasetError, FilePosition, source};
use crate::hash::{Hash, Id};
use crate::limits;
use crate::records::{
    AucTable, Dataset, LabelAuc, Manifest, OperatingPoint, Predictions, Scale, ScoreSource, Scores, Split,
    Subset, Table, rules,
};
use crate::registry::{Objects, Registry, Stamp};
use crate::split::SplitError;

/// Fewer images can agree with two values by chance.
const FEWEST: u64 = 10;

/// The images to score: a subset of a fold.
#[derive(Debug, Clone, Copy)]
pub struct ScoredSubset {
    /// The split.
    pub split: Id<Split>,
    /// Its fold, from 0.
    pub fold: u32,
    /// The subset of the fold.
    pub subset: Subset,
}

/// Scores of another tool, and the images to which they belong.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// The CSV.
    pub file: PathBuf,
    /// The data set with the scored images.
    pub dataset: Id<Dataset>,
    /// The subset to which the scores are restricted; all images of the data set if `None`.
    pub subset: Option<ScoredSubset>,
    /// The pattern of the names of the columns of scores, such as `pred_{label}`, if it does not follow from the
    /// names.
    pub columns: Option<String>,
    /// The scale of the scores.
    pub scale: Scale,
    /// Name of the model in tables.
    pub model: String,
    /// Name of the predictions.
    pub name: String,
}

/// The result of an import.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Imported {
    /// The predictions.
    pub id: Id<Predictions>,
    /// Their record.
    pub predictions: Predictions,
    /// The table.
    pub table: Id<Table>,
    /// Its content.
    pub auc: AucTable,
    /// Labels of the data set without a column.
    pub missing_labels: Vec<String>,
    /// Names of columns without scores.
    pub ignored_columns: Vec<String>,
    /// Names in the file that differ from those of their images in folder, ending, case or Unicode form.
    pub inexact_names: Vec<String>,
    /// Labels whose scores are all 0 or 1.
    pub decisions: Vec<String>,
    /// The labels, if the scores of each separate its images without an error: more likely labels with noise than scores.
    /// Empty if one does not, or if there are fewer than ten images.
    pub separated: Vec<String>,
    /// Images with further rows in the file, which have the same scores.
    pub repeated_images: Vec<String>,
    /// Names in the file that are not in the data set.
    pub unknown_images: Vec<String>,
    /// Names in the file that are not in the subset.
    pub extra_images: Vec<String>,
    /// Images of the subset, or of the data set, without scores in the file.
    pub missing_images: Vec<String>,
}

/// Registers the scores in a CSV and evaluates them.
///
/// Images outside the subset and columns that are not labels are left out and reported.
///
/// # Errors
/// A file that cannot be read as scores; a probability outside [0, 1]; a column that equals the labels; no image of
/// the subset.
pub fn import_scores(registry: &Registry, foreign: &Foreign, stamp: &Stamp) -> Result<Imported, ScoreError> {
    // The name is printed in every table, where an escape sequence would take effect.
    if foreign.model.trim().is_empty() || foreign.model.contains(char::is_control) {
        return Err(ScoreError::BadModelName(foreign.model.clone()));
    }
    let bytes = source::load(&foreign.file, limits::TEXT)?;
    let Selected { dataset, manifest, labels, scores, ignored, sorted, missing } =
        select(registry, foreign, &bytes).map_err(|e| by_name(registry, foreign, e))?;
    let is_decision = |label: &usize| scores.column(*label).iter().all(|score| [0.0, 1.0].contains(score));
    let decisions = (0..labels.len()).filter(is_decision).map(|label| labels[label].clone()).collect();
    let mut transaction = registry.transaction()?;
    let predictions = Predictions {
        dataset: foreign.dataset,
        split: foreign.subset.map(|of| of.split),
        fold: foreign.subset.map(|of| of.fold),
        subset: foreign.subset.map(|of| of.subset),
        source: ScoreSource::Import {
            file: transaction.put_outside(&bytes)?,
            columns: foreign.columns.clone(),
            rules: rules::IMPORT,
        },
        model: foreign.model.clone(),
        labels,
        scale: foreign.scale,
        images: scores.rows.len() as u64,
        scores: transaction.put_packed(&scores)?,
    };
    let id = transaction.put(&predictions)?;
    let of_images = subset_images(registry, &predictions)?;
    let at = OperatingPoint::usual(predictions.subset);
    let auc = auc_table(id, &predictions, &dataset, &manifest, &scores, of_images, at);
    let table = transaction.put(&Table::Auc(auc.clone()))?;
    transaction.name(&foreign.name, id.hash)?;
    transaction.commit(stamp)?;
    let missing_labels =
        dataset.labels.iter().filter(|label| !predictions.labels.contains(label)).cloned().collect();
    Ok(Imported {
        id,
        predictions,
        table,
        separated: separated(&auc),
        auc,
        missing_labels,
        ignored_columns: ignored,
        inexact_names: sorted.inexact,
        decisions,
        repeated_images: sorted.repeated,
        unknown_images: sorted.unknown,
        extra_images: sorted.extra,
        missing_images: missing.iter().map(|row| manifest.rows[*row as usize].name.to_string()).collect(),
    })
}

/// The labels with both classes, if all of them have an AUC of 0 or 1 on ten or more images: more likely the labels in
/// another form than scores.
pub fn separated(table: &AucTable) -> Vec<String> {
    let defined = || table.labels.iter().filter(|row| row.auc.is_some());
    let is_perfect =
        |row: &LabelAuc| [Some(0.0), Some(1.0)].contains(&row.auc) && row.positives + row.negatives >= FEWEST;
    match defined().all(is_perfect) {
        true => defined().map(|row| row.label.clone()).collect(),
        false => Vec::new(),
    }
}

/// An error with the names of the split and the data set in place of their ids; a bundle, of which the same is computed,
/// knows no names.
fn by_name(registry: &Registry, foreign: &Foreign, e: ScoreError) -> ScoreError {
    let called = |id: &Hash, own: String| registry.called(id).unwrap_or(own);
    match (e, foreign.subset) {
        (ScoreError::Split(SplitError::NoSuchFold { split, folds, fold }), Some(of)) => {
            SplitError::NoSuchFold { split: called(&of.split.hash, split), folds, fold }.into()
        }
        (ScoreError::Split(SplitError::OtherDataset { split, divides, dataset }), Some(of)) => {
            SplitError::OtherDataset {
                split: called(&of.split.hash, split),
                divides: registry
                    .get(of.split)
                    .ok()
                    .map_or(divides.clone(), |split| called(&split.dataset.hash, divides)),
                dataset: called(&foreign.dataset.hash, dataset),
            }
            .into()
        }
        (e, _) => e,
    }
}

/// The selected scores of a file, and what was left out.
pub(crate) struct Selected {
    dataset: Dataset,
    manifest: Manifest,
    pub(crate) labels: Vec<String>,
    pub(crate) scores: Scores,
    ignored: Vec<String>,
    sorted: Sorted,
    /// Manifest rows that are needed but not scored, ascending.
    missing: Vec<u32>,
}

/// Selects the scores for the requested labels and images. Messages call the bytes `foreign.file`.
pub(crate) fn select(objects: &dyn Objects, foreign: &Foreign, bytes: &[u8]) -> Result<Selected, ScoreError> {
    let dataset = objects.get(foreign.dataset)?;
    let file = scores::read(bytes, &foreign.file, &dataset.labels, foreign.columns.as_deref())?;
    if foreign.scale == Scale::Probability {
        if let Some(column) = file.named_logits {
            return Err(ScoreError::NamedLogits { path: foreign.file.clone(), column });
        }
        check_probabilities(&file, &dataset, foreign)?;
    }
    let manifest = objects.manifest(&dataset)?;
    let wanted: HashSet<u32> = match foreign.subset {
        Some(ScoredSubset { split, fold, subset }) => {
            rows_of(objects, foreign.dataset, split, fold, subset)?.into_iter().collect()
        }
        None => (0..manifest.rows.len() as u32).collect(),
    };
    let labels: Vec<String> = file.labels.iter().map(|label| dataset.labels[*label].clone()).collect();
    let sorted = sort(&file, &manifest, &wanted, &foreign.file)?;
    let rows = &sorted.rows;
    if rows.is_empty() {
        let dataset = foreign.dataset.hash.short();
        return Err(ScoreError::NothingScored {
            path: foreign.file.clone(),
            dataset,
            unknown: sorted.unknown.len(),
            extra: sorted.extra.len(),
            example: sorted
                .unknown
                .first()
                .cloned()
                .zip(manifest.rows.first().map(|row| row.name.to_string()))
                .map(Box::new),
        });
    }
    let scored: HashSet<u32> = rows.iter().map(|(row, _)| *row).collect();
    let mut missing: Vec<u32> = wanted.difference(&scored).copied().collect();
    missing.sort_unstable();
    let scores = Scores {
        rows: rows.iter().map(|(row, _)| *row).collect(),
        labels: labels.len() as u32,
        scores: rows.iter().flat_map(|(_, image)| file.row(*image)).copied().collect(),
    };
    refuse_truth(&dataset, &manifest, &scores, &labels, foreign)?;
    Ok(Selected { dataset, manifest, labels, scores, ignored: file.ignored, sorted, missing })
}

/// Refuses a column that has nothing but the labels of the data set.
fn refuse_truth(
    dataset: &Dataset,
    manifest: &Manifest,
    scores: &Scores,
    labels: &[String],
    foreign: &Foreign,
) -> Result<(), ScoreError> {
    match truth_among(dataset, manifest, scores, labels) {
        Some(ToldTruth { label, images, equal }) => {
            let column = label.clone();
            Err(DatasetError::Truth { path: foreign.file.clone(), column, label, images, equal }.into())
        }
        None => Ok(()),
    }
}

/// A label whose column of scores has nothing but the labels.
pub(crate) struct ToldTruth {
    /// The label.
    pub(crate) label: String,
    /// On how many images.
    pub(crate) images: u64,
    /// Whether the scores are 1 and 0.
    equal: bool,
}

/// A label whose column of scores has nothing but the labels: as two whole numbers, or as any two values, in either
/// order, if all columns of labels with both classes are like that.
pub(crate) fn truth_among(
    dataset: &Dataset,
    manifest: &Manifest,
    scores: &Scores,
    labels: &[String],
) -> Option<ToldTruth> {
    let (mut first, mut all) = (None, true);
    for (column, label) in labels.iter().enumerate() {
        let truth = truth(dataset, manifest, scores, label);
        let known = scores.column(column).into_iter().zip(truth);
        let known: Vec<(f64, bool)> = known.filter_map(|(score, truth)| Some((score, truth?))).collect();
        let Some(equals) = told_by_two_values(&known) else { continue };
        let of = |class: bool| known.iter().find(|(_, truth)| *truth == class).map(|(score, _)| *score);
        let equal = (of(true), of(false)) == (Some(1.0), Some(0.0));
        let found = ToldTruth { label: label.clone(), images: known.len() as u64, equal };
        let whole = || known.iter().all(|(score, _)| score.fract() == 0.0);
        if equals && of(true) > of(false) && whole() {
            return Some(found);
        }
        all &= equals;
        first = first.or(equals.then_some(found));
    }
    first.filter(|found: &ToldTruth| all && found.images >= FEWEST)
}

/// Logits that are mistaken for probabilities would falsify every metric except the AUC.
fn check_probabilities(file: &ScoreFile, dataset: &Dataset, foreign: &Foreign) -> Result<(), ScoreError> {
    let Some(place) = file.scores.iter().position(|score| !(0.0..=1.0).contains(score)) else {
        return Ok(());
    };
    let (image, column) = (place / file.labels.len(), place % file.labels.len());
    Err(ScoreError::NotAProbability {
        path: foreign.file.clone(),
        image: file.images[image].clone(),
        label: dataset.labels[file.labels[column]].clone(),
        score: file.scores[place],
        // A logit is rarely above 30.
        percent: file.scores.iter().all(|score| (0.0..=100.0).contains(score))
            && file.scores.iter().any(|score| *score > 30.0),
    })
}

/// The manifest rows of a subset of a fold, after a check that split, fold and data set belong together.
fn rows_of(
    objects: &dyn Objects,
    dataset: Id<Dataset>,
    split: Id<Split>,
    fold: u32,
    subset: Subset,
) -> Result<Vec<u32>, ScoreError> {
    let record = objects.get(split)?;
    let name = split.hash.short();
    if record.dataset != dataset {
        let (divides, dataset) = (record.dataset.hash.short(), dataset.hash.short());
        return Err(SplitError::OtherDataset { split: name, divides, dataset }.into());
    }
    let assignment = objects.assignment(&record)?;
    if fold as usize >= assignment.folds.len() {
        return Err(SplitError::NoSuchFold { split: name, folds: assignment.folds.len(), fold }.into());
    }
    Ok(assignment.rows(fold as usize, subset))
}

/// The images of a file, by their relation to the data set.
struct Sorted {
    /// Manifest row and position in the file, sorted by row.
    rows: Vec<(u32, usize)>,
    /// Names that differ from those of their images.
    inexact: Vec<String>,
    repeated: Vec<String>,
    unknown: Vec<String>,
    extra: Vec<String>,
}

fn sort(
    file: &ScoreFile,
    manifest: &Manifest,
    wanted: &HashSet<u32>,
    path: &Path,
) -> Result<Sorted, ScoreError> {
    let names = ImageNames::of(&manifest.rows);
    let mut sorted = Sorted {
        rows: Vec::new(),
        inexact: Vec::new(),
        repeated: file.repeated.clone(),
        unknown: Vec::new(),
        extra: Vec::new(),
    };
    // Two names can be those of one image.
    let mut places: HashMap<u32, usize> = HashMap::new();
    for (place, name) in file.images.iter().enumerate() {
        let position = FilePosition::Row(file.rows[place]);
        let Some((row, spelling)) = names.find(name, path, position)? else {
            sorted.unknown.push(name.clone());
            continue;
        };
        if let Some(first) = places.insert(row, place) {
            if file.row(first) != file.row(place) {
                return Err(DatasetError::Contradiction {
                    path: path.to_owned(),
                    image: manifest.rows[row as usize].name.to_string(),
                    first: file.rows[first],
                    second: file.rows[place],
                }
                .into());
            }
            sorted.repeated.push(name.clone());
            continue;
        }
        if !wanted.contains(&row) {
            sorted.extra.push(name.clone());
            continue;
        }
        if spelling == Spelling::Other {
            sorted.inexact.push(name.clone());
        }
        sorted.rows.push((row, place));
    }
    sorted.rows.sort_unstable();
    Ok(sorted)
}
