//! Bootstrap intervals of the metrics besides the AUC: patients are drawn within the strata of positive and other
//! patients, with all their images, as for the AUC of a label.

use rayon::prelude::*;

use super::columns::{FoldScores, KnownLabels};
use super::placed::patients_of;
use crate::random::Stream;
use crate::records::MetricIntervals;
use crate::stats::{self, FEWEST_RESAMPLED, InOrder};

/// Number of metrics.
const METRICS: usize = 5;

/// A label of a cell, prepared for resampling.
pub(super) struct Resampling<'a> {
    pub(super) cell: &'a FoldScores,
    pub(super) known: &'a KnownLabels,
    pub(super) probabilities: &'a [f64],
    pub(super) threshold: Option<f64>,
    pub(super) bins: usize,
}

impl Resampling<'_> {
    /// The intervals over `resamples` draws; `words` tell the label and fold apart.
    pub(super) fn intervals(&self, (resamples, seed): (u32, u64), words: [u64; 2]) -> MetricIntervals {
        let patients: Vec<u32> = self.known.places.iter().map(|place| self.cell.patients[*place]).collect();
        let count = self.cell.patient_count();
        let (mut has_images, mut is_positive) = (vec![false; count], vec![false; count]);
        for (patient, positive) in patients.iter().zip(&self.known.truth) {
            has_images[*patient as usize] = true;
            is_positive[*patient as usize] |= *positive;
        }
        let there = (0..count as u32).filter(|patient| has_images[*patient as usize]);
        let (with, without): (Vec<u32>, Vec<u32>) = there.partition(|patient| is_positive[*patient as usize]);
        let strata = [with, without];
        let order = InOrder::new(&self.known.scores, &self.known.truth);
        let enough = patients_of(self.cell, self.known).iter().min() >= Some(&FEWEST_RESAMPLED);
        let resamples = if enough { resamples } else { 0 };
        let drawn: Vec<[Option<f64>; METRICS]> = (0..resamples)
            .into_par_iter()
            .map(|draw| {
                let words = [u64::from(draw), words[0], words[1]];
                let mut stream = Stream::new("reg bootstrap of metrics", seed, &words);
                let mut times = vec![0; count];
                stats::draw_within(&strata, |n| stream.below(n), |patient| times[patient as usize] += 1);
                let weights: Vec<u32> = patients.iter().map(|patient| times[*patient as usize]).collect();
                self.metrics(&order, &weights)
            })
            .collect();
        let interval = |metric: usize| {
            let mut values: Vec<f64> = drawn.iter().map(|of| of[metric]).collect::<Option<_>>()?;
            values.sort_unstable_by(f64::total_cmp);
            let ends = stats::quantile(&values, 0.025).zip(stats::quantile(&values, 0.975));
            ends.filter(|(low, high)| low < high).map(|(low, high)| [low, high])
        };
        MetricIntervals {
            average_precision: interval(0),
            sensitivity: interval(1),
            specificity: interval(2),
            brier: interval(3),
            ece: interval(4),
        }
    }

    /// The metrics with image `i` counted `weights[i]` times.
    fn metrics(&self, order: &InOrder, weights: &[u32]) -> [Option<f64>; METRICS] {
        let KnownLabels { scores, truth, .. } = self.known;
        let mut counts = [[0u64; 2]; 2];
        let mut squares = 0.0;
        let mut bins = vec![(0u64, 0.0); self.bins];
        for (i, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            let (p, positive, times) = (self.probabilities[i], truth[i], f64::from(*weight));
            if let Some(threshold) = self.threshold {
                counts[usize::from(positive)][usize::from(scores[i] >= threshold)] += u64::from(*weight);
            }
            let gap = p - f64::from(u8::from(positive));
            squares += times * gap * gap;
            let (hits, sum) = &mut bins[stats::bin_of(p, self.bins)];
            *hits += u64::from(*weight) * u64::from(positive);
            *sum += times * p;
        }
        let images: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let share =
            |right: u64, wrong: u64| (right + wrong > 0).then(|| right as f64 / (right + wrong) as f64);
        let mean = |sum: f64| (images > 0).then(|| sum / images as f64);
        [
            order.average_precision(weights),
            share(counts[1][1], counts[1][0]),
            share(counts[0][0], counts[0][1]),
            mean(squares),
            mean(bins.iter().map(|(hits, sum)| (sum - *hits as f64).abs()).sum()),
        ]
    }
}
