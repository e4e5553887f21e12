//! A plan as text and as a JSON document.

use reg::report::{Cell, Column, ReportTable};
use reg::study::{Basis, Cost, RunOutcome, State, StudyPlan, StudyRunStatus};
use serde_json::{Value, json};

use super::row;
use crate::cli::output::{TableFormat, paragraphs, plural};
use crate::cli::progress::span;

/// Counts of a plan's runs by state.
pub(super) struct RunCounts {
    pub(super) cached: usize,
    pub(super) due: usize,
    pub(super) blocked: usize,
}

impl RunCounts {
    pub(super) fn of(plan: &StudyPlan) -> Self {
        let count =
            |wanted: &dyn Fn(&State) -> bool| plan.runs.iter().filter(|run| wanted(&run.state)).count();
        let cached = count(&|state| matches!(state, State::Done { .. }));
        let blocked = count(&|state| matches!(state, State::Blocked { .. }));
        RunCounts { cached, blocked, due: plan.runs.len() - cached - blocked }
    }
}

/// One line for each reason why runs are blocked.
pub(super) fn blocked(plan: &StudyPlan) -> Vec<String> {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for run in &plan.runs {
        let State::Blocked { why, mend } = &run.state else { continue };
        let mend = mend.as_ref().map(|mend| format!("\n  hint: {mend}")).unwrap_or_default();
        let reason = format!("{why}{mend}");
        match lines.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(&run.row.name),
            None => lines.push((reason, vec![&run.row.name])),
        }
    }
    lines.into_iter().map(|(reason, names)| format!("blocked: {}: {reason}", names.join(", "))).collect()
}

fn basis(cost: &Cost) -> String {
    match cost.basis {
        Basis::SameModel(runs) => format!("{} of this model", plural(runs, "earlier run")),
        Basis::OtherModels(1) => "1 earlier run of another model".to_owned(),
        Basis::OtherModels(runs) => format!("{} of other models", plural(runs, "earlier run")),
        Basis::Rule => "a rule of thumb".to_owned(),
    }
}

pub(super) fn plan_text(plan: &StudyPlan, counts: &RunCounts) -> String {
    let columns = vec![
        Column::left("Section"),
        Column::left("Setup"),
        Column::right("Runs"),
        Column::right("Done"),
        Column::right("To train"),
        Column::right("Blocked"),
        Column::right("Time per run"),
        Column::prose("Estimated from"),
    ];
    let mut table = ReportTable::new(format!("Study {}", plan.study.name), columns);
    for setup in plan.runs.chunk_by(|a, b| a.row.setup == b.row.setup) {
        let count = |wanted: &dyn Fn(&State) -> bool| {
            Cell::Integer(setup.iter().filter(|run| wanted(&run.state)).count() as u64)
        };
        let cost = setup.iter().find_map(|run| run.cost.as_ref());
        table.rows.push(vec![
            Cell::Text(setup[0].row.section.clone()),
            Cell::Text(setup[0].row.setup.clone()),
            Cell::Integer(setup.len() as u64),
            count(&|state| matches!(state, State::Done { .. })),
            Cell::Integer(setup.iter().filter(|run| run.is_due()).count() as u64),
            count(&|state| matches!(state, State::Blocked { .. })),
            Cell::Text(cost.map(|cost| span(cost.seconds)).unwrap_or_default()),
            Cell::Text(cost.map(basis).unwrap_or_default()),
        ]);
    }
    let mut text = TableFormat::Text.render(&[table]);
    for line in plan.notes.iter().map(|note| format!("note: {note}")).chain(blocked(plan)) {
        text += &paragraphs(&line);
    }
    let gb = |bytes: u64| match bytes {
        0..100_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    };
    let StudyPlan { disk, jobs, seconds, .. } = plan;
    if counts.due > 0 {
        let free = disk.free.map(|free| format!(" of {} free", gb(free))).unwrap_or_default();
        text += &paragraphs(&format!(
            "{} to train, {jobs} at a time: about {}; disk {} for checkpoints, {} while training, {} of cache{free}",
            plural(counts.due, "run"),
            span(*seconds),
            gb(disk.checkpoints),
            gb(disk.working),
            gb(disk.cache),
        ));
        if disk.free.is_some_and(|free| free < disk.checkpoints + disk.working) {
            text += "warning: not enough disk space\n";
        }
    } else {
        text += "nothing to train\n";
    }
    text
}

pub(super) fn document(plan: &StudyPlan, counts: &RunCounts, outcomes: &[Option<RunOutcome>]) -> Value {
    let runs = plan.runs.iter().zip(outcomes).map(|(planned, outcome)| {
        let mut value = row(&StudyRunStatus { row: planned.row.clone(), state: planned.state.clone() });
        value["cached"] = json!(matches!(planned.state, State::Done { .. }));
        if let Some(cost) = &planned.cost {
            value["expected"] = json!({ "seconds": cost.seconds, "basis": cost.basis });
        }
        match outcome {
            Some(RunOutcome::Done) => value["state"] = json!("done"),
            Some(RunOutcome::Interrupted) => value["state"] = json!("interrupted"),
            Some(RunOutcome::Failed { error, hint, log }) => {
                value["state"] = json!("failed");
                value["error"] = json!(error);
                value["hint"] = json!(hint);
                value["log"] = json!(log);
            }
            None => {}
        }
        value
    });
    let done = outcomes.iter().flatten().filter(|outcome| matches!(outcome, RunOutcome::Done)).count();
    let failed = outcomes.iter().flatten().count() - done;
    json!({
        "study": plan.id,
        "name": plan.study.name,
        "runs": runs.collect::<Vec<_>>(),
        "planned": plan.runs.len(),
        "cached": counts.cached,
        "blocked": counts.blocked,
        "done": done + counts.cached,
        "failed": failed,
    })
}
