//! Ranks and Spearman's rank correlation (table 5 of the paper).
//!
//! Ranks of tied values are averages, hence whole or half numbers. Twice a rank is an integer, and so
//! is twice its distance from the mean rank: sums of products are exact, and the correlation is
//! rounded three times in all, whatever the order of the images. The integers are kept as floats, in which processors
//! multiply fastest; as long as a sum stays below 2^53 it is exact, and then it goes into an integer of 128 bits.

use super::order::SortedPositions;

/// Computes the ranks of `values`, from 1, tied values sharing their average rank, in O(n log n).
///
/// Values must not be NaN, which the caller checks; a NaN would rank beyond the infinities.
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let offset = values.len() as f64 + 1.0;
    Ranks::of(values).centred.into_iter().map(|rank| (rank + offset) / 2.0).collect()
}

/// Computes Spearman's rank correlation: Pearson's of the average ranks. `None` where a side is constant.
///
/// # Panics
/// If the slices differ in length.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    spearman_matrix(&[a, b])[0][1]
}

/// Computes Spearman's rank correlation between every pair of `columns`. Each column is ranked once.
///
/// `[columns, columns]`, symmetric to the bit; 1 on the diagonal, and `None` in the row and the column of a
/// constant column.
///
/// # Panics
/// If the columns differ in length.
pub fn spearman_matrix(columns: &[&[f64]]) -> Vec<Vec<Option<f64>>> {
    RankCorrelations::default().matrix(columns)
}

/// Rank correlations of several sets of columns, one after the other, in the same memory: to get that from the system
/// would take a third of the time.
#[derive(Debug, Default)]
pub struct RankCorrelations(Vec<Ranks>);

impl RankCorrelations {
    /// Computes the same as [`spearman_matrix`].
    ///
    /// # Panics
    /// If the columns differ in length.
    pub fn matrix(&mut self, columns: &[&[f64]]) -> Vec<Vec<Option<f64>>> {
        let RankCorrelations(ranks) = self;
        ranks.resize_with(columns.len(), Ranks::default);
        ranks.iter_mut().zip(columns).for_each(|(ranks, column)| ranks.set(column));
        let products = products(ranks);
        let of_pair = |i: usize, j: usize| {
            let product = if i == j { ranks[i].squares } else { products[i.max(j)][i.min(j)] };
            correlation(product as f64, ranks[i].squares as f64, ranks[j].squares as f64)
        };
        (0..ranks.len()).map(|i| (0..ranks.len()).map(|j| of_pair(i, j)).collect()).collect()
    }
}

/// The ranks of a column.
#[derive(Debug, Default)]
struct Ranks {
    /// Twice the average rank of each value, minus twice their mean: 2 r - (n + 1), an integer. Their sum is 0.
    centred: Vec<f64>,
    /// The sum of their squares.
    squares: i128,
}

impl Ranks {
    fn of(values: &[f64]) -> Self {
        let mut ranks = Ranks::default();
        ranks.set(values);
        ranks
    }

    /// Ranks other values instead.
    fn set(&mut self, values: &[f64]) {
        self.centred.resize(values.len(), 0.0);
        let mean = values.len() as i64 + 1;
        // Of 1 to n without ties: the sum of (2 r - (n + 1))^2 is (n^3 - n) / 3. A tie of t lessens it by (t^3 - t) / 3.
        let thrice = |n: usize| (n as i128).pow(3) - n as i128;
        let (mut below, mut squares) = (0, thrice(values.len()));
        for tied in SortedPositions::of(values).ties() {
            let many = tied.len() as i64;
            let rank = 2 * below + 1 + many - mean;
            for placed in tied {
                self.centred[placed.position()] = rank as f64;
            }
            below += many;
            if tied.len() > 1 {
                squares -= thrice(tied.len());
            }
        }
        self.squares = squares / 3;
    }
}

fn correlation(ab: f64, aa: f64, bb: f64) -> Option<f64> {
    (aa > 0.0 && bb > 0.0).then(|| (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0))
}

/// The exact sum of products of each column with each one before it.
fn products(columns: &[Ranks]) -> Vec<Vec<i128>> {
    let n = columns.first().map_or(0, |first| first.centred.len());
    assert!(columns.iter().all(|column| column.centred.len() == n), "columns of the same images");
    let mut sums: Vec<Vec<i128>> = (0..columns.len()).map(|i| vec![0; i]).collect();
    // So few rows that the chunks of all columns stay in the processor's cache, and that no sum of products reaches 2^53.
    let chunk = ((1u128 << 53) / (n as u128 * n as u128).max(1)).min(1 << 11) as usize;
    if chunk == 0 {
        for (i, sums) in sums.iter_mut().enumerate() {
            for (j, sum) in sums.iter_mut().enumerate() {
                let pairs = columns[i].centred.iter().zip(&columns[j].centred);
                *sum = pairs.map(|(a, b)| *a as i128 * *b as i128).sum();
            }
        }
        return sums;
    }
    for start in (0..n).step_by(chunk) {
        let rows = start..n.min(start + chunk);
        for (i, sums) in sums.iter_mut().enumerate() {
            for (j, sum) in sums.iter_mut().enumerate() {
                let product = product(&columns[i].centred[rows.clone()], &columns[j].centred[rows.clone()]);
                *sum += product as i128;
            }
        }
    }
    sums
}

/// The sum of products. It does not depend on the order of additions if it stays below 2^53.
fn product(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tied() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
        prop::collection::vec((0u8..9, 0u8..9), 0..100)
            .prop_map(|rows| rows.into_iter().map(|(a, b)| (f64::from(a) / 8.0, f64::from(b) / 8.0)).unzip())
    }

    fn constant(values: &[f64]) -> bool {
        values.iter().all(|value| *value == values[0])
    }

    #[test]
    fn tied_values_share_their_average_rank() {
        assert_eq!(average_ranks(&[0.3, 0.1, 0.3, 0.2, 0.3]), [4.0, 1.0, 4.0, 2.0, 4.0]);
        assert_eq!(average_ranks(&[0.0, -0.0]), [1.5, 1.5]);
        assert_eq!(average_ranks(&[]), [0.0; 0]);
    }

    #[test]
    fn undefined_where_a_side_is_constant() {
        assert_eq!(spearman(&[1.0, 1.0], &[0.0, 1.0]), None);
        assert_eq!(spearman(&[1.0], &[1.0]), None);
        assert_eq!(spearman(&[], &[]), None);
    }

    #[test]
    fn the_matrix_leaves_out_a_constant_column_only() {
        let matrix = spearman_matrix(&[&[1.0, 2.0, 3.0], &[5.0; 3], &[3.0, 2.0, 1.0]]);
        let expected = [[Some(1.0), None, Some(-1.0)], [None; 3], [Some(-1.0), None, Some(1.0)]];
        assert_eq!(matrix, expected);
    }

    #[test]
    fn sums_of_products_are_exact_however_many_rows_there_are() {
        let column = |step: usize| -> Vec<f64> { (0..5000).map(|i| ((i * step) % 5003) as f64).collect() };
        let ranks: Vec<Ranks> = [1, 17, 4999].iter().map(|step| Ranks::of(&column(*step))).collect();
        let exact = |a: &Ranks, b: &Ranks| -> i128 {
            a.centred.iter().zip(&b.centred).map(|(a, b)| *a as i128 * *b as i128).sum()
        };
        let sums = products(&ranks);
        for i in 0..3 {
            assert_eq!(ranks[i].squares, exact(&ranks[i], &ranks[i]));
            (0..i).for_each(|j| assert_eq!(sums[i][j], exact(&ranks[i], &ranks[j])));
        }
    }

    #[test]
    fn memory_of_other_columns_changes_no_matrix() {
        let [long, short] = [40, 7].map(|n| (0..n).map(|i| f64::from(i * 5 % 11)).collect::<Vec<f64>>());
        let backwards: Vec<f64> = long.iter().rev().copied().collect();
        let mut correlations = RankCorrelations::default();
        for columns in
            [vec![&long[..], &backwards, &[1.0; 40]], vec![&short[..], &short], vec![&long, &backwards]]
        {
            assert_eq!(correlations.matrix(&columns), spearman_matrix(&columns));
        }
    }

    proptest! {
        #[test]
        fn a_column_correlates_with_itself_by_one_and_with_its_negative_by_minus_one((a, _) in tied()) {
            let negated: Vec<f64> = a.iter().map(|x| -x).collect();
            let expected = (!a.is_empty() && !constant(&a)).then_some(1.0);
            prop_assert_eq!(spearman(&a, &a), expected);
            prop_assert_eq!(spearman(&a, &negated), expected.map(|one: f64| -one));
        }

        #[test]
        fn only_the_order_of_scores_counts((a, b) in tied()) {
            let transformed: Vec<f64> = a.iter().map(|x| x.exp() * 100.0).collect();
            prop_assert_eq!(spearman(&transformed, &b), spearman(&a, &b));
        }

        #[test]
        fn the_matrix_is_symmetric_to_the_bit_and_agrees_with_its_pairs((a, b) in tied()) {
            let matrix = spearman_matrix(&[&a, &b]);
            prop_assert_eq!(matrix[0][1].map(f64::to_bits), matrix[1][0].map(f64::to_bits));
            prop_assert_eq!(matrix[0][1], spearman(&a, &b));
        }
    }
}
