//! The parts of a comparison besides the AUCs: further metrics, and patient groups.

use super::interval::FoldAuc;
use super::means::{DECIMALS, fewer_folds_of, labels};
use super::uncertainty::{MissingIntervals, OF_TEST_IMAGES, about_intervals, method};
use super::{Cell, Column, ReportTable};
use crate::records::{Comparison, GroupBy, GroupRow, Incomparable, MetricRow, OperatingPoint};
use crate::stats;

/// Average precision, sensitivity and specificity, Brier score and calibration error, as means over the folds.
pub(super) fn metrics(comparison: &Comparison) -> ReportTable {
    let names = [
        "Prevalence",
        "Average precision",
        "Threshold",
        "Sensitivity",
        "Specificity",
        "PPV",
        "NPV",
        "Brier score",
        "ECE",
        "Calibration in the large",
        "Intercept",
        "Slope",
    ];
    let mut columns = vec![
        Column::left("Label"),
        Column::left("Model"),
        Column::right("Positives"),
        Column::right("Negatives"),
        Column::right("Positive patients"),
    ];
    columns.extend(names.map(Column::right));
    if let Some(prevalence) = comparison.prevalence {
        columns.extend(["PPV", "NPV"].map(|name| Column::right(format!("{name} at {prevalence}"))));
    }
    let mut table = ReportTable::new("Beyond the AUC", columns);
    let figures: [fn(&MetricRow) -> Option<f64>; 12] = [
        |row| row.prevalence,
        |row| row.average_precision,
        |row| row.threshold_probability,
        |row| row.sensitivity,
        |row| row.specificity,
        |row| row.ppv,
        |row| row.npv,
        |row| row.brier,
        |row| row.ece,
        |row| row.line.map(|line| line.in_the_large),
        |row| row.line.map(|line| line.intercept),
        |row| row.line.map(|line| line.slope),
    ];
    let mut covered = Vec::new();
    for label in labels(comparison) {
        for model in &comparison.models {
            let rows: Vec<&MetricRow> = comparison
                .metrics
                .iter()
                .filter(|row| row.model == model.name && row.label == label)
                .collect();
            let values = figures.map(|figure| of_folds(&rows, figure));
            for (values, heading) in values.iter().zip(names) {
                let what = format!("{heading} of {label}, {}", model.name);
                covered.push((what, values.iter().flatten().count(), values.len()));
            }
            let cells = values.map(|values| {
                let summary = stats::summarize(&values);
                Cell::MeanStd { mean: summary.mean, std: summary.std, decimals: DECIMALS }
            });
            let least = |count: fn(&MetricRow) -> u64| {
                rows.iter().map(|row| count(row)).min().map_or(Cell::Empty, Cell::Integer)
            };
            let heads = [
                Cell::Text(label.to_owned()),
                Cell::Text(model.name.clone()),
                least(|row| row.positives),
                least(|row| row.negatives),
                least(|row| row.positive_patients),
            ];
            let stated = comparison.prevalence.map(|prevalence| stated(&rows, prevalence));
            table.rows.push(heads.into_iter().chain(cells).chain(stated.into_iter().flatten()).collect());
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
    let bins = comparison.metrics.first().map_or(0, |row| row.bins.len());
    table.notes.push(format!(
        "Brier score and expected calibration error (ECE, {bins} bins of equal width; an edge belongs to the bin below) are computed from probabilities. The average precision of random scores equals the prevalence."
    ));
    table
}

/// A quantity of each fold, as the mean over its seeds.
fn of_folds(rows: &[&MetricRow], of: impl Fn(&MetricRow) -> Option<f64>) -> Vec<Option<f64>> {
    let seeds = rows.chunk_by(|a, b| a.fold == b.fold);
    seeds.map(|seeds| stats::summarize(&seeds.iter().map(|row| of(row)).collect::<Vec<_>>()).mean).collect()
}

/// The predictive values at a stated prevalence, as means over the folds.
fn stated(rows: &[&MetricRow], prevalence: f64) -> [Cell; 2] {
    let values = |row: &MetricRow| match row.sensitivity.zip(row.specificity) {
        Some((sensitivity, specificity)) => stats::predictive_values(sensitivity, specificity, prevalence),
        None => [None; 2],
    };
    [0, 1].map(|which: usize| {
        let summary = stats::summarize(&of_folds(rows, |row| values(row)[which]));
        Cell::MeanStd { mean: summary.mean, std: summary.std, decimals: DECIMALS }
    })
}

/// The bootstrap intervals of the metrics, one row per label, model and fold.
pub(super) fn metric_intervals(comparison: &Comparison) -> ReportTable {
    let names = ["Average precision", "Sensitivity", "Specificity", "Brier score", "ECE"];
    let mut columns =
        vec![Column::left("Label"), Column::left("Model"), Column::right(comparison.division().head()).key()];
    columns.push(Column::right("Positive patients"));
    columns.extend(names.map(Column::right));
    let mut table = ReportTable::new("Beyond the AUC with 95 % bootstrap intervals (by patient)", columns);
    for label in labels(comparison) {
        for row in comparison.metrics.iter().filter(|row| row.label == label) {
            let Some(ends) = row.intervals else { continue };
            let cell = |value, ends| Cell::Interval { value, ends, decimals: DECIMALS };
            table.rows.push(vec![
                Cell::Text(label.to_owned()),
                Cell::Text(row.model.clone()),
                row.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into())),
                Cell::Integer(row.positive_patients),
                cell(row.average_precision, ends.average_precision),
                cell(row.sensitivity, ends.sensitivity),
                cell(row.specificity, ends.specificity),
                cell(row.brier, ends.brier),
                cell(row.ece, ends.ece),
            ]);
        }
    }
    table.notes.push(format!(
        "{} {} resamples of patients with all their images, those with a positive image separately from the others; percentile intervals, not adjusted for multiplicity. The threshold is kept fixed. No interval with fewer than {} positive or negative patients, or without width.",
        OF_TEST_IMAGES,
        super::thousands(comparison.bootstrap.as_ref().map_or(0, |bootstrap| bootstrap.resamples.into())),
        stats::FEWEST_RESAMPLED
    ));
    table
}

/// Calibration curves: the mean probability and the observed frequency of each bin that has images.
pub(super) fn calibration(comparison: &Comparison) -> ReportTable {
    let columns = vec![
        Column::left("Label"),
        Column::left("Model"),
        Column::right(comparison.division().head()).key(),
        Column::right("From"),
        Column::right("To"),
        Column::right("Images"),
        Column::right("Positives"),
        Column::right("Mean probability"),
        Column::right("Observed"),
    ];
    let mut table = ReportTable::new("Calibration curves", columns);
    for label in labels(comparison) {
        for row in comparison.metrics.iter().filter(|row| row.label == label) {
            let width = 1.0 / row.bins.len().max(1) as f64;
            for (place, bin) in row.bins.iter().enumerate().filter(|(_, bin)| bin.images > 0) {
                let number = |value, decimals| Cell::Number { value: Some(value), decimals };
                table.rows.push(vec![
                    Cell::Text(label.to_owned()),
                    Cell::Text(row.model.clone()),
                    row.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into())),
                    number(place as f64 * width, 2),
                    number((place + 1) as f64 * width, 2),
                    Cell::Integer(bin.images),
                    Cell::Integer(bin.positives),
                    Cell::Number { value: bin.mean, decimals: DECIMALS },
                    number(bin.positives as f64 / bin.images as f64, DECIMALS),
                ]);
            }
        }
    }
    table.notes.push("Bins without images are left out. A calibrated model's mean probability is the observed share of positives.".to_owned());
    table
}

/// Tests between groups.
pub(super) fn group_tests(comparison: &Comparison) -> ReportTable {
    let columns = vec![
        Column::left("Label"),
        Column::left("Model"),
        Column::left("Group"),
        Column::left("Largest group"),
        Column::right(comparison.division().head()).key(),
        Column::right("Positive patients"),
        Column::right("AUC difference"),
        Column::right("Standard error"),
        Column::right("p"),
        Column::right("p (Holm)"),
        Column::right("p (BH)"),
    ];
    let title = format!("AUC of groups minus that of the largest group ({})", method(comparison.variance));
    let mut table = ReportTable::new(title, columns);
    for row in &comparison.group_tests {
        let estimate = stats::Estimate {
            value: row.difference,
            std_error: row.std_error.value.unwrap_or(0.0),
            df: row.std_error.df.unwrap_or(f64::INFINITY),
        };
        table.rows.push(vec![
            Cell::Text(row.label.clone()),
            Cell::Text(row.model.clone()),
            Cell::Text(row.group.clone()),
            Cell::Text(row.reference.clone()),
            row.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into())),
            Cell::Integer(row.positive_patients),
            Cell::Interval {
                value: Some(row.difference),
                // As for the p-value, there must be enough patients.
                ends: row.p.and_then(|_| estimate.difference_interval()),
                decimals: DECIMALS,
            },
            Cell::Number { value: row.std_error.value, decimals: DECIMALS },
            Cell::PValue(row.p),
            Cell::PValue(row.p_holm),
            Cell::PValue(row.p_bh),
        ]);
    }
    let tests = comparison.group_tests.iter().filter(|row| row.p.is_some()).count();
    table.notes.push(format!(
        "{OF_TEST_IMAGES} Two-sided; patients with images in both groups count in both. Positive patients: of the group with fewer. Family of tests: the {tests} p-values of this table."
    ));
    table
}

/// AUCs within groups, one table per grouping.
pub(super) fn each_group(comparison: &Comparison) -> Vec<ReportTable> {
    let by = |by: GroupBy| {
        let of = comparison.groups.iter().filter(|row| row.by == by).cloned().collect();
        Comparison { groups: of, ..comparison.clone() }
    };
    let kinds = [GroupBy::Gender, GroupBy::View, GroupBy::Age].into_iter().map(by);
    kinds
        .filter(|only| !only.groups.is_empty())
        .map(|only| {
            let mut table = groups(&only);
            table.warning =
                (!only.incomparable.is_empty()).then(|| Incomparable::reasons(&only.incomparable));
            table
        })
        .collect()
}

/// AUCs within groups, one row per label and group.
pub(super) fn groups(comparison: &Comparison) -> ReportTable {
    let mut columns = vec![
        Column::left("Label"),
        Column::left("Group"),
        Column::right("Images"),
        Column::right("Patients"),
        Column::right("Positives"),
        Column::right("Negatives"),
        Column::right("Positive patients"),
    ];
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let mut kinds: Vec<GroupBy> = comparison.groups.iter().map(|row| row.by).collect();
    kinds.dedup();
    kinds.sort();
    kinds.dedup();
    let by: Vec<&str> = kinds.iter().map(|by| by.name()).collect();
    let mut table = ReportTable::new(
        format!("AUC by {} with 95 % confidence interval ({})", by.join(", "), method(comparison.variance)),
        columns,
    );
    let mut covered = Vec::new();
    let mut missing = MissingIntervals::default();
    // In the order of the first model's rows, followed by groups that only other models have.
    let mut groups: Vec<(GroupBy, &str)> = Vec::new();
    for row in &comparison.groups {
        if !groups.contains(&(row.by, row.group.as_str())) {
            groups.push((row.by, &row.group));
        }
    }
    for label in labels(comparison) {
        for (by, group) in &groups {
            let of_model = |model: &str| -> Vec<&GroupRow> {
                let same = |row: &&GroupRow| {
                    row.by == *by && row.group == *group && row.label == label && row.model == model
                };
                comparison.groups.iter().filter(same).collect()
            };
            let first = comparison.models.first().map_or(Vec::new(), |model| of_model(&model.name));
            let sum = |count: fn(&GroupRow) -> u64| Cell::Integer(first.iter().map(|row| count(row)).sum());
            let mut cells = vec![
                Cell::Text(label.to_owned()),
                Cell::Text((*group).to_owned()),
                sum(|row| row.images),
                sum(|row| row.patients),
                sum(|row| row.positives),
                sum(|row| row.images.saturating_sub(row.positives + row.missing.unwrap_or(0))),
                sum(|row| row.positive_patients),
            ];
            cells.extend(comparison.models.iter().map(|model| {
                let rows = of_model(&model.name);
                let aucs: Vec<Option<f64>> = rows.iter().map(|row| row.auc).collect();
                let defined = aucs.iter().flatten().count();
                covered.push((format!("{label}, {group}, {}", model.name), defined, rows.len()));
                let folds: Vec<FoldAuc> = rows.iter().map(|row| FoldAuc::from(*row)).collect();
                missing.cell(comparison.variance, &folds, || format!("{label}, {group}, {}", model.name))
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
