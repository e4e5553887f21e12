//! Models side by side, judged on the same images or not at all.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::RunError;
use super::evaluate::truth;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{
    ComparedModel, Comparison, Dataset, DelongRow, LabelSpread, Manifest, Predictions, Record, Run,
    ScoreSource, Scores, Spread, Subset, Table,
};
use crate::registry::{Registry, Stamp};
use crate::stats;

/// What makes one column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Runs of one model, a fold each.
    Model,
    /// Each run by itself.
    Run,
}

/// Predictions that take part.
#[derive(Debug, Clone)]
pub struct Input {
    /// What messages and, grouped by run, the table call it.
    pub name: String,
    /// Id of the predictions.
    pub id: Id<Predictions>,
    /// The predictions.
    pub predictions: Predictions,
}

impl Input {
    /// The test predictions that `text` means: a run's newest, or predictions themselves.
    pub fn resolve(registry: &Registry, view: &View, text: &str) -> Result<Self, RunError> {
        let id = registry.resolve(view, text)?;
        let kind = view.kind(&id)?.unwrap_or_else(|| "object that is no record".to_owned());
        let mut names = view.names_by_id()?;
        let mut named = |id: &Hash| names.remove(id).unwrap_or_else(|| id.short());
        match kind.as_str() {
            Predictions::KIND => {
                let predictions: Predictions = registry.get(Id::new(id))?;
                let name = match &predictions.source {
                    ScoreSource::Run { run, .. } => named(&run.hash),
                    ScoreSource::Import { .. } => named(&id),
                };
                Ok(Input { name, id: Id::new(id), predictions })
            }
            Run::KIND => {
                let test = registry
                    .referring::<Predictions>(view, &id)?
                    .into_iter()
                    .rfind(|(_, predictions)| predictions.subset == Some(Subset::Test));
                let (predictions_id, predictions) =
                    test.ok_or_else(|| RunError::NoPredictions(text.to_owned()))?;
                Ok(Input { name: named(&id), id: predictions_id, predictions })
            }
            _ => Err(RunError::NotComparable { text: text.to_owned(), kind }),
        }
    }
}

/// One model: its predictions by fold.
struct Column {
    name: String,
    folds: BTreeMap<Option<u32>, (Id<Predictions>, Predictions, Scores)>,
}

fn fold_name(fold: Option<u32>) -> String {
    fold.map_or("no fold".to_owned(), |fold| format!("fold {fold}"))
}

/// Compares models and records the comparison.
///
/// All of them must have scored the same images of the same data set for the same labels, fold by
/// fold; anything else is refused.
pub fn compare(
    registry: &Registry,
    inputs: Vec<Input>,
    grouping: Grouping,
    name: Option<&str>,
    stamp: &Stamp,
) -> Result<(Id<Table>, Comparison), RunError> {
    let first = inputs.first().ok_or(RunError::Nothing)?.predictions.clone();
    let columns = columns(registry, inputs, grouping)?;
    check_same(&columns)?;
    let dataset = registry.get(first.dataset)?;
    let manifest = registry.get_packed(dataset.manifest)?;
    let folds: Vec<Option<u32>> = columns[0].folds.keys().copied().collect();
    let truths = Truths::new(&columns[0], &dataset, &manifest, &first.labels);

    let comparison = Comparison {
        dataset: first.dataset,
        subset: first.subset,
        folds: folds.iter().copied().flatten().collect(),
        models: columns.par_iter().map(|column| judge(column, &first.labels, &truths)).collect(),
        spearman: spearman(&columns, &folds, first.labels.len()),
        delong: delong(&columns, &first.labels, &truths),
        reg: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut transaction = registry.transaction()?;
    let id = transaction.put(&Table::Comparison(comparison.clone()))?;
    if let Some(name) = name {
        transaction.name(name, id.hash)?;
    }
    transaction.commit(stamp)?;
    Ok((id, comparison))
}

fn columns(registry: &Registry, inputs: Vec<Input>, grouping: Grouping) -> Result<Vec<Column>, RunError> {
    let mut columns: Vec<Column> = Vec::new();
    let mut owners: BTreeMap<(usize, Option<u32>), String> = BTreeMap::new();
    for input in inputs {
        let key = match grouping {
            Grouping::Model => input.predictions.model.clone(),
            Grouping::Run => input.name.clone(),
        };
        let place = columns.iter().position(|column| column.name == key).unwrap_or_else(|| {
            columns.push(Column { name: key.clone(), folds: BTreeMap::new() });
            columns.len() - 1
        });
        let fold = input.predictions.fold;
        match columns[place].folds.get(&fold) {
            // The same predictions named twice are one.
            Some((id, ..)) if *id == input.id => continue,
            Some(_) => {
                let a = owners.remove(&(place, fold)).unwrap_or_default();
                return Err(RunError::SameCell { a, b: input.name, model: key, fold: fold_name(fold) });
            }
            None => {}
        }
        let scores = registry.get_packed(input.predictions.scores)?;
        owners.insert((place, fold), input.name);
        columns[place].folds.insert(fold, (input.id, input.predictions, scores));
    }
    Ok(columns)
}

fn check_same(columns: &[Column]) -> Result<(), RunError> {
    let a = &columns[0];
    let labels = |column: &Column| column.folds.values().next().map(|(_, p, _)| p.labels.clone());
    for b in columns {
        let names =
            |column: &Column| column.folds.keys().map(|fold| fold_name(*fold)).collect::<Vec<_>>().join(", ");
        if a.folds.keys().collect::<BTreeSet<_>>() != b.folds.keys().collect() {
            return Err(RunError::DifferentFolds {
                a: a.name.clone(),
                folds_a: names(a),
                b: b.name.clone(),
                folds_b: names(b),
            });
        }
        for (fold, (_, predictions, scores)) in &b.folds {
            let (_, expected, expected_scores) = &a.folds[fold];
            let different = |why: String| {
                let (a, b, fold) = (a.name.clone(), b.name.clone(), fold_name(*fold));
                Err(RunError::DifferentImages { a, b, fold, why })
            };
            if predictions.dataset != expected.dataset {
                let (x, y) = (expected.dataset.hash.short(), predictions.dataset.hash.short());
                return different(format!("they are of data sets {x} and {y}"));
            }
            if predictions.subset != expected.subset {
                let name = |subset: Option<Subset>| subset.map_or("no subset", Subset::name);
                return different(format!("{} and {}", name(expected.subset), name(predictions.subset)));
            }
            if scores.rows != expected_scores.rows {
                let ours: BTreeSet<u32> = expected_scores.rows.iter().copied().collect();
                let shared = scores.rows.iter().filter(|row| ours.contains(row)).count();
                return different(format!(
                    "{} and {} images, {shared} of them the same",
                    expected_scores.rows.len(),
                    scores.rows.len()
                ));
            }
            if Some(&predictions.labels) != labels(a).as_ref() {
                return Err(RunError::DifferentLabels { a: a.name.clone(), b: b.name.clone() });
            }
        }
    }
    Ok(())
}

/// For each fold and label, which of the scored images have it.
struct Truths(BTreeMap<Option<u32>, Vec<Vec<bool>>>);

impl Truths {
    fn new(column: &Column, dataset: &Dataset, manifest: &Manifest, labels: &[String]) -> Self {
        let of =
            |scores: &Scores| labels.iter().map(|label| truth(dataset, manifest, scores, label)).collect();
        Truths(column.folds.iter().map(|(fold, (_, _, scores))| (*fold, of(scores))).collect())
    }
}

fn spread(values: Vec<Option<f64>>) -> Spread {
    let summary = stats::summarize(&values);
    Spread {
        n: summary.n as u32,
        mean: summary.mean,
        std: summary.std,
        min: summary.min,
        max: summary.max,
        folds: values,
    }
}

fn judge(column: &Column, labels: &[String], truths: &Truths) -> ComparedModel {
    let label_spreads: Vec<LabelSpread> = labels
        .iter()
        .enumerate()
        .map(|(i, label)| {
            let folds = column.folds.iter();
            let truth = |fold| &truths.0[fold][i];
            LabelSpread {
                label: label.clone(),
                positives: folds
                    .clone()
                    .map(|(fold, _)| truth(fold).iter().filter(|p| **p).count() as u64)
                    .collect(),
                auc: spread(
                    folds.map(|(fold, (_, _, scores))| stats::auc(&scores.column(i), truth(fold))).collect(),
                ),
            }
        })
        .collect();
    let means = (0..column.folds.len()).map(|fold| {
        let of_fold: Vec<Option<f64>> = label_spreads.iter().map(|label| label.auc.folds[fold]).collect();
        stats::summarize(&of_fold).mean
    });
    ComparedModel {
        name: column.name.clone(),
        predictions: column.folds.values().map(|(id, ..)| *id).collect(),
        mean: spread(means.collect()),
        labels: label_spreads,
    }
}

/// Per label over the images of a fold, then averaged over labels and folds.
fn spearman(columns: &[Column], folds: &[Option<u32>], labels: usize) -> Vec<Vec<Option<f64>>> {
    let cells: Vec<(Option<u32>, usize)> =
        folds.iter().flat_map(|fold| (0..labels).map(|label| (*fold, label))).collect();
    let matrices: Vec<Vec<Vec<Option<f64>>>> = cells
        .par_iter()
        .map(|(fold, label)| {
            let scores: Vec<Vec<f64>> =
                columns.iter().map(|column| column.folds[fold].2.column(*label)).collect();
            stats::spearman_matrix(&scores.iter().map(Vec::as_slice).collect::<Vec<_>>())
        })
        .collect();
    let n = columns.len();
    let mean = |i: usize, j: usize| {
        let values: Vec<Option<f64>> = matrices.iter().map(|matrix| matrix[i][j]).collect();
        stats::summarize(&values).mean
    };
    (0..n).map(|i| (0..n).map(|j| mean(i, j)).collect()).collect()
}

/// Every pair of models, by label, then fold. Ranking the scores is nearly all of the work, so each model
/// is ranked once a cell.
fn delong(columns: &[Column], labels: &[String], truths: &Truths) -> Vec<DelongRow> {
    let folds = || columns[0].folds.keys().copied();
    let cells: Vec<(usize, Option<u32>)> =
        (0..labels.len()).flat_map(|label| folds().map(move |fold| (label, fold))).collect();
    let rows = cells.par_iter().flat_map_iter(|(label, fold)| {
        let truth = &truths.0[fold][*label];
        let place = |column: &Column| stats::Placements::new(&column.folds[fold].2.column(*label), truth);
        let placed: Vec<_> = columns.iter().map(|column| (column, place(column))).collect();
        let mut rows = Vec::new();
        for (i, (a, x)) in placed.iter().enumerate() {
            for (b, y) in &placed[i + 1..] {
                let (Some(x), Some(y)) = (x, y) else { continue };
                let test = x.paired(y);
                rows.push(DelongRow {
                    a: a.name.clone(),
                    b: b.name.clone(),
                    label: labels[*label].clone(),
                    fold: *fold,
                    difference: test.difference,
                    std_error: test.std_error,
                    p: test.p,
                });
            }
        }
        rows
    });
    rows.collect()
}
