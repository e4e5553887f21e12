//! The corrected resampled t-test: two models over folds whose training sets overlap.
//!
//! Re-sampled folds share most of their training images, so their differences are not independent and the
//! plain t-test finds too many differences. Nadeau and Bengio (Machine Learning 52, 2003, equation 9) widen the variance by
//! the ratio of test to training images.

use super::delong::two_sided;

/// A test of whether the mean difference over folds is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResampledT {
    /// Folds.
    pub n: usize,
    /// Mean difference.
    pub mean: f64,
    /// Its corrected standard error.
    pub std_error: f64,
    /// Mean in standard errors; `None` where the standard error is zero.
    pub t: Option<f64>,
    /// Two-sided p-value of Student's t with n - 1 degrees of freedom; `None` where the standard error is zero.
    pub p: Option<f64>,
}

/// Tests the differences of two models, one per fold; `None` below two folds.
///
/// `test_to_train` is the number of test images divided by the number of training images. Differences must be finite,
/// which the caller checks.
pub fn resampled_t(differences: &[f64], test_to_train: f64) -> Option<ResampledT> {
    let n = differences.len();
    let values: Vec<Option<f64>> = differences.iter().copied().map(Some).collect();
    let summary = super::summarize(&values);
    let (mean, std) = summary.mean.zip(summary.std)?;
    let std_error = (1.0 / n as f64 + test_to_train).sqrt() * std;
    let t = (std_error > 0.0).then(|| mean / std_error);
    Some(ResampledT { n, mean, std_error, t, p: t.map(|t| two_sided_t(t, (n - 1) as f64)) })
}

/// Probability of Student's t with `df` degrees of freedom at least as far from 0 as `t`:
/// I_x(df / 2, 1 / 2) at x = df / (df + t^2), which stays accurate for large `t`. With infinite degrees of freedom it
/// is that of the normal distribution.
pub(super) fn two_sided_t(t: f64, df: f64) -> f64 {
    if df.is_infinite() {
        return two_sided(t);
    }
    incomplete_beta(df / 2.0, 0.5, df / (df + t * t), t * t / (df + t * t))
}

/// The value that Student's t with `df` degrees of freedom stays below with probability `p`, for `p` from 0.5 to below 1,
/// by halving an interval until it holds no other number.
pub(super) fn t_quantile(p: f64, df: f64) -> f64 {
    let beyond = 2.0 * (1.0 - p);
    let (mut low, mut high) = (0.0, 1.0);
    while two_sided_t(high, df) > beyond {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        *(if two_sided_t(middle, df) > beyond { &mut low } else { &mut high }) = middle;
    }
}

/// The regularised incomplete beta function I_x(a, b). `y` = 1 - x is a parameter of its own to avoid rounding.
///
/// By its continued fraction (Abramowitz and Stegun, 26.5.8), evaluated as Lentz does.
fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // Where the fraction converges slowly, the fraction of the other tail converges fast.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, y, x);
    }
    let front = (libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * y.ln()).exp() / a;
    const TINY: f64 = 1e-300;
    let guarded = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / guarded(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    // Some thirty steps are enough for any number of folds; the bound prevents an endless loop.
    for m in (1..1000).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for coefficient in [even, odd] {
            d = 1.0 / guarded(1.0 + coefficient * d);
            c = guarded(1.0 + coefficient / c);
            fraction *= c * d;
        }
        if fraction == before {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_of_students_t_keep_their_digits() {
        // scipy 1.17.1: 2 * scipy.stats.t.sf(t, df)
        for (t, df, expected) in [
            (0.0, 4.0, 1.0),
            (1.0, 1.0, 0.5),
            (2.776445105197793, 4.0, 0.05),
            (-2.776445105197793, 4.0, 0.05),
            (100.0, 4.0, 5.99600209899246e-08),
            (1e6, 9.0, 5.091794074026567e-51),
        ] {
            let p = two_sided_t(t, df);
            assert!(
                (p - expected).abs() <= 1e-13 * expected.max(1e-3),
                "t {t}, df {df}: {p}, not {expected}"
            );
        }
    }

    #[test]
    fn undefined_below_two_folds_and_without_a_p_value_where_nothing_varies() {
        assert_eq!(resampled_t(&[0.1], 0.25), None);
        let test = resampled_t(&[0.1, 0.1], 0.25).unwrap();
        assert_eq!((test.mean, test.std_error, test.t, test.p), (0.1, 0.0, None, None));
    }

    #[test]
    fn the_correction_makes_the_plain_test_more_careful() {
        let differences = [0.01, 0.02, 0.015, 0.03, 0.012];
        let plain = resampled_t(&differences, 0.0).unwrap();
        let corrected = resampled_t(&differences, 2.0 / 7.0).unwrap();
        assert!(corrected.p.unwrap() > plain.p.unwrap());
    }
}
