//! Bootstrap intervals by resampling patients with replacement.
//!
//! Images of one patient look alike, so they are drawn together; drawing images would make intervals too
//! narrow. One resample weights the images of every model and fold in the same way, so differences are paired,
//! and folds that share patients do not count as independent.
//!
//! For a label, patients with a positive image are drawn apart from the others, so that both classes stay. A mean over
//! labels needs one resample for all of them, in which every patient is drawn alike; which AUCs it covers is fixed by the
//! original images, and a resample that lacks one of them is discarded and counted. The random stream of a resample
//! depends only on its number and the name of the label, so the result does not depend on the number of threads.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::columns::{FoldScores, ModelColumn};
use super::placed::patients_of;
use crate::hash::Hash;
use crate::random::Stream;
use crate::records::{Bootstrap, BootstrapRow, PatientId};
use crate::stats::{self, FEWEST_RESAMPLED, InOrder};

const LEVEL: f64 = 0.95;
/// Resamples that are computed together, in one pass over the images: the weights of a patient in all of them fill half a line
/// of the processor's cache.
const TOGETHER: usize = 8;

/// A cell, prepared for resampling.
struct Sample {
    /// Number of each image's patient.
    patients: Vec<u32>,
    /// One per label.
    labels: Vec<LabelSample>,
}

/// A label of a cell, prepared for resampling.
struct LabelSample {
    /// The scores of the images whose label is known, by patient.
    order: InOrder,
    /// Patients with a positive and with a negative image.
    patients: [u64; 2],
}

impl LabelSample {
    /// `patients` has the number of each image's patient, from 0 to below `count`.
    fn of(cell: &FoldScores, label: usize, patients: &[u32], count: usize) -> Self {
        let known = cell.known(label);
        let of_known: Vec<u32> = known.places.iter().map(|place| patients[*place]).collect();
        LabelSample {
            patients: patients_of(cell, &known),
            order: InOrder::of_patients(&known.scores, &known.truth, &of_known, count),
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
    let cells = || columns.iter().flat_map(ModelColumn::cells);
    let patients: BTreeSet<&PatientId> =
        cells().flat_map(|cell| cell.image_rows().map(|row| &row.patient)).collect();
    let patients: Vec<&PatientId> = patients.into_iter().collect();
    let sample = |cell: &FoldScores| {
        let number = |patient: &PatientId| patients.partition_point(|other| *other < patient) as u32;
        let of_images: Vec<u32> = cell.image_rows().map(|row| number(&row.patient)).collect();
        let label = |label| LabelSample::of(cell, label, &of_images, patients.len());
        let labels = (0..cell.labels.len()).into_par_iter().map(label).collect();
        Sample { patients: of_images, labels }
    };
    // `[columns, folds, seeds]`.
    let samples: Vec<Vec<Vec<Sample>>> = columns
        .iter()
        .map(|column| column.folds.values().map(|cell| cell.seeds().iter().map(sample).collect()).collect())
        .collect();
    let quantities: Vec<Quantity> = (0..labels.len()).map(Quantity::Label).chain([Quantity::Mean]).collect();
    let strata: Vec<Vec<Vec<u32>>> = quantities
        .iter()
        .map(|quantity| match quantity {
            Quantity::Label(label) => {
                let mut is_positive = vec![false; patients.len()];
                for (cell, sample) in cells().zip(samples.iter().flatten().flatten()) {
                    let positive = sample.patients.iter().zip(&cell.truth[*label]);
                    positive
                        .filter(|(_, truth)| **truth == Some(true))
                        .for_each(|(patient, _)| is_positive[*patient as usize] = true);
                }
                let (with, without) = (0..patients.len() as u32).partition(|one| is_positive[*one as usize]);
                vec![with, without]
            }
            Quantity::Mean => vec![(0..patients.len() as u32).collect()],
        })
        .collect();
    let once = vec![[1]; patients.len()];
    // What a value is a mean of, fixed by the images as they are: `[columns, folds, labels]`.
    let covered: Vec<Vec<Vec<bool>>> = samples
        .iter()
        .map(|folds| {
            // An AUC is defined with every seed or with none.
            let covered = |seeds: &Vec<Sample>| {
                let aucs = seeds.first().map_or(Vec::new(), |seed| seed.aucs(&once, None));
                aucs.iter().map(|[auc]| auc.is_some()).collect()
            };
            folds.iter().map(covered).collect()
        })
        .collect();
    let as_is: Vec<Vec<Option<f64>>> = quantities
        .iter()
        .map(|quantity| of_columns(&samples, &covered, *quantity, &once).remove(0))
        .collect();
    let draws: Vec<u32> = (0..resamples).collect();
    let drawn: Vec<Vec<Vec<Option<f64>>>> = draws
        .par_chunks(TOGETHER)
        .flat_map_iter(|draws| {
            let of_quantity = |(place, quantity): (usize, &Quantity)| {
                // Sets of weights beyond the last resample stay zero.
                let mut times = vec![[0; TOGETHER]; patients.len()];
                for (set, draw) in draws.iter().enumerate() {
                    let draw = u64::from(*draw);
                    let words = match quantity {
                        Quantity::Label(label) => vec![draw, label_word(&labels[*label])],
                        Quantity::Mean => vec![draw],
                    };
                    let mut stream = Stream::new("reg bootstrap of patients", seed, &words);
                    let add = |patient: u32| times[patient as usize][set] += 1;
                    stats::draw_within(&strata[place], |n| stream.below(n), add);
                }
                of_columns(&samples, &covered, *quantity, &times)
            };
            // `[quantities, resamples, columns]`, turned round.
            let mut each: Vec<_> =
                quantities.iter().enumerate().map(of_quantity).map(Vec::into_iter).collect();
            let next = || each.iter_mut().filter_map(Iterator::next).collect();
            std::iter::repeat_with(next).take(draws.len()).collect::<Vec<_>>()
        })
        .collect();

    // Percentiles of few patients are too narrow.
    let enough: Vec<bool> =
        quantities.iter().map(|quantity| enough_patients(&samples, &covered, *quantity)).collect();
    let mut rows = Vec::new();
    let mut add = |a: usize, b: Option<usize>| {
        for (place, quantity) in quantities.iter().enumerate() {
            let value = |values: &Vec<Vec<Option<f64>>>| match b {
                None => values[place][a],
                Some(b) => Some(values[place][a]? - values[place][b]?),
            };
            let Some(as_is) = value(&as_is) else { continue };
            let mut defined: Vec<f64> = drawn.iter().filter_map(value).collect();
            defined.sort_unstable_by(f64::total_cmp);
            let tail = (1.0 - LEVEL) / 2.0;
            let bounds = stats::quantile(&defined, tail).zip(stats::quantile(&defined, 1.0 - tail));
            let bounds = bounds.filter(|(low, high)| enough[place] && low < high);
            rows.push(BootstrapRow {
                model: columns[a].name.clone(),
                less: b.map(|b| columns[b].name.clone()),
                label: match quantity {
                    Quantity::Label(label) => Some(labels[*label].clone()),
                    Quantity::Mean => None,
                },
                value: as_is,
                low: bounds.map(|(low, _)| low),
                high: bounds.map(|(_, high)| high),
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

/// A number for a label, by its name: the draws of a label do not depend on the other labels.
pub(super) fn label_word(label: &str) -> u64 {
    let Hash(bytes) = Hash::of(label.as_bytes());
    u64::from_be_bytes(std::array::from_fn(|place| bytes[place]))
}

/// What is resampled.
#[derive(Clone, Copy)]
enum Quantity {
    /// The AUC of a label, a mean over the folds in which the original images have it.
    Label(usize),
    /// The mean over the labels that the original images of a fold have, then over the folds.
    Mean,
}

impl Sample {
    /// The AUCs with each patient counted as often as in each set of `times`, of all labels or of one.
    fn aucs<const SETS: usize>(
        &self,
        times: &[[u32; SETS]],
        only: Option<usize>,
    ) -> Vec<[Option<f64>; SETS]> {
        match only {
            Some(label) => vec![self.labels[label].order.aucs(times)],
            None => self.labels.iter().map(|label| label.order.aucs(times)).collect(),
        }
    }
}

/// The values of all columns in resamples, `[resamples, columns]`.
fn of_columns<const SETS: usize>(
    samples: &[Vec<Vec<Sample>>],
    covered: &[Vec<Vec<bool>>],
    quantity: Quantity,
    times: &[[u32; SETS]],
) -> Vec<Vec<Option<f64>>> {
    let only = match quantity {
        Quantity::Label(label) => Some(label),
        Quantity::Mean => None,
    };
    // `[columns, folds, seeds, labels, resamples]`.
    let aucs: Vec<Vec<Vec<Vec<[Option<f64>; SETS]>>>> = samples
        .iter()
        .zip(covered)
        .map(|(folds, covered)| {
            let of_fold = |(seeds, covered): (&Vec<Sample>, &Vec<bool>)| {
                let skipped = only.is_some_and(|label| !covered[label]);
                let seeds = seeds.iter().filter(|_| !skipped);
                seeds.map(|sample| sample.aucs(times, only)).collect()
            };
            folds.iter().zip(covered).map(of_fold).collect()
        })
        .collect();
    let of_column = |set: usize, (folds, covered): (&Vec<Vec<Vec<[Option<f64>; SETS]>>>, &Vec<Vec<bool>>)| {
        value(folds, covered, quantity, set)
    };
    (0..SETS).map(|set| aucs.iter().zip(covered).map(|column| of_column(set, column)).collect()).collect()
}

/// The value of a column in a resample, from AUCs `[folds, seeds, labels, resamples]`; `None` where an AUC that the original
/// images have is undefined. That of a fold is the mean over its seeds.
fn value<const SETS: usize>(
    folds: &[Vec<Vec<[Option<f64>; SETS]>>],
    covered: &[Vec<bool>],
    quantity: Quantity,
    set: usize,
) -> Option<f64> {
    let mut of_folds = Vec::new();
    for (seeds, covered) in folds.iter().zip(covered) {
        if matches!(quantity, Quantity::Label(label) if !covered[label]) {
            continue;
        }
        let mut of_seeds = Vec::new();
        for aucs in seeds {
            match quantity {
                Quantity::Label(_) => of_seeds.push(Some(aucs[0][set]?)),
                Quantity::Mean => {
                    let of_labels = aucs.iter().zip(covered).filter(|(_, covered)| **covered);
                    let of_labels: Vec<Option<f64>> = of_labels.map(|(auc, _)| auc[set]).collect();
                    if of_labels.iter().any(Option::is_none) {
                        return None;
                    }
                    of_seeds.extend(stats::summarize(&of_labels).mean.map(Some));
                }
            }
        }
        of_folds.extend(stats::summarize(&of_seeds).mean.map(Some));
    }
    stats::summarize(&of_folds).mean
}

/// Whether there are patients enough of both classes for percentiles, in every fold and label of the value.
fn enough_patients(samples: &[Vec<Vec<Sample>>], covered: &[Vec<Vec<bool>>], quantity: Quantity) -> bool {
    // The seeds of a fold have the same images.
    let folds = samples.iter().zip(covered).flat_map(|(folds, covered)| {
        let first = folds.iter().filter_map(|seeds| seeds.first());
        first.zip(covered)
    });
    folds.into_iter().all(|(sample, covered)| {
        let labels = sample.labels.iter().zip(covered).enumerate();
        let asked = labels.filter(|(label, (_, covered))| {
            **covered
                && match quantity {
                    Quantity::Label(wanted) => wanted == *label,
                    Quantity::Mean => true,
                }
        });
        asked.into_iter().all(|(_, (label, _))| label.patients.iter().min() >= Some(&FEWEST_RESAMPLED))
    })
}
