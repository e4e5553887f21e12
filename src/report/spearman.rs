//! Rank correlations of a comparison: table 5.

use std::collections::BTreeSet;

use super::means::DECIMALS;
use super::{Cell, Column, ReportTable, thousands};
use crate::digits::counted;
use crate::records::{Comparison, Pooling};

/// Heading of the rows below rank correlations: the number of correlations that a mean covers.
const SPEARMAN_COVERED: &str = "Correlations covered";

/// What a mean of rank correlations covers, and what it leaves out and why.
fn spearman_coverage(comparison: &Comparison, cells: usize) -> String {
    let each = comparison.division().name();
    let of = match comparison.pooling {
        Pooling::PerLabel => format!("one for each label and {each}"),
        Pooling::AllScores => format!("one for each {each}, of all labels"),
    };
    let all = counted(cells as u64, "correlation");
    if comparison.constant.is_empty() {
        return format!("Each mean is over {all}, {of}.");
    }
    let models = comparison.models.len();
    if comparison.constant.len() == models * cells {
        let why = match models {
            1 => "the model gives all images the same score",
            _ => "no image is scored by all models, or each gives all of them the same score",
        };
        return format!("No mean is defined: it would cover {all}, {of}, but {why}.");
    }
    // One model correlates with itself alone.
    let pairs = (0..models).flat_map(|a| (a + 1..models).map(move |b| (a, b)));
    let alone = (models == 1).then_some((0, 0));
    let over: BTreeSet<usize> = pairs.chain(alone).map(|(a, b)| comparison.spearman_over(a, b)).collect();
    let over: Vec<String> = over.into_iter().map(|count| thousands(count as u64)).collect();
    let mut left_out: Vec<String> = Vec::new();
    for model in &comparison.models {
        let own: Vec<String> = comparison
            .constant
            .iter()
            .filter(|cell| cell.model == model.name)
            .map(|cell| {
                let several = comparison.folds.len() > 1;
                match (&cell.label, cell.fold.filter(|_| several)) {
                    (Some(label), Some(fold)) => format!("{label} in {each} {fold}"),
                    (Some(label), None) => label.clone(),
                    (None, Some(fold)) => format!("{each} {fold}"),
                    (None, None) => "all scores".to_owned(),
                }
            })
            .collect();
        if !own.is_empty() {
            left_out.push(format!("{} ({})", model.name, own.join(", ")));
        }
    }
    let compared = if over.len() > 1 { "; means over different correlations are not comparable" } else { "" };
    format!(
        "The means are over {} of {all}, {of}{compared}. Left out, because a model gives all images the same score: {}.",
        over.join(", "),
        left_out.join("; ")
    )
}

/// Table 5: Spearman's rank correlation of every pair of models.
pub(super) fn spearman(comparison: &Comparison) -> ReportTable {
    let mut columns = vec![Column::left("Model")];
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let mut table = ReportTable::new("Spearman's rank correlation of the scores", columns);
    for (model, row) in comparison.models.iter().zip(&comparison.spearman) {
        let cells = row.iter().map(|value| Cell::Number { value: *value, decimals: DECIMALS });
        table.rows.push(std::iter::once(Cell::Text(model.name.clone())).chain(cells).collect());
    }
    let (models, cells) = (comparison.models.len(), comparison.spearman_cells());
    let over = |a: usize, b: usize| Cell::Integer(comparison.spearman_over(a, b) as u64);
    if comparison.constant.is_empty() {
        let head = std::iter::once(Cell::Text(SPEARMAN_COVERED.to_owned()));
        table.rows.push(head.chain((0..models).map(|model| over(model, model))).collect());
    } else {
        for (a, model) in comparison.models.iter().enumerate() {
            let head = std::iter::once(Cell::Text(format!("{SPEARMAN_COVERED} with {}", model.name)));
            table.rows.push(head.chain((0..models).map(|b| over(a, b))).collect());
        }
    }
    table.notes.push(spearman_coverage(comparison, cells));
    let (division, each) = (comparison.division(), comparison.division().name());
    let folds = comparison.folds.len();
    table.notes.push(match (comparison.pooling, folds) {
        (Pooling::PerLabel, 0 | 1) => {
            "Computed per label over the scored images, then averaged over labels.".to_owned()
        }
        (Pooling::PerLabel, n) => {
            format!(
                "Computed per label over the images of a {each}, then averaged over labels and {}.",
                division.counted(n)
            )
        }
        (Pooling::AllScores, 0 | 1) => "Computed over all scores of all labels together.".to_owned(),
        (Pooling::AllScores, n) => {
            format!(
                "Computed over all scores of all labels of a {each} together, then averaged over {}.",
                division.counted(n)
            )
        }
    });
    table
}
