//! What an ingest leaves out because it was withdrawn, and why.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::hash::Hash;
use crate::records::{ImageRow, Withdrawal};
use crate::registry::Withdrawn;

/// Rows that are left out because their images were withdrawn.
#[derive(Default)]
pub(super) struct LeftOut {
    names: BTreeSet<String>,
    /// Images a withdrawal: what it is about, when and why.
    by: BTreeMap<String, usize>,
}

impl LeftOut {
    /// Takes away the rows that are covered by patient or name.
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

    /// Takes away the rows whose files turned out to be withdrawn.
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

    /// Their names.
    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// How many they are, if any.
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

    /// A sentence a withdrawal.
    pub(super) fn findings(&self) -> impl Iterator<Item = String> + '_ {
        self.by.iter().map(|(why, images)| {
            format!(
                "{} left out: {why}",
                match images {
                    1 => "1 image was".to_owned(),
                    _ => format!("{images} images were"),
                }
            )
        })
    }
}
