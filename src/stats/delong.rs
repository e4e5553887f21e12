//! DeLong's variance of an AUC and paired test of two (DeLong, DeLong and Clarke-Pearson, Biometrics
//! 44, 1988), in O(n log n) as Sun and Xu do it (IEEE Signal Processing Letters 21, 2014).
//!
//! The method rests on placements: the share of the other class that an image beats, a tie counting
//! half. Twice the number that it beats is an integer, so sums, squares and differences are exact
//! and a standard error that should be zero is exactly zero.

use super::order::SortedPositions;

/// An AUC and its variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delong {
    /// The AUC, that of [`super::auc()`] to the bit.
    pub auc: f64,
    /// Its variance.
    pub variance: f64,
}

/// The normal distribution is within this many standard deviations of its mean in 95 of 100 draws.
pub(super) const Z_95: f64 = 1.959963984540054;

impl Delong {
    /// The 95 % confidence interval; see [`interval`].
    pub fn interval(&self) -> Option<[f64; 2]> {
        interval(self.auc, self.variance.sqrt())
    }
}

/// The 95 % confidence interval of an AUC with this standard error under the normal distribution, clamped to
/// [0, 1].
///
/// `None` where the standard error is 0: classes that these images separate perfectly may overlap in other
/// images, and the method cannot estimate how much.
pub fn interval(auc: f64, std_error: f64) -> Option<[f64; 2]> {
    let reach = Z_95 * std_error;
    (std_error > 0.0).then(|| [(auc - reach).max(0.0), (auc + reach).min(1.0)])
}

/// A test of whether two AUCs on the same images differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DelongPaired {
    /// AUC of the first.
    pub auc_a: f64,
    /// AUC of the second.
    pub auc_b: f64,
    /// The first minus the second.
    pub difference: f64,
    /// Standard error of the difference.
    pub std_error: f64,
    /// Difference in standard errors; `None` where that is zero.
    pub z: Option<f64>,
    /// Two-sided p-value under the normal distribution; `None` where the standard error is zero.
    pub p: Option<f64>,
}

/// Computes AUC and variance; `None` where a class has fewer than two images.
///
/// Scores must not be NaN, which the caller checks.
///
/// # Panics
/// If the slices differ in length.
pub fn delong(scores: &[f64], positive: &[bool]) -> Option<Delong> {
    Placements::new(scores, positive).map(|placements| placements.delong())
}

/// Tests whether the AUCs of scores `a` and `b` differ; `None` where a class has fewer than two images.
///
/// Scores must not be NaN, which the caller checks.
///
/// # Panics
/// If the slices differ in length.
pub fn delong_paired(a: &[f64], b: &[f64], positive: &[bool]) -> Option<DelongPaired> {
    let (a, b) = (Placements::new(a, positive)?, Placements::new(b, positive)?);
    Some(a.paired(&b))
}

/// How many of the other class each image beats: all that DeLong's method needs of a model's scores.
///
/// Computed once per model when many models are tested against one another, because every test is then a single
/// pass.
#[derive(Debug, Clone)]
pub struct Placements {
    /// For each positive, twice the number of negatives below it plus the number tied with it.
    positives: Vec<i64>,
    /// For each negative, twice the number of positives above it plus the number tied with it.
    negatives: Vec<i64>,
}

impl Placements {
    /// Computes the placements; `None` where a class has fewer than two images, as a variance needs two.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn new(scores: &[f64], positive: &[bool]) -> Option<Self> {
        let placed = placements(scores, positive);
        let class = |wanted| {
            let images = placed.iter().zip(positive).filter(|(_, positive)| **positive == wanted);
            images.map(|(placement, _)| *placement).collect::<Vec<i64>>()
        };
        let (positives, negatives) = (class(true), class(false));
        (positives.len() >= 2 && negatives.len() >= 2).then_some(Placements { positives, negatives })
    }

    /// AUC and variance of the model.
    pub fn delong(&self) -> Delong {
        Delong { auc: self.share(sum(&self.positives)), variance: self.variance() }
    }

    /// Tests whether its AUC differs from that of `other`, a model on the same images.
    ///
    /// # Panics
    /// If the classes differ in size.
    pub fn paired(&self, other: &Placements) -> DelongPaired {
        // The variance of a difference is that of the images' differences.
        let differences = Placements {
            positives: differences(&self.positives, &other.positives),
            negatives: differences(&self.negatives, &other.negatives),
        };
        let difference = self.share(sum(&differences.positives));
        let std_error = differences.variance().sqrt();
        let z = (std_error > 0.0).then(|| difference / std_error);
        DelongPaired {
            auc_a: self.share(sum(&self.positives)),
            auc_b: self.share(sum(&other.positives)),
            difference,
            std_error,
            z,
            p: z.map(two_sided),
        }
    }

    /// Half-won pairs as a share of all pairs.
    fn share(&self, halves: i128) -> f64 {
        halves as f64 / (2 * self.positives.len() as i128 * self.negatives.len() as i128) as f64
    }

    /// Variance over the positives divided by their number, plus the same over the negatives.
    fn variance(&self) -> f64 {
        let of_class = |placements: &[i64], others: &[i64]| {
            let n = placements.len() as f64;
            let scale = 2.0 * others.len() as f64;
            squares_about_mean(placements) / (n * n * (n - 1.0) * scale * scale)
        };
        of_class(&self.positives, &self.negatives) + of_class(&self.negatives, &self.positives)
    }
}

/// Probability of a standard normal variable at least as far from 0 as `z`. Not computed as 1 minus the
/// opposite probability, which would be 0 from z = 8.3 on.
pub(super) fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// For each image, twice the number of the other class that it beats (a positive) or that beats it (a negative), plus
/// the number tied with it.
///
/// # Panics
/// If the slices differ in length.
pub(super) fn placements(scores: &[f64], positive: &[bool]) -> Vec<i64> {
    assert_eq!(scores.len(), positive.len(), "one label a score");
    let total = positive.iter().filter(|positive| **positive).count() as i64;
    let mut placed = vec![0; scores.len()];
    let (mut positives_below, mut negatives_below) = (0, 0);
    for tied in SortedPositions::of(scores).ties() {
        let tied_positives = tied.iter().filter(|image| positive[image.position()]).count() as i64;
        let tied_negatives = tied.len() as i64 - tied_positives;
        let positives_above = total - positives_below - tied_positives;
        for image in tied.iter().map(|image| image.position()) {
            placed[image] = if positive[image] {
                2 * negatives_below + tied_negatives
            } else {
                2 * positives_above + tied_positives
            };
        }
        positives_below += tied_positives;
        negatives_below += tied_negatives;
    }
    placed
}

fn sum(placements: &[i64]) -> i128 {
    placements.iter().map(|x| i128::from(*x)).sum()
}

fn differences(a: &[i64], b: &[i64]) -> Vec<i64> {
    assert_eq!(a.len(), b.len(), "scores of the same images");
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// n times the sum of squared distances from the mean: n sum(x^2) - sum(x)^2, exact before it is rounded.
fn squares_about_mean(values: &[i64]) -> f64 {
    let squares: i128 = values.iter().map(|x| i128::from(*x) * i128::from(*x)).sum();
    let sum = sum(values);
    (values.len() as i128 * squares - sum * sum) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::auc;

    /// Share of `others` that each of `own` beats, by trying every pair.
    fn shares(own: &[f64], others: &[f64], beats: fn(f64, f64) -> f64) -> Vec<f64> {
        let share = |x: &f64| others.iter().map(|y| beats(*x, *y)).sum::<f64>() / others.len() as f64;
        own.iter().map(share).collect()
    }

    fn covariance(a: &[f64], b: &[f64]) -> f64 {
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let (mean_a, mean_b) = (mean(a), mean(b));
        let products = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b));
        products.sum::<f64>() / (a.len() - 1) as f64
    }

    /// Covariance of two AUCs by the quadratic definition (DeLong et al., equations 4 to 6).
    fn by_definition(a: &[f64], b: &[f64], positive: &[bool]) -> f64 {
        let class = |scores: &[f64], wanted| -> Vec<f64> {
            scores.iter().zip(positive).filter(|(_, p)| **p == wanted).map(|(s, _)| *s).collect()
        };
        let above = |x: f64, y: f64| f64::from(u8::from(x > y) + u8::from(x >= y)) / 2.0;
        let below = |x: f64, y: f64| f64::from(u8::from(x < y) + u8::from(x <= y)) / 2.0;
        let v10 = |s: &[f64]| shares(&class(s, true), &class(s, false), above);
        let v01 = |s: &[f64]| shares(&class(s, false), &class(s, true), below);
        let (m, n) = (class(a, true).len() as f64, class(a, false).len() as f64);
        covariance(&v10(a), &v10(b)) / m + covariance(&v01(a), &v01(b)) / n
    }

    fn two_models() -> impl Strategy<Value = (Vec<f64>, Vec<f64>, Vec<bool>)> {
        prop::collection::vec((0u8..15, 0u8..15, any::<bool>()), 0..120).prop_map(|rows| {
            let scores = |pick: fn(&(u8, u8, bool)) -> u8| rows.iter().map(|r| f64::from(pick(r))).collect();
            (scores(|r| r.0), scores(|r| r.1), rows.iter().map(|r| r.2).collect())
        })
    }

    #[test]
    fn undefined_where_a_class_has_fewer_than_two_images() {
        assert_eq!(delong(&[0.1, 0.2, 0.3], &[true, false, false]), None);
        assert_eq!(delong(&[], &[]), None);
    }

    #[test]
    fn an_interval_ends_where_an_auc_can_and_a_faultless_one_has_none() {
        let close = Delong { auc: 0.99, variance: 0.01f64.powi(2) }.interval().unwrap();
        assert!((close[0] - 0.97040036).abs() < 1e-8 && close[1] == 1.0, "{close:?}");
        assert_eq!(delong(&[0.1, 0.2, 0.8, 0.9], &[false, false, true, true]).unwrap().interval(), None);
    }

    #[test]
    fn no_p_value_where_two_models_order_the_images_alike() {
        let positive = [true, false, true, false, true];
        let test = delong_paired(&[0.1, 0.2, 0.3, 0.4, 0.5], &[1.0, 2.0, 3.0, 4.0, 9.0], &positive).unwrap();
        assert_eq!((test.difference, test.std_error, test.z, test.p), (0.0, 0.0, None, None));
    }

    #[test]
    fn p_values_keep_their_digits_far_out() {
        // scipy 1.17.1: 2 * norm.sf(z)
        let expected = [
            (0.0, 1.0),
            (-1e-9, 0.9999999992021155),
            (1.0, 0.31731050786291415),
            (-1.96, 0.04999579029644087),
            (6.0, 1.973175290075389e-09),
            (12.0, 3.552964224155306e-33),
            (37.0, 1.1451142445047853e-299),
        ];
        for (z, p) in expected {
            assert!((two_sided(z) / p - 1.0_f64).abs() < 1e-12, "{z}: {} is not {p}", two_sided(z));
        }
    }

    proptest! {
        #[test]
        fn the_auc_is_the_exact_one((a, _, positive) in two_models()) {
            if let Some(delong) = delong(&a, &positive) {
                prop_assert_eq!(Some(delong.auc), auc(&a, &positive));
            }
        }

        #[test]
        fn the_fast_form_equals_the_quadratic_definition((a, b, positive) in two_models()) {
            if let Some(test) = delong_paired(&a, &b, &positive) {
                let covariance = |x, y| by_definition(x, y, &positive);
                let variance = delong(&a, &positive).unwrap().variance;
                prop_assert!((variance - covariance(&a, &a)).abs() < 1e-14);
                let of_difference = covariance(&a, &a) + covariance(&b, &b) - 2.0 * covariance(&a, &b);
                prop_assert!((test.std_error.powi(2) - of_difference).abs() < 1e-14);
            }
        }

        #[test]
        fn changing_sides_changes_the_sign_only((a, b, positive) in two_models()) {
            if let Some(test) = delong_paired(&a, &b, &positive) {
                let back = delong_paired(&b, &a, &positive).unwrap();
                prop_assert_eq!((-back.difference, back.std_error, back.p), (test.difference, test.std_error, test.p));
            }
        }
    }
}
