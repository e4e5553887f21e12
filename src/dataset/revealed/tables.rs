//! The tables in a file, whatever its form: CSV, JSON, JSON Lines, an array of NumPy, the paths in an archive.

use super::super::table::each_row;
use super::super::text;
use super::rows::{OnRow, Rows};
use super::{json, npy};
use crate::limits;
use crate::recognise::{FileKind, HEAD};

/// Lines of text with separators.
struct Csv(String);

impl Rows for Csv {
    fn each(&self, row: &mut OnRow<'_>) {
        each_row(&self.0, &mut |cells| {
            let cells: Vec<(u32, &str)> = (0..).zip(cells.iter()).collect();
            row(&cells)
        });
    }
}

/// Paths whose folders and file names are cells.
pub(super) struct MemberPaths(pub(super) Vec<String>);

impl Rows for MemberPaths {
    fn each(&self, row: &mut OnRow<'_>) {
        for path in &self.0 {
            // Counted from the file name, which is below more folders in one path than in another.
            let cells: Vec<(u32, &str)> = (0..).zip(path.rsplit(['/', '\\'])).collect();
            if !row(&cells) {
                return;
            }
        }
    }
}

/// The tables of a file that is not packed.
pub(super) fn of(bytes: &[u8]) -> Vec<Box<dyn Rows>> {
    match FileKind::of(&bytes[..bytes.len().min(HEAD)]) {
        _ if bytes.len() as u64 > limits::TEXT => Vec::new(),
        FileKind::Npy => npy::read(bytes).map(|array| Box::new(array) as Box<dyn Rows>).into_iter().collect(),
        _ => {
            let Some(text) = text::of_any_lines(bytes) else { return Vec::new() };
            let begins = text.trim_start();
            if begins.starts_with(['{', '[']) && bytes.len() as u64 <= limits::PROGRAM_JSON {
                let tables = json::read(begins);
                if !tables.is_empty() {
                    return tables.into_iter().map(|table| Box::new(table) as Box<dyn Rows>).collect();
                }
            }
            vec![Box::new(Csv(text))]
        }
    }
}
