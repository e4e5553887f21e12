//! AUC tables, comparisons and Spearman matrices.

use super::{Cell, Column, Table};
use crate::records::{AucTable, Comparison, Spread};

const DECIMALS: usize = 4;

/// The AUCs of one model.
pub fn auc(title: &str, auc: &AucTable) -> Table {
    let columns =
        vec![Column::left("Label"), Column::right("AUC"), Column::right("Positives"), Column::right("Negatives")];
    let mut table = Table::new(title, columns);
    for label in &auc.labels {
        table.rows.push(vec![
            Cell::Text(label.label.clone()),
            Cell::Number { value: label.auc, decimals: DECIMALS },
            Cell::Integer(label.positives),
            Cell::Integer(label.negatives),
        ]);
    }
    table.rows.push(vec![Cell::Text("Mean".into()), Cell::Number { value: auc.mean, decimals: DECIMALS }]);
    let undefined = auc.labels.len() - auc.mean_over as usize;
    let mut note = format!("The mean covers {} of {} labels", auc.mean_over, auc.labels.len());
    if undefined > 0 {
        note += "; an AUC is n/a where all images have the label or none has it";
    }
    table.notes.push(note + ".");
    table
}

/// Table 4: the AUC of each label and model, over folds; the best of a label in bold.
pub fn comparison(comparison: &Comparison) -> Table {
    let mut columns = vec![Column::left("Label")];
    columns.extend(comparison.models.iter().map(|model| Column::right(&model.name)));
    let mut table = Table::new("AUC", columns);
    let labels = comparison.models.first().map_or(0, |model| model.labels.len());
    let cell = |spread: &Spread| Cell::MeanStd { mean: spread.mean, std: spread.std, decimals: DECIMALS };
    for label in 0..labels {
        let name = comparison.models[0].labels[label].label.clone();
        let cells = comparison.models.iter().map(|model| cell(&model.labels[label].auc));
        table.rows.push(std::iter::once(Cell::Text(name)).chain(cells).collect());
    }
    let means = comparison.models.iter().map(|model| cell(&model.mean));
    table.rows.push(std::iter::once(Cell::Text("Mean".into())).chain(means).collect());
    for row in 0..table.rows.len() {
        table.mark_best((1..=comparison.models.len()).map(|column| (row, column)));
    }
    table.notes = notes(comparison);
    table
}

fn notes(comparison: &Comparison) -> Vec<String> {
    let folds = match comparison.folds.len() {
        0 | 1 => "One fold, so no deviation.".to_owned(),
        n => format!("Mean ± sample standard deviation over {n} folds."),
    };
    let undefined: Vec<String> = comparison
        .models
        .first()
        .into_iter()
        .flat_map(|model| &model.labels)
        .filter(|label| (label.auc.n as usize) < label.auc.folds.len())
        .map(|label| format!("{} ({} of {})", label.label, label.auc.n, label.auc.folds.len()))
        .collect();
    let mut notes = vec![folds];
    if !undefined.is_empty() {
        notes.push(format!(
            "Undefined in some folds, as all images have the label or none has it, and left out of the means; folds that count: {}.",
            undefined.join(", ")
        ));
    }
    notes
}

/// Smallest and largest AUC of each label and model over the folds.
pub fn range(comparison: &Comparison) -> Table {
    let mut columns = vec![Column::left("Label")];
    for model in &comparison.models {
        columns.push(Column::right(format!("{} min", model.name)));
        columns.push(Column::right("max"));
    }
    let mut table = Table::new("Smallest and largest AUC over the folds", columns);
    let cells = |spread: &Spread| {
        [spread.min, spread.max].map(|value| Cell::Number { value, decimals: DECIMALS })
    };
    let labels = comparison.models.first().map_or(0, |model| model.labels.len());
    for label in 0..labels {
        let name = comparison.models[0].labels[label].label.clone();
        let row = comparison.models.iter().flat_map(|model| cells(&model.labels[label].auc));
        table.rows.push(std::iter::once(Cell::Text(name)).chain(row).collect());
    }
    let row = comparison.models.iter().flat_map(|model| cells(&model.mean));
    table.rows.push(std::iter::once(Cell::Text("Mean".into())).chain(row).collect());
    table
}

/// Table 5: Spearman's rank correlation of every pair of models.
pub fn spearman(comparison: &Comparison) -> Table {
    let mut columns = vec![Column::left("Model")];
    columns.extend(comparison.models.iter().map(|model| Column::right(&model.name)));
    let mut table = Table::new("Spearman's rank correlation of the scores", columns);
    for (model, row) in comparison.models.iter().zip(&comparison.spearman) {
        let cells = row.iter().map(|value| Cell::Number { value: *value, decimals: DECIMALS });
        table.rows.push(std::iter::once(Cell::Text(model.name.clone())).chain(cells).collect());
    }
    let over = match comparison.folds.len() {
        0 | 1 => "labels".to_owned(),
        n => format!("labels and {n} folds"),
    };
    table.notes.push(format!("Per label over the images of a fold, then averaged over {over}."));
    table
}

/// DeLong's paired tests, a row each.
pub fn delong(comparison: &Comparison) -> Table {
    let columns = vec![
        Column::left("Label"),
        Column::left("A"),
        Column::left("B"),
        Column::right("Fold"),
        Column::right("AUC A - B"),
        Column::right("Standard error"),
        Column::right("p"),
    ];
    let mut table = Table::new("DeLong's paired test, two-sided, not corrected for many tests", columns);
    for row in &comparison.delong {
        table.rows.push(vec![
            Cell::Text(row.label.clone()),
            Cell::Text(row.a.clone()),
            Cell::Text(row.b.clone()),
            row.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into())),
            Cell::Number { value: Some(row.difference), decimals: DECIMALS },
            Cell::Number { value: Some(row.std_error), decimals: DECIMALS },
            Cell::PValue(row.p),
        ]);
    }
    table
}
