//! The ROC curves of a comparison. They follow from its predictions, so they are computed when needed and not
//! recorded.

use rayon::prelude::*;

use super::columns::{self, ComparedImages, KnownLabels};
use super::{CompareError, Comparison};
use crate::registry::Objects;
use crate::stats;

/// One curve.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RocCurve {
    /// The model.
    pub model: String,
    /// Label.
    pub label: String,
    /// Fold; `None` for scores outside of a fold.
    pub fold: Option<u32>,
    /// 1 - specificity, ascending from 0 to 1.
    pub fpr: Vec<f64>,
    /// Sensitivity, ascending from 0 to 1.
    pub tpr: Vec<f64>,
    /// Scores from which on an image counts as positive; `None` for the first point, at which no image does.
    pub thresholds: Vec<Option<f64>>,
}

/// A precision-recall curve.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PrecisionRecallCurve {
    /// The model.
    pub model: String,
    /// Label.
    pub label: String,
    /// Fold; `None` for scores outside of a fold.
    pub fold: Option<u32>,
    /// Sensitivity, ascending to 1.
    pub recall: Vec<f64>,
    /// Share of positives among the images with at least the threshold.
    pub precision: Vec<f64>,
    /// Scores from which on an image counts as positive, descending.
    pub thresholds: Vec<f64>,
}

/// Computes the ROC curve of each model, label and fold of a comparison, reduced to its corners: points on a
/// straight line between two others are left out. A label without both classes has no curve.
pub fn roc_curves(objects: &dyn Objects, comparison: &Comparison) -> Result<Vec<RocCurve>, CompareError> {
    each_label(objects, comparison, |(model, label, fold), known| {
        let roc = stats::roc(&known.scores, &known.truth)?;
        let kept = corners(&roc);
        let pick = |values: &[f64]| kept.iter().map(|i| values[*i]).collect::<Vec<f64>>();
        let thresholds = pick(&roc.thresholds).into_iter().map(|t| t.is_finite().then_some(t)).collect();
        Some(RocCurve { model, label, fold, fpr: pick(&roc.fpr), tpr: pick(&roc.tpr), thresholds })
    })
}

/// Computes the precision-recall curve of each model, label and fold of a comparison, with the points at which a positive
/// is gained: between them only the precision falls. A label without both classes has no curve.
pub fn precision_recall_curves(
    objects: &dyn Objects,
    comparison: &Comparison,
) -> Result<Vec<PrecisionRecallCurve>, CompareError> {
    each_label(objects, comparison, |(model, label, fold), known| {
        let curve = stats::precision_recall(&known.scores, &known.truth)?;
        let gained = |i: &usize| curve.recall[*i] > if *i == 0 { 0.0 } else { curve.recall[*i - 1] };
        let kept: Vec<usize> = (0..curve.recall.len()).filter(gained).collect();
        let pick = |values: &[f64]| kept.iter().map(|i| values[*i]).collect::<Vec<f64>>();
        let [recall, precision, thresholds] =
            [&curve.recall, &curve.precision, &curve.thresholds].map(|of| pick(of));
        Some(PrecisionRecallCurve { model, label, fold, recall, precision, thresholds })
    })
}

/// What identifies a curve: its model, label and fold.
type CurveOf = (String, String, Option<u32>);

/// Computes a curve from the scores of each model, label and fold of a comparison.
fn each_label<T: Send>(
    objects: &dyn Objects,
    comparison: &Comparison,
    curve: impl Fn(CurveOf, KnownLabels) -> Option<T> + Sync,
) -> Result<Vec<T>, CompareError> {
    let mut curves = Vec::new();
    for model in &comparison.models {
        for id in &model.predictions {
            let predictions = objects.get(*id)?;
            let dataset = objects.get(predictions.dataset)?;
            let manifest = objects.manifest(&dataset)?;
            let images = std::sync::Arc::new(ComparedImages { dataset, manifest });
            let fold = predictions.fold;
            let cell = columns::cell(objects, *id, predictions, images)?;
            let compared = |label: &String| model.labels.iter().any(|own| own.label == *label);
            let places: Vec<usize> = (0..cell.labels.len()).filter(|i| compared(&cell.labels[*i])).collect();
            let of_label = |place: &usize| {
                curve((model.name.clone(), cell.labels[*place].clone(), fold), cell.known(*place))
            };
            curves.extend(places.par_iter().filter_map(of_label).collect::<Vec<_>>());
        }
    }
    Ok(curves)
}

/// The points at which the curve turns: most neighbouring scores are of the same class.
fn corners(roc: &stats::Roc) -> Vec<usize> {
    let straight = |i: usize| {
        let same = |values: &[f64]| values[i - 1] == values[i] && values[i] == values[i + 1];
        same(&roc.fpr) || same(&roc.tpr)
    };
    let last = roc.fpr.len() - 1;
    (0..=last).filter(|i| *i == 0 || *i == last || !straight(*i)).collect()
}
