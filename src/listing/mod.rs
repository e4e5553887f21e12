//! Lists of runs, for the terminal and the browser: recorded ones from the index, unfinished trainings from their
//! folders; chosen by an expression, sorted by a value, each with the settings in which they differ.

mod columns;
mod entry;
mod order;
mod owners;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use columns::{Field, FieldKind, differing, field, fields, of_columns, with_coverage};
pub use entry::{ListedRun, RunState};
pub use order::{SortDirection, SortOrder, SortOrderError};
pub use owners::{described, owners, subset};

use crate::filter::{FieldType, Filter, FilterError};
use crate::hash::Hash;
use crate::index::View;
use crate::registry::{Registry, RegistryError};
use crate::training::unfinished;

/// Which runs are listed, and in which order.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Only those that an expression chooses.
    pub filter: Option<Filter>,
    /// Sorted; otherwise the oldest comes first, and unfinished ones last.
    pub order: Option<SortOrder>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Why runs cannot be listed as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An expression with a name or value that no run has.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A column or key to sort by that none of the listed records has.
    #[error("{of} have no value named `{name}`")]
    UnknownField {
        /// What is listed, in the plural.
        of: &'static str,
        /// The name.
        name: String,
        /// Names that there are.
        known: Vec<String>,
    },
}

/// All runs: the recorded ones, oldest first, then unfinished trainings by name.
pub fn runs(registry: &Registry, view: &View) -> Result<Vec<ListedRun>, RegistryError> {
    let names = view.names_by_id()?;
    let mut listed: Vec<ListedRun> = Vec::new();
    for (id, row) in registry.run_rows(view)? {
        let name = names.get(&id.hash).cloned();
        listed.push(match row {
            Ok(row) => ListedRun::recorded(id.hash, name, row, &names),
            // One damaged record must not hide the others; `verify` says more.
            Err(e) => ListedRun::damaged(id.hash, name, e.to_string()),
        });
    }
    // The index numbers records as they came: in a registry that was pulled or re-indexed, not in the order of their dates.
    listed.sort_by(|a, b| (a.date.is_none(), &a.date).cmp(&(b.date.is_none(), &b.date)));
    listed.extend(unfinished(registry, &names));
    Ok(listed)
}

/// Unfinished trainings whose runs are not recorded.
fn unfinished(registry: &Registry, names: &HashMap<Hash, String>) -> Vec<ListedRun> {
    let all = unfinished::all(registry).into_iter();
    all.map(|training| {
        let spec = registry.get(training.announcement.spec);
        ListedRun::unfinished(&training, spec.ok().as_ref(), names)
    })
    .collect()
}

/// The runs that are asked for.
pub fn choose(mut runs: Vec<ListedRun>, request: &ListRequest) -> Result<Vec<ListedRun>, ListError> {
    if let Some(mut filter) = request.filter.clone() {
        check(&mut filter, &runs)?;
        runs.retain(|run| filter.chooses(|name| run.value(name)));
    }
    if let Some(order) = &request.order {
        order.check(&runs)?;
        order.sort(&mut runs, |run, name| run.value(name));
    }
    runs.truncate(request.limit.unwrap_or(usize::MAX));
    Ok(runs)
}

/// Asserts that the names and values of an expression fit these runs.
fn check(filter: &mut Filter, runs: &[ListedRun]) -> Result<(), FilterError> {
    filter.check(|name| match columns::field_type(name, runs) {
        Some(kind) => Ok(kind),
        None => Err(columns::meant(name, runs)),
    })
}

/// The type of a value of some rows: numbers if there are values and all are numbers.
pub(crate) fn type_of<'v>(values: impl Iterator<Item = crate::filter::FieldValue<'v>>) -> FieldType {
    use crate::filter::FieldValue;
    let mut numbers = false;
    for value in values {
        match value {
            FieldValue::Number(_) => numbers = true,
            FieldValue::Text(_) => return FieldType::Text,
            FieldValue::Missing => {}
        }
    }
    if numbers { FieldType::Number } else { FieldType::Text }
}
