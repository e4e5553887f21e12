//! The parts of a comparison besides the AUCs: further metrics, and patient groups.

use super::means::{DECIMALS, fewer_folds_of, labels};
use super::uncertainty::{about_intervals, interval};
use super::{Cell, Column, ReportTable};
use crate::records::{Comparison, GroupBy, GroupRow, Incomparable, MetricRow};
use crate::stats;

/// Average precision, sensitivity and specificity, Brier score and calibration error, as means over the folds.
pub(super) fn metrics(comparison: &Comparison) -> ReportTable {
    let names = ["Prevalence", "Average precision", "Sensitivity", "Specificity", "Brier score", "ECE"];
    let mut columns = vec![Column::left("Label"), Column::left("Model")];
    columns.extend(names.map(Column::right));
    let mut table = ReportTable::new("Beyond the AUC", columns);
    let figures: [fn(&MetricRow) -> Option<f64>; 6] = [
        |row| row.prevalence,
        |row| row.average_precision,
        |row| row.sensitivity,
        |row| row.specificity,
        |row| row.brier,
        |row| row.ece,
    ];
    let mut covered = Vec::new();
    for label in labels(comparison) {
        for model in &comparison.models {
            let rows: Vec<&MetricRow> = comparison
                .metrics
                .iter()
                .filter(|row| row.model == model.name && row.label == label)
                .collect();
            for (figure, heading) in figures.iter().zip(names) {
                let defined = rows.iter().filter(|row| figure(row).is_some()).count();
                let what = format!("{heading} of {label}, {}", model.name);
                covered.push((what, defined, rows.len()));
            }
            let cells = figures.map(|figure| {
                let summary = stats::summarize(&rows.iter().map(|row| figure(row)).collect::<Vec<_>>());
                Cell::MeanStd { mean: summary.mean, std: summary.std, decimals: DECIMALS }
            });
            let heads = [Cell::Text(label.to_owned()), Cell::Text(model.name.clone())];
            table.rows.push(heads.into_iter().chain(cells).collect());
        }
    }
    table.notes.push(
        "Sensitivity and specificity at the threshold with the largest Youden index on the validation images."
            .to_owned(),
    );
    table.notes.extend(fewer_folds_of(&covered));
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
        Column::right("Positives"),
    ];
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let mut kinds: Vec<GroupBy> = comparison.groups.iter().map(|row| row.by).collect();
    kinds.dedup();
    kinds.sort();
    kinds.dedup();
    let by: Vec<&str> = kinds.iter().map(|by| by.name()).collect();
    let mut table =
        ReportTable::new(format!("AUC by {} with 95 % confidence interval (DeLong)", by.join(", ")), columns);
    let mut covered = Vec::new();
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
                sum(|row| row.positives),
            ];
            cells.extend(comparison.models.iter().map(|model| {
                let rows = of_model(&model.name);
                let aucs: Vec<Option<f64>> = rows.iter().map(|row| row.auc).collect();
                let defined = aucs.iter().flatten().count();
                covered.push((format!("{label}, {group}, {}", model.name), defined, rows.len()));
                interval(&aucs, &rows.iter().map(|row| row.std_error).collect::<Vec<_>>())
            }));
            table.rows.push(cells);
        }
    }
    table.notes.push(about_intervals(comparison));
    if comparison.folds.len() > 1 {
        let each = comparison.division().name();
        table.notes.push(format!("Images and positives are sums over the {each}s. The mean ignores {each}s where the AUC is undefined."));
    }
    table.notes.extend(fewer_folds_of(&covered));
    table
}
