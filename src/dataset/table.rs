//! A CSV file with a header, read by column names. The only file of this module that uses the csv crate.
//!
//! The published files end their header or their rows with empty fields, in every combination. So the header
//! ends at its last name, and further fields of a row must be empty.

use std::path::Path;

use csv::{Reader, ReaderBuilder, StringRecord};

use super::{DatasetError, FilePosition, labels};
use crate::disk::FileError;
use crate::limits;
use crate::records::{ImageName, is_plain_name};

/// A CSV file while it is read.
pub(super) struct CsvTable<'a> {
    path: &'a Path,
    reader: Reader<&'a [u8]>,
    header: Vec<String>,
    record: StringRecord,
    row: u32,
}

/// A column of the header.
#[derive(Clone, Copy)]
pub(super) struct CsvColumn<'n> {
    index: usize,
    name: &'n str,
}

/// One data row.
pub(super) struct CsvRow<'t> {
    path: &'t Path,
    record: &'t StringRecord,
    /// Data row, counted from 1 after the header; blank lines do not count.
    pub(super) row: u32,
}

impl<'a> CsvTable<'a> {
    /// Reads the header.
    pub(super) fn open(text: &'a str, path: &'a Path) -> Result<Self, DatasetError> {
        let mut reader =
            ReaderBuilder::new().flexible(true).delimiter(delimiter(text)).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| failed(path, e))?;
        let mut header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        while header.last().is_some_and(String::is_empty) {
            header.pop();
        }
        Ok(CsvTable { path, reader, header, record: StringRecord::new(), row: 0 })
    }

    /// Finds a column that must exist exactly once.
    pub(super) fn column(&self, name: &'static str) -> Result<CsvColumn<'static>, DatasetError> {
        let mut places = (0..self.header.len()).filter(|i| self.header[*i] == name);
        let path = || self.path.to_owned();
        match (places.next(), places.next()) {
            (Some(index), None) => Ok(CsvColumn { index, name }),
            (None, _) => {
                let found = self.header.clone();
                Err(DatasetError::MissingColumn { path: path(), column: name, found })
            }
            (Some(_), Some(_)) => Err(DatasetError::RepeatedColumn { path: path(), column: name.to_owned() }),
        }
    }

    /// The column names, without surrounding spaces.
    pub(super) fn headings(&self) -> &[String] {
        &self.header
    }

    /// The column at an index; messages call it `name`.
    pub(super) fn column_at<'n>(&self, index: usize, name: &'n str) -> CsvColumn<'n> {
        CsvColumn { index, name }
    }

    /// Reads the next data row.
    pub(super) fn next_row(&mut self) -> Result<Option<CsvRow<'_>>, DatasetError> {
        if !self.reader.read_record(&mut self.record).map_err(|e| failed(self.path, e))? {
            return Ok(None);
        }
        if self.row == limits::TEXT_ROWS {
            return Err(DatasetError::TooManyRows { path: self.path.to_owned(), limit: limits::TEXT_ROWS });
        }
        self.row += 1;
        let (row, record, path) = (self.row, &self.record, self.path);
        // An unclosed quotation mark would swallow the following rows silently.
        if record.as_slice().contains(['\n', '\r']) {
            return Err(DatasetError::OpenQuote { path: path.to_owned(), row });
        }
        let (fields, expected) = (record.len(), self.header.len());
        if fields < expected || record.iter().skip(expected).any(|field| !field.trim().is_empty()) {
            return Err(DatasetError::RowLength { path: path.to_owned(), row, fields, expected });
        }
        Ok(Some(CsvRow { path, record, row }))
    }
}

impl<'t> CsvRow<'t> {
    /// The field without surrounding spaces.
    pub(super) fn text(&self, column: CsvColumn<'_>) -> &'t str {
        self.record[column.index].trim()
    }

    /// The field, parsed by `parse`, or an error with the `expected` values.
    pub(super) fn parse<T>(
        &self,
        column: CsvColumn<'_>,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, DatasetError> {
        let text = self.text(column);
        parse(text).ok_or_else(|| DatasetError::Value {
            path: self.path.to_owned(),
            row: self.row,
            column: column.name.to_owned(),
            value: text.to_owned(),
            expected,
        })
    }

    /// The field as the name of an image.
    pub(super) fn image(&self, column: CsvColumn<'_>) -> Result<ImageName, DatasetError> {
        let name = self.text(column);
        let place = FilePosition::Row(self.row);
        let wrong = |_| DatasetError::NotAName { path: self.path.to_owned(), place, name: name.to_owned() };
        name.parse().map_err(wrong)
    }

    /// The field as the name of an image, in any folder; the folder is kept.
    pub(super) fn image_of_any_folder(&self, column: CsvColumn<'_>) -> Result<String, DatasetError> {
        let path = self.text(column);
        if is_path_of_image(path) {
            return Ok(path.to_owned());
        }
        let place = FilePosition::Row(self.row);
        Err(DatasetError::NotAName { path: self.path.to_owned(), place, name: path.to_owned() })
    }

    /// The index of a label in a published file.
    pub(super) fn label(&self, image: &str, label: &str) -> Result<usize, DatasetError> {
        labels::index(label).ok_or_else(|| DatasetError::UnknownLabel {
            path: self.path.to_owned(),
            row: self.row,
            image: image.to_owned(),
            label: label.to_owned(),
        })
    }
}

/// Passes the cells of each row to `row` until it returns false, the header among them; rows may differ in length.
pub(super) fn each_row(text: &str, row: &mut dyn FnMut(&StringRecord) -> bool) {
    let mut builder = ReaderBuilder::new();
    builder.flexible(true).has_headers(false).delimiter(delimiter(text));
    let mut reader = builder.from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).is_ok_and(|read| read) && row(&record) {}
}

/// Whether a text can be the name of an image, with any folder before it.
pub(super) fn is_path_of_image(text: &str) -> bool {
    let mut parts = text.split(['/', '\\']);
    let is_name = parts.next_back().is_some_and(is_plain_name);
    is_name && parts.all(|part| ["", ".", ".."].contains(&part) || is_plain_name(part))
}

/// What separates the columns: of comma, semicolon and tab, the one that the header has most of. The header of the
/// published metadata has commas within names.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default().split('\r').next().unwrap_or_default();
    // Outside of quotation marks.
    let open = || header.split('"').step_by(2);
    let count = |of: char| open().map(|part| part.matches(of).count()).sum::<usize>();
    let [comma, semicolon, tab] = [',', ';', '\t'].map(count);
    if comma >= semicolon.max(tab) {
        b','
    } else if semicolon >= tab {
        b';'
    } else {
        b'\t'
    }
}

/// The digits of a whole number, which may be written as a float: `58`, `58.0`. `None` also for a float of more digits
/// than it holds exactly, so that another number may have been meant.
pub(super) fn whole(text: &str) -> Option<&str> {
    const EXACT: usize = 15;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        None => Some(text).filter(|text| is_number(text)),
        Some((digits, zeros)) => {
            let exact = digits.trim_start_matches('0').len() <= EXACT;
            (is_number(digits) && exact && zeros.bytes().all(|byte| byte == b'0')).then_some(digits)
        }
    }
}

/// Whether a field is one of the ways in which pandas, numpy, R and databases write that there is no value.
pub(super) fn is_missing(text: &str) -> bool {
    const WORDS: &[&str] =
        &["", "nan", "na", "n/a", "<na>", "#n/a", "null", "none", "nil", "-nan", "nat", "."];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn failed(path: &Path, error: csv::Error) -> DatasetError {
    FileError::new("read", path, error.into()).into()
}
