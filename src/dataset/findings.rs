//! Anomalies in metadata that do not prevent its use: reported, never corrected silently.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use super::DatasetError;
use super::labels::{LABELS, NO_FINDING};
use crate::digits::thousands;
use crate::records::{Gender, ImageRow, MAX_AGE, PatientId};

/// Maximum number of listed cases of a finding; the others are counted.
const NAMED: usize = 5;

/// An anomaly in metadata that does not prevent its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Rows that are identical to an earlier one, and are left out.
    RepeatedRows {
        /// How many.
        count: usize,
        /// The first of them: row and image.
        first: Vec<(u32, String)>,
    },
    /// Patients who are male in one row and female in another.
    TwoGenders {
        /// How many.
        count: usize,
        /// The first of them.
        first: Vec<PatientId>,
    },
    /// Ages below 0 or above 120, recorded as given and left out of statistics.
    ImpossibleAges {
        /// How many.
        count: usize,
        /// The first of them: row, image and age in years.
        first: Vec<(u32, String, i32)>,
    },
    /// Images with `No Finding` and another label.
    NoFindingBesideOthers {
        /// How many.
        count: usize,
        /// The first of them: row and image.
        first: Vec<(u32, String)>,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::RepeatedRows { count, first } => {
                let rows = plural(*count, "row", "rows");
                write!(f, "{} duplicate {rows}, used once", thousands(*count as u64))?;
                name_first(f, *count, first.iter().map(|(row, image)| format!("row {row} ({image})")))
            }
            Finding::TwoGenders { count, first } => {
                let patients = plural(*count, "patient", "patients");
                write!(f, "{} {patients} with two genders", thousands(*count as u64))?;
                name_first(f, *count, first.iter().map(|patient| format!("patient {patient}")))
            }
            Finding::ImpossibleAges { count, first } => {
                let ages = plural(*count, "age", "ages");
                let number = thousands(*count as u64);
                write!(f, "{number} impossible {ages} (below 0 or above {MAX_AGE}), stored unchanged")?;
                let cases = first.iter().map(|(row, image, age)| format!("row {row} ({image}): {age}"));
                name_first(f, *count, cases)
            }
            Finding::NoFindingBesideOthers { count, first } => {
                let images = plural(*count, "image", "images");
                write!(f, "{} {images} with `{NO_FINDING}` and another label", thousands(*count as u64))?;
                name_first(f, *count, first.iter().map(|(row, image)| format!("row {row} ({image})")))
            }
        }
    }
}

fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

fn name_first(f: &mut fmt::Formatter<'_>, count: usize, cases: impl Iterator<Item = String>) -> fmt::Result {
    let cases: Vec<String> = cases.collect();
    let rest = if cases.len() < count { ", …" } else { "" };
    write!(f, ": {}{rest}", cases.join(", "))
}

/// Removes repeated rows and reports anomalies in the others.
///
/// # Errors
/// Two rows with different data about one image.
pub(super) fn examine(rows: &mut Vec<ImageRow>, path: &Path) -> Result<Vec<Finding>, DatasetError> {
    let repeated = repeated_rows(rows, path)?;
    let mut findings = Vec::new();
    if let Some(cases) = Cases::of(rows.iter().filter(|row| repeated.contains(&row.row)).map(name)) {
        findings.push(Finding::RepeatedRows { count: cases.count, first: cases.first });
        rows.retain(|row| !repeated.contains(&row.row));
    }
    if let Some(cases) = Cases::of(patients_with_two_genders(rows).into_iter()) {
        findings.push(Finding::TwoGenders { count: cases.count, first: cases.first });
    }
    let impossible = rows.iter().filter(|row| row.plausible_age().is_none());
    if let Some(cases) = Cases::of(impossible.filter_map(|r| Some((r.row, r.name.to_string(), r.age?)))) {
        findings.push(Finding::ImpossibleAges { count: cases.count, first: cases.first });
    }
    let no_finding = LABELS.iter().position(|label| *label == NO_FINDING).expect("it is the last label");
    let beside =
        rows.iter().filter(|row| row.label(no_finding) == Some(true) && row.labels.positives().count() > 1);
    if let Some(cases) = Cases::of(beside.map(name)) {
        findings.push(Finding::NoFindingBesideOthers { count: cases.count, first: cases.first });
    }
    Ok(findings)
}

fn name(row: &ImageRow) -> (u32, String) {
    (row.row, row.name.to_string())
}

/// The number of cases and the first few of them; `None` if there are none.
struct Cases<T> {
    count: usize,
    first: Vec<T>,
}

impl<T> Cases<T> {
    fn of(mut cases: impl Iterator<Item = T>) -> Option<Self> {
        let first: Vec<T> = cases.by_ref().take(NAMED).collect();
        let count = first.len() + cases.count();
        (count > 0).then_some(Cases { count, first })
    }
}

/// Row numbers of rows that repeat an earlier one.
fn repeated_rows(rows: &[ImageRow], path: &Path) -> Result<BTreeSet<u32>, DatasetError> {
    let mut by_name: Vec<&ImageRow> = rows.iter().collect();
    by_name.sort_unstable_by(|a, b| (&a.name, a.row).cmp(&(&b.name, b.row)));
    let mut repeated = BTreeSet::new();
    for same in by_name.chunk_by(|a, b| a.name == b.name) {
        for row in &same[1..] {
            if (ImageRow { row: same[0].row, ..(*row).clone() }) != *same[0] {
                return Err(DatasetError::Contradiction {
                    path: path.to_owned(),
                    image: row.name.to_string(),
                    first: same[0].row,
                    second: row.row,
                });
            }
            repeated.insert(row.row);
        }
    }
    Ok(repeated)
}

fn patients_with_two_genders(rows: &[ImageRow]) -> BTreeSet<PatientId> {
    let mut genders = HashMap::new();
    let known = rows.iter().filter(|row| row.gender != Gender::Unknown);
    known
        .filter(|row| *genders.entry(&row.patient).or_insert(row.gender) != row.gender)
        .map(|row| row.patient.clone())
        .collect()
}
