//! Bootstrap intervals by resampling patients with replacement.
//!
//! Images of one patient look alike, so they are drawn together; drawing images would make intervals too
//! narrow. One resample weights the images of every model and fold in the same way, so differences are paired,
//! and folds that share patients do not count as independent. The random stream of a resample depends only on
//! its number, so the result does not depend on the number of threads.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::columns::{FoldScores, ModelColumn};
use crate::random::Stream;
use crate::records::{Bootstrap, BootstrapRow, PatientId};
use crate::stats::{self, InOrder};

const LEVEL: f64 = 0.95;

/// A cell, prepared for resampling.
struct Sample {
    /// Index of each image's patient.
    patients: Vec<u32>,
    /// One per label.
    labels: Vec<LabelSample>,
}

/// A label of a cell.
struct LabelSample {
    /// Indices of the images whose label is known; `None` if all are known.
    known: Option<Vec<u32>>,
    /// Their scores.
    order: InOrder,
}

impl LabelSample {
    fn of(cell: &FoldScores, label: usize) -> Self {
        let truth = &cell.truth[label];
        let places = || (0..).zip(truth).filter(|(_, truth)| truth.is_some()).map(|(place, _)| place);
        let known = cell.known(label);
        LabelSample {
            known: (known.truth.len() < truth.len()).then(|| places().collect()),
            order: InOrder::new(&known.scores, &known.truth),
        }
    }

    fn auc(&self, weights: &[u32]) -> Option<f64> {
        match &self.known {
            None => self.order.auc(weights),
            Some(known) => {
                let weights: Vec<u32> = known.iter().map(|place| weights[*place as usize]).collect();
                self.order.auc(&weights)
            }
        }
    }
}

/// Computes intervals of the AUC of every column and label and, if `paired`, of every difference.
pub(super) fn bootstrap(
    columns: &[ModelColumn],
    labels: &[String],
    resamples: u32,
    seed: u64,
    paired: bool,
) -> Bootstrap {
    let cells = || columns.iter().flat_map(|column| column.folds.values());
    let patients: BTreeSet<&PatientId> =
        cells().flat_map(|cell| cell.image_rows().map(|row| &row.patient)).collect();
    let patients: Vec<&PatientId> = patients.into_iter().collect();
    let sample = |cell: &FoldScores| Sample {
        patients: cell
            .image_rows()
            .map(|row| patients.partition_point(|patient| **patient < row.patient) as u32)
            .collect(),
        labels: (0..cell.labels.len()).into_par_iter().map(|label| LabelSample::of(cell, label)).collect(),
    };
    let samples: Vec<Vec<Sample>> =
        columns.iter().map(|column| column.folds.values().map(sample).collect()).collect();
    let of_draw = |times: &[u32]| -> Vec<Vec<Option<f64>>> {
        samples.iter().map(|folds| values(folds, labels.len(), times)).collect()
    };
    let as_is = of_draw(&vec![1; patients.len()]);
    let drawn: Vec<Vec<Vec<Option<f64>>>> = (0..resamples)
        .into_par_iter()
        .map(|draw| {
            let mut stream = Stream::new("reg bootstrap of patients", seed, &[u64::from(draw)]);
            let mut times = vec![0; patients.len()];
            for _ in 0..patients.len() {
                times[stream.below(patients.len() as u64) as usize] += 1;
            }
            of_draw(&times)
        })
        .collect();

    let quantities = || (0..labels.len()).map(Some).chain([None]);
    let mut rows = Vec::new();
    let mut add = |a: usize, b: Option<usize>| {
        for quantity in quantities() {
            let place = quantity.unwrap_or(labels.len());
            let value = |values: &Vec<Vec<Option<f64>>>| match b {
                None => values[a][place],
                Some(b) => Some(values[a][place]? - values[b][place]?),
            };
            let mut defined: Vec<f64> = drawn.iter().filter_map(value).collect();
            defined.sort_unstable_by(f64::total_cmp);
            let tail = (1.0 - LEVEL) / 2.0;
            let bounds = stats::quantile(&defined, tail).zip(stats::quantile(&defined, 1.0 - tail));
            let (Some(value), Some((low, high))) = (value(&as_is), bounds) else { continue };
            rows.push(BootstrapRow {
                model: columns[a].name.clone(),
                less: b.map(|b| columns[b].name.clone()),
                label: quantity.map(|label| labels[label].clone()),
                value,
                low,
                high,
                resamples: defined.len() as u32,
            });
        }
    };
    (0..columns.len()).for_each(|a| add(a, None));
    if paired {
        (0..columns.len()).for_each(|a| (a + 1..columns.len()).for_each(|b| add(a, Some(b))));
    }
    Bootstrap { resamples, seed, level: LEVEL, patients: patients.len() as u64, rows }
}

/// The AUC of each label as a mean over the folds, followed by the mean over the labels of each fold, as a mean
/// over the folds. A value that is undefined in a resample is left out of its means.
fn values(folds: &[Sample], labels: usize, times: &[u32]) -> Vec<Option<f64>> {
    let aucs: Vec<Vec<Option<f64>>> = folds
        .iter()
        .map(|sample| {
            let weights: Vec<u32> = sample.patients.iter().map(|patient| times[*patient as usize]).collect();
            sample.labels.iter().map(|label| label.auc(&weights)).collect()
        })
        .collect();
    let mean = |values: Vec<Option<f64>>| stats::summarize(&values).mean;
    let by_label = (0..labels).map(|label| mean(aucs.iter().map(|fold| fold[label]).collect()));
    let of_all = mean(aucs.iter().map(|fold| stats::summarize(fold).mean).collect());
    by_label.chain([of_all]).collect()
}
