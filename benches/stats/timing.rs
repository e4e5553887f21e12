//! Times reg's statistics on scores that `run` wrote, and prints times and values as one JSON document.

#[expect(dead_code, unused_imports, unreachable_pub, reason = "only some of the room is timed")]
#[path = "../../src/stats/mod.rs"]
mod stats;

use std::time::Instant;

use rayon::prelude::*;

/// Resamples in one pass, as in `reg compare`.
const SETS: usize = 8;

/// The shortest of some rounds, in seconds, and the result: what else the machine does only adds.
fn shortest<T>(rounds: usize, work: impl Fn() -> T) -> (f64, T) {
    let timed = || {
        let start = Instant::now();
        let result = std::hint::black_box(work());
        (start.elapsed().as_secs_f64(), result)
    };
    (1..rounds).map(|_| timed()).fold(timed(), |best, next| if next.0 < best.0 { next } else { best })
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("a file of scores");
    let mut number = || arguments.next().and_then(|text| text.parse::<usize>().ok()).expect("a number");
    let (models, labels, images, rounds) = (number(), number(), number(), number());
    let bytes = std::fs::read(path).expect("the file can be read");
    let numbers: Vec<f64> = bytes.as_chunks::<8>().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect();
    let columns: Vec<&[f64]> = numbers.chunks(images).collect();
    let (scores, truth) = columns.split_at(models * labels);
    let truth: Vec<Vec<bool>> =
        truth.iter().map(|column| column.iter().map(|x| *x > 0.0).collect()).collect();
    assert_eq!(truth.len(), labels);
    // Scores of model m for label l.
    let of = |model: usize, label: usize| scores[model * labels + label];

    let auc = |label: usize| stats::auc(of(0, label), &truth[label]);
    let spearman = |correlations: &mut stats::RankCorrelations, label: usize| {
        correlations.matrix(&(0..models).map(|model| of(model, label)).collect::<Vec<_>>())
    };
    let (auc_one, values) = shortest(rounds, || (0..labels).map(auc).collect::<Vec<_>>());
    let (auc_all, _) = shortest(rounds, || (0..labels).into_par_iter().map(auc).collect::<Vec<_>>());
    let (spearman_one, matrices) = shortest(rounds, || {
        let mut correlations = stats::RankCorrelations::default();
        (0..labels).map(|label| spearman(&mut correlations, label)).collect::<Vec<_>>()
    });
    let (spearman_all, _) = shortest(rounds, || {
        let each = (0..labels).into_par_iter().map_init(stats::RankCorrelations::default, spearman);
        each.collect::<Vec<_>>()
    });
    let (delong, _) = shortest(rounds, || {
        (0..labels).map(|label| stats::delong(of(0, label), &truth[label])).collect::<Vec<_>>()
    });
    // As many patients as the official test images have.
    let patients: Vec<u32> = (0..images as u32).map(|i| i * 2797 / images as u32).collect();
    let (clustered, _) = shortest(rounds, || {
        let place = |label| stats::PatientPlacements::new(of(0, label), &truth[label], &patients, 2797);
        (0..labels).map(|label| place(label).and_then(|placed| placed.estimate())).collect::<Vec<_>>()
    });
    let (resamples, _) = shortest(1, || {
        let orders: Vec<_> = (0..labels)
            .map(|label| stats::InOrder::of_patients(of(0, label), &truth[label], &patients, 2797))
            .collect();
        (0..200 / SETS as u32)
            .into_par_iter()
            .map(|draws| {
                let weight = |i: u32, draw: u32| (i.wrapping_mul(2654435761) >> (draw % 20)) % 3;
                let weights: Vec<[u32; SETS]> = (0..2797u32)
                    .map(|i| std::array::from_fn(|set| weight(i, draws * SETS as u32 + set as u32)))
                    .collect();
                orders.iter().map(|order| order.aucs(&weights)).collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    });
    let numbers = |values: Vec<Option<f64>>| {
        let texts: Vec<String> =
            values.iter().map(|v| v.map_or("null".to_owned(), |v| format!("{v:?}"))).collect();
        format!("[{}]", texts.join(","))
    };
    let correlations = matrices.into_iter().flatten().flatten().collect();
    println!(
        "{{\"auc_one\":{auc_one},\"auc_all\":{auc_all},\"spearman_one\":{spearman_one},\"spearman_all\":{spearman_all},\
        \"delong_one\":{delong},\"clustered_one\":{clustered},\"draws_200\":{resamples},\"auc\":{},\"spearman\":{}}}",
        numbers(values),
        numbers(correlations)
    );
}
