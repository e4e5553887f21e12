//! Mean, standard deviation and extremes of a few values, such as an AUC over the folds.

/// Summary of a quantity over folds, labels or images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of defined values; the other fields are computed from these.
    pub n: usize,
    /// Their mean.
    pub mean: Option<f64>,
    /// Their sample standard deviation (divisor n - 1); `None` below two.
    pub std: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
}

/// Summarises the values that are defined, in two passes.
///
/// Values are summed in ascending order, so the order of `values` does not change the result. Values must not be NaN, which
/// the caller checks.
pub fn summarize(values: &[Option<f64>]) -> Summary {
    let mut defined: Vec<f64> = values.iter().copied().flatten().collect();
    defined.sort_unstable_by(f64::total_cmp);
    let (min, max) = (defined.first().copied(), defined.last().copied());
    let n = defined.len();
    let Some((low, high)) = min.zip(max) else {
        return Summary { n, mean: None, std: None, min, max };
    };
    // Rounding must not carry the mean of equal values away from them. Not `clamp`, which panics on NaN.
    let mean = (defined.iter().sum::<f64>() / n as f64).max(low).min(high);
    let squares: f64 = defined.iter().map(|value| (value - mean).powi(2)).sum();
    let std = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
    Summary { n, mean: Some(mean), std, min, max }
}

/// The standard deviation within groups, pooled over them: the root of the mean square of the residuals of a one-way
/// analysis of variance. `None` if no group has two values.
///
/// A group is a division, its values are those of the seeds. Values must not be NaN, which the caller checks.
pub fn pooled_std(groups: &[Vec<f64>]) -> Option<f64> {
    let (mut squares, mut freedom) = (0.0, 0);
    for group in groups {
        let values: Vec<Option<f64>> = group.iter().copied().map(Some).collect();
        if let Some(std) = summarize(&values).std {
            squares += std * std * (group.len() - 1) as f64;
            freedom += group.len() - 1;
        }
    }
    (freedom > 0).then(|| (squares / freedom as f64).sqrt())
}

/// Computes the quantile `p`, from 0 to 1, of values in ascending order, with linear interpolation (definition
/// 7 of Hyndman and Fan, The American Statistician 50, 1996); `None` without values.
pub fn quantile(ascending: &[f64], p: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let place = p * last as f64;
    let below = (place.floor() as usize).min(last);
    let (low, high) = (ascending[below], ascending[(below + 1).min(last)]);
    Some(low + (place - below as f64) * (high - low))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn undefined_values_are_left_out_and_not_counted() {
        let summary = summarize(&[Some(0.5), None, Some(1.0), None]);
        let std = Some(0.125_f64.sqrt());
        assert_eq!(summary, Summary { n: 2, mean: Some(0.75), std, min: Some(0.5), max: Some(1.0) });
    }

    #[test]
    fn one_value_has_a_mean_and_no_deviation_and_none_has_neither() {
        let one = Some(0.7);
        assert_eq!(summarize(&[one]), Summary { n: 1, mean: one, std: None, min: one, max: one });
        assert_eq!(summarize(&[None]), Summary { n: 0, mean: None, std: None, min: None, max: None });
    }

    #[test]
    fn deviations_within_groups_are_pooled() {
        // scipy 1.17.1 and statsmodels 0.14: sqrt(ols("y ~ C(g)").fit().mse_resid)
        let groups = [vec![0.70, 0.72, 0.71], vec![0.80, 0.83], vec![0.75]];
        assert!((pooled_std(&groups).unwrap() - 0.014_719_601_443_879_6).abs() < 1e-12);
        assert_eq!(pooled_std(&[vec![0.5], vec![]]), None);
        assert_eq!(pooled_std(&[vec![0.5, 0.5]]), Some(0.0));
    }

    #[test]
    fn equal_values_deviate_by_nothing() {
        // In plain floating point 0.1 + 0.1 + 0.1 is greater than 3 * 0.1.
        let summary = summarize(&[Some(0.1); 3]);
        assert_eq!((summary.mean, summary.std), (Some(0.1), Some(0.0)));
    }

    #[test]
    fn a_nan_does_not_panic() {
        assert_eq!(summarize(&[Some(f64::NAN), Some(1.0)]).n, 2);
    }

    proptest! {
        #[test]
        fn order_changes_no_bit(mut values in prop::collection::vec(-1.0..1.0f64, 0..40)) {
            let summary = |values: &[f64]| summarize(&values.iter().copied().map(Some).collect::<Vec<_>>());
            let before = summary(&values);
            values.reverse();
            prop_assert_eq!(summary(&values), before);
        }
    }
}
