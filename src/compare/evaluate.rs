//! AUCs, rank correlations and paired tests of the columns.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::CompareError;
use super::columns::{FoldScores, KnownLabels, ModelColumn};
use crate::records::{
    ComparedModel, ConstantScores, DelongRow, LabelSpread, Pooling, ResampledRow, ScoreSource,
};
use crate::registry::Objects;
use crate::scores::spread;
use crate::stats::{self, Placements};

/// Evaluates a column. The AUCs are undefined in folds that the model does not have.
pub(super) fn evaluate(column: &ModelColumn, folds: &[Option<u32>], labels: &[String]) -> ComparedModel {
    let cells: Vec<Option<&FoldScores>> = folds.iter().map(|fold| column.folds.get(fold)).collect();
    let each = labels.iter().enumerate().map(|(i, label)| {
        let known: Vec<Option<KnownLabels>> =
            cells.iter().map(|cell| cell.map(|cell| cell.known(i))).collect();
        let placements = known.iter().map(|cell| {
            let delong = cell.as_ref().and_then(|cell| stats::delong(&cell.scores, &cell.truth));
            delong.map(|delong| delong.variance.sqrt())
        });
        let auc = known.iter().map(|cell| stats::auc(&cell.as_ref()?.scores, &cell.as_ref()?.truth));
        let missing: Vec<u64> = cells.iter().map(|cell| cell.map_or(0, |cell| cell.missing(i))).collect();
        LabelSpread {
            label: label.clone(),
            positives: known.iter().map(|cell| cell.as_ref().map_or(0, KnownLabels::positives)).collect(),
            missing: if missing.iter().any(|missing| *missing > 0) { missing } else { Vec::new() },
            std_errors: placements.collect(),
            auc: spread(auc.collect()),
        }
    });
    let labels: Vec<LabelSpread> = each.collect();
    let means = (0..folds.len()).map(|fold| {
        let of_fold: Vec<Option<f64>> = labels.iter().map(|label| label.auc.folds[fold]).collect();
        stats::summarize(&of_fold).mean
    });
    let imported = |cell: &FoldScores| matches!(cell.predictions.source, ScoreSource::Import { .. });
    ComparedModel {
        name: column.name.clone(),
        imported: column.folds.values().any(imported),
        predictions: column.folds.values().map(|cell| cell.id).collect(),
        validation: Vec::new(),
        images: cells.iter().map(|cell| cell.map_or(0, |cell| cell.rows.len() as u64)).collect(),
        mean: spread(means.collect()),
        labels,
    }
}

/// Spearman's rank correlation of every pair of columns for each cell (a label of a fold, or all labels of a
/// fold), averaged over all cells in which it is defined.
///
/// Also returns the cells in which a column is constant and which are left out.
pub(super) fn spearman(
    columns: &[ModelColumn],
    labels: &[String],
    pooling: Pooling,
) -> (Vec<Vec<Option<f64>>>, Vec<ConstantScores>) {
    let folds = columns[0].folds.keys();
    let cells: Vec<(Option<u32>, Option<usize>)> = match pooling {
        Pooling::PerLabel => {
            folds.flat_map(|fold| (0..labels.len()).map(|label| (*fold, Some(label)))).collect()
        }
        Pooling::AllScores => folds.map(|fold| (*fold, None)).collect(),
    };
    let matrices: Vec<Vec<Vec<Option<f64>>>> = cells
        .par_iter()
        .map(|(fold, label)| {
            let scores: Vec<Vec<f64>> = columns
                .iter()
                .map(|column| match label {
                    Some(label) => column.folds[fold].scores[*label].clone(),
                    None => column.folds[fold].scores.concat(),
                })
                .collect();
            stats::spearman_matrix(&scores.iter().map(Vec::as_slice).collect::<Vec<_>>())
        })
        .collect();
    let n = columns.len();
    let mean = |i: usize, j: usize| {
        let values: Vec<Option<f64>> = matrices.iter().map(|matrix| matrix[i][j]).collect();
        stats::summarize(&values).mean
    };
    let constant = cells.iter().zip(&matrices).flat_map(|((fold, label), matrix)| {
        let is_constant = move |place: &usize| matrix[*place][*place].is_none();
        (0..n).filter(is_constant).map(|place| ConstantScores {
            model: columns[place].name.clone(),
            label: label.map(|label| labels[label].clone()),
            fold: *fold,
        })
    });
    ((0..n).map(|i| (0..n).map(|j| mean(i, j)).collect()).collect(), constant.collect())
}

/// Compares every pair of columns, by label, then fold. Ranking the scores takes nearly all of the time, so
/// each model is ranked once per cell.
pub(super) fn delong(columns: &[ModelColumn], labels: &[String]) -> Vec<DelongRow> {
    let folds = || columns[0].folds.keys().copied();
    let cells: Vec<(usize, Option<u32>)> =
        (0..labels.len()).flat_map(|label| folds().map(move |fold| (label, fold))).collect();
    let of_cell = |(label, fold): &(usize, Option<u32>)| {
        let place = |column: &ModelColumn| {
            let known = column.folds[fold].known(*label);
            Placements::new(&known.scores, &known.truth)
        };
        let placed: Vec<_> = columns.iter().map(|column| (&column.name, place(column))).collect();
        let mut rows = Vec::new();
        for (i, (a, x)) in placed.iter().enumerate() {
            for (b, y) in &placed[i + 1..] {
                let (Some(x), Some(y)) = (x, y) else { continue };
                let test = x.paired(y);
                rows.push(DelongRow {
                    a: (*a).clone(),
                    b: (*b).clone(),
                    label: labels[*label].clone(),
                    fold: *fold,
                    difference: test.difference,
                    std_error: test.std_error,
                    p: test.p,
                    p_holm: None,
                    p_bh: None,
                });
            }
        }
        rows
    };
    let mut rows: Vec<DelongRow> = cells.par_iter().flat_map_iter(of_cell).collect();
    // Many labels mean many tests: those of one pair and fold form a family.
    let families: BTreeSet<_> = rows.iter().map(|row| (row.a.clone(), row.b.clone(), row.fold)).collect();
    for (a, b, fold) in families {
        let family: Vec<usize> =
            (0..rows.len()).filter(|i| (&rows[*i].a, &rows[*i].b, rows[*i].fold) == (&a, &b, fold)).collect();
        let p: Vec<Option<f64>> = family.iter().map(|i| rows[*i].p).collect();
        for ((i, holm), bh) in family.iter().zip(stats::holm(&p)).zip(stats::benjamini_hochberg(&p)) {
            (rows[*i].p_holm, rows[*i].p_bh) = (holm, bh);
        }
    }
    rows
}

/// The corrected resampled t-test of every pair of columns, for each label and for the mean; empty for fewer
/// than two folds, or for scores without a split.
pub(super) fn resampled(
    objects: &dyn Objects,
    columns: &[ModelColumn],
    models: &[ComparedModel],
) -> Result<Vec<ResampledRow>, CompareError> {
    let folds = &columns[0].folds;
    if folds.len() < 2 {
        return Ok(Vec::new());
    }
    let (mut test, mut train) = (0, 0);
    for (fold, cell) in folds {
        let (Some(split), Some(fold)) = (cell.predictions.split, fold) else { return Ok(Vec::new()) };
        let sizes = objects.get(split)?.folds;
        test += cell.rows.len() as u64;
        train += sizes.get(*fold as usize).map_or(0, |sizes| sizes.train.images);
    }
    if train == 0 {
        return Ok(Vec::new());
    }
    let test_to_train = test as f64 / train as f64;
    let mut rows = Vec::new();
    for (i, a) in models.iter().enumerate() {
        for b in &models[i + 1..] {
            let labels = a.labels.iter().zip(&b.labels);
            let spreads = labels.map(|(x, y)| (Some(x.label.clone()), &x.auc, &y.auc));
            let mut family: Vec<ResampledRow> = spreads
                .chain([(None, &a.mean, &b.mean)])
                .filter_map(|(label, x, y)| {
                    let both = x.folds.iter().zip(&y.folds).filter_map(|(x, y)| Some((*x)? - (*y)?));
                    let test = stats::resampled_t(&both.collect::<Vec<_>>(), test_to_train)?;
                    Some(ResampledRow {
                        a: a.name.clone(),
                        b: b.name.clone(),
                        label,
                        n: test.n as u32,
                        test_to_train,
                        difference: test.mean,
                        std_error: test.std_error,
                        p: test.p,
                        p_holm: None,
                        p_bh: None,
                    })
                })
                .collect();
            let of_labels = |row: &&mut ResampledRow| row.label.is_some();
            let p: Vec<Option<f64>> =
                family.iter().filter(|row| row.label.is_some()).map(|row| row.p).collect();
            let adjusted = stats::holm(&p).into_iter().zip(stats::benjamini_hochberg(&p));
            for (row, (holm, bh)) in family.iter_mut().filter(of_labels).zip(adjusted) {
                (row.p_holm, row.p_bh) = (holm, bh);
            }
            rows.extend(family);
        }
    }
    Ok(rows)
}
