//! The numbers of two results, and whether they are the same to the last digit.

use serde_json::Value;

use super::parts::compare;
use super::{Change, Side};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{
    AucTable, Comparison, LabelAuc, Manifest, Predictions, Record, Run, Scores, Subset, Table,
};
use crate::registry::{Registry, RegistryError};

/// Says whether two results of a kind have the same numbers, and lists those that differ.
pub(super) fn numbers(
    registry: &Registry,
    view: &View,
    a: &Side,
    b: &Side,
) -> Result<(bool, Vec<Change>), RegistryError> {
    match a.kind.as_str() {
        Run::KIND => of_runs(registry, view, [Id::new(a.id), Id::new(b.id)]),
        Predictions::KIND => of_predictions(registry, [Id::new(a.id), Id::new(b.id)]),
        _ => of_tables(registry, [Id::new(a.id), Id::new(b.id)]),
    }
}

fn of_runs(
    registry: &Registry,
    view: &View,
    ids: [Id<Run>; 2],
) -> Result<(bool, Vec<Change>), RegistryError> {
    let [a, b] = [registry.get(ids[0])?, registry.get(ids[1])?];
    let mut changes = Vec::new();
    changes.extend(Change::of("checkpoint", a.checkpoint, b.checkpoint));
    changes.extend(Change::of("epochs", a.epochs, b.epochs));
    changes.extend(Change::of("best epoch", a.best_epoch, b.best_epoch));
    changes.extend(Change::of("validation loss", a.val_loss, b.val_loss));
    changes.extend(Change::of("parameters", a.parameters, b.parameters));
    let equal = changes.is_empty();
    let tables = [test_table(registry, view, ids[0])?, test_table(registry, view, ids[1])?];
    if let [Some(one), Some(other)] = tables {
        changes.extend(of_labels("test AUC", &one, &other));
    }
    Ok((equal, changes))
}

/// The AUC table of a run's test images.
fn test_table(registry: &Registry, view: &View, run: Id<Run>) -> Result<Option<AucTable>, RegistryError> {
    for (id, predictions) in registry.referring::<Predictions>(view, &run.hash)? {
        if predictions.subset == Some(Subset::Test) {
            let tables = registry.referring::<Table>(view, &id.hash)?;
            let auc = tables.into_iter().find_map(|(_, table)| match table {
                Table::Auc(auc) => Some(auc),
                _ => None,
            });
            if auc.is_some() {
                return Ok(auc);
            }
        }
    }
    Ok(None)
}

fn of_labels(what: &str, a: &AucTable, b: &AucTable) -> Vec<Change> {
    let mut changes = Vec::new();
    let find = |table: &AucTable, label: &str| -> Option<LabelAuc> {
        table.labels.iter().find(|of| of.label == label).cloned()
    };
    let mut labels: Vec<&String> = a.labels.iter().chain(&b.labels).map(|of| &of.label).collect();
    let mut seen = std::collections::HashSet::new();
    labels.retain(|label| seen.insert(*label));
    for label in labels {
        let (one, other) = (find(a, label), find(b, label));
        let auc = |of: &Option<LabelAuc>| of.as_ref().and_then(|of| of.auc);
        changes.extend(Change::of(format!("{what} {label}"), auc(&one), auc(&other)));
        let images = |of: &Option<LabelAuc>| of.as_ref().map(|of| [of.positives, of.negatives]);
        changes.extend(Change::of(format!("images with and without {label}"), images(&one), images(&other)));
    }
    changes.extend(Change::of(format!("{what} mean"), a.mean, b.mean));
    changes
}

fn of_predictions(
    registry: &Registry,
    ids: [Id<Predictions>; 2],
) -> Result<(bool, Vec<Change>), RegistryError> {
    let [a, b] = [registry.get(ids[0])?, registry.get(ids[1])?];
    let mut changes = Vec::new();
    changes.extend(Change::of("labels", &a.labels, &b.labels));
    changes.extend(Change::of("scale", a.scale, b.scale));
    let named = |predictions: &Predictions| -> Result<(Scores, Manifest), RegistryError> {
        let manifest = registry.get_packed(registry.get(predictions.dataset)?.manifest)?;
        Ok((registry.get_packed(predictions.scores)?, manifest))
    };
    let rows = |(scores, manifest): &(Scores, Manifest)| -> Vec<(String, Vec<f64>)> {
        let each = scores.rows.iter().zip(scores.scores.chunks_exact(scores.labels as usize));
        let name = |row: &u32| manifest.rows.get(*row as usize).map(|row| row.name.clone());
        each.filter_map(|(row, scores)| Some((name(row)?, scores.to_vec()))).collect()
    };
    let [one, other] = [rows(&named(&a)?), rows(&named(&b)?)];
    changes.extend(Change::of("images", one.len(), other.len()));
    let theirs: std::collections::HashMap<&String, &Vec<f64>> =
        other.iter().map(|(name, scores)| (name, scores)).collect();
    let (mut shared, mut differing, mut largest) = (0u64, 0u64, 0f64);
    for (name, scores) in &one {
        let Some(others) = theirs.get(name) else { continue };
        shared += 1;
        let gap = scores.iter().zip(others.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        differing += u64::from(gap > 0.0);
        largest = largest.max(gap);
    }
    changes.extend(Change::of("images that both score", one.len(), shared));
    changes.extend(Change::of("images with other scores", 0, differing));
    changes.extend(Change::of("largest difference of a score", 0.0, largest));
    Ok((changes.is_empty(), changes))
}

fn of_tables(registry: &Registry, ids: [Id<Table>; 2]) -> Result<(bool, Vec<Change>), RegistryError> {
    let [a, b] = [registry.get(ids[0])?, registry.get(ids[1])?];
    let [one, other] = [&a, &b].map(|table| serde_json::to_value(table).unwrap_or_default());
    let mut fields = Vec::new();
    compare("", &one, &other, &mut fields);
    // Which version computed it is no number.
    fields.retain(|at| at != "/reg");
    let changes = match (&a, &b) {
        (Table::Auc(one), Table::Auc(other)) => of_labels("AUC", one, other),
        (Table::Comparison(one), Table::Comparison(other)) => of_models(one, other),
        _ => Vec::new(),
    };
    if !changes.is_empty() || fields.is_empty() {
        return Ok((fields.is_empty(), changes));
    }
    let value = |of: &Value, at: &str| of.pointer(at).cloned();
    let each = fields.iter().filter_map(|at| {
        Change::of(at.trim_start_matches('/').replace('/', "."), value(&one, at), value(&other, at))
    });
    Ok((false, each.collect()))
}

/// Means over the folds.
fn of_models(a: &Comparison, b: &Comparison) -> Vec<Change> {
    let mut changes = Vec::new();
    for model in &a.models {
        let Some(other) = b.models.iter().find(|other| other.name == model.name) else {
            changes.extend(Change::of("model", Some(&model.name), None::<Hash>));
            continue;
        };
        for label in &model.labels {
            let theirs = other.labels.iter().find(|of| of.label == label.label).map(|of| &of.auc);
            let what = format!("AUC {} {}", model.name, label.label);
            changes.extend(Change::of(what, Some(&label.auc.folds), theirs.map(|auc| &auc.folds)));
        }
        changes.extend(Change::of(format!("AUC {} mean", model.name), model.mean.mean, other.mean.mean));
    }
    let new = b.models.iter().filter(|model| a.models.iter().all(|one| one.name != model.name));
    changes.extend(new.filter_map(|model| Change::of("model", None::<Hash>, Some(&model.name))));
    changes
}
