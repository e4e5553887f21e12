//! The long form of a table as a sheet.

use super::ExportError;
use super::sheet::{ColumnValues, Sheet, SheetColumn};
use super::tables::{about, marked};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{Content, Incomparable, Kind, Table};
use crate::registry::Registry;
use crate::values::{LongRow, LongTable, LongValue, RowCounts, ValueSubject, long};

/// Whole numbers beyond are not exact as 64-bit floats.
const EXACT: i128 = 1 << 53;

/// All values of a table in the long form: a row for each value, with what the value is about and the counts beside it.
///
/// # Errors
/// Among others, a record that is no table.
pub fn long_sheet(registry: &Registry, view: &View, id: Hash) -> Result<Sheet, ExportError> {
    let kind = view.kind(&id)?;
    if kind.map(|kind| kind.descriptor().content) != Some(Content::Table) {
        let kind = kind.map_or("file", Kind::name).to_owned();
        return Err(ExportError::NotLong { kind, id });
    }
    let table: Table = registry.get(Id::new(id))?;
    let mut sheet = sheet(id, &long(&table));
    if let Table::Comparison(comparison) = &table
        && !comparison.incomparable.is_empty()
    {
        let why = Incomparable::reasons(&comparison.incomparable);
        let each = (0..sheet.rows()).map(|_| why.as_str());
        sheet.columns.push(SheetColumn::new("not comparable", ColumnValues::words(each)));
    }
    let mut sheets = marked(registry, view, id, vec![sheet])?;
    Ok(sheets.remove(0))
}

fn sheet(id: Hash, long: &LongTable<'_>) -> Sheet {
    let LongTable { rows } = long;
    let text = |of: &dyn Fn(&ValueSubject<'_>) -> Option<String>| {
        ColumnValues::Text(rows.iter().map(|row| of(&row.subject)).collect())
    };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let (values, texts) = rows.iter().map(|LongRow { value, .. }| number_or_text(value)).unzip();
    let mut columns = vec![
        SheetColumn::new("table", text(&|of| owned(Some(of.table)))),
        SheetColumn::new("model", text(&|of| owned(of.model))),
        SheetColumn::new("against", text(&|of| owned(of.against))),
        SheetColumn::new("label", text(&|of| owned(of.label.label()))),
        SheetColumn::new("mean_over", text(&|of| owned(of.label.mean_over()))),
        SheetColumn::new("by", text(&|of| owned(of.by))),
        SheetColumn::new("group", text(&|of| owned(of.group))),
        SheetColumn::new(
            "fold",
            ColumnValues::Integer(rows.iter().map(|row| row.subject.fold.map(i64::from)).collect()),
        ),
        // A seed may be too large for the integers of other tools.
        SheetColumn::new("seed", text(&|of| of.seed.map(|seed| seed.to_string()))),
        SheetColumn::new("item", text(&|of| of.item.clone())),
        SheetColumn::new("statistic", text(&|of| owned(Some(of.statistic)))),
        SheetColumn::new("value", ColumnValues::Number(values)),
        SheetColumn::new("text", ColumnValues::Text(texts)),
    ];
    for (place, (name, _)) in RowCounts::default().named().into_iter().enumerate() {
        let count =
            |row: &LongRow<'_>| row.counts.named()[place].1.and_then(|count| i64::try_from(count).ok());
        columns.push(SheetColumn::new(name, ColumnValues::Integer(rows.iter().map(count).collect())));
    }
    Sheet { name: "values".to_owned(), about: about(id, Kind::Table), columns }
}

/// A value as a number if it is one, otherwise as a text; neither if it is undefined.
fn number_or_text(value: &LongValue<'_>) -> (Option<f64>, Option<String>) {
    match value {
        LongValue::Integer(number) if number.abs() > EXACT => (None, Some(number.to_string())),
        LongValue::Number(_) | LongValue::Integer(_) | LongValue::Truth(_) => (value.as_number(), None),
        LongValue::Text(text) => (None, Some(text.as_ref().to_owned())),
        LongValue::Undefined => (None, None),
    }
}
