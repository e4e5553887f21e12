//! The statistics agree with scikit-learn, scipy and numpy, and DeLong's variance with its definition.
//!
//! `tests/stats_reference.py` writes the cases and says which versions made them.

use reg::stats;
use serde::Deserialize;

const CASES: [&str; 6] = ["continuous", "ties", "rare", "close", "reversed", "smallest"];

#[derive(Deserialize)]
struct File {
    case: Case,
}

#[derive(Deserialize)]
struct Case {
    a: Vec<f64>,
    b: Vec<f64>,
    positive: Vec<bool>,
    auc: f64,
    variance: f64,
    paired: Paired,
    ranks: Vec<f64>,
    spearman: f64,
    roc: Roc,
    youden: Youden,
    summary: Summary,
}

#[derive(Deserialize)]
struct Paired {
    difference: f64,
    std_error: f64,
    z: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Roc {
    fpr: Vec<f64>,
    tpr: Vec<f64>,
    thresholds: Vec<f64>,
}

#[derive(Deserialize)]
struct Youden {
    threshold: f64,
    sensitivity: f64,
    specificity: f64,
    index: f64,
}

#[derive(Deserialize)]
struct Summary {
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
}

fn each_case(check: impl Fn(&str, Case)) {
    for name in CASES {
        let path = format!("{}/fixtures/stats/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let file: File = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        check(name, file.case);
    }
}

#[track_caller]
fn close(case: &str, ours: impl Into<Option<f64>>, reference: f64) {
    let ours = ours.into().unwrap_or_else(|| panic!("{case}: undefined, the reference is {reference}"));
    assert!((ours - reference).abs() <= 1e-12, "{case}: {ours}, the reference is {reference}");
}

#[track_caller]
fn all_close(case: &str, ours: &[f64], reference: &[f64]) {
    assert_eq!(ours.len(), reference.len(), "{case}");
    ours.iter().zip(reference).for_each(|(ours, reference)| close(case, *ours, *reference));
}

#[test]
fn auc_is_that_of_scikit_learn() {
    each_case(|name, case| close(name, stats::auc(&case.a, &case.positive), case.auc));
}

#[test]
fn roc_is_that_of_scikit_learn() {
    each_case(|name, case| {
        let roc = stats::roc(&case.a, &case.positive).unwrap();
        all_close(name, &roc.fpr, &case.roc.fpr);
        all_close(name, &roc.tpr, &case.roc.tpr);
        assert_eq!(roc.thresholds[1..], case.roc.thresholds, "{name}");
    });
}

#[test]
fn youdens_threshold_is_the_best_of_scikit_learns_curve() {
    each_case(|name, case| {
        let best = stats::youden(&case.a, &case.positive).unwrap();
        assert_eq!(best.threshold, case.youden.threshold, "{name}");
        close(name, best.sensitivity, case.youden.sensitivity);
        close(name, best.specificity, case.youden.specificity);
        close(name, best.index, case.youden.index);
    });
}

#[test]
fn delong_equals_its_definition() {
    each_case(|name, case| {
        let delong = stats::delong(&case.a, &case.positive).unwrap();
        close(name, delong.auc, case.auc);
        close(name, delong.variance, case.variance);
        let test = stats::delong_paired(&case.a, &case.b, &case.positive).unwrap();
        close(name, test.difference, case.paired.difference);
        close(name, test.std_error, case.paired.std_error);
        close(name, test.z, case.paired.z);
        close(name, test.p, case.paired.p);
    });
}

#[test]
fn ranks_and_spearman_are_those_of_scipy() {
    each_case(|name, case| {
        assert_eq!(stats::average_ranks(&case.a), case.ranks, "{name}");
        close(name, stats::spearman(&case.a, &case.b), case.spearman);
        let matrix = stats::spearman_matrix(&[&case.a, &case.b]);
        close(name, matrix[0][1], case.spearman);
        assert_eq!(matrix[0][0], Some(1.0), "{name}");
    });
}

#[test]
fn means_and_deviations_are_those_of_numpy() {
    each_case(|name, case| {
        let values: Vec<Option<f64>> = case.a.iter().copied().map(Some).collect();
        let summary = stats::summarize(&values);
        close(name, summary.mean, case.summary.mean);
        close(name, summary.std, case.summary.std);
        close(name, summary.min, case.summary.min);
        close(name, summary.max, case.summary.max);
    });
}
