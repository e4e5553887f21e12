//! From a specification to recorded results: settle the settings, start the worker, register what it
//! made, evaluate it, compare it, make it again.

pub mod compare;
pub mod config;
mod error;
mod evaluate;
mod gradcam;
mod import;
mod predict;
pub mod presets;
mod probe;
pub mod process;
mod recompute;
mod reproduce;
mod software;
pub mod study;
mod train;
pub mod unfinished;
mod weights;
mod withdrawn;

pub use compare::{CompareOptions, Grouping, Input, Labels, RocCurve, compare, leaks, roc_curves};
pub use error::RunError;
pub use evaluate::{Evaluated, auc_table, evaluate};
pub use gradcam::{gradcam, gradcams, pointing};
pub use import::{Foreign, Imported, ScoredSubset, import_scores};
pub use predict::{FileScores, predict};
pub use probe::{Probed, probe};
pub use recompute::{Mismatch, images, recompute, verify_record};
pub use reproduce::{Reproduction, ReproductionDifference, reproduce};
pub use software::OtherSources;
pub use train::{TrainRequest, TrainedRun, train};
pub use weights::import_weights;

use crate::records::{DeviceKind, Git};
use crate::registry::{Registry, Stamp};
use process::Worker;

/// What only the edge of the program knows: clock, machine, command line.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Time and command.
    pub stamp: Stamp,
    /// The clock: time in UTC, RFC 3339.
    pub now: fn() -> String,
    /// Name of the machine.
    pub host: String,
    /// Its processor, as it names itself.
    pub cpu: String,
    /// Cores that it shows.
    pub cores: u32,
    /// State of the source tree that reg was built from.
    pub git: Option<Git>,
}

/// With what runs are executed: where their records are, who computes, and what surrounds it.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// The registry.
    pub registry: &'a Registry,
    /// The worker.
    pub worker: &'a Worker,
    /// Clock, machine, command line.
    pub environment: &'a Environment,
    /// Compute with withdrawn images all the same.
    pub allow_withdrawn: bool,
}

impl RunContext<'_> {
    /// The same, which computes with withdrawn images if `allow` says so.
    pub fn allowing(self, allow: bool) -> Self {
        RunContext { allow_withdrawn: allow, ..self }
    }
}

/// A device that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its kind.
    pub kind: DeviceKind,
    /// As the worker takes it: `cpu` or `cuda:N`.
    pub name: String,
}

impl Device {
    /// Reads `auto`, `cpu` or `cuda:N`; `auto` is the first GPU that the worker can use, else the CPU.
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

    /// The processor.
    pub fn cpu() -> Self {
        Device::of(DeviceKind::Cpu)
    }
}
