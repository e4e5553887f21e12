//! Scores held to the labels of their images: tables of AUCs.

use std::collections::HashSet;

use crate::hash::Id;
use crate::records::{
    AucTable, Dataset, LabelAuc, LabelThreshold, Manifest, OperatingPoint, PatientId, Predictions, Scale,
    Scores, Spread, Subset, rules,
};
use crate::registry::{Objects, RegistryError};
use crate::stats;

/// Evaluates scores with the labels of their images. An image whose label is missing is left out of that
/// label's AUC.
///
/// An AUC is undefined if all images have the label or none has; the mean leaves it out and states how many
/// AUCs it covers. `of_images` is the number of images of the subset, if the scores belong to one. `at` says how a threshold
/// is chosen for each label.
pub fn auc_table(
    id: Id<Predictions>,
    predictions: &Predictions,
    dataset: &Dataset,
    manifest: &Manifest,
    scores: &Scores,
    of_images: Option<u64>,
    at: Option<OperatingPoint>,
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
                threshold: at.and_then(|at| threshold(at, predictions.scale, &scores, &truth)),
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
        operating_point: at,
        labels,
        mean: summary.mean,
        mean_over: summary.n as u32,
        rules: rules::AUC,
    }
}

/// Chooses a threshold for the scores of a label.
pub(crate) fn choose(at: OperatingPoint, scores: &[f64], truth: &[bool]) -> Option<stats::ThresholdChoice> {
    match at {
        OperatingPoint::Youden => stats::youden(scores, truth),
        OperatingPoint::Sensitivity(least) => stats::at_sensitivity(scores, truth, least),
        OperatingPoint::Specificity(least) => stats::at_specificity(scores, truth, least),
    }
}

fn threshold(at: OperatingPoint, scale: Scale, scores: &[f64], truth: &[bool]) -> Option<LabelThreshold> {
    let choice = choose(at, scores, truth)?;
    Some(LabelThreshold {
        score: choice.threshold,
        probability: scale.probability(choice.threshold),
        sensitivity: choice.sensitivity,
        specificity: choice.specificity,
    })
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
        seeds: Vec::new(),
        seed_std: None,
    }
}

/// Summarizes a quantity over the folds whose value is the mean over seeds: `[folds, seeds]`. A fold without a defined
/// value has no seeds.
pub(crate) fn spread_of_seeds(seeds: Vec<Vec<f64>>) -> Spread {
    let of_fold =
        |values: &Vec<f64>| stats::summarize(&values.iter().copied().map(Some).collect::<Vec<_>>()).mean;
    let spread = spread(seeds.iter().map(of_fold).collect());
    match seeds.iter().any(|values| values.len() > 1) {
        true => Spread { seed_std: stats::pooled_std(&seeds), seeds, ..spread },
        false => spread,
    }
}
