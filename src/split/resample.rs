//! Random subsets by patient, five times in the paper: 70 % of the images train, 10 % validate, 20 % test.

use super::{SplitError, by_patient, fill, no_subset_empty};
use crate::random::Stream;
use crate::records::{Assignment, ImageRow, Subset};

/// Maximum number of divisions of a split.
pub const MAX_FOLDS: u32 = 1000;
/// Key of the random stream. Changing it changes every split.
const PURPOSE: &str = "reg split";

/// Reads shares such as `70/10/20`: percentages for training, validation and test.
///
/// # Errors
/// [`SplitError::NotRatios`], [`SplitError::Sum`], [`SplitError::ZeroRatio`].
pub fn parse_ratios(text: &str) -> Result<[u32; 3], SplitError> {
    let not_ratios = || SplitError::NotRatios(text.to_owned());
    let shares: Result<Vec<u32>, _> = text.split('/').map(|share| share.trim().parse()).collect();
    let ratios = shares.map_err(|_| not_ratios())?.try_into().map_err(|_| not_ratios())?;
    check_ratios(ratios)?;
    Ok(ratios)
}

fn check_ratios(ratios: [u32; 3]) -> Result<(), SplitError> {
    if ratios.iter().map(|share| u64::from(*share)).sum::<u64>() != 100 {
        return Err(SplitError::Sum(ratios));
    }
    match Subset::ALL.into_iter().find(|subset| ratios[*subset as usize] == 0) {
        Some(subset) => Err(SplitError::ZeroRatio(subset)),
        None => Ok(()),
    }
}

/// Draws `folds` independent re-samplings of the images, with each patient in one subset.
///
/// `ratios` are percentages of the *images* for training, validation and test. Test and validation are
/// quotas, rounded half up; the remaining images train. In each fold the patients, ordered by id, are shuffled
/// by a stream of (`seed`, fold) and fill the test quota, then the validation quota: each subset differs from
/// its quota by at most the images of the largest patient, and meets it exactly if enough patients have one
/// image. A fold depends neither on the number of other folds nor on the order of `rows`.
///
/// # Errors
/// Ratios that do not add up to 100 or contain a zero, no or too many folds, fewer than three patients, an
/// empty subset.
pub fn resample(
    rows: &[ImageRow],
    ratios: [u32; 3],
    folds: u32,
    seed: u64,
) -> Result<Assignment, SplitError> {
    check_ratios(ratios)?;
    if !(1..=MAX_FOLDS).contains(&folds) {
        return Err(SplitError::Folds(folds));
    }
    let patients = by_patient(rows, 0..rows.len());
    if patients.len() < Subset::ALL.len() {
        return Err(SplitError::TooFewPatients(patients.len()));
    }
    let quota = |subset: Subset| (subset, (rows.len() * ratios[subset as usize] as usize + 50) / 100);
    let quotas = [quota(Subset::Test), quota(Subset::Val)];
    let draw = |fold: u32| {
        let mut patients: Vec<&[usize]> = patients.iter().map(Vec::as_slice).collect();
        Stream::new(PURPOSE, seed, &[u64::from(fold)]).shuffle(&mut patients);
        let sizes: Vec<usize> = patients.iter().map(|rows| rows.len()).collect();
        let mut codes = vec![Assignment::UNUSED; rows.len()];
        for (patient, subset) in patients.into_iter().zip(fill(&sizes, &quotas)) {
            patient.iter().for_each(|row| codes[*row] = subset as u8);
        }
        no_subset_empty(fold, &codes).map(|()| codes)
    };
    Ok(Assignment { folds: (0..folds).map(draw).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::rows;
    use super::super::{leaks, sizes};
    use super::*;

    const RATIOS: [u32; 3] = [70, 10, 20];

    #[test]
    fn ratios_are_read_as_percentages() {
        assert_eq!(parse_ratios("70/10/20"), Ok(RATIOS));
        assert_eq!(parse_ratios(" 80 / 10 / 10 "), Ok([80, 10, 10]));
        for wrong in ["", "70", "70/30", "70/10/10/10", "0.7/0.1/0.2", "-70/10/160", "70/10/20%"] {
            assert_eq!(parse_ratios(wrong), Err(SplitError::NotRatios(wrong.into())));
        }
        assert_eq!(parse_ratios("70/20/20"), Err(SplitError::Sum([70, 20, 20])));
        let largest = u32::MAX;
        assert_eq!(
            parse_ratios("4294967295/4294967295/1"),
            Err(SplitError::Sum([largest, largest, 1])),
            "the sum must not wrap"
        );
        assert_eq!(parse_ratios("80/0/20"), Err(SplitError::ZeroRatio(Subset::Val)));
    }

    #[test]
    fn what_cannot_be_divided_is_refused() {
        let many = rows(&[1; 50]);
        assert_eq!(resample(&many, [60, 10, 20], 1, 0), Err(SplitError::Sum([60, 10, 20])));
        assert_eq!(resample(&many, [0, 50, 50], 1, 0), Err(SplitError::ZeroRatio(Subset::Train)));
        assert_eq!(resample(&many, RATIOS, 0, 0), Err(SplitError::Folds(0)));
        assert_eq!(resample(&many, RATIOS, 1001, 0), Err(SplitError::Folds(1001)));
        assert_eq!(resample(&rows(&[50, 50]), RATIOS, 1, 0), Err(SplitError::TooFewPatients(2)));
        assert_eq!(resample(&[], RATIOS, 1, 0), Err(SplitError::TooFewPatients(0)));
        let empty = SplitError::Empty { fold: 0, subset: Subset::Val };
        assert_eq!(resample(&rows(&[1; 4]), RATIOS, 1, 0), Err(empty));
    }

    #[test]
    fn a_split_is_pinned_for_ever() {
        let rows = rows(&[3, 1, 1, 5, 2, 1, 1, 1, 4, 1, 1, 2, 1, 1, 3, 1, 1]);
        let split = resample(&rows, RATIOS, 3, 1).unwrap();
        let folds: Vec<String> =
            split.folds.iter().map(|codes| codes.iter().map(u8::to_string).collect()).collect();
        insta::assert_snapshot!(folds.join("\n"), @r"
        000200000022000000022000211100
        000000000000000222200002011102
        000010000000010000021002222200
        ");
    }

    #[test]
    fn quotas_are_met_exactly_where_enough_patients_have_one_image() {
        let mut images = vec![1; 300];
        images.extend([40, 30, 20, 10]);
        for fold in sizes(&rows(&images), &resample(&rows(&images), RATIOS, 5, 3).unwrap()) {
            assert_eq!([fold.train.images, fold.val.images, fold.test.images], [280, 40, 80]);
        }
    }

    #[test]
    fn seeds_and_folds_draw_differently_and_more_folds_change_none() {
        let rows = rows(&[2; 60]);
        let five = resample(&rows, RATIOS, 5, 1).unwrap().folds;
        assert_ne!(five[0], five[1]);
        assert_ne!(five, resample(&rows, RATIOS, 5, 2).unwrap().folds);
        assert_eq!(five[..2], resample(&rows, RATIOS, 2, 1).unwrap().folds);
    }

    fn ratios() -> impl Strategy<Value = [u32; 3]> {
        (1u32..99).prop_flat_map(|val| (1..100 - val).prop_map(move |test| [100 - val - test, val, test]))
    }

    proptest! {
        #[test]
        fn every_subset_is_within_the_largest_patient_of_its_quota_and_no_patient_is_in_two(
            images in prop::collection::vec(1usize..15, 3..60), ratios in ratios(), seed: u64
        ) {
            let rows = rows(&images);
            let split = match resample(&rows, ratios, 2, seed) {
                Ok(split) => split,
                Err(SplitError::Empty { .. }) => return Ok(()),
                Err(e) => return Err(TestCaseError::fail(e.to_string())),
            };
            prop_assert_eq!(leaks(&rows, &split), []);
            let largest = *images.iter().max().unwrap() as i64;
            let quota = |subset: Subset| (rows.len() as i64 * i64::from(ratios[subset as usize]) + 50) / 100;
            let (val, test) = (quota(Subset::Val), quota(Subset::Test));
            for fold in sizes(&rows, &split) {
                let counts = [fold.train, fold.val, fold.test].map(|size| size.images as i64);
                prop_assert_eq!(counts.iter().sum::<i64>(), rows.len() as i64);
                for (count, quota) in counts.into_iter().zip([rows.len() as i64 - val - test, val, test]) {
                    prop_assert!((count - quota).abs() <= largest, "{count} instead of {quota}");
                }
            }
        }

        #[test]
        fn the_order_of_rows_changes_nothing(
            images in prop::collection::vec(1usize..8, 12..40), seed: u64, order: u64
        ) {
            let sorted = rows(&images);
            let mut positions: Vec<usize> = (0..sorted.len()).collect();
            Stream::new("reg test", order, &[]).shuffle(&mut positions);
            let shuffled: Vec<ImageRow> = positions.iter().map(|p| sorted[*p].clone()).collect();
            let (a, b) = (resample(&sorted, RATIOS, 2, seed), resample(&shuffled, RATIOS, 2, seed));
            let mapped = a.map(|a| Assignment {
                folds: a.folds.iter().map(|fold| positions.iter().map(|p| fold[*p]).collect()).collect(),
            });
            prop_assert_eq!(mapped, b);
        }
    }
}
