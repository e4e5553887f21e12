//! Everything that can go wrong in the worker, and what might help.

use std::io;
use std::path::{Path, PathBuf};

use reg::dataset::pixels::PixelError;
use reg::hash::Hash;
use reg::records::{CodecError, Subset};
use reg::store::StoreError;
use reg::worker::PROTOCOL;
use tch::TchError;

/// Why a job cannot be done, or why it stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TensorError {
    /// The job is not JSON of the protocol's shape.
    #[error("the job on standard input cannot be read: {0}")]
    Job(String),
    /// The sender is of another version.
    #[error("reg uses version {found} of the worker protocol, but this reg-torch uses version {PROTOCOL}")]
    Protocol {
        /// The sender's version.
        found: u64,
    },
    /// The device cannot be used.
    #[error("device `{device}` cannot be used: {reason}")]
    Device {
        /// As the job names it.
        device: String,
        /// One clause.
        reason: String,
    },
    /// The model, or how it is to be trained, makes no sense.
    #[error("the model cannot be built or trained: {0}")]
    Settings(String),
    /// libtorch says no.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] TchError),
    /// An object that is not an image is missing or damaged.
    #[error("the {what} cannot be read: {source}")]
    Object {
        /// What it holds.
        what: &'static str,
        /// Why.
        source: StoreError,
    },
    /// A packed object does not decode.
    #[error("the {what} {id} cannot be read: {source}")]
    Codec {
        /// What it holds.
        what: &'static str,
        /// The object.
        id: Hash,
        /// Why.
        source: CodecError,
    },
    /// A result does not encode.
    #[error("the {what} cannot be written: {source}")]
    Encode {
        /// What it is.
        what: &'static str,
        /// Why.
        source: CodecError,
    },
    /// An image's object is missing or damaged.
    #[error("image {name}: {source}")]
    ImageObject {
        /// The image's name.
        name: String,
        /// Why.
        source: StoreError,
    },
    /// An image is no readable PNG.
    #[error("image {name} (object {id}): {source}")]
    ImagePixels {
        /// The image's name.
        name: String,
        /// Its object.
        id: Hash,
        /// Why.
        source: PixelError,
    },
    /// An image file that belongs to no data set is no readable PNG.
    #[error("image {}: {source}", path.display())]
    FilePixels {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PixelError,
    },
    /// A row of the data set has no image file.
    #[error("image {name} has no file in this data set")]
    NoPixels {
        /// The image's name.
        name: String,
    },
    /// The fold or the row numbers do not fit together.
    #[error("the split does not fit: {0}")]
    Split(String),
    /// A subset without images.
    #[error("the {} subset of fold {fold} has no images", subset.name())]
    Empty {
        /// The subset.
        subset: Subset,
        /// The fold.
        fold: u32,
    },
    /// A subset whose labels are all missing.
    #[error("no label of any image in the {} subset of fold {fold} is known", subset.name())]
    NoKnownLabel {
        /// The subset.
        subset: Subset,
        /// The fold.
        fold: u32,
    },
    /// Given weights do not fit the model.
    #[error("the weights {id} do not fit the model: {reason}")]
    Weights {
        /// The weights.
        id: Hash,
        /// Names the tensor.
        reason: String,
    },
    /// One-channel model, three-channel weights.
    #[error("the weights {id} do not fit the model: conv1.weight has 3 input channels, the model 1")]
    Channels {
        /// The weights.
        id: Hash,
    },
    /// The work would take more memory than there is.
    #[error(
        "this needs about {:.1} GB of memory at `batch` {batch}, but only {:.1} GB are free on {place}",
        *needed as f64 / 1e9,
        *free as f64 / 1e9
    )]
    Memory {
        /// Bytes that it takes, by estimate.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// The machine or the GPU.
        place: String,
        /// Images a step.
        batch: u32,
    },
    /// The loss is no number any more.
    #[error("the loss is not finite in epoch {epoch}, {place}")]
    Diverged {
        /// Epoch, from 1.
        epoch: u32,
        /// The batch and its images.
        place: String,
    },
    /// A file in the job's folder cannot be written, or an image file not be read.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// The verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A signal asked to stop.
    #[error("interrupted after {epochs} whole epochs and {batches} batches")]
    Interrupted {
        /// Whole epochs that are kept.
        epochs: u32,
        /// Batches of the next one that are kept.
        batches: u64,
    },
    /// Nobody listens any more.
    #[error("the worker's events are not being read")]
    Gone,
}

impl TensorError {
    /// Says what was being done to which file.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TensorError {
        let path = path.to_owned();
        move |source| TensorError::File { doing, path, source }
    }

    /// What might help.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            TensorError::Protocol { .. } => "build reg and reg-torch from the same source",
            TensorError::Device { .. } => {
                "`cpu` always works; `cuda:0` needs libtorch with CUDA, a driver and a GPU"
            }
            TensorError::Torch(e) if e.to_string().contains("out of memory") => "try a smaller `batch`",
            TensorError::Memory { .. } => "try a smaller `batch`, or a smaller `input`",
            TensorError::ImageObject { .. }
            | TensorError::Object { .. }
            | TensorError::ImagePixels { .. } => {
                "`reg verify` names every damaged object and what depends on it"
            }
            TensorError::NoPixels { .. } => {
                "a metadata-only data set can only train the model `mlp`; for other models ingest the images"
            }
            TensorError::Empty { subset: Subset::Val, .. } => {
                "the best epoch is selected on validation images: make a split with validation images (`reg split make --ratios 70/10/20`)"
            }
            TensorError::Empty { .. } => {
                "make a split with images in it (`reg split make --ratios 70/10/20`)"
            }
            TensorError::NoKnownLabel { .. } => {
                "train on another fold, or on a data set with labels: `reg dataset stats` counts those that are missing"
            }
            TensorError::Weights { .. } => {
                "tensors need torchvision's names; `reg show` of the run's spec lists the model's layers"
            }
            TensorError::Channels { .. } => {
                "pre-trained weights need a model with 3 channels, such as resnet50 or resnet50-meta"
            }
            TensorError::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some disk space and run the same command again: the training resumes where it stopped"
            }
            TensorError::Diverged { .. } => "try a smaller learning rate (`--set lr=0.001`)",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// libtorch appends a C++ backtrace, which helps nobody who reads an event.
fn first_line(error: &TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
