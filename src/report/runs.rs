//! Lists of runs as tables.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::{Cell, Column, ReportTable};
use crate::digits::{counted, span};
use crate::filter::FieldValue;
use crate::listing::{Field, FieldKind, ListedRun, field};

/// Decimals of losses and AUCs.
const DECIMALS: usize = 4;
/// Letters of a note in a list.
const SHOWN: usize = 80;

/// A row for each run, with columns by name: fields or settings.
pub fn runs(runs: &[ListedRun], columns: &[String]) -> ReportTable {
    let head = |name: &String| match field(name) {
        Some(field) => column(field),
        None if runs.iter().any(|run| matches!(run.value(name), FieldValue::Text(_))) => Column::left(name),
        None => Column::right(name),
    };
    let mut table = ReportTable::new("", columns.iter().map(head).collect());
    if let Some(first) = table.columns.first_mut() {
        first.key = true;
    }
    let cells = |run: &ListedRun| columns.iter().map(|name| cell(run, name)).collect();
    table.rows = runs.par_iter().map(cells).collect();
    let shows = |name: &str| columns.iter().any(|column| column == name);
    let means =
        [("val_auc", "val_auc_labels", "validation AUC"), ("test_auc", "test_auc_labels", "test AUC")];
    for (mean, labels, called) in means {
        match (shows(mean), shows(labels)) {
            (true, false) => table.notes.extend(coverage(runs, labels, called)),
            (true, true) => table.notes.push(format!(
                "`Labels` behind the {called}: the number of labels that this mean covers; means over different labels are not comparable."
            )),
            (false, _) => {}
        }
    }
    table
}

/// What identifies a run besides its settings.
const IDENTITY: [&str; 6] = ["model", "dataset", "split", "fold", "seed", "weights"];

/// What runs were trained with, a column each: the rows in which they differ, then those in which all are the same.
pub fn settings(runs: &[ListedRun]) -> [ReportTable; 2] {
    let mut columns = vec![Column::left("Setting")];
    columns.extend(runs.iter().map(|run| Column::left(run.called())));
    let mut tables = ["Settings that differ", "Settings that are the same"]
        .map(|title| ReportTable::new(title, columns.clone()));
    let own: BTreeSet<&str> = runs.iter().flat_map(|run| run.settings.iter().map(|(name, _)| name)).collect();
    for name in IDENTITY.into_iter().chain(own) {
        let texts: Vec<String> = runs
            .iter()
            .map(|run| match run.value(name) {
                FieldValue::Missing => "none".to_owned(),
                _ => cell(run, name).shown(),
            })
            .collect();
        let same = texts.windows(2).all(|pair| pair[0] == pair[1]);
        let head = field(name).map_or(name, |field| field.head);
        let row = std::iter::once(head.to_owned()).chain(texts).map(Cell::Text).collect();
        tables[usize::from(same)].rows.push(row);
    }
    tables
}

/// The number of labels that the means of AUCs cover.
fn coverage(runs: &[ListedRun], labels: &str, called: &str) -> Option<String> {
    let over = runs.iter().filter_map(|run| match run.value(labels) {
        FieldValue::Number(number) => Some(number as u64),
        FieldValue::Text(_) | FieldValue::Missing => None,
    });
    let over: BTreeSet<u64> = over.collect();
    let (first, last) = (*over.first()?, *over.last()?);
    let over = if first == last { first.to_string() } else { format!("{first} to {last}") };
    let all: BTreeSet<u32> = runs.iter().filter_map(|run| run.labels).collect();
    let covered = match all.into_iter().collect::<Vec<_>>()[..] {
        [all] => format!("{over} of {}", counted(all.into(), "label")),
        _ if first == last => counted(last, "label"),
        _ => format!("{over} labels"),
    };
    Some(format!("The {called} is the mean over {covered}."))
}

fn column(field: &Field) -> Column {
    match field.kind {
        FieldKind::Text | FieldKind::Time => Column::left(field.head),
        FieldKind::Prose => Column::prose(field.head),
        FieldKind::Integer | FieldKind::Number | FieldKind::Seconds => Column::right(field.head),
    }
}

fn cell(run: &ListedRun, name: &str) -> Cell {
    let kind = field(name).map(|field| field.kind);
    match (run.value(name), kind) {
        // A run without a name is called by the start of its id.
        (FieldValue::Missing, _) if name == "name" => Cell::Text(run.called()),
        (FieldValue::Missing, Some(FieldKind::Number)) => Cell::Number { value: None, decimals: DECIMALS },
        (FieldValue::Missing, _) => Cell::Empty,
        (FieldValue::Number(number), Some(FieldKind::Number)) => {
            Cell::Number { value: Some(number), decimals: DECIMALS }
        }
        (FieldValue::Number(number), Some(FieldKind::Seconds)) => Cell::Text(span(number)),
        // Neither a seed nor a setting has separators, so that both can be copied.
        (FieldValue::Number(number), _) => Cell::Text(plain(number)),
        (FieldValue::Text(text), Some(FieldKind::Time)) => Cell::Text(minute(&text)),
        (FieldValue::Text(text), Some(FieldKind::Prose)) => Cell::Text(first_line(&text)),
        (FieldValue::Text(text), _) if ["id", "spec"].contains(&name) => {
            Cell::Text(text.chars().take(12).collect())
        }
        (FieldValue::Text(text), _) => Cell::Text(text.into_owned()),
    }
}

/// A number as somebody would type it.
fn plain(number: f64) -> String {
    match number {
        whole if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
        other => format!("{other:?}"),
    }
}

/// A time of RFC 3339 to the minute: `2026-11-05 08:30`.
pub(super) fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// The first line of a text, shortened.
pub(super) fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut = line.chars().count() > SHOWN || text.trim_end().lines().nth(1).is_some();
    line.chars().take(SHOWN).collect::<String>() + if cut { "…" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_times_and_notes_are_shown_as_people_write_them() {
        assert_eq!([0.001, 16.0, 1e-8, 0.05].map(plain), ["0.001", "16", "1e-8", "0.05"]);
        assert_eq!(minute("2026-11-05T08:30:12Z"), "2026-11-05 08:30");
        assert_eq!(first_line("one\ntwo"), "one…");
        assert_eq!(first_line("one\n"), "one");
        assert_eq!(first_line(&"x".repeat(100)).chars().count(), SHOWN + 1);
    }
}
