//! Metrics besides the AUC: average precision, sensitivity and specificity at a threshold chosen on validation
//! images, calibration.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::CompareError;
use super::bootstrap::label_word;
use super::columns::{self, FoldScores, ModelColumn};
use super::metric_intervals::Resampling;
use super::placed::patients_of;
use crate::hash::Id;
use crate::index::View;
use crate::records::{
    CalibrationBin, LineOfCalibration, MetricRow, OperatingPoint, Predictions, Run, Scale, ScoreSource,
    Split, Subset,
};
use crate::registry::{Objects, Registry, RegistryError};
use crate::scores::choose;
use crate::stats;

/// Bins of the expected calibration error.
const BINS: usize = 10;

/// Where to look for the predictions on which thresholds are chosen.
#[derive(Clone, Copy)]
pub(super) enum Validation<'a> {
    /// Anywhere in the registry.
    In(&'a Registry, &'a View),
    /// Among these.
    Among(&'a [Id<Predictions>]),
}

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

/// The predictions of the same model for the validation images of the fold; `None` if there are none, or if
/// `own` itself has validation images.
///
/// For a run, predictions by the same code are preferred; for another tool, the model must have the same name.
pub(super) fn validation(
    objects: &dyn Objects,
    cell: &FoldScores,
    known: Validation<'_>,
) -> Result<Option<FoldScores>, CompareError> {
    let own = &cell.predictions;
    if own.subset == Some(Subset::Val) {
        return Ok(None);
    }
    let scorer = scorer(objects, own)?;
    let found = match known {
        Validation::In(registry, view) => in_registry(registry, view, own, &scorer)?,
        Validation::Among(ids) => {
            let each = ids.iter().map(|id| Ok::<_, RegistryError>((*id, objects.get(*id)?)));
            each.collect::<Result<_, _>>()?
        }
    };
    let mut fitting = Vec::new();
    for (id, other) in found {
        let same = (other.dataset, other.fold, &other.model) == (own.dataset, own.fold, &own.model);
        if same
            && other.subset == Some(Subset::Val)
            && std::mem::discriminant(&other.source) == std::mem::discriminant(&own.source)
            && other.is_flipped() == own.is_flipped()
            && self::scorer(objects, &other)? == scorer
        {
            fitting.push((id, other));
        }
    }
    let same = fitting.iter().rposition(|(_, other)| other.source == own.source);
    let chosen = same.or(fitting.len().checked_sub(1)).map(|place| fitting.swap_remove(place));
    let read = |(id, predictions): (_, Predictions)| {
        // A threshold is only valid on the scale of its scores.
        let same_scale = predictions.scale == own.scale;
        same_scale.then(|| columns::cell(objects, id, predictions, cell.images.clone())).transpose()
    };
    Ok(chosen.map(read).transpose()?.flatten())
}

/// Predictions that one scorer can have made: those of its run, those of its split for another tool, and the means that
/// have one of its members.
fn in_registry(
    registry: &Registry,
    view: &View,
    own: &Predictions,
    scorer: &Scorer,
) -> Result<Vec<(Id<Predictions>, Predictions)>, CompareError> {
    let is_mean = matches!(own.source, ScoreSource::Mean { .. });
    let of_one = match scorer {
        Scorer::Runs(runs) => match runs.first() {
            Some(run) => registry.referring::<Predictions>(view, &run.hash)?,
            None => Vec::new(),
        },
        Scorer::Import(Some(split)) => registry.referring::<Predictions>(view, &split.hash)?,
        Scorer::Import(None) => Vec::new(),
    };
    if !is_mean {
        return Ok(of_one);
    }
    let mut means = BTreeMap::new();
    for (id, _) in of_one {
        means.extend(registry.referring::<Predictions>(view, &id.hash)?);
    }
    Ok(means.into_iter().collect())
}

/// What all predictions of one scorer share: the runs; for another tool, the split.
#[derive(PartialEq)]
enum Scorer {
    Runs(BTreeSet<Id<Run>>),
    Import(Option<Id<Split>>),
}

fn scorer(objects: &dyn Objects, predictions: &Predictions) -> Result<Scorer, CompareError> {
    Ok(match predictions.source {
        ScoreSource::Run { run, .. } | ScoreSource::Program { run, .. } => {
            Scorer::Runs(BTreeSet::from([run]))
        }
        ScoreSource::Mean { .. } => Scorer::Runs(objects.scorers(predictions)?),
        ScoreSource::Import { .. } => Scorer::Import(predictions.split),
    })
}
