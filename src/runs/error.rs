//! Why something was not trained, evaluated or compared.

use std::path::PathBuf;

use super::config::ConfigError;
use super::process::WorkerError;
use super::study::StudyError;
use crate::dataset::DatasetError;
use crate::dataset::pixels::PixelError;
use crate::hash::Hash;
use crate::index::IndexError;
use crate::records::{Incomparable, IncomparableKind};
use crate::registry::RegistryError;
use crate::split::SplitError;
use crate::store::StoreError;

/// Why something was not trained, evaluated or compared.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A study.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// A file of another tool.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A split that cannot be made again.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// Neither `auto`, `cpu` nor `cuda:N`.
    #[error("unknown device `{0}`")]
    BadDevice(String),
    /// The split divides another data set.
    #[error("split {split} belongs to data set {divides}, not {dataset}")]
    OtherDataset {
        /// The split.
        split: String,
        /// Data set that it divides.
        divides: String,
        /// Data set that was asked for.
        dataset: String,
    },
    /// The split has fewer folds.
    #[error("split {split} has no fold {fold}: it has {folds} folds, counted from 0")]
    NoSuchFold {
        /// The split.
        split: String,
        /// How many it has.
        folds: usize,
        /// Which was asked for.
        fold: u32,
    },
    /// Several folds, and none was named.
    #[error("split {split} has {folds} folds: give the one that was scored")]
    WhichFold {
        /// The split.
        split: String,
        /// How many it has.
        folds: usize,
    },
    /// A model that tables cannot show.
    #[error("{0:?} is not a valid model name")]
    BadModelName(String),
    /// Scores that are no probabilities.
    #[error("{}: image {image:?} has score {score} for {label}, which is not a probability", path.display())]
    NotAProbability {
        /// The file.
        path: PathBuf,
        /// The image.
        image: String,
        /// The label.
        label: String,
        /// What is there.
        score: f64,
    },
    /// A file of scores for other images.
    #[error(
        "{} has no score of a usable image: {unknown} images are not in data set {dataset}, {extra} not in the subset",
        path.display()
    )]
    NothingScored {
        /// The file.
        path: PathBuf,
        /// The data set.
        dataset: String,
        /// Its images that the data set does not have.
        unknown: usize,
        /// Its images outside the subset.
        extra: usize,
    },
    /// Two patients' data in two subsets of one fold.
    #[error("split {split}, fold {fold}: {patients} patients are in more than one subset")]
    Leak {
        /// The split.
        split: String,
        /// The fold.
        fold: u32,
        /// How many patients.
        patients: usize,
    },
    /// A model that looks at images, on metadata.
    #[error("data set {dataset} has metadata only, but {model} needs images")]
    NeedsImages {
        /// The data set.
        dataset: String,
        /// The model.
        model: String,
    },
    /// Transfer learning without weights.
    #[error("--init {0} needs --weights")]
    NeedsWeights(&'static str),
    /// Weights that would not be used.
    #[error("--init scratch cannot be combined with --weights")]
    UnusedWeights,
    /// A file of weights in another format.
    #[error("{} is not a safetensors file: {reason}", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process is at it.
    #[error("another process is already training this run: {} is locked", .0.display())]
    Running(PathBuf),
    /// A file of the worker.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Scores of the worker that do not fit what was asked for.
    #[error("{}: invalid scores from the worker: {reason}", path.display())]
    BadScores {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A record that says something else than what it names.
    #[error("{kind} {} is false: {what}", id.short())]
    False {
        /// The record.
        id: Hash,
        /// Its kind.
        kind: String,
        /// What does not come out, the first such value.
        what: String,
    },
    /// A run without predictions of the subset.
    #[error("run {0} has no predictions of its test images")]
    NoPredictions(String),
    /// Neither a run nor predictions.
    #[error("`{text}` is a {kind}; only runs and predictions can be compared")]
    NotComparable {
        /// What was asked for.
        text: String,
        /// What it is.
        kind: String,
    },
    /// Two results that would be one cell of the table.
    #[error("{a} and {b} are both model {model} on {fold}")]
    SameCell {
        /// The first.
        a: String,
        /// The second.
        b: String,
        /// Their model.
        model: String,
        /// Their fold.
        fold: String,
    },
    /// Two runs of one fold, where each fold counts once.
    #[error("{a} and {b} are both {model} on fold {fold}")]
    NotOneFold {
        /// The first run.
        a: String,
        /// The second.
        b: String,
        /// Their model.
        model: String,
        /// Their fold.
        fold: u32,
    },
    /// Results that cannot be compared.
    #[error("{}", Incomparable::reasons(.0))]
    Incomparable(Vec<Incomparable>),
    /// A label that some model does not score.
    #[error("not every model scores {label}; labels that all models score: {}", shared.join(", "))]
    LabelNotScored {
        /// The label.
        label: String,
        /// What they all score.
        shared: Vec<String>,
    },
    /// Models without an image in common.
    #[error("no image was scored by every model on the same fold")]
    NoSharedImage,
    /// Models without a label in common.
    #[error("no label was scored by every model")]
    NoSharedLabel,
    /// A file of published numbers that cannot be read.
    #[error("{} is not a file of published numbers: {reason}", path.display())]
    NotPublished {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Predictions that cannot come from the run that they name.
    #[error("predictions {} do not match their run: {reason}", predictions.short())]
    Misattributed {
        /// The predictions.
        predictions: Hash,
        /// What does not fit.
        reason: String,
    },
    /// A model on metadata alone, asked what it sees in images.
    #[error("model {0} has no image input")]
    SeesNoImage(String),
    /// A label that the data set does not have.
    #[error("unknown label {label}; the data set has {}", labels.join(", "))]
    NoSuchLabel {
        /// The label.
        label: String,
        /// What there is.
        labels: Vec<String>,
    },
    /// Neither a file nor an image of the data set.
    #[error("`{0}` is neither a file nor an image of the run's data set")]
    NoSuchImage(String),
    /// A file that is no image.
    #[error("{name} is {source}")]
    NotAnImage {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: PixelError,
    },
    /// A data set without boxes.
    #[error("data set {0} has no annotated boxes")]
    NoBoxes(String),
    /// A subset without boxes.
    #[error("fold {fold} has no {subset} image with an annotated box")]
    NoBoxesIn {
        /// The subset.
        subset: &'static str,
        /// The fold.
        fold: u32,
    },
    /// Runs that are not folds of one thing.
    #[error("a probe needs folds of one model: {a} is {one}, but {b} is {other}")]
    NotOneModel {
        /// The first run.
        a: String,
        /// What it is.
        one: String,
        /// The second.
        b: String,
        /// What it is.
        other: String,
    },
    /// A target that is unknown or the same throughout.
    #[error("fold {fold}: the {target} of its {subset} images is unknown, or the same for all of them")]
    NothingToProbe {
        /// The target.
        target: &'static str,
        /// The subset.
        subset: &'static str,
        /// The fold.
        fold: u32,
    },
    /// Images that must not be used any more.
    #[error("{images} of the images were withdrawn ({why})")]
    Withdrawn {
        /// How many.
        images: u64,
        /// Whom or what the first withdrawal is about, and its reason.
        why: String,
    },
    /// Images whose bytes were permanently removed.
    #[error("cannot compute this: {images} of the images were withdrawn and purged")]
    Purged {
        /// How many.
        images: u64,
    },
    /// A record that this reg would make by other rules, so that nothing tells whether it is true.
    #[error(
        "{kind} {} was made by rules {recorded}, this reg has rules {here}: it cannot be recomputed here",
        id.short()
    )]
    OtherRules {
        /// The record.
        id: Hash,
        /// Its kind.
        kind: String,
        /// The version of the rules in it.
        recorded: u32,
        /// The version that would stand in it now.
        here: u32,
    },
    /// Nothing to compare.
    #[error("nothing to compare")]
    Nothing,
}

impl From<StoreError> for RunError {
    fn from(e: StoreError) -> Self {
        RunError::Registry(e.into())
    }
}

impl From<IndexError> for RunError {
    fn from(e: IndexError) -> Self {
        RunError::Registry(e.into())
    }
}

impl RunError {
    pub(super) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> RunError {
        let path = path.to_owned();
        move |source| RunError::Io { doing, path, source }
    }

    /// What might help.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            RunError::Config(e) => return e.hint(),
            RunError::Worker(e) => return e.hint(),
            RunError::Study(e) => return e.hint(),
            RunError::Dataset(e) => return e.hint(),
            RunError::Split(e) => return e.hint().map(str::to_owned),
            RunError::WhichFold { .. } => "give --fold K, counted from 0",
            RunError::BadModelName(_) => "give --model a name without control characters",
            RunError::NotAProbability { .. } => "give --logits if the scores are outputs before the sigmoid",
            RunError::NothingScored { .. } => "check --dataset, --split and --fold",
            RunError::BadDevice(_) => "possible devices: auto, cpu, cuda:0, cuda:1, …",
            RunError::NeedsImages { .. } => {
                "use the model `mlp`, which needs only metadata, or ingest the images"
            }
            RunError::NeedsWeights(_) => {
                "import weights with `reg weights import FILE.safetensors --name NAME` and give --weights NAME"
            }
            RunError::UnusedWeights => {
                "leave out --weights, or give --init fine-tune or --init off-the-shelf"
            }
            RunError::NotSafetensors { path, .. }
                if path.extension().is_some_and(|e| e == "pth" || e == "pt") =>
            {
                return Some(format!(
                    "reg loads no pickle files, because they can run code; convert it: python -c \"import torch, safetensors.torch as s; s.save_file(torch.load('{}', weights_only=True), 'weights.safetensors')\"",
                    path.display()
                ));
            }
            RunError::Leak { .. } => "`reg split check` lists them",
            RunError::SameCell { .. } => "give each its own column with `reg compare --by run`",
            RunError::NotOneFold { .. } => "give one run per fold",
            RunError::NotOneModel { .. } => "run `reg probe` for each model separately",
            RunError::Incomparable(incomparable) => {
                match incomparable.first().map(|incomparable| incomparable.kind) {
                    Some(IncomparableKind::MixedFolds) => {
                        "a column holds folds of one model on one split, trained with the same settings: give only such runs, or import another tool's scores under another --model; --allow-different-images compares them anyway and flags the table"
                    }
                    Some(IncomparableKind::DifferentLabels) => {
                        "give --labels shared to compare the labels that all models score"
                    }
                    Some(IncomparableKind::Published) => {
                        "evaluate on the official split (`reg split import`), or give --allow-different-images; the table is flagged"
                    }
                    Some(IncomparableKind::Leak) => {
                        "compare models that have not seen these patients, or give --allow-different-images; the table is flagged"
                    }
                    _ => {
                        "only scores of the same images can be compared: train, evaluate or import both on the same split and fold, or give --images shared; --allow-different-images compares them anyway and flags the table"
                    }
                }
            }
            RunError::NoSharedImage => {
                "images of two data sets are the same if source, name, file, patient and labels are equal; metadata-only data sets have no files"
            }
            RunError::SeesNoImage(_) => "give a run of a model with image input",
            RunError::NoBoxes(_) => "import boxes with `reg ingest --boxes BBox_List_2017.csv`",
            RunError::NoBoxesIn { .. } => "choose another subset with --subset",
            RunError::NotPublished { .. } => {
                "a [[model]] needs name, source, split = \"official\", and mean or a table [model.auc]; images and mean_over are optional"
            }
            RunError::Withdrawn { .. } => {
                "run the same `reg ingest` again for a data set without them, and split that; --allow-withdrawn uses them anyway and flags the results"
            }
            RunError::Purged { .. } => {
                "earlier results are kept, and `reg verify` checks them; `reg list withdrawal` shows what was withdrawn and why"
            }
            RunError::False { .. } => "`reg verify --recompute` names every false record",
            RunError::OtherRules { recorded, here, .. } if recorded > here => {
                "a newer reg made it, or somebody who changed it: install a newer reg to check it"
            }
            RunError::OtherRules { .. } => {
                "the command that made it makes another one by the rules of today; the reg that made it checks it"
            }
            RunError::NoPredictions(_) => "`reg eval RUN` makes them",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether it says that an older reg made a record by rules that this one does not have any more.
    pub fn is_older_rules(&self) -> bool {
        matches!(self, RunError::OtherRules { recorded, here, .. } if (1..*here).contains(recorded))
    }

    /// Whether it is the answer "no" of a check rather than a failure.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            RunError::Incomparable(_)
                | RunError::Withdrawn { .. }
                | RunError::Purged { .. }
                | RunError::Misattributed { .. }
                | RunError::False { .. }
        )
    }
}
