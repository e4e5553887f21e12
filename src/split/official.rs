//! Published lists of image names, such as the split of Wang et al. that other papers use. They have no
//! validation images, so these are split off from the training list, patient by patient.

use std::collections::{HashMap, HashSet};

use super::{SplitError, by_patient, fill, no_subset_empty};
use crate::random::Stream;
use crate::records::{Assignment, ImageRow, Subset};

/// Key of the random stream. Changing it changes every split.
const PURPOSE: &str = "reg split official";

/// A split by published lists, and the mismatches between lists and data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Official {
    /// One fold.
    pub assignment: Assignment,
    /// Names on a list that the data set does not contain, in the order of the lists; for example if the data
    /// set has only some of the images.
    pub unknown_names: Vec<String>,
    /// Manifest rows on neither list, ascending; the fold does not use them.
    pub unlisted: Vec<u32>,
}

/// Divides the images by two lists of names and splits off validation images from the first.
///
/// Of the `train_val` images in the data set, the share `val_fraction` validates, rounded half up: patients,
/// ordered by id, are shuffled by a stream of `seed` and fill that quota as in [`super::resample()`]. Patients
/// on both lists stay where the lists put them; [`super::leaks`] finds them.
///
/// # Errors
/// A fraction outside (0, 1), a name on both lists, a list without an image of the data set, an empty subset.
pub fn official(
    rows: &[ImageRow],
    train_val: &[String],
    test: &[String],
    val_fraction: f64,
    seed: u64,
) -> Result<Official, SplitError> {
    if !(val_fraction > 0.0 && val_fraction < 1.0) {
        return Err(SplitError::ValFraction(val_fraction));
    }
    let for_test: HashSet<&String> = test.iter().collect();
    if let Some(name) = train_val.iter().find(|name| for_test.contains(name)) {
        return Err(SplitError::InBothLists(name.clone()));
    }
    let row_of: HashMap<&str, usize> = rows.iter().map(|row| row.name.as_str()).zip(0..).collect();
    let mut codes = vec![Assignment::UNUSED; rows.len()];
    let mut unknown_names = Vec::new();
    let lists = [("training and validation", train_val, Subset::Train), ("test", test, Subset::Test)];
    for (list, names, subset) in lists {
        for name in names {
            match row_of.get(name.as_str()) {
                Some(row) => codes[*row] = subset as u8,
                None => unknown_names.push(name.clone()),
            }
        }
        if !codes.contains(&(subset as u8)) {
            return Err(SplitError::NoneFound { list, listed: names.len() });
        }
    }
    cut_validation(rows, &mut codes, val_fraction, seed);
    no_subset_empty(0, &codes)?;
    let unused = (0..).zip(&codes).filter(|(_, code)| **code == Assignment::UNUSED);
    let unlisted = unused.map(|(row, _)| row).collect();
    Ok(Official { assignment: Assignment { folds: vec![codes] }, unknown_names, unlisted })
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
    fn example() -> (Vec<ImageRow>, Vec<String>, Vec<String>) {
        let rows = rows(&[2; 20]);
        let names = |rows: &[ImageRow]| rows.iter().map(|row| row.name.to_string()).collect();
        let lists = (names(&rows[..32]), names(&rows[32..]));
        (rows, lists.0, lists.1)
    }

    #[test]
    fn test_is_as_listed_and_validation_is_cut_by_patients() {
        let (rows, train_val, test) = example();
        let split = official(&rows, &train_val, &test, 0.25, 1).unwrap();
        let sizes = &sizes(&rows, &split.assignment)[0];
        assert_eq!((sizes.train.images, sizes.val.images, sizes.test.images), (24, 8, 8));
        assert_eq!(split.assignment.rows(0, Subset::Test), (32..40).collect::<Vec<u32>>());
        assert_eq!(leaks(&rows, &split.assignment), []);
        assert_eq!((split.unknown_names.len(), split.unlisted.len()), (0, 0));
        assert_ne!(official(&rows, &train_val, &test, 0.25, 2).unwrap(), split);
    }

    #[test]
    fn the_cut_is_pinned_for_ever() {
        let (rows, train_val, test) = example();
        let split = official(&rows, &train_val, &test, 0.25, 1).unwrap();
        insta::assert_compact_debug_snapshot!(split.assignment.rows(0, Subset::Val), @"[4, 5, 6, 7, 12, 13, 14, 15]");
    }

    #[test]
    fn what_only_lists_or_only_the_data_set_know_is_reported() {
        let (rows, mut train_val, mut test) = example();
        train_val.push("elsewhere.png".into());
        test.retain(|name| rows[39].name != *name);
        let split = official(&rows, &train_val, &test, 0.1, 1).unwrap();
        assert_eq!(split.unknown_names, ["elsewhere.png"]);
        assert_eq!(split.unlisted, [39]);
        assert_eq!(split.assignment.folds[0][39], Assignment::UNUSED);
    }

    #[test]
    fn a_patient_on_both_lists_is_kept_as_listed_and_found_as_a_leak() {
        let (rows, mut train_val, mut test) = example();
        test.push(train_val.pop().unwrap());
        let split = official(&rows, &train_val, &test, 0.25, 1).unwrap();
        let leaks = leaks(&rows, &split.assignment);
        assert_eq!(leaks.len(), 1);
        assert_eq!((&leaks[0].patient, &leaks[0].images), (&16.into(), &vec![30, 31]));
        assert!(leaks[0].subsets.contains(&Subset::Test));
    }

    #[test]
    fn lists_that_make_no_split_are_refused() {
        let (rows, train_val, mut test) = example();
        let divide = |test: &[String], fraction| official(&rows, &train_val, test, fraction, 1).unwrap_err();
        for fraction in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(matches!(divide(&test, fraction), SplitError::ValFraction(_)), "{fraction}");
        }
        assert_eq!(divide(&test, 0.001), SplitError::Empty { fold: 0, subset: Subset::Val });
        assert_eq!(divide(&["x".into()], 0.1), SplitError::NoneFound { list: "test", listed: 1 });
        assert_eq!(divide(&train_val[3..4], 0.1), SplitError::InBothLists(train_val[3].clone()));
        test.clear();
        assert_eq!(divide(&test, 0.1), SplitError::NoneFound { list: "test", listed: 0 });
    }
}
