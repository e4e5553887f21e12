//! AUCs and average precisions of the same scores with many sets of weights, for a bootstrap.
//!
//! A resample of patients with replacement counts each image a whole number of times. The order of the scores
//! is the same in every resample, so it is found once; a resample then takes one pass, in integers, and equals
//! the AUC of the images written out as often as they were drawn.

use super::order::{same, sorted};

/// Scores and classes in ascending order of the scores.
#[derive(Debug, Clone)]
pub struct InOrder {
    /// For each place in the order: the image, whether it is a positive, and whether the next score is
    /// different.
    places: Vec<(u32, bool, bool)>,
}

impl InOrder {
    /// Sorts the scores. They must not be NaN, which the caller checks.
    ///
    /// # Panics
    /// If the slices differ in length, or hold more than 2^32 images.
    pub fn new(scores: &[f64], positive: &[bool]) -> Self {
        assert_eq!(scores.len(), positive.len(), "one label a score");
        let mut places = Vec::with_capacity(scores.len());
        for tied in sorted(scores).chunk_by(same) {
            for (place, (_, image)) in (1..).zip(tied) {
                let number = u32::try_from(*image).expect("images are numbered in 32 bits");
                places.push((number, positive[*image], place == tied.len()));
            }
        }
        InOrder { places }
    }

    /// Computes the AUC with image `i` counted `weights[i]` times; `None` where a class has no weight.
    ///
    /// # Panics
    /// If there is not one weight per image.
    pub fn auc(&self, weights: &[u32]) -> Option<f64> {
        assert_eq!(weights.len(), self.places.len(), "one weight a score");
        let (mut negatives, mut positives) = (0u64, 0u64);
        let (mut tied_negatives, mut tied_positives) = (0u64, 0u64);
        // Pairs that a positive wins count twice, tied ones once.
        let mut halves = 0u128;
        for (image, positive, last) in &self.places {
            let weight = u64::from(weights[*image as usize]);
            // Without a branch on the class, which processors could not predict.
            tied_positives += weight * u64::from(*positive);
            tied_negatives += weight * u64::from(!*positive);
            if *last {
                halves += u128::from(tied_positives) * u128::from(2 * negatives + tied_negatives);
                negatives += tied_negatives;
                positives += tied_positives;
                (tied_negatives, tied_positives) = (0, 0);
            }
        }
        let pairs = u128::from(positives) * u128::from(negatives);
        (pairs > 0).then(|| halves as f64 / (2 * pairs) as f64)
    }
}

impl InOrder {
    /// Computes the average precision with image `i` counted `weights[i]` times; `None` where a class has no weight.
    ///
    /// # Panics
    /// If there is not one weight per image.
    pub fn average_precision(&self, weights: &[u32]) -> Option<f64> {
        assert_eq!(weights.len(), self.places.len(), "one weight a score");
        let total = |class: bool| -> u64 {
            let of_class = self.places.iter().filter(|(_, positive, _)| *positive == class);
            of_class.map(|(image, ..)| u64::from(weights[*image as usize])).sum()
        };
        let [positives, negatives] = [true, false].map(total);
        if positives == 0 || negatives == 0 {
            return None;
        }
        // From the highest score down; a place that ends a run of ties comes first of them.
        let (mut hits, mut images, mut before, mut sum) = (0u64, 0u64, 0u64, 0.0);
        let mut step = |hits: u64, images: u64| {
            if images > 0 {
                sum += (hits - before) as f64 * (hits as f64 / images as f64);
                before = hits;
            }
        };
        for (place, (image, positive, last)) in self.places.iter().rev().enumerate() {
            if *last && place > 0 {
                step(hits, images);
            }
            let weight = u64::from(weights[*image as usize]);
            hits += weight * u64::from(*positive);
            images += weight;
        }
        step(hits, images);
        Some(sum / positives as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::auc;

    #[test]
    fn undefined_where_a_class_has_no_weight() {
        let order = InOrder::new(&[0.1, 0.2, 0.3], &[true, false, true]);
        assert_eq!(order.auc(&[1, 0, 5]), None);
        assert_eq!(order.auc(&[0, 3, 0]), None);
        assert_eq!(order.auc(&[0, 3, 1]), Some(1.0));
        assert_eq!(InOrder::new(&[], &[]).auc(&[]), None);
    }

    proptest! {
        #[test]
        fn equals_the_auc_of_the_images_written_out(
            rows in prop::collection::vec((0u8..9, any::<bool>(), 0u32..4), 0..60)
        ) {
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0) - 4.0).collect();
            let positive: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let weights: Vec<u32> = rows.iter().map(|row| row.2).collect();
            let written = (0..rows.len()).flat_map(|i| std::iter::repeat_n(i, weights[i] as usize));
            let (all, classes): (Vec<f64>, Vec<bool>) = written.map(|i| (scores[i], positive[i])).unzip();
            let order = InOrder::new(&scores, &positive);
            prop_assert_eq!(order.auc(&weights), auc(&all, &classes));
            let ours = order.average_precision(&weights);
            let expected = crate::stats::average_precision(&all, &classes);
            prop_assert_eq!(ours.is_some(), expected.is_some());
            prop_assert!(ours.zip(expected).is_none_or(|(a, b)| (a - b).abs() < 1e-12), "{:?} {:?}", ours, expected);
            prop_assert_eq!(order.auc(&vec![1; rows.len()]), auc(&scores, &positive));
        }
    }
}
