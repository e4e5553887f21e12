//! The statistics agree with scikit-learn, scipy, statsmodels and numpy, and the variances with their definitions.
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
    average_precision: f64,
    brier: f64,
    calibration: Calibration,
    bootstrap: Bootstrap,
    clustered: Clustered,
    calibration_line: Option<Line>,
    precision_recall: PrecisionRecall,
    at: At,
}

#[derive(Deserialize)]
struct Line {
    intercept: f64,
    slope: f64,
    in_the_large: f64,
}

#[derive(Deserialize)]
struct PrecisionRecall {
    precision: Vec<f64>,
    recall: Vec<f64>,
    thresholds: Vec<f64>,
}

/// Patients as clusters, from every pair of images.
#[derive(Deserialize)]
struct Clustered {
    patients: Vec<u32>,
    value: f64,
    std_error: f64,
    df: f64,
    interval: Option<[f64; 2]>,
    difference: f64,
    difference_std_error: f64,
    difference_df: f64,
    difference_interval: [f64; 2],
    p: f64,
    within: [f64; 2],
    delong_variance: f64,
    brunner_munzel: Option<f64>,
    mean: OfMean,
    mean_difference: OfMean,
}

#[derive(Deserialize)]
struct OfMean {
    value: f64,
    std_error: f64,
    df: f64,
}

#[derive(Deserialize)]
struct Calibration {
    ece: f64,
    images: Vec<u64>,
    positives: Vec<u64>,
    means: Vec<Option<f64>>,
}

#[derive(Deserialize)]
struct Bootstrap {
    weights: Vec<Vec<u32>>,
    aucs: Vec<Option<f64>>,
    bounds: [f64; 2],
    difference_bounds: [f64; 2],
}

#[derive(Deserialize)]
struct At {
    sensitivity: f64,
    specificity: f64,
    ppv: Option<f64>,
    npv: Option<f64>,
}

#[derive(Deserialize)]
struct SeveralTests {
    tests: Tests,
}

#[derive(Deserialize)]
struct Tests {
    p: Vec<f64>,
    holm: Vec<f64>,
    bh: Vec<f64>,
    resampled: Vec<Resampled>,
}

#[derive(Deserialize)]
struct Resampled {
    differences: Vec<f64>,
    test_to_train: f64,
    std_error: f64,
    t: f64,
    p: f64,
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

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/fixtures/stats/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn each_case(check: impl Fn(&str, Case)) {
    for name in CASES {
        check(name, read::<File>(name).case);
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

#[derive(Deserialize)]
struct SeveralSetups {
    setups: Setups,
}

#[derive(Deserialize)]
struct Setups {
    positive: Vec<bool>,
    patients: Vec<u32>,
    one: Vec<Vec<f64>>,
    other: Vec<Vec<f64>>,
    auc: f64,
    std_error: f64,
    df: f64,
    difference: f64,
    difference_std_error: f64,
    difference_df: f64,
    mean_scores: Vec<f64>,
    divisions: Vec<Vec<f64>>,
    pooled_std: f64,
    points: Vec<Points>,
}

#[derive(Deserialize)]
struct Points {
    sensitivity: f64,
    at_sensitivity: f64,
    specificity: f64,
    at_specificity: Option<f64>,
}

#[test]
fn the_mean_over_seeds_equals_its_definition_from_every_pair() {
    let of = read::<SeveralSetups>("setups").setups;
    let count = 1 + *of.patients.iter().max().unwrap() as usize;
    let place = |seeds: &[Vec<f64>]| {
        let placed = seeds
            .iter()
            .map(|scores| stats::PatientPlacements::new(scores, &of.positive, &of.patients, count).unwrap());
        stats::PatientPlacements::mean(placed).unwrap()
    };
    let (one, other) = (place(&of.one), place(&of.other));
    close("seeds", one.auc(), of.auc);
    let own = one.estimate().unwrap();
    close("seeds", own.std_error, of.std_error);
    relatively_close("seeds", own.df, of.df);
    let apart = one.less(&other).unwrap();
    close("seeds", apart.value, of.difference);
    close("seeds", apart.std_error, of.difference_std_error);
    relatively_close("seeds", apart.df, of.difference_df);
    // The same scores three times are one seed.
    let same = place(&[of.one[0].clone(), of.one[0].clone(), of.one[0].clone()]).estimate().unwrap();
    let alone = place(&of.one[..1]).estimate().unwrap();
    close("seeds", same.value, alone.value);
    close("seeds", same.std_error, alone.std_error);
}

#[test]
fn an_ensemble_is_the_mean_of_numpy() {
    let of = read::<SeveralSetups>("setups").setups;
    let models: Vec<&[f64]> = of.one.iter().map(Vec::as_slice).collect();
    all_close("ensemble", &stats::mean_scores(&models), &of.mean_scores);
}

#[test]
fn the_deviation_over_seeds_is_that_of_an_analysis_of_variance() {
    let of = read::<SeveralSetups>("setups").setups;
    close("seeds", stats::pooled_std(&of.divisions), of.pooled_std);
}

#[test]
fn a_stated_sensitivity_or_specificity_has_the_threshold_of_scikit_learns_curve() {
    let of = read::<SeveralSetups>("setups").setups;
    let scores = &of.one[0];
    for point in &of.points {
        let sensitive = stats::at_sensitivity(scores, &of.positive, point.sensitivity);
        assert_eq!(sensitive.map(|choice| choice.threshold), Some(point.at_sensitivity));
        let specific = stats::at_specificity(scores, &of.positive, point.specificity);
        assert_eq!(specific.map(|choice| choice.threshold), point.at_specificity);
    }
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

/// Degrees of freedom are not between 0 and 1.
#[track_caller]
fn relatively_close(case: &str, ours: f64, reference: f64) {
    assert!(
        (ours - reference).abs() <= 1e-11 * reference.abs(),
        "{case}: {ours}, the reference is {reference}"
    );
}

#[test]
fn obuchowski_equals_its_definition_from_every_pair() {
    each_case(|name, case| {
        let Case { a, b, positive, clustered: reference, .. } = &case;
        let count = 1 + *reference.patients.iter().max().unwrap() as usize;
        let place = |scores: &[f64]| {
            stats::PatientPlacements::new(scores, positive, &reference.patients, count).unwrap()
        };
        let (x, y) = (place(a), place(b));
        let own = x.estimate().unwrap();
        close(name, own.value, reference.value);
        assert_eq!(Some(own.value), stats::auc(a, positive), "{name}");
        close(name, own.std_error, reference.std_error);
        relatively_close(name, own.df, reference.df);
        let ends = own.logit_interval();
        assert_eq!(ends.is_some(), reference.interval.is_some(), "{name}");
        ends.iter().zip(&reference.interval).for_each(|(ours, theirs)| all_close(name, ours, theirs));
        let apart = x.less(&y).unwrap();
        close(name, apart.value, reference.difference);
        close(name, apart.std_error, reference.difference_std_error);
        relatively_close(name, apart.df, reference.difference_df);
        close(name, apart.p(), reference.p);
        all_close(name, &apart.difference_interval().unwrap(), &reference.difference_interval);
        all_close(name, &apart.within(0.05).unwrap(), &reference.within);
    });
}

#[test]
fn one_image_a_patient_is_delong_and_brunner_and_munzel() {
    each_case(|name, case| {
        let Case { a, positive, clustered: reference, .. } = &case;
        let patients: Vec<u32> = (0..a.len() as u32).collect();
        let alone =
            stats::PatientPlacements::new(a, positive, &patients, a.len()).unwrap().estimate().unwrap();
        close(name, alone.std_error.powi(2), reference.delong_variance);
        close(name, alone.std_error.powi(2), case.variance);
        let against_half = stats::Estimate { value: alone.value - 0.5, df: f64::INFINITY, ..alone };
        reference.brunner_munzel.iter().for_each(|p| close(name, against_half.p(), *p));
    });
}

#[test]
fn means_over_labels_have_the_covariance_of_their_labels() {
    each_case(|name, case| {
        let Case { a, b, positive, clustered: reference, .. } = &case;
        let mut other = positive.clone();
        other.rotate_right(3);
        let count = 1 + *reference.patients.iter().max().unwrap() as usize;
        let place = |scores: &[f64], truth: &[bool]| {
            stats::PatientPlacements::new(scores, truth, &reference.patients, count).unwrap()
        };
        let [ap, bp, ao, bo] =
            [(a, positive), (b, positive), (a, &other), (b, &other)].map(|(s, t)| place(s, t));
        let pairs = [
            (stats::mean_auc(&[&ap, &bo]), &reference.mean),
            (stats::mean_difference(&[(&ap, &bp), (&bo, &ao)]), &reference.mean_difference),
        ];
        for (ours, reference) in pairs {
            let ours = ours.unwrap();
            close(name, ours.value, reference.value);
            close(name, ours.std_error, reference.std_error);
            relatively_close(name, ours.df, reference.df);
        }
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

#[test]
fn average_precision_and_brier_score_are_those_of_scikit_learn() {
    each_case(|name, case| {
        close(name, stats::average_precision(&case.a, &case.positive), case.average_precision);
        close(name, stats::brier(&case.a, &case.positive), case.brier);
    });
}

#[test]
fn the_line_of_calibration_is_that_of_statsmodels() {
    each_case(|name, case| {
        let logits: Vec<f64> = case.a.iter().map(|p| (p / (1.0 - p)).ln()).collect();
        let ours = stats::calibration_line(&logits, &case.positive);
        assert_eq!(ours.is_some(), case.calibration_line.is_some(), "{name}");
        for (ours, reference) in ours.iter().zip(&case.calibration_line) {
            for (ours, reference) in [
                (ours.intercept, reference.intercept),
                (ours.slope, reference.slope),
                (ours.in_the_large, reference.in_the_large),
            ] {
                // statsmodels stops where the deviance changes no more.
                assert!(
                    (ours - reference).abs() <= 1e-7 * reference.abs().max(1.0),
                    "{name}: {ours}, {reference}"
                );
            }
        }
    });
}

#[test]
fn precision_recall_curves_are_those_of_scikit_learn() {
    each_case(|name, case| {
        let curve = stats::precision_recall(&case.a, &case.positive).unwrap();
        // scikit-learn leaves out what lies behind full recall.
        let shown = case.precision_recall.thresholds.len();
        all_close(name, &curve.precision[..shown], &case.precision_recall.precision);
        all_close(name, &curve.recall[..shown], &case.precision_recall.recall);
        assert_eq!(curve.thresholds[..shown], case.precision_recall.thresholds, "{name}");
    });
}

#[test]
fn calibration_equals_its_definition() {
    each_case(|name, case| {
        let ours = stats::calibration(&case.a, &case.positive, case.calibration.images.len()).unwrap();
        close(name, ours.ece, case.calibration.ece);
        let counts = |pick: fn(&stats::ReliabilityBin) -> u64| ours.bins.iter().map(pick).collect::<Vec<_>>();
        assert_eq!(counts(|bin| bin.images), case.calibration.images, "{name}");
        assert_eq!(counts(|bin| bin.positives), case.calibration.positives, "{name}");
        for (bin, mean) in ours.bins.iter().zip(&case.calibration.means) {
            assert_eq!(bin.mean.is_some(), mean.is_some(), "{name}");
            mean.iter().for_each(|mean| close(name, bin.mean, *mean));
        }
    });
}

#[test]
fn a_threshold_is_judged_on_other_scores_as_numpy_counts() {
    each_case(|name, case| {
        let judged = stats::at_threshold(&case.b, &case.positive, case.youden.threshold);
        close(name, judged.sensitivity, case.at.sensitivity);
        close(name, judged.specificity, case.at.specificity);
        for (ours, reference) in [(judged.ppv, case.at.ppv), (judged.npv, case.at.npv)] {
            assert_eq!(ours.is_some(), reference.is_some(), "{name}");
            reference.iter().for_each(|reference| close(name, ours, *reference));
        }
    });
}

#[test]
fn bootstrap_draws_and_bounds_are_those_of_scikit_learn_and_numpy() {
    each_case(|name, case| {
        let a = stats::InOrder::new(&case.a, &case.positive);
        let b = stats::InOrder::new(&case.b, &case.positive);
        let (mut drawn, mut differences) = (Vec::new(), Vec::new());
        for (weights, reference) in case.bootstrap.weights.iter().zip(&case.bootstrap.aucs) {
            let ours = a.auc(weights);
            assert_eq!(ours.is_some(), reference.is_some(), "{name}");
            if let Some(reference) = reference {
                close(name, ours, *reference);
                drawn.extend(ours);
                differences.extend(ours.zip(b.auc(weights)).map(|(a, b)| a - b));
            }
        }
        for (mut resamples, bounds) in
            [(drawn, case.bootstrap.bounds), (differences, case.bootstrap.difference_bounds)]
        {
            resamples.sort_by(f64::total_cmp);
            close(name, stats::quantile(&resamples, 0.025), bounds[0]);
            close(name, stats::quantile(&resamples, 0.975), bounds[1]);
        }
    });
}

#[test]
fn adjusted_p_values_are_those_of_scipy_and_of_their_definition() {
    let tests = read::<SeveralTests>("several-tests").tests;
    let p: Vec<Option<f64>> = tests.p.iter().copied().map(Some).collect();
    let defined = |p: Vec<Option<f64>>| p.into_iter().flatten().collect::<Vec<f64>>();
    all_close("Holm", &defined(stats::holm(&p)), &tests.holm);
    all_close("Benjamini and Hochberg", &defined(stats::benjamini_hochberg(&p)), &tests.bh);
}

#[test]
fn the_corrected_resampled_t_test_equals_its_definition() {
    for reference in read::<SeveralTests>("several-tests").tests.resampled {
        let ours = stats::resampled_t(&reference.differences, reference.test_to_train).unwrap();
        close("std_error", ours.std_error, reference.std_error);
        // Far from 0, t has fewer digits after the decimal point.
        let t = ours.t.unwrap();
        assert!((t - reference.t).abs() <= 1e-12 * reference.t.abs().max(1.0), "{t}, not {}", reference.t);
        close("p", ours.p, reference.p);
    }
}
