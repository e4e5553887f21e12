//! Precision-recall curves and calibration curves of one label.

use super::scale::thinned;
use super::square::Square;
use super::{Figure, key, series_class, shown};
use crate::compare::PrecisionRecallCurve;
use crate::digits::counted;
use crate::records::{Comparison, MetricRow};
use crate::stats;

/// Maximum distance in pixels between a thinned curve and the complete one: less than is visible.
const TOLERANCE: f64 = 0.15;

/// The mean over folds and seeds of a metric of a model and label.
fn mean(comparison: &Comparison, model: &str, label: &str, of: fn(&MetricRow) -> Option<f64>) -> Option<f64> {
    let own = comparison.metrics.iter().filter(|row| row.model == model && row.label == label);
    stats::summarize(&own.map(of).collect::<Vec<_>>()).mean
}

/// Draws the precision-recall curves of a label as steps, one for each model and fold, with the prevalence, which is the
/// precision of random scores. `None` without curves.
pub(super) fn precision_recall(
    comparison: &Comparison,
    label: &str,
    curves: &[PrecisionRecallCurve],
) -> Option<Figure> {
    if !curves.iter().any(|curve| curve.label == label) {
        return None;
    }
    let mut square = Square::begin(label, "Recall (sensitivity)", "Precision (PPV)");
    let first = comparison.models.first().map_or("", |model| model.name.as_str());
    if let Some(prevalence) = mean(comparison, first, label, |row| row.prevalence) {
        square.level(prevalence);
    }
    let (mut names, mut marks, mut said) = (Vec::new(), Vec::new(), Vec::new());
    for (series, model) in comparison.models.iter().enumerate() {
        let own = curves.iter().filter(|curve| curve.model == model.name && curve.label == label);
        for curve in own {
            let steps = steps(curve);
            marks.extend(steps.get(steps.len() / 2).map(|point| (series, *point)));
            let points = square.at(&steps);
            square.canvas.path(&format!("run {}", series_class(series)), &thinned(&points, TOLERANCE));
        }
        let precision = shown(mean(comparison, &model.name, label, |row| row.average_precision), 3);
        said.push(format!("{}: average precision {precision}", model.name));
        names.push((model.name.clone(), precision));
    }
    marks.into_iter().for_each(|(series, point)| square.mark(series, point));
    let description = format!("Precision over recall, as steps. {}.", said.join("; "));
    let title = format!("Precision-recall curves, {label}");
    Some(square.end(&names, (format!("precision-recall-{}", key(label)), title, description)))
}

/// The corners of the steps: between two points only the precision falls, at once.
fn steps(curve: &PrecisionRecallCurve) -> Vec<[f64; 2]> {
    let mut corners = Vec::new();
    let mut reached = 0.0;
    for (recall, precision) in curve.recall.iter().zip(&curve.precision) {
        corners.extend([[reached, *precision], [*recall, *precision]]);
        reached = *recall;
    }
    corners
}

/// Draws the calibration curves of a label, one per model: the observed share of positives over the mean probability of
/// each bin, with the images of all folds and seeds together. `None` without metrics.
pub(super) fn calibration(comparison: &Comparison, label: &str) -> Option<Figure> {
    if !comparison.metrics.iter().any(|row| row.label == label && !row.bins.is_empty()) {
        return None;
    }
    let mut square = Square::begin(label, "Mean probability", "Observed share of positives");
    square.diagonal();
    let (mut names, mut said) = (Vec::new(), Vec::new());
    for (series, model) in comparison.models.iter().enumerate() {
        let rows = comparison.metrics.iter().filter(|row| row.model == model.name && row.label == label);
        let bins = together(rows);
        let points: Vec<[f64; 2]> = bins.iter().map(|bin| bin.point).collect();
        if points.len() > 1 {
            let line = square.at(&points);
            square.canvas.path(&format!("run {}", series_class(series)), &line);
        }
        points.iter().for_each(|point| square.mark(series, *point));
        let error = shown(mean(comparison, &model.name, label, |row| row.ece), 3);
        let images: Vec<String> = bins.iter().map(|bin| bin.images.to_string()).collect();
        said.push(format!("{}: ECE {error}, images in the bins {}", model.name, images.join(", ")));
        names.push((model.name.clone(), format!("ECE {error}")));
    }
    let bins = comparison.metrics.first().map_or(0, |row| row.bins.len());
    let description = format!(
        "Observed share of positives over the mean probability, in {} of equal width. {}.",
        counted(bins as u64, "bin"),
        said.join("; ")
    );
    let title = format!("Calibration curves, {label}");
    Some(square.end(&names, (format!("calibration-{}", key(label)), title, description)))
}

/// A bin of all folds and seeds together.
struct PooledBin {
    images: u64,
    /// Mean probability and share of positives.
    point: [f64; 2],
}

fn together<'r>(rows: impl Iterator<Item = &'r MetricRow>) -> Vec<PooledBin> {
    let mut sums: Vec<(u64, u64, f64)> = Vec::new();
    for row in rows {
        sums.resize(sums.len().max(row.bins.len()), (0, 0, 0.0));
        for ((images, positives, sum), bin) in sums.iter_mut().zip(&row.bins) {
            *images += bin.images;
            *positives += bin.positives;
            *sum += bin.mean.unwrap_or(0.0) * bin.images as f64;
        }
    }
    let bin = |(images, positives, sum): (u64, u64, f64)| PooledBin {
        images,
        point: [sum / images as f64, positives as f64 / images as f64],
    };
    sums.into_iter().filter(|(images, ..)| *images > 0).map(bin).collect()
}
