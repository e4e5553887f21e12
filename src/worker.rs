//! The protocol between `reg` and its worker `reg-torch`. Both sides use this one file.
//!
//! `reg` starts the worker, whose first line is [`WorkerEvent::Ready`]. Then `reg` writes [`Job`]s to its standard
//! input, one line of JSON each and each when the one before is done. The worker answers with [`WorkerEvent`]s on standard
//! output, one line of JSON each. The last one of a job is `done`, `interrupted` or `failed`; after the last two the worker
//! ends, after `done` it waits for the next job, and ends when there is none. It leaves its files in the job's folder,
//! and what it writes to standard error, too. The worker reads objects (and checks their hashes) but never opens the
//! index, so its failures cannot damage a record. `reg-torch identity` prints an [`Identity`] alone.

mod os_path;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::Dir;
use crate::hash::{Hash, Id};
use crate::records::{
    AgeRange, Assignment, Blob, EpochLog, Layout, Manifest, MetaFeatures, Model, NetworkSpec, Numerics,
    Precision, Subset, Target,
};

/// Changes with every change of [`Job`], [`WorkerEvent`] or [`Identity`].
pub const PROTOCOL: u32 = 9;

/// What the worker reports about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// [`PROTOCOL`] of the worker.
    pub protocol: u32,
    /// Version of reg-torch.
    pub worker: String,
    /// Version of the worker's numbers: raised when the same job gives other numbers.
    pub numerics: u32,
    /// Version of the tch crate.
    pub tch: String,
    /// Version of the libtorch that it was built against.
    pub libtorch: String,
    /// Processor architecture and operating system.
    pub target: String,
    /// Versions of the crates that affect its numbers.
    pub crates: BTreeMap<String, String>,
    /// Vector instructions that libtorch uses on this machine (`AVX2`, `AVX512`, `DEFAULT`).
    pub cpu_capability: String,
    /// Names of the available CUDA devices.
    pub cuda: Vec<String>,
    /// Hashes of the source files that affect its numbers and of `Cargo.lock`, in the form that `b3sum --check`
    /// reads from the root of the source tree.
    pub sources: String,
}

impl Identity {
    /// The part of the identity that affects numbers.
    pub fn numerics(&self) -> Numerics {
        let Identity { numerics: version, libtorch, target, .. } = self.clone();
        Numerics { version, libtorch, target }
    }
}

/// A job for the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u32,
    /// The registry's folder of objects.
    #[serde(with = "os_path")]
    pub objects: PathBuf,
    /// Output folder: results, and the resume checkpoint of an interrupted training.
    #[serde(with = "os_path")]
    pub out: PathBuf,
    /// Folder of the cache for pixels and features; `None` without a cache.
    #[serde(default, with = "os_path::optional")]
    pub cache: Option<PathBuf>,
    /// Device: `cpu` or `cuda:N`.
    pub device: String,
    /// Threads of the tensor library.
    pub threads: u32,
    /// Number of labels: outputs of the network.
    pub labels: u32,
    /// Age range for scaling the meta feature to [0, 1].
    pub age: Option<AgeRange>,
    /// The work.
    pub work: Work,
}

impl Job {
    /// Opens one of the folders of the job, which is made if it is missing. Of one that lies in the registry, nothing on
    /// the way there may be a link.
    pub fn folder(&self, path: &Path) -> io::Result<Dir> {
        let root = self.objects.parent().unwrap_or(Path::new("."));
        match path.strip_prefix(root) {
            Ok(inside) if !inside.as_os_str().is_empty() => Dir::open(root)?.folder(inside),
            _ => Dir::make(path),
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "kebab-case")]
pub enum Work {
    /// Train a spec. Writes `checkpoint.safetensors` and `log.jsonl`, and resumes from the checkpoint that an
    /// interrupted training left in the same folder.
    Train {
        /// The spec.
        spec: Box<NetworkSpec>,
        /// The images of the spec's data set.
        manifest: Id<Manifest>,
        /// The subsets of the spec's split.
        assignment: Id<Assignment>,
        /// The initial weights, if the spec has any.
        weights: Option<Hash>,
        /// Seconds between two resume checkpoints: the most work that a kill can cost.
        save_every: f64,
    },
    /// Score images of a data set. Writes `scores.bin`, packed [`crate::records::Scores`] of logits.
    Predict {
        /// The network.
        model: Model,
        /// Its weights.
        checkpoint: Id<Blob>,
        /// Precision and memory layout.
        numbers: Numbers,
        /// Batch size.
        batch: u32,
        /// The images.
        manifest: Id<Manifest>,
        /// The subsets.
        assignment: Id<Assignment>,
        /// Fold of the split.
        fold: u32,
        /// Subset to score.
        subset: Subset,
        /// Whether the images are mirrored left to right.
        flipped: bool,
    },
    /// Score image files outside of a data set. Writes `scores.bin` with the images' positions as rows.
    PredictFiles {
        /// The network.
        model: Model,
        /// Its weights.
        checkpoint: Id<Blob>,
        /// Precision and memory layout.
        numbers: Numbers,
        /// The files.
        images: Vec<JobFile>,
        /// Whether the images are mirrored left to right.
        flipped: bool,
    },
    /// Fit a linear probe for a target on the frozen pooled features of images. Writes `validation.bin` and
    /// `scores.bin`, packed [`crate::records::Scores`] of one column: logits, or years.
    Probe {
        /// The network.
        model: Model,
        /// Its weights.
        checkpoint: Id<Blob>,
        /// Precision and memory layout.
        numbers: Numbers,
        /// The images.
        manifest: Id<Manifest>,
        /// The subsets.
        assignment: Id<Assignment>,
        /// Fold of the split.
        fold: u32,
        /// The target of the probe.
        target: Target,
    },
    /// Grad-CAM of the last convolutional layer. Writes `scores.bin` with the images' positions as rows; each
    /// row is the logit followed by the map, row by row.
    Gradcam {
        /// The network.
        model: Model,
        /// Its weights.
        checkpoint: Id<Blob>,
        /// Precision and memory layout.
        numbers: Numbers,
        /// The images.
        images: GradcamImages,
        /// The label of each image.
        labels: Vec<u32>,
    },
}

/// The images of a Grad-CAM job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GradcamImages {
    /// Rows of a manifest; a row can occur more than once.
    Rows(Id<Manifest>, Vec<u32>),
    /// Files.
    Files(Vec<JobFile>),
}

/// An image file that is read by its path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobFile {
    /// The file.
    #[serde(with = "os_path")]
    pub path: PathBuf,
    /// The hash of its bytes. Other bytes are refused: the meta features belong to these.
    pub hash: Hash,
    /// Its meta features, if the model needs them.
    pub meta: Option<MetaFeatures>,
}

/// Precision and memory layout of a computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Arithmetic.
    pub precision: Precision,
    /// Memory layout.
    pub layout: Layout,
}

/// File names in a job's folder.
pub mod files {
    /// Weights of the selected epoch.
    pub const CHECKPOINT: &str = "checkpoint.safetensors";
    /// One [`super::EpochLog`] a line.
    pub const LOG: &str = "log.jsonl";
    /// The resume checkpoint of a training.
    pub const STATE: &str = "state.safetensors";
    /// A [`super::RunStatus`], replaced about once a second.
    pub const STATUS: &str = "standing.json";
    /// What the worker writes to standard error.
    pub const WORKER_LOG: &str = "worker.log";
    /// Packed [`crate::records::Scores`].
    pub const SCORES: &str = "scores.bin";
    /// Packed scores of the validation images, written by a probe.
    pub const VALIDATION: &str = "validation.bin";
}

/// What the worker reports, one line each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum WorkerEvent {
    /// The worker waits for its first job.
    Ready(Identity),
    /// The work starts.
    Started {
        /// Name of the GPU, if one is used.
        gpu: Option<String>,
        /// Whether the GPU is restricted to deterministic algorithms.
        deterministic: Option<bool>,
        /// Number of epochs completed by interrupted attempts.
        resumed_epochs: u32,
        /// Number of completed batches of the next epoch.
        resumed_batches: u64,
        /// Parameters of the network.
        parameters: u64,
        /// Estimate of the peak memory, in bytes.
        memory: u64,
    },
    /// A note that does not stop the work.
    Note {
        /// One sentence.
        message: String,
    },
    /// Progress, at most ten times per second.
    Progress(ProgressStep),
    /// An epoch is complete.
    Epoch(EpochLog),
    /// All files are written.
    Done(JobOutcome),
    /// Stopped by a signal; the same job resumes from here.
    Interrupted {
        /// Number of saved whole epochs.
        epochs: u32,
        /// Number of saved batches of the next epoch.
        batches: u64,
    },
    /// The work failed.
    Failed {
        /// One sentence that names the cause.
        message: String,
        /// A hint.
        hint: Option<String>,
    },
}

/// Progress of a job.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProgressStep {
    /// Current phase.
    pub phase: Phase,
    /// Epoch, from 1; 0 outside training.
    pub epoch: u32,
    /// Total number of epochs.
    pub epochs: u32,
    /// Number of images done in this phase.
    pub done: u64,
    /// Number of images in this phase.
    pub total: u64,
    /// Images per second in this phase, so far.
    pub rate: f64,
    /// Mean loss so far.
    pub loss: Option<f64>,
    /// Estimated seconds until the end of the whole training.
    pub left: Option<f64>,
}

/// Status of a training, which other processes read in its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStatus {
    /// Progress.
    pub step: ProgressStep,
    /// The completed epochs.
    pub epochs: Vec<EpochLog>,
}

/// Phase of a [`ProgressStep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Decodes images and caches their pixels.
    Pixels,
    /// Computes features of the images with a frozen network and caches them.
    Features,
    /// Training steps.
    Train,
    /// Computes the loss on the validation images.
    Validate,
    /// Computes scores.
    Predict,
    /// Fits a probe to features; `done` and `total` count attempts.
    Fit,
}

/// The result of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobOutcome {
    /// Number of trained epochs.
    pub epochs: u32,
    /// The selected epoch, from 1.
    pub best_epoch: u32,
    /// Its validation loss.
    pub val_loss: f64,
    /// Parameters of the network.
    pub parameters: u64,
    /// The penalty that was selected for a probe.
    pub penalty: Option<f64>,
    /// Seconds by part of the work, for profiling.
    pub seconds: BTreeMap<String, f64>,
}
