//! Scores held to the labels of their images: tables of AUCs.

use std::collections::HashSet;

use super::ScoreError;
use crate::hash::Id;
use crate::records::{
    AucTable, Dataset, FalseRecord, Kind, LabelAuc, Manifest, PatientId, Predictions, Scores, Spread, Subset,
    Table, compared, rules,
};
use crate::registry::{Objects, RegistryError};
use crate::stats;

/// Evaluates scores with the labels of their images. An image whose label is missing is left out of that
/// label's AUC.
///
/// An AUC is undefined if all images have the label or none has; the mean leaves it out and states how many
/// AUCs it covers. `of_images` is the number of images of the subset, if the scores belong to one.
pub fn auc_table(
    id: Id<Predictions>,
    predictions: &Predictions,
    dataset: &Dataset,
    manifest: &Manifest,
    scores: &Scores,
    of_images: Option<u64>,
) -> AucTable {
    let patient = |row: &u32| &manifest.rows[*row as usize].patient;
    let patients: HashSet<&PatientId> = scores.rows.iter().map(patient).collect();
    let labels: Vec<LabelAuc> = predictions
        .labels
        .iter()
        .enumerate()
        .map(|(column, label)| {
            let all = truth(dataset, manifest, scores, label);
            let positive = scores.rows.iter().zip(&all).filter(|(_, truth)| **truth == Some(true));
            let positive: HashSet<&PatientId> = positive.map(|(row, _)| patient(row)).collect();
            let known = scores.column(column).into_iter().zip(&all);
            let (scores, truth): (Vec<f64>, Vec<bool>) =
                known.filter_map(|(score, truth)| Some((score, (*truth)?))).unzip();
            let positives = truth.iter().filter(|positive| **positive).count() as u64;
            let missing = (all.len() - truth.len()) as u64;
            LabelAuc {
                label: label.clone(),
                auc: stats::auc(&scores, &truth),
                positives,
                negatives: truth.len() as u64 - positives,
                positive_patients: positive.len() as u64,
                missing: (missing > 0).then_some(missing),
                constant: scores.len() > 1 && scores.windows(2).all(|pair| pair[0] == pair[1]),
            }
        })
        .collect();
    let aucs: Vec<Option<f64>> = labels.iter().map(|label| label.auc).collect();
    let summary = stats::summarize(&aucs);
    AucTable {
        predictions: id,
        dataset: predictions.dataset,
        images: scores.rows.len() as u64,
        of_images: of_images.filter(|of_images| *of_images > scores.rows.len() as u64),
        patients: patients.len() as u64,
        labels,
        mean: summary.mean,
        mean_over: summary.n as u32,
        rules: rules::AUC,
    }
}

/// Whether each scored image has a label; `None` if that is missing. False for a label that the data set does
/// not have.
pub(crate) fn truth(
    dataset: &Dataset,
    manifest: &Manifest,
    scores: &Scores,
    label: &str,
) -> Vec<Option<bool>> {
    let place = dataset.labels.iter().position(|known| known == label);
    let of = |row: &u32| place.map_or(Some(false), |place| manifest.rows[*row as usize].label(place));
    scores.rows.iter().map(of).collect()
}

/// Number of images of the subset of the split that predictions are for; `None` for predictions outside of a split.
pub(crate) fn subset_images(
    objects: &dyn Objects,
    predictions: &Predictions,
) -> Result<Option<u64>, RegistryError> {
    let (Some(split), Some(fold), Some(subset)) = (predictions.split, predictions.fold, predictions.subset)
    else {
        return Ok(None);
    };
    let sizes = objects.get(split)?.folds;
    Ok(sizes.get(fold as usize).map(|sizes| match subset {
        Subset::Train => sizes.train.images,
        Subset::Val => sizes.val.images,
        Subset::Test => sizes.test.images,
    }))
}

/// Summarizes a quantity over the folds.
pub(crate) fn spread(values: Vec<Option<f64>>) -> Spread {
    let summary = stats::summarize(&values);
    Spread {
        n: summary.n as u32,
        mean: summary.mean,
        std: summary.std,
        min: summary.min,
        max: summary.max,
        folds: values,
    }
}

/// The same table again, from the scores that it is about.
pub fn auc_again(objects: &dyn Objects, recorded: &AucTable) -> Result<AucTable, ScoreError> {
    let predictions = objects.get(recorded.predictions)?;
    let dataset = objects.get(predictions.dataset)?;
    let manifest = objects.manifest(&dataset)?;
    let scores = objects.scores(&predictions)?;
    attributed(objects, recorded.predictions, &predictions)?;
    let of_images = subset_images(objects, &predictions)?;
    Ok(auc_table(recorded.predictions, &predictions, &dataset, &manifest, &scores, of_images))
}

/// Asserts that a recorded table follows from the scores that it is about.
pub fn verify_auc(objects: &dyn Objects, id: Id<Table>, recorded: &AucTable) -> Result<(), ScoreError> {
    let found = compared(&Table::Auc(recorded.clone()), &Table::Auc(auc_again(objects, recorded)?));
    Ok(FalseRecord::check(id.hash, Kind::Table, found)?)
}

/// Asserts that the run to which predictions are attributed can have produced them.
pub fn attributed(
    objects: &dyn Objects,
    id: Id<Predictions>,
    predictions: &Predictions,
) -> Result<(), ScoreError> {
    let Some(run) = predictions.source.run() else { return Ok(()) };
    let spec = objects.get(objects.get(run)?.spec)?;
    let assignment = objects.assignment(&objects.get(spec.split())?)?;
    let fit = predictions.fit(&spec, &assignment, &objects.scores(predictions)?);
    fit.map_err(|reason| ScoreError::Misattributed { predictions: id.hash, reason })
}
