//! From a spec to recorded results: determines the settings, starts the worker, registers its results and evaluates
//! them.

pub mod config;
mod error;
mod evaluate;
mod expected;
mod files;
mod gradcam;
mod inputs;
mod predict;
pub mod presets;
mod probe;
pub mod process;
pub mod program;
pub mod settings;
mod software;
mod train;
pub mod unfinished;
mod weights;

pub use error::RunError;
pub use evaluate::{Evaluated, Evaluation, evaluate};
pub(crate) use evaluate::{predict_job, read_scores};
pub use files::GivenMeta;
pub use gradcam::{gradcam, gradcams, pointing};
pub use inputs::divided;
pub(crate) use inputs::{TrainInputs, TrainedNetwork};
pub use predict::{FileScorer, FileScores, MemberNetwork, Predicted, predict};
pub use probe::{Probed, probe};
pub use software::OtherSources;
pub(crate) use software::{changed_files, files_differ};
pub(crate) use train::{TrainFolders, cap_batch, spec, train_job};
pub use train::{TrainRequest, TrainedRun, train};
pub use weights::{declared, import_weights};

use crate::records::{DeviceKind, Git};
use crate::registry::{Registry, Stamp};
use crate::withdrawal::UsePolicy;
use process::Worker;

/// The environment of a command, which only the binary knows: clock, machine, command line.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Time and command line.
    pub stamp: Stamp,
    /// The clock: time in UTC, RFC 3339.
    pub now: fn() -> String,
    /// Name of the machine.
    pub host: String,
    /// Name of its processor.
    pub cpu: String,
    /// Number of its cores.
    pub cores: u32,
    /// State of the source tree that reg was built from.
    pub git: Option<Git>,
}

/// The context in which runs are executed: registry, worker and environment.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// The registry.
    pub registry: &'a Registry,
    /// The worker.
    pub worker: &'a Worker,
    /// Clock, machine, command line.
    pub environment: &'a Environment,
    /// Compute even with withdrawn images.
    pub allow_withdrawn: bool,
}

impl RunContext<'_> {
    /// The same context, but computing with withdrawn images if `allow` is set.
    pub fn allowing(self, allow: bool) -> Self {
        RunContext { allow_withdrawn: allow, ..self }
    }

    /// What may be used of the registry.
    pub(crate) fn policy(&self) -> UsePolicy<'_> {
        UsePolicy { registry: self.registry, allow_withdrawn: self.allow_withdrawn }
    }
}

/// A requested device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its kind.
    pub kind: DeviceKind,
    /// The name for the worker: `cpu` or `cuda:N`.
    pub name: String,
}

impl Device {
    /// Parses `auto`, `cpu` or `cuda:N`; `auto` is the first GPU that the worker can use, otherwise the CPU.
    pub fn parse(text: &str, worker: &crate::worker::Identity) -> Result<Self, RunError> {
        let cuda = |n: usize| Device { kind: DeviceKind::Cuda, name: format!("cuda:{n}") };
        match text {
            "cpu" => Ok(Device::cpu()),
            "auto" if worker.cuda.is_empty() => Ok(Device::cpu()),
            "auto" | "cuda" => Ok(cuda(0)),
            _ => {
                let n = text.strip_prefix("cuda:").and_then(|n| n.parse().ok());
                n.map(cuda).ok_or_else(|| RunError::BadDevice(text.to_owned()))
            }
        }
    }

    /// The first device of a kind.
    pub fn of(kind: DeviceKind) -> Self {
        let name = match kind {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda:0",
        };
        Device { kind, name: name.to_owned() }
    }

    /// The CPU.
    pub fn cpu() -> Self {
        Device::of(DeviceKind::Cpu)
    }
}
