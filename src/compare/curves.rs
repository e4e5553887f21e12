//! The ROC curves of a comparison. They follow from its predictions, so they are computed when needed and not
//! recorded.

use rayon::prelude::*;

use super::columns::{self, ComparedImages};
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

/// Computes the curve of each model, label and fold of a comparison, reduced to its corners: points on a
/// straight line between two others are left out. A label without both classes has no curve.
pub fn roc_curves(objects: &dyn Objects, comparison: &Comparison) -> Result<Vec<RocCurve>, CompareError> {
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
            let curve = |place: &usize| {
                let known = cell.known(*place);
                let roc = stats::roc(&known.scores, &known.truth)?;
                let (model, label) = (model.name.clone(), cell.labels[*place].clone());
                let kept = corners(&roc);
                let pick = |values: &[f64]| kept.iter().map(|i| values[*i]).collect::<Vec<f64>>();
                let thresholds =
                    pick(&roc.thresholds).into_iter().map(|t| t.is_finite().then_some(t)).collect();
                Some(RocCurve { model, label, fold, fpr: pick(&roc.fpr), tpr: pick(&roc.tpr), thresholds })
            };
            curves.extend(places.par_iter().filter_map(curve).collect::<Vec<_>>());
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
