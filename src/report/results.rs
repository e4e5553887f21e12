//! AUC tables, comparisons and Spearman matrices.

use std::collections::BTreeSet;

use super::means::{DECIMALS, covered, labels};
use super::{Cell, Column, ReportTable, dataset, details, features, thousands, uncertainty};
use crate::dataset::statistics::Statistics;
use crate::digits::counted;
use crate::records::{
    self, AucTable, ComparedModel, Comparison, Incomparable, Pooling, PublishedModel, Spread, Subset,
};

/// Heading of the row below a mean: the number of labels that it covers.
pub(super) const COVERED: &str = "Labels in the mean";
/// Number of rows below the labels of a table of AUCs: the mean and what it covers.
pub fn closing_rows(table: &ReportTable) -> usize {
    let is_mean = |row: &Vec<Cell>| matches!(row.first(), Some(Cell::Text(text)) if text == "Mean" || text.starts_with("Mean over "));
    let is_counts =
        |row: &Vec<Cell>| matches!(row.first(), Some(Cell::Text(text)) if text.starts_with(COVERED));
    let counts = table.rows.iter().rev().take_while(|row| is_counts(row)).count();
    let mean = table.rows.iter().rev().nth(counts).is_some_and(is_mean);
    if mean { counts + 1 } else { 0 }
}

/// The AUCs of one model.
pub fn auc(title: &str, auc: &AucTable) -> ReportTable {
    let columns = vec![
        Column::left("Label"),
        Column::right("AUC"),
        Column::right("Positives"),
        Column::right("Negatives"),
    ];
    let mut table = ReportTable::new(title, columns);
    let has_missing = auc.labels.iter().any(|label| label.missing.is_some());
    if has_missing {
        table.columns.push(Column::right("Missing"));
    }
    for label in &auc.labels {
        let mut row = vec![
            Cell::Text(label.label.clone()),
            Cell::Number { value: label.auc, decimals: DECIMALS },
            Cell::Integer(label.positives),
            Cell::Integer(label.negatives),
        ];
        row.extend(has_missing.then(|| Cell::Integer(label.missing.unwrap_or(0))));
        table.rows.push(row);
    }
    table.rows.push(vec![Cell::Text("Mean".into()), Cell::Number { value: auc.mean, decimals: DECIMALS }]);
    table.rows.push(vec![Cell::Text(COVERED.into()), Cell::Integer(auc.mean_over.into())]);
    let undefined = auc.labels.len().saturating_sub(auc.mean_over as usize);
    let mut note =
        format!("The mean covers {} of {}", auc.mean_over, counted(auc.labels.len() as u64, "label"));
    if undefined > 0 {
        note += "; an AUC is n/a if all images have the label or none has";
    }
    table.notes.push(note + ".");
    if has_missing {
        table.notes.push("An image whose label is missing is left out of that label's AUC.".to_owned());
    }
    table
}

/// All content of a table's record, as tables.
pub fn of(table: &records::Table) -> Vec<ReportTable> {
    match table {
        records::Table::Auc(table) => vec![auc("AUC", table)],
        records::Table::Dataset(counted) => {
            let statistics = Statistics::from(counted);
            vec![dataset::overview(&statistics), dataset::prevalence(&statistics), dataset::ages(&statistics)]
        }
        records::Table::Comparison(comparison) => {
            tables(comparison).into_iter().map(|(_, table)| table).collect()
        }
        records::Table::Probe(probe) => vec![features::probe(probe, None)],
        records::Table::Heatmap(heatmap) => vec![features::heatmap(heatmap)],
        records::Table::Pointing(pointing) => vec![features::pointing(pointing)],
    }
}

/// The tables of a comparison with their names on the command line. Optional tables that were not requested are
/// not included.
pub fn tables(comparison: &Comparison) -> Vec<(&'static str, ReportTable)> {
    let mut tables = vec![
        ("auc", self::comparison(comparison)),
        ("spearman", spearman(comparison)),
        ("range", range(comparison)),
        ("intervals", uncertainty::intervals(comparison)),
    ];
    if !comparison.delong.is_empty() {
        tables.push(("delong", uncertainty::delong(comparison)));
    }
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
    for (name, table) in &mut tables {
        if ["range", "intervals", "bootstrap"].contains(name) {
            table.notes.extend(fewer_folds(comparison));
        }
        if *name != "auc" {
            table.notes.extend(evaluated_on(comparison).map(str::to_owned));
        }
        if !comparison.incomparable.is_empty() {
            table.warning = Some(Incomparable::reasons(&comparison.incomparable));
            // If columns are not comparable, none is the best.
            table.bold.clear();
        }
    }
    tables
}

/// The tables that are shown by default: AUCs, rank correlations, and optional tables that were requested.
pub fn main_tables(comparison: &Comparison) -> Vec<ReportTable> {
    let more = ["range", "intervals", "delong", "resampled"];
    tables(comparison).into_iter().filter(|(name, _)| !more.contains(name)).map(|(_, table)| table).collect()
}

/// Table 4: the AUC of each label and model, over folds, with the best of a label in bold. With published
/// numbers, table 6.
fn comparison(comparison: &Comparison) -> ReportTable {
    let published = comparison.published.iter().flat_map(|table| &table.models);
    let mut columns = vec![Column::left("Label")];
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let ours = |name: &str| comparison.models.iter().any(|model| model.name == name);
    columns.extend(published.clone().map(|model| match ours(&model.name) {
        true => Column::under(&model.name, "(published)"),
        false => Column::named(&model.name),
    }));
    let title = match comparison.subset {
        Some(subset) if subset != Subset::Test => format!("AUC on {} images", subset_in_words(subset)),
        _ => "AUC".to_owned(),
    };
    let mut table = ReportTable::new(title, columns);
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
    let others = published.clone().map(|model| of_others(model.mean));
    table.rows.push(std::iter::once(Cell::Text("Mean".into())).chain(means).chain(others).collect());
    let mean_row = table.rows.len() - 1;
    for row in 0..=mean_row {
        // The best of values that are means over other folds or labels is not the best.
        let comparable =
            if row == mean_row { comparison.is_of_same_labels() } else { is_of_same_folds(comparison, row) };
        if comparable {
            table.mark_best((1..table.columns.len()).map(|column| (row, column)));
        }
    }
    table.rows.extend(counts(comparison, |count| vec![Cell::Integer(count)]));
    for row in table.rows.iter_mut().skip(mean_row + 1) {
        let over = |model: &PublishedModel| model.mean_over.map_or(Cell::Empty, |n| Cell::Integer(n.into()));
        row.extend(published.clone().map(over));
    }
    table.notes = notes(comparison);
    table
}

/// Whether a label, given by position, has an AUC in the same folds of all models.
fn is_of_same_folds(comparison: &Comparison, label: usize) -> bool {
    let defined = |model: &ComparedModel| -> Vec<bool> {
        model.labels[label].auc.folds.iter().map(Option::is_some).collect()
    };
    comparison.models.windows(2).all(|pair| defined(&pair[0]) == defined(&pair[1]))
}

/// The rows below a mean that say how many labels it covers: one, or two if folds differ. `cells` gives those of a
/// model.
fn counts(comparison: &Comparison, cells: impl Fn(u64) -> Vec<Cell>) -> Vec<Vec<Cell>> {
    let models = &comparison.models;
    let heads = match models.iter().all(|model| model.covers()[0] == model.covers()[1]) {
        true => vec![COVERED.to_owned()],
        false => ["fewest", "most"].map(|which| format!("{COVERED} ({which} of a fold)")).into(),
    };
    let row = |(of_fold, head): (usize, String)| {
        let cells = models.iter().flat_map(|model| cells(model.covers()[of_fold] as u64));
        std::iter::once(Cell::Text(head)).chain(cells).collect()
    };
    heads.into_iter().enumerate().map(row).collect()
}

/// What the means do not have in common: the labels that those of each model and fold leave out. `None` if all cover
/// the same.
pub(super) fn differently_covered(comparison: &Comparison) -> Option<String> {
    if comparison.is_of_same_labels() {
        return None;
    }
    let all: Vec<&str> = labels(comparison).collect();
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    for model in &comparison.models {
        let none = model.mean.folds.len() > comparison.folds.len();
        let folds = none.then_some(None).into_iter().chain(comparison.folds.iter().copied().map(Some));
        for (fold, covered) in folds.zip(model.covered()) {
            let Some(covered) = covered else { continue };
            let left_out: Vec<&str> = all.iter().filter(|label| !covered.contains(*label)).copied().collect();
            let left_out = if left_out.is_empty() {
                "all labels".to_owned()
            } else {
                format!("all but {}", left_out.join(", "))
            };
            let place = match fold {
                Some(fold) if comparison.folds.len() > 1 => format!("{} fold {fold}", model.name),
                _ => model.name.clone(),
            };
            match said.iter_mut().find(|(what, _)| *what == left_out) {
                Some((_, places)) => places.push(place),
                None => said.push((left_out, vec![place])),
            }
        }
    }
    let said: Vec<String> =
        said.iter().map(|(what, places)| format!("{} ({what})", places.join(", "))).collect();
    Some(format!("The means cover different labels, so none is marked as the best: {}.", said.join("; ")))
}

fn subset_in_words(subset: Subset) -> &'static str {
    match subset {
        Subset::Train => "training",
        Subset::Val => "validation",
        Subset::Test => "test",
    }
}

/// The caveat for numbers that were not computed on test images.
fn evaluated_on(comparison: &Comparison) -> Option<&'static str> {
    match comparison.subset? {
        Subset::Test => None,
        Subset::Val => Some(
            "On validation images, which were used to select the epoch: these numbers are too optimistic for a test.",
        ),
        Subset::Train => Some("On training images: these numbers say nothing about other patients."),
    }
}

/// Labels that are undefined in folds that a model has, each with the folds that are used.
fn undefined(comparison: &Comparison) -> Vec<String> {
    let of_label = |place: usize, name: &str| {
        let counts = comparison.models.iter().map(|model| {
            let (n, folds) = (model.labels[place].auc.n as usize, model.predictions.len());
            (model.name.as_str(), n, folds)
        });
        let counts: Vec<_> = counts.collect();
        let same = counts.windows(2).all(|pair| (pair[0].1, pair[0].2) == (pair[1].1, pair[1].2));
        let short = counts.iter().filter(|(_, n, folds)| n < folds);
        let said: Vec<String> = match same {
            true => short.take(1).map(|(_, n, folds)| format!("{n} of {folds}")).collect(),
            false => short.map(|(model, n, folds)| format!("{n} of {folds} of {model}")).collect(),
        };
        (!said.is_empty()).then(|| format!("{name} ({})", said.join(", ")))
    };
    labels(comparison).enumerate().filter_map(|(place, name)| of_label(place, name)).collect()
}

/// What is said of labels whose means cover fewer folds than their model has.
fn fewer_folds(comparison: &Comparison) -> Option<String> {
    let several = comparison.models.iter().any(|model| model.predictions.len() > 1);
    let undefined = if several { undefined(comparison) } else { Vec::new() };
    let each = comparison.division().name();
    (!undefined.is_empty()).then(|| {
        format!(
            "Undefined in some {each}s (all images have the label, or none has) and ignored in the means; {each}s used: {}.",
            undefined.join(", ")
        )
    })
}

fn notes(comparison: &Comparison) -> Vec<String> {
    let (division, each) = (comparison.division(), comparison.division().name());
    let covered = covered(comparison);
    let most = comparison.models.iter().map(|model| model.predictions.len()).max().unwrap_or(0);
    let same_folds = comparison.models.iter().all(|model| model.predictions.len() == most);
    let mut notes = vec![match most {
        0 | 1 if comparison.folds.len() > 1 => {
            format!("A single {each} each: no standard deviation. The mean is over {covered}.")
        }
        0 | 1 => format!("Single set of scored images: no standard deviation. The mean is over {covered}."),
        n => {
            let whose = if same_folds { division.counted(n) } else { format!("the {each}s of each model") };
            format!(
                "Mean ± sample standard deviation over {whose}. The mean over {covered} is computed within each {each} first."
            )
        }
    }];
    notes.extend(differently_covered(comparison));
    notes.extend(evaluated_on(comparison).map(str::to_owned));
    if comparison.shared_images {
        let images = comparison.models.first().map_or(&[][..], |model| &model.images);
        let images: Vec<String> = images.iter().map(|images| thousands(*images)).collect();
        notes.push(format!(
            "Only on images that every model scored; images per {each}: {}.",
            images.join(", ")
        ));
    }
    let missing = |model: &ComparedModel| model.labels.iter().any(|label| !label.missing.is_empty());
    if comparison.models.iter().any(missing) {
        notes.push(
            "An image whose label is missing is left out of all that is said of that label.".to_owned(),
        );
    }
    notes.extend(fewer_folds(comparison));
    let imported: Vec<&str> =
        comparison.models.iter().filter(|model| model.imported).map(|model| model.name.as_str()).collect();
    if !imported.is_empty() {
        notes.push(format!(
            "Imported: {}. It may have been trained on these test patients.",
            imported.join(", ")
        ));
    }
    // Models with the same source are listed together.
    let mut sources: Vec<(String, Vec<&str>)> = Vec::new();
    for model in comparison.published.iter().flat_map(|table| &table.models) {
        let over = match (model.mean_over, model.mean) {
            (Some(n), _) => format!("; mean over {}", counted(n.into(), "label")),
            (None, Some(_)) => "; number of labels of the mean not given".to_owned(),
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
            "Published numbers, not tested because there are no scores: {} ({source}).",
            names.join(", ")
        ));
    }
    notes
}

/// Labels with their indices, sorted by descending mean AUC over all models, as in figure 5.
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

/// Figure 5: mean, smallest and largest AUC of each label and model over the folds, with labels sorted by
/// descending mean over all models.
fn range(comparison: &Comparison) -> ReportTable {
    let mut columns = vec![Column::left("Label")];
    for model in &comparison.models {
        let of = |what: &str| Column::under(&model.name, what);
        columns.extend([of("mean"), of("min"), of("max")]);
    }
    let mut table = ReportTable::new(
        format!("Mean, smallest and largest AUC over the {}s", comparison.division().name()),
        columns,
    );
    let cells = |spread: &Spread| {
        [spread.mean, spread.min, spread.max].map(|value| Cell::Number { value, decimals: DECIMALS })
    };
    for (label, name) in labels_by_mean(comparison) {
        let row = comparison.models.iter().flat_map(|model| cells(&model.labels[label].auc));
        table.rows.push(std::iter::once(Cell::Text(name.to_owned())).chain(row).collect());
    }
    let row = comparison.models.iter().flat_map(|model| cells(&model.mean));
    table.rows.push(std::iter::once(Cell::Text("Mean".into())).chain(row).collect());
    table.rows.extend(counts(comparison, |count| vec![Cell::Integer(count), Cell::Empty, Cell::Empty]));
    table.notes.push(format!("The mean covers {}.", covered(comparison)));
    table.notes.extend(differently_covered(comparison));
    table.notes.push("Labels are sorted by descending mean AUC over all models.".to_owned());
    table
}

/// Heading of the rows below rank correlations: the number of cells that a mean covers.
const SPEARMAN_COVERED: &str = "Cells covered";

/// What a mean of rank correlations covers, and what it leaves out and why.
fn spearman_coverage(comparison: &Comparison, cells: usize) -> String {
    let of = match comparison.pooling {
        Pooling::PerLabel => "a label of a fold",
        Pooling::AllScores => "a fold with all labels",
    };
    let all = counted(cells as u64, "cell");
    if comparison.constant.is_empty() {
        return format!("Each mean covers {} of {all} ({of}).", thousands(cells as u64));
    }
    let models = comparison.models.len();
    let pairs = (0..models).flat_map(|a| (a + 1..models).map(move |b| (a, b)));
    let over: BTreeSet<usize> = pairs.map(|(a, b)| comparison.spearman_over(a, b)).collect();
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
                    (Some(label), Some(fold)) => format!("{label} in fold {fold}"),
                    (Some(label), None) => label.clone(),
                    (None, Some(fold)) => format!("fold {fold}"),
                    (None, None) => "all scores".to_owned(),
                }
            })
            .collect();
        if !own.is_empty() {
            left_out.push(format!("{} ({})", model.name, own.join(", ")));
        }
    }
    let compared = if over.len() > 1 { "; means over different cells are not comparable" } else { "" };
    format!(
        "The means cover {} of {all} ({of}){compared}. Left out, because a model gives all images the same score: {}.",
        over.join(", "),
        left_out.join("; ")
    )
}

/// Table 5: Spearman's rank correlation of every pair of models.
fn spearman(comparison: &Comparison) -> ReportTable {
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
