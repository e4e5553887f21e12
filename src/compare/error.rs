//! Why models cannot be compared.

use std::path::PathBuf;

use crate::disk::FileError;
use crate::escape::shell;
use crate::index::IndexError;
use crate::records::{Incomparable, IncomparableKind, Subset};
use crate::registry::RegistryError;
use crate::scores::ScoreError;

/// Why models cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// The registry.
    #[error(transparent)]
    Registry(RegistryError),
    /// Scores that are not what they are said to be.
    #[error(transparent)]
    Score(ScoreError),
    /// A file of published numbers that cannot be read.
    #[error(transparent)]
    Io(#[from] FileError),
    /// A run without predictions of the subset.
    #[error("run {run} has no predictions of its {} images", subset.in_words())]
    NoPredictions {
        /// The run.
        run: String,
        /// The subset.
        subset: Subset,
    },
    /// Neither a run nor predictions.
    #[error("`{text}` is a {kind}; only runs and predictions can be compared")]
    NotComparable {
        /// The requested name or id.
        text: String,
        /// Its kind.
        kind: String,
    },
    /// Two results that belong in the same cell of the table.
    #[error(
        "{a} and {b} are both {} {model} on {fold}, but {}",
        if *labelled { "in column" } else { "model" },
        difference.as_ref().map_or("they are not one setup with different seeds".to_owned(), |of| format!("they differ in {of}"))
    )]
    SameCell {
        /// The first.
        a: String,
        /// The second.
        b: String,
        /// Their model.
        model: String,
        /// Their fold.
        fold: String,
        /// Whether somebody put them under one name.
        labelled: bool,
        /// The first setting in which their trainings differ, with both values.
        difference: Option<Box<String>>,
    },
    /// Scores of two subsets that belong in the same cell of the table.
    #[error(
        "column {model} was given scores of both the {} and the {} images of {fold}",
        subsets[0].in_words(), subsets[1].in_words()
    )]
    SubsetsOfCell {
        /// The model.
        model: String,
        /// The fold.
        fold: String,
        /// The two subsets.
        subsets: [Subset; 2],
    },
    /// Results that are not comparable.
    #[error("{}", Incomparable::reasons(.0))]
    Incomparable(Vec<Incomparable>),
    /// Scores of different subsets, such as validation and test images.
    #[error("{}", Incomparable::reasons(reasons))]
    DifferentSubsets {
        /// Why they are not comparable.
        reasons: Vec<Incomparable>,
        /// The commands that make the missing scores.
        missing: String,
    },
    /// A label that not every model scores.
    #[error("not every model scores {label}; labels that all models score: {}", shared.join(", "))]
    LabelNotScored {
        /// The label.
        label: String,
        /// The labels that all models score.
        shared: Vec<String>,
    },
    /// A primary comparison of a column that is not there.
    #[error("--primary names {name}, which is not a column; the columns are {}", columns.join(", "))]
    NoSuchColumn {
        /// The name.
        name: String,
        /// The columns of the table.
        columns: Vec<String>,
    },
    /// A primary comparison of names with colons that can be read in several ways.
    #[error("--primary {text} has two readings: {}", pairs.iter().map(|[a, b]| format!("`{a}` and `{b}`")).collect::<Vec<_>>().join(", "))]
    AmbiguousPrimary {
        /// What was given.
        text: String,
        /// The pairs of columns that it can mean.
        pairs: Vec<[String; 2]>,
    },
    /// Models without a common image.
    #[error("no image was scored by every model on the same division")]
    NoSharedImage,
    /// Models without a common label.
    #[error("no label was scored by every model")]
    NoSharedLabel,
    /// An invalid file of published numbers.
    #[error("{} is not a file of published numbers: {reason}", path.display())]
    NotPublished {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing to compare.
    #[error("nothing to compare")]
    Nothing,
}

impl From<RegistryError> for CompareError {
    fn from(e: RegistryError) -> Self {
        CompareError::Registry(e)
    }
}

impl From<IndexError> for CompareError {
    fn from(e: IndexError) -> Self {
        CompareError::Registry(e.into())
    }
}

impl From<ScoreError> for CompareError {
    fn from(e: ScoreError) -> Self {
        match e {
            ScoreError::Registry(e) => CompareError::Registry(e),
            e => CompareError::Score(e),
        }
    }
}

impl CompareError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            CompareError::Score(e) => return e.hint(),
            CompareError::NoPredictions { run, subset: Subset::Test } => {
                return Some(format!("`reg eval {}` computes them", shell(run)));
            }
            CompareError::NoPredictions { run, subset } => {
                return Some(format!("`reg eval {} --subset {}` computes them", shell(run), subset.name()));
            }
            CompareError::SameCell { labelled: true, .. } => {
                "runs under one --label may differ only in seed and division: give each setup its own --label NAME=RUN,RUN"
            }
            CompareError::SameCell { .. } => {
                "give each run its own column with `--by run`, or each setup its own --label NAME=RUN,RUN"
            }
            CompareError::SubsetsOfCell { .. } => {
                "a table compares scores of one subset: give only one of the two"
            }
            CompareError::NoSuchColumn { columns, .. } => match columns.as_slice() {
                [a, b, ..] => {
                    return Some(format!(
                        "name two of the columns: --primary {}",
                        shell(&format!("{a}:{b}"))
                    ));
                }
                _ => "a primary comparison needs two columns: give the runs of two models",
            },
            CompareError::AmbiguousPrimary { .. } => {
                "give a column a name without a colon: --label NAME=RUN,RUN"
            }
            CompareError::DifferentSubsets { missing, .. } => {
                return Some(format!(
                    "{missing}; --allow-different-images compares them anyway and flags the table"
                ));
            }
            CompareError::Incomparable(incomparable) => {
                match incomparable.first().map(|incomparable| incomparable.kind) {
                    Some(IncomparableKind::MixedFolds) => {
                        "a column holds runs of one model on one split, trained with the same settings: give only such runs, or import another tool's scores under a different --model; --allow-different-images compares them anyway and flags the table"
                    }
                    Some(IncomparableKind::DifferentLabels) => {
                        "give --labels shared to compare the labels that all models score"
                    }
                    Some(IncomparableKind::Published) => {
                        "numbers for the official test images need a split of the published lists (`reg split import`); numbers for other test images need --allow-different-images, which flags the table"
                    }
                    Some(IncomparableKind::Leak) => {
                        "compare models that have not seen these patients, or give --allow-different-images; the table is flagged"
                    }
                    _ => {
                        "only scores of the same images can be compared: train, evaluate or import both on the same division of a split, or give --images shared; --allow-different-images compares them anyway and flags the table"
                    }
                }
            }
            CompareError::NoSharedImage => {
                "images of two data sets are the same if source, name, file, patient and labels are equal; metadata-only data sets have no files"
            }
            CompareError::NotPublished { .. } => {
                "a [[model]] needs name, source, split = \"official\", and mean or a table [model.auc]; images and mean_over are optional"
            }
            CompareError::Registry(_)
            | CompareError::Io(_)
            | CompareError::NotComparable { .. }
            | CompareError::LabelNotScored { .. }
            | CompareError::NoSharedLabel
            | CompareError::Nothing => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the error is the negative result of a check rather than a failure.
    pub fn is_refusal(&self) -> bool {
        match self {
            CompareError::Score(e) => e.is_refusal(),
            e => matches!(e, CompareError::Incomparable(_) | CompareError::DifferentSubsets { .. }),
        }
    }
}
