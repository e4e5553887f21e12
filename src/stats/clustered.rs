//! The variance of an AUC when the images of one patient are not independent (Obuchowski, Biometrics 53, 1997).
//!
//! Patients are the clusters. DeLong's placements are summed by patient, and the variance is that of these sums over
//! patients; a patient may have positive and negative images, whose sums then vary together. With one image a patient
//! it is DeLong's variance. Twice a placement is an integer, so all sums and squares of a label are exact and a
//! standard error that should be zero is exactly zero. Placing takes O(n log n), everything after that O(n).
//!
//! Few patients estimate a variance badly, and worse if a few of them add most to it, as the positives of a good model do.
//! So intervals and tests use Student's t. Its degrees of freedom are those of Welch and Satterthwaite, as Brunner and
//! Munzel have them (Biometrical Journal 42, 2000), each class with those that the kurtosis of its patients leaves (Pan and
//! Wall, Statistics in Medicine 21, 2002).

use super::delong::placements;
use super::resampled::{t_quantile, two_sided_t};

/// The fewest patients of either class with which an interval or a test of AUCs is given.
///
/// With 5 positive patients of 400, an interval of nominally 95 % covers an AUC of 0.8 in 90 to 93 of 100 simulated data
/// sets, one of 0.95 in 83 to 86, and with fewer in still fewer (`cargo bench --bench coverage`).
pub const FEWEST_PATIENTS: u64 = 5;

/// The fewest patients of either class with which percentiles of bootstrap resamples are given as an interval.
///
/// With few patients percentiles are too narrow: with 5 positive patients they cover an AUC of 0.8 in 81, with 10 in 84
/// to 93, with 20 in 91 to 93 of 100 simulated data sets.
pub const FEWEST_RESAMPLED: u64 = 20;

/// The placements of one model and label, summed by patient: all that variances and tests need of its scores.
#[derive(Debug, Clone, PartialEq)]
pub struct PatientPlacements {
    /// One for each patient, in the order of their numbers; those without an image of the label are empty.
    patients: Vec<PatientSum>,
    /// Over all patients.
    total: PatientSum,
    /// Number of scores of each image whose placements are added up: those of several seeds.
    scores: i128,
}

/// What the images of one patient add.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct PatientSum {
    positives: i64,
    negatives: i64,
    /// Twice the number of negatives that the positives beat, a tie counting half.
    wins: i128,
    /// Twice the number of positives that beat the negatives, a tie counting half.
    losses: i128,
}

/// An AUC or a difference of AUCs with what its uncertainty is computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The AUC, or the difference.
    pub value: f64,
    /// Its standard error.
    pub std_error: f64,
    /// Degrees of freedom of the standard error; infinite where a normal distribution is assumed.
    pub df: f64,
}

impl Estimate {
    /// Two-sided p-value of the value being zero; `None` where the standard error is zero.
    pub fn p(&self) -> Option<f64> {
        (self.std_error > 0.0).then(|| two_sided_t(self.value / self.std_error, self.df))
    }

    /// The 95 % confidence interval of a difference; `None` where the standard error is zero.
    pub fn difference_interval(&self) -> Option<[f64; 2]> {
        let reach = t_quantile(0.975, self.df) * self.std_error;
        (self.std_error > 0.0).then(|| [(self.value - reach).max(-1.0), (self.value + reach).min(1.0)])
    }

    /// The 95 % confidence interval of an AUC on the logit scale (Pepe, The Statistical Evaluation of Medical Tests,
    /// 2003, section 5.2.4): within (0, 1), and wider towards 0.5.
    ///
    /// `None` where the AUC is 0 or 1 or the standard error is zero: classes that these images separate perfectly may
    /// overlap in other images, and the method cannot estimate how much.
    pub fn logit_interval(&self) -> Option<[f64; 2]> {
        let Estimate { value, std_error, df } = *self;
        if std_error <= 0.0 || value <= 0.0 || value >= 1.0 {
            return None;
        }
        let reach = t_quantile(0.975, df) * std_error / (value * (1.0 - value));
        let logit = libm::log(value / (1.0 - value));
        Some([logit - reach, logit + reach].map(|x| 1.0 / (1.0 + libm::exp(-x))))
    }

    /// One-sided p-values of the difference being at most `-margin` and at least `margin`, in this order: if the first
    /// is small, the first model is not inferior; if the second is, the second is not. If both are, the models are
    /// equivalent (two one-sided tests: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
    ///
    /// `None` where the standard error is zero.
    pub fn within(&self, margin: f64) -> Option<[f64; 2]> {
        let above = |t: f64| {
            let half = two_sided_t(t, self.df) / 2.0;
            if t > 0.0 { half } else { 1.0 - half }
        };
        let t = |distance: f64| above(distance / self.std_error);
        (self.std_error > 0.0).then(|| [t(self.value + margin), t(margin - self.value)])
    }
}

/// A variance and its degrees of freedom.
#[derive(Debug, Clone, Copy)]
struct Spread {
    variance: f64,
    df: f64,
    /// What `influence`'s values leave out: factors for few patients of a class.
    beyond: f64,
}

impl PatientPlacements {
    /// Places the images; `None` where a class is missing. `patients` has the number of each image's patient, below
    /// `count`.
    ///
    /// Scores must not be NaN, which the caller checks.
    ///
    /// # Panics
    /// If the slices differ in length, or a number is not below `count`.
    pub fn new(scores: &[f64], positive: &[bool], patients: &[u32], count: usize) -> Option<Self> {
        assert_eq!(scores.len(), patients.len(), "one patient a score");
        let placed = placements(scores, positive);
        let mut sums = vec![PatientSum::default(); count];
        let mut total = PatientSum::default();
        for ((placed, positive), patient) in placed.iter().zip(positive).zip(patients) {
            for sum in [&mut sums[*patient as usize], &mut total] {
                sum.positives += i64::from(*positive);
                sum.negatives += i64::from(!*positive);
                *(if *positive { &mut sum.wins } else { &mut sum.losses }) += i128::from(*placed);
            }
        }
        let both = total.positives > 0 && total.negatives > 0;
        both.then_some(PatientPlacements { patients: sums, total, scores: 1 })
    }

    /// The mean of several models' placements of the same images, such as those of one setup with several seeds: its AUC is
    /// the mean of their AUCs, and its variance that of the mean. `None` without models.
    ///
    /// # Panics
    /// If the images are not the same.
    pub fn mean(models: impl IntoIterator<Item = PatientPlacements>) -> Option<Self> {
        models.into_iter().reduce(|a, b| a.combined(&b, 1, [1, 1], a.scores + b.scores))
    }

    /// The placements of `self` times the first factor plus `sign` times those of `other` times the second.
    fn combined(&self, other: &Self, sign: i128, [x, y]: [i128; 2], scores: i128) -> PatientPlacements {
        let add = |a: &PatientSum, b: &PatientSum| {
            assert_eq!((a.positives, a.negatives), (b.positives, b.negatives), "scores of the same images");
            let of = |a: i128, b: i128| x * a + sign * y * b;
            PatientSum { wins: of(a.wins, b.wins), losses: of(a.losses, b.losses), ..*a }
        };
        assert_eq!(self.patients.len(), other.patients.len(), "scores of the same images");
        let patients = self.patients.iter().zip(&other.patients).map(|(a, b)| add(a, b)).collect();
        PatientPlacements { patients, total: add(&self.total, &other.total), scores }
    }

    /// Number of patients with an image of the label, with a positive one, and with a negative one.
    pub fn counts(&self) -> [u64; 3] {
        let count = |of: fn(&PatientSum) -> bool| self.patients.iter().filter(|sum| of(sum)).count() as u64;
        [
            count(|sum| sum.positives + sum.negatives > 0),
            count(|sum| sum.positives > 0),
            count(|sum| sum.negatives > 0),
        ]
    }

    /// The AUC, that of [`super::auc()`] to the bit; of several scores, the mean of their AUCs.
    pub fn auc(&self) -> f64 {
        self.share(self.total.wins)
    }

    /// The AUC with its uncertainty; `None` where a class is of fewer than two patients.
    pub fn estimate(&self) -> Option<Estimate> {
        let Spread { variance, df, .. } = self.spread()?;
        Some(Estimate { value: self.auc(), std_error: variance.sqrt(), df })
    }

    /// The AUC minus that of `other`, a model on the same images; `None` where a class is of fewer than two patients.
    ///
    /// # Panics
    /// If the images are not the same.
    pub fn less(&self, other: &PatientPlacements) -> Option<Estimate> {
        let apart = self.apart(other);
        let Spread { variance, df, .. } = apart.spread()?;
        Some(Estimate { value: apart.auc(), std_error: variance.sqrt(), df })
    }

    /// The AUC of these images minus that of other images of the same patients, such as another group; `None` where a class
    /// of either is of fewer than two patients. Patients with images in both count in both.
    ///
    /// # Panics
    /// If the patients are not the same.
    pub fn less_other_images(&self, other: &PatientPlacements) -> Option<Estimate> {
        assert_eq!(self.patients.len(), other.patients.len(), "the same patients");
        let (a, b) = (self.spread()?, other.spread()?);
        let any = |of: &PatientSum| of.positives + of.negatives > 0;
        let both = self.patients.iter().zip(&other.patients);
        let count = both.filter(|(a, b)| any(a) || any(b)).count() as f64;
        let products: f64 = self.influence().zip(other.influence()).map(|(a, b)| a * b).sum();
        let variance = (a.variance + b.variance - 2.0 * (count / (count - 1.0) * products)).max(0.0);
        let sum = a.variance + b.variance;
        let uncertainty = a.variance * a.variance / a.df + b.variance * b.variance / b.df;
        let df = if uncertainty > 0.0 { sum * sum / uncertainty } else { a.df.min(b.df) };
        Some(Estimate { value: self.auc() - other.auc(), std_error: variance.sqrt(), df })
    }

    /// The placements of a difference are the differences of the placements.
    fn apart(&self, other: &PatientPlacements) -> PatientPlacements {
        self.combined(other, -1, [other.scores, self.scores], self.scores * other.scores)
    }

    /// Half-won pairs as a share of all pairs.
    fn share(&self, halves: i128) -> f64 {
        halves as f64 / self.halves() as f64
    }

    fn halves(&self) -> i128 {
        2 * i128::from(self.total.positives) * i128::from(self.total.negatives) * self.scores
    }

    /// The distances of a patient's placements from those that the mean of each class gives, times the halves.
    fn distances(&self, sum: &PatientSum) -> (i128, i128) {
        let of =
            |own: i128, count: i64, all: i64| i128::from(all) * own - i128::from(count) * self.total.wins;
        // Positives win as often as negatives lose.
        (
            of(sum.wins, sum.positives, self.total.positives),
            of(sum.losses, sum.negatives, self.total.negatives),
        )
    }

    /// Variance by Obuchowski's equations 3 to 6: over the patients with positives, over those with negatives, and of
    /// both together.
    fn spread(&self) -> Option<Spread> {
        let [all, positive, negative] = self.counts().map(|count| count as f64);
        if positive < 2.0 || negative < 2.0 {
            return None;
        }
        let (mut of_positives, mut of_negatives, mut of_both) = (0i128, 0i128, 0i128);
        let mut fourth = [0.0; 2];
        for sum in &self.patients {
            let (positives, negatives) = self.distances(sum);
            of_positives += positives * positives;
            of_negatives += negatives * negatives;
            of_both += positives * negatives;
            for (sum, distance) in fourth.iter_mut().zip([positives as f64, negatives as f64]) {
                let square = distance * distance;
                *sum += square * square;
            }
        }
        let [m, n] = [self.total.positives, self.total.negatives].map(|count| count as f64);
        let scale = self.halves() as f64;
        let factor = |patients: f64| patients / (patients - 1.0);
        let squares = [
            of_positives as f64 / (scale * scale) / (m * m),
            of_negatives as f64 / (scale * scale) / (n * n),
            2.0 * (of_both as f64 / (scale * scale) / (m * n)),
        ];
        let [first, second] = [factor(positive) * squares[0], factor(negative) * squares[1]];
        let variance = (first + second + factor(all) * squares[2]).max(0.0);
        let own = first + second;
        let df_positives = df_of_class(of_positives as f64, fourth[0], positive);
        let df_negatives = df_of_class(of_negatives as f64, fourth[1], negative);
        let df = own * own / (first * first / df_positives + second * second / df_negatives);
        // Without any variance the degrees of freedom have no meaning; those of the smaller class are the least.
        let df = if own > 0.0 { df } else { positive.min(negative) - 1.0 };
        let beyond =
            (factor(positive) - factor(all)) * squares[0] + (factor(negative) - factor(all)) * squares[1];
        Some(Spread { variance, df, beyond })
    }

    /// What each patient adds to the distance of the AUC from its expectation.
    fn influence(&self) -> impl Iterator<Item = f64> {
        let [m, n] = [self.total.positives, self.total.negatives].map(|count| count as f64);
        let scale = self.halves() as f64;
        self.patients.iter().map(move |sum| {
            let (positives, negatives) = self.distances(sum);
            positives as f64 / scale / m + negatives as f64 / scale / n
        })
    }
}

/// The degrees of freedom of a variance over `n` patients from the sums of their distances' second and fourth powers:
/// twice the squared expectation of the variance over its own variance, but no more than n - 1.
fn df_of_class(squares: f64, fourth: f64, n: f64) -> f64 {
    let excess = n * fourth / (squares * squares) - 1.0;
    // Also where no patient is at a distance.
    if excess * (n - 1.0) > 2.0 * n { 2.0 * n / excess } else { n - 1.0 }
}

/// The mean over labels of one model's AUCs, with its uncertainty: labels of the same images vary together.
///
/// The covariance of two labels is the sum over patients of the products of what they add to either, times K / (K - 1)
/// for K patients; the variance of each label is that of [`PatientPlacements::estimate`]. `None` without labels, or
/// where a class of a label is of fewer than two patients.
///
/// # Panics
/// If the labels are not of the same patients.
pub fn mean_auc(labels: &[&PatientPlacements]) -> Option<Estimate> {
    let patients = labels.first()?.patients.len();
    let mut together = vec![0.0; patients];
    let (mut beyond, mut variances, mut uncertainty) = (0.0, 0.0, 0.0);
    let mut values = Vec::new();
    for label in labels {
        assert_eq!(label.patients.len(), patients, "labels of the same patients");
        let spread = label.spread()?;
        beyond += spread.beyond;
        variances += spread.variance;
        uncertainty += spread.variance * spread.variance / spread.df;
        values.push(label.auc());
        together.iter_mut().zip(label.influence()).for_each(|(sum, own)| *sum += own);
    }
    let with_images = |patient: usize| {
        labels.iter().any(|of| of.patients[patient].positives + of.patients[patient].negatives > 0)
    };
    let count = (0..patients).filter(|patient| with_images(*patient)).count() as f64;
    let squares: f64 = together.iter().map(|sum| sum * sum).sum();
    let n = labels.len() as f64;
    let variance = (count / (count - 1.0) * squares + beyond) / (n * n);
    // As if labels were independent, of which each has degrees of freedom of its own.
    let least = labels.iter().filter_map(|label| Some(label.spread()?.df)).fold(f64::INFINITY, f64::min);
    let df = if uncertainty > 0.0 { variances * variances / uncertainty } else { least };
    Some(Estimate { value: values.iter().sum::<f64>() / n, std_error: variance.sqrt(), df })
}

/// The mean over labels of one model's AUC minus another's on the same images; see [`mean_auc`].
///
/// # Panics
/// If the images are not the same.
pub fn mean_difference(labels: &[(&PatientPlacements, &PatientPlacements)]) -> Option<Estimate> {
    let apart: Vec<PatientPlacements> = labels.iter().map(|(a, b)| a.apart(b)).collect();
    mean_auc(&apart.iter().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::{auc, delong, delong_paired};

    /// Obuchowski's covariance of two AUCs by its definition (equations 3 to 6): every positive against every negative.
    fn by_pairs(a: &[f64], b: &[f64], positive: &[bool], patients: &[u32]) -> f64 {
        let class = |wanted: bool| (0..positive.len()).filter(|i| positive[*i] == wanted).collect::<Vec<_>>();
        let (yes, no) = (class(true), class(false));
        let beats =
            |s: &[f64], i: usize, j: usize| f64::from(u8::from(s[i] > s[j]) + u8::from(s[i] >= s[j])) / 2.0;
        let (m, n) = (yes.len() as f64, no.len() as f64);
        let mean =
            |s: &[f64]| yes.iter().flat_map(|i| no.iter().map(|j| beats(s, *i, *j))).sum::<f64>() / (m * n);
        let of_patient = |s: &[f64], patient: u32| {
            let own = |images: &[usize]| {
                images.iter().copied().filter(|i| patients[*i] == patient).collect::<Vec<usize>>()
            };
            let v10 = |i: usize| no.iter().map(|j| beats(s, i, *j)).sum::<f64>() / n - mean(s);
            let v01 = |j: usize| yes.iter().map(|i| beats(s, *i, j)).sum::<f64>() / m - mean(s);
            let (x, y) = (own(&yes), own(&no));
            (x.iter().map(|i| v10(*i)).sum::<f64>(), y.iter().map(|j| v01(*j)).sum::<f64>())
        };
        let mut names: Vec<u32> = patients.to_vec();
        names.sort_unstable();
        names.dedup();
        let with = |class: &[usize]| {
            names.iter().filter(|p| class.iter().any(|i| patients[*i] == **p)).count() as f64
        };
        let (all, with_yes, with_no) = (names.len() as f64, with(&yes), with(&no));
        let (mut s10, mut s01, mut s11) = (0.0, 0.0, 0.0);
        for patient in &names {
            let ((x10, x01), (y10, y01)) = (of_patient(a, *patient), of_patient(b, *patient));
            s10 += x10 * y10 * with_yes / ((with_yes - 1.0) * m);
            s01 += x01 * y01 * with_no / ((with_no - 1.0) * n);
            s11 += (x10 * y01 + x01 * y10) / 2.0 * all / (all - 1.0);
        }
        s10 / m + s01 / n + 2.0 * s11 / (m * n)
    }

    type Rows = (Vec<f64>, Vec<f64>, Vec<bool>, Vec<u32>);

    fn two_models() -> impl Strategy<Value = Rows> {
        prop::collection::vec((0u8..15, 0u8..15, any::<bool>(), 0u32..12), 0..60).prop_map(|rows| {
            let scores =
                |pick: fn(&(u8, u8, bool, u32)) -> u8| rows.iter().map(|r| f64::from(pick(r))).collect();
            let (truth, patients) = rows.iter().map(|r| (r.2, r.3)).unzip();
            (scores(|r| r.0), scores(|r| r.1), truth, patients)
        })
    }

    #[test]
    fn undefined_where_a_class_is_of_one_patient() {
        let positive = [true, true, false, false];
        let placed =
            |patients: &[u32]| PatientPlacements::new(&[0.9, 0.2, 0.5, 0.1], &positive, patients, 4).unwrap();
        assert_eq!(placed(&[0, 0, 1, 2]).estimate(), None);
        assert_eq!(placed(&[0, 0, 1, 2]).counts(), [3, 1, 2]);
        assert_eq!(placed(&[0, 1, 3, 3]).estimate(), None);
        assert!(placed(&[0, 1, 0, 1]).estimate().is_some());
        assert_eq!(PatientPlacements::new(&[0.5], &[true], &[0], 1), None);
    }

    #[test]
    fn a_perfect_auc_and_equal_orders_have_neither_interval_nor_p_value() {
        let (positive, patients) = ([false, false, true, true], [0, 1, 2, 3]);
        let one = PatientPlacements::new(&[0.1, 0.2, 0.8, 0.9], &positive, &patients, 4).unwrap();
        let own = one.estimate().unwrap();
        assert_eq!((own.value, own.std_error, own.logit_interval()), (1.0, 0.0, None));
        let apart = one.less(&one).unwrap();
        assert_eq!(
            (apart.std_error, apart.p(), apart.difference_interval(), apart.within(0.1)),
            (0.0, None, None, None)
        );
    }

    #[test]
    fn a_logit_interval_is_its_closed_form() {
        // 1 / (1 + exp(-(ln 4 -+ 1.959963984540054 * 0.05 / 0.16))) in Python.
        let normal = Estimate { value: 0.8, std_error: 0.05, df: f64::INFINITY };
        let [low, high] = normal.logit_interval().unwrap();
        assert!(
            (low - 0.684343549345463).abs() < 1e-12 && (high - 0.8806692527269595).abs() < 1e-12,
            "{low} {high}"
        );
        let few = Estimate { df: 4.0, ..normal }.logit_interval().unwrap();
        assert!(few[0] < low && high < few[1] && few[1] < 1.0);
    }

    #[test]
    fn groups_of_other_patients_are_independent_and_the_same_images_do_not_differ() {
        let (scores, positive) = ([0.9, 0.3, 0.6, 0.5, 0.4, 0.1], [true, true, true, false, false, false]);
        let place = |from: u32| {
            let patients: Vec<u32> = (from..from + 6).collect();
            PatientPlacements::new(&scores, &positive, &patients, 12).unwrap()
        };
        let (one, other) = (place(0), place(6));
        let variance = |of: &PatientPlacements| of.estimate().unwrap().std_error.powi(2);
        let apart = one.less_other_images(&other).unwrap();
        assert!((apart.std_error.powi(2) - 2.0 * variance(&one)).abs() < 1e-15 && apart.value == 0.0);
        // Two equal variances have twice the degrees of freedom of one.
        assert!((apart.df - 2.0 * one.estimate().unwrap().df).abs() < 1e-9);
        // The same images in both groups: only the factors for few patients of a class are left.
        let same = one.less_other_images(&one).unwrap();
        assert!(same.std_error < one.estimate().unwrap().std_error, "{same:?}");
    }

    #[test]
    fn copies_of_an_image_tell_nothing_new() {
        let (scores, positive) = ([0.9, 0.3, 0.6, 0.5, 0.4, 0.1], [true, true, true, false, false, false]);
        let single = PatientPlacements::new(&scores, &positive, &[0, 1, 2, 3, 4, 5], 6).unwrap();
        let twice = |x: &[f64]| x.iter().flat_map(|x| [*x, *x]).collect::<Vec<f64>>();
        let truth: Vec<bool> = positive.iter().flat_map(|p| [*p, *p]).collect();
        let patients: Vec<u32> = (0..12).map(|i| i / 2).collect();
        let copied = PatientPlacements::new(&twice(&scores), &truth, &patients, 6).unwrap();
        let [one, two] = [single, copied].map(|placed| placed.estimate().unwrap());
        assert!((one.std_error - two.std_error).abs() < 1e-15 && one.value == two.value, "{one:?} {two:?}");
    }

    proptest! {
        #[test]
        fn the_fast_form_equals_the_quadratic_definition((a, b, positive, patients) in two_models()) {
            let place = |scores| PatientPlacements::new(scores, &positive, &patients, 12);
            if let Some((x, y)) = place(&a).zip(place(&b))
                && let Some((own, apart)) = x.estimate().zip(x.less(&y))
            {
                let covariance = |x, y| by_pairs(x, y, &positive, &patients);
                prop_assert!((own.std_error.powi(2) - covariance(&a, &a)).abs() < 1e-12);
                let of_difference = covariance(&a, &a) + covariance(&b, &b) - 2.0 * covariance(&a, &b);
                prop_assert!((apart.std_error.powi(2) - of_difference).abs() < 1e-12);
                prop_assert_eq!(Some(own.value), auc(&a, &positive));
                prop_assert!(own.df >= 1.0 && apart.df >= 1.0);
            }
        }

        #[test]
        fn one_image_a_patient_is_delong((a, b, positive, _) in two_models()) {
            let patients: Vec<u32> = (0..a.len() as u32).collect();
            let place = |scores| PatientPlacements::new(scores, &positive, &patients, a.len());
            if let Some((one, other)) = delong(&a, &positive).zip(delong_paired(&a, &b, &positive)) {
                let (x, y) = (place(&a).unwrap(), place(&b).unwrap());
                prop_assert!((x.estimate().unwrap().std_error.powi(2) - one.variance).abs() < 1e-12);
                prop_assert!((x.less(&y).unwrap().std_error - other.std_error).abs() < 1e-12);
            }
        }

        #[test]
        fn a_mean_of_one_label_is_that_label_and_of_the_same_label_twice_too(
            (a, b, positive, patients) in two_models()
        ) {
            let place = |scores| PatientPlacements::new(scores, &positive, &patients, 12);
            if let Some((x, y)) = place(&a).zip(place(&b))
                && let Some(apart) = x.less(&y)
            {
                let alone = mean_difference(&[(&x, &y)]).unwrap();
                prop_assert!((alone.std_error - apart.std_error).abs() < 1e-12);
                prop_assert!(apart.std_error == 0.0 || (alone.df / apart.df - 1.0).abs() < 1e-12);
                prop_assert!(mean_auc(&[&x, &x]).unwrap().std_error <= x.estimate().unwrap().std_error + 1e-12);
            }
        }
    }
}
