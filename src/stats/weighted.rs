//! AUCs and average precisions of the same scores with many sets of weights, for a bootstrap.
//!
//! A resample of patients with replacement counts each patient, with all images, a whole number of times. The order of the scores
//! is the same in every resample, so it is found once; a resample then takes one pass, in integers, and equals
//! the AUC of the images written out as often as they were drawn.

use super::order::SortedPositions;

/// Scores and classes in ascending order of the scores. Each belongs to a unit that has a weight: an image, or a patient with
/// several images.
#[derive(Debug, Clone)]
pub struct InOrder {
    /// The units of the negatives, in ascending order of their scores.
    negatives: Vec<u32>,
    /// The units of the positives, likewise.
    positives: Vec<u32>,
    /// The different scores of positives, in ascending order.
    thresholds: Vec<Threshold>,
    /// Number of units.
    units: usize,
}

/// A score of positives, by the places in `negatives` and `positives` before which all scores are smaller, or not larger.
#[derive(Debug, Clone, Copy)]
struct Threshold {
    smaller_negatives: u32,
    negatives: u32,
    positives: u32,
}

impl InOrder {
    /// Sorts the scores of images, each a unit of its own. They must not be NaN, which the caller checks.
    ///
    /// # Panics
    /// If the slices differ in length, or hold more than 2^32 images.
    pub fn new(scores: &[f64], positive: &[bool]) -> Self {
        let images = u32::try_from(scores.len()).expect("images are numbered in 32 bits");
        InOrder::of_patients(scores, positive, &(0..images).collect::<Vec<_>>(), scores.len())
    }

    /// Sorts the scores of images of `count` patients; `patients` has the number of each image's patient, from 0.
    ///
    /// # Panics
    /// If the slices differ in length, or hold more than 2^32 images, or a number is not below `count`.
    pub fn of_patients(scores: &[f64], positive: &[bool], patients: &[u32], count: usize) -> Self {
        assert_eq!(scores.len(), positive.len(), "one label a score");
        assert_eq!(scores.len(), patients.len(), "one patient a score");
        assert!(patients.iter().all(|patient| (*patient as usize) < count), "patients are numbered from 0");
        let mut in_order =
            InOrder { negatives: Vec::new(), positives: Vec::new(), thresholds: Vec::new(), units: count };
        let place = |units: &Vec<u32>| u32::try_from(units.len()).expect("images are numbered in 32 bits");
        for tied in SortedPositions::of(scores).ties() {
            let (smaller_negatives, before) = (place(&in_order.negatives), in_order.positives.len());
            for image in tied.iter().map(|image| image.position()) {
                let class = if positive[image] { &mut in_order.positives } else { &mut in_order.negatives };
                class.push(patients[image]);
            }
            if in_order.positives.len() > before {
                let (negatives, positives) = (place(&in_order.negatives), place(&in_order.positives));
                in_order.thresholds.push(Threshold { smaller_negatives, negatives, positives });
            }
        }
        in_order
    }

    /// Computes the AUC with unit `i` counted `weights[i]` times; `None` where a class has no weight.
    ///
    /// # Panics
    /// If there is not one weight per unit.
    pub fn auc(&self, weights: &[u32]) -> Option<f64> {
        let [auc] = self.aucs(weights.as_chunks().0);
        auc
    }

    /// Computes the AUCs with several sets of weights: with the first, unit `i` is counted `weights[i][0]` times. Each equals
    /// that of [`InOrder::auc`]; together they take one pass.
    ///
    /// # Panics
    /// If there are not as many weights as units.
    pub fn aucs<const SETS: usize>(&self, weights: &[[u32; SETS]]) -> [Option<f64>; SETS] {
        assert_eq!(weights.len(), self.units, "weights of each unit");
        let weights = Weights::of(weights);
        let (mut below, mut positives) = ([0u64; SETS], [0u64; SETS]);
        // Pairs that a positive wins count twice, tied ones once.
        let mut halves = [0u128; SETS];
        let mut last = Threshold { smaller_negatives: 0, negatives: 0, positives: 0 };
        for threshold in &self.thresholds {
            let smaller = &self.negatives[last.negatives as usize..threshold.smaller_negatives as usize];
            let tied = &self.negatives[threshold.smaller_negatives as usize..threshold.negatives as usize];
            let here = &self.positives[last.positives as usize..threshold.positives as usize];
            let [smaller, tied, here] = [smaller, tied, here].map(|units| weights.sum(units));
            for set in 0..SETS {
                below[set] += smaller[set];
                halves[set] += u128::from(here[set]) * u128::from(2 * below[set] + tied[set]);
                below[set] += tied[set];
                positives[set] += here[set];
            }
            last = *threshold;
        }
        let rest = weights.sum(&self.negatives[last.negatives as usize..]);
        std::array::from_fn(|set| {
            let pairs = u128::from(positives[set]) * u128::from(below[set] + rest[set]);
            (pairs > 0).then(|| halves[set] as f64 / (2 * pairs) as f64)
        })
    }

    /// Computes the average precision with unit `i` counted `weights[i]` times; `None` where a class has no weight.
    ///
    /// # Panics
    /// If there is not one weight per unit.
    pub fn average_precision(&self, weights: &[u32]) -> Option<f64> {
        assert_eq!(weights.len(), self.units, "one weight a unit");
        let (positives, negatives) = (sum(&self.positives, weights), sum(&self.negatives, weights));
        if positives == 0 || negatives == 0 {
            return None;
        }
        // From the highest score down. Scores of negatives alone change nothing.
        let (mut hits, mut images, mut precisions) = (0u64, 0u64, 0.0);
        let mut end = self.negatives.len();
        for (place, threshold) in self.thresholds.iter().enumerate().rev() {
            let first = place.checked_sub(1).map_or(0, |before| self.thresholds[before].positives);
            let here = sum(&self.positives[first as usize..threshold.positives as usize], weights);
            let start = threshold.smaller_negatives as usize;
            hits += here;
            images += here + sum(&self.negatives[start..end], weights);
            end = start;
            if images > 0 {
                precisions += here as f64 * (hits as f64 / images as f64);
            }
        }
        Some(precisions / positives as f64)
    }
}

/// The weight of units.
fn sum(units: &[u32], weights: &[u32]) -> u64 {
    units.iter().map(|unit| u64::from(weights[*unit as usize])).sum()
}

/// Several weights of each unit.
struct Weights<'w, const SETS: usize> {
    weights: &'w [[u32; SETS]],
    /// Of so many units, a sum fits into 32 bits: twice as many of them are added at once.
    units: usize,
}

impl<'w, const SETS: usize> Weights<'w, SETS> {
    fn of(weights: &'w [[u32; SETS]]) -> Self {
        let largest = weights.iter().flatten().copied().max().unwrap_or(0).max(1);
        Weights { weights, units: (u32::MAX / largest) as usize }
    }

    /// The weight of units in each set.
    fn sum(&self, units: &[u32]) -> [u64; SETS] {
        let mut all = [0u64; SETS];
        for units in units.chunks(self.units) {
            let mut some = [0u32; SETS];
            for unit in units {
                let weights = &self.weights[*unit as usize];
                (0..SETS).for_each(|set| some[set] += weights[set]);
            }
            (0..SETS).for_each(|set| all[set] += u64::from(some[set]));
        }
        all
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
            // Several sets of weights at once, and such whose sums do not fit into 32 bits.
            let sets: Vec<[u32; 3]> = weights.iter().map(|weight| [*weight, 1, weight << 30]).collect();
            let expected = [order.auc(&weights), auc(&scores, &positive), order.auc(&weights)];
            prop_assert_eq!(order.aucs(&sets), expected);
            // Two images a patient.
            let patients: Vec<u32> = (0..rows.len() as u32).map(|i| i / 2).collect();
            let of_images: Vec<u32> = (0..rows.len()).map(|i| weights[i / 2]).collect();
            let clustered = InOrder::of_patients(&scores, &positive, &patients, rows.len().div_ceil(2));
            let weights = &weights[..rows.len().div_ceil(2)];
            prop_assert_eq!(clustered.auc(weights), order.auc(&of_images));
            prop_assert_eq!(clustered.average_precision(weights), order.average_precision(&of_images));
        }
    }
}
