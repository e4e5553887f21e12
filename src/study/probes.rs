//! Probes of a study's networks, run after all runs of a setup are done.

use super::StudyError;
use super::status::{State, StudyRunStatus};
use crate::hash::Id;
use crate::records::{Kind, ProbeTable, Run, Study, StudyProbe, Table};
use crate::registry::Registry;
use crate::training::process::{Listener, WorkerError};
use crate::training::{Device, RunContext, RunError, probe};

/// A planned probe and its state.
#[derive(Debug)]
pub struct Probe {
    /// The probe.
    pub row: StudyProbe,
    /// Its state.
    pub state: ProbeState,
}

/// The state of a planned probe.
#[derive(Debug)]
pub enum ProbeState {
    /// The table exists.
    Done(Id<Table>, Box<ProbeTable>),
    /// All runs of its setup are done, so it can be computed.
    Missing(Vec<Id<Run>>),
    /// Some runs of its setup are not done.
    Waiting,
    /// It failed: one sentence and a hint.
    Failed(String, Option<String>),
}

impl ProbeState {
    /// The state in words.
    pub fn shown(&self) -> &'static str {
        match self {
            ProbeState::Missing(_) => "pending",
            state => state.name(),
        }
    }

    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            ProbeState::Done(..) => "done",
            ProbeState::Missing(_) => "missing",
            ProbeState::Waiting => "waiting",
            ProbeState::Failed(..) => "failed",
        }
    }
}

/// The state of each probe of a study, in order, given the state of its `runs`.
pub fn probes(registry: &Registry, study: &Study, runs: &[StudyRunStatus]) -> Result<Vec<Probe>, StudyError> {
    let view = registry.view()?;
    let of_row = |row: &StudyProbe| -> Result<ProbeState, StudyError> {
        let own = runs.iter().filter(|run| run.row.setup == row.setup);
        let done: Option<Vec<Id<Run>>> = own
            .map(|run| match run.state {
                State::Done { run, .. } => Some(run),
                _ => None,
            })
            .collect();
        let Some(wanted) = done else { return Ok(ProbeState::Waiting) };
        if let Some(id) = view.name(&row.name)?
            && view.kind(&id)? == Some(Kind::Table)
            && let Table::Probe(table) = registry.get(Id::new(id))?
            && table.target == row.target
            && table.folds.len() == wanted.len()
            && table.folds.iter().all(|fold| wanted.contains(&fold.run))
        {
            return Ok(ProbeState::Done(Id::new(id), table));
        }
        Ok(ProbeState::Missing(wanted))
    };
    study.probes.iter().map(|row| Ok(Probe { row: row.clone(), state: of_row(row)? })).collect()
}

/// Computes the probes that can be computed and continues after a failed one; only an interrupt stops it.
pub fn execute_probes(
    run_context: RunContext,
    probes: &mut [Probe],
    device: &Device,
    listener: &mut dyn Listener,
) -> Result<(), StudyError> {
    for Probe { row, state } in probes {
        let ProbeState::Missing(runs) = state else { continue };
        let device = Some(device.clone());
        *state = match probe(run_context, runs, row.target, device, Some(&row.name), listener) {
            Ok(probed) => ProbeState::Done(probed.table, Box::new(probed.probe)),
            Err(e @ RunError::Worker(WorkerError::Interrupted { .. } | WorkerError::Killed)) => {
                return Err(e.into());
            }
            Err(e) => ProbeState::Failed(e.to_string(), e.hint()),
        };
    }
    Ok(())
}
