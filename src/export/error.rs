//! Why something cannot be exported.

use std::path::PathBuf;

use crate::digits::counted;
use crate::disk::FileError;
use crate::hash::Hash;
use crate::index::IndexError;
use crate::registry::RegistryError;
use crate::store::StoreError;

/// Why something cannot be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file.
    #[error(transparent)]
    Io(#[from] FileError),
    /// A file name that leads out of the output folder.
    #[error("{name:?} is outside {}; nothing was written", folder.display())]
    Outside {
        /// The folder.
        folder: PathBuf,
        /// The name.
        name: String,
    },
    /// An output folder that is not empty.
    #[error("{} already exists and is not empty", .0.display())]
    Occupied(PathBuf),
    /// A kind of record that cannot be exported in this form.
    #[error("{kind} {} cannot be exported as {form}", id.short())]
    NoSuchForm {
        /// Its kind.
        kind: String,
        /// Its id.
        id: Hash,
        /// The requested form.
        form: &'static str,
    },
    /// A record without values in the long form.
    #[error("{kind} {} has no values to export with --long", id.short())]
    NotLong {
        /// Its kind.
        kind: String,
        /// Its id.
        id: Hash,
    },
    /// Several tables for a single file.
    #[error("{what} has {} ({}), but {} is a single file", counted(names.len() as u64, "table"), names.join(", "), path.display())]
    Several {
        /// The record that has them.
        what: String,
        /// Their names.
        names: Vec<String>,
        /// The file.
        path: PathBuf,
    },
    /// A run of a program, whose weights only that program can compute with.
    #[error("{0} is a run of your own program: reg has no network for its weights")]
    OfProgram(String),
    /// A run without predictions.
    #[error("run {} has no predictions", .0.short())]
    NoPredictions(Hash),
    /// Withdrawn images.
    #[error(
        "{} of data set {} {} withdrawn: {why}",
        counted(*images as u64, "image"),
        dataset.short(),
        if *images == 1 { "was" } else { "were" }
    )]
    Withdrawn {
        /// The data set.
        dataset: Hash,
        /// Number of these images.
        images: usize,
        /// Subject and reason of the first withdrawal.
        why: String,
    },
    /// A split of another data set.
    #[error("split {} belongs to a data set other than {}", split.short(), dataset.short())]
    OtherDataset {
        /// The split.
        split: Hash,
        /// The data set.
        dataset: Hash,
    },
    /// Records that contradict each other.
    #[error("{} cannot be exported: {reason}", id.short())]
    Inconsistent {
        /// The exported record.
        id: Hash,
        /// The contradiction.
        reason: String,
    },
}

impl From<StoreError> for ExportError {
    fn from(e: StoreError) -> Self {
        ExportError::Registry(e.into())
    }
}

impl From<IndexError> for ExportError {
    fn from(e: IndexError) -> Self {
        ExportError::Registry(e.into())
    }
}

impl ExportError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ExportError::Occupied(_) => "give a folder that does not exist yet",
            ExportError::NoSuchForm { .. } => {
                "data sets, splits, runs, predictions and tables can be exported as tables; runs also as checkpoints and cards"
            }
            ExportError::NotLong { .. } => "only tables have such values: leave out --long",
            ExportError::Several { .. } => {
                "give --format csv or parquet, and a folder with -o; of one table, --long writes all values to one file"
            }
            ExportError::NoPredictions(run) => {
                return Some(format!("compute them with `reg eval {}`", run.short()));
            }
            ExportError::Withdrawn { .. } => {
                "run the same `reg ingest` again: the new data set leaves them out and can be exported"
            }
            ExportError::OtherDataset { .. } => {
                "give the data set that the split divides: `reg show` of the split lists it"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
