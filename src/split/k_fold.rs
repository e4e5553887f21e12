//! Cross-validation by patient: the test subsets of the folds divide the data set among them.

use super::MAX_FOLDS;
use super::{SplitError, by_patient, fill, no_subset_empty};
use crate::random::Stream;
use crate::records::{Assignment, ImageRow, Subset};

/// Key of the random stream that orders patients for the test folds. Changing it changes every split.
const PURPOSE: &str = "reg split k-fold";

/// Reads how k-fold divides what a fold does not test: `70/10`, parts for training and validation, or
/// `70/10/20`, where the last number must be the share of one of `folds` folds.
///
/// # Errors
/// [`SplitError::NotParts`], [`SplitError::ZeroRatio`], [`SplitError::TestShare`].
pub fn parse_parts(text: &str, folds: u32) -> Result<[u32; 2], SplitError> {
    let numbers: Result<Vec<u32>, _> = text.split('/').map(|share| share.trim().parse()).collect();
    parts(&numbers.map_err(|_| SplitError::NotParts(text.to_owned()))?, folds)
}

/// The same for numbers.
fn parts(numbers: &[u32], folds: u32) -> Result<[u32; 2], SplitError> {
    let shown = || numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("/");
    let ratios = match *numbers {
        [train, val] => [train, val],
        [train, val, test] => {
            let [all, folds_of] = [numbers.iter().map(|part| u64::from(*part)).sum(), u64::from(folds)];
            // Percentages are whole numbers, so the share of a fold is either of the two next to 100 / folds.
            if all != 100 || (u64::from(test) * folds_of).abs_diff(100) >= folds_of {
                return Err(SplitError::TestShare { ratios: shown(), folds });
            }
            [train, val]
        }
        _ => return Err(SplitError::NotParts(shown())),
    };
    check(ratios)?;
    Ok(ratios)
}

fn check(ratios: [u32; 2]) -> Result<(), SplitError> {
    let [train, val] = ratios;
    match (train, val) {
        (0, _) => Err(SplitError::ZeroRatio(Subset::Train)),
        (_, 0) => Err(SplitError::ZeroRatio(Subset::Val)),
        _ if u64::from(train) + u64::from(val) > 100 => Err(SplitError::NotParts(format!("{train}/{val}"))),
        _ => Ok(()),
    }
}

/// Divides the patients into `folds` test subsets, each patient in exactly one, and for each fold the remaining
/// patients into training and validation by `ratios`, parts such as 70 and 10.
///
/// Test: the patients, ordered by id, are shuffled by a stream of `seed` and then ordered by falling number of
/// images, equals as shuffled; each goes to the fold with the fewest test images so far, the first of equals.
/// So two folds differ by at most the images of one patient, and by at most one image if enough patients have
/// a single image. Validation: in each fold the remaining patients, ordered by id, are shuffled by a stream of
/// (`seed`, fold) and fill the quota, rounded half up, as in [`super::resample()`]; the others train. The order
/// of `rows` changes nothing.
///
/// # Errors
/// A part of zero, parts of more than 100 together, fewer than two or too many folds, fewer patients than folds
/// or than three, an empty subset.
pub fn k_fold(rows: &[ImageRow], ratios: [u32; 2], folds: u32, seed: u64) -> Result<Assignment, SplitError> {
    check(ratios)?;
    if !(2..=MAX_FOLDS).contains(&folds) {
        return Err(SplitError::TestFolds(folds));
    }
    let patients = by_patient(rows, 0..rows.len());
    if patients.len() < Subset::ALL.len().max(folds as usize) {
        return Err(SplitError::FewerPatientsThanFolds { patients: patients.len(), folds });
    }
    let mut order: Vec<usize> = (0..patients.len()).collect();
    Stream::new(PURPOSE, seed, &[]).shuffle(&mut order);
    order.sort_by_key(|patient| std::cmp::Reverse(patients[*patient].len()));
    let mut images = vec![0; folds as usize];
    let mut tested_in = vec![0; patients.len()];
    for patient in order {
        let fewest = (0..images.len()).min_by_key(|fold| images[*fold]).expect("there are two folds or more");
        images[fewest] += patients[patient].len();
        tested_in[patient] = fewest as u32;
    }
    let [train, val] = ratios.map(|part| part as usize);
    let divide = |fold: u32| {
        let mut codes = vec![Subset::Test as u8; rows.len()];
        let others = patients.iter().zip(&tested_in).filter(|(_, tests)| **tests != fold);
        let mut others: Vec<&[usize]> = others.map(|(rows, _)| rows.as_slice()).collect();
        Stream::new(PURPOSE, seed, &[u64::from(fold)]).shuffle(&mut others);
        let sizes: Vec<usize> = others.iter().map(|rows| rows.len()).collect();
        let left: usize = sizes.iter().sum();
        let quota = (2 * left * val + train + val) / (2 * (train + val));
        for (patient, subset) in others.into_iter().zip(fill(&sizes, &[(Subset::Val, quota)])) {
            patient.iter().for_each(|row| codes[*row] = subset as u8);
        }
        no_subset_empty(fold, &codes).map(|()| codes)
    };
    Ok(Assignment { folds: (0..folds).map(divide).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::tests::rows;
    use super::super::{leaks, sizes};
    use super::*;

    #[test]
    fn the_share_of_a_test_fold_follows_from_their_number() {
        assert_eq!(parse_parts("70/10", 5), Ok([70, 10]));
        assert_eq!(parse_parts("70/10/20", 5), Ok([70, 10]));
        assert_eq!(parse_parts("60/7/33", 3), Ok([60, 7]));
        let wrong = SplitError::TestShare { ratios: "70/10/20".into(), folds: 10 };
        assert_eq!(parse_parts("70/10/20", 10), Err(wrong));
        assert_eq!(
            parse_parts("70/20/20", 5).unwrap_err(),
            SplitError::TestShare { ratios: "70/20/20".into(), folds: 5 }
        );
        for text in ["", "70", "70/10/10/10", "0.7/0.1", "90/20"] {
            assert!(matches!(parse_parts(text, 5), Err(SplitError::NotParts(_))), "{text}");
        }
        assert_eq!(parse_parts("80/0", 5), Err(SplitError::ZeroRatio(Subset::Val)));
        assert!(parse_parts("4294967295/4294967295/4294967295", 1000).is_err(), "no overflow");
    }

    #[test]
    fn what_cannot_be_divided_into_folds_is_refused() {
        let few = |folds| SplitError::FewerPatientsThanFolds { patients: 4, folds };
        assert_eq!(k_fold(&rows(&[1; 4]), [70, 10], 5, 1), Err(few(5)));
        assert_eq!(k_fold(&rows(&[1; 4]), [70, 10], 1, 1), Err(SplitError::TestFolds(1)));
        assert_eq!(k_fold(&rows(&[1; 4]), [70, 10], 1001, 1), Err(SplitError::TestFolds(1001)));
        let empty = SplitError::Empty { fold: 0, subset: Subset::Val };
        assert_eq!(k_fold(&rows(&[1; 4]), [99, 1], 2, 1), Err(empty));
    }

    #[test]
    fn folds_are_pinned_for_ever() {
        let rows = rows(&[3, 1, 1, 5, 2, 1, 1, 1, 4, 1, 1, 2, 1, 1, 3, 1, 1]);
        let split = k_fold(&rows, [70, 10], 3, 1).unwrap();
        let folds: Vec<String> =
            split.folds.iter().map(|codes| codes.iter().map(u8::to_string).collect()).collect();
        // The figures of `src/audit/check.py`, which is written by itself.
        insta::assert_snapshot!(folds.join("\n"), @r"
        000102222200201000020220100020
        000210000022002222210002200001
        222020000000021000002110022202
        ");
    }

    proptest! {
        // The bounds are counted here from the rows, not by what divides them.
        #[test]
        fn every_patient_is_tested_once_and_folds_differ_by_at_most_one_patient(
            images in prop::collection::vec(1usize..15, 12..60), folds in 2u32..8, seed: u64
        ) {
            let rows = rows(&images);
            let split = match k_fold(&rows, [70, 10], folds, seed) {
                Ok(split) => split,
                Err(SplitError::Empty { .. }) => return Ok(()),
                Err(e) => return Err(TestCaseError::fail(e.to_string())),
            };
            prop_assert_eq!(split.folds.len(), folds as usize);
            prop_assert_eq!(leaks(&rows, &split), []);
            let mut tested: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for (fold, codes) in split.folds.iter().enumerate() {
                for (row, code) in rows.iter().zip(codes) {
                    prop_assert!(*code < Assignment::UNUSED);
                    if *code == Subset::Test as u8 {
                        tested.entry(row.patient.to_string()).or_default().push(fold);
                    }
                }
            }
            prop_assert_eq!(tested.len(), images.len());
            for folds in tested.values() {
                prop_assert!(folds.windows(2).all(|pair| pair[0] == pair[1]), "{folds:?}");
            }
            prop_assert_eq!(tested.values().map(Vec::len).sum::<usize>(), rows.len());
            let largest = *images.iter().max().unwrap() as i64;
            let counts = sizes(&rows, &split);
            let tests = counts.iter().map(|fold| fold.test.images as i64);
            let (most, fewest) = (tests.clone().max().unwrap(), tests.min().unwrap());
            prop_assert!(most - fewest <= largest, "{most} and {fewest}");
            for fold in counts {
                let left = (fold.train.images + fold.val.images) as f64;
                let off = (fold.val.images as f64 - left * 10.0 / 80.0).abs();
                prop_assert!(off <= largest as f64 / 2.0 + 0.5, "{off}");
            }
        }

        #[test]
        fn the_order_of_rows_changes_no_fold(
            images in prop::collection::vec(1usize..8, 12..40), seed: u64, order: u64
        ) {
            let sorted = rows(&images);
            let mut positions: Vec<usize> = (0..sorted.len()).collect();
            Stream::new("reg test", order, &[]).shuffle(&mut positions);
            let shuffled: Vec<ImageRow> = positions.iter().map(|p| sorted[*p].clone()).collect();
            let (a, b) = (k_fold(&sorted, [70, 10], 3, seed), k_fold(&shuffled, [70, 10], 3, seed));
            let mapped = a.map(|a| Assignment {
                folds: a.folds.iter().map(|fold| positions.iter().map(|p| fold[*p]).collect()).collect(),
            });
            prop_assert_eq!(mapped, b);
        }
    }
}
