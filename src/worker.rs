//! The protocol between `reg` and its worker `reg-torch`. Both sides use this one file.
//!
//! `reg` starts the worker, writes one [`Job`] as a JSON document to its standard input and closes
//! it. The worker answers with one [`WorkerEvent`] as JSON a line on standard output, ending with exactly
//! one of `done`, `interrupted` and `failed`, and leaves its files in the job's folder. It reads
//! objects (checking their hashes) and never opens the index, so nothing that happens to it hurts a
//! record. `reg-torch identity` prints an [`Identity`] instead.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::Dir;
use crate::hash::{Hash, Id};
use crate::records::{
    AgeRange, Assignment, Blob, EpochLog, ImageRow, Layout, Manifest, Model, Numerics, Precision, Spec,
    Subset, Target,
};

/// Changes whenever [`Job`], [`WorkerEvent`] or [`Identity`] do.
pub const PROTOCOL: u32 = 4;

/// What the worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// [`PROTOCOL`] of the worker.
    pub protocol: u32,
    /// Version of reg-torch.
    pub worker: String,
    /// Version of what it computes: other numbers from the same job have another.
    pub numerics: u32,
    /// Version of the tch crate.
    pub tch: String,
    /// Version of libtorch that it was built against.
    pub libtorch: String,
    /// Processor architecture and operating system.
    pub target: String,
    /// Versions of the crates that its numbers depend on.
    pub crates: BTreeMap<String, String>,
    /// Vector instructions that libtorch uses on this machine (`AVX2`, `AVX512`, `DEFAULT`).
    pub cpu_capability: String,
    /// Names of the CUDA devices that it can use.
    pub cuda: Vec<String>,
    /// Hashes of the source files that its numbers depend on and of `Cargo.lock`, as `b3sum --check` reads them from
    /// the root of the source tree.
    pub sources: String,
}

impl Identity {
    /// What of it changes numbers.
    pub fn numerics(&self) -> Numerics {
        let Identity { numerics: version, libtorch, target, .. } = self.clone();
        Numerics { version, libtorch, target }
    }
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u32,
    /// The registry's folder of objects.
    pub objects: PathBuf,
    /// Where files go: results, and the state that an interrupted training goes on from.
    pub out: PathBuf,
    /// Where derived pixels and features are kept for the next time; none where they are not.
    pub cache: Option<PathBuf>,
    /// Device: `cpu` or `cuda:N`.
    pub device: String,
    /// Threads of the tensor library.
    pub threads: u32,
    /// Number of labels: outputs of the network.
    pub labels: u32,
    /// Ages by which the meta feature is scaled to [0, 1].
    pub age: Option<AgeRange>,
    /// What to do.
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
    /// Train by a spec. Makes `checkpoint.safetensors` and `log.jsonl`, and goes on from the state
    /// that an interrupted training left in the same folder.
    Train {
        /// What to train.
        spec: Box<Spec>,
        /// The images, from the spec's data set.
        manifest: Id<Manifest>,
        /// The subsets, from the spec's split.
        assignment: Id<Assignment>,
        /// The weights to start from, from the spec's weights.
        weights: Option<Hash>,
        /// Seconds after which the state is kept anew; a kill costs no more of the work.
        save_every: f64,
    },
    /// Score images of a data set by a checkpoint. Makes `scores.bin`, packed [`crate::records::Scores`] of logits.
    Predict {
        /// The network.
        model: Model,
        /// Its weights.
        checkpoint: Id<Blob>,
        /// How it computes.
        numbers: Numbers,
        /// Images a batch.
        batch: u32,
        /// The images.
        manifest: Id<Manifest>,
        /// The subsets.
        assignment: Id<Assignment>,
        /// Fold of the split.
        fold: u32,
        /// Subset to score.
        subset: Subset,
    },
    /// Score image files that belong to no data set. Makes `scores.bin` with the images' positions as
    /// rows.
    PredictFiles {
        /// The network.
        model: Model,
        /// Its weights.
        checkpoint: Id<Blob>,
        /// How it computes.
        numbers: Numbers,
        /// The files, with the meta features of each where the model wants them.
        images: Vec<(PathBuf, Option<ImageRow>)>,
    },
    /// Fit a linear predictor of a target to the frozen pooled features of images. Makes `validation.bin` and
    /// `scores.bin`, packed [`crate::records::Scores`] of one column: logits, or years.
    Probe {
        /// The network.
        model: Model,
        /// Its weights.
        checkpoint: Id<Blob>,
        /// How it computes.
        numbers: Numbers,
        /// The images.
        manifest: Id<Manifest>,
        /// The subsets.
        assignment: Id<Assignment>,
        /// Fold of the split.
        fold: u32,
        /// What is predicted.
        target: Target,
    },
    /// Grad-CAM of the last convolutional layer. Makes `scores.bin` with the images' positions as rows and, of
    /// each, the logit and then the map, row after row.
    Gradcam {
        /// The network.
        model: Model,
        /// Its weights.
        checkpoint: Id<Blob>,
        /// How it computes.
        numbers: Numbers,
        /// The images.
        images: GradcamImages,
        /// Of each image, which label.
        labels: Vec<u32>,
    },
}

/// Images that a network looks at one by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GradcamImages {
    /// Rows of a manifest; one may come more than once.
    Rows(Id<Manifest>, Vec<u32>),
    /// Files, with the meta features of each where the model wants them.
    Files(Vec<(PathBuf, Option<ImageRow>)>),
}

/// How a network computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Arithmetic.
    pub precision: Precision,
    /// Order in memory.
    pub layout: Layout,
}

/// File names in a job's folder.
pub mod files {
    /// Weights of the selected epoch.
    pub const CHECKPOINT: &str = "checkpoint.safetensors";
    /// One [`super::EpochLog`] a line.
    pub const LOG: &str = "log.jsonl";
    /// A [`super::RunStatus`], replaced about once a second.
    pub const STATUS: &str = "standing.json";
    /// Packed [`crate::records::Scores`].
    pub const SCORES: &str = "scores.bin";
    /// The same of the validation images, of a probe.
    pub const VALIDATION: &str = "validation.bin";
}

/// What the worker reports, a line each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum WorkerEvent {
    /// The work begins.
    Started {
        /// Name of the GPU, where one is used.
        gpu: Option<String>,
        /// Whether that GPU is held to algorithms that give the same bits at every run.
        deterministic: Option<bool>,
        /// Epochs that are already there from an interrupted training.
        resumed_epochs: u32,
        /// Batches of the next epoch that are already there.
        resumed_batches: u64,
        /// Parameters of the network.
        parameters: u64,
        /// Bytes of memory that the work will take at most, by estimate.
        memory: u64,
    },
    /// Something worth knowing that stops nothing.
    Note {
        /// One sentence.
        message: String,
    },
    /// How far it is. At most ten a second.
    Progress(ProgressStep),
    /// An epoch is over.
    Epoch(EpochLog),
    /// All files are written.
    Done(JobOutcome),
    /// Stopped by a signal; the same job goes on from here.
    Interrupted {
        /// Whole epochs that are kept.
        epochs: u32,
        /// Batches of the next epoch that are kept.
        batches: u64,
    },
    /// It cannot be done.
    Failed {
        /// One sentence that names the thing.
        message: String,
        /// What might help.
        hint: Option<String>,
    },
}

/// How far a piece of work is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProgressStep {
    /// What is going on.
    pub phase: Phase,
    /// Epoch, from 1; 0 outside training.
    pub epoch: u32,
    /// Epochs in all.
    pub epochs: u32,
    /// Images done in this phase.
    pub done: u64,
    /// Images of this phase.
    pub total: u64,
    /// Images of this phase a second, so far.
    pub rate: f64,
    /// Mean loss so far.
    pub loss: Option<f64>,
    /// Seconds to the end of the whole training, by estimate.
    pub left: Option<f64>,
}

/// How a training stands, for whoever looks at its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStatus {
    /// How far it is.
    pub step: ProgressStep,
    /// The epochs that are over.
    pub epochs: Vec<EpochLog>,
}

/// What goes on in a [`ProgressStep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Pixels are decoded and kept in the cache.
    Pixels,
    /// Features of the images are computed by a frozen network and kept in the cache.
    Features,
    /// Training steps.
    Train,
    /// Loss on the validation images.
    Validate,
    /// Scores.
    Predict,
    /// A predictor is fitted to features; `done` and `total` count tries.
    Fit,
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobOutcome {
    /// Epochs that were trained.
    pub epochs: u32,
    /// The selected one, from 1.
    pub best_epoch: u32,
    /// Its validation loss.
    pub val_loss: f64,
    /// Parameters of the network.
    pub parameters: u64,
    /// The penalty that a probe chose.
    pub penalty: Option<f64>,
    /// Seconds by part of the work, for who wants to know what takes the time.
    pub seconds: BTreeMap<String, f64>,
}
