//! `reg study status`.

use std::ffi::OsStr;

use reg::hash::Id;
use reg::records::Study;
use reg::registry::Registry;
use reg::report::{Cell, Column, ReportTable, thousands};
use reg::study::{self, Probe, State, StudyRunStatus, slurm};
use serde_json::{Value, json};

use super::{probe_row, recorded, row};
use crate::cli::Context;
use crate::cli::error::Failure;
use crate::cli::output::{Reply, TableFormat, plural};
use crate::cli::progress::{loss, span};

pub(super) fn status(context: &Context, text: &OsStr, format: TableFormat) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let (id, study, runs) = recorded(context, &registry, text)?;
    let columns = vec![
        Column::left("Section"),
        Column::left("Run"),
        Column::left("State"),
        Column::right("Epoch"),
        Column::right("Loss"),
        Column::right("Images/s"),
        Column::right("Left"),
        Column::right("Mean AUC"),
        Column::right("Labels"),
    ];
    let mut table = ReportTable::new(format!("Study {}", study.name), columns);
    for StudyRunStatus { row, state } in &runs {
        let mut cells = vec![Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty];
        let mut auc = [Cell::Empty, Cell::Empty];
        match state {
            State::Done { auc: table, .. } => {
                auc =
                    [Cell::Number { value: table.mean, decimals: 4 }, Cell::Integer(table.mean_over.into())];
            }
            State::Running(unfinished) | State::Interrupted(unfinished) => {
                if let Some(status) = &unfinished.status {
                    let step = status.step;
                    let goes_on = unfinished.pid.is_some();
                    cells = vec![
                        Cell::Text(format!("{}/{}", step.epoch, step.epochs)),
                        Cell::Text(step.loss.map(loss).unwrap_or_default()),
                        Cell::Text(if goes_on { format!("{:.1}", step.rate) } else { String::new() }),
                        Cell::Text(step.left.filter(|_| goes_on).map(span).unwrap_or_default()),
                    ];
                }
            }
            State::Missing | State::Blocked { .. } => {}
        }
        let head = [&row.section, &row.name].map(|text| Cell::Text(text.clone()));
        let mut line: Vec<Cell> = head.into();
        line.push(Cell::Text(state.shown().to_owned()));
        line.extend(cells);
        line.extend(auc);
        table.rows.push(line);
    }
    let probes = study::probes(&registry, &study, &runs)?;
    let queue = queue(context, &registry, id, &runs);
    if !queue.is_empty() {
        table.columns.push(Column::prose("Slurm"));
        for (line, slurm) in table.rows.iter_mut().zip(&queue) {
            line.push(Cell::Text(slurm.as_ref().map(InQueue::shown).unwrap_or_default()));
        }
    }
    let count = |name: &str| runs.iter().filter(|run| run.state.name() == name).count();
    let mut text = format.render(&[table]);
    if format == TableFormat::Text {
        let mut reasons: Vec<String> = Vec::new();
        for StudyRunStatus { row, state } in &runs {
            if let State::Blocked { why, mend } = state {
                let mend = mend.as_ref().map(|mend| format!("\n  hint: {mend}")).unwrap_or_default();
                reasons.push(format!("blocked: {}: {why}{mend}\n", row.name));
            }
            if let State::Interrupted(unfinished) = state
                && let Some(error) = &unfinished.error
            {
                reasons.push(format!("failed: {}: {error}\n", row.name));
            }
        }
        text += &reasons.concat();
        text += &format!("{} of {} done\n", thousands(count("done") as u64), plural(runs.len(), "run"));
        for Probe { row, state } in &probes {
            text += &format!("probe {}: {}\n", row.name, state.shown());
        }
    }
    let mut documents: Vec<Value> = runs.iter().map(row).collect();
    for (document, slurm) in documents.iter_mut().zip(&queue) {
        document["slurm"] = slurm.as_ref().map_or(Value::Null, InQueue::document);
    }
    let json = json!({
        "name": study.name,
        "runs": documents,
        "planned": runs.len(),
        "done": count("done"),
        "running": count("running"),
        "interrupted": count("interrupted"),
        "failed": count("failed"),
        "missing": count("missing"),
        "blocked": count("blocked"),
        "probes": probes.iter().map(probe_row).collect::<Vec<_>>(),
    });
    Ok(Reply::new(text, json))
}

/// The state in Slurm of a run that is not done.
enum InQueue {
    /// A task in the queue.
    Task(slurm::Task),
    /// A task that ended without a result: the last line of its log.
    Ended(String),
}

impl InQueue {
    fn shown(&self) -> String {
        match self {
            InQueue::Task(task) if task.node.is_empty() => format!("{} ({})", task.state, task.reason),
            InQueue::Task(task) => format!("{} on {} for {}", task.state, task.node, task.time),
            InQueue::Ended(error) => format!("ended: {error}"),
        }
    }

    fn document(&self) -> Value {
        match self {
            InQueue::Task(task) => json!(task),
            InQueue::Ended(error) => json!({ "state": "ENDED", "error": error }),
        }
    }
}

/// The state in Slurm of each run; empty if the study was not submitted, or Slurm does not answer.
fn queue(
    context: &Context,
    registry: &Registry,
    study: Id<Study>,
    runs: &[StudyRunStatus],
) -> Vec<Option<InQueue>> {
    let mut tasks = match slurm::tasks(registry, study) {
        Ok(Some(tasks)) => tasks,
        Ok(None) => return Vec::new(),
        Err(e) => {
            context.note(&format!("note: {e}"));
            return Vec::new();
        }
    };
    let of_run = |(place, run): (usize, &StudyRunStatus)| match (&run.state, tasks.remove(&place)) {
        (State::Done { .. }, _) => None,
        (_, Some(task)) => Some(InQueue::Task(task)),
        (State::Running(_), None) => None,
        (_, None) => slurm::last_error(registry, study, place).map(InQueue::Ended),
    };
    runs.iter().enumerate().map(of_run).collect()
}
