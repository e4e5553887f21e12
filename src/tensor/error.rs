//! All errors of the worker, with hints.

use std::io;
use std::path::{Path, PathBuf};

use reg::dataset::pixels::PixelError;
use reg::digits::{counted, thousands};
use reg::hash::Hash;
use reg::records::{CodecError, Subset};
use reg::store::StoreError;
use reg::worker::PROTOCOL;
use tch::TchError;

/// Why a job fails or stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TensorError {
    /// The job is not JSON of the protocol's shape.
    #[error("the job on standard input cannot be read: {0}")]
    Job(String),
    /// The sender uses another version of the protocol.
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
    /// The model or its training settings are invalid.
    #[error("the model cannot be built or trained: {0}")]
    Settings(String),
    /// An error of libtorch.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] TchError),
    /// An object that is not an image is missing or damaged.
    #[error("the {what} cannot be read: {source}")]
    Object {
        /// What the object is.
        what: &'static str,
        /// Why.
        source: StoreError,
    },
    /// A packed object does not decode.
    #[error("the {what} {id} cannot be read: {source}")]
    Codec {
        /// What the object is.
        what: &'static str,
        /// The object.
        id: Hash,
        /// Why.
        source: CodecError,
    },
    /// A result cannot be encoded.
    #[error("the {what} cannot be written: {source}")]
    Encode {
        /// What the result is.
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
    /// An image is not readable.
    #[error("image {name} (object {id}): {source}")]
    ImagePixels {
        /// The image's name.
        name: String,
        /// Its object.
        id: Hash,
        /// Why.
        source: Box<PixelError>,
    },
    /// An image file outside of a data set is not readable.
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
    /// Fold or row numbers do not match the data set.
    #[error("the split does not fit: {0}")]
    Split(String),
    /// A subset without images.
    #[error("the {} subset of division {fold} has no images", subset.name())]
    Empty {
        /// The subset.
        subset: Subset,
        /// The fold.
        fold: u32,
    },
    /// A subset whose labels are all missing.
    #[error("no label of any image in the {} subset of division {fold} is known", subset.name())]
    NoKnownLabel {
        /// The subset.
        subset: Subset,
        /// The fold.
        fold: u32,
    },
    /// The initial weights do not match the model.
    #[error("the weights {id} do not fit the model: {reason}")]
    Weights {
        /// The weights.
        id: Hash,
        /// The reason, with the tensor's name.
        reason: String,
    },
    /// Weights for three channels, for a model with one channel.
    #[error("the weights {id} do not fit the model: conv1.weight has 3 input channels, the model 1")]
    Channels {
        /// The weights.
        id: Hash,
    },
    /// The work would need more memory than is free.
    #[error(
        "this needs about {:.1} GB of memory at `batch` {batch}, but only {:.1} GB are free on {place}",
        *needed as f64 / 1e9,
        *free as f64 / 1e9
    )]
    Memory {
        /// Estimated memory in bytes.
        needed: u64,
        /// Free memory in bytes.
        free: u64,
        /// The machine or the GPU.
        place: String,
        /// Batch size.
        batch: u32,
    },
    /// BatchNorm of a batch with one value per channel.
    #[error(
        "BatchNorm cannot be trained on one value per channel: a batch has 1 image, and a layer reduces it to 1 x 1 pixels"
    )]
    OneValue,
    /// A parameter, statistic or moment that a training has driven out of the numbers.
    #[error("{0}: the training has diverged, and nothing of it is saved")]
    NotFinite(String),
    /// The loss is not finite.
    #[error("the loss is not finite in epoch {epoch}, {place}")]
    Diverged {
        /// Epoch, from 1.
        epoch: u32,
        /// The batch and its images.
        place: String,
    },
    /// A file in the job's folder cannot be written, or an image file cannot be read.
    #[error("{}", reg::disk::failed(doing, path, source))]
    File {
        /// The verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Stopped by a signal.
    #[error(
        "interrupted after {} and {} {}",
        counted((*epochs).into(), "whole epoch"),
        thousands(*batches),
        if *batches == 1 { "batch" } else { "batches" }
    )]
    Interrupted {
        /// Number of saved whole epochs.
        epochs: u32,
        /// Number of saved batches of the next epoch.
        batches: u64,
    },
    /// The events are no longer read.
    #[error("the worker's events are not being read")]
    Gone,
}

impl TensorError {
    /// Adds the failed operation and the file to an error.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TensorError {
        let path = path.to_owned();
        move |source| TensorError::File { doing, path, source }
    }

    /// Whether the same training ends in the same error each time, whatever changes around it.
    pub(crate) fn recurs(&self) -> bool {
        matches!(
            self,
            TensorError::Settings(_)
                | TensorError::Split(_)
                | TensorError::Empty { .. }
                | TensorError::NoKnownLabel { .. }
                | TensorError::NoPixels { .. }
                | TensorError::Weights { .. }
                | TensorError::Channels { .. }
                | TensorError::OneValue
                | TensorError::NotFinite(_)
                | TensorError::Diverged { .. }
        )
    }

    /// A hint.
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
                "the best epoch is selected on validation images: make a split with validation images: `reg split make DATASET --ratios 70/10/20`"
            }
            TensorError::Empty { .. } => {
                "make a split with images in it: `reg split make DATASET --ratios 70/10/20`"
            }
            TensorError::NoKnownLabel { .. } => {
                "train on another division of the split, or on a data set with labels: `reg dataset stats DATASET` counts the missing labels"
            }
            TensorError::Weights { .. } => {
                "give weights of this network with torchvision's names: `reg weights import` says which networks a file fits"
            }
            TensorError::Channels { .. } => {
                "pre-trained weights need a model with 3 channels, such as resnet50 or resnet50-meta"
            }
            TensorError::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some disk space and run the same command again: the training resumes where it stopped"
            }
            TensorError::OneValue => {
                "give at least 2 images to a batch (`--set batch=16`, a split with 2 training images or more), or a larger `input`"
            }
            TensorError::Diverged { .. } | TensorError::NotFinite(_) => {
                "try a smaller learning rate (`--set lr=0.001`)"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// libtorch appends a C++ backtrace, which does not help users.
fn first_line(error: &TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
