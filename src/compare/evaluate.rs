//! AUCs and rank correlations of the columns.

use rayon::prelude::*;

use super::CompareError;
use super::columns::{FoldScores, ModelColumn};
use super::placed::{patients_of, place, std_error};
use crate::records::{ComparedModel, ConstantScores, LabelSpread, Pooling, ScoreSource, Variance};
use crate::registry::Objects;
use crate::scores::{spread, subset_images};
use crate::stats::{self, Estimate, PatientPlacements};

/// Evaluates a column. The AUCs are undefined in folds that the model does not have.
pub(super) fn evaluate(
    objects: &dyn Objects,
    column: &ModelColumn,
    folds: &[Option<u32>],
    labels: &[String],
    variance: Variance,
) -> Result<ComparedModel, CompareError> {
    let cells: Vec<Option<&FoldScores>> = folds.iter().map(|fold| column.folds.get(fold)).collect();
    // `[folds, labels]`.
    let evaluated: Vec<Vec<LabelOfFold>> = cells
        .iter()
        .map(|cell| {
            let of_label = |label| {
                cell.map_or_else(LabelOfFold::default, |cell| LabelOfFold::new(cell, label, variance))
            };
            (0..labels.len()).into_par_iter().map(of_label).collect()
        })
        .collect();
    let each = labels.iter().enumerate().map(|(i, label)| {
        let of_folds = || evaluated.iter().map(move |labels| &labels[i]);
        let missing: Vec<u64> = cells.iter().map(|cell| cell.map_or(0, |cell| cell.missing(i))).collect();
        LabelSpread {
            label: label.clone(),
            positives: of_folds().map(|of| of.positives).collect(),
            negatives: of_folds().map(|of| of.negatives).collect(),
            positive_patients: of_folds().map(|of| of.patients[0]).collect(),
            negative_patients: of_folds().map(|of| of.patients[1]).collect(),
            missing: if missing.iter().any(|missing| *missing > 0) { missing } else { Vec::new() },
            std_errors: of_folds().map(|of| std_error(variance, of.estimate())).collect(),
            auc: spread(of_folds().map(|of| of.auc).collect()),
        }
    });
    let labels: Vec<LabelSpread> = each.collect();
    let means = (0..folds.len()).map(|fold| {
        let of_fold: Vec<Option<f64>> = labels.iter().map(|label| label.auc.folds[fold]).collect();
        stats::summarize(&of_fold).mean
    });
    let mean_errors = evaluated.iter().map(|labels| {
        // All labels that have an AUC are placed.
        let placed: Vec<&PatientPlacements> = labels.iter().filter_map(|of| of.placed.as_ref()).collect();
        std_error(variance, stats::mean_auc(&placed))
    });
    let imported = |cell: &FoldScores| matches!(cell.predictions.source, ScoreSource::Import { .. });
    let program = |cell: &FoldScores| matches!(cell.predictions.source, ScoreSource::Program { .. });
    Ok(ComparedModel {
        name: column.name.clone(),
        imported: column.folds.values().any(imported),
        program: column.folds.values().any(program),
        predictions: column.folds.values().map(|cell| cell.id).collect(),
        validation: Vec::new(),
        images: cells.iter().map(|cell| cell.map_or(0, |cell| cell.rows.len() as u64)).collect(),
        of_images: of_images(objects, &cells)?,
        patients: cells.iter().map(|cell| cell.map_or(0, |cell| cell.patient_count() as u64)).collect(),
        mean: spread(means.collect()),
        mean_errors: mean_errors.collect(),
        labels,
    })
}

/// One label of a fold.
#[derive(Default)]
struct LabelOfFold {
    auc: Option<f64>,
    positives: u64,
    negatives: u64,
    /// With a positive and with a negative image.
    patients: [u64; 2],
    placed: Option<PatientPlacements>,
}

impl LabelOfFold {
    fn new(cell: &FoldScores, label: usize, variance: Variance) -> Self {
        let known = cell.known(label);
        LabelOfFold {
            auc: stats::auc(&known.scores, &known.truth),
            positives: known.positives(),
            negatives: known.negatives(),
            patients: patients_of(cell, &known),
            placed: place(cell, &known, variance),
        }
    }

    fn estimate(&self) -> Option<Estimate> {
        self.placed.as_ref().and_then(PatientPlacements::estimate)
    }
}

/// The number of images of the subsets that the scores belong to, if a fold is scored in part; otherwise empty.
fn of_images(objects: &dyn Objects, cells: &[Option<&FoldScores>]) -> Result<Vec<u64>, CompareError> {
    let mut all = Vec::new();
    let mut is_partial = false;
    for cell in cells {
        let scored = cell.map_or(0, |cell| cell.rows.len() as u64);
        let whole = match cell {
            Some(cell) => subset_images(objects, &cell.predictions)?.unwrap_or(scored),
            None => 0,
        };
        // Images that were left out of a comparison of shared images are not missing in the scores.
        let given = cell.map_or(0, |cell| cell.predictions.images);
        is_partial |= given < whole;
        all.push(whole);
    }
    Ok(if is_partial { all } else { Vec::new() })
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
