//! The rows that an ingest leaves out because they were withdrawn, and the reasons.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::digits::thousands;
use crate::hash::Hash;
use crate::records::{ImageRow, Withdrawal};
use crate::withdrawal::Withdrawn;

/// Rows that are left out because their images were withdrawn.
#[derive(Default)]
pub(super) struct LeftOut {
    names: BTreeSet<String>,
    /// Number of rows for each withdrawal: its subject, time and reason.
    by: BTreeMap<String, usize>,
}

impl LeftOut {
    /// Removes the rows whose patient or name is withdrawn.
    pub(super) fn take(&mut self, rows: Vec<ImageRow>, withdrawn: &Withdrawn) -> Vec<ImageRow> {
        if withdrawn.is_empty() {
            return rows;
        }
        let stays = |row: &ImageRow| match withdrawn.of_row(row) {
            Some((_, record)) => self.add(row, record),
            None => true,
        };
        rows.into_iter().filter(stays).collect()
    }

    /// Removes the rows whose files are withdrawn.
    pub(super) fn take_files(
        &mut self,
        rows: Vec<ImageRow>,
        files: &HashMap<String, Hash>,
        withdrawn: &Withdrawn,
    ) -> Vec<ImageRow> {
        let stays =
            |row: &ImageRow| match files.get(row.name.as_str()).and_then(|file| withdrawn.of_file(file)) {
                Some((_, record)) => self.add(row, record),
                None => true,
            };
        rows.into_iter().filter(stays).collect()
    }

    /// The names in these rows; not every one needs to have an image.
    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Number of rows, if there are any.
    pub(super) fn count(&self) -> Option<u64> {
        (!self.names.is_empty()).then_some(self.names.len() as u64)
    }

    fn add(&mut self, row: &ImageRow, by: &Withdrawal) -> bool {
        if self.names.insert(row.name.to_string()) {
            let Withdrawal { subject, time, reason, .. } = by;
            *self.by.entry(format!("{subject}, withdrawn on {time}: {reason}")).or_default() += 1;
        }
        false
    }

    /// One sentence per withdrawal.
    pub(super) fn findings(&self) -> impl Iterator<Item = String> + '_ {
        self.by.iter().map(|(why, rows)| {
            format!(
                "{} left out: {why}",
                match rows {
                    1 => "1 row of the metadata was".to_owned(),
                    _ => format!("{} rows of the metadata were", thousands(*rows as u64)),
                }
            )
        })
    }
}
