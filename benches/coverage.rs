//! Whether the intervals and tests of reg keep what they promise: shares of simulated data sets.
//!
//! `cargo bench --bench coverage [-- SIMULATIONS]`; the same numbers on every machine, as the random streams are keyed.
//!
//! Scores are binormal: a positive image's is higher by a shift that gives the wanted AUC. With several images a patient,
//! a share of the variance belongs to the patient, for all models alike, and a share to the patient and the model, as if
//! each model saw some patients better than others; an image of a positive patient is positive half of the time. A
//! nominal interval of 95 % should cover the true AUC in 95 of 100 data sets, a test at 5 % should reject equal models
//! in 5 of 100. The tables have the counts of positive *patients* in the rows, because they are what counts. The last tables
//! are of a mean over re-samplings or folds of one data set, each of which tests a fifth of the patients with another model.

use rayon::prelude::*;
use reg::random::Stream;
use reg::stats::{self, Estimate, PatientPlacements};

/// Patients of a data set.
const PATIENTS: usize = 400;
/// Resamples of a bootstrap.
const RESAMPLES: u32 = 1000;
const POSITIVE_PATIENTS: [usize; 10] = [2, 3, 4, 5, 10, 20, 50, 100, 150, 200];

/// How images are related.
#[derive(Clone, Copy)]
struct Design {
    name: &'static str,
    /// Most images of a patient; from 1 to this many, each number as often.
    images: u64,
    /// Share of the variance that the images of a patient have in common, of all models.
    of_patient: f64,
    /// The same, of one model.
    of_model: f64,
}

const DESIGNS: [Design; 2] = [
    Design { name: "one image a patient", images: 1, of_patient: 0.3, of_model: 0.2 },
    Design { name: "1 to 9 images a patient", images: 9, of_patient: 0.3, of_model: 0.3 },
];

/// Scores of two models with the same true AUC for the images of the patients.
#[derive(Default)]
struct Simulated {
    patients: Vec<u32>,
    positive: Vec<bool>,
    scores: [Vec<f64>; 2],
}

/// Labels of the same images, one for each number of positive patients.
fn simulate(design: Design, positive_patients: &[usize], auc: f64, stream: &mut Stream) -> Vec<Simulated> {
    let shift = std::f64::consts::SQRT_2 * normal_quantile(auc);
    let mut labels: Vec<Simulated> = positive_patients.iter().map(|_| Simulated::default()).collect();
    let own = (1.0 - design.of_patient - design.of_model).sqrt();
    for patient in 0..PATIENTS {
        let images = 1 + stream.below(design.images);
        let common = design.of_patient.sqrt() * stream.normal();
        let of_model = [0, 1].map(|_| design.of_model.sqrt() * stream.normal());
        for (place, (data, positive_patients)) in labels.iter_mut().zip(positive_patients).enumerate() {
            // Other patients of another label, some of them the same.
            let is_positive = (patient + 50 * place) % PATIENTS < *positive_patients;
            // A positive patient has a positive image.
            let certain = stream.below(images);
            for image in 0..images {
                let positive = is_positive && (image == certain || stream.below(2) == 0);
                data.patients.push(patient as u32);
                data.positive.push(positive);
                // Half of what belongs to the image is the image itself, for both models alike.
                let of_image = stream.normal();
                for (scores, of_model) in data.scores.iter_mut().zip(of_model) {
                    let noise = (of_image + stream.normal()) / std::f64::consts::SQRT_2;
                    scores.push(if positive { shift } else { 0.0 } + common + of_model + own * noise);
                }
            }
        }
    }
    labels
}

/// By halving an interval, with erfc.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        let below = 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2);
        *(if below < p { &mut low } else { &mut high }) = middle;
    }
    low
}

impl Simulated {
    fn clustered(&self, model: usize) -> PatientPlacements {
        PatientPlacements::new(&self.scores[model], &self.positive, &self.patients, PATIENTS)
            .expect("both classes")
    }

    /// Percentiles of resamples within the strata of positive and other patients, or of all patients together.
    fn bootstrap(&self, stratified: bool, stream: &mut Stream) -> Option<[f64; 2]> {
        let order = stats::InOrder::new(&self.scores[0], &self.positive);
        let mut is_positive = vec![false; PATIENTS];
        self.patients
            .iter()
            .zip(&self.positive)
            .for_each(|(patient, yes)| is_positive[*patient as usize] |= yes);
        let (with, without): (Vec<u32>, Vec<u32>) =
            (0..PATIENTS as u32).partition(|patient| is_positive[*patient as usize]);
        let strata = if stratified { vec![with, without] } else { vec![[with, without].concat()] };
        let mut aucs: Vec<f64> = (0..RESAMPLES)
            .filter_map(|_| {
                let mut times = vec![0; PATIENTS];
                stats::draw_within(&strata, |n| stream.below(n), |patient| times[patient as usize] += 1);
                let weights: Vec<u32> =
                    self.patients.iter().map(|patient| times[*patient as usize]).collect();
                order.auc(&weights)
            })
            .collect();
        aucs.sort_by(f64::total_cmp);
        stats::quantile(&aucs, 0.025)
            .zip(stats::quantile(&aucs, 0.975))
            .filter(|(a, b)| a < b)
            .map(<[f64; 2]>::from)
    }
}

/// Divisions of the same patients, each of which tests a part of them.
#[derive(Clone, Copy)]
enum Divisions {
    /// Drawn independently, so that a patient is tested in any number of them.
    Resamplings,
    /// Every patient is tested in exactly one.
    Folds,
}

/// Number of divisions.
const DIVISIONS: usize = 5;

/// Scores of a model of its own for the test patients of each division.
struct Divided {
    is_positive: Vec<bool>,
    /// Of each division: the patient of each image, and the order of the images.
    tested: Vec<(Vec<u32>, stats::InOrder)>,
    /// Of each patient, the divisions that test it, one bit each.
    divisions: Vec<u32>,
}

impl Divided {
    fn simulate(of: Divisions, design: Design, positive: usize, auc: f64, stream: &mut Stream) -> Self {
        let shift = std::f64::consts::SQRT_2 * normal_quantile(auc);
        let own = (1.0 - design.of_patient - design.of_model).sqrt();
        let mut order: Vec<usize> = (0..PATIENTS).collect();
        let mut divisions = vec![0; PATIENTS];
        let part = PATIENTS / DIVISIONS;
        for division in 0..DIVISIONS {
            if division == 0 || matches!(of, Divisions::Resamplings) {
                (1..PATIENTS).rev().for_each(|last| order.swap(last, stream.below(last as u64 + 1) as usize));
            }
            let first = if matches!(of, Divisions::Folds) { division * part } else { 0 };
            order[first..first + part].iter().for_each(|patient| divisions[*patient] |= 1 << division);
        }
        let mut tested: Vec<Simulated> = (0..DIVISIONS).map(|_| Simulated::default()).collect();
        for (patient, own_divisions) in divisions.iter().enumerate() {
            let images = 1 + stream.below(design.images);
            let common = design.of_patient.sqrt() * stream.normal();
            let of_model: Vec<f64> =
                (0..DIVISIONS).map(|_| design.of_model.sqrt() * stream.normal()).collect();
            let certain = stream.below(images);
            for image in 0..images {
                let is_positive = patient < positive && (image == certain || stream.below(2) == 0);
                let of_image = stream.normal();
                for division in (0..DIVISIONS).filter(|division| own_divisions >> division & 1 == 1) {
                    let noise = (of_image + stream.normal()) / std::f64::consts::SQRT_2;
                    let data = &mut tested[division];
                    data.patients.push(patient as u32);
                    data.positive.push(is_positive);
                    let score = common + of_model[division] + own * noise;
                    data.scores[0].push(if is_positive { shift } else { 0.0 } + score);
                }
            }
        }
        let order = |data: Simulated| {
            let order = stats::InOrder::new(&data.scores[0], &data.positive);
            (data.patients, order)
        };
        let is_positive = (0..PATIENTS).map(|patient| patient < positive).collect();
        Divided { is_positive, tested: tested.into_iter().map(order).collect(), divisions }
    }

    /// Percentiles of resamples of the mean AUC over the divisions, within strata of the patients for whom `stratum` gives
    /// the same; a resample that leaves a division without a class is discarded.
    fn bootstrap(&self, stratum: impl Fn(usize) -> u32, stream: &mut Stream) -> Option<[f64; 2]> {
        let mut strata: std::collections::BTreeMap<u32, Vec<u32>> = Default::default();
        (0..PATIENTS).for_each(|patient| strata.entry(stratum(patient)).or_default().push(patient as u32));
        let strata: Vec<Vec<u32>> = strata.into_values().collect();
        let mut values: Vec<f64> = (0..RESAMPLES)
            .filter_map(|_| {
                let mut times = vec![0; PATIENTS];
                stats::draw_within(&strata, |n| stream.below(n), |patient| times[patient as usize] += 1);
                let auc = |(patients, order): &(Vec<u32>, stats::InOrder)| {
                    order.auc(&patients.iter().map(|patient| times[*patient as usize]).collect::<Vec<_>>())
                };
                let aucs: Vec<Option<f64>> = self.tested.iter().map(auc).collect();
                aucs.iter().copied().collect::<Option<Vec<f64>>>()?;
                stats::summarize(&aucs).mean
            })
            .collect();
        values.sort_by(f64::total_cmp);
        stats::quantile(&values, 0.025).zip(stats::quantile(&values, 0.975)).map(<[f64; 2]>::from)
    }
}

/// Coverage of the bootstrap of a mean over divisions, with strata by class and with strata by class and divisions.
fn over_divisions(simulations: u64) {
    for (number, design) in (0..).zip(DESIGNS) {
        for (of, divisions, called) in
            [(0, Divisions::Resamplings, "re-samplings"), (1, Divisions::Folds, "folds")]
        {
            let rows = [100, 200].map(|positive| {
                let one = |stream: &mut Stream| {
                    let data = Divided::simulate(divisions, design, positive, 0.8, stream);
                    let class = |patient: usize| u32::from(data.is_positive[patient]);
                    let both = |patient: usize| class(patient) | data.divisions[patient] << 1;
                    [covers(0.8, data.bootstrap(class, stream)), covers(0.8, data.bootstrap(both, stream))]
                };
                (positive.to_string(), columns(simulations, one, &[20 + number, of, positive as u64]))
            });
            let title = format!(
                "Coverage of the 95 % interval of the mean AUC over {DIVISIONS} {called} in percent: AUC 0.8, {}.",
                design.name
            );
            table(&title, &["bootstrap within classes", "within classes and divisions"], &rows);
        }
    }
}

/// The share of the defined values that are true, in percent, and the share that is undefined.
fn share(values: &[Option<bool>]) -> String {
    let defined: Vec<bool> = values.iter().flatten().copied().collect();
    let yes = defined.iter().filter(|yes| **yes).count();
    let missing = values.len() - defined.len();
    let percent = |n: usize, of: usize| 100.0 * n as f64 / of as f64;
    match (defined.is_empty(), missing) {
        (true, _) => "-".to_owned(),
        (false, 0) => format!("{:.1}", percent(yes, defined.len())),
        (false, _) => {
            format!("{:.1} (n/a {:.1})", percent(yes, defined.len()), percent(missing, values.len()))
        }
    }
}

fn covers(auc: f64, ends: Option<[f64; 2]>) -> Option<bool> {
    ends.map(|[low, high]| low <= auc && auc <= high)
}

fn rejects(estimate: Option<Estimate>) -> Option<bool> {
    estimate.and_then(|estimate| estimate.p()).map(|p| p < 0.05)
}

fn table(title: &str, columns: &[&str], rows: &[(String, Vec<Vec<Option<bool>>>)]) {
    println!(
        "\n{title}\n\n| positive patients | {} |\n| --- |{}",
        columns.join(" | "),
        " --- |".repeat(columns.len())
    );
    for (head, cells) in rows {
        let cells: Vec<String> = cells.iter().map(|cell| share(cell)).collect();
        println!("| {head} | {} |", cells.join(" | "));
    }
}

/// Runs simulations in parallel and turns their outcomes into one list for each column.
fn columns<const N: usize>(
    simulations: u64,
    of: impl Fn(&mut Stream) -> [Option<bool>; N] + Sync,
    key: &[u64],
) -> Vec<Vec<Option<bool>>> {
    let one = |number: u64| of(&mut Stream::new("reg coverage", number, key));
    let outcomes: Vec<[Option<bool>; N]> = (0..simulations).into_par_iter().map(one).collect();
    (0..N).map(|column| outcomes.iter().map(|outcome| outcome[column]).collect()).collect()
}

fn main() {
    let simulations = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(2000);
    println!("{simulations} simulated data sets of {PATIENTS} patients a row.");
    for (number, design) in (0..).zip(DESIGNS) {
        for auc in [0.8, 0.95] {
            let rows = POSITIVE_PATIENTS.map(|positive| {
                let of = |stream: &mut Stream| {
                    let data = simulate(design, &[positive], auc, stream).remove(0);
                    let clustered = data.clustered(0).estimate();
                    let delong = stats::delong(&data.scores[0], &data.positive);
                    [
                        covers(auc, clustered.and_then(|estimate| estimate.logit_interval())),
                        covers(auc, delong.and_then(|delong| delong.interval())),
                        covers(auc, data.bootstrap(true, stream)),
                        covers(auc, data.bootstrap(false, stream)),
                    ]
                };
                (
                    positive.to_string(),
                    columns(simulations, of, &[number, positive as u64, (auc * 100.0) as u64]),
                )
            });
            let title = format!("Coverage of the 95 % interval in percent: AUC {auc}, {}.", design.name);
            let names =
                ["clustered, logit", "DeLong", "bootstrap within strata", "bootstrap of all patients"];
            table(&title, &names, &rows);
        }
        let rows = POSITIVE_PATIENTS.map(|positive| {
            let of = |stream: &mut Stream| {
                let labels = simulate(design, &[positive, 100, 150], 0.8, stream);
                let data = &labels[0];
                let clustered = data.clustered(0).less(&data.clustered(1));
                let delong = stats::delong_paired(&data.scores[0], &data.scores[1], &data.positive);
                let placed: Vec<[PatientPlacements; 2]> =
                    labels.iter().map(|data| [data.clustered(0), data.clustered(1)]).collect();
                let pairs: Vec<_> = placed.iter().map(|[a, b]| (a, b)).collect();
                let of_mean = stats::mean_difference(&pairs);
                let interval = clustered.and_then(|estimate| estimate.difference_interval());
                [
                    rejects(clustered),
                    delong.and_then(|test| test.p).map(|p| p < 0.05),
                    rejects(of_mean),
                    covers(0.0, interval),
                ]
            };
            (positive.to_string(), columns(simulations, of, &[10 + number, positive as u64]))
        });
        let title = format!("Equal models: rejected at 5 %, in percent: AUC 0.8, {}.", design.name);
        let names =
            ["clustered", "DeLong", "clustered, mean of three labels", "interval of the difference covers 0"];
        table(&title, &names, &rows);
    }
    over_divisions(simulations);
}
