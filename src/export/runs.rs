//! Lists of runs for tools that compute with them.

use super::sheet::{ColumnValues, Sheet, SheetColumn};
use crate::filter::FieldValue;
use crate::listing::{FieldKind, ListedRun, field};

/// A row for each run, with columns by name: fields or settings. Numbers have all their digits, times are those of
/// RFC 3339, durations are in seconds, an undefined value is empty.
pub fn run_sheet(runs: &[ListedRun], columns: &[String]) -> Sheet {
    let values = |name: &String| {
        let all = || runs.iter().map(|run| run.value(name));
        let number = |value: FieldValue| match value {
            FieldValue::Number(number) => Some(number),
            FieldValue::Text(_) | FieldValue::Missing => None,
        };
        let whole = |number: f64| number.fract() == 0.0 && number.abs() < 9e15;
        let kind = field(name).map(|field| field.kind);
        let texts = all().any(|value| matches!(value, FieldValue::Text(_)));
        let values = match kind {
            Some(FieldKind::Number | FieldKind::Seconds) => ColumnValues::Number(all().map(number).collect()),
            Some(FieldKind::Text | FieldKind::Prose | FieldKind::Time) => {
                ColumnValues::Text(all().map(text).collect())
            }
            None if texts => ColumnValues::Text(all().map(text).collect()),
            Some(FieldKind::Integer) | None => match all().filter_map(number).all(whole) {
                true => ColumnValues::Integer(
                    all().map(|value| number(value).map(|number| number as i64)).collect(),
                ),
                false => ColumnValues::Number(all().map(number).collect()),
            },
        };
        SheetColumn::new(name, values)
    };
    let about = vec![("reg.kind".to_owned(), "run".to_owned())];
    Sheet { name: "runs".to_owned(), about, columns: columns.iter().map(values).collect() }
}

fn text(value: FieldValue) -> Option<String> {
    match value {
        FieldValue::Text(text) => Some(text.into_owned()),
        FieldValue::Number(number) => Some(format!("{number}")),
        FieldValue::Missing => None,
    }
}
