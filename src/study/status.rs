//! The state of each planned run of a study, from its spec in the registry and from `live/`.

use super::StudyError;
use crate::hash::Id;
use crate::index::View;
use crate::records::{AucTable, Predictions, Run, Spec, Study, StudyRun, Subset, Table};
use crate::registry::Registry;
use crate::training::unfinished::{self, UnfinishedTraining};

/// A planned run and its state.
#[derive(Debug, Clone)]
pub struct StudyRunStatus {
    /// The run.
    pub row: StudyRun,
    /// Its state.
    pub state: State,
}

/// The state of a planned run.
#[derive(Debug, Clone)]
pub enum State {
    /// It is trained, and its test images are scored and evaluated.
    Done {
        /// The run.
        run: Id<Run>,
        /// The newest predictions of its test images.
        predictions: Id<Predictions>,
        /// Their AUC table.
        table: Id<Table>,
        /// Its content.
        auc: Box<AucTable>,
    },
    /// A process is training it.
    Running(Box<UnfinishedTraining>),
    /// It was interrupted or failed, and can be resumed.
    Interrupted(Box<UnfinishedTraining>),
    /// It has not been started.
    Missing,
    /// It cannot be trained yet.
    Blocked {
        /// Why.
        why: String,
        /// How to fix it.
        mend: Option<String>,
    },
}

impl State {
    /// The state in words.
    pub fn shown(&self) -> &'static str {
        match self {
            State::Missing => "pending",
            state => state.name(),
        }
    }

    /// The name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            State::Done { .. } => "done",
            State::Running(_) => "running",
            State::Interrupted(unfinished) if unfinished.error.is_some() => "failed",
            State::Interrupted(_) => "interrupted",
            State::Missing => "missing",
            State::Blocked { .. } => "blocked",
        }
    }
}

/// The state of each run of a study, in order.
pub fn status(registry: &Registry, study: &Study) -> Result<Vec<StudyRunStatus>, StudyError> {
    let view = registry.view()?;
    let of_row = |row: &StudyRun| {
        let state = match row.spec {
            Some(spec) => of_spec(registry, &view, spec)?,
            None => lacking(&study.name, row),
        };
        Ok(StudyRunStatus { row: row.clone(), state })
    };
    study.runs.iter().map(of_row).collect()
}

/// The state of the run of a spec.
pub(super) fn of_spec(registry: &Registry, view: &View, spec: Id<Spec>) -> Result<State, StudyError> {
    if let Some(done) = done(registry, view, spec)? {
        return Ok(done);
    }
    Ok(match unfinished::of(registry, spec) {
        Some(unfinished) if unfinished.pid.is_some() => State::Running(Box::new(unfinished)),
        Some(unfinished) => State::Interrupted(Box::new(unfinished)),
        None => State::Missing,
    })
}

fn done(registry: &Registry, view: &View, spec: Id<Spec>) -> Result<Option<State>, StudyError> {
    for (run, _) in registry.referring::<Run>(view, &spec.hash)? {
        let predictions = registry.referring::<Predictions>(view, &run.hash)?;
        let tests = predictions.into_iter().rev().filter(|(_, p)| p.is_plain(Subset::Test));
        for (predictions, _) in tests {
            for (table, content) in registry.referring::<Table>(view, &predictions.hash)? {
                if let Table::Auc(auc) = content {
                    return Ok(Some(State::Done { run, predictions, table, auc: Box::new(auc) }));
                }
            }
        }
    }
    Ok(None)
}

/// A run whose spec was unknown when the study was recorded.
fn lacking(study: &str, row: &StudyRun) -> State {
    let weights = row.weights.as_ref().map(|weights| format!("its weights `{weights}` or "));
    let why = format!("{}the split of `{}` were missing", weights.unwrap_or_default(), row.section);
    State::Blocked {
        why,
        mend: Some(format!("`reg study run {study} --plan` lists what is missing and how to fix it")),
    }
}
