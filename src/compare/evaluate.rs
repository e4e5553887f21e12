//! AUCs and rank correlations of the columns.

use std::borrow::Cow;

use rayon::prelude::*;

use super::CompareError;
use super::columns::{FoldScores, ModelColumn, SeedScores};
use super::placed::{patients_of, place_seeds, std_error};
use crate::records::{ComparedModel, ConstantScores, LabelSpread, Pooling, ScoreSource, StdError, Variance};
use crate::registry::Objects;
use crate::scores::{spread_of_seeds, subset_images};
use crate::stats::{self, Estimate, PatientPlacements, RankCorrelations};

/// Evaluates a column. The AUCs are undefined in folds that the model does not have. The mean over pathologies leaves out the
/// label `no_finding`, if there is one.
pub(super) fn evaluate(
    objects: &dyn Objects,
    column: &ModelColumn,
    folds: &[Option<u32>],
    labels: &[String],
    no_finding: Option<&str>,
    variance: Variance,
) -> Result<ComparedModel, CompareError> {
    let cells: Vec<Option<&SeedScores>> = folds.iter().map(|fold| column.folds.get(fold)).collect();
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
        let missing = cells.iter().map(|cell| cell.map_or(0, |cell| cell.shared().missing(i)));
        let missing: Vec<u64> = missing.collect();
        LabelSpread {
            label: label.clone(),
            positives: of_folds().map(|of| of.positives).collect(),
            negatives: of_folds().map(|of| of.negatives).collect(),
            positive_patients: of_folds().map(|of| of.patients[0]).collect(),
            negative_patients: of_folds().map(|of| of.patients[1]).collect(),
            missing: if missing.iter().any(|missing| *missing > 0) { missing } else { Vec::new() },
            std_errors: of_folds().map(|of| std_error(variance, of.estimate())).collect(),
            auc: spread_of_seeds(of_folds().map(|of| of.aucs.clone()).collect()),
        }
    });
    let names = labels;
    let labels: Vec<LabelSpread> = each.collect();
    let means = evaluated.iter().zip(&cells).map(|(labels, cell)| {
        let seeds = cell.map_or(0, |cell| cell.seeds().len());
        // The AUC of a label is defined with every seed or with none.
        let of_seed = |seed: usize| {
            let aucs: Vec<Option<f64>> = labels.iter().map(|label| label.aucs.get(seed).copied()).collect();
            stats::summarize(&aucs).mean
        };
        (0..seeds).filter_map(of_seed).collect()
    });
    let mean_errors = |left_out: Option<&str>| -> Vec<StdError> {
        let of_fold = |labels: &Vec<LabelOfFold>| {
            let asked = labels.iter().zip(names).filter(|(_, name)| Some(name.as_str()) != left_out);
            // All labels that have an AUC are placed.
            let placed: Vec<&PatientPlacements> = asked.filter_map(|(of, _)| of.placed.as_ref()).collect();
            std_error(variance, stats::mean_auc(&placed))
        };
        evaluated.iter().map(of_fold).collect()
    };
    let (mut imported, mut program) = (false, false);
    for cell in column.cells() {
        let sources = objects.sources(&cell.predictions)?;
        imported |= sources.iter().any(|source| matches!(source, ScoreSource::Import { .. }));
        program |= sources.iter().any(|source| matches!(source, ScoreSource::Program { .. }));
    }
    let shared: Vec<Option<&FoldScores>> = cells.iter().map(|cell| cell.map(SeedScores::shared)).collect();
    let has_seeds = column.folds.values().any(|cell| cell.seeds().len() > 1);
    let seeds = |cell: &Option<&SeedScores>| {
        let seeds = cell.iter().flat_map(|cell| cell.seeds());
        seeds.filter_map(|seed| seed.seed).collect()
    };
    Ok(ComparedModel {
        name: column.name.clone(),
        imported,
        program,
        predictions: column.cells().map(|cell| cell.id).collect(),
        seeds: if has_seeds { cells.iter().map(seeds).collect() } else { Vec::new() },
        validation: Vec::new(),
        images: shared.iter().map(|cell| cell.map_or(0, |cell| cell.rows.len() as u64)).collect(),
        of_images: of_images(objects, &shared)?,
        patients: shared.iter().map(|cell| cell.map_or(0, |cell| cell.patient_count() as u64)).collect(),
        mean: spread_of_seeds(means.collect()),
        mean_errors: mean_errors(None),
        pathology_errors: no_finding.map_or_else(Vec::new, |_| mean_errors(no_finding)),
        labels,
    })
}

/// One label of a fold.
#[derive(Default)]
struct LabelOfFold {
    /// One for each seed; none where a class is missing.
    aucs: Vec<f64>,
    positives: u64,
    negatives: u64,
    /// With a positive and with a negative image.
    patients: [u64; 2],
    placed: Option<PatientPlacements>,
}

impl LabelOfFold {
    fn new(cell: &SeedScores, label: usize, variance: Variance) -> Self {
        let auc = |seed: &FoldScores| {
            let known = seed.known(label);
            stats::auc(&known.scores, &known.truth)
        };
        let known = cell.shared().known(label);
        LabelOfFold {
            aucs: cell.seeds().iter().filter_map(auc).collect(),
            positives: known.positives(),
            negatives: known.negatives(),
            patients: patients_of(cell.shared(), &known),
            placed: place_seeds(cell, label, variance),
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
/// fold), averaged over all cells in which it is defined. With several seeds, that of a cell is the mean over all pairs of
/// a seed of one column and a seed of the other.
///
/// Also returns the cells in which a column is constant, with any of its seeds, and which are left out.
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
        .map_init(RankCorrelations::default, |memory, (fold, label)| {
            correlations(columns, *fold, *label, memory)
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

/// The rank correlations of a cell, by column.
fn correlations(
    columns: &[ModelColumn],
    fold: Option<u32>,
    label: Option<usize>,
    memory: &mut RankCorrelations,
) -> Vec<Vec<Option<f64>>> {
    let (mut scores, mut owner) = (Vec::new(), Vec::new());
    for (place, column) in columns.iter().enumerate() {
        for seed in column.folds[&fold].seeds() {
            owner.push(place);
            scores.push(match label {
                Some(label) => Cow::Borrowed(&seed.scores[label][..]),
                None => Cow::Owned(seed.scores.concat()),
            });
        }
    }
    let of_seeds = memory.matrix(&scores.iter().map(|scores| &scores[..]).collect::<Vec<_>>());
    let seeds = |column: usize| (0..owner.len()).filter(|seed| owner[*seed] == column).collect();
    let seeds: Vec<Vec<usize>> = (0..columns.len()).map(seeds).collect();
    let of_pair = |i: usize, j: usize| {
        let pairs = seeds[i].iter().flat_map(|a| seeds[j].iter().map(move |b| (*a, *b)));
        // A column agrees with itself, whatever its seeds do.
        let pairs = pairs.filter(|(a, b)| i != j || a == b);
        let values = pairs.map(|(a, b)| of_seeds[a][b]).collect::<Option<Vec<f64>>>()?;
        stats::summarize(&values.into_iter().map(Some).collect::<Vec<_>>()).mean
    };
    (0..columns.len()).map(|i| (0..columns.len()).map(|j| of_pair(i, j)).collect()).collect()
}
