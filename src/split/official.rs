//! Published lists of image names, such as the split of Wang et al. that other papers use. They have no
//! validation images, so these are split off from the training list, patient by patient.

use std::collections::HashSet;

use super::{SplitError, by_patient, fill, no_subset_empty};
use crate::dataset::lists::ListedImages;
use crate::random::Stream;
use crate::records::{Assignment, ImageRow, Subset};

/// Key of the random stream. Changing it changes every split.
const PURPOSE: &str = "reg split official";

/// A split by published lists, and the mismatches between lists and data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Official {
    /// One fold.
    pub assignment: Assignment,
    /// Manifest rows on neither list, ascending; the fold does not use them.
    pub unlisted: Vec<u32>,
}

/// Divides the images by two lists of them and splits off validation images from the first.
///
/// Of the `train_val` images in the data set, the share `val_fraction` validates, rounded half up: patients,
/// ordered by id, are shuffled by a stream of `seed` and fill that quota as in [`super::resample()`]. Patients
/// on both lists stay where the lists put them; [`super::leaks`] finds them.
///
/// # Errors
/// A fraction outside (0, 1), an image on both lists, a list without an image of the data set, an empty subset.
pub fn official(
    rows: &[ImageRow],
    train_val: &ListedImages,
    test: &ListedImages,
    val_fraction: f64,
    seed: u64,
) -> Result<Official, SplitError> {
    if !(val_fraction > 0.0 && val_fraction < 1.0) {
        return Err(SplitError::ValFraction(val_fraction));
    }
    let for_test: HashSet<u32> = test.rows.iter().copied().collect();
    if let Some(row) = train_val.rows.iter().find(|row| for_test.contains(row)) {
        return Err(SplitError::InBothLists(rows[*row as usize].name.to_string()));
    }
    let mut codes = vec![Assignment::UNUSED; rows.len()];
    let lists = [("training and validation", train_val, Subset::Train), ("test", test, Subset::Test)];
    for (list, images, subset) in lists {
        if images.rows.is_empty() {
            return Err(SplitError::NoneFound { list, listed: images.listed() });
        }
        images.rows.iter().for_each(|row| codes[*row as usize] = subset as u8);
    }
    cut_validation(rows, &mut codes, val_fraction, seed);
    no_subset_empty(0, &codes)?;
    let unused = (0..).zip(&codes).filter(|(_, code)| **code == Assignment::UNUSED);
    let unlisted = unused.map(|(row, _)| row).collect();
    Ok(Official { assignment: Assignment { folds: vec![codes] }, unlisted })
}

fn cut_validation(rows: &[ImageRow], codes: &mut [u8], fraction: f64, seed: u64) {
    let training = (0..rows.len()).filter(|row| codes[*row] == Subset::Train as u8);
    let mut patients = by_patient(rows, training);
    Stream::new(PURPOSE, seed, &[]).shuffle(&mut patients);
    let sizes: Vec<usize> = patients.iter().map(Vec::len).collect();
    let quota = (sizes.iter().sum::<usize>() as f64 * fraction).round() as usize;
    for (patient, subset) in patients.iter().zip(fill(&sizes, &[(Subset::Val, quota)])) {
        patient.iter().for_each(|row| codes[*row] = subset as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::rows;
    use super::super::{leaks, sizes};
    use super::*;

    /// Twenty patients with two images each; the first sixteen train and validate.
    fn example() -> (Vec<ImageRow>, ListedImages, ListedImages) {
        let listed =
            |rows: std::ops::Range<u32>| ListedImages { rows: rows.collect(), ..ListedImages::default() };
        (rows(&[2; 20]), listed(0..32), listed(32..40))
    }

    #[test]
    fn test_is_as_listed_and_validation_is_cut_by_patients() {
        let (rows, train_val, test) = example();
        let split = official(&rows, &train_val, &test, 0.25, 1).unwrap();
        let sizes = &sizes(&rows, &split.assignment)[0];
        assert_eq!((sizes.train.images, sizes.val.images, sizes.test.images), (24, 8, 8));
        assert_eq!(split.assignment.rows(0, Subset::Test), (32..40).collect::<Vec<u32>>());
        assert_eq!(leaks(&rows, &split.assignment), []);
        assert!(split.unlisted.is_empty());
        assert_ne!(official(&rows, &train_val, &test, 0.25, 2).unwrap(), split);
    }

    #[test]
    fn the_cut_is_pinned_for_ever() {
        let (rows, train_val, test) = example();
        let split = official(&rows, &train_val, &test, 0.25, 1).unwrap();
        insta::assert_compact_debug_snapshot!(split.assignment.rows(0, Subset::Val), @"[4, 5, 6, 7, 12, 13, 14, 15]");
    }

    #[test]
    fn what_only_the_data_set_knows_is_reported() {
        let (rows, train_val, mut test) = example();
        test.rows.retain(|row| *row != 39);
        let split = official(&rows, &train_val, &test, 0.1, 1).unwrap();
        assert_eq!(split.unlisted, [39]);
        assert_eq!(split.assignment.folds[0][39], Assignment::UNUSED);
    }

    #[test]
    fn a_patient_on_both_lists_is_kept_as_listed_and_found_as_a_leak() {
        let (rows, mut train_val, mut test) = example();
        test.rows.push(train_val.rows.pop().unwrap());
        let split = official(&rows, &train_val, &test, 0.25, 1).unwrap();
        let leaks = leaks(&rows, &split.assignment);
        assert_eq!(leaks.len(), 1);
        assert_eq!((&leaks[0].patient, &leaks[0].images), (&16.into(), &vec![30, 31]));
        assert!(leaks[0].subsets.contains(&Subset::Test));
    }

    #[test]
    fn lists_that_make_no_split_are_refused() {
        let (rows, train_val, mut test) = example();
        let divide =
            |test: &ListedImages, fraction| official(&rows, &train_val, test, fraction, 1).unwrap_err();
        for fraction in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(matches!(divide(&test, fraction), SplitError::ValFraction(_)), "{fraction}");
        }
        assert_eq!(divide(&test, 0.001), SplitError::Empty { fold: 0, subset: Subset::Val });
        let unknown = ListedImages { unknown: vec!["x".into()], ..ListedImages::default() };
        assert_eq!(divide(&unknown, 0.1), SplitError::NoneFound { list: "test", listed: 1 });
        let third = ListedImages { rows: vec![3], ..ListedImages::default() };
        assert_eq!(divide(&third, 0.1), SplitError::InBothLists(rows[3].name.to_string()));
        test.rows.clear();
        assert_eq!(divide(&test, 0.1), SplitError::NoneFound { list: "test", listed: 0 });
    }
}
