//! AUC tables, comparisons and Spearman matrices.

use std::collections::BTreeSet;

use super::means::{DECIMALS, PATHOLOGIES, covered, labels, mean_over_pathologies, of_pathologies};
use super::pivot::of_models;
use super::uncertainty::PairTests;
use super::{
    Cell, Column, ReportTable, counts, dataset, details, features, seeds, spearman, thousands, uncertainty,
};
use crate::dataset::statistics::Statistics;
use crate::digits::counted;
use crate::records::{
    self, AucTable, ComparedModel, Comparison, ConstantScores, Incomparable, LabelAuc, LabelSpread,
    LabelThreshold, LeakCheck, PublishedModel, Spread, Subset,
};
use crate::values::{Pivot, PivotRow, long_comparison};

/// Heading of the row below a mean: the number of labels that it covers.
pub(super) const COVERED: &str = "Labels in the mean";
/// Number of rows below the labels of a table of AUCs: the means and what they cover.
pub fn closing_rows(table: &ReportTable) -> usize {
    let is_mean = |row: &Vec<Cell>| matches!(row.first(), Some(Cell::Text(text)) if text == "Mean" || text.starts_with("Mean over "));
    let is_counts =
        |row: &Vec<Cell>| matches!(row.first(), Some(Cell::Text(text)) if text.starts_with(COVERED));
    let counts = table.rows.iter().rev().take_while(|row| is_counts(row)).count();
    let means = table.rows.iter().rev().skip(counts).take_while(|row| is_mean(row)).count();
    if means > 0 { counts + means } else { 0 }
}

/// The AUCs of one model.
pub fn auc(title: &str, auc: &AucTable) -> ReportTable {
    let columns = vec![
        Column::left("Label"),
        Column::right("AUC"),
        Column::right("Positives"),
        Column::right("Negatives"),
        Column::right("Positive patients"),
    ];
    let mut table = ReportTable::new(title, columns);
    let has_missing = auc.labels.iter().any(|label| label.missing.is_some());
    if has_missing {
        table.columns.push(Column::right("Missing"));
    }
    if auc.operating_point.is_some() {
        table.columns.extend(["Threshold", "Sensitivity", "Specificity"].map(Column::right));
    }
    for label in &auc.labels {
        let mut row = vec![
            Cell::Text(label.label.clone()),
            Cell::Number { value: label.auc, decimals: DECIMALS },
            Cell::Integer(label.positives),
            Cell::Integer(label.negatives),
            Cell::Integer(label.positive_patients),
        ];
        row.extend(has_missing.then(|| Cell::Integer(label.missing.unwrap_or(0))));
        if auc.operating_point.is_some() {
            row.extend(threshold_cells(label));
        }
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
    let constant = auc.labels.iter().filter(|label| label.constant).map(|label| label.label.as_str());
    table.caution = constant_scores(constant.collect(), "");
    table.notes.push(format!("Images: {}. Patients: {}.", thousands(auc.images), thousands(auc.patients)));
    table.notes.extend(auc.of_images.map(|all| {
        format!("PART OF THE IMAGES ONLY: {} of {} are scored.", thousands(auc.images), thousands(all))
    }));
    if has_missing {
        table.notes.push("An image whose label is missing is left out of that label's AUC.".to_owned());
    }
    table.notes.extend(about_thresholds(auc));
    table
}

/// The threshold of a label as a probability, and its sensitivity and specificity.
fn threshold_cells(label: &LabelAuc) -> [Cell; 3] {
    let of = |of: fn(&LabelThreshold) -> f64| Cell::Number {
        value: label.threshold.as_ref().map(of),
        decimals: DECIMALS,
    };
    [of(|of| of.probability), of(|of| of.sensitivity), of(|of| of.specificity)]
}

/// The operating points of a model: for each label the probability from which on an image counts as positive, with the
/// images on which it was chosen.
pub fn thresholds(title: &str, auc: &AucTable) -> ReportTable {
    let columns = vec![
        Column::left("Label"),
        Column::right("Threshold"),
        Column::right("Sensitivity"),
        Column::right("Specificity"),
        Column::right("Positives"),
        Column::right("Negatives"),
        Column::right("Positive patients"),
    ];
    let mut table = ReportTable::new(title, columns);
    for label in &auc.labels {
        let counts = [label.positives, label.negatives, label.positive_patients].map(Cell::Integer);
        let head = std::iter::once(Cell::Text(label.label.clone()));
        table.rows.push(head.chain(threshold_cells(label)).chain(counts).collect());
    }
    table.notes.extend(about_thresholds(auc));
    table
}

/// How thresholds were chosen, and on how many images; `None` where none were.
pub fn about_thresholds(auc: &AucTable) -> Option<String> {
    let missing = auc.labels.iter().any(|label| label.threshold.is_none());
    let why = if missing { " n/a: only one class, or no threshold reaches the target." } else { "" };
    Some(format!(
        "An image counts as positive if its probability is at least the threshold, which has {} on these {} of {}.{why}",
        auc.operating_point?,
        counted(auc.images, "image"),
        counted(auc.patients, "patient")
    ))
}

/// What is said of labels for which a model gives all images the same score.
fn constant_scores(labels: Vec<&str>, of: &str) -> Option<String> {
    (!labels.is_empty()).then(|| {
        format!(
            "all images have the same score for {}{of}; such an AUC of 0.5 says nothing about the model.",
            labels.join(", ")
        )
    })
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
    let long = long_comparison(comparison);
    let of = |table| Pivot::of(&long, table);
    let aucs = of("auc");
    let [paired, resampled] = [PairTests::paired(comparison, &long), PairTests::resampled(comparison, &long)];
    let mut tables = vec![
        ("auc", self::comparison(comparison)),
        ("spearman", spearman::spearman(comparison)),
        ("range", range(comparison, &aucs)),
        ("intervals", uncertainty::intervals(comparison)),
        ("counts", counts::counts(comparison)),
    ];
    if let Some(differences) = uncertainty::differences(&paired, &resampled) {
        tables.insert(1, ("differences", differences));
    }
    let more = [("ranking", seeds::ranking(comparison)), ("seeds", seeds::seeds(comparison, &aucs))];
    for (name, table) in more {
        tables.extend(table.map(|table| (name, table)));
    }
    if !paired.is_empty() {
        tables.push(("delong", uncertainty::delong(&paired)));
    }
    if !resampled.is_empty() {
        tables.push(("resampled", uncertainty::resampled(&resampled)));
    }
    let [bootstrap, metrics, groups, tests] = ["bootstrap", "metrics", "groups", "group-tests"].map(of);
    if !bootstrap.rows.is_empty() {
        tables.push(("bootstrap", uncertainty::bootstrap(comparison, &bootstrap)));
    }
    if !metrics.rows.is_empty() {
        tables.push(("metrics", details::metrics(comparison, &metrics)));
        if metrics.with("brier_low").next().is_some() {
            tables.push(("metric-intervals", details::metric_intervals(comparison, &metrics)));
        }
        tables.push(("calibration", details::calibration(comparison, &metrics)));
    }
    if !groups.rows.is_empty() {
        let all: Vec<&PivotRow<'_>> = groups.rows.iter().collect();
        tables.push(("groups", details::groups(comparison, &all)));
    }
    if !tests.rows.is_empty() {
        tables.push(("group-tests", details::group_tests(comparison, &tests)));
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
        table.explain_bold();
    }
    tables
}

/// The tables that are shown by default: AUCs, rank correlations, and optional tables that were requested.
pub fn main_tables(comparison: &Comparison) -> Vec<ReportTable> {
    let more = ["range", "intervals", "counts", "delong", "resampled", "calibration"];
    // A single model correlates with itself alone.
    let several = comparison.models.len() > 1;
    let is_main = |name: &str| !more.contains(&name) && (several || name != "spearman");
    tables(comparison).into_iter().filter(|(name, _)| is_main(name)).map(|(_, table)| table).collect()
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
        Some(subset) if subset != Subset::Test => format!("AUC on {} images", subset.in_words()),
        _ => "AUC".to_owned(),
    };
    let mut table = ReportTable::new(title, columns);
    let cell = |spread: &Spread| Cell::MeanStd { mean: spread.mean, std: spread.std, decimals: DECIMALS };
    let competing = 1..table.columns.len();
    let counted = counts::beside(comparison);
    table.columns.extend(counted.iter().map(|(column, _)| column.clone()));
    for (label, name) in labels(comparison).enumerate() {
        let cells = comparison.models.iter().map(|model| cell(&model.labels[label].auc));
        let of_label = |model: &PublishedModel| {
            let found = model.auc.iter().find(|other| other.label == name);
            published_cell(found.map(|found| found.auc), found.and_then(|found| found.std))
        };
        let others = published.clone().map(of_label);
        let counts = counted.iter().map(|(_, cells)| cells[label].clone());
        let head = std::iter::once(Cell::Text(name.to_owned()));
        table.rows.push(head.chain(cells).chain(others).chain(counts).collect());
    }
    let all = labels(comparison).count();
    let of_labels = comparison.models.iter().map(|model| model.mean.clone()).collect();
    let mut means: Vec<(&str, usize, Vec<Spread>)> = vec![("Mean", all, of_labels)];
    let spread = |model| mean_over_pathologies(comparison, model);
    if let Some(spreads) = comparison.models.iter().map(spread).collect() {
        means.push((PATHOLOGIES, all - 1, spreads));
    }
    let first_mean = table.rows.len();
    for (place, (head, covers, spreads)) in means.iter().enumerate() {
        // A published mean stands in the row of the labels that it covers; if that is not known, in the first.
        let is_of_row = |model: &PublishedModel| match model.mean_over {
            Some(over) if means.iter().any(|(_, covers, _)| *covers == over as usize) => {
                over as usize == *covers
            }
            _ => place == 0,
        };
        let others = published.clone().map(|model| match is_of_row(model) {
            true => published_cell(model.mean, model.mean_std),
            false => Cell::Empty,
        });
        let ours = spreads.iter().map(cell);
        table.rows.push(std::iter::once(Cell::Text((*head).to_owned())).chain(ours).chain(others).collect());
    }
    for row in 0..first_mean + means.len() {
        // The best of values that are means over other folds or labels is not the best.
        let comparable = match row.checked_sub(first_mean) {
            Some(_) => comparison.is_of_same_labels(),
            None => is_of_same_folds(comparison, row),
        };
        let competes = |column: usize| {
            let (Some(mean), Some(other)) =
                (row.checked_sub(first_mean), (column - 1).checked_sub(comparison.models.len()))
            else {
                return true;
            };
            let over = published.clone().nth(other).and_then(|model| model.mean_over);
            over == u32::try_from(means[mean].1).ok() && comparison.covers_all()
        };
        if comparable {
            table.mark_best(competing.clone().filter(|column| competes(*column)).map(|column| (row, column)));
        }
    }
    let last_mean = table.rows.len();
    table.rows.extend(counts(comparison, |count| vec![Cell::Integer(count)]));
    for row in table.rows.iter_mut().skip(last_mean) {
        let over = |model: &PublishedModel| model.mean_over.map_or(Cell::Empty, |n| Cell::Integer(n.into()));
        row.extend(published.clone().map(over));
    }
    table.notes = notes(comparison);
    let of_model = |model: &ComparedModel| {
        let cells = comparison.constant.iter().filter(|cell| cell.model == model.name);
        let labels: BTreeSet<&str> = cells
            .filter(|cell| says_nothing(comparison, model, cell))
            .map(|cell| cell.label.as_deref().unwrap_or("all labels"))
            .collect();
        constant_scores(labels.into_iter().collect(), &format!(" of {}", model.name))
    };
    let cautions: Vec<String> = comparison.models.iter().filter_map(of_model).collect();
    table.caution = (!cautions.is_empty()).then(|| cautions.join(" "));
    table
}

/// Whether a rank correlation is undefined because all scores are the same, which makes an AUC of exactly 0.5. It is
/// undefined as well where no image was scored by all models.
fn says_nothing(comparison: &Comparison, model: &ComparedModel, cell: &ConstantScores) -> bool {
    let place = |fold| comparison.folds.iter().position(|one| *one == fold);
    let Some(fold) = cell.fold.map_or(Some(0), place) else { return false };
    let is_own = |label: &&LabelSpread| cell.label.as_ref().is_none_or(|own| *own == label.label);
    let aucs = model.labels.iter().filter(is_own).filter_map(|label| *label.auc.folds.get(fold)?);
    let mut aucs = aucs.peekable();
    aucs.peek().is_some() && aucs.all(|auc| auc == 0.5)
}

fn published_cell(value: Option<f64>, std: Option<f64>) -> Cell {
    match value {
        None => Cell::Empty,
        // As many digits as were published, and no fewer than three.
        Some(value) => {
            let decimals = if format!("{value}").len() > "0.123".len() { DECIMALS } else { 3 };
            Cell::MeanStd { mean: Some(value), std, decimals }
        }
    }
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
        false => {
            let each = comparison.division().name();
            ["fewest", "most"].map(|which| format!("{COVERED} ({which} of a {each})")).into()
        }
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
                Some(fold) if comparison.folds.len() > 1 => {
                    format!("{} {} {fold}", model.name, comparison.division().name())
                }
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
    let alike = comparison.models.windows(2).all(|pair| pair[0].covered() == pair[1].covered());
    let place = match alike && comparison.models.len() > 1 {
        true => format!(" in different {}s", comparison.division().name()),
        false => String::new(),
    };
    Some(format!(
        "The means cover different labels{place}, so none is marked as the best: {}.",
        said.join("; ")
    ))
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
            let (n, folds) = (model.labels[place].auc.n as usize, model.fold_count());
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
    let several = comparison.models.iter().any(|model| model.fold_count() > 1);
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
    let most = comparison.models.iter().map(ComparedModel::fold_count).max().unwrap_or(0);
    let same_folds = comparison.models.iter().all(|model| model.fold_count() == most);
    let mut notes = vec![match most {
        0 | 1 if comparison.folds.len() > 1 => {
            format!("Only one {each} per model: no standard deviation. The mean is over {covered}.")
        }
        0 | 1 => format!("Only one set of scored images: no standard deviation. The mean is over {covered}."),
        n => {
            let whose = if same_folds { division.counted(n) } else { format!("the {each}s of each model") };
            format!(
                "Mean ± sample standard deviation over {whose}. The mean over {covered} is computed within each {each} first."
            )
        }
    }];
    notes.push(uncertainty::of_spread(comparison));
    notes.extend(of_pathologies(comparison));
    notes.extend(differently_covered(comparison));
    notes.extend(evaluated_on(comparison).map(str::to_owned));
    if comparison.shared_images {
        notes.push("Only on images that every model scored.".to_owned());
    }
    notes.extend(counts::partial(comparison));
    notes.extend(counts::in_words(comparison));
    let missing = |model: &ComparedModel| model.labels.iter().any(|label| !label.missing.is_empty());
    if comparison.models.iter().any(missing) {
        notes.push("An image whose label is missing is left out of all numbers for that label.".to_owned());
    }
    notes.extend(fewer_folds(comparison));
    notes.extend(comparison.leak_check.as_ref().map(leak_check));
    let named = |is: fn(&ComparedModel) -> bool| -> Vec<&str> {
        comparison.models.iter().filter(|model| is(model)).map(|model| model.name.as_str()).collect()
    };
    let (imported, programs) = (named(|model| model.imported), named(|model| model.program));
    if !programs.is_empty() {
        let trained = named(|model| !model.program && !model.imported);
        let reg = if trained.is_empty() {
            String::new()
        } else {
            format!(" Trained by reg: {}.", trained.join(", "))
        };
        notes.push(format!("Scored by a program of the user's own: {}.{reg}", programs.join(", ")));
    }
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

/// How far the verdict reaches that no model has seen what another one is tested on.
fn leak_check(check: &LeakCheck) -> String {
    let LeakCheck { images, bytes, pixels, .. } = *check;
    let of = |some: u64| match some {
        0 => "none".to_owned(),
        some if some == images => "all".to_owned(),
        some => thousands(some),
    };
    let more = match bytes > pixels {
        true => " (`reg split check SPLIT --pixels` records the others)",
        false => "",
    };
    format!(
        "Leak check of training and test images: patients of all {}, files of {}, pixels of {}{more}.",
        counted(images, "image"),
        of(bytes),
        of(pixels)
    )
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
fn range(comparison: &Comparison, aucs: &Pivot<'_>) -> ReportTable {
    let mut columns = vec![Column::left("Label")];
    for model in &comparison.models {
        let of = |what: &str| Column::under(&model.name, what);
        columns.extend([of("mean"), of("min"), of("max")]);
    }
    let mut table = ReportTable::new(
        format!("Mean, smallest and largest AUC over the {}s", comparison.division().name()),
        columns,
    );
    let labels = labels_by_mean(comparison).into_iter().map(|(_, name)| name);
    table.rows = of_models(comparison, aucs, labels, ["auc_mean", "auc_min", "auc_max"]);
    table.rows.extend(counts(comparison, |count| vec![Cell::Integer(count), Cell::Empty, Cell::Empty]));
    table.notes.push(format!("The mean covers {}.", covered(comparison)));
    table.notes.extend(differently_covered(comparison));
    table.notes.push("Labels are sorted by descending mean AUC over all models.".to_owned());
    table
}
