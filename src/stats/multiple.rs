//! Adjusts p-values of many tests: of fourteen independent labels, at least one looks significant at the 5 % level by
//! chance in half of all cases.

/// Adjusts p-values so that the chance of any false finding stays below the level (Holm, Scandinavian Journal
/// of Statistics 6, 1979).
///
/// Undefined p-values stay undefined and do not count as tests.
pub fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let ascending = ascending(p);
    let mut adjusted = vec![None; p.len()];
    let mut largest = 0.0f64;
    for (rank, (value, place)) in ascending.iter().enumerate() {
        largest = largest.max(value * (ascending.len() - rank) as f64).min(1.0);
        adjusted[*place] = Some(largest);
    }
    adjusted
}

/// Adjusts p-values so that the expected share of false findings among all findings stays below the level
/// (Benjamini and Hochberg, Journal of the Royal Statistical Society B 57, 1995).
///
/// Undefined p-values stay undefined and do not count as tests.
pub fn benjamini_hochberg(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let ascending = ascending(p);
    let mut adjusted = vec![None; p.len()];
    let mut smallest = 1.0f64;
    for (rank, (value, place)) in ascending.iter().enumerate().rev() {
        smallest = smallest.min(value * ascending.len() as f64 / (rank + 1) as f64);
        adjusted[*place] = Some(smallest);
    }
    adjusted
}

fn ascending(p: &[Option<f64>]) -> Vec<(f64, usize)> {
    let mut defined: Vec<(f64, usize)> =
        p.iter().enumerate().filter_map(|(place, value)| Some(((*value)?, place))).collect();
    defined.sort_by(|a, b| a.0.total_cmp(&b.0));
    defined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn undefined_p_values_are_no_tests() {
        let p = [Some(0.02), None, Some(0.01)];
        assert_eq!(holm(&p), [Some(0.02), None, Some(0.02)]);
        assert_eq!(benjamini_hochberg(&p), [Some(0.02), None, Some(0.02)]);
        assert_eq!(holm(&[None]), [None]);
        assert_eq!(benjamini_hochberg(&[]), []);
    }

    proptest! {
        #[test]
        fn no_adjustment_makes_a_finding_and_holm_is_the_stricter(
            p in prop::collection::vec(0.0..=1.0f64, 0..30)
        ) {
            let some: Vec<Option<f64>> = p.iter().copied().map(Some).collect();
            for ((p, holm), bh) in p.iter().zip(holm(&some)).zip(benjamini_hochberg(&some)) {
                let (holm, bh) = (holm.unwrap(), bh.unwrap());
                prop_assert!(*p <= bh * (1.0 + 1e-15) && bh <= holm * (1.0 + 1e-15) && holm <= 1.0);
            }
        }
    }
}
