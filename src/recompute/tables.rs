//! Recomputes tables from scores and labels, and counts from manifests.

use super::RecomputeError;
use crate::compare::comparison;
use crate::dataset::statistics::Statistics;
use crate::dataset::table_of;
use crate::hash::Id;
use crate::records::{DatasetTable, Mismatch, Table};
use crate::registry::Objects;
use crate::scores::auc_again;
use crate::values::mismatches;

/// All numbers of a table; `None` for a table whose numbers need a network.
pub(super) fn table(objects: &dyn Objects, id: Id<Table>) -> Result<Option<Vec<Mismatch>>, RecomputeError> {
    let recorded: Table = objects.get(id)?;
    let now = match &recorded {
        Table::Auc(table) => Table::Auc(auc_again(objects, table)?),
        Table::Dataset(table) => Table::Dataset(dataset(objects, table)?),
        Table::Comparison(table) => Table::Comparison(Box::new(comparison(objects, table)?)),
        Table::Probe(_) | Table::Heatmap(_) | Table::Pointing(_) => return Ok(None),
    };
    Ok(Some(mismatches(&recorded, &now)))
}

fn dataset(objects: &dyn Objects, recorded: &DatasetTable) -> Result<DatasetTable, RecomputeError> {
    let dataset = objects.get(recorded.dataset)?;
    let manifest = objects.manifest(&dataset)?;
    Ok(table_of(recorded.dataset, &Statistics::of(&dataset, manifest.rows.iter())))
}
