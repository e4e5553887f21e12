//! One mean ROC curve of several folds.

/// Intervals between the points of a mean curve.
const POINTS: usize = 500;

/// Averages ROC curves vertically: the mean sensitivity at each of 501 evenly spaced false positive rates
/// (Fawcett, Pattern Recognition Letters 27, 2006, section 9.1).
///
/// A curve consists of its false and true positive rates, each ascending from 0 to 1. Where a curve rises
/// vertically, its upper end counts, except at the first point, which all curves share. The mean of one curve
/// is the curve itself, with every corner; the mean of no curves, or of curves without points, is empty.
///
/// # Panics
/// If the rates of a curve differ in number.
pub fn mean_roc(curves: &[(&[f64], &[f64])]) -> Vec<[f64; 2]> {
    let curves: Vec<_> = curves.iter().filter(|(fpr, _)| !fpr.is_empty()).collect();
    for (fpr, tpr) in &curves {
        assert_eq!(fpr.len(), tpr.len(), "both rates of every point");
    }
    match curves.as_slice() {
        [] => Vec::new(),
        [(fpr, tpr)] => fpr.iter().zip(*tpr).map(|(fpr, tpr)| [*fpr, *tpr]).collect(),
        curves => {
            let mean = |i: usize| {
                let rate = i as f64 / POINTS as f64;
                let sum: f64 = curves.iter().map(|(fpr, tpr)| sensitivity(fpr, tpr, rate)).sum();
                [rate, sum / curves.len() as f64]
            };
            std::iter::once([0.0, 0.0]).chain((0..=POINTS).map(mean)).collect()
        }
    }
}

/// The sensitivity at a false positive rate, on the straight line between two points.
fn sensitivity(fpr: &[f64], tpr: &[f64], rate: f64) -> f64 {
    // The last point at or before the rate, so that the upper end of a vertical step counts.
    let after = fpr.partition_point(|x| *x <= rate);
    let before = after.saturating_sub(1);
    match fpr.get(after) {
        Some(next) if *next > fpr[before] => {
            let along = (rate - fpr[before]) / (next - fpr[before]);
            tpr[before] + along * (tpr[after] - tpr[before])
        }
        _ => tpr[before],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_curve_stays_as_it_is_and_none_is_none() {
        let (fpr, tpr) = ([0.0, 0.0, 0.5, 1.0], [0.0, 0.4, 0.9, 1.0]);
        let points = [[0.0, 0.0], [0.0, 0.4], [0.5, 0.9], [1.0, 1.0]];
        assert_eq!(mean_roc(&[(&fpr, &tpr)]), points);
        assert_eq!(mean_roc(&[(&fpr, &tpr), (&[], &[])]), points);
        assert!(mean_roc(&[]).is_empty());
    }

    #[test]
    fn the_mean_of_curves_has_their_mean_area() {
        let steep = ([0.0, 0.0, 0.3, 1.0], [0.0, 0.6, 0.6, 1.0]);
        let flat = ([0.0, 1.0], [0.0, 1.0]);
        let mean = mean_roc(&[(&steep.0, &steep.1), (&flat.0, &flat.1)]);
        assert_eq!((mean[0], mean[1], mean[mean.len() - 1]), ([0.0, 0.0], [0.0, 0.3], [1.0, 1.0]));
        let at = mean.iter().find(|point| (point[0] - 0.3).abs() < 1e-12).unwrap();
        assert!((at[1] - 0.45).abs() < 1e-12);
        let area = |points: &[[f64; 2]]| -> f64 {
            points.windows(2).map(|p| (p[1][0] - p[0][0]) * (p[0][1] + p[1][1]) / 2.0).sum()
        };
        // 0.3 * 0.6 + 0.7 * 0.8 and 0.5, both computed by hand.
        assert!((area(&mean) - (0.74 + 0.5) / 2.0).abs() < 1e-9);
        assert!(mean.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]));
    }
}
