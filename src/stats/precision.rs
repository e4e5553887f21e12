//! Average precision: shows what the AUC does not show when positives are rare.

use super::roc::ConfusionCounts;

/// Computes the average precision; `None` where a class is missing.
///
/// The mean of the precision over the steps of the recall, without interpolation, with one step for tied
/// scores: the sum over thresholds of (R_n - R_(n-1)) P_n. A model that scores at random has the prevalence.
/// Scores must not be NaN, which the caller checks.
///
/// # Panics
/// If the slices differ in length.
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let counts = ConfusionCounts::new(scores, positive)?;
    let mut before = 0;
    let mut sum = 0.0;
    for point in &counts.points {
        let precision = point.true_positives as f64 / (point.true_positives + point.false_positives) as f64;
        sum += (point.true_positives - before) as f64 * precision;
        before = point.true_positives;
    }
    Some(sum / counts.positives as f64)
}

/// A precision-recall curve, one point per distinct score.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionRecall {
    /// Share of the positives with at least the threshold, ascending; the last is 1.
    pub recall: Vec<f64>,
    /// Share of the images with at least the threshold that are positive.
    pub precision: Vec<f64>,
    /// Descending.
    pub thresholds: Vec<f64>,
}

/// Computes the precision-recall curve; `None` where a class is missing.
///
/// Points must not be joined by straight lines (Davis and Goadrich, ICML 2006): the area below the steps is
/// [`average_precision`]. Scores must not be NaN, which the caller checks.
///
/// # Panics
/// If the slices differ in length.
pub fn precision_recall(scores: &[f64], positive: &[bool]) -> Option<PrecisionRecall> {
    let counts = ConfusionCounts::new(scores, positive)?;
    let mut curve = PrecisionRecall { recall: Vec::new(), precision: Vec::new(), thresholds: Vec::new() };
    for point in &counts.points {
        curve.recall.push(point.true_positives as f64 / counts.positives as f64);
        curve
            .precision
            .push(point.true_positives as f64 / (point.true_positives + point.false_positives) as f64);
        curve.thresholds.push(point.threshold);
    }
    Some(curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_a_reversed_and_a_constant_score() {
        let positive = [true, false, false, false];
        assert_eq!(average_precision(&[0.9, 0.3, 0.2, 0.1], &positive), Some(1.0));
        assert_eq!(average_precision(&[0.1, 0.3, 0.2, 0.9], &positive), Some(0.25));
        assert_eq!(average_precision(&[0.5; 4], &positive), Some(0.25), "the prevalence");
    }

    #[test]
    fn undefined_where_a_class_is_missing() {
        assert_eq!(average_precision(&[0.5], &[false]), None);
        assert_eq!(average_precision(&[0.5], &[true]), None);
    }
}
