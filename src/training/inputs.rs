//! What every computation of the worker begins with, and what is recorded of it.

use std::time::Instant;

use super::process::{Worked, Worker};
use super::{Environment, RunError};
use crate::hash::{Hash, Id};
use crate::records::{Dataset, Execution, Init, Software, Spec, Split};
use crate::registry::Registry;
use crate::split::SplitError;

/// The records that a training needs, checked for consistency.
pub(crate) struct TrainInputs {
    pub(crate) dataset: Dataset,
    pub(crate) split: Split,
    pub(super) weights: Option<Hash>,
}

impl TrainInputs {
    /// Reads the records to which a spec refers and checks that they belong together.
    pub(crate) fn load(registry: &Registry, spec: &Spec) -> Result<Self, RunError> {
        let dataset = registry.get(spec.dataset)?;
        let split = registry.get(spec.split)?;
        if split.dataset != spec.dataset {
            return Err(SplitError::OtherDataset {
                split: spec.split.hash.short(),
                divides: split.dataset.hash.short(),
                dataset: spec.dataset.hash.short(),
            }
            .into());
        }
        if spec.fold as usize >= split.folds.len() {
            return Err(SplitError::NoSuchFold {
                split: spec.split.hash.short(),
                folds: split.folds.len(),
                fold: spec.fold,
            }
            .into());
        }
        if dataset.metadata_only && spec.model.architecture.image().is_some() {
            return Err(RunError::NeedsImages {
                dataset: spec.dataset.hash.short(),
                model: spec.model.name.clone(),
            });
        }
        let weights = match (spec.init, spec.weights) {
            (Init::Scratch, None) => None,
            (Init::Scratch, Some(_)) => return Err(RunError::UnusedWeights),
            (init, None) => return Err(RunError::NeedsWeights(init.name())),
            (_, Some(weights)) => Some(registry.get(weights)?.file.object.hash),
        };
        Ok(TrainInputs { dataset, split, weights })
    }
}

/// The start of a computation.
pub(super) struct ExecutionStart {
    pub(super) time: String,
    instant: Instant,
}

impl ExecutionStart {
    pub(super) fn now(environment: &Environment) -> Self {
        ExecutionStart { time: (environment.now)(), instant: Instant::now() }
    }
}

/// The execution: when, where and how long.
pub(super) fn execution(
    made: Hash,
    (worker, software): (&Worker, Id<Software>),
    worked: &Worked,
    start: &ExecutionStart,
    environment: &Environment,
) -> Execution {
    Execution {
        made,
        started: start.time.clone(),
        seconds: start.instant.elapsed().as_secs_f64(),
        host: environment.host.clone(),
        cpu: environment.cpu.clone(),
        gpu: worked.gpu.clone(),
        cores: environment.cores,
        cpu_capability: worker.identity().cpu_capability.clone(),
        reg: env!("CARGO_PKG_VERSION").to_owned(),
        software,
        git: environment.git.clone(),
        command: environment.stamp.command.clone(),
        resumed: worked.resumed_epochs,
        deterministic: worked.deterministic,
    }
}
