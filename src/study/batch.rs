//! What schedulers need to know about a plan: its runs, and the resources and time that each needs.

use std::collections::BTreeSet;

use super::plan::{Planned, StudyPlan, StudySource};
use crate::records::DeviceKind;

/// Resources of one task, enough for the largest run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    /// Cores.
    pub(super) threads: u32,
    /// Gigabytes of main memory.
    pub(super) memory_gb: u64,
    /// Minutes of time.
    pub(super) minutes: u64,
}

/// Factor on the expected time, and additional minutes.
const MARGIN: (f64, f64) = (2.0, 10.0);

impl Needs {
    /// The resources for these runs of a plan.
    pub(super) fn of(plan: &StudyPlan, threads: u32, due: &[usize]) -> Self {
        let costs = || due.iter().filter_map(|index| plan.runs[*index].cost);
        let seconds = costs().map(|cost| cost.seconds).fold(0.0, f64::max);
        let memory = costs().map(|cost| cost.memory).max().unwrap_or(0);
        Needs {
            threads,
            memory_gb: memory.div_ceil(1 << 30).max(1),
            minutes: (seconds * MARGIN.0 / 60.0 + MARGIN.1).ceil() as u64,
        }
    }
}

/// Indices of the runs for a scheduler: those that are due and that no process is training.
pub(super) fn due(plan: &StudyPlan) -> Vec<usize> {
    let free = |run: &Planned| run.is_due() && !matches!(run.state, super::State::Running(_));
    (0..plan.runs.len()).filter(|index| free(&plan.runs[*index])).collect()
}

/// The commands that make the splits on which runs of a plan wait.
///
/// The arguments of such a run are not known: they have the id of its split. A plan that writes nothing makes no split.
pub fn missing_splits(plan: &StudyPlan, source: &StudySource) -> Vec<String> {
    let waits = |section: &str| {
        plan.runs.iter().any(|run| run.row.section == section && run.is_due() && run.arguments.is_empty())
    };
    let sections = source.file.section.iter().filter(|section| waits(&section.name));
    let names: BTreeSet<&str> = sections.map(|section| section.split.as_str()).collect();
    let tables = source.file.split.iter().filter(|table| names.contains(table.name.as_str()));
    tables.map(|table| table.command(&source.file.dataset, source.folder())).collect()
}

/// The device of a task, which sees only the device assigned to it.
pub(super) fn device(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Cpu => "cpu",
        DeviceKind::Cuda => "cuda:0",
    }
}

pub(super) use crate::escape::shell as quoted;

/// The flags of `reg train` for a run, quoted for a shell.
pub(super) fn flags(run: &Planned) -> String {
    run.arguments.iter().skip(1).map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// The start of a study's id, which is part of the names of its jobs and folders.
pub(super) fn tag(plan: &StudyPlan) -> String {
    plan.id.hash.to_string()[..12].to_owned()
}
