//! Sheets as JSON.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::sheet::{ColumnValues, Sheet};

/// The sheet as a JSON array with an object for each row, one row on each line. The keys are the headings, an undefined value is
/// null.
pub(super) fn write(sheet: &Sheet) -> Vec<u8> {
    let mut out = b"[".to_vec();
    for row in 0..sheet.rows() {
        out.extend_from_slice(if row == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut out, &SheetRow { sheet, row })
            .expect("headings are texts, and memory takes every byte");
    }
    out.extend_from_slice(b"\n]\n");
    out
}

struct SheetRow<'s> {
    sheet: &'s Sheet,
    row: usize,
}

impl Serialize for SheetRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.sheet.columns.len()))?;
        for column in &self.sheet.columns {
            match &column.values {
                ColumnValues::Text(values) => map.serialize_entry(&column.name, &values[self.row])?,
                ColumnValues::Integer(values) => map.serialize_entry(&column.name, &values[self.row])?,
                ColumnValues::Number(values) => map.serialize_entry(&column.name, &values[self.row])?,
                ColumnValues::Truth(values) => map.serialize_entry(&column.name, &values[self.row])?,
            }
        }
        map.end()
    }
}
