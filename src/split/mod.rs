//! Division of a data set into training, validation and test images, patient by patient.
//!
//! Images of one patient look alike, so a patient belongs to one subset only: a model would be overrated on
//! patients that it has seen in training. Everything here is a function of manifest rows and a seed, without a
//! registry; a recorded split must always come out the same (a test pins one).

mod check;
mod k_fold;
mod known_leaks;
mod lists;
mod official;
mod register;
mod resample;
mod scheme;

pub use check::{
    LabelFrequency, Leak, SharedImage, SubsetPrevalence, leaks, prevalence, shared_images, sizes,
};
pub use k_fold::{k_fold, parse_parts};
pub use known_leaks::{DivisionLeaks, SeenInTest, known_leaks, leak_sentences};
pub use lists::{OFFICIAL, PublishedLists, names_hash};
pub use official::{Official, official};
pub(crate) use register::draw;
pub use register::{Lists, RegisterError, Registered, import, make};
pub use resample::{MAX_FOLDS, parse_ratios, resample};
pub use scheme::Scheme;

use std::collections::HashMap;

use crate::digits::{counted, thousands};
use crate::records::{ImageRow, PatientId, Subset};

/// Why a data set cannot be divided as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// Not three whole numbers.
    #[error("`{0}` is not a ratio of training, validation and test images")]
    NotRatios(String),
    /// Shares that do not add up to 100.
    #[error("the ratios {}/{}/{} add up to {}, not 100", .0[0], .0[1], .0[2], .0.iter().map(|r| u64::from(*r)).sum::<u64>())]
    Sum([u32; 3]),
    /// A share of zero; training needs all three subsets.
    #[error("a share of zero leaves no images for {}", .0.name())]
    ZeroRatio(Subset),
    /// No fold, or too many.
    #[error("a split has between 1 and {} re-samplings, not {}", thousands(MAX_FOLDS.into()), thousands((*.0).into()))]
    Folds(u32),
    /// Not the parts of what a test fold leaves.
    #[error("`{0}` does not divide the images that a fold leaves into training and validation")]
    NotParts(String),
    /// Three shares, the last of which is not that of a fold.
    #[error("the ratios {ratios} do not fit {folds} folds, each of which tests 1/{folds} of the images")]
    TestShare {
        /// As given.
        ratios: String,
        /// Number of folds.
        folds: u32,
    },
    /// No fold to train on, or too many.
    #[error("k-fold has between 2 and {} folds, not {}", thousands(MAX_FOLDS.into()), thousands((*.0).into()))]
    TestFolds(u32),
    /// A fold without patients.
    #[error(
        "{} into three subsets need at least {} patients; the data set has {}",
        counted((*folds).into(), "division"),
        thousands((*folds).max(3).into()),
        thousands(*patients as u64)
    )]
    FewerPatientsThanFolds {
        /// In the data set.
        patients: usize,
        /// Number of folds.
        folds: u32,
    },
    /// Fewer patients than subsets.
    #[error("three subsets need at least 3 patients; the data set has {0}")]
    TooFewPatients(usize),
    /// An empty subset.
    #[error("division {fold} of the split would have no {} images", .subset.name())]
    Empty {
        /// Fold, from 0.
        fold: u32,
        /// The empty subset.
        subset: Subset,
    },
    /// A name on both lists.
    #[error("`{0}` is listed both for training and for test")]
    InBothLists(String),
    /// A list of names that are not in the data set.
    #[error("the data set has none of the {} listed for {list}", counted(*listed as u64, "image"))]
    NoneFound {
        /// `training and validation` or `test`.
        list: &'static str,
        /// Names on the list.
        listed: usize,
    },
    /// A validation share outside (0, 1).
    #[error("a validation share of {0} is not possible")]
    ValFraction(f64),
    /// The split divides another data set.
    #[error("split {split} belongs to data set {divides}, not {dataset}")]
    OtherDataset {
        /// The split.
        split: String,
        /// The data set that it divides.
        divides: String,
        /// The requested data set.
        dataset: String,
    },
    /// The split has fewer folds.
    #[error("split {split} has no fold or re-sampling {fold}: {}", given(*folds))]
    NoSuchFold {
        /// The split.
        split: String,
        /// Its number of folds.
        folds: usize,
        /// The requested fold.
        fold: u32,
    },
    /// A split with several folds, none of which was given.
    #[error("split {split} has {}: give the one that was scored", counted(*folds as u64, "division"))]
    WhichFold {
        /// The split.
        split: String,
        /// Its number of folds.
        folds: usize,
    },
}

/// The folds that can be given.
fn given(folds: usize) -> String {
    match folds {
        0 | 1 => "give --fold 0".to_owned(),
        folds => format!("give --fold 0 to {}", thousands(folds as u64 - 1)),
    }
}

impl SplitError {
    /// A hint.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            SplitError::NotRatios(_) | SplitError::Sum(_) => "write percentages such as 70/10/20",
            SplitError::ZeroRatio(Subset::Val) => {
                "validation images are needed to select the best epoch; the paper uses 70/10/20"
            }
            SplitError::ZeroRatio(_) => "give each subset a share, such as 70/10/20",
            SplitError::Folds(_) => "the paper uses five re-samplings",
            SplitError::NotParts(_) | SplitError::TestShare { .. } => {
                "give parts for training and validation, such as --ratios 70/10; the test share follows from the number of folds"
            }
            SplitError::TestFolds(_) => "give --folds 5 or --folds 10",
            SplitError::FewerPatientsThanFolds { .. } => "give fewer --folds, or ingest more patients",
            SplitError::TooFewPatients(_) => {
                "all images of a patient stay in one subset: ingest more patients"
            }
            SplitError::Empty { .. } => "ingest more patients, or give this subset a larger share",
            SplitError::InBothLists(_) => "remove the name from one of the lists",
            SplitError::NoneFound { .. } => "a list has one `Image Index` per line, such as 00000001_000.png",
            SplitError::ValFraction(_) => "give a fraction between 0 and 1, such as 0.1",
            SplitError::WhichFold { .. } => "give --fold K, counted from 0",
            SplitError::OtherDataset { .. } => "`reg list split` shows the data set of each split",
            SplitError::NoSuchFold { .. } => return None,
        })
    }
}

/// The patients of some images in order, and for each image the index of its patient.
struct Patients<'a> {
    all: Vec<&'a PatientId>,
    of_row: Vec<u32>,
}

impl<'a> Patients<'a> {
    fn of(rows: &'a [ImageRow]) -> Self {
        let mut numbers = HashMap::new();
        let mut of_row = Vec::with_capacity(rows.len());
        for row in rows {
            let next = numbers.len() as u32;
            of_row.push(*numbers.entry(&row.patient).or_insert(next));
        }
        let mut all: Vec<(&PatientId, u32)> = numbers.into_iter().collect();
        all.sort_unstable();
        let mut places = vec![0; all.len()];
        (0..).zip(&all).for_each(|(place, (_, number))| places[*number as usize] = place);
        of_row.iter_mut().for_each(|number| *number = places[*number as usize]);
        Patients { all: all.into_iter().map(|(patient, _)| patient).collect(), of_row }
    }
}

/// The manifest rows of each patient, ordered by patient.
fn by_patient(rows: &[ImageRow], wanted: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
    let patients = Patients::of(rows);
    let mut by_patient = vec![Vec::new(); patients.all.len()];
    for row in wanted {
        by_patient[patients.of_row[row] as usize].push(row);
    }
    by_patient.retain(|rows| !rows.is_empty());
    by_patient
}

/// Assigns whole patients to subsets, in the given order, by their number of images; the remaining patients
/// train.
///
/// Each patient goes to the first of `quotas` that still has room for all images of the patient. As long as
/// there are patients with a single image, as in ChestX-ray14, the quotas are met exactly. Only for patients
/// near the end of a quota, a handful among thousands, does the number of images matter, so the subsets do not
/// differ in images per patient: over 200 folds of ChestX-ray14, training has 3.641, validation 3.645 +- 0.008,
/// test 3.631 +- 0.006.
///
/// If a quota is not met, every training patient has more images than are missing. Then the smallest of these
/// patients is moved if that reduces the error. So a quota is missed by at most half the images of one patient,
/// and the training images deviate by at most those of the largest patient.
fn fill(sizes: &[usize], quotas: &[(Subset, usize)]) -> Vec<Subset> {
    let mut room = quotas.to_vec();
    let mut place = |size: &usize| match room.iter_mut().find(|(_, room)| size <= room) {
        Some((subset, room)) => {
            *room -= size;
            *subset
        }
        None => Subset::Train,
    };
    let mut subsets: Vec<Subset> = sizes.iter().map(&mut place).collect();
    for (subset, lacking) in room {
        let training = (0..sizes.len()).filter(|i| subsets[*i] == Subset::Train);
        if let Some(smallest) = training.min_by_key(|i| sizes[*i])
            && sizes[smallest] < 2 * lacking
        {
            subsets[smallest] = subset;
        }
    }
    subsets
}

/// Refuses a fold with an empty subset.
fn no_subset_empty(fold: u32, codes: &[u8]) -> Result<(), SplitError> {
    match Subset::ALL.into_iter().find(|subset| !codes.contains(&(*subset as u8))) {
        Some(subset) => Err(SplitError::Empty { fold, subset }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Sha256;
    use crate::records::{Gender, LabelValues, ViewPosition};

    /// Images of patients 1, 2, …: `images` has the number for each; sorted by name.
    pub(super) fn rows(images: &[usize]) -> Vec<ImageRow> {
        let of_patient = |(patient, images): (u32, &usize)| (0..*images as u32).map(move |i| row(patient, i));
        (1..).zip(images).flat_map(of_patient).collect()
    }

    pub(super) fn row(patient: u32, follow_up: u32) -> ImageRow {
        ImageRow {
            name: format!("{patient:08}_{follow_up:03}.png").parse().unwrap(),
            object: None,
            sha256: Sha256([0; 32]),
            bytes: 0,
            width: 0,
            height: 0,
            row: 1,
            patient: patient.into(),
            study: None,
            follow_up: Some(follow_up),
            age: None,
            gender: Gender::Female,
            view: ViewPosition::PA,
            labels: LabelValues::negative(15),
        }
    }

    #[test]
    fn patients_fill_the_first_quota_that_has_room() {
        use Subset::{Test, Train, Val};
        let quotas = [(Test, 3), (Val, 2)];
        assert_eq!(fill(&[2, 4, 2, 1, 1, 1], &quotas), [Test, Train, Val, Test, Train, Train]);
    }

    #[test]
    fn the_smallest_training_patient_moves_only_if_the_quota_is_then_closer() {
        use Subset::{Test, Train};
        assert_eq!(fill(&[9, 5, 5], &[(Test, 3)]), [Train, Test, Train]);
        assert_eq!(fill(&[9, 6, 6], &[(Test, 3)]), [Train, Train, Train]);
    }

    #[test]
    fn every_error_is_one_sentence_and_has_a_hint() {
        let errors = [
            SplitError::NotRatios("x".into()),
            SplitError::Sum([70, 10, u32::MAX]),
            SplitError::ZeroRatio(Subset::Val),
            SplitError::Folds(0),
            SplitError::NotParts("70".into()),
            SplitError::TestShare { ratios: "70/10/20".into(), folds: 10 },
            SplitError::TestFolds(1),
            SplitError::FewerPatientsThanFolds { patients: 4, folds: 5 },
            SplitError::TooFewPatients(2),
            SplitError::Empty { fold: 1, subset: Subset::Test },
            SplitError::InBothLists("a.png".into()),
            SplitError::NoneFound { list: "test", listed: 3 },
            SplitError::ValFraction(1.5),
        ];
        let lines: Vec<String> =
            errors.iter().map(|e| format!("{e} ({})", e.hint().unwrap_or_default())).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        `x` is not a ratio of training, validation and test images (write percentages such as 70/10/20)
        the ratios 70/10/4294967295 add up to 4294967375, not 100 (write percentages such as 70/10/20)
        a share of zero leaves no images for val (validation images are needed to select the best epoch; the paper uses 70/10/20)
        a split has between 1 and 1,000 re-samplings, not 0 (the paper uses five re-samplings)
        `70` does not divide the images that a fold leaves into training and validation (give parts for training and validation, such as --ratios 70/10; the test share follows from the number of folds)
        the ratios 70/10/20 do not fit 10 folds, each of which tests 1/10 of the images (give parts for training and validation, such as --ratios 70/10; the test share follows from the number of folds)
        k-fold has between 2 and 1,000 folds, not 1 (give --folds 5 or --folds 10)
        5 divisions into three subsets need at least 5 patients; the data set has 4 (give fewer --folds, or ingest more patients)
        three subsets need at least 3 patients; the data set has 2 (all images of a patient stay in one subset: ingest more patients)
        division 1 of the split would have no test images (ingest more patients, or give this subset a larger share)
        `a.png` is listed both for training and for test (remove the name from one of the lists)
        the data set has none of the 3 images listed for test (a list has one `Image Index` per line, such as 00000001_000.png)
        a validation share of 1.5 is not possible (give a fraction between 0 and 1, such as 0.1)
        ");
    }

    /// Manifest rows of the published metadata, and its folder.
    fn chest_xray14() -> Option<(std::path::PathBuf, Vec<ImageRow>)> {
        let folder = crate::dataset::published()?;
        let path = folder.join("Data_Entry_2017_v2020.csv.gz");
        let mut rows = crate::dataset::metadata::read(&std::fs::read(&path).unwrap(), &path).unwrap().rows;
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        Some((folder, rows))
    }

    #[test]
    fn on_chest_xray14_five_folds_meet_the_papers_quotas_without_bias_or_leak() {
        let Some((_, rows)) = chest_xray14() else { return };
        let split = resample(&rows, [70, 10, 20], 5, 1).unwrap();
        assert_eq!(leaks(&rows, &split), []);
        for fold in sizes(&rows, &split) {
            assert_eq!([fold.train.images, fold.val.images, fold.test.images], [78_484, 11_212, 22_424]);
            // The paper's test subsets have 5,817 to 6,245 patients; ours are within a few standard deviations
            // (140; 100 for validation) of the number that follows from 3.64 images per patient.
            assert!((5_700..6_650).contains(&fold.test.patients), "{fold:?}");
            assert!((2_700..3_450).contains(&fold.val.patients), "{fold:?}");
        }
    }

    #[test]
    fn on_chest_xray14_the_official_lists_are_imported_whole_and_leak_nothing() {
        use crate::dataset::{lists, matching::ImageNames};

        let Some((folder, rows)) = chest_xray14() else { return };
        let list = |name| {
            let path = folder.join(name);
            let entries = lists::read(&std::fs::read(&path).unwrap(), &path).unwrap();
            lists::find(&entries, &ImageNames::of(&rows), &path).unwrap()
        };
        let split =
            official(&rows, &list("train_val_list.txt.gz"), &list("test_list.txt.gz"), 0.1, 1).unwrap();
        assert_eq!(list("test_list.txt.gz").unknown, [""; 0]);
        let fold = &sizes(&rows, &split.assignment)[0];
        assert_eq!([fold.train.images, fold.val.images, fold.test.images], [77_872, 8_652, 25_596]);
        assert!(split.unlisted.is_empty());
        assert_eq!(leaks(&rows, &split.assignment), []);
    }
}
