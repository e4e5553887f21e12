//! One long form of the numbers of a table: a row for each value, with what the value is about. Reports pivot it, `diff` and the
//! audit join two of them, exports write it.
//!
//! A value is identified by its subject and never by its position, so that two tables can be compared whatever the order of their
//! models and labels. Links are no values: they are the inputs of the record. Every field of a record is named where it is
//! unpacked, so that a new field does not compile until it is decided what becomes of it here.

mod comparison;
mod derived;
pub mod interval;
mod join;
mod means;
mod pivot;
mod rows;
mod subject;
mod tables;
#[cfg(test)]
mod tests;
mod value;

pub use join::{ValueDifference, join, mismatches};
pub use means::{compared_labels, mean_over_pathologies};
pub use pivot::{Pivot, PivotRow};
pub use subject::{LabelScope, ValueSubject};
pub use value::{LongValue, RowCounts};

use crate::records::Table;

/// All values of a table, in the order of the record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LongTable<'t> {
    /// One for each value; no two have the same subject.
    pub rows: Vec<LongRow<'t>>,
}

/// A value of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct LongRow<'t> {
    /// What the value is about.
    pub subject: ValueSubject<'t>,
    /// The value.
    pub value: LongValue<'t>,
    /// On how much it is based, as far as the record says. Each of these counts is also the value of a row.
    pub counts: RowCounts,
}

/// The long form of a table, with the numbers that reports derive from those of the record.
pub fn long(table: &Table) -> LongTable<'_> {
    let mut rows = rows::ValueRows::default();
    match table {
        Table::Auc(table) => tables::auc(&mut rows, table),
        Table::Dataset(table) => tables::dataset(&mut rows, table),
        Table::Comparison(table) => {
            let mut long = long_comparison(table);
            let derived = derived::derived(table, &long);
            long.rows.extend(derived);
            return long;
        }
        Table::Probe(table) => tables::probe(&mut rows, table),
        Table::Heatmap(table) => tables::heatmap(&mut rows, table),
        Table::Pointing(table) => tables::pointing(&mut rows, table),
    }
    rows.finish()
}

/// The long form of a comparison as it is recorded: what reports derive further numbers from.
pub fn long_comparison(comparison: &crate::records::Comparison) -> LongTable<'_> {
    let mut rows = rows::ValueRows::default();
    comparison::comparison(&mut rows, comparison);
    rows.finish()
}

/// Name of the table of what was asked for and under which rules, which are no results.
pub const SETTINGS: &str = "settings";
