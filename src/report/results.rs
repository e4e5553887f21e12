//! AUC tables, comparisons and Spearman matrices.

use std::collections::BTreeMap;

use super::{Cell, Column, Table, dataset, details, features, thousands, uncertainty};
use crate::dataset::statistics::Statistics;
use crate::records::{self, AucTable, Comparison, Pooling, PublishedModel, Spread, Unfair};

pub(super) const DECIMALS: usize = 4;

/// The AUCs of one model.
pub fn auc(title: &str, auc: &AucTable) -> Table {
    let columns = vec![
        Column::left("Label"),
        Column::right("AUC"),
        Column::right("Positives"),
        Column::right("Negatives"),
    ];
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

/// Everything that a table's record says, as tables.
pub fn of(table: &records::Table) -> Vec<Table> {
    match table {
        records::Table::Auc(table) => vec![auc("AUC", table)],
        records::Table::Dataset(counted) => {
            let statistics = Statistics::from(counted);
            vec![dataset::overview(&statistics), dataset::prevalence(&statistics), dataset::ages(&statistics)]
        }
        records::Table::Comparison(comparison) => {
            tables(comparison).into_iter().map(|(_, table)| table).collect()
        }
        records::Table::Probe(probe) => vec![features::probe(probe)],
        records::Table::Heat(heat) => vec![features::heat(heat)],
        records::Table::Pointing(pointing) => vec![features::pointing(pointing)],
    }
}

/// The tables of a comparison by the name that the command line calls them by. What was not asked for when it was
/// made is not among them.
pub fn tables(comparison: &Comparison) -> Vec<(&'static str, Table)> {
    let mut tables = vec![
        ("auc", self::comparison(comparison)),
        ("spearman", spearman(comparison)),
        ("range", range(comparison)),
        ("intervals", uncertainty::intervals(comparison)),
        ("delong", uncertainty::delong(comparison)),
    ];
    if !comparison.resampled.is_empty() {
        tables.push(("resampled", uncertainty::resampled(comparison)));
    }
    if let Some(bootstrap) = &comparison.bootstrap {
        tables.push(("bootstrap", uncertainty::bootstrap(comparison, bootstrap)));
    }
    if !comparison.metrics.is_empty() {
        tables.push(("metrics", details::metrics(comparison)));
    }
    if !comparison.groups.is_empty() {
        tables.push(("groups", details::groups(comparison)));
    }
    for (_, table) in &mut tables {
        if !comparison.unfair.is_empty() {
            table.warning = Some(Unfair::reasons(&comparison.unfair));
            // Where nothing can be compared, nothing is best.
            table.bold.clear();
        }
    }
    tables
}

/// The tables that are shown unasked: AUCs, rank correlations, and what was asked for when it was made.
pub fn main_tables(comparison: &Comparison) -> Vec<Table> {
    let more = ["range", "intervals", "delong", "resampled"];
    tables(comparison).into_iter().filter(|(name, _)| !more.contains(name)).map(|(_, table)| table).collect()
}

/// Table 4: the AUC of each label and model, over folds; the best of a label in bold. With published numbers
/// beside, table 6.
fn comparison(comparison: &Comparison) -> Table {
    let published = comparison.published.iter().flat_map(|table| &table.models);
    let mut columns = vec![Column::left("Label")];
    columns.extend(comparison.models.iter().map(|model| Column::right(&model.name)));
    columns.extend(published.clone().map(|model| Column::right(&model.name)));
    let mut table = Table::new("AUC", columns);
    let cell = |spread: &Spread| Cell::MeanStd { mean: spread.mean, std: spread.std, decimals: DECIMALS };
    let of_others = |value: Option<f64>| {
        value.map_or(Cell::Empty, |value| Cell::Number { value: Some(value), decimals: 3 })
    };
    for (label, name) in labels(comparison).enumerate() {
        let cells = comparison.models.iter().map(|model| cell(&model.labels[label].auc));
        let of_label =
            |model: &PublishedModel| model.auc.iter().find(|other| other.label == name).map(|l| l.auc);
        let others = published.clone().map(|model| of_others(of_label(model)));
        table.rows.push(std::iter::once(Cell::Text(name.to_owned())).chain(cells).chain(others).collect());
    }
    let means = comparison.models.iter().map(|model| cell(&model.mean));
    let others = published.map(|model| of_others(model.mean));
    table.rows.push(std::iter::once(Cell::Text("Mean".into())).chain(means).chain(others).collect());
    for row in 0..table.rows.len() {
        table.mark_best((1..table.columns.len()).map(|column| (row, column)));
    }
    table.notes = notes(comparison);
    table
}

/// Names of the labels that are compared.
pub(super) fn labels(comparison: &Comparison) -> impl Iterator<Item = &str> {
    comparison.models.first().into_iter().flat_map(|model| &model.labels).map(|label| label.label.as_str())
}

fn notes(comparison: &Comparison) -> Vec<String> {
    let labels = labels(comparison).count();
    let same_folds =
        comparison.models.windows(2).all(|pair| pair[0].predictions.len() == pair[1].predictions.len());
    let folds = match comparison.folds.len() {
        0 | 1 => format!("One fold, so no deviation. The mean is over {labels} labels."),
        n => {
            let whose = if same_folds { format!("{n} folds") } else { "the folds of each model".to_owned() };
            format!(
                "Mean ± sample standard deviation over {whose}. The mean over {labels} labels is taken in each fold first."
            )
        }
    };
    // A fold that a model does not have is no undefined one.
    let undefined: BTreeMap<String, (u32, usize)> = comparison
        .models
        .iter()
        .flat_map(|model| model.labels.iter().map(|label| (label, model.predictions.len())))
        .filter(|(label, folds)| (label.auc.n as usize) < *folds)
        .map(|(label, folds)| (label.label.clone(), (label.auc.n, folds)))
        .collect();
    let undefined: Vec<String> =
        undefined.into_iter().map(|(label, (n, folds))| format!("{label} ({n} of {folds})")).collect();
    let mut notes = vec![folds];
    if comparison.shared_images {
        let images = comparison.models.first().map_or(&[][..], |model| &model.images);
        let images: Vec<String> = images.iter().map(|images| thousands(*images)).collect();
        notes.push(format!(
            "On the images alone that every model scored: {}, a fold each.",
            images.join(", ")
        ));
    }
    if !undefined.is_empty() {
        notes.push(format!(
            "Undefined in some folds, as all images have the label or none has it, and left out of the means; folds that count: {}.",
            undefined.join(", ")
        ));
    }
    let imported: Vec<&str> =
        comparison.models.iter().filter(|model| model.imported).map(|model| model.name.as_str()).collect();
    if !imported.is_empty() {
        notes.push(format!(
            "Scores of another tool: {}. What it was trained on is not known here, these patients perhaps among it.",
            imported.join(", ")
        ));
    }
    // What is from one place is said once.
    let mut sources: Vec<(String, Vec<&str>)> = Vec::new();
    for model in comparison.published.iter().flat_map(|table| &table.models) {
        let over = match (model.mean_over, model.mean) {
            (Some(n), _) => format!("; mean over {n} labels"),
            (None, Some(_)) => "; over how many labels its mean is, is not said".to_owned(),
            (None, None) => String::new(),
        };
        let source = format!("{}{over}", model.source);
        match sources.iter_mut().find(|(known, _)| *known == source) {
            Some((_, names)) => names.push(&model.name),
            None => sources.push((source, vec![&model.name])),
        }
    }
    for (source, names) in sources {
        notes.push(format!(
            "Published numbers, without scores and so not tested: {} ({source}).",
            names.join(", ")
        ));
    }
    notes
}

/// Labels with their places, in descending order of their mean AUC over all models, as figure 5 shows them.
pub(super) fn labels_by_mean(comparison: &Comparison) -> Vec<(usize, &str)> {
    let mut order: Vec<(f64, usize, &str)> = labels(comparison)
        .enumerate()
        .map(|(label, name)| {
            let means: Vec<f64> =
                comparison.models.iter().filter_map(|model| model.labels[label].auc.mean).collect();
            let mean = if means.is_empty() { -1.0 } else { means.iter().sum::<f64>() / means.len() as f64 };
            (mean, label, name)
        })
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    order.into_iter().map(|(_, label, name)| (label, name)).collect()
}

/// Figure 5: mean, smallest and largest AUC of each label and model over the folds, labels in descending order of
/// their mean over all models.
fn range(comparison: &Comparison) -> Table {
    let mut columns = vec![Column::left("Label")];
    for model in &comparison.models {
        let of = |what: &str| Column::right(format!("{} {what}", model.name));
        columns.extend([of("mean"), of("min"), of("max")]);
    }
    let mut table = Table::new("Mean, smallest and largest AUC over the folds", columns);
    let cells = |spread: &Spread| {
        [spread.mean, spread.min, spread.max].map(|value| Cell::Number { value, decimals: DECIMALS })
    };
    for (label, name) in labels_by_mean(comparison) {
        let row = comparison.models.iter().flat_map(|model| cells(&model.labels[label].auc));
        table.rows.push(std::iter::once(Cell::Text(name.to_owned())).chain(row).collect());
    }
    let row = comparison.models.iter().flat_map(|model| cells(&model.mean));
    table.rows.push(std::iter::once(Cell::Text("Mean".into())).chain(row).collect());
    table.notes.push("Labels in descending order of their mean AUC over all models.".to_owned());
    table
}

/// Table 5: Spearman's rank correlation of every pair of models.
fn spearman(comparison: &Comparison) -> Table {
    let mut columns = vec![Column::left("Model")];
    columns.extend(comparison.models.iter().map(|model| Column::right(&model.name)));
    let mut table = Table::new("Spearman's rank correlation of the scores", columns);
    for (model, row) in comparison.models.iter().zip(&comparison.spearman) {
        let cells = row.iter().map(|value| Cell::Number { value: *value, decimals: DECIMALS });
        table.rows.push(std::iter::once(Cell::Text(model.name.clone())).chain(cells).collect());
    }
    let folds = comparison.folds.len();
    table.notes.push(match (comparison.pooling, folds) {
        (Pooling::PerLabel, 0 | 1) => {
            "Per label over the images of a fold, then averaged over labels.".to_owned()
        }
        (Pooling::PerLabel, n) => {
            format!("Per label over the images of a fold, then averaged over labels and {n} folds.")
        }
        (Pooling::AllScores, 0 | 1) => "Over all scores of all labels at once.".to_owned(),
        (Pooling::AllScores, n) => {
            format!("Over all scores of all labels of a fold at once, then averaged over {n} folds.")
        }
    });
    table
}
