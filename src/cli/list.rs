//! `reg list`.

use reg::records::{Header, Kind, summary};
use reg::report::{Cell, Column, ReportTable};
use reg::training::unfinished;
use reg::withdrawal::Marks;
use serde_json::{Value, json};

use super::Context;
use super::error::Failure;
use super::output::{Reply, TableFormat};

/// List records, oldest first
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Show only one kind: dataset, split, weights, spec, run, predictions, table, study, software, execution,
    /// withdrawal
    kind: Option<String>,
}

pub(crate) fn run(context: &Context, args: ListArgs) -> Result<Reply, Failure> {
    let named = |text: String| {
        Kind::which(|kind| kind.name == text || kind.plural == text).next().ok_or_else(|| {
            let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            Failure::new(format!("there is no kind `{text}`"), Some(format!("there are {}", all.join(", "))))
        })
    };
    of_kind(context, args.kind.map(named).transpose()?)
}

pub(super) fn of_kind(context: &Context, kind: Option<Kind>) -> Result<Reply, Failure> {
    let kinds: Vec<Kind> = match kind {
        None => Kind::which(|kind| kind.is_listed).collect(),
        Some(kind) => vec![kind],
    };
    let registry = context.registry()?;
    let view = registry.view()?;
    let names = view.names_by_id()?;
    let mut marks = match Marks::open(&registry, &view) {
        Ok(marks) => Some(marks),
        // A list must not depend on one damaged record; `verify` says more.
        Err(e) => {
            context.note(&format!("warning: withdrawn data is not flagged: {e}"));
            None
        }
    };
    let mut columns = Vec::from(["Kind", "Id", "Name"].map(Column::left));
    columns.push(Column::prose("What"));
    let mut table = ReportTable::new("", columns);
    let mut documents: Vec<Value> = Vec::new();
    for kind in kinds {
        for id in view.of_kind(kind)? {
            // A damaged record is listed as such; `verify` says more.
            let what = match registry.store().read(&id).map(|bytes| Header::read(&bytes)) {
                Ok(Ok(header)) => summary(&header),
                Ok(Err(e)) => e.to_string(),
                Err(e) => e.to_string(),
            };
            let name = names.get(&id).cloned();
            let mark = marks.as_mut().and_then(|marks| marks.of(&id));
            let what = mark.map_or(what.clone(), |mark| format!("{what}; {mark}"));
            table.rows.push(vec![
                Cell::Text(kind.name().to_owned()),
                Cell::Text(id.short()),
                Cell::Text(name.clone().unwrap_or_default()),
                Cell::Text(what.clone()),
            ]);
            let mut document = json!({ "id": id, "kind": kind, "name": name, "summary": what });
            if let Some(mark) = mark {
                document["withdrawn"] = json!(mark);
            }
            documents.push(document);
        }
    }
    let mut text = match table.rows.is_empty() {
        true => "the registry is empty".to_owned(),
        false => TableFormat::Text.render(&[table]),
    };
    let unfinished =
        if kind.is_none_or(|kind| kind == Kind::Run) { unfinished::all(&registry) } else { Vec::new() };
    for unfinished in &unfinished {
        text = format!("{}\n{}", text.trim_end(), super::unfinished::line(unfinished));
    }
    Ok(Reply::new(text, json!({ "records": documents, "live": unfinished })))
}
