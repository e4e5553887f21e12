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
//!
//! Strata take no account of the folds or re-samplings in which a patient is tested: a patient is drawn together with its
//! tests, as a new patient would come with tests of its own. Strata of patients that are tested in the same re-samplings
//! would often have only one or two patients, and a stratum of n patients gives a variance that is too small by the factor
//! (n - 1) / n: the intervals would be too narrow (`cargo bench --bench coverage`). Both classes stay in every fold all the
//! same: there is an interval only if at least 20 patients of each class are tested in each, and the chance that a resample
//! has none of them is at most e^-20, 2 in a billion. Where it happens, with fewer patients, the resample is discarded.

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

/// Computes intervals of the AUC of every column and label, and of the means over the labels, and, if `paired`, of every
/// difference. The mean over pathologies leaves out the label `no_finding`, if there is one.
pub(super) fn bootstrap(
    columns: &[ModelColumn],
    labels: &[String],
    no_finding: Option<&str>,
    (resamples, seed): (u32, u64),
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
    let of_labels = || (0..labels.len()).map(Quantity::Label);
    let pathologies = no_finding.and_then(|name| labels.iter().position(|label| label == name));
    let means = [Quantity::Mean].into_iter().chain(pathologies.map(Quantity::MeanWithout));
    let quantities: Vec<Quantity> = of_labels().chain(means).collect();
    let strata: Vec<Vec<Vec<u32>>> = (0..labels.len())
        .map(|label| {
            let mut is_positive = vec![false; patients.len()];
            for (cell, sample) in cells().zip(samples.iter().flatten().flatten()) {
                let positive = sample.patients.iter().zip(&cell.truth[label]);
                positive
                    .filter(|(_, truth)| **truth == Some(true))
                    .for_each(|(patient, _)| is_positive[*patient as usize] = true);
            }
            let (with, without) = (0..patients.len() as u32).partition(|one| is_positive[*one as usize]);
            vec![with, without]
        })
        .collect();
    let together = vec![(0..patients.len() as u32).collect()];
    let original = aucs_of(&samples, &vec![[1]; patients.len()], None);
    // What a value is a mean of, fixed by the images as they are: `[columns, folds, labels]`.
    let covered: Vec<Vec<Vec<bool>>> = original
        .iter()
        .map(|folds| {
            // An AUC is defined with every seed or with none.
            let covered = |seeds: &Vec<Vec<[Option<f64>; 1]>>| {
                let of_labels =
                    |aucs: &Vec<[Option<f64>; 1]>| aucs.iter().map(|[auc]| auc.is_some()).collect();
                seeds.first().map_or_else(Vec::new, of_labels)
            };
            folds.iter().map(covered).collect()
        })
        .collect();
    let as_is: Vec<Vec<Option<f64>>> =
        quantities.iter().map(|quantity| values(&original, &covered, *quantity, 0)).collect();
    let draws: Vec<u32> = (0..resamples).collect();
    let drawn: Vec<Vec<Vec<Option<f64>>>> = draws
        .par_chunks(TOGETHER)
        .flat_map_iter(|draws| {
            let drawn_within = |strata: &[Vec<u32>], label: Option<usize>| {
                // Sets of weights beyond the last resample stay zero.
                let mut times = vec![[0; TOGETHER]; patients.len()];
                for (set, draw) in draws.iter().enumerate() {
                    let words = std::iter::once(u64::from(*draw));
                    let words: Vec<u64> =
                        words.chain(label.map(|label| label_word(&labels[label]))).collect();
                    let mut stream = Stream::new("reg bootstrap of patients", seed, &words);
                    let add = |patient: u32| times[patient as usize][set] += 1;
                    stats::draw_within(strata, |n| stream.below(n), add);
                }
                aucs_of(&samples, &times, label)
            };
            // A resample for all labels serves each mean.
            let of_all = drawn_within(&together, None);
            let each: Vec<Vec<Vec<Option<f64>>>> = quantities
                .iter()
                .map(|quantity| {
                    let of_label;
                    let aucs = match quantity {
                        Quantity::Label(label) => {
                            of_label = drawn_within(&strata[*label], Some(*label));
                            &of_label
                        }
                        Quantity::Mean | Quantity::MeanWithout(_) => &of_all,
                    };
                    (0..draws.len()).map(|set| values(aucs, &covered, *quantity, set)).collect()
                })
                .collect();
            // `[quantities, resamples, columns]`, turned round.
            let of_draw = |set: usize| each.iter().map(|resamples| resamples[set].clone()).collect();
            (0..draws.len()).map(of_draw).collect::<Vec<Vec<Vec<Option<f64>>>>>()
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
                    Quantity::Mean | Quantity::MeanWithout(_) => None,
                },
                pathologies: matches!(quantity, Quantity::MeanWithout(_)),
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
    /// The same without this label.
    MeanWithout(usize),
}

impl Quantity {
    fn is_of(self, label: usize) -> bool {
        match self {
            Quantity::Label(wanted) => label == wanted,
            Quantity::Mean => true,
            Quantity::MeanWithout(left_out) => label != left_out,
        }
    }
}

/// AUCs in `SETS` resamples, `[columns, folds, seeds, labels]`.
type Aucs<const SETS: usize> = Vec<Vec<Vec<Vec<[Option<f64>; SETS]>>>>;

/// The AUCs of all samples with each patient counted as often as in each set of `times`; those of other labels than `only`
/// are left undefined.
fn aucs_of<const SETS: usize>(
    samples: &[Vec<Vec<Sample>>],
    times: &[[u32; SETS]],
    only: Option<usize>,
) -> Aucs<SETS> {
    let of_sample = |sample: &Sample| {
        let of_label = |(place, label): (usize, &LabelSample)| match only {
            Some(only) if only != place => [None; SETS],
            _ => label.order.aucs(times),
        };
        sample.labels.iter().enumerate().map(of_label).collect()
    };
    let of_fold = |seeds: &Vec<Sample>| seeds.iter().map(of_sample).collect();
    samples.iter().map(|folds| folds.iter().map(of_fold).collect()).collect()
}

/// The value of each column in one of the resamples.
fn values<const SETS: usize>(
    aucs: &Aucs<SETS>,
    covered: &[Vec<Vec<bool>>],
    quantity: Quantity,
    set: usize,
) -> Vec<Option<f64>> {
    aucs.iter().zip(covered).map(|(folds, covered)| value(folds, covered, quantity, set)).collect()
}

/// The value of a column in a resample from its AUCs, `[folds, seeds, labels]`; `None` where an AUC that the original images
/// have is undefined. That of a fold is the mean over its seeds.
fn value<const SETS: usize>(
    folds: &[Vec<Vec<[Option<f64>; SETS]>>],
    covered: &[Vec<bool>],
    quantity: Quantity,
    set: usize,
) -> Option<f64> {
    let mut of_folds = Vec::new();
    for (seeds, covered) in folds.iter().zip(covered) {
        let asked: Vec<usize> =
            (0..covered.len()).filter(|label| covered[*label] && quantity.is_of(*label)).collect();
        if asked.is_empty() {
            continue;
        }
        let mut of_seeds = Vec::new();
        for aucs in seeds {
            let of_labels: Vec<Option<f64>> = asked.iter().map(|label| aucs[*label][set]).collect();
            if of_labels.iter().any(Option::is_none) {
                return None;
            }
            of_seeds.extend(stats::summarize(&of_labels).mean.map(Some));
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
        let asked = labels.filter(|(label, (_, covered))| **covered && quantity.is_of(*label));
        asked.into_iter().all(|(_, (label, _))| label.patients.iter().min() >= Some(&FEWEST_RESAMPLED))
    })
}
