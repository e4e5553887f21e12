//! The uncertainty of a comparison: intervals and paired tests.

use super::means::{DECIMALS, covered, labels};
use super::{Cell, Column, ReportTable};
use crate::digits::counted;
use crate::records::{Bootstrap, BootstrapRow, Comparison};
use crate::stats;

/// AUCs with DeLong's confidence interval.
pub(super) fn intervals(comparison: &Comparison) -> ReportTable {
    let mut columns = vec![Column::left("Label")];
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let mut table = ReportTable::new("AUC with 95 % confidence interval (DeLong)", columns);
    for (place, name) in labels(comparison).enumerate() {
        let cells = comparison.models.iter().map(|model| {
            let label = &model.labels[place];
            interval(&label.auc.folds, &label.std_errors)
        });
        table.rows.push(std::iter::once(Cell::Text(name.to_owned())).chain(cells).collect());
    }
    table.notes.push(about_intervals(comparison));
    table
}

/// The meaning of the intervals of a comparison.
pub(super) fn about_intervals(comparison: &Comparison) -> String {
    let each = comparison.division().name();
    let over = match comparison.folds.len() {
        0 | 1 => String::new(),
        _ => format!(
            "Mean over the {each}s where the AUC is defined; its standard error is the mean of the {each}s' standard errors, as if all {each}s had the same test images: conservative. "
        ),
    };
    format!(
        "{over}Normal distribution; images are treated as independent (--bootstrap resamples by patient); no interval for a single positive or negative, or for an AUC of 0 or 1."
    )
}

/// The mean AUC over folds with an interval. Random folds share images, in the worst case all of them; then the
/// standard error of the mean is the mean of the standard errors; it is never larger.
pub(super) fn interval(aucs: &[Option<f64>], std_errors: &[Option<f64>]) -> Cell {
    let value = stats::summarize(aucs).mean;
    let known: Vec<Option<f64>> = aucs.iter().zip(std_errors).map(|(auc, e)| auc.and(*e)).collect();
    let complete = aucs.iter().zip(&known).all(|(auc, e)| auc.is_some() == e.is_some());
    let std_error = stats::summarize(&known).mean.filter(|_| complete);
    let ends = value.zip(std_error).and_then(|(value, std_error)| stats::interval(value, std_error));
    Cell::Interval { value, ends, decimals: DECIMALS }
}

/// DeLong's paired tests, one row each.
pub(super) fn delong(comparison: &Comparison) -> ReportTable {
    let columns = vec![
        Column::left("Label"),
        Column::left("A"),
        Column::left("B"),
        Column::right(comparison.division().head()).key(),
        Column::right("AUC A - B"),
        Column::right("Standard error"),
        Column::right("p"),
        Column::right("p (Holm)"),
        Column::right("p (BH)"),
    ];
    let mut table = ReportTable::new("DeLong's paired test, two-sided", columns);
    for row in &comparison.delong {
        table.rows.push(vec![
            Cell::Text(row.label.clone()),
            Cell::Text(row.a.clone()),
            Cell::Text(row.b.clone()),
            row.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into())),
            Cell::Number { value: Some(row.difference), decimals: DECIMALS },
            Cell::Number { value: Some(row.std_error), decimals: DECIMALS },
            Cell::PValue(row.p),
            Cell::PValue(row.p_holm),
            Cell::PValue(row.p_bh),
        ]);
    }
    table.notes.push(format!("p-values are adjusted over the labels of a pair and {}: Holm controls the family-wise error rate, Benjamini-Hochberg (BH) the false discovery rate.", comparison.division().name()));
    table
}

/// The corrected resampled t-tests, one row each.
pub(super) fn resampled(comparison: &Comparison) -> ReportTable {
    let each = comparison.division().name();
    let columns = vec![
        Column::left("Label"),
        Column::left("A"),
        Column::left("B"),
        Column::right(format!("{}s", comparison.division().head())),
        Column::right("AUC A - B"),
        Column::right("Standard error"),
        Column::right("p"),
        Column::right("p (Holm)"),
        Column::right("p (BH)"),
    ];
    let mut table = ReportTable::new(format!("Corrected resampled t-test over {each}s, two-sided"), columns);
    let mean = format!("Mean over {}", covered(comparison));
    for row in &comparison.resampled {
        let of_labels = |p| if row.label.is_some() { Cell::PValue(p) } else { Cell::Empty };
        table.rows.push(vec![
            Cell::Text(row.label.clone().unwrap_or_else(|| mean.clone())),
            Cell::Text(row.a.clone()),
            Cell::Text(row.b.clone()),
            Cell::Integer(row.n.into()),
            Cell::Number { value: Some(row.difference), decimals: DECIMALS },
            Cell::Number { value: Some(row.std_error), decimals: DECIMALS },
            Cell::PValue(row.p),
            of_labels(row.p_holm),
            of_labels(row.p_bh),
        ]);
    }
    if let Some(row) = comparison.resampled.first() {
        let ratio = row.test_to_train;
        table.notes.push(format!(
            "Nadeau and Bengio (2003): variance over {each}s times 1/n + {ratio:.3} (ratio of test to training images), because {each}s share training images. p-values are adjusted over the labels of a pair."
        ));
    }
    table
}

/// Bootstrap intervals: AUCs by label, then differences of the means over the labels.
pub(super) fn bootstrap(comparison: &Comparison, bootstrap: &Bootstrap) -> ReportTable {
    let percent = 100.0 * bootstrap.level;
    let mut columns = vec![Column::left("Label")];
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let pairs: Vec<&BootstrapRow> =
        bootstrap.rows.iter().filter(|row| row.less.is_some() && row.label.is_none()).collect();
    let heading =
        |row: &&BootstrapRow| format!("{} - {}", row.model, row.less.as_deref().unwrap_or_default());
    columns.extend(pairs.iter().map(|row| Column::named(heading(row))));
    let title = format!(
        "AUC with {percent} % confidence interval, {} bootstrap resamples (by patient)",
        super::thousands(bootstrap.resamples.into())
    );
    let mut table = ReportTable::new(title, columns);
    let cell = |model: &str, less: Option<&str>, label: Option<&str>| {
        let same = |row: &&BootstrapRow| {
            row.model == model && row.less.as_deref() == less && row.label.as_deref() == label
        };
        let row = bootstrap.rows.iter().find(same);
        let ends = row.map(|row| [row.low, row.high]);
        Cell::Interval { value: row.map(|row| row.value), ends, decimals: DECIMALS }
    };
    let mean = format!("Mean over {}", covered(comparison));
    for label in labels(comparison).map(Some).chain([None]) {
        let mut row = vec![Cell::Text(label.unwrap_or(&mean).to_owned())];
        row.extend(comparison.models.iter().map(|model| cell(&model.name, None, label)));
        row.extend(pairs.iter().map(|pair| cell(&pair.model, pair.less.as_deref(), label)));
        table.rows.push(row);
    }
    let each = comparison.division().name();
    let folds = match comparison.folds.len() {
        0 | 1 => String::new(),
        _ => format!(
            " All {each}s have the same weight in a resample. Its value is the mean over the {each}s where the AUC is defined; a resample without any such {each} is not used."
        ),
    };
    table.notes.push(format!(
        "{} drawn with replacement, with all their images, seed {}; percentile intervals.{folds}",
        counted(bootstrap.patients, "patient"),
        bootstrap.seed
    ));
    let short: Vec<String> = bootstrap
        .rows
        .iter()
        .filter(|row| row.resamples < bootstrap.resamples && row.less.is_none())
        .filter_map(|row| Some(format!("{} of {} ({})", row.label.as_ref()?, row.model, row.resamples)))
        .collect();
    if !short.is_empty() {
        table.notes.push(format!(
            "Undefined in every {each} of some resamples, which are not used; resamples used: {}.",
            short.join(", ")
        ));
    }
    table
}
