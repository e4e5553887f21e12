//! Why scores cannot be recorded or evaluated.

use std::path::PathBuf;

use crate::dataset::DatasetError;
use crate::digits::{counted, thousands};
use crate::hash::Hash;
use crate::index::IndexError;
use crate::records::FalseRecord;
use crate::registry::RegistryError;
use crate::split::SplitError;

/// Why scores cannot be recorded or evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file from another tool.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A split that does not fit.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A table that contradicts its scores.
    #[error(transparent)]
    False(#[from] FalseRecord),
    /// A model name that tables cannot show.
    #[error("{0:?} is not a valid model name")]
    BadModelName(String),
    /// Columns that are called logits, and scores that were said to be probabilities.
    #[error("{}: by its name, column {column:?} holds logits, but --logits is not given", path.display())]
    NamedLogits {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// Scores that are not probabilities.
    #[error("{}: image {image:?} has score {score} for {label}, which is not a probability", path.display())]
    NotAProbability {
        /// The file.
        path: PathBuf,
        /// The image.
        image: String,
        /// The label.
        label: String,
        /// The score.
        score: f64,
        /// Whether all scores of the file are from 0 to 100, and can be percentages.
        percent: bool,
    },
    /// A file of scores for other images.
    #[error(
        "{} has no score of a usable image: {} {} not in data set {dataset}, {} not in the subset",
        path.display(),
        counted(*unknown as u64, "image"),
        if *unknown == 1 { "is" } else { "are" },
        thousands(*extra as u64)
    )]
    NothingScored {
        /// The file.
        path: PathBuf,
        /// The data set.
        dataset: String,
        /// Number of images in the file that are not in the data set.
        unknown: usize,
        /// Number of images in the file that are not in the subset.
        extra: usize,
        /// A name of the file that is not in the data set, and one that is.
        example: Option<Box<(String, String)>>,
    },
    /// An ensemble of fewer than two predictions.
    #[error("an ensemble is a mean of two or more different predictions")]
    TooFewMembers,
    /// Predictions that cannot be averaged.
    #[error("{a} and {b} cannot be averaged: {reason}")]
    DifferentMembers {
        /// The first.
        a: String,
        /// The second.
        b: String,
        /// What differs.
        reason: String,
    },
    /// Predictions that cannot come from their run.
    #[error("predictions {} do not match their run: {reason}", predictions.short())]
    Misattributed {
        /// The predictions.
        predictions: Hash,
        /// What does not match.
        reason: String,
    },
}

impl From<IndexError> for ScoreError {
    fn from(e: IndexError) -> Self {
        ScoreError::Registry(e.into())
    }
}

impl ScoreError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ScoreError::Dataset(e) => return e.hint(),
            ScoreError::Split(e) => return e.hint().map(str::to_owned),
            ScoreError::False(e) => e.hint(),
            ScoreError::BadModelName(_) => "give --model a name without control characters",
            ScoreError::NamedLogits { .. } => {
                "give --logits; if they are probabilities, rename the columns, for example to prob_LABEL"
            }
            ScoreError::NotAProbability { percent: true, .. } => {
                "divide the scores by 100 if they are percentages; give --logits if they are outputs before the sigmoid"
            }
            ScoreError::NotAProbability { .. } => {
                "give --logits if the scores are outputs before the sigmoid, as `reg export RUN -o FILE.csv` writes them"
            }
            ScoreError::NothingScored { extra: 0, example: Some(example), .. } => {
                let (theirs, ours) = &**example;
                return Some(format!(
                    "the file names its images like {theirs:?}, the data set like {ours:?}: check --dataset"
                ));
            }
            ScoreError::NothingScored { .. } => "check --dataset, --split and --fold",
            ScoreError::TooFewMembers => "name two or more runs or predictions: `reg list run`",
            ScoreError::DifferentMembers { .. } => {
                "average only scores of the same images: runs of one split with the same --fold"
            }
            ScoreError::Registry(_) | ScoreError::Misattributed { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the error is the negative result of a check rather than a failure.
    pub fn is_refusal(&self) -> bool {
        matches!(self, ScoreError::Misattributed { .. } | ScoreError::False(_))
    }
}
