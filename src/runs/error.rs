//! Why a training, evaluation or comparison failed.

use std::path::{Path, PathBuf};

use super::config::ConfigError;
use super::process::WorkerError;
use super::study::StudyError;
use crate::dataset::DatasetError;
use crate::dataset::pixels::PixelError;
use crate::digits::{counted, thousands};
use crate::escape::shell;
use crate::hash::Hash;
use crate::index::IndexError;
use crate::recognise::FileKind;
use crate::records::{Incomparable, IncomparableKind, MetaFeatures};
use crate::registry::RegistryError;
use crate::split::SplitError;
use crate::store::StoreError;

/// Why a training, evaluation or comparison failed.
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
    /// A file from another tool.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A split that cannot be recomputed.
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
        /// The data set that it divides.
        divides: String,
        /// The requested data set.
        dataset: String,
    },
    /// The split has fewer folds.
    #[error("split {split} has no fold {fold}: it has {}, counted from 0", counted(*folds as u64, "fold"))]
    NoSuchFold {
        /// The split.
        split: String,
        /// Its number of folds.
        folds: usize,
        /// The requested fold.
        fold: u32,
    },
    /// A split with several folds, none of which was given.
    #[error("split {split} has {}: give the one that was scored", counted(*folds as u64, "fold"))]
    WhichFold {
        /// The split.
        split: String,
        /// Its number of folds.
        folds: usize,
    },
    /// A model name that tables cannot show.
    #[error("{0:?} is not a valid model name")]
    BadModelName(String),
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
    /// Patients in two subsets of a fold.
    #[error(
        "split {split}, fold {fold}: {} {} in more than one subset",
        counted(*patients as u64, "patient"),
        if *patients == 1 { "is" } else { "are" }
    )]
    Leak {
        /// The split.
        split: String,
        /// The fold.
        fold: u32,
        /// Number of these patients.
        patients: usize,
    },
    /// A model with image input, on a metadata-only data set.
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
        /// What it is, by its first bytes.
        kind: FileKind,
    },
    /// Weights with numbers that cannot be computed with.
    #[error("the weights {} cannot be used: {reason}", path.display())]
    BadWeights {
        /// The file.
        path: PathBuf,
        /// The tensor and the place.
        reason: String,
    },
    /// Another process is training the same run.
    #[error("another process is already training this run: {} is locked", .0.display())]
    Running(PathBuf),
    /// A file of a training.
    #[error("{}", crate::disk::failed(doing, path, source))]
    Io {
        /// The verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Invalid scores from the worker.
    #[error("{}: invalid scores from the worker: {reason}", path.display())]
    BadScores {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A record that contradicts its inputs.
    #[error("{kind} {} is false: {what}", id.short())]
    False {
        /// The record.
        id: Hash,
        /// Its kind.
        kind: String,
        /// The first wrong value.
        what: String,
    },
    /// A run without predictions of the subset.
    #[error("run {0} has no predictions of its test images")]
    NoPredictions(String),
    /// Neither a run nor predictions.
    #[error("`{text}` is a {kind}; only runs and predictions can be compared")]
    NotComparable {
        /// The requested name or id.
        text: String,
        /// Its kind.
        kind: String,
    },
    /// Two results that belong in the same cell of the table.
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
    /// Two runs of the same fold.
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
    /// Results that are not comparable.
    #[error("{}", Incomparable::reasons(.0))]
    Incomparable(Vec<Incomparable>),
    /// A label that not every model scores.
    #[error("not every model scores {label}; labels that all models score: {}", shared.join(", "))]
    LabelNotScored {
        /// The label.
        label: String,
        /// The labels that all models score.
        shared: Vec<String>,
    },
    /// Models without a common image.
    #[error("no image was scored by every model on the same fold")]
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
    /// Predictions that cannot come from their run.
    #[error("predictions {} do not match their run: {reason}", predictions.short())]
    Misattributed {
        /// The predictions.
        predictions: Hash,
        /// What does not match.
        reason: String,
    },
    /// A model without image input, where one with image input is needed.
    #[error("model {0} has no image input")]
    SeesNoImage(String),
    /// A label that the data set does not have.
    #[error("unknown label {label}; the data set has {}", labels.join(", "))]
    NoSuchLabel {
        /// The label.
        label: String,
        /// The labels of the data set.
        labels: Vec<String>,
    },
    /// A file of unknown age, gender and view, for a network that sees them.
    #[error("{} is {}: {model} needs its age, gender and view", path.display(), if *named { "not the image of that name in the data set" } else { "no image of the data set" })]
    MetaUnknown {
        /// The file.
        path: PathBuf,
        /// The model.
        model: String,
        /// Whether the data set has an image of this name, of other bytes.
        named: bool,
        /// The options that are missing.
        missing: Vec<&'static str>,
    },
    /// A file that is several images with different meta features.
    #[error("{} is both {a} and {b} of the data set, which differ in age, gender or view", path.display())]
    MetaAmbiguous {
        /// The file.
        path: PathBuf,
        /// An image with its bytes.
        a: String,
        /// Another.
        b: String,
    },
    /// Given meta features that are not those of the data set.
    #[error("{} is {image} of the data set, which has {meta}", path.display())]
    MetaContradicts {
        /// The file.
        path: PathBuf,
        /// The image with its bytes.
        image: String,
        /// Those of the image.
        meta: MetaFeatures,
    },
    /// Meta features for a network that does not see them.
    #[error("{0} sees no age, gender or view")]
    MetaUnused(String),
    /// Neither a file nor an image of the data set.
    #[error("`{0}` is neither a file nor an image of the run's data set")]
    NoSuchImage(String),
    /// A file that is not an image.
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
    /// Runs that are not folds of one model.
    #[error("a probe needs folds of one model: {a} is {one}, but {b} is {other}")]
    NotOneModel {
        /// The first run.
        a: String,
        /// The first run's model or setting.
        one: String,
        /// The second.
        b: String,
        /// The second run's model or setting.
        other: String,
    },
    /// A target that is unknown for all images, or the same for all of them.
    #[error("fold {fold}: the {target} of its {subset} images is unknown, or the same for all of them")]
    NothingToProbe {
        /// The target.
        target: &'static str,
        /// The subset.
        subset: &'static str,
        /// The fold.
        fold: u32,
    },
    /// Withdrawn images.
    #[error("{} of the images {} withdrawn ({why})", thousands(*images), if *images == 1 { "was" } else { "were" })]
    Withdrawn {
        /// Number of these images.
        images: u64,
        /// Subject and reason of the first withdrawal.
        why: String,
    },
    /// Purged images.
    #[error("cannot compute this: {} of the images {} withdrawn and purged", thousands(*images), if *images == 1 { "was" } else { "were" })]
    Purged {
        /// Number of these images.
        images: u64,
    },
    /// A record made by other rules than those of this reg, so that it cannot be checked.
    #[error(
        "{kind} {} was made by rules {recorded}, this reg has rules {here}: it cannot be recomputed here",
        id.short()
    )]
    OtherRules {
        /// The record.
        id: Hash,
        /// Its kind.
        kind: String,
        /// The version of the rules that produced the record.
        recorded: u32,
        /// The version of this reg.
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

/// The command that makes a safetensors file of a checkpoint of PyTorch: of the weights alone or with an optimiser
/// and an epoch beside them. Each tensor is cloned, since one that shares its memory cannot be saved.
fn conversion(path: &Path) -> String {
    let program = "import sys, torch; from safetensors.torch import save_file; \
                   c = torch.load(sys.argv[1], map_location='cpu', weights_only=True); \
                   n = [k for k in ('state_dict', 'model_state_dict', 'model', 'net', 'weights') if isinstance(c.get(k), dict)]; \
                   c = c[n[0]] if n else c; \
                   save_file({k: v.detach().clone().contiguous() for k, v in c.items() if torch.is_tensor(v)}, 'weights.safetensors')";
    format!("python -c \"{program}\" {}", shell(&path.to_string_lossy()))
}

impl RunError {
    pub(super) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> RunError {
        let path = path.to_owned();
        move |source| RunError::Io { doing, path, source }
    }

    /// A hint.
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
            RunError::NothingScored { extra: 0, example: Some(example), .. } => {
                let (theirs, ours) = &**example;
                return Some(format!(
                    "the file names its images like {theirs:?}, the data set like {ours:?}: check --dataset"
                ));
            }
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
            RunError::NotSafetensors {
                path,
                kind: FileKind::Pickle | FileKind::TorchZip | FileKind::Zip,
                ..
            } => {
                return Some(format!(
                    "reg loads no pickle files, because they can run code; convert it: {}",
                    conversion(path)
                ));
            }
            RunError::MetaUnknown { missing, .. } => {
                let options = missing.iter().map(|option| match *option {
                    "--age" => "--age YEARS",
                    "--gender" => "--gender M or F",
                    _ => "--view PA or AP",
                });
                let options = options.collect::<Vec<_>>().join(", ");
                return Some(format!("give {options}; each can be `unknown`"));
            }
            RunError::MetaAmbiguous { .. } => "give the file the name of the image that is meant",
            RunError::MetaContradicts { .. } => {
                "leave out --age, --gender and --view: those of the data set are used"
            }
            RunError::MetaUnused(_) => "leave out --age, --gender and --view",
            RunError::NotSafetensors { path, kind, .. } => {
                return Some(kind.remedy(path).unwrap_or_else(|| {
                    "give the file of weights itself: `reg weights import FILE.safetensors`".to_owned()
                }));
            }
            RunError::BadWeights { .. } => {
                "take an earlier checkpoint, or download the file again and compare its SHA-256"
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
                "it was made by a newer reg, or changed by hand: install a newer reg to check it"
            }
            RunError::OtherRules { .. } => {
                "repeat the command that made it to make a new one by the current rules; the reg that made it can check it"
            }
            RunError::NoPredictions(_) => "`reg eval RUN` makes them",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether a record was made by older rules, which this reg no longer has.
    pub fn is_older_rules(&self) -> bool {
        matches!(self, RunError::OtherRules { recorded, here, .. } if (1..*here).contains(recorded))
    }

    /// Whether the error is the negative result of a check rather than a failure.
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
