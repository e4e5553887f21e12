//! The order of a list.

use std::cmp::Ordering;

use super::columns::{self, meant};
use super::{ListError, ListedRun};
use crate::filter::FieldValue;

/// A value to sort by, and in which direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortOrder {
    key: String,
    direction: SortDirection,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortDirection {
    /// The smallest, the first in the alphabet, the oldest.
    Ascending,
    /// The largest, the last, the newest.
    Descending,
}

/// Text that is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a sort order: give the name of a value, optionally with `:asc` or `:desc` after it")]
pub struct SortOrderError(String);

/// Values of which more is better: the largest comes first unless something else is asked for.
const BEST_IS_LARGEST: [&str; 2] = ["val_auc", "test_auc"];

impl SortOrder {
    /// Reads `KEY`, `KEY:asc` or `KEY:desc`. Without a direction, AUCs begin with the largest and everything else
    /// with the smallest.
    pub fn parse(text: &str) -> Result<Self, SortOrderError> {
        let (key, direction) = match text.split_once(':') {
            None if BEST_IS_LARGEST.contains(&text) => (text, SortDirection::Descending),
            None => (text, SortDirection::Ascending),
            Some((key, "asc")) => (key, SortDirection::Ascending),
            Some((key, "desc")) => (key, SortDirection::Descending),
            Some(_) => return Err(SortOrderError(text.to_owned())),
        };
        match key.is_empty() {
            true => Err(SortOrderError(text.to_owned())),
            false => Ok(SortOrder { key: key.to_owned(), direction }),
        }
    }

    /// The value to sort by.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Which end comes first.
    pub fn direction(&self) -> SortDirection {
        self.direction
    }

    /// Asserts that runs have the value to sort by.
    pub(super) fn check(&self, runs: &[ListedRun]) -> Result<(), ListError> {
        if columns::field(&self.key).is_none() && columns::field_type(&self.key, runs).is_none() {
            return Err(ListError::UnknownField {
                of: "runs",
                name: self.key.clone(),
                known: meant(&self.key, runs),
            });
        }
        Ok(())
    }

    /// Sorts rows; those without the value come last in both directions, and equal ones keep their order.
    pub fn sort<T>(&self, rows: &mut [T], value: impl for<'r> Fn(&'r T, &str) -> FieldValue<'r>) {
        rows.sort_by(|a, b| {
            let (a, b) = (value(a, &self.key), value(b, &self.key));
            match (a.is_missing(), b.is_missing()) {
                (false, false) if self.direction == SortDirection::Descending => b.order(&a),
                (false, false) => a.order(&b),
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (true, true) => Ordering::Equal,
            }
        });
    }
}
