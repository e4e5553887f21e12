//! Why something was not trained, judged or compared.

use std::path::PathBuf;

use super::config::ConfigError;
use super::process::WorkerError;
use super::study::StudyError;
use crate::dataset::DatasetError;
use crate::dataset::pixels::PixelError;
use crate::hash::Hash;
use crate::index::IndexError;
use crate::records::{Unfair, UnfairKind};
use crate::registry::RegistryError;
use crate::split::SplitError;
use crate::store::StoreError;

/// Why something was not trained, judged or compared.
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
    #[error("there is no device `{0}`")]
    BadDevice(String),
    /// The split divides another data set.
    #[error("split {split} divides data set {divides}, not {dataset}")]
    OtherDataset {
        /// The split.
        split: String,
        /// Data set that it divides.
        divides: String,
        /// Data set that was asked for.
        dataset: String,
    },
    /// The split has fewer folds.
    #[error("split {split} has {folds} folds, counted from 0, so there is no fold {fold}")]
    NoSuchFold {
        /// The split.
        split: String,
        /// How many it has.
        folds: usize,
        /// Which was asked for.
        fold: u32,
    },
    /// Several folds, and none was named.
    #[error("split {split} has {folds} folds: say which of them was scored")]
    WhichFold {
        /// The split.
        split: String,
        /// How many it has.
        folds: usize,
    },
    /// A model that tables cannot show.
    #[error("a model cannot be called {0:?}")]
    BadModelName(String),
    /// Scores that are no probabilities.
    #[error("{}: image {image:?} has {score} for {label}, which is no probability", path.display())]
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
        "{} scores no image that counts: {unknown} are not in data set {dataset}, {extra} not in the subset",
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
    #[error("data set {dataset} holds metadata only, and {model} looks at images")]
    NeedsImages {
        /// The data set.
        dataset: String,
        /// The model.
        model: String,
    },
    /// Transfer learning without weights.
    #[error("--init {0} starts from given weights, and none are given")]
    NeedsWeights(&'static str),
    /// Weights that would not be used.
    #[error("--init scratch does not use weights, and some are given")]
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
    #[error("this very run is being trained by another process: {} is locked", .0.display())]
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
    #[error("{}: the worker's scores are of no use: {reason}", path.display())]
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
    #[error("`{text}` is a {kind}; runs and predictions can be compared")]
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
    #[error("{}", Unfair::reasons(.0))]
    Unfair(Vec<Unfair>),
    /// A label that some model does not score.
    #[error("not every model scores {label}; all score {}", shared.join(", "))]
    LabelNotScored {
        /// The label.
        label: String,
        /// What they all score.
        shared: Vec<String>,
    },
    /// Models without an image in common.
    #[error("no image is scored by every model on the same fold")]
    NoSharedImage,
    /// Models without a label in common.
    #[error("no label is scored by every model")]
    NoSharedLabel,
    /// A file of published numbers that cannot be read.
    #[error("{} does not hold published numbers: {reason}", path.display())]
    NotPublished {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Predictions that cannot come from the run that they name.
    #[error("predictions {} are not of the run that they name: {reason}", predictions.short())]
    Misattributed {
        /// The predictions.
        predictions: Hash,
        /// What does not fit.
        reason: String,
    },
    /// A model on metadata alone, asked what it sees in images.
    #[error("model {0} sees no image")]
    SeesNoImage(String),
    /// A label that the data set does not have.
    #[error("there is no label {label}; the data set has {}", labels.join(", "))]
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
    #[error("no {subset} image of fold {fold} has an annotated box")]
    NoBoxesIn {
        /// The subset.
        subset: &'static str,
        /// The fold.
        fold: u32,
    },
    /// Runs that are not folds of one thing.
    #[error("a probe is of one model's folds: {a} is {one}, and {b} is {other}")]
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
    /// Images whose bytes were removed for good.
    #[error("{images} of the images were withdrawn and purged, so this cannot be computed any more")]
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
            RunError::WhichFold { .. } => "--fold K, counted from 0",
            RunError::BadModelName(_) => "--model takes a text without control characters",
            RunError::NotAProbability { .. } => "with --logits, scores are outputs before the sigmoid",
            RunError::NothingScored { .. } => "is it the right --dataset, --split and --fold?",
            RunError::BadDevice(_) => "there are auto, cpu, cuda:0, cuda:1, …",
            RunError::NeedsImages { .. } => "the model `mlp` needs only metadata; or ingest the images",
            RunError::NeedsWeights(_) => {
                "name imported weights with --weights; `reg weights import` takes them in"
            }
            RunError::UnusedWeights => "leave --weights away, or ask for --init fine-tune or off-the-shelf",
            RunError::NotSafetensors { path, .. }
                if path.extension().is_some_and(|e| e == "pth" || e == "pt") =>
            {
                return Some(format!(
                    "a pickle can run code, so none is loaded; convert it: python -c \"import torch, safetensors.torch as s; s.save_file(torch.load('{}', weights_only=True), 'weights.safetensors')\"",
                    path.display()
                ));
            }
            RunError::Leak { .. } => "`reg split check` names them",
            RunError::SameCell { .. } => "`reg compare --by run` makes each a column",
            RunError::NotOneFold { .. } => "name one run of each fold",
            RunError::NotOneModel { .. } => "probe each by itself",
            RunError::Unfair(unfair) => match unfair.first().map(|unfair| unfair.kind) {
                Some(UnfairKind::MixedFolds) => {
                    "a column is one model's folds of one split, trained alike: name such runs only, or give scores of another tool another --model; --allow-different-images shows them nevertheless, marked"
                }
                Some(UnfairKind::DifferentLabels) => {
                    "--labels shared compares them by the labels that all score"
                }
                Some(UnfairKind::Published) => {
                    "evaluate on the official split (`reg split import`), or see them marked with --allow-different-images"
                }
                Some(UnfairKind::Leak) => {
                    "compare models that have not seen these patients; --allow-different-images shows them nevertheless, marked"
                }
                _ => {
                    "only scores of the same images can be compared: train, evaluate or import both on the same split and fold, or take --images shared; --allow-different-images shows them side by side, marked"
                }
            },
            RunError::NoSharedImage => {
                "images of two data sets are the same where source, name, file, patient and labels are; one of metadata only has no files"
            }
            RunError::SeesNoImage(_) => "name a run of a model that looks at images",
            RunError::NoBoxes(_) => "`reg ingest --boxes BBox_List_2017.csv` takes them in",
            RunError::NoBoxesIn { .. } => "--subset names another part of the fold",
            RunError::NotPublished { .. } => {
                "a [[model]] has name, source, split = \"official\", and mean or a table [model.auc]; images and mean_over say more"
            }
            RunError::Withdrawn { .. } => {
                "ingest again for a data set without them, and divide that; --allow-withdrawn uses them all the same, and what comes of it is marked"
            }
            RunError::Purged { .. } => {
                "what was computed before is still here, and `reg verify` checks it; `reg list withdrawal` says what was withdrawn and why"
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
            RunError::Unfair(_)
                | RunError::Withdrawn { .. }
                | RunError::Purged { .. }
                | RunError::Misattributed { .. }
                | RunError::False { .. }
        )
    }
}
