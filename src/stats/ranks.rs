//! Ranks and Spearman's rank correlation (table 5 of the paper).
//!
//! Ranks of tied values are averages, hence whole or half numbers. Twice a rank is an integer, and so
//! is twice its distance from the mean rank: sums of products are exact, and the correlation is
//! rounded three times in all, whatever the order of the images.

use super::order::order;

/// Computes the ranks of `values`, from 1, tied values sharing their average rank, in O(n log n).
///
/// Values must not be NaN, which the caller checks; a NaN would rank beyond the infinities.
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let offset = values.len() as i64 + 1;
    centred(values).into_iter().map(|rank| (rank + offset) as f64 / 2.0).collect()
}

/// Computes Spearman's rank correlation: Pearson's of the average ranks. `None` where a side is constant.
///
/// # Panics
/// If the slices differ in length.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = (centred(a), centred(b));
    correlation(product(&a, &b), product(&a, &a), product(&b, &b))
}

/// Computes Spearman's rank correlation between every pair of `columns`. Each column is ranked once.
///
/// `[columns, columns]`, symmetric to the bit; 1 on the diagonal, and `None` in the row and the column of a
/// constant column.
///
/// # Panics
/// If the columns differ in length.
pub fn spearman_matrix(columns: &[&[f64]]) -> Vec<Vec<Option<f64>>> {
    let ranks: Vec<Vec<i64>> = columns.iter().map(|column| centred(column)).collect();
    let squares: Vec<f64> = ranks.iter().map(|ranks| product(ranks, ranks)).collect();
    let mut matrix = vec![vec![None; ranks.len()]; ranks.len()];
    for (i, a) in ranks.iter().enumerate() {
        for (j, b) in ranks.iter().enumerate().skip(i) {
            matrix[i][j] = correlation(product(a, b), squares[i], squares[j]);
            matrix[j][i] = matrix[i][j];
        }
    }
    matrix
}

/// Twice the average rank of each value, minus twice their mean: 2 r - (n + 1). Their sum is 0.
fn centred(values: &[f64]) -> Vec<i64> {
    let mut ranks = vec![0; values.len()];
    let mean = values.len() as i64 + 1;
    let mut below = 0;
    let equal = |a: &u32, b: &u32| values[*a as usize] == values[*b as usize];
    for tied in order(values).chunk_by(equal) {
        let first_and_last = 2 * below + 1 + tied.len() as i64;
        for position in tied {
            ranks[*position as usize] = first_and_last - mean;
        }
        below += tied.len() as i64;
    }
    ranks
}

fn correlation(ab: f64, aa: f64, bb: f64) -> Option<f64> {
    (aa > 0.0 && bb > 0.0).then(|| (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0))
}

/// The sum of products of ranks, exact before it is rounded.
fn product(a: &[i64], b: &[i64]) -> f64 {
    assert_eq!(a.len(), b.len(), "columns of the same images");
    // A rank is below n, so the sum of that many products fits into 64 bits if n is at most 2^25.
    const MANY: usize = 1 << 13;
    let of_chunk = |(a, b): (&[i64], &[i64])| a.iter().zip(b).map(|(a, b)| a * b).sum::<i64>();
    let chunk = if a.len() < 1 << 25 { MANY } else { 1 };
    a.chunks(chunk).zip(b.chunks(chunk)).map(|chunks| i128::from(of_chunk(chunks))).sum::<i128>() as f64
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
