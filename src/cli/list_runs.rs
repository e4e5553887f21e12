//! `reg list run`.

use std::path::PathBuf;

use reg::export::run_sheet;
use reg::hash::Hash;
use reg::listing::{self, ListRequest, ListedRun, RunState, of_columns, with_coverage};
use reg::report;
use reg::training::unfinished::{self, UnfinishedTraining};
use reg::withdrawal::Mark;
use serde::Serialize;

use super::Context;
use super::chosen::{Chosen, ListFormat, as_file, marks, saved};
use super::error::Failure;
use super::output::{Reply, TableFormat};

/// The document of `reg list run`.
#[derive(Serialize)]
struct RunsDocument<'r> {
    /// The runs.
    runs: &'r [ListedRun],
    /// The recorded ones, as a list of any kind has them.
    records: Vec<RunRecord<'r>>,
    /// Trainings that are not recorded yet.
    live: Vec<UnfinishedTraining>,
}

/// A recorded run as a list of any kind has it.
#[derive(Serialize)]
struct RunRecord<'r> {
    id: Hash,
    kind: &'static str,
    name: Option<&'r str>,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<Mark>,
}

pub(super) fn run(
    context: &Context,
    chosen: Chosen,
    columns: Option<Vec<String>>,
    format: ListFormat,
    output: Option<PathBuf>,
) -> Result<Reply, Failure> {
    let request = ListRequest { filter: chosen.filter()?, order: chosen.order()?, limit: chosen.limit() };
    let registry = context.registry()?;
    let view = registry.view()?;
    let all = listing::runs(&registry, &view)?;
    let mut marks = marks(context, &registry, &view);
    drop(view);
    let is_empty = all.is_empty();
    if let Some(asked) = &columns {
        // Also settings of runs that are not chosen.
        of_columns(Some(asked), &all)?;
    }
    let mut runs = listing::choose(all, &request)?;
    let columns = match columns {
        Some(columns) => columns,
        None => of_columns(None, &runs)?,
    };
    let mut columns = with_coverage(columns, &runs, format.of_file().is_some());
    let remarks = report::run_remarks(&registry, &mut runs)?;
    if let Some(format) = format.of_file() {
        // A file has no lines below its table.
        let leaking = runs.iter().any(|run| !run.leaks.is_empty());
        columns.extend((leaking && !columns.iter().any(|name| name == "leaks")).then(|| "leaks".to_owned()));
        return as_file(&run_sheet(&runs, &columns), format, output, context.global.json);
    }
    let mut mark = |run: &ListedRun| marks.as_mut().and_then(|marks| marks.of(&run.id?));
    let marked: Vec<Option<Mark>> = runs.iter().map(&mut mark).collect();
    let live = unfinished::all(&registry).into_iter();
    let is_listed = |one: &UnfinishedTraining| {
        runs.iter().any(|run| run.state != RunState::Done && run.spec == Some(one.announcement.spec.hash))
    };
    let live: Vec<UnfinishedTraining> = live.filter(is_listed).collect();
    if context.global.json && output.is_none() {
        let records = runs.iter().zip(&marked).filter_map(|(run, mark)| RunRecord::of(run, *mark)).collect();
        return Ok(Reply::document(&RunsDocument { runs: &runs, records, live }));
    }
    let mut table = report::runs(&runs, &columns);
    for (run, mark) in runs.iter().zip(&marked) {
        table.notes.extend(mark.map(|mark| format!("{} {mark}.", run.called())));
        if let (RunState::Damaged, Some(error)) = (run.state, &run.error) {
            table.notes.push(format!("{}: {error}", run.called()));
        }
    }
    table.notes.extend(remarks);
    let mut text = match (runs.is_empty(), is_empty) {
        (true, true) => "no runs yet; `reg train` makes one".to_owned(),
        (true, false) => "no run matches".to_owned(),
        (false, _) => TableFormat::Text.render(&[table]),
    };
    for one in &live {
        text = format!("{}\n{}", text.trim_end(), super::unfinished::line(one));
    }
    match output {
        Some(path) => saved(&path, text.as_bytes()),
        None => Ok(Reply::new(text, serde_json::Value::Null)),
    }
}

impl<'r> RunRecord<'r> {
    fn of(run: &'r ListedRun, withdrawn: Option<Mark>) -> Option<Self> {
        let summary = match (&run.error, run.epoch, run.epochs) {
            (None, Some(epoch), Some(epochs)) => reg::records::run_summary(epoch, epochs, run.val_loss),
            (None, ..) => "of a program".to_owned(),
            (Some(error), ..) => error.clone(),
        };
        let summary = withdrawn.map_or(summary.clone(), |mark| format!("{summary}; {mark}"));
        let (name, note) = (run.name.as_deref(), run.note.as_deref());
        Some(RunRecord { id: run.id?, kind: "run", name, summary, note, withdrawn })
    }
}
