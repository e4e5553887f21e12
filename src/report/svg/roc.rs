//! ROC curves of one label.

use super::scale::thinned;
use super::square::Square;
use super::{Figure, key, series_class, shown};
use crate::compare::RocCurve;
use crate::records::Comparison;
use crate::stats;

/// The curve of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The model.
    pub name: String,
    /// Its AUC, as shown next to the name.
    pub auc: String,
    /// 1 - specificity and sensitivity, both ascending from 0 to 1; empty if undefined.
    pub points: Vec<[f64; 2]>,
}

/// The curves of a label, one per model: the vertical mean over the folds in which the curve is defined.
pub(super) fn curves(comparison: &Comparison, label: &str, of_folds: &[RocCurve]) -> Vec<Curve> {
    let of_model = |model: &crate::records::ComparedModel| {
        let own = of_folds.iter().filter(|curve| curve.model == model.name && curve.label == label);
        let rates: Vec<(&[f64], &[f64])> = own.map(|curve| (&curve.fpr[..], &curve.tpr[..])).collect();
        let spread = model.labels.iter().find(|own| own.label == label).map(|own| &own.auc);
        let auc = match spread.map(|spread| (spread.mean, spread.std)) {
            Some((mean, Some(std))) => format!("{} ± {std:.3}", shown(mean, 3)),
            Some((mean, None)) => shown(mean, 3),
            None => shown(None, 3),
        };
        Curve { name: model.name.clone(), auc, points: stats::mean_roc(&rates) }
    };
    comparison.models.iter().map(of_model).collect()
}

/// Maximum distance in pixels between a thinned curve and the complete one: less than is visible.
const TOLERANCE: f64 = 0.15;

/// Draws the curves of a label, one per model, with the diagonal of random scores.
///
/// Points within a sixth of a pixel of the line between others are left out.
pub fn roc(label: &str, curves: &[Curve]) -> Figure {
    let mut square = Square::begin(label, "1 − specificity", "Sensitivity");
    square.diagonal();
    for (series, curve) in curves.iter().enumerate() {
        let points = square.at(&curve.points);
        if !points.is_empty() {
            square.canvas.path(&format!("run {}", series_class(series)), &thinned(&points, TOLERANCE));
        }
    }
    // Two per curve, each at another position, so that they do not cover each other; above all lines.
    for (series, curve) in curves.iter().enumerate() {
        let share = (series as f64 + 1.0) / (curves.len() as f64 + 1.0);
        let both = [share / 2.0, 0.5 + share / 2.0];
        for point in both.iter().filter_map(|at| crossing(&curve.points, *at)) {
            square.mark(series, point);
        }
    }
    let names: Vec<(String, String)> =
        curves.iter().map(|curve| (curve.name.clone(), curve.auc.clone())).collect();
    let each: Vec<String> = curves.iter().map(|curve| format!("{}: AUC {}", curve.name, curve.auc)).collect();
    let description = format!("Sensitivity over 1 − specificity. {}.", each.join("; "));
    square.end(&names, (format!("roc-{}", key(label)), format!("ROC curves, {label}"), description))
}

/// The point where a curve crosses the line on which fpr + tpr is twice `share`.
fn crossing(points: &[[f64; 2]], share: f64) -> Option<[f64; 2]> {
    let sum = |point: &[f64; 2]| point[0] + point[1] - 2.0 * share;
    let pair = points.windows(2).find(|pair| sum(&pair[0]) <= 0.0 && sum(&pair[1]) >= 0.0)?;
    let (a, b) = (sum(&pair[0]), sum(&pair[1]));
    let along = if b > a { -a / (b - a) } else { 0.0 };
    Some([0, 1].map(|i| pair[0][i] + along * (pair[1][i] - pair[0][i])))
}
