//! `reg list`.

use std::path::PathBuf;
use std::sync::LazyLock;

use reg::compare::LeakFinder;
use reg::escape::shell;
use reg::export::{ColumnValues, Sheet, SheetColumn};
use reg::filter::{FieldType, FieldValue};
use reg::hash::Hash;
use reg::listing;
use reg::records::{Header, Kind};
use reg::report::{Cell, Column, ReportTable};
use reg::suggest::{did_you_mean, similar_or_all};
use reg::training::unfinished;
use serde_json::{Value, json};

use super::chosen::{Chosen, ListFormat, as_file, marks, saved};
use super::error::Failure;
use super::output::{Reply, TableFormat};
use super::{Context, complete};

/// List records, oldest first; `reg list run` compares runs
///
/// `reg list run` shows network, data, settings in which the runs differ, validation and test results, time
/// and state of each run, including running, interrupted and failed ones.
///
/// An expression compares values with =, !=, <, <=, >, >= or ~ (contains): `model=tiny and lr<0.01`, `seed in
/// (1,2) or not state=failed`, `note~"odd"`, `test_auc=missing`. Values of a run are name, id, spec, model,
/// dataset, split, fold, seed, weights, epoch, val_loss, val_auc, test_auc, date, seconds, state, note,
/// error, and each of its settings, such as lr or batch. Other records have kind, id, name, what (a summary) and
/// note.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Show only one kind: dataset, split, weights, spec, run, predictions, table, study, software, execution,
    /// withdrawal, removal, note, pixel-hashes, event
    #[arg(add = complete::kinds())]
    kind: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    /// Columns of `reg list run`, separated by commas: values or settings
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: ListFormat,
    /// Write the table to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: ListArgs) -> Result<Reply, Failure> {
    let named = |text: String| {
        Kind::which(|kind| kind.name == text || kind.plural == text).next().ok_or_else(|| {
            Failure::new(format!("there is no kind `{text}`"), Some(did_you_mean(&text, &KINDS)))
        })
    };
    let kind = args.kind.map(named).transpose()?;
    match kind {
        Some(Kind::Run) => {
            super::list_runs::run(context, args.chosen, args.columns, args.format, args.output)
        }
        _ if args.columns.is_some() => Err(Failure::usage("--columns belongs to `reg list run`")),
        _ => list(context, kind, args.chosen, args.format, args.output),
    }
}

pub(super) fn of_kind(context: &Context, kind: Option<Kind>) -> Result<Reply, Failure> {
    list(context, kind, Chosen::default(), ListFormat::Text, None)
}

/// One record in a list.
struct Row {
    kind: Kind,
    id: Hash,
    name: Option<String>,
    what: String,
    of: Vec<String>,
    note: Option<String>,
    withdrawn: Option<Value>,
    leaks: Vec<String>,
}

/// The names of all kinds.
static KINDS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| Kind::ALL.iter().map(|kind| kind.name()).collect());

/// Values by which records of all kinds are chosen and sorted.
const VALUES: [&str; 5] = ["kind", "id", "name", "what", "note"];

impl Row {
    fn value(&self, name: &str) -> FieldValue<'_> {
        fn of(text: &Option<String>) -> FieldValue<'_> {
            text.as_deref().map_or(FieldValue::Missing, FieldValue::text)
        }
        match name {
            "kind" => FieldValue::text(self.kind.name()),
            "id" => FieldValue::text(self.id.to_string()),
            "name" => of(&self.name),
            "what" => FieldValue::text(self.what.as_str()),
            "note" => of(&self.note),
            _ => FieldValue::Missing,
        }
    }

    fn document(&self) -> Value {
        let Row { kind, id, name, what, of, note, withdrawn, leaks } = self;
        let mut document = json!({ "id": id, "kind": kind, "name": name, "summary": what });
        if !of.is_empty() {
            document["of"] = json!(of);
        }
        if let Some(note) = note {
            document["note"] = json!(note);
        }
        if let Some(mark) = withdrawn {
            document["withdrawn"] = mark.clone();
        }
        if !leaks.is_empty() {
            document["leaks"] = json!(leaks);
        }
        document
    }
}

fn rows(context: &Context, kind: Option<Kind>) -> Result<Vec<Row>, Failure> {
    let kinds: Vec<Kind> = match kind {
        None => Kind::which(|kind| kind.is_listed).collect(),
        Some(kind) => vec![kind],
    };
    let registry = context.registry()?;
    let view = registry.view()?;
    let names = view.names_by_id()?;
    let mut marks = marks(context, &registry, &view);
    let mut finder = LeakFinder::of(&registry);
    let mut rows = Vec::new();
    for kind in kinds {
        for id in view.of_kind(kind)? {
            // A damaged record is listed as such; `verify` says more.
            let (what, of) = match registry.store().read(&id).map(|bytes| Header::read(&bytes)) {
                Ok(Ok(header)) => listing::described(&registry, &names, &header),
                Ok(Err(e)) => (e.to_string(), Vec::new()),
                Err(e) => (e.to_string(), Vec::new()),
            };
            let mark = marks.as_mut().and_then(|marks| marks.of(&id));
            let mut what = mark.map_or(what.clone(), |mark| format!("{what}; {mark}"));
            let called = names.get(&id).map_or_else(|| id.short(), |name| shell(name));
            // One damaged record must not hide the others.
            let leaks = finder.of_record(id, &called).unwrap_or_default();
            leaks.iter().for_each(|why| what += &format!("; LEAK: {why}"));
            // A damaged note is told by `verify`.
            let note = registry.note(&view, &id).ok().flatten().map(|(_, note)| note.text);
            let (name, withdrawn) = (names.get(&id).cloned(), mark.map(|mark| json!(mark)));
            rows.push(Row { kind, id, name, what, of, note, withdrawn, leaks });
        }
    }
    Ok(rows)
}

fn list(
    context: &Context,
    kind: Option<Kind>,
    chosen: Chosen,
    format: ListFormat,
    output: Option<PathBuf>,
) -> Result<Reply, Failure> {
    let (mut filter, order) = (chosen.filter()?, chosen.order()?);
    let registry = context.registry()?;
    let mut rows = rows(context, kind)?;
    let is_empty = rows.is_empty();
    if let Some(filter) = &mut filter {
        filter.check(|name| match name {
            "id" => Ok(FieldType::Id),
            "kind" => Ok(FieldType::Word(&KINDS)),
            name if VALUES.contains(&name) => Ok(FieldType::Text),
            name => Err(similar_or_all(name, &VALUES).into_iter().map(str::to_owned).collect()),
        })?;
        rows.retain(|row| filter.chooses(|name| row.value(name)));
    }
    if let Some(order) = &order {
        if !VALUES.contains(&order.key()) {
            let key = order.key();
            let of = kind.map_or("records", |kind| kind.descriptor().plural);
            if listing::field(key).is_some() {
                let failure = Failure::usage(format!("{of} have no value named `{key}`"));
                return Err(failure.hinting(format!("only runs have it: `reg list run --sort {key}`")));
            }
            let known = similar_or_all(key, &VALUES).into_iter().map(str::to_owned).collect();
            return Err(listing::ListError::UnknownField { of, name: key.to_owned(), known }.into());
        }
        order.sort(&mut rows, |row, name| row.value(name));
    }
    rows.truncate(chosen.limit().unwrap_or(usize::MAX));
    if let Some(format) = format.of_file() {
        return as_file(&sheet(&rows), format, output, context.global.json);
    }
    let mut columns = Vec::from(["Kind", "Id", "Name"].map(Column::left));
    columns.push(Column::prose("What"));
    let notes = rows.iter().any(|row| row.note.is_some());
    columns.extend(notes.then(|| Column::prose("Note")));
    let mut table = ReportTable::new("", columns);
    for row in &rows {
        let mut cells = vec![
            Cell::Text(row.kind.name().to_owned()),
            Cell::Text(row.id.short()),
            Cell::Text(row.name.clone().unwrap_or_default()),
            Cell::Text(row.what.clone()),
        ];
        let first = |note: &String| note.lines().next().unwrap_or_default().to_owned();
        cells.extend(notes.then(|| Cell::Text(row.note.as_ref().map(first).unwrap_or_default())));
        table.rows.push(cells);
    }
    let mut text = match (table.rows.is_empty(), is_empty) {
        (true, true) => match kind {
            Some(kind) => format!("the registry has no {}", kind.descriptor().plural),
            None => "the registry is empty".to_owned(),
        },
        (true, false) => "no record matches".to_owned(),
        (false, _) => TableFormat::Text.render(&[table]),
    };
    let unfinished =
        if kind.is_none_or(|kind| kind == Kind::Run) { unfinished::all(&registry) } else { Vec::new() };
    for unfinished in &unfinished {
        text = format!("{}\n{}", text.trim_end(), super::unfinished::line(unfinished));
    }
    if let Some(path) = output {
        return saved(&path, text.as_bytes());
    }
    let documents: Vec<Value> = rows.iter().map(Row::document).collect();
    Ok(Reply::new(text, json!({ "records": documents, "live": unfinished })))
}

fn sheet(rows: &[Row]) -> Sheet {
    let column = |name: &&str| {
        let text = |row: &Row| match row.value(name) {
            FieldValue::Text(text) => Some(text.into_owned()),
            FieldValue::Number(_) | FieldValue::Missing => None,
        };
        SheetColumn::new(*name, ColumnValues::Text(rows.iter().map(text).collect()))
    };
    Sheet { name: "records".to_owned(), about: Vec::new(), columns: VALUES.iter().map(column).collect() }
}
