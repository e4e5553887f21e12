//! The thresholds of a run's labels, and what is right and wrong at each.

use super::means::DECIMALS;
use super::{Cell, Column, ReportTable};
use crate::records::{MetricRow, Scale};

/// The threshold of each label, as a probability, and the confusion table there: images with and without the label that
/// are at or above the threshold, and those below it. None without thresholds, which need scored validation images.
///
/// `scale` is that of the scores. Of several models or folds, each has its own row.
pub fn confusion(metrics: &[MetricRow], scale: Scale) -> Option<ReportTable> {
    let columns = vec![
        Column::left("Label"),
        Column::right("Threshold"),
        Column::right("True positives"),
        Column::right("False negatives"),
        Column::right("False positives"),
        Column::right("True negatives"),
        Column::right("Sensitivity"),
        Column::right("Specificity"),
    ];
    let mut table = ReportTable::new("Confusion table of each label at its threshold", columns);
    // Counts are recorded as shares of them, which are exact enough to come back.
    let of = |share: Option<f64>, all: u64| share.map(|share| ((share * all as f64).round() as u64).min(all));
    let count = |count: Option<u64>| count.map_or(Cell::Number { value: None, decimals: 0 }, Cell::Integer);
    let row = |row: &MetricRow| {
        let threshold = row.threshold?;
        let hits = of(row.sensitivity, row.positives);
        let rejected = of(row.specificity, row.negatives);
        let number = |value| Cell::Number { value, decimals: DECIMALS };
        Some(vec![
            Cell::Text(row.label.clone()),
            number(Some(scale.probability(threshold))),
            count(hits),
            count(hits.map(|hits| row.positives - hits)),
            count(rejected.map(|rejected| row.negatives - rejected)),
            count(rejected),
            number(row.sensitivity),
            number(row.specificity),
        ])
    };
    table.rows = metrics.iter().filter_map(row).collect();
    let without = metrics.iter().filter(|row| row.threshold.is_none()).count();
    table.notes.push(
        "The threshold, as a probability, has the largest Youden index (sensitivity + specificity − 1) on the validation images; the counts are of the test images."
            .to_owned(),
    );
    if without > 0 {
        table.notes.push(format!(
            "{without} of {} labels have no threshold: all validation images have the label, or none has.",
            metrics.len()
        ));
    }
    (!table.rows.is_empty()).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Format;

    #[test]
    fn counts_come_back_from_the_shares_that_are_recorded() {
        let row = |label: &str, threshold: Option<f64>| MetricRow {
            model: "m".to_owned(),
            label: label.to_owned(),
            fold: None,
            seed: None,
            positives: 3,
            negatives: 49,
            positive_patients: 3,
            prevalence: None,
            average_precision: None,
            threshold,
            threshold_probability: None,
            sensitivity: threshold.map(|_| 2.0 / 3.0),
            specificity: threshold.map(|_| 13.0 / 49.0),
            ppv: None,
            npv: None,
            brier: None,
            ece: None,
            line: None,
            intervals: None,
            bins: Vec::new(),
        };
        let rows = [row("Mass", Some(0.0)), row("Hernia", None)];
        let table = confusion(&rows, Scale::Logit).unwrap();
        assert!(
            table.render(Format::Csv).contains("Mass,0.5,2,1,36,13,0.666"),
            "{}",
            table.render(Format::Csv)
        );
        assert!(table.notes[1].starts_with("1 of 2 labels have no threshold"), "{:?}", table.notes);
        assert_eq!(confusion(&rows[1..], Scale::Logit), None);
    }
}
