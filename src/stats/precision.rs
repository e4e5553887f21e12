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
