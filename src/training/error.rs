//! Why a training or evaluation failed.

use std::path::{Path, PathBuf};

use super::config::ConfigError;
use super::process::WorkerError;
use super::program::ProgramError;
use crate::dataset::pixels::PixelError;
use crate::disk::FileError;
use crate::escape::shell_os;
use crate::index::IndexError;
use crate::recognise::FileKind;
use crate::records::MetaFeatures;
use crate::registry::RegistryError;
use crate::scores::ScoreError;
use crate::split::SplitError;
use crate::store::StoreError;
use crate::suggest::similar;
use crate::withdrawal::UseError;

/// Why a training or evaluation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// A split that does not fit.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A table that is not what it is said to be.
    #[error(transparent)]
    Score(ScoreError),
    /// Images that must not be used any more.
    #[error(transparent)]
    Use(UseError),
    /// Neither `auto`, `cpu` nor `cuda:N`.
    #[error("unknown device `{0}`")]
    BadDevice(String),
    /// A model with image input, on a metadata-only data set.
    #[error("data set {dataset} has metadata only, but {model} needs images")]
    NeedsImages {
        /// The data set.
        dataset: String,
        /// The model.
        model: String,
    },
    /// A run of a program, where the network of a run is needed.
    #[error("{0} is a run of your own program: reg has no network for it")]
    OfProgram(String),
    /// Scores of another tool, where the network behind scores is needed.
    #[error("predictions {0} were imported: reg has no network for them")]
    OfAnotherTool(String),
    /// A program that cannot be run, or left something that cannot be registered.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Transfer learning without weights.
    #[error("--init {0} needs --weights")]
    NeedsWeights(&'static str),
    /// Mirrored images for a model that sees none.
    #[error("{0} sees no images, so there is nothing to mirror")]
    NothingToFlip(String),
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
    /// What somebody says that weights were trained on.
    #[error("cannot tell what `{text}` is: {reason}")]
    TrainedOn {
        /// What was said.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process is training the same run.
    #[error("another process is already training this run: {} is locked", .0.display())]
    Running(PathBuf),
    /// A file of a training.
    #[error(transparent)]
    Io(#[from] FileError),
    /// Invalid scores from the worker.
    #[error("{}: invalid scores from the worker: {reason}", path.display())]
    BadScores {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two runs of the same fold.
    #[error("{a} and {b} are both {model} on division {fold} of their split")]
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
    /// A model that does not use images, where one that does is needed.
    #[error("model {0} does not use images")]
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
    #[error("{model} needs age, gender and view, but {} is {}", path.display(), if *named { "not the image of that name in the data set" } else { "not an image of the data set" })]
    MetaUnknown {
        /// The file.
        path: PathBuf,
        /// The model.
        model: String,
        /// Whether the data set has an image of this name, of other bytes.
        named: bool,
        /// The options that are missing.
        missing: Vec<&'static str>,
        /// Whether other files of the same command are images of the data set.
        mixed: bool,
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
    #[error("{} is the data set's image {image}, for which different values are recorded: {meta}", path.display())]
    MetaContradicts {
        /// The file.
        path: PathBuf,
        /// The image with its bytes.
        image: String,
        /// Those of the image.
        meta: MetaFeatures,
        /// Whether other files of the same command are no images of the data set.
        mixed: bool,
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
    #[error("division {fold} has no {subset} image with an annotated box")]
    NoBoxesIn {
        /// The subset.
        subset: &'static str,
        /// The fold.
        fold: u32,
    },
    /// Runs that are not folds of one model.
    #[error("a probe needs runs of one model: {a} is {one}, but {b} is {other}")]
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
    #[error("division {fold}: the {target} of its {subset} images is unknown, or the same for all of them")]
    NothingToProbe {
        /// The target.
        target: &'static str,
        /// The subset.
        subset: &'static str,
        /// The fold.
        fold: u32,
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

/// The command that makes a safetensors file of what `torch.save` wrote: of a tensor, of tensors by name, or of the
/// dictionary with the most of them, wherever it lies beside an optimiser and an epoch. Each tensor is cloned, since one
/// that shares its memory cannot be saved.
fn conversion(path: &Path) -> String {
    let program = "import sys, torch; from safetensors.torch import save_file; \
                   c = torch.load(sys.argv[1], map_location='cpu', weights_only=True); \
                   d = lambda c: c if isinstance(c, dict) else dict(enumerate(c if isinstance(c, (list, tuple)) else [c])); \
                   f = lambda c: max([{str(k): v for k, v in c.items() if torch.is_tensor(v)}, \
                   *(f(d(v)) for v in c.values() if isinstance(v, (dict, list, tuple)))], key=len); \
                   t = f(d(c)) or sys.exit('no tensors in it'); \
                   save_file({k: v.detach().clone().contiguous() for k, v in t.items()}, 'weights.safetensors')";
    format!("python3 -c \"{program}\" {}", shell_os(path))
}

impl From<ScoreError> for RunError {
    fn from(e: ScoreError) -> Self {
        match e {
            ScoreError::Registry(e) => RunError::Registry(e),
            ScoreError::Split(e) => RunError::Split(e),
            e => RunError::Score(e),
        }
    }
}

impl From<UseError> for RunError {
    fn from(e: UseError) -> Self {
        match e {
            UseError::Registry(e) => RunError::Registry(e),
            e => RunError::Use(e),
        }
    }
}

impl RunError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            RunError::Config(e) => return e.hint(),
            RunError::Worker(e) => return e.hint(),
            RunError::Program(e) => return e.hint(),
            RunError::OfProgram(_) => {
                "its scores are recorded: `reg compare` and `reg report` use them; give a run of `reg train`"
            }
            RunError::NoSuchLabel { label, labels } => {
                return match similar(label, labels.iter().map(String::as_str))[..] {
                    [meant] => Some(format!("did you mean `{meant}`?")),
                    _ => None,
                };
            }
            RunError::OfAnotherTool(_) => "give a run of `reg train`, or a mean of such runs alone",
            RunError::Split(e) => return e.hint().map(str::to_owned),
            RunError::Score(e) => return e.hint(),
            RunError::Use(e) => return e.hint().map(str::to_owned),
            RunError::BadDevice(_) => "possible devices: auto, cpu, cuda:0, cuda:1, …",
            RunError::NeedsImages { .. } => {
                "use the model `mlp`, which needs only metadata, or ingest the images"
            }
            RunError::NeedsWeights(_) => {
                "import weights with `reg weights import FILE.safetensors --name NAME` and give --weights NAME"
            }
            RunError::NothingToFlip(_) => "evaluate it without --tta",
            RunError::UnusedWeights => {
                "leave out --weights, or give --init fine-tune or --init off-the-shelf"
            }
            RunError::NotSafetensors {
                path,
                kind: FileKind::Pickle | FileKind::TorchZip | FileKind::Zip,
                ..
            } => {
                return Some(format!(
                    "reg loads no pickle files, because they can run code; convert it: `{}`, then `reg weights import \
                     weights.safetensors`",
                    conversion(path)
                ));
            }
            RunError::MetaUnknown { mixed: true, .. } | RunError::MetaContradicts { mixed: true, .. } => {
                "use two commands: one for the images of the data set, without --age, --gender and --view, and one for the other files, with them"
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
            RunError::MetaAmbiguous { .. } => "rename the file to the name of that image",
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
            RunError::TrainedOn { .. } => {
                "--trained-on takes DATASET, DATASET:SPLIT:FOLD, 'external NAME' or unknown"
            }
            RunError::NotOneFold { .. } => "give one run per fold or re-sampling",
            RunError::NotOneModel { .. } => "give the runs of one model at a time",
            RunError::SeesNoImage(_) => "give a run of a model that uses images",
            RunError::NoBoxes(_) => {
                "ingest the data set again with its list of boxes: --boxes BBox_List_2017.csv"
            }
            RunError::NoBoxesIn { .. } => "choose another subset with --subset",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the error is the negative result of a check rather than a failure.
    pub fn is_refusal(&self) -> bool {
        match self {
            RunError::Score(e) => e.is_refusal(),
            RunError::Use(e) => e.is_refusal(),
            _ => false,
        }
    }
}
