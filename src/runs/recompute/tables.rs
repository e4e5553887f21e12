//! Recomputes tables from scores and labels, and counts from manifests.

use super::{Mismatch, attributed, compared};
use crate::dataset::statistics::Statistics;
use crate::dataset::table_of;
use crate::hash::Id;
use crate::records::{AucTable, DatasetTable, Table};
use crate::registry::Objects;
use crate::runs::compare::{comparison, subset_images};
use crate::runs::{RunError, auc_table};

/// All numbers of a table; `None` for a table whose numbers need a network.
pub(super) fn table(objects: &dyn Objects, id: Id<Table>) -> Result<Option<Vec<Mismatch>>, RunError> {
    let recorded: Table = objects.get(id)?;
    let now = match &recorded {
        Table::Auc(table) => Table::Auc(auc(objects, table)?),
        Table::Dataset(table) => Table::Dataset(dataset(objects, table)?),
        Table::Comparison(table) => Table::Comparison(Box::new(comparison(objects, table)?)),
        Table::Probe(_) | Table::Heatmap(_) | Table::Pointing(_) => return Ok(None),
    };
    Ok(Some(compared(&recorded, &now)))
}

fn auc(objects: &dyn Objects, recorded: &AucTable) -> Result<AucTable, RunError> {
    let predictions = objects.get(recorded.predictions)?;
    let dataset = objects.get(predictions.dataset)?;
    let manifest = objects.manifest(&dataset)?;
    let scores = objects.scores(&predictions)?;
    attributed(objects, recorded.predictions, &predictions)?;
    let of_images = subset_images(objects, &predictions)?;
    Ok(auc_table(recorded.predictions, &predictions, &dataset, &manifest, &scores, of_images))
}

fn dataset(objects: &dyn Objects, recorded: &DatasetTable) -> Result<DatasetTable, RunError> {
    let dataset = objects.get(recorded.dataset)?;
    let manifest = objects.manifest(&dataset)?;
    Ok(table_of(recorded.dataset, &Statistics::of(&dataset, manifest.rows.iter())))
}
