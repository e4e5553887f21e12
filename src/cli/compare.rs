//! `reg compare`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use reg::compare::{
    CompareError, CompareOptions, Grouping, Input, Labels, PrecisionRecallCurve, RocCurve, compare,
    precision_recall_curves, repeated, roc_curves,
};
use reg::digits::several;
use reg::records::{
    ComparedModel, Comparison, Division, GroupBy, GroupRow, Incomparable, LabelSpread, MetricRow,
    OperatingPoint, Pooling, Spread, Variance,
};
use reg::registry::Registry;
use reg::report::interval::{self, FoldAuc, NoInterval};
use reg::report::{Cell, Column, ReportTable, mean_over_pathologies, results, svg};
use reg::stats::{self, Estimate};
use reg::suggest::similar;
use reg::values::{Pivot, long_comparison};
use serde_json::{Map, Value, json};

use super::error::Failure;
use super::inference::InferenceArgs;
use super::output::{Reply, TableFormat};
use super::{Context, Moving, complete, figures, marks};

/// Compare models on the same images: AUC table, Spearman matrix, paired tests, intervals
#[derive(clap::Args)]
pub(crate) struct CompareArgs {
    /// Names or ids of runs or predictions. Runs of one model and fold that differ only in seed are averaged
    #[arg(value_name = "ID", required_unless_present = "label", add = complete::scored())]
    ids: Vec<String>,
    /// A column of these runs or predictions, under a name of your own; repeatable
    #[arg(long, value_name = "NAME=ID,…", value_parser = label)]
    label: Vec<LabelledColumn>,
    /// Rank the columns by their AUCs on validation images; the ranking table shows validation and test AUCs
    #[arg(long)]
    rank: bool,
    /// Columns: one per `model` (over its folds or re-samplings) or per `run`. Patient groups: `gender`, `view` or
    /// `age`. Both: `run,age`
    #[arg(long, value_enum, value_delimiter = ',', default_value = "model")]
    by: Vec<By>,
    /// Labels to compare, or `shared` for the labels that all models score; default: all labels, which must be the same
    /// for all models
    #[arg(long, value_name = "LABEL,…|shared", value_delimiter = ',')]
    labels: Vec<String>,
    /// Images to compare: `all`, which must be the same for all models, or `shared` for the images that all models
    /// scored on the same fold or re-sampling
    #[arg(long, value_enum, default_value = "all")]
    images: Images,
    /// Pooling of rank correlations: with `label`, one per label and then their mean; with `all`, one over all scores
    #[arg(long, value_enum, default_value = "label")]
    pool: Pool,
    /// Number of bootstrap resamples (by patient), 100 or more, such as 2000; adds intervals
    #[arg(long, value_name = "RESAMPLES", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    bootstrap: Option<u32>,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 1, requires = "bootstrap")]
    seed: u64,
    #[command(flatten)]
    inference: InferenceArgs,
    /// Also show average precision, calibration, and sensitivity and specificity at a threshold chosen on validation
    /// images
    #[arg(long)]
    metrics: bool,
    /// How the threshold of each label is chosen on validation images: youden, sensitivity=SHARE or specificity=SHARE
    #[arg(long, value_name = "POINT", default_value = "youden")]
    operating_point: OperatingPoint,
    /// Also give predictive values at this prevalence, such as 0.05
    #[arg(long, value_name = "SHARE", requires = "metrics", value_parser = prevalence)]
    prevalence: Option<f64>,
    /// Published AUCs to show beside the table: a TOML file, `paper` (table 6 of the paper), `paper-table4`, or
    /// `literature` (AUCs by label from other publications, on other splits). A file has a `[[model]]` for each column:
    /// name, source, split ("official", or a description of the test images), and mean, mean_std, mean_over, images, or
    /// tables [model.auc] and [model.std] by label
    #[arg(long, value_name = "FILE.toml")]
    published: Option<PathBuf>,
    /// Add the points of the ROC curves to the JSON and as the table `roc`
    #[arg(long)]
    roc: bool,
    /// Add the points of the precision-recall curves to the JSON and as the table `precision-recall`
    #[arg(long)]
    precision_recall: bool,
    /// Write figures to this folder: ROC curves per label, figure 5, the Spearman matrix; with --metrics calibration curves,
    /// with --precision-recall precision-recall curves
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    /// Allow non-comparable inputs; the table is flagged in every format
    #[arg(long)]
    allow_different_images: bool,
    /// Name of the table
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    moving: Moving,
    /// Output format of the tables
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
    /// Show every table, including ranges over folds or re-samplings, intervals and all tests
    #[arg(long)]
    full: bool,
    /// Show only these tables
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TABLE,…")]
    table: Vec<TableChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Model,
    Run,
    Gender,
    View,
    Age,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Images {
    All,
    Shared,
}

/// A column of a comparison with the name that somebody gave it.
#[derive(Debug, Clone)]
struct LabelledColumn {
    name: String,
    ids: Vec<String>,
}

/// The name of a column, and its runs.
fn label(text: &str) -> Result<LabelledColumn, String> {
    let needed = "expected NAME=RUN,RUN,…";
    let (name, ids) = text.split_once('=').ok_or(needed)?;
    let ids: Vec<String> = ids.split(',').map(str::to_owned).collect();
    // The name is printed in every table, where an escape sequence would take effect.
    let is_name = !name.trim().is_empty() && !name.contains(char::is_control);
    match is_name && ids.iter().all(|id| !id.is_empty()) {
        true => Ok(LabelledColumn { name: name.to_owned(), ids }),
        false => Err(needed.to_owned()),
    }
}

/// A share of positives.
fn prevalence(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let is_share = share > 0.0 && share < 1.0;
    is_share.then_some(share).ok_or_else(|| "a prevalence is between 0 and 1, such as 0.05".to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Pool {
    Label,
    All,
}

/// The tables, with the names in `reg::report::results::tables`, and the ROC curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TableChoice {
    /// Table 4; with --published, table 6
    Auc,
    /// Differences of the mean AUCs
    Differences,
    /// Columns by validation AUC
    Ranking,
    /// Deviations over folds and over seeds
    Seeds,
    /// Table 5
    Spearman,
    /// Figure 5
    Range,
    Intervals,
    /// Images and patients of each label and fold
    Counts,
    /// Paired tests on the test images
    #[value(alias = "paired")]
    Delong,
    Resampled,
    Bootstrap,
    Metrics,
    MetricIntervals,
    /// Calibration curves
    Calibration,
    Groups,
    GroupTests,
    Roc,
    PrecisionRecall,
}

impl CompareArgs {
    fn options(&self) -> CompareOptions {
        let group = |by: &By| match by {
            By::Gender => Some(GroupBy::Gender),
            By::View => Some(GroupBy::View),
            By::Age => Some(GroupBy::Age),
            By::Model | By::Run => None,
        };
        self.inference.in_options(CompareOptions {
            grouping: if self.by.contains(&By::Run) { Grouping::Run } else { Grouping::Model },
            labels: match self.labels.as_slice() {
                [] => Labels::All,
                [one] if one == "shared" => Labels::Shared,
                labels => Labels::These(labels.to_vec()),
            },
            shared_images: self.images == Images::Shared,
            pooling: match self.pool {
                Pool::Label => Pooling::PerLabel,
                Pool::All => Pooling::AllScores,
            },
            bootstrap: self.bootstrap.map(|resamples| (resamples, self.seed)),
            metrics: self.metrics
                || self.operating_point != OperatingPoint::Youden
                || [TableChoice::Metrics, TableChoice::MetricIntervals, TableChoice::Calibration]
                    .iter()
                    .any(|table| self.table.contains(table)),
            operating_point: self.operating_point,
            prevalence: self.prevalence,
            ranking: self.rank || self.table.contains(&TableChoice::Ranking),
            groups: self.by.iter().filter_map(group).collect(),
            published: self.published.clone(),
            allow_incomparable: self.allow_different_images,
            ..CompareOptions::default()
        })
    }

    fn tables(
        &self,
        comparison: &Comparison,
        curves: &[RocCurve],
        precision: &[PrecisionRecallCurve],
    ) -> Vec<ReportTable> {
        if self.table.is_empty() && !self.full {
            return results::main_tables(comparison);
        }
        let mut tables = results::tables(comparison);
        if self.roc || self.table.contains(&TableChoice::Roc) {
            let warning = tables.first().and_then(|(_, table)| table.warning.clone());
            tables.push(("roc", ReportTable { warning, ..roc(curves, comparison.division()) }));
        }
        if self.precision_recall || self.table.contains(&TableChoice::PrecisionRecall) {
            let warning = tables.first().and_then(|(_, table)| table.warning.clone());
            let table = precision_recall(precision, comparison.division());
            tables.push(("precision-recall", ReportTable { warning, ..table }));
        }
        let wanted = |name: &str| {
            self.table
                .iter()
                .any(|which| which.to_possible_value().is_some_and(|value| value.get_name() == name))
        };
        // In the full output, the points would hide everything else.
        let shown = |name: &str| match self.table.is_empty() {
            true => !["roc", "precision-recall"].contains(&name),
            false => wanted(name),
        };
        tables.into_iter().filter(|(name, _)| shown(name)).map(|(_, table)| table).collect()
    }
}

/// Labels of published numbers that the data set does not have: mistyped ones, or those of other data sets.
fn unknown_labels(registry: &Registry, comparison: &Comparison) -> Result<Vec<String>, Failure> {
    let Some(published) = &comparison.published else { return Ok(Vec::new()) };
    let labels = registry.get(comparison.dataset)?.labels;
    let known: Vec<&str> = labels.iter().map(String::as_str).collect();
    let mut unknown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for model in &published.models {
        for auc in model.auc.iter().filter(|auc| !labels.contains(&auc.label)) {
            unknown.entry(&auc.label).or_default().push(model.name.clone());
        }
    }
    let said = |(label, models): (&str, Vec<String>)| {
        let close = similar(label, known.iter().copied());
        let close = match close.as_slice() {
            [] => String::new(),
            close => format!("; did you mean `{}`?", close.join("` or `")),
        };
        format!(
            "note: the published AUC of {label} ({}) is not shown: the data set has no such label{close}",
            several(&models)
        )
    };
    Ok(unknown.into_iter().map(said).collect())
}

pub(crate) fn run(context: &Context, args: CompareArgs) -> Result<Reply, Failure> {
    if args.table.contains(&TableChoice::Bootstrap) && args.bootstrap.is_none() {
        return Err(Failure::usage("--table bootstrap needs resamples: --bootstrap 2000"));
    }
    if args.table.contains(&TableChoice::MetricIntervals) && args.bootstrap.is_none() {
        return Err(Failure::usage("--table metric-intervals needs resamples: --bootstrap 2000"));
    }
    let of_groups = [TableChoice::Groups, TableChoice::GroupTests];
    if of_groups.iter().any(|table| args.table.contains(table)) && args.options().groups.is_empty() {
        return Err(Failure::usage("--table groups needs groups: --by gender, view or age"));
    }
    let registry = context.registry_to_name(&args.moving)?;
    let view = registry.view()?;
    let own = args.ids.iter().map(|id| (None, id));
    let labelled = args.label.iter().flat_map(|column| column.ids.iter().map(|id| (Some(&column.name), id)));
    let input = |(label, id): (Option<&String>, &String)| {
        Ok(Input { label: label.cloned(), ..Input::resolve(&registry, &view, id)? })
    };
    let inputs = own.chain(labelled).map(input).collect::<Result<Vec<_>, CompareError>>()?;
    drop(view);
    repeated(&inputs).iter().for_each(|said| context.note(&format!("note: {said}")));
    let (id, comparison) =
        compare(&registry, inputs, &args.options(), args.name.as_deref(), &context.environment.stamp)?;
    if !comparison.incomparable.is_empty() {
        context
            .note(&format!("warning: not comparable: {}", Incomparable::reasons(&comparison.incomparable)));
    }
    for line in unknown_labels(&registry, &comparison)? {
        context.note(&line);
    }
    let curves = curves(&registry, &args, &comparison)?;
    let precision = match args.precision_recall || args.table.contains(&TableChoice::PrecisionRecall) {
        true => precision_recall_curves(&registry, &comparison)?,
        false => Vec::new(),
    };
    let tables = args.tables(&comparison, &curves, &precision);
    if tables.is_empty() {
        context.note("note: no table to show: paired tests need two models; tests over folds or re-samplings need several divisions of one split");
    }
    let marks = marks::warn(context, &registry, [id.hash])?;
    let mut text = args.format.marked(tables, &marks);
    if args.format == TableFormat::Text {
        text += &format!("table {}\n", id.hash.short());
    }
    let mut document = document(&id.to_string(), &comparison);
    let mut figures = svg::comparison(&comparison, &curves);
    figures.extend(svg::beyond(&comparison, &precision));
    figures::write(args.svg.as_deref(), &figures, &mut text, &mut document)?;
    if args.roc {
        document["roc"] = json!(curves);
    }
    if args.precision_recall {
        document["precision_recall"] = json!(precision);
    }
    Ok(Reply::new(text, document).marked(&marks))
}

fn curves(
    registry: &Registry,
    args: &CompareArgs,
    comparison: &Comparison,
) -> Result<Vec<RocCurve>, Failure> {
    match args.roc || args.svg.is_some() || args.table.contains(&TableChoice::Roc) {
        true => Ok(roc_curves(registry, comparison)?),
        false => Ok(Vec::new()),
    }
}

pub(super) fn document(id: &str, comparison: &Comparison) -> Value {
    let spread = |s: &Spread| {
        let mut value =
            json!({ "mean": s.mean, "std": s.std, "min": s.min, "max": s.max, "n": s.n, "folds": s.folds });
        if !s.seeds.is_empty() {
            value["seeds"] = json!(s.seeds);
            value["seed_std"] = json!(s.seed_std);
        }
        value
    };
    // The interval of each fold, and why there is none.
    let of_folds = |value: &mut Value, folds: &[FoldAuc]| {
        let each: Vec<_> = folds.iter().map(|fold| interval::of_auc(comparison.variance, &[*fold])).collect();
        value["intervals"] = json!(each.iter().map(|ends| ends.ok()).collect::<Vec<_>>());
        value["no_interval"] = json!(each.iter().map(|ends| why(*ends)).collect::<Vec<_>>());
        let of_mean = interval::of_auc(comparison.variance, folds);
        value["interval"] = json!(of_mean.ok());
    };
    let of_label = |label: &LabelSpread| {
        let mut value = spread(&label.auc);
        of_folds(&mut value, &FoldAuc::of(label));
        value["positives"] = json!(label.positives);
        value["negatives"] = json!(label.negatives);
        value["positive_patients"] = json!(label.positive_patients);
        value["negative_patients"] = json!(label.negative_patients);
        value["std_errors"] = json!(label.std_errors);
        value
    };
    let of_model = |(place, model): (usize, &ComparedModel)| {
        let mut labels: Map<String, Value> =
            model.labels.iter().map(|label| (label.label.clone(), of_label(label))).collect();
        let mut mean = spread(&model.mean);
        of_folds(&mut mean, &FoldAuc::of_mean(comparison, place));
        mean["std_errors"] = json!(model.mean_errors);
        mean["labels"] =
            model.covered().iter().map(|covered| json!(covered.as_ref().map(Vec::len))).collect();
        labels.insert("mean".to_owned(), mean);
        (model.name.clone(), Value::Object(labels))
    };
    let auc: Map<String, Value> = comparison.models.iter().enumerate().map(of_model).collect();
    let of_pathologies = |(place, model): (usize, &ComparedModel)| {
        let mut mean = spread(&mean_over_pathologies(comparison, model)?);
        of_folds(&mut mean, &FoldAuc::of_pathologies(comparison, place)?);
        mean["std_errors"] = json!(model.pathology_errors);
        Some((model.name.clone(), mean))
    };
    let pathologies: Option<Map<String, Value>> =
        comparison.models.iter().enumerate().map(of_pathologies).collect();
    let images = comparison.models.iter().map(|model| {
        let mut of =
            json!({ "images": model.images, "patients": model.patients, "of_images": model.of_images });
        if !model.seeds.is_empty() {
            of["seeds"] = json!(model.seeds);
        }
        (model.name.clone(), of)
    });
    let images: Map<String, Value> = images.collect();
    let places = 0..comparison.models.len();
    let over = |a: usize| places.clone().map(|b| comparison.spearman_over(a, b)).collect::<Vec<_>>();
    let over: Vec<Vec<usize>> = places.clone().map(over).collect();
    let models: Vec<&str> = comparison.models.iter().map(|model| model.name.as_str()).collect();
    let tested = |row: Value, estimate: Result<Estimate, NoInterval>| {
        let mut row = row;
        row["interval"] = json!(estimate.ok().and_then(|estimate| estimate.difference_interval()));
        row["no_interval"] = json!(why(estimate));
        if let Some(margin) = comparison.margin {
            let within = estimate.ok().and_then(|estimate| estimate.within(margin));
            row["p_a_not_inferior"] = json!(within.map(|p| p[0]));
            row["p_b_not_inferior"] = json!(within.map(|p| p[1]));
            row["p_equivalent"] = json!(within.map(|p| p[0].max(p[1])));
        }
        row
    };
    let long = long_comparison(comparison);
    let pivot = |table| Pivot::of(&long, table).rows;
    let paired = comparison.delong.iter().zip(pivot("delong"));
    let paired = paired.map(|(row, values)| tested(flat(json!(row)), interval::of_pair(&values)));
    let resampled = comparison.resampled.iter().zip(pivot("resampled"));
    let resampled = resampled.map(|(row, values)| tested(json!(row), interval::of_folds(&values)));
    let groups = comparison.groups.iter().zip(pivot("groups"));
    let groups = groups.map(|(row, values)| group(comparison.variance, row, FoldAuc::from(&values)));
    json!({
        "table": id,
        "variance": comparison.variance,
        "primary": comparison.primary,
        "margin": comparison.margin,
        "auc": auc,
        "mean_over_pathologies": pathologies,
        "no_finding": comparison.no_finding,
        "images": images,
        "spearman": {
            "models": models, "matrix": comparison.spearman, "pooling": comparison.pooling, "over": over,
            "cells": comparison.spearman_cells(), "constant": comparison.constant,
        },
        "same_labels": comparison.is_of_same_labels(),
        "delong": paired.collect::<Vec<_>>(),
        "resampled": resampled.collect::<Vec<_>>(),
        "bootstrap": comparison.bootstrap,
        "prevalence": comparison.prevalence,
        "operating_point": comparison.operating_point.unwrap_or(OperatingPoint::Youden),
        "metrics": comparison.metrics.iter().map(|row| metric(comparison.prevalence, row)).collect::<Vec<_>>(),
        "ranking": comparison.ranking,
        "groups": groups.collect::<Vec<_>>(),
        "group_tests": comparison.group_tests.iter().map(|row| flat(json!(row))).collect::<Vec<_>>(),
        "published": comparison.published,
        "unfair": comparison.incomparable,
        "leak_check": comparison.leak_check,
    })
}

/// Why there is no interval or test, in words.
fn why<T>(of: Result<T, NoInterval>) -> Option<String> {
    of.err().map(|why| why.to_string())
}

/// Metrics with the predictive values at a stated prevalence.
fn metric(prevalence: Option<f64>, row: &MetricRow) -> Value {
    let mut value = json!(row);
    if let Some(prevalence) = prevalence {
        let at = row.sensitivity.zip(row.specificity);
        let values = at.map(|(x, y)| stats::predictive_values(x, y, prevalence)).unwrap_or_default();
        (value["ppv_at_prevalence"], value["npv_at_prevalence"]) = (json!(values[0]), json!(values[1]));
    }
    value
}

/// A row with its standard error as a number, and the degrees of freedom beside it.
fn flat(mut row: Value) -> Value {
    let Value::Object(mut error) = row["std_error"].take() else { return row };
    row["std_error"] = error.remove("value").unwrap_or_default();
    row["df"] = error.remove("df").unwrap_or_default();
    row
}

/// A group with the interval of its AUC, as in the table.
fn group(variance: Variance, row: &GroupRow, auc: FoldAuc) -> Value {
    let mut value = flat(json!(row));
    let ends = interval::of_auc(variance, &[auc]);
    value["interval"] = json!(ends.ok());
    value["no_interval"] = json!(why(ends));
    value
}

/// The points of the curves, one row each.
fn roc(curves: &[RocCurve], division: Division) -> ReportTable {
    let columns = vec![
        Column::left("Model"),
        Column::left("Label"),
        Column::right(division.head()).key(),
        Column::right("False positive rate"),
        Column::right("True positive rate"),
        Column::right("Threshold"),
    ];
    let mut table = ReportTable::new("Corners of the ROC curves", columns);
    for curve in curves {
        for ((x, y), threshold) in curve.fpr.iter().zip(&curve.tpr).zip(&curve.thresholds) {
            let number = |value: Option<f64>| Cell::Number { value, decimals: 4 };
            table.rows.push(vec![
                Cell::Text(curve.model.clone()),
                Cell::Text(curve.label.clone()),
                curve.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into())),
                number(Some(*x)),
                number(Some(*y)),
                threshold.map_or(Cell::Empty, |threshold| number(Some(threshold))),
            ]);
        }
    }
    table
}

/// The points of the precision-recall curves, one row each.
fn precision_recall(curves: &[PrecisionRecallCurve], division: Division) -> ReportTable {
    let columns = vec![
        Column::left("Model"),
        Column::left("Label"),
        Column::right(division.head()).key(),
        Column::right("Recall"),
        Column::right("Precision"),
        Column::right("Threshold"),
    ];
    let mut table = ReportTable::new("Points of the precision-recall curves", columns);
    for curve in curves {
        for ((recall, precision), threshold) in
            curve.recall.iter().zip(&curve.precision).zip(&curve.thresholds)
        {
            let number = |value: f64| Cell::Number { value: Some(value), decimals: 4 };
            table.rows.push(vec![
                Cell::Text(curve.model.clone()),
                Cell::Text(curve.label.clone()),
                curve.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into())),
                number(*recall),
                number(*precision),
                number(*threshold),
            ]);
        }
    }
    table.notes.push(
        "Do not join the points by straight lines: the area below the steps is the average precision."
            .to_owned(),
    );
    table
}
