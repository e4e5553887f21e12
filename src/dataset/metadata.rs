//! The metadata CSV of ChestX-ray14: one row an image, in its form of 2017, of 2020 and of the samples
//! made from them.
//!
//! Columns are found by name. Ages stay as they are given, because a data set must say what its source
//! says; what is impossible about them is reported and left out of statistics.

use std::path::Path;

use super::findings::examine;
use super::table::{Column, Row, Table};
use super::{DatasetError, Finding, text};
use crate::hash::Sha256;
use crate::records::{Gender, ImageRow, ViewPosition};

/// A metadata file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// One row an image, in the order of the file. What only an image file can say is still empty:
    /// no object, size 0.
    pub rows: Vec<ImageRow>,
    /// What is odd about it.
    pub findings: Vec<Finding>,
}

/// Reads a metadata CSV, plain or packed with gzip.
///
/// `path` is what errors call it. Rows are counted from 1 behind the header, blank lines left out.
///
/// # Errors
/// A column that is missing; a row with a wrong number of fields; a field that does not say what its
/// column should; two rows that say different things of one image.
pub fn read(bytes: &[u8], path: &Path) -> Result<Metadata, DatasetError> {
    let text = text::decode(bytes, path)?;
    let mut table = Table::open(&text, path)?;
    let columns = Columns::of(&table)?;
    let mut rows = Vec::new();
    while let Some(row) = table.next_row()? {
        rows.push(columns.image_row(&row)?);
    }
    if rows.is_empty() {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    let findings = examine(&mut rows, path)?;
    Ok(Metadata { rows, findings })
}

struct Columns {
    image: Column,
    labels: Column,
    follow_up: Column,
    patient: Column,
    age: Column,
    gender: Column,
    view: Column,
}

impl Columns {
    fn of(table: &Table) -> Result<Self, DatasetError> {
        Ok(Columns {
            image: table.column("Image Index")?,
            labels: table.column("Finding Labels")?,
            follow_up: table.column("Follow-up #")?,
            patient: table.column("Patient ID")?,
            age: table.column("Patient Age")?,
            gender: table.column("Patient Gender")?,
            view: table.column("View Position")?,
        })
    }

    fn image_row(&self, row: &Row) -> Result<ImageRow, DatasetError> {
        let name = row.image(self.image)?;
        let mut labels = 0;
        for label in row.text(self.labels).split('|') {
            labels |= 1 << row.label(name, label.trim())?;
        }
        Ok(ImageRow {
            name: name.to_owned(),
            object: None,
            sha256: Sha256([0; 32]),
            bytes: 0,
            width: 0,
            height: 0,
            row: row.row,
            patient: row.parse(self.patient, "a number", |text| text.parse().ok())?,
            follow_up: row.parse(self.follow_up, "a number", |text| text.parse().ok())?,
            age: row.parse(self.age, "an age in years such as 58 or 058Y", age)?,
            gender: row.parse(self.gender, "M or F", gender)?,
            view: row.parse(self.view, "PA or AP", view)?,
            labels,
        })
    }
}

/// An age in whole years: a plain number or a DICOM age string (PS3.5, section 6.2, AS), whose last
/// letter says days, weeks, months or years. Empty text is no age.
fn age(text: &str) -> Option<Option<i32>> {
    if text.is_empty() {
        return Some(None);
    }
    let unit = text.as_bytes()[text.len() - 1].to_ascii_uppercase();
    // Days and weeks by the mean length of a Gregorian year, 365.2425 days, in 1/10,000 days.
    let (units, year) = match unit {
        b'Y' => (1, 1),
        b'M' => (1, 12),
        b'W' => (70_000, 3_652_425),
        b'D' => (10_000, 3_652_425),
        _ => return text.parse().ok().map(Some),
    };
    let number: i32 = text[..text.len() - 1].parse().ok()?;
    i32::try_from(i64::from(number) * units / year).ok().map(Some)
}

fn gender(text: &str) -> Option<Gender> {
    match text {
        "M" | "m" => Some(Gender::Male),
        "F" | "f" => Some(Gender::Female),
        "" => Some(Gender::Unknown),
        _ => None,
    }
}

fn view(text: &str) -> Option<ViewPosition> {
    match text {
        "PA" | "pa" => Some(ViewPosition::PA),
        "AP" | "ap" => Some(ViewPosition::AP),
        "" => Some(ViewPosition::Unknown),
        _ => None,
    }
}
