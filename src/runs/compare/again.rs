//! A recorded table, computed again from the scores and labels that it names.

use std::path::Path;

use serde_json::Value;

use super::columns::{self, Column};
use super::metrics::Validation;
use super::{Grouping, Input, Labels, Options, RunError, compute, published};
use crate::dataset::statistics::Statistics;
use crate::dataset::table_of;
use crate::hash::Id;
use crate::records::{
    AucTable, Comparison, DatasetTable, GroupBy, Predictions, PublishedTable, ScoreSource, Table, UnfairKind,
};
use crate::registry::Objects;
use crate::runs::auc_table;

/// Differences that are told one by one.
const TOLD: usize = 20;

/// A value that a table records, and that its inputs do not give.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Mismatch {
    /// Where it stands, such as `models.0.labels.3.auc.mean`.
    pub place: String,
    /// As recorded.
    pub recorded: Value,
    /// As it comes out now.
    pub now: Value,
}

/// Computes a table again from what it names, all of it, and says what differs, the first few differences.
///
/// None for a table of probes or heat maps, whose numbers come out of a network: that takes the worker.
pub fn recompute(objects: &dyn Objects, id: Id<Table>) -> Result<Option<Vec<Mismatch>>, RunError> {
    let recorded: Table = objects.get(id)?;
    let now = match &recorded {
        Table::Auc(table) => Table::Auc(auc(objects, table)?),
        Table::Dataset(table) => Table::Dataset(dataset(objects, table)?),
        Table::Comparison(table) => Table::Comparison(Box::new(comparison(objects, table)?)),
        Table::Probe(_) | Table::Heat(_) | Table::Pointing(_) => return Ok(None),
    };
    let [recorded, now] = [recorded, now].map(|table| serde_json::to_value(table).unwrap_or_default());
    let mut found = Vec::new();
    differences("", &recorded, &now, &mut found);
    Ok(Some(found))
}

/// Asserts that a table says what its inputs give: whoever can write into a registry can write a false one, and hash it
/// rightly.
pub fn hold(objects: &dyn Objects, id: Id<Table>) -> Result<(), RunError> {
    match recompute(objects, id)?.unwrap_or_default().into_iter().next() {
        None => Ok(()),
        Some(Mismatch { place, recorded, now }) => {
            let [recorded, now] = [recorded, now].map(|value| value.to_string());
            Err(RunError::False { table: id.hash, place, recorded, now })
        }
    }
}

fn auc(objects: &dyn Objects, recorded: &AucTable) -> Result<AucTable, RunError> {
    let predictions = objects.get(recorded.predictions)?;
    let dataset = objects.get(predictions.dataset)?;
    let manifest = objects.get_packed(dataset.manifest)?;
    let scores = objects.get_packed(predictions.scores)?;
    attributed(objects, recorded.predictions, &predictions)?;
    let now = auc_table(recorded.predictions, &predictions, &dataset, &manifest, &scores);
    // Which version computed it is no number.
    Ok(AucTable { reg: recorded.reg.clone(), ..now })
}

fn dataset(objects: &dyn Objects, recorded: &DatasetTable) -> Result<DatasetTable, RunError> {
    let dataset = objects.get(recorded.dataset)?;
    let manifest = objects.get_packed(dataset.manifest)?;
    let now = table_of(recorded.dataset, &Statistics::of(&dataset.labels, manifest.rows.iter()));
    Ok(DatasetTable { reg: recorded.reg.clone(), ..now })
}

fn comparison(objects: &dyn Objects, recorded: &Comparison) -> Result<Comparison, RunError> {
    let mut inputs = Vec::new();
    for model in &recorded.models {
        for id in &model.predictions {
            let predictions = objects.get(*id)?;
            attributed(objects, *id, &predictions)?;
            inputs.push(Input { name: model.name.clone(), id: *id, predictions });
        }
    }
    // Each column is called as it was.
    let mut columns: Vec<Column> = columns::columns(objects, inputs, Grouping::Run)?;
    let has = |kind| recorded.unfair.iter().any(|unfair| unfair.kind == kind);
    let labels: Vec<String> = recorded
        .models
        .first()
        .into_iter()
        .flat_map(|model| &model.labels)
        .map(|l| l.label.clone())
        .collect();
    let mut groups: Vec<GroupBy> = recorded.groups.iter().map(|row| row.by).collect();
    groups.dedup();
    let options = Options {
        grouping: Grouping::Run,
        labels: if has(UnfairKind::DifferentLabels) { Labels::All } else { Labels::These(labels) },
        shared_images: recorded.shared_images,
        pooling: recorded.pooling,
        bootstrap: recorded.bootstrap.as_ref().map(|bootstrap| (bootstrap.draws, bootstrap.seed)),
        metrics: !recorded.metrics.is_empty(),
        groups,
        published: None,
        // What is unfair now and was not said to be is a difference.
        allow_unfair: true,
    };
    columns.retain(|column| !column.folds.is_empty());
    let published = match &recorded.published {
        None => None,
        Some(table) => {
            let bytes = objects.bytes(&table.file.object.hash)?;
            let models = published::parse(&bytes, Path::new(&table.file.object.to_string()))?;
            Some(PublishedTable { file: table.file, models })
        }
    };
    let validation: Vec<_> = recorded.models.iter().flat_map(|model| &model.validation).copied().collect();
    let models = published.as_ref().map(|published| published.models.as_slice());
    let now = compute(objects, columns, &options, models, Validation::Among(&validation))?;
    // Of mixed folds, the first input's stand there, and which that was is not known.
    let (dataset, subset) = match has(UnfairKind::MixedFolds) {
        true => (recorded.dataset, recorded.subset),
        false => (now.dataset, now.subset),
    };
    Ok(Comparison { dataset, subset, published, reg: recorded.reg.clone(), ..now })
}

/// Asserts that predictions are what the run that they are attributed to can have scored.
fn attributed(objects: &dyn Objects, id: Id<Predictions>, predictions: &Predictions) -> Result<(), RunError> {
    let ScoreSource::Run { run, .. } = &predictions.source else { return Ok(()) };
    let spec = objects.get(objects.get(*run)?.spec)?;
    let assignment = objects.get_packed(objects.get(spec.split)?.assignment)?;
    let fit = predictions.fit(&spec, &assignment, &objects.get_packed(predictions.scores)?);
    fit.map_err(|reason| RunError::Misattributed { predictions: id.hash, reason })
}

/// Walks two documents side by side.
fn differences(place: &str, recorded: &Value, now: &Value, found: &mut Vec<Mismatch>) {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match (recorded, now) {
        _ if found.len() >= TOLD || recorded == now => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                differences(&below(key), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&below(&at.to_string()), a, b, found);
            }
        }
        _ => {
            found.push(Mismatch { place: place.to_owned(), recorded: recorded.clone(), now: now.clone() });
        }
    }
}
