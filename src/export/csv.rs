//! Sheets as CSV.

use std::borrow::Cow;

use csv::ByteRecord;

use super::sheet::{ColumnValues, Sheet};
use crate::escape;

/// The sheet as the bytes of a CSV file.
///
/// Numbers have the fewest digits that give the same number when read.
pub(super) fn write(sheet: &Sheet) -> Vec<u8> {
    let in_memory = "writing to memory does not fail";
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = sheet.columns.iter().map(|column| escape::csv(&column.name).into_owned());
    writer.write_record(names).expect(in_memory);
    let mut record = ByteRecord::new();
    for row in 0..sheet.rows() {
        record.clear();
        for column in &sheet.columns {
            record.push_field(field(&column.values, row).as_bytes());
        }
        writer.write_byte_record(&record).expect(in_memory);
    }
    writer.into_inner().expect(in_memory)
}

fn field(values: &ColumnValues, row: usize) -> Cow<'_, str> {
    match values {
        ColumnValues::Text(words) => escape::csv(words[row].as_deref().unwrap_or_default()),
        ColumnValues::Integer(numbers) => {
            numbers[row].map_or(Cow::Borrowed(""), |number| number.to_string().into())
        }
        // `Debug` and not `Display`, which writes 1e-300 with 300 zeros. Both round-trip.
        ColumnValues::Number(numbers) => {
            numbers[row].map_or(Cow::Borrowed(""), |number| format!("{number:?}").into())
        }
        ColumnValues::Truth(truths) => Cow::Borrowed(match truths[row] {
            Some(true) => "true",
            Some(false) => "false",
            None => "",
        }),
    }
}
