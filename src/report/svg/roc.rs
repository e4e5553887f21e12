//! ROC curves of one label.

use super::scale::{AxisScale, thinned};
use super::{Anchor, Canvas, Figure, fitted, key, series_class, shown};
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

/// Length of a side in pixels.
const SIDE: f64 = 228.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 28.0;
/// Maximum distance in pixels between a thinned curve and the complete one: less than is visible.
const TOLERANCE: f64 = 0.15;

/// Draws the curves of a label, one per model, with the diagonal of random scores.
///
/// Points within a sixth of a pixel of the line between others are left out.
pub fn roc(label: &str, curves: &[Curve]) -> Figure {
    let mut canvas = Canvas::default();
    let x = AxisScale::round(0.0, 1.0, 5, [LEFT, LEFT + SIDE]);
    let y = AxisScale::round(0.0, 1.0, 5, [TOP + SIDE, TOP]);
    canvas.text("head", Anchor::Start, [LEFT, 17.0], &fitted(label, SIDE));
    for ((x, text), (y, _)) in x.ticks().iter().zip(&y.ticks()) {
        canvas.line("grid", [*x, TOP], [*x, TOP + SIDE]);
        canvas.line("grid", [LEFT, *y], [LEFT + SIDE, *y]);
        canvas.text("quiet", Anchor::Middle, [*x, TOP + SIDE + 16.0], text);
        canvas.text("quiet", Anchor::End, [LEFT - 6.0, *y + 4.0], text);
    }
    canvas.line("chance", [x.at(0.0), y.at(0.0)], [x.at(1.0), y.at(1.0)]);
    canvas.rect("axis", [LEFT, TOP], [SIDE, SIDE]);
    canvas.text("quiet", Anchor::Middle, [LEFT + SIDE / 2.0, TOP + SIDE + 33.0], "1 − specificity");
    canvas.turned("quiet", Anchor::Middle, [11.0, TOP + SIDE / 2.0], -90.0, "Sensitivity");
    for (series, curve) in curves.iter().enumerate() {
        let points: Vec<[f64; 2]> = curve.points.iter().map(|[fpr, tpr]| [x.at(*fpr), y.at(*tpr)]).collect();
        if !points.is_empty() {
            canvas.path(&format!("run {}", series_class(series)), &thinned(&points, TOLERANCE));
        }
    }
    // Two per curve, each at another position, so that they do not cover each other; above all lines.
    for (series, curve) in curves.iter().enumerate() {
        let share = (series as f64 + 1.0) / (curves.len() as f64 + 1.0);
        for [fpr, tpr] in
            [share / 2.0, 0.5 + share / 2.0].iter().filter_map(|at| crossing(&curve.points, *at))
        {
            canvas.mark(series, [x.at(fpr), y.at(tpr)]);
        }
    }
    let mut below = TOP + SIDE + 54.0;
    for (series, curve) in curves.iter().enumerate() {
        canvas.mark(series, [LEFT + 5.0, below - 4.0]);
        let room = SIDE - 24.0 - super::text_width(&curve.auc);
        canvas.text("", Anchor::Start, [LEFT + 16.0, below], &fitted(&curve.name, room));
        canvas.text("", Anchor::End, [LEFT + SIDE, below], &curve.auc);
        below += 18.0;
    }
    let each: Vec<String> = curves.iter().map(|curve| format!("{}: AUC {}", curve.name, curve.auc)).collect();
    let description = format!("Sensitivity over 1 − specificity. {}.", each.join("; "));
    let size = [LEFT + SIDE + 10.0, below - 6.0];
    canvas.into_figure(format!("roc-{}", key(label)), format!("ROC curves, {label}"), description, size)
}

/// The point where a curve crosses the line on which fpr + tpr is twice `share`.
fn crossing(points: &[[f64; 2]], share: f64) -> Option<[f64; 2]> {
    let sum = |point: &[f64; 2]| point[0] + point[1] - 2.0 * share;
    let pair = points.windows(2).find(|pair| sum(&pair[0]) <= 0.0 && sum(&pair[1]) >= 0.0)?;
    let (a, b) = (sum(&pair[0]), sum(&pair[1]));
    let along = if b > a { -a / (b - a) } else { 0.0 };
    Some([0, 1].map(|i| pair[0][i] + along * (pair[1][i] - pair[0][i])))
}
