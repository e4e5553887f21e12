//! The parts of a comparison besides the AUCs: further metrics, and patient groups.

use std::collections::BTreeSet;

use super::interval::{self, FoldAuc};
use super::means::{DECIMALS, fewer_folds_of, labels};
use super::pivot::{self, PivotColumn, by_label};
use super::uncertainty::{MissingIntervals, OF_TEST_IMAGES, about_intervals, method};
use super::{Cell, Column, ReportTable};
use crate::digits::counted;
use crate::records::{Comparison, GroupBy, Incomparable, OperatingPoint};
use crate::stats;
use crate::values::{Pivot, PivotRow, ValueSubject, long_comparison};

/// The metrics that are shown, with their statistics.
const METRICS: [(&str, &str); 12] = [
    ("Prevalence", "prevalence"),
    ("Average precision", "average_precision"),
    ("Threshold", "threshold_probability"),
    ("Sensitivity", "sensitivity"),
    ("Specificity", "specificity"),
    ("PPV", "ppv"),
    ("NPV", "npv"),
    ("Brier score", "brier"),
    ("ECE", "ece"),
    ("Calibration in the large", "calibration_in_the_large"),
    ("Intercept", "calibration_intercept"),
    ("Slope", "calibration_slope"),
];

/// The counts beside them.
const COUNTS: [(&str, &str); 3] =
    [("Positives", "positives"), ("Negatives", "negatives"), ("Positive patients", "positive_patients")];

/// Average precision, sensitivity and specificity, Brier score and calibration error, as means over the folds.
pub(super) fn metrics(comparison: &Comparison, metrics: &Pivot<'_>) -> ReportTable {
    let mut columns = vec![Column::left("Label"), Column::left("Model")];
    columns.extend(COUNTS.iter().chain(&METRICS).map(|(heading, _)| Column::right(*heading)));
    if let Some(prevalence) = comparison.prevalence {
        columns.extend(["PPV", "NPV"].map(|name| Column::right(format!("{name} at {prevalence}"))));
    }
    let mut table = ReportTable::new("Beyond the AUC", columns);
    let mut covered = Vec::new();
    for label in labels(comparison) {
        for model in &comparison.models {
            let is = |row: &&PivotRow<'_>| {
                (row.subject.model, row.subject.label.label()) == (Some(&*model.name), Some(label))
            };
            let rows: Vec<&PivotRow<'_>> = metrics.with("sensitivity").filter(is).collect();
            let mut row = vec![Cell::Text(label.to_owned()), Cell::Text(model.name.clone())];
            row.extend(COUNTS.map(|(_, count)| {
                rows.iter().filter_map(|row| row.count(count)).min().map_or(Cell::Empty, Cell::Integer)
            }));
            for (heading, statistic) in METRICS {
                let values = of_folds(&rows, |row| row.number(statistic));
                let what = format!("{heading} of {label}, {}", model.name);
                covered.push((what, values.iter().flatten().count(), values.len()));
                row.push(over_folds(&values));
            }
            row.extend(comparison.prevalence.into_iter().flat_map(|prevalence| stated(&rows, prevalence)));
            table.rows.push(row);
        }
    }
    let at = comparison.operating_point.unwrap_or(OperatingPoint::Youden);
    table.notes.push(format!(
        "Sensitivity, specificity and predictive values (PPV, NPV) at the threshold (a probability) with {at} on the validation images; PPV and NPV hold for the prevalence of these images unless another is stated. Calibration: a logistic regression of the truth on the logits; calibrated probabilities have slope 1 and intercept 0, and in the large (slope fixed at 1) a value above 0 says that probabilities are too low."
    ));
    table.notes.extend(fewer_folds_of(&covered, comparison.division().name()));
    let without: Vec<&str> = comparison
        .models
        .iter()
        .filter(|model| model.validation.len() < model.predictions.len())
        .map(|model| model.name.as_str())
        .collect();
    if !without.is_empty() {
        let each = comparison.division().name();
        table.notes.push(format!(
            "Validation predictions are missing in some {each}s of {}: compute them with `reg eval RUN --subset val`, or import another tool's with `reg predictions import --subset val` under the same --model.",
            without.join(", ")
        ));
    }
    let first = metrics.rows.first().map(|row| &row.subject);
    let bins = first.map_or(0, |first| {
        let is_bin = |row: &&PivotRow<'_>| ValueSubject { item: None, ..row.subject.clone() } == *first;
        metrics.with("mean_probability").filter(is_bin).count()
    });
    table.notes.push(format!(
        "Brier score and expected calibration error (ECE, {bins} bins of equal width; an edge belongs to the bin below) are computed from probabilities. The average precision of random scores equals the prevalence."
    ));
    table
}

/// A quantity of each fold, as the mean over its seeds.
fn of_folds(rows: &[&PivotRow<'_>], of: impl Fn(&PivotRow<'_>) -> Option<f64>) -> Vec<Option<f64>> {
    let seeds = rows.chunk_by(|a, b| a.subject.fold == b.subject.fold);
    seeds.map(|seeds| stats::summarize(&seeds.iter().map(|row| of(row)).collect::<Vec<_>>()).mean).collect()
}

fn over_folds(values: &[Option<f64>]) -> Cell {
    let summary = stats::summarize(values);
    Cell::MeanStd { mean: summary.mean, std: summary.std, decimals: DECIMALS }
}

/// The predictive values at a stated prevalence, as means over the folds.
fn stated(rows: &[&PivotRow<'_>], prevalence: f64) -> [Cell; 2] {
    let values = |row: &PivotRow<'_>| match row.number("sensitivity").zip(row.number("specificity")) {
        Some((sensitivity, specificity)) => stats::predictive_values(sensitivity, specificity, prevalence),
        None => [None; 2],
    };
    [0, 1].map(|which: usize| over_folds(&of_folds(rows, |row| values(row)[which])))
}

/// The bootstrap intervals of the metrics, one row per label, model and fold.
pub(super) fn metric_intervals(comparison: &Comparison, metrics: &Pivot<'_>) -> ReportTable {
    let interval = |heading, statistic, low, high| {
        PivotColumn::interval(heading, statistic, move |row| row.ends(low, high))
    };
    let columns = vec![
        PivotColumn::label(),
        PivotColumn::model("Model"),
        PivotColumn::fold(comparison.division()),
        PivotColumn::count("Positive patients", "positive_patients"),
        interval("Average precision", "average_precision", "average_precision_low", "average_precision_high"),
        interval("Sensitivity", "sensitivity", "sensitivity_low", "sensitivity_high"),
        interval("Specificity", "specificity", "specificity_low", "specificity_high"),
        interval("Brier score", "brier", "brier_low", "brier_high"),
        interval("ECE", "ece", "ece_low", "ece_high"),
    ];
    let title = "Beyond the AUC with 95 % bootstrap intervals (by patient)";
    let mut table = pivot::table(title, columns, by_label(comparison, metrics, "brier_low"));
    table.notes.push(format!(
        "{} {} resamples of patients with all their images, those with a positive image separately from the others; percentile intervals, not adjusted for multiplicity. The threshold is kept fixed. No interval with fewer than {} positive or negative patients, or without width.",
        OF_TEST_IMAGES,
        super::thousands(comparison.bootstrap.as_ref().map_or(0, |bootstrap| bootstrap.resamples.into())),
        stats::FEWEST_RESAMPLED
    ));
    table
}

/// Calibration curves: the mean probability and the observed frequency of each bin that has images.
pub(super) fn calibration(comparison: &Comparison, metrics: &Pivot<'_>) -> ReportTable {
    let observed = |row: &PivotRow<'_>| Cell::Number {
        value: row
            .number("positives")
            .zip(row.number("images"))
            .map(|(positives, images)| positives / images),
        decimals: DECIMALS,
    };
    let columns = vec![
        PivotColumn::label(),
        PivotColumn::model("Model"),
        PivotColumn::fold(comparison.division()),
        PivotColumn::number("From", "from", 2),
        PivotColumn::number("To", "to", 2),
        PivotColumn::count("Images", "images"),
        PivotColumn::count("Positives", "positives"),
        PivotColumn::number("Mean probability", "mean_probability", DECIMALS),
        PivotColumn::new(Column::right("Observed"), observed),
    ];
    let bins = by_label(comparison, metrics, "mean_probability").into_iter();
    let bins = bins.filter(|row| row.count("images").is_some_and(|images| images > 0));
    let mut table = pivot::table("Calibration curves", columns, bins);
    table.notes.push("Bins without images are left out. A calibrated model's mean probability is the observed share of positives.".to_owned());
    table
}

/// Tests between groups.
pub(super) fn group_tests(comparison: &Comparison, tests: &Pivot<'_>) -> ReportTable {
    let ends = |row: &PivotRow<'_>| interval::of_groups(row).ok()?.difference_interval();
    let columns = vec![
        PivotColumn::label(),
        PivotColumn::model("Model"),
        PivotColumn::named("Group", |of| of.group.map(str::to_owned)),
        PivotColumn::text("Largest group", "reference"),
        PivotColumn::fold(comparison.division()),
        PivotColumn::count("Positive patients", "positive_patients"),
        PivotColumn::interval("AUC difference", "difference", ends),
        PivotColumn::number("Standard error", "std_error", DECIMALS),
        PivotColumn::p_value("p", "p"),
        PivotColumn::p_value("p (Holm)", "p_holm"),
        PivotColumn::p_value("p (BH)", "p_bh"),
    ];
    let title = format!("AUC of groups minus that of the largest group ({})", method(comparison.variance));
    let mut table = pivot::table(title, columns, &tests.rows);
    let tests = tests.rows.iter().filter(|row| row.number("p").is_some()).count();
    table.notes.push(format!(
        "{OF_TEST_IMAGES} Two-sided; patients with images in both groups count in both. Positive patients: of the group with fewer. Family of tests: the {} of this table.",
        counted(tests as u64, "p-value")
    ));
    table
}

/// AUCs within groups, one table per grouping.
pub(super) fn each_group(comparison: &Comparison) -> Vec<ReportTable> {
    let long = long_comparison(comparison);
    let all = Pivot::of(&long, "groups");
    let kinds = KINDS.map(|by| all.rows.iter().filter(|row| row.subject.by == Some(by.name())).collect());
    let of_kind = |rows: Vec<&PivotRow<'_>>| {
        let mut table = groups(comparison, &rows);
        table.warning =
            (!comparison.incomparable.is_empty()).then(|| Incomparable::reasons(&comparison.incomparable));
        table
    };
    kinds.into_iter().filter(|rows: &Vec<_>| !rows.is_empty()).map(of_kind).collect()
}

/// The properties by which images are grouped, in the order of a heading.
const KINDS: [GroupBy; 3] = [GroupBy::Gender, GroupBy::View, GroupBy::Age];

/// AUCs within groups, one row per label and group.
pub(super) fn groups(comparison: &Comparison, all: &[&PivotRow<'_>]) -> ReportTable {
    let sums = [
        ("Images", "images"),
        ("Patients", "patients"),
        ("Positives", "positives"),
        ("Negatives", ""),
        ("Positive patients", "positive_patients"),
    ];
    let mut columns = vec![Column::left("Label"), Column::left("Group")];
    columns.extend(sums.map(|(heading, _)| Column::right(heading)));
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let there = |by: &&str| all.iter().any(|row| row.subject.by == Some(*by));
    let by: Vec<&str> = KINDS.iter().map(|by| by.name()).filter(there).collect();
    let mut table = ReportTable::new(
        format!("AUC by {} with 95 % confidence interval ({})", by.join(", "), method(comparison.variance)),
        columns,
    );
    let mut covered = Vec::new();
    let mut missing = MissingIntervals::default();
    // In the order of the first model's rows, followed by groups that only other models have.
    let mut seen = BTreeSet::new();
    let groups = all.iter().filter_map(|row| row.subject.by.zip(row.subject.group));
    let groups: Vec<_> = groups.filter(|group| seen.insert(*group)).collect();
    for label in labels(comparison) {
        for (by, group) in &groups {
            let of_model = |model: &str| -> Vec<&PivotRow<'_>> {
                let same = |row: &&PivotRow<'_>| {
                    let of = &row.subject;
                    (of.by, of.group) == (Some(*by), Some(*group))
                        && (of.label.label(), of.model) == (Some(label), Some(model))
                };
                all.iter().copied().filter(same).collect()
            };
            let first = comparison.models.first().map_or(Vec::new(), |model| of_model(&model.name));
            let count = |row: &PivotRow<'_>, what: &str| row.count(what).unwrap_or(0);
            let negatives = |row: &PivotRow<'_>| {
                count(row, "images").saturating_sub(count(row, "positives") + count(row, "missing"))
            };
            let sum = |(_, what): (&str, &str)| {
                let of =
                    |row: &&PivotRow<'_>| if what.is_empty() { negatives(row) } else { count(row, what) };
                Cell::Integer(first.iter().map(of).sum())
            };
            let mut cells = vec![Cell::Text(label.to_owned()), Cell::Text((*group).to_owned())];
            cells.extend(sums.map(sum));
            cells.extend(comparison.models.iter().map(|model| {
                let folds: Vec<FoldAuc> = of_model(&model.name).into_iter().map(FoldAuc::from).collect();
                let what = || format!("{label}, {group}, {}", model.name);
                covered.push((what(), folds.iter().filter(|fold| fold.auc.is_some()).count(), folds.len()));
                missing.cell(comparison.variance, &folds, what)
            }));
            table.rows.push(cells);
        }
    }
    table.notes.push(about_intervals(comparison));
    if comparison.folds.len() > 1 {
        let each = comparison.division().name();
        table.notes.push(format!("Images, patients, positives and negatives are sums over the {each}s. The mean ignores {each}s where the AUC is undefined."));
    }
    table.notes.extend(fewer_folds_of(&covered, comparison.division().name()));
    table.notes.extend(missing.note());
    table
}
