//! The area under the receiver operating characteristic, exact.
//!
//! It is the share of pairs (a positive, a negative) that the scores put in the right order, a tie
//! counting half (Mann and Whitney; Hanley and McNeil, Radiology 143, 1982). Pairs are counted as
//! integers and divided once, so the result depends neither on the order of the images nor on the
//! platform.

use super::order::SortedPositions;

/// Computes the exact AUC of `scores` against `positive`, one value per score; `None` where a class is missing.
///
/// Sorts the scores and goes through them once. Scores must not be NaN, which the caller checks; one that is
/// stands beyond the infinities.
///
/// # Panics
/// If the slices differ in length.
pub fn auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one label a score");
    let (mut positives, mut negatives) = (0u64, 0u64);
    // Pairs that a positive wins count twice, tied ones once.
    let mut halves = 0u128;
    for tied in SortedPositions::of(scores).ties() {
        let tied_positives: u64 = tied.iter().map(|image| u64::from(positive[image.position()])).sum();
        let tied_negatives = tied.len() as u64 - tied_positives;
        halves += u128::from(tied_positives) * u128::from(2 * negatives + tied_negatives);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    let pairs = u128::from(positives) * u128::from(negatives);
    (pairs > 0).then(|| halves as f64 / (2 * pairs) as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Mann and Whitney's statistic by its definition: every pair, one after the other.
    fn by_pairs(scores: &[f64], positive: &[bool]) -> Option<f64> {
        let class = |wanted| (0..scores.len()).filter(move |i| positive[*i] == wanted).map(|i| scores[i]);
        let (mut halves, mut pairs) = (0u64, 0u64);
        for p in class(true) {
            for n in class(false) {
                pairs += 1;
                halves += u64::from(p > n) + u64::from(p >= n);
            }
        }
        (pairs > 0).then(|| halves as f64 / (2 * pairs) as f64)
    }

    /// Few different scores, so that most are tied.
    fn tied() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
        prop::collection::vec((0u8..12, any::<bool>()), 0..120)
            .prop_map(|rows| rows.into_iter().map(|(s, p)| (f64::from(s) / 16.0 - 0.3, p)).unzip())
    }

    #[test]
    fn a_perfect_a_reversed_and_a_constant_score() {
        let positive = [false, false, true, true];
        assert_eq!(auc(&[0.1, 0.2, 0.3, 0.4], &positive), Some(1.0));
        assert_eq!(auc(&[0.4, 0.3, 0.2, 0.1], &positive), Some(0.0));
        assert_eq!(auc(&[0.5; 4], &positive), Some(0.5));
    }

    #[test]
    fn undefined_where_a_class_is_missing() {
        assert_eq!(auc(&[0.1, 0.2], &[true, true]), None);
        assert_eq!(auc(&[0.1, 0.2], &[false, false]), None);
        assert_eq!(auc(&[], &[]), None);
    }

    #[test]
    fn both_zeros_are_tied() {
        assert_eq!(auc(&[-0.0, 0.0], &[true, false]), Some(0.5));
    }

    #[test]
    fn a_nan_does_not_panic() {
        assert_eq!(auc(&[f64::NAN, 1.0, f64::INFINITY], &[true, false, false]), Some(1.0));
    }

    proptest! {
        #[test]
        fn equals_the_count_of_all_pairs((scores, positive) in tied()) {
            prop_assert_eq!(auc(&scores, &positive), by_pairs(&scores, &positive));
        }

        #[test]
        fn strictly_monotone_transforms_change_nothing((scores, positive) in tied()) {
            let transformed: Vec<f64> = scores.iter().map(|s| (3.0 * s).exp() - 7.0).collect();
            prop_assert_eq!(auc(&transformed, &positive), auc(&scores, &positive));
        }

        #[test]
        fn negated_scores_give_the_rest_to_one((scores, positive) in tied()) {
            let negated: Vec<f64> = scores.iter().map(|s| -s).collect();
            let sum = auc(&scores, &positive).zip(auc(&negated, &positive)).map(|(a, b)| a + b);
            prop_assert!(sum.is_none_or(|sum| (sum - 1.0).abs() < 1e-15), "{:?}", sum);
        }

        #[test]
        fn swapped_classes_equal_negated_scores((scores, positive) in tied()) {
            let negated: Vec<f64> = scores.iter().map(|s| -s).collect();
            let swapped: Vec<bool> = positive.iter().map(|p| !p).collect();
            prop_assert_eq!(auc(&scores, &swapped), auc(&negated, &positive));
        }
    }
}
