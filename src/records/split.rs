//! A split: the training, validation and test images of each fold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dataset, File, Packed};
use crate::digits::{counted, thousands};
use crate::hash::Id;

/// A division of a data set into training, validation and test images, one or more times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The divided data set.
    pub dataset: Id<Dataset>,
    /// The method of the division.
    pub method: SplitMethod,
    /// Version of the rules that produced this record.
    pub rules: u32,
    /// The subset of each image in each fold.
    pub assignment: Id<Assignment>,
    /// Sizes, one per fold.
    pub folds: Vec<FoldSizes>,
}

/// The method of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SplitMethod {
    /// Random subsets by patient, filled to quotas of images.
    Resample {
        /// Seed.
        seed: u64,
        /// Shares of the images for training, validation and test; they add up to 100.
        ratios: [u32; 3],
    },
    /// Cross-validation: every patient is a test patient in exactly one fold.
    KFold {
        /// Seed.
        seed: u64,
        /// How the images that a fold does not test are divided: parts for training and for validation.
        ratios: [u32; 2],
    },
    /// Published lists of image names.
    Official {
        /// Image names for training and validation.
        train_val: File,
        /// Image names for test.
        test: File,
        /// Share of the training images used for validation, split off by patient.
        val_fraction: f64,
        /// Seed of the division into training and validation.
        seed: u64,
    },
}

impl SplitMethod {
    /// What one division of the images is called.
    pub fn division(&self) -> Division {
        match self {
            SplitMethod::Resample { .. } => Division::Resampling,
            SplitMethod::KFold { .. } => Division::Fold,
            SplitMethod::Official { .. } => Division::Published,
        }
    }
}

/// The word for one division of a split. The test images of folds are disjoint, those of re-samplings overlap;
/// who reads one word for the other takes a spread for what it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Division {
    /// Of random subsets that may overlap.
    Resampling,
    /// Of k-fold cross-validation.
    Fold,
    /// By published lists, or of a scheme that is not known here.
    Published,
}

impl Division {
    /// `re-sampling`, `fold` or `division`.
    pub fn name(self) -> &'static str {
        match self {
            Division::Resampling => "re-sampling",
            Division::Fold => "fold",
            Division::Published => "division",
        }
    }

    /// The same with a capital, as the head of a column.
    pub fn head(self) -> &'static str {
        match self {
            Division::Resampling => "Re-sampling",
            Division::Fold => "Fold",
            Division::Published => "Division",
        }
    }

    /// `1 re-sampling`, `5 folds`.
    pub fn counted(self, count: usize) -> String {
        let plural = if count == 1 { "" } else { "s" };
        format!("{} {}{plural}", thousands(count as u64), self.name())
    }
}

/// Sizes of the subsets of one fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FoldSizes {
    /// Training images.
    pub train: SubsetSize,
    /// Validation images, on which models are selected.
    pub val: SubsetSize,
    /// Test images.
    pub test: SubsetSize,
}

/// Size of one subset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubsetSize {
    /// Number of images.
    pub images: u64,
    /// Number of different patients.
    pub patients: u64,
}

/// A subset of a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Subset {
    /// Training.
    Train,
    /// Validation.
    Val,
    /// Test.
    Test,
}

impl Subset {
    /// All subsets, in the order of their codes in an [`Assignment`].
    pub const ALL: [Subset; 3] = [Subset::Train, Subset::Val, Subset::Test];

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        ["train", "val", "test"][self as usize]
    }

    /// `training`, `validation` or `test`, of images.
    pub fn in_words(self) -> &'static str {
        ["training", "validation", "test"][self as usize]
    }
}

/// The subset of each image in each fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// `folds[k][i]` is the code of manifest row `i` in fold `k`: 0 train, 1 val, 2 test, 3 unused.
    pub folds: Vec<Vec<u8>>,
}

impl Assignment {
    /// The code of an image that is not used in a fold.
    pub const UNUSED: u8 = 3;

    /// Manifest rows of a subset of a fold, ascending.
    pub fn rows(&self, fold: usize, subset: Subset) -> Vec<u32> {
        let codes = self.folds[fold].iter();
        codes.zip(0..).filter(|(code, _)| **code == subset as u8).map(|(_, row)| row).collect()
    }
}

impl Split {
    /// Asserts that an assignment has the folds of this split, and in each a place for each image of its data set. Whether
    /// the sizes of the subsets are right is seen when the split is recomputed.
    pub(crate) fn check_assignment(&self, assignment: &Assignment, dataset: &Dataset) -> Result<(), String> {
        let (own, theirs) = (self.folds.len(), assignment.folds.len());
        if own != theirs {
            return Err(format!(
                "{}, but the split has {}",
                counted(theirs as u64, "division"),
                thousands(own as u64)
            ));
        }
        assignment.folds.iter().try_for_each(|codes| dataset.check_rows(codes.len()))
    }
}

impl Packed for Assignment {
    const KIND: &'static str = "assignment";
    const MAGIC: &'static [u8; 8] = b"regassgn";

    fn check(&self) -> Result<(), String> {
        if self.folds.windows(2).any(|pair| pair[0].len() != pair[1].len()) {
            return Err("its divisions differ in length".into());
        }
        match self.folds.iter().flatten().find(|code| **code > Self::UNUSED) {
            Some(code) => Err(format!("unknown subset code {code}")),
            None => Ok(()),
        }
    }
}
