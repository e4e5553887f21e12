//! The receiver operating characteristic, and thresholds chosen on it: operating points.

use super::order::{same, sorted};

/// The curve: one point per distinct score.
///
/// At point `i` an image counts as positive if its score is at least `thresholds[i]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Roc {
    /// False positive rate, 1 - specificity, ascending from 0 to 1.
    pub fpr: Vec<f64>,
    /// True positive rate, sensitivity, ascending from 0 to 1.
    pub tpr: Vec<f64>,
    /// Descending; the first, at which no image is positive, is infinite.
    pub thresholds: Vec<f64>,
}

/// A threshold, and its sensitivity and specificity on the images on which it was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdChoice {
    /// An image with at least this score counts as positive.
    pub threshold: f64,
    /// Share of the positives that count as positive.
    pub sensitivity: f64,
    /// Share of the negatives that count as negative.
    pub specificity: f64,
    /// Youden's index: sensitivity + specificity - 1.
    pub index: f64,
}

/// Computes the receiver operating characteristic; `None` where a class is missing.
///
/// Tied scores make one point, so the area below the straight lines between the points is [`super::auc()`].
/// Scores must not be NaN, which the caller checks.
///
/// # Panics
/// If the slices differ in length.
pub fn roc(scores: &[f64], positive: &[bool]) -> Option<Roc> {
    let counts = ConfusionCounts::new(scores, positive)?;
    let (mut fpr, mut tpr, mut thresholds) = (vec![0.0], vec![0.0], vec![f64::INFINITY]);
    for point in &counts.points {
        fpr.push(point.false_positives as f64 / counts.negatives as f64);
        tpr.push(point.true_positives as f64 / counts.positives as f64);
        thresholds.push(point.threshold);
    }
    Some(Roc { fpr, tpr, thresholds })
}

/// Finds the threshold with the largest Youden index (Cancer 3, 1950); `None` where a class is missing.
///
/// Every score is tried as a threshold. Among thresholds with the same index the highest is chosen, which has
/// the best specificity. Scores must not be NaN, which the caller checks.
///
/// # Panics
/// If the slices differ in length.
pub fn youden(scores: &[f64], positive: &[bool]) -> Option<ThresholdChoice> {
    let counts = ConfusionCounts::new(scores, positive)?;
    // Thresholds descend, and `max_by_key` returns the last of equal elements.
    let best = counts.points.iter().rev().max_by_key(|point| counts.scaled_index(point))?;
    Some(counts.choice(best))
}

/// Finds the highest threshold whose sensitivity is at least `least`, from 0 to 1: of all that reach the sensitivity,
/// the one with the best specificity. `None` where a class is missing.
///
/// Every score is tried as a threshold. Scores must not be NaN, which the caller checks.
///
/// # Panics
/// If the slices differ in length.
pub fn at_sensitivity(scores: &[f64], positive: &[bool], least: f64) -> Option<ThresholdChoice> {
    let counts = ConfusionCounts::new(scores, positive)?;
    let chosen = counts.points.iter().find(|point| counts.sensitivity(point) >= least)?;
    Some(counts.choice(chosen))
}

/// Finds the lowest threshold whose specificity is at least `least`, from 0 to 1: of all that reach the specificity,
/// the one with the best sensitivity. `None` where a class is missing, or where the highest score is that of so many
/// negatives that no threshold reaches it.
///
/// Every score is tried as a threshold. Scores must not be NaN, which the caller checks.
///
/// # Panics
/// If the slices differ in length.
pub fn at_specificity(scores: &[f64], positive: &[bool], least: f64) -> Option<ThresholdChoice> {
    let counts = ConfusionCounts::new(scores, positive)?;
    let chosen = counts.points.iter().rev().find(|point| counts.specificity(point) >= least)?;
    Some(counts.choice(chosen))
}

/// Sensitivity and specificity of a threshold that was chosen elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtThreshold {
    /// Share of the positives with at least that score; `None` without positives.
    pub sensitivity: Option<f64>,
    /// Share of the negatives below that score; `None` without negatives.
    pub specificity: Option<f64>,
    /// Positive predictive value: share of positives among the images with at least that score; `None` without such
    /// images.
    pub ppv: Option<f64>,
    /// Negative predictive value: share of negatives among the images below that score; `None` without such images.
    pub npv: Option<f64>,
}

/// The positive and negative predictive values that a sensitivity and a specificity give where this share of images
/// is positive (Bayes); `None` for a value that would have no images.
///
/// The share in a hospital is not that of a research data set, and predictive values depend on it.
pub fn predictive_values(sensitivity: f64, specificity: f64, prevalence: f64) -> [Option<f64>; 2] {
    let (with, without) = (prevalence, 1.0 - prevalence);
    let share = |right: f64, wrong: f64| (right + wrong > 0.0).then(|| right / (right + wrong));
    [
        share(sensitivity * with, (1.0 - specificity) * without),
        share(specificity * without, (1.0 - sensitivity) * with),
    ]
}

/// Evaluates a threshold, such as that of [`youden`] on validation images: a threshold chosen on the test
/// images would flatter the model.
///
/// # Panics
/// If the slices differ in length.
pub fn at_threshold(scores: &[f64], positive: &[bool], threshold: f64) -> AtThreshold {
    assert_eq!(scores.len(), positive.len(), "one label a score");
    // By class, then by whether the score is at least the threshold.
    let mut counts = [[0u64; 2]; 2];
    for (score, positive) in scores.iter().zip(positive) {
        counts[usize::from(*positive)][usize::from(*score >= threshold)] += 1;
    }
    let [[true_negatives, false_positives], [false_negatives, true_positives]] = counts;
    let share = |right: u64, wrong: u64| (right + wrong > 0).then(|| right as f64 / (right + wrong) as f64);
    AtThreshold {
        sensitivity: share(true_positives, false_negatives),
        specificity: share(true_negatives, false_positives),
        ppv: share(true_positives, false_positives),
        npv: share(true_negatives, false_negatives),
    }
}

/// The true and false positives at each distinct score as a threshold; thresholds descend.
pub(super) struct ConfusionCounts {
    pub(super) points: Vec<Point>,
    pub(super) positives: u64,
    pub(super) negatives: u64,
}

pub(super) struct Point {
    pub(super) threshold: f64,
    pub(super) true_positives: u64,
    pub(super) false_positives: u64,
}

impl ConfusionCounts {
    pub(super) fn new(scores: &[f64], positive: &[bool]) -> Option<Self> {
        assert_eq!(scores.len(), positive.len(), "one label a score");
        let mut sorted = sorted(scores);
        sorted.reverse();
        let (mut true_positives, mut false_positives) = (0, 0);
        let mut points = Vec::new();
        for tied in sorted.chunk_by(same) {
            let hits = tied.iter().filter(|(_, image)| positive[*image]).count();
            true_positives += hits as u64;
            false_positives += (tied.len() - hits) as u64;
            points.push(Point { threshold: tied[0].0, true_positives, false_positives });
        }
        let both = true_positives > 0 && false_positives > 0;
        both.then_some(ConfusionCounts { points, positives: true_positives, negatives: false_positives })
    }

    fn sensitivity(&self, point: &Point) -> f64 {
        point.true_positives as f64 / self.positives as f64
    }

    fn specificity(&self, point: &Point) -> f64 {
        (self.negatives - point.false_positives) as f64 / self.negatives as f64
    }

    /// Youden's index times positives times negatives, an integer, so that rounding neither makes nor breaks ties.
    fn scaled_index(&self, point: &Point) -> i128 {
        i128::from(point.true_positives) * i128::from(self.negatives)
            - i128::from(point.false_positives) * i128::from(self.positives)
    }

    fn choice(&self, point: &Point) -> ThresholdChoice {
        ThresholdChoice {
            threshold: point.threshold,
            sensitivity: self.sensitivity(point),
            specificity: self.specificity(point),
            index: self.scaled_index(point) as f64
                / (i128::from(self.positives) * i128::from(self.negatives)) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::auc;

    #[test]
    fn tied_scores_make_one_point() {
        let roc = roc(&[0.8, 0.5, 0.5, 0.1], &[true, true, false, false]).unwrap();
        assert_eq!(roc.fpr, [0.0, 0.0, 0.5, 1.0]);
        assert_eq!(roc.tpr, [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(roc.thresholds, [f64::INFINITY, 0.8, 0.5, 0.1]);
    }

    #[test]
    fn of_equal_indices_the_highest_threshold_is_chosen() {
        // 0.9 and 0.5 both have index 1/2.
        let best = youden(&[0.9, 0.7, 0.5, 0.3], &[true, false, true, false]).unwrap();
        assert_eq!(best, ThresholdChoice { threshold: 0.9, sensitivity: 0.5, specificity: 1.0, index: 0.5 });
    }

    #[test]
    fn a_stated_sensitivity_or_specificity_is_reached_at_the_least_cost() {
        let (scores, positive) =
            ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3], [true, false, true, true, false, true, false]);
        let sensitive = at_sensitivity(&scores, &positive, 0.75).unwrap();
        assert_eq!((sensitive.threshold, sensitive.sensitivity), (0.6, 0.75));
        assert_eq!(at_sensitivity(&scores, &positive, 0.76).unwrap().threshold, 0.4);
        assert_eq!(at_sensitivity(&scores, &positive, 0.0).unwrap().threshold, 0.9, "no more than is asked");
        let specific = at_specificity(&scores, &positive, 2.0 / 3.0).unwrap();
        assert_eq!((specific.threshold, specific.specificity, specific.sensitivity), (0.6, 2.0 / 3.0, 0.75));
        assert_eq!(at_specificity(&scores, &positive, 1.0).unwrap().threshold, 0.9);
        // The highest score is a negative's.
        assert_eq!(at_specificity(&[0.9, 0.1], &[false, true], 1.0), None);
        assert_eq!((at_sensitivity(&[0.5], &[true], 0.5), at_specificity(&[], &[], 0.5)), (None, None));
    }

    #[test]
    fn a_score_that_is_wrong_throughout_has_index_zero_at_a_finite_threshold() {
        let best = youden(&[0.1, 0.9], &[true, false]).unwrap();
        assert_eq!(best, ThresholdChoice { threshold: 0.1, sensitivity: 1.0, specificity: 0.0, index: 0.0 });
    }

    #[test]
    fn undefined_where_a_class_is_missing() {
        assert_eq!(roc(&[0.1], &[true]), None);
        assert_eq!(youden(&[0.1], &[false]), None);
        assert_eq!(roc(&[], &[]), None);
    }

    #[test]
    fn a_threshold_is_judged_as_it_was_chosen() {
        let (scores, positive) = ([0.9, 0.7, 0.5, 0.3], [true, false, true, false]);
        let best = youden(&scores, &positive).unwrap();
        let found = at_threshold(&scores, &positive, best.threshold);
        let expected = AtThreshold {
            sensitivity: Some(0.5),
            specificity: Some(1.0),
            ppv: Some(1.0),
            npv: Some(2.0 / 3.0),
        };
        assert_eq!(found, expected);
        // At the share of positives of these images, the values are those counted.
        assert_eq!(predictive_values(0.5, 1.0, 0.5), [expected.ppv, expected.npv]);
        let [ppv, npv] = predictive_values(0.8, 0.9, 0.1).map(|value| value.unwrap());
        assert!((ppv - 8.0 / 17.0).abs() < 1e-15 && (npv - 81.0 / 83.0).abs() < 1e-15, "{ppv} {npv}");
        assert_eq!(predictive_values(0.0, 1.0, 0.1), [None, Some(0.9)]);
        assert_eq!(at_threshold(&[0.5], &[true], 0.6).specificity, None);
    }

    proptest! {
        #[test]
        fn the_area_under_the_curve_is_the_auc(
            rows in prop::collection::vec((0u8..20, any::<bool>()), 0..200)
        ) {
            let (scores, positive): (Vec<f64>, Vec<bool>) =
                rows.into_iter().map(|(s, p)| (f64::from(s), p)).unzip();
            let area = roc(&scores, &positive).map(|roc| {
                let strips = roc.fpr.windows(2).zip(roc.tpr.windows(2));
                strips.map(|(x, y)| (x[1] - x[0]) * (y[0] + y[1]) / 2.0).sum::<f64>()
            });
            let auc = auc(&scores, &positive);
            prop_assert_eq!(area.is_some(), auc.is_some());
            prop_assert!(area.zip(auc).is_none_or(|(area, auc)| (area - auc).abs() < 1e-12));
        }
    }
}
