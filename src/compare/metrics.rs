//! Metrics besides the AUC: average precision, sensitivity and specificity at a threshold chosen on validation
//! images, calibration.

use rayon::prelude::*;

use super::CompareError;
use super::bootstrap::label_word;
use super::columns::{self, FoldScores, ModelColumn};
use super::metric_intervals::Resampling;
use super::placed::patients_of;
use crate::hash::Id;
use crate::records::{CalibrationBin, LineOfCalibration, MetricRow, OperatingPoint, Predictions, Scale};
use crate::registry::Objects;
use crate::scores::{Validation, choose, validation_of};
use crate::stats;

/// Bins of the expected calibration error.
const BINS: usize = 10;

/// The metrics of a column, and the validation predictions on which its thresholds were chosen.
pub(super) fn metrics(
    objects: &dyn Objects,
    column: &ModelColumn,
    known: Validation<'_>,
    at: OperatingPoint,
    bootstrap: Option<(u32, u64)>,
) -> Result<(Vec<MetricRow>, Vec<Id<Predictions>>), CompareError> {
    let (mut rows, mut used) = (Vec::new(), Vec::new());
    for (fold, seeds) in &column.folds {
        for cell in seeds.seeds() {
            let validation = validation(objects, cell, known)?;
            used.extend(validation.as_ref().map(|validation| validation.id));
            let places: Vec<usize> = (0..cell.labels.len()).collect();
            let of_label = |label: &usize| MetricRow {
                seed: cell.seed.filter(|_| seeds.seeds().len() > 1),
                ..row((&column.name, *fold), cell, (validation.as_ref(), at), *label, bootstrap)
            };
            rows.extend(places.par_iter().map(of_label).collect::<Vec<_>>());
        }
    }
    Ok((rows, used))
}

fn row(
    (model, fold): (&str, Option<u32>),
    cell: &FoldScores,
    (validation, at): (Option<&FoldScores>, OperatingPoint),
    label: usize,
    bootstrap: Option<(u32, u64)>,
) -> MetricRow {
    let known = cell.known(label);
    let (scores, truth) = (&known.scores, &known.truth);
    let scale = cell.predictions.scale;
    let probabilities: Vec<f64> = scores.iter().map(|score| scale.probability(*score)).collect();
    let best = validation.and_then(|validation| {
        let place = validation.labels.iter().position(|name| *name == cell.labels[label])?;
        let known = validation.known(place);
        choose(at, &known.scores, &known.truth)
    });
    let evaluated = best.map(|best| stats::at_threshold(scores, truth, best.threshold));
    let calibration = stats::calibration(&probabilities, truth, BINS);
    let positives = known.positives();
    let bin = |bin: &stats::ReliabilityBin| CalibrationBin {
        images: bin.images,
        positives: bin.positives,
        mean: bin.mean,
    };
    let logits: Vec<f64> = match scale {
        Scale::Logit => scores.clone(),
        Scale::Probability => probabilities.iter().map(|p| libm::log(p / (1.0 - p))).collect(),
    };
    let line = stats::calibration_line(&logits, truth);
    let intervals = bootstrap.map(|resamples| {
        let threshold = best.map(|best| best.threshold);
        let of = Resampling { cell, known: &known, probabilities: &probabilities, threshold, bins: BINS };
        // The same draws for every model.
        of.intervals(resamples, [label_word(&cell.labels[label]), fold.map_or(u64::MAX, u64::from)])
    });
    MetricRow {
        model: model.to_owned(),
        label: cell.labels[label].clone(),
        fold,
        seed: None,
        positives,
        negatives: known.negatives(),
        positive_patients: patients_of(cell, &known)[0],
        prevalence: (!truth.is_empty()).then(|| positives as f64 / truth.len() as f64),
        average_precision: stats::average_precision(scores, truth),
        threshold: best.map(|best| best.threshold),
        threshold_probability: best.map(|best| scale.probability(best.threshold)),
        sensitivity: evaluated.and_then(|evaluated| evaluated.sensitivity),
        specificity: evaluated.and_then(|evaluated| evaluated.specificity),
        ppv: evaluated.and_then(|evaluated| evaluated.ppv),
        npv: evaluated.and_then(|evaluated| evaluated.npv),
        brier: stats::brier(&probabilities, truth),
        ece: calibration.as_ref().map(|calibration| calibration.ece),
        line: line.map(|line| LineOfCalibration {
            in_the_large: line.in_the_large,
            intercept: line.intercept,
            slope: line.slope,
        }),
        intervals,
        bins: calibration.map_or(Vec::new(), |calibration| calibration.bins.iter().map(bin).collect()),
    }
}

/// The scores of the validation images of the fold, see [`validation_of`].
pub(super) fn validation(
    objects: &dyn Objects,
    cell: &FoldScores,
    known: Validation<'_>,
) -> Result<Option<FoldScores>, CompareError> {
    let found = validation_of(objects, &cell.predictions, known)?;
    let read = |(id, predictions)| columns::cell(objects, id, predictions, cell.images.clone());
    found.map(read).transpose()
}
