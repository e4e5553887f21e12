//! Checks a split: sizes, prevalence, and patients in more than one subset.
//!
//! An assignment must belong to the given manifest rows: one code per image.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Patients;
use crate::hash::Hash;
use crate::records::{Assignment, FoldSizes, ImageRow, LabelCounts, PatientId, Subset, SubsetSize};

/// A patient in more than one subset of a fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// Fold, from 0.
    pub fold: u32,
    /// The patient.
    pub patient: PatientId,
    /// The subsets with images of the patient, two or three.
    pub subsets: Vec<Subset>,
    /// Manifest rows of these images, ascending.
    pub images: Vec<u32>,
}

/// The same image under several patients, in more than one subset of a fold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct SharedImage {
    /// Fold, from 0.
    pub fold: u32,
    /// The subsets with the image, two or three.
    pub subsets: Vec<Subset>,
    /// Manifest rows of the image, ascending.
    pub images: Vec<u32>,
}

/// Prevalence of each label in one subset of a fold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubsetPrevalence {
    /// The subset.
    pub subset: Subset,
    /// Number of its images.
    pub images: u64,
    /// One per label.
    pub labels: Vec<LabelFrequency>,
}

/// Prevalence of a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelFrequency {
    /// Name.
    pub label: String,
    /// Number of images with the label.
    pub positives: u64,
    /// Their share of the images whose label is known; `None` without such images.
    pub prevalence: Option<f64>,
    /// Number of images whose label is missing; `None` if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
}

/// The images that a fold uses: manifest row, image, subset.
fn used<'a>(rows: &'a [ImageRow], codes: &'a [u8]) -> impl Iterator<Item = (u32, &'a ImageRow, Subset)> {
    let subset = |code: u8| Subset::ALL.get(usize::from(code)).copied();
    let coded = (0..).zip(rows).zip(codes);
    coded.filter_map(move |((row, image), code)| Some((row, image, subset(*code)?)))
}

/// Counts images and patients of each subset, one per fold.
pub fn sizes(rows: &[ImageRow], assignment: &Assignment) -> Vec<FoldSizes> {
    let patients = Patients::of(rows);
    let of_fold = |codes: &Vec<u8>| {
        let mut seen = [(); 3].map(|()| vec![false; patients.all.len()]);
        let mut images = [0; 3];
        for (row, _, subset) in used(rows, codes) {
            images[subset as usize] += 1;
            seen[subset as usize][patients.of_row[row as usize] as usize] = true;
        }
        let size = |subset: Subset| SubsetSize {
            images: images[subset as usize],
            patients: seen[subset as usize].iter().filter(|seen| **seen).count() as u64,
        };
        FoldSizes { train: size(Subset::Train), val: size(Subset::Val), test: size(Subset::Test) }
    };
    assignment.folds.iter().map(of_fold).collect()
}

/// Finds the patients who are in more than one subset of a fold, by fold and patient.
pub fn leaks(rows: &[ImageRow], assignment: &Assignment) -> Vec<Leak> {
    let patients = Patients::of(rows);
    let of_fold = |(fold, codes): (u32, &Vec<u8>)| {
        // One byte per patient, with one bit per subset.
        let mut subsets = vec![0u8; patients.all.len()];
        let patient = |row: u32| patients.of_row[row as usize] as usize;
        used(rows, codes).for_each(|(row, _, subset)| subsets[patient(row)] |= 1 << subset as u8);
        let mut leaking: BTreeMap<usize, Vec<u32>> = (0..subsets.len())
            .filter(|of| subsets[*of].count_ones() > 1)
            .map(|of| (of, Vec::new()))
            .collect();
        for (row, ..) in used(rows, codes) {
            if let Some(images) = leaking.get_mut(&patient(row)) {
                images.push(row);
            }
        }
        let leak = |(of, images): (usize, _)| Leak {
            fold,
            patient: patients.all[of].clone(),
            subsets: Subset::ALL.into_iter().filter(|subset| subsets[of] >> *subset as u8 & 1 == 1).collect(),
            images,
        };
        leaking.into_iter().map(leak).collect::<Vec<_>>()
    };
    (0..).zip(&assignment.folds).flat_map(of_fold).collect()
}

/// Finds images that are in more than one subset of a fold under different patients, by fold and first row.
///
/// Two rows are the same image if `identity` gives both the same hash: of the file, or of the pixels. Rows without one
/// are not compared. Images of one patient are left to [`leaks`].
pub fn shared_images(
    rows: &[ImageRow],
    assignment: &Assignment,
    identity: impl Fn(&ImageRow) -> Option<Hash>,
) -> Vec<SharedImage> {
    let mut by_image: BTreeMap<Hash, Vec<u32>> = BTreeMap::new();
    for (number, row) in (0..).zip(rows) {
        if let Some(image) = identity(row) {
            by_image.entry(image).or_default().push(number);
        }
    }
    by_image.retain(|_, images| {
        images.iter().any(|row| rows[*row as usize].patient != rows[images[0] as usize].patient)
    });
    let mut shared = Vec::new();
    for (fold, codes) in (0..).zip(&assignment.folds) {
        for of_image in by_image.values() {
            let subset = |row: &u32| Subset::ALL.get(usize::from(codes[*row as usize])).copied();
            let images: Vec<u32> = of_image.iter().copied().filter(|row| subset(row).is_some()).collect();
            let is_in = |wanted: &Subset| images.iter().any(|row| subset(row) == Some(*wanted));
            let subsets: Vec<Subset> = Subset::ALL.into_iter().filter(is_in).collect();
            let first = images.first().map(|row| &rows[*row as usize].patient);
            let several = images.iter().any(|row| Some(&rows[*row as usize].patient) != first);
            if subsets.len() > 1 && several {
                shared.push(SharedImage { fold, subsets, images });
            }
        }
    }
    shared.sort_by(|a, b| (a.fold, &a.images).cmp(&(b.fold, &b.images)));
    shared
}

/// Counts the positives of each label in training, validation and test, one per fold.
///
/// `labels` are the data set's, in the order of [`ImageRow::labels`]. Images whose label is missing count neither as
/// positive nor as negative.
pub fn prevalence(
    rows: &[ImageRow],
    labels: &[String],
    assignment: &Assignment,
) -> Vec<[SubsetPrevalence; 3]> {
    let of_fold = |codes: &Vec<u8>| {
        let mut images = [0u64; 3];
        let mut counts = [(); 3].map(|()| LabelCounts::new(labels.len()));
        for (_, image, subset) in used(rows, codes) {
            images[subset as usize] += 1;
            counts[subset as usize].add(&image.labels);
        }
        Subset::ALL.map(|subset| {
            let total = images[subset as usize];
            let LabelCounts { positives, missing } = &counts[subset as usize];
            let of_label = |(place, label): (usize, &String)| {
                let (positives, missing) = (positives[place], missing[place]);
                let known = total - missing;
                LabelFrequency {
                    label: label.clone(),
                    positives,
                    prevalence: (known > 0).then(|| positives as f64 / known as f64),
                    missing: (missing > 0).then_some(missing),
                }
            };
            SubsetPrevalence {
                subset,
                images: total,
                labels: labels.iter().enumerate().map(of_label).collect(),
            }
        })
    };
    assignment.folds.iter().map(of_fold).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::rows;
    use super::*;
    use crate::records::LabelValues;

    #[test]
    fn unused_images_count_nowhere_and_leak_nothing() {
        let rows = rows(&[2, 2]);
        let split = Assignment { folds: vec![vec![0, 3, 2, 2]] };
        let size = |images, patients| SubsetSize { images, patients };
        let expected = FoldSizes { train: size(1, 1), val: size(0, 0), test: size(2, 1) };
        assert_eq!(sizes(&rows, &split), [expected]);
        assert_eq!(leaks(&rows, &split), []);
    }

    #[test]
    fn a_leak_names_fold_patient_subsets_and_images() {
        let rows = rows(&[1, 3]);
        let split = Assignment { folds: vec![vec![0, 1, 1, 1], vec![1, 2, 2, 0]] };
        let subsets = vec![Subset::Train, Subset::Test];
        assert_eq!(
            leaks(&rows, &split),
            [Leak { fold: 1, patient: 2.into(), subsets, images: vec![1, 2, 3] }]
        );
    }

    #[test]
    fn prevalence_is_counted_by_subset_and_undefined_without_images() {
        let mut rows = rows(&[1, 1, 1]);
        rows[0].labels = LabelValues::of(&[Some(false), Some(true)]);
        rows[1].labels = LabelValues::of(&[Some(false), Some(false)]);
        rows[2].labels = LabelValues::of(&[Some(true), Some(true)]);
        let labels = ["Mass".to_owned(), "Hernia".to_owned()];
        let folds = prevalence(&rows, &labels, &Assignment { folds: vec![vec![0, 0, 2]] });
        let shares = folds[0].each_ref().map(|subset| {
            let labels = subset.labels.iter().map(|l| (l.positives, l.prevalence));
            (subset.images, labels.collect::<Vec<_>>())
        });
        assert_eq!(shares[0], (2, vec![(0, Some(0.0)), (1, Some(0.5))]));
        assert_eq!(shares[1], (0, vec![(0, None), (0, None)]));
        assert_eq!(shares[2], (1, vec![(1, Some(1.0)), (1, Some(1.0))]));
    }

    #[test]
    fn prevalence_is_the_share_of_known_labels() {
        let mut rows = rows(&[1, 1, 1, 1]);
        for (row, label) in rows.iter_mut().zip([Some(true), Some(false), None, None]) {
            row.labels = LabelValues::of(&[label]);
        }
        let folds = prevalence(&rows, &["Mass".to_owned()], &Assignment { folds: vec![vec![0, 0, 0, 2]] });
        let counts = folds[0].each_ref().map(|subset| {
            let LabelFrequency { positives, prevalence, missing, .. } = &subset.labels[0];
            (subset.images, *positives, *prevalence, *missing)
        });
        assert_eq!(counts, [(3, 1, Some(0.5), Some(1)), (0, 0, None, None), (1, 0, None, Some(1))]);
    }
}
