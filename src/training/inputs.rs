//! What every computation of the worker begins with, and what is recorded of it.

use std::time::Instant;

use super::process::{Worked, Worker};
use super::{Environment, RunError};
use crate::hash::{Hash, Id};
use crate::records::{Blob, Dataset, Execution, Init, NetworkSpec, Run, Software, Spec, Split};
use crate::registry::{Registry, RegistryError};
use crate::split::SplitError;

/// The records that a training needs, checked for consistency.
pub(crate) struct TrainInputs {
    pub(crate) dataset: Dataset,
    pub(crate) split: Split,
    pub(super) weights: Option<Hash>,
}

impl TrainInputs {
    /// Reads the records to which a spec refers and checks that they belong together.
    pub(crate) fn load(registry: &Registry, spec: &NetworkSpec) -> Result<Self, RunError> {
        let (dataset, split) = divided(registry, spec.dataset, spec.split, spec.fold)?;
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

/// A data set and its split, after a check that they belong together and that the split has the fold.
///
/// # Errors
///
/// A split of another data set, a fold that the split does not have, or a record that cannot be read.
pub fn divided(
    registry: &Registry,
    dataset: Id<Dataset>,
    split: Id<Split>,
    fold: u32,
) -> Result<(Dataset, Split), RunError> {
    let record = registry.get(split)?;
    let called = |id: &Hash| registry.called(id);
    if record.dataset != dataset {
        return Err(SplitError::OtherDataset {
            split: called(&split.hash)?,
            divides: called(&record.dataset.hash)?,
            dataset: called(&dataset.hash)?,
        }
        .into());
    }
    if fold as usize >= record.folds.len() {
        let split = called(&split.hash)?;
        return Err(SplitError::NoSuchFold { split, folds: record.folds.len(), fold }.into());
    }
    Ok((registry.get(dataset)?, record))
}

/// A run of a network that reg trained, with what computing with it needs.
pub(crate) struct TrainedNetwork {
    pub(crate) spec: NetworkSpec,
    pub(crate) checkpoint: Id<Blob>,
}

impl TrainedNetwork {
    /// The network of a run.
    ///
    /// # Errors
    /// The run of a program, whose weights only that program can compute with.
    pub(crate) fn of(registry: &Registry, id: Id<Run>) -> Result<Self, RunError> {
        let run = registry.get(id)?;
        let lies = || RegistryError::Contradiction {
            id: id.hash,
            kind: "run",
            reason: "it trained a network, but has no checkpoint".to_owned(),
        };
        match registry.get(run.spec)? {
            Spec::Network(spec) => Ok(TrainedNetwork { spec, checkpoint: run.checkpoint.ok_or_else(lies)? }),
            Spec::Program(_) => Err(RunError::OfProgram(id.hash.short())),
        }
    }
}

/// The start of a computation.
pub(super) struct ExecutionStart {
    pub(super) time: String,
    pub(super) instant: Instant,
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
        cpu_capability: Some(worker.identity().cpu_capability.clone()),
        reg: env!("CARGO_PKG_VERSION").to_owned(),
        software: Some(software),
        program: None,
        git: environment.git.clone(),
        command: environment.stamp.command.clone(),
        resumed: worked.resumed_epochs,
        deterministic: worked.deterministic,
    }
}
