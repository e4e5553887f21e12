//! The numbers of two results, and whether they are the same to the last digit.

use std::collections::{BTreeMap, BTreeSet};

use super::values::{ModelNames, as_column, columns_and_rows, gap, keep, kind, shared_with, values};
use super::{Change, ComparedRecord};
use crate::hash::Id;
use crate::index::View;
use crate::records::{AucTable, ComparedModel, Content, Predictions, Run, Subset, Table};
use crate::registry::{Registry, RegistryError};

/// The comparison of the numbers.
#[derive(Default)]
pub(super) struct NumberChanges {
    /// Numbers that differ.
    pub(super) changes: Vec<Change>,
    /// Differences without effect: models and labels in another order or with another name.
    pub(super) looks: Vec<String>,
    /// The largest difference due to another order of sums.
    pub(super) rounding: f64,
}

/// Lists the numbers that differ between two results of the same kind.
pub(super) fn numbers(
    registry: &Registry,
    view: &View,
    a: &ComparedRecord,
    b: &ComparedRecord,
) -> Result<NumberChanges, RegistryError> {
    let changes = match a.record.map(|kind| kind.descriptor().content) {
        Some(Content::Run) => of_runs(registry, view, [Id::new(a.id), Id::new(b.id)])?,
        Some(Content::Predictions) => of_predictions(registry, [Id::new(a.id), Id::new(b.id)])?,
        Some(Content::Table) => return of_tables(registry, [Id::new(a.id), Id::new(b.id)]),
        Some(
            Content::Dataset | Content::Split | Content::Study | Content::Withdrawal | Content::Document,
        )
        | None => Vec::new(),
    };
    Ok(NumberChanges { changes, ..NumberChanges::default() })
}

fn of_runs(registry: &Registry, view: &View, ids: [Id<Run>; 2]) -> Result<Vec<Change>, RegistryError> {
    let [a, b] = [registry.get(ids[0])?, registry.get(ids[1])?];
    let mut changes = Vec::new();
    changes.extend(Change::of("checkpoint", a.checkpoint, b.checkpoint));
    changes.extend(Change::of("epochs", a.epochs, b.epochs));
    changes.extend(Change::of("best epoch", a.best_epoch, b.best_epoch));
    changes.extend(Change::of("validation loss", a.val_loss, b.val_loss));
    changes.extend(Change::of("parameters", a.parameters, b.parameters));
    let tables = [test_table(registry, view, ids[0])?, test_table(registry, view, ids[1])?];
    if let [Some(one), Some(other)] = tables {
        let (one, other, names) = (Table::Auc(one), Table::Auc(other), ModelNames::own(&[]));
        let each = gap(&values(&one, &names), &values(&other, &names), false).changes;
        changes.extend(
            each.into_iter().map(|change| Change { what: format!("test {}", change.what), ..change }),
        );
    }
    Ok(changes)
}

/// The AUC table of a run's test images.
fn test_table(registry: &Registry, view: &View, run: Id<Run>) -> Result<Option<AucTable>, RegistryError> {
    for (id, predictions) in registry.referring::<Predictions>(view, &run.hash)? {
        if predictions.is_plain(Subset::Test) {
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

/// Scores by image, each by label.
type ByImage = BTreeMap<String, BTreeMap<String, f64>>;

fn by_image(registry: &Registry, of: &Predictions) -> Result<ByImage, RegistryError> {
    let manifest = registry.manifest(&registry.get(of.dataset)?)?;
    let scores = registry.scores(of)?;
    let each = scores.rows.iter().zip(scores.scores.chunks_exact(scores.labels.max(1) as usize));
    let named = each.filter_map(|(row, scores)| {
        let name = manifest.rows.get(*row as usize)?.name.to_string();
        Some((name, of.labels.iter().cloned().zip(scores.iter().copied()).collect()))
    });
    Ok(named.collect())
}

fn of_predictions(registry: &Registry, ids: [Id<Predictions>; 2]) -> Result<Vec<Change>, RegistryError> {
    let [a, b] = [registry.get(ids[0])?, registry.get(ids[1])?];
    let mut changes = Vec::new();
    let labels = |of: &Predictions| of.labels.iter().cloned().collect::<BTreeSet<String>>();
    changes.extend(Change::of("labels", labels(&a), labels(&b)));
    changes.extend(Change::of("scale", a.scale, b.scale));
    let [one, other] = [by_image(registry, &a)?, by_image(registry, &b)?];
    changes.extend(Change::of("images", one.len(), other.len()));
    let (mut shared, mut differing, mut largest) = (0, 0u64, 0f64);
    for (name, scores) in &one {
        let Some(others) = other.get(name) else { continue };
        shared += 1;
        let pairs = scores.iter().filter_map(|(label, score)| Some((*score, *others.get(label)?)));
        let gaps = pairs.map(|(one, other)| match a.scale == b.scale {
            true => (one - other).abs(),
            false => (a.scale.probability(one) - b.scale.probability(other)).abs(),
        });
        let gap = gaps.fold(0.0, f64::max);
        differing += u64::from(gap > 0.0);
        largest = largest.max(gap);
    }
    changes.extend(Change::of("images scored by both", one.len(), shared));
    changes.extend(Change::of("images with different scores", 0, differing));
    let what = if a.scale == b.scale { "a score" } else { "a score as a probability" };
    changes.extend(Change::of(format!("largest difference of {what}"), 0.0, largest));
    Ok(changes)
}

fn of_tables(registry: &Registry, ids: [Id<Table>; 2]) -> Result<NumberChanges, RegistryError> {
    let [a, b] = [registry.get(ids[0])?, registry.get(ids[1])?];
    let mut out = NumberChanges::default();
    if kind(&a) != kind(&b) {
        out.changes.extend(Change::of("kind of table", kind(&a), kind(&b)));
        // A comparison of the same predictions has the numbers of an AUC table, too.
        let (table, auc, comparison, of) = match (&a, &b) {
            (Table::Auc(auc), Table::Comparison(of)) => (&a, auc, &b, of),
            (Table::Comparison(of), Table::Auc(auc)) => (&b, auc, &a, of),
            _ => return Ok(out),
        };
        let names = ModelNames::own(&of.models);
        if let Some(mut column) = as_column(table, auc, &registry.get(auc.predictions)?, of) {
            let mut whole = values(comparison, &names);
            shared_with(&mut column, &whole);
            shared_with(&mut whole, &column);
            let [one, other] = if matches!(a, Table::Auc(_)) { [&column, &whole] } else { [&whole, &column] };
            let changes = gap(one, other, false).changes;
            if changes.is_empty() {
                out.looks.push("the numbers of both sides are equal to the last digit".to_owned());
            }
            out.changes.extend(changes);
        }
        return Ok(out);
    }
    let models = |table: &Table| match table {
        Table::Comparison(of) => of.models.clone(),
        Table::Auc(_) | Table::Dataset(_) | Table::Probe(_) | Table::Heatmap(_) | Table::Pointing(_) => {
            Vec::new()
        }
    };
    let scores = |model: &ComparedModel| {
        model.predictions.iter().map(|id| Ok(registry.get(*id)?.scores)).collect::<Result<_, RegistryError>>()
    };
    let (own, matched) =
        (ModelNames::own(&models(&a)), ModelNames::matched(&models(&a), &models(&b), scores)?);
    let [mut one, mut other] = [values(&a, &own), values(&b, &matched)];
    let orders = [columns_and_rows(&one), columns_and_rows(&other)];
    let mut shared: [BTreeSet<String>; 2] = Default::default();
    for (at, what) in ["model", "label"].into_iter().enumerate() {
        let [ours, theirs] = [&orders[0][at], &orders[1][at]];
        let all = |of: &Vec<&str>| of.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        let (all_a, all_b) = (all(ours), all(theirs));
        if ours != theirs && all_a == all_b {
            out.looks.push(format!("the same {what}s in a different order"));
        }
        // One line each, instead of all its numbers.
        let none = None::<String>;
        out.changes.extend(all_a.difference(&all_b).filter_map(|name| Change::of(what, name, &none)));
        out.changes.extend(all_b.difference(&all_a).filter_map(|name| Change::of(what, &none, name)));
        shared[at] = &all_a & &all_b;
    }
    let [models, labels] = &shared;
    keep(&mut one, models, labels);
    keep(&mut other, models, labels);
    // Sums and quantiles of negated differences are rounded differently.
    let gap = gap(&one, &other, !out.looks.is_empty());
    if gap.rounding == 0.0 && gap.changes.len() == gap.sections && gap.sections + out.changes.len() > 0 {
        out.looks.push("the numbers of both sides are equal to the last digit".to_owned());
    }
    out.changes.extend(gap.changes);
    out.rounding = gap.rounding;
    for (own, name) in matched.renamed() {
        out.looks.push(format!("the model {name} under the name {own}"));
    }
    Ok(out)
}

/// Describes the difference of the images of two sets of scores, if they differ.
pub(super) fn images(
    registry: &Registry,
    ids: [Id<Predictions>; 2],
) -> Result<Option<Change>, RegistryError> {
    let names = |id: Id<Predictions>| -> Result<BTreeSet<String>, RegistryError> {
        let record = registry.get(id)?;
        let manifest = registry.manifest(&registry.get(record.dataset)?)?;
        let rows = registry.scores(&record)?.rows;
        Ok(rows.iter().filter_map(|row| Some(manifest.rows.get(*row as usize)?.name.to_string())).collect())
    };
    let [a, b] = [names(ids[0])?, names(ids[1])?];
    if a == b {
        return Ok(None);
    }
    // Also if their numbers are equal.
    let what = format!("evaluated images ({} in both)", a.intersection(&b).count());
    Ok(Some(Change { what, a: a.len().into(), b: b.len().into() }))
}
