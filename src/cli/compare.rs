//! `reg compare`.

use std::path::PathBuf;

use clap::ValueEnum;
use reg::compare::{CompareOptions, Grouping, Input, Labels, RocCurve, compare, roc_curves};
use reg::records::{Comparison, Division, GroupBy, GroupRow, Incomparable, LabelSpread, Pooling, Spread};
use reg::registry::Registry;
use reg::report::{Cell, Column, ReportTable, results, svg};
use reg::stats;
use serde_json::{Map, Value, json};

use super::error::Failure;
use super::output::{Reply, TableFormat};
use super::{Context, figures, marks};

/// Compare models on the same images: AUC table, Spearman matrix, paired tests, intervals
#[derive(clap::Args)]
pub(crate) struct CompareArgs {
    /// Names or ids of runs or predictions
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// One column per `model` (all its folds) or per `run`; add `gender`, `view` or `age` for AUCs by patient group
    #[arg(long, value_enum, value_delimiter = ',', default_value = "model")]
    by: Vec<By>,
    /// Labels to compare, or `shared` for the labels that all models score; default: all, which must be the same
    #[arg(long, value_name = "LABEL,…|shared", value_delimiter = ',')]
    labels: Vec<String>,
    /// Images to compare: `all`, which must be the same, or `shared` for the images that all models scored on the same
    /// fold
    #[arg(long, value_enum, default_value = "all")]
    images: Images,
    /// Pooling of rank correlations: one per `label`, then the mean, or one over `all` scores
    #[arg(long, value_enum, default_value = "label")]
    pool: Pool,
    /// Number of bootstrap resamples (by patient), 100 or more, such as 2000; adds intervals
    #[arg(long, value_name = "DRAWS", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    bootstrap: Option<u32>,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 1, requires = "bootstrap")]
    seed: u64,
    /// Also show average precision, calibration, and sensitivity and specificity at a threshold chosen on validation
    /// images
    #[arg(long)]
    metrics: bool,
    /// Published numbers to show beside ours: a TOML file, `paper` (its table 6) or `paper-table4`
    #[arg(long, value_name = "FILE.toml")]
    published: Option<PathBuf>,
    /// Add the points of the ROC curves to the JSON and as the table `roc`
    #[arg(long)]
    roc: bool,
    /// Write figures to this folder: ROC curves per label, figure 5, the Spearman matrix
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    /// Allow non-comparable inputs; the table is flagged in every format
    #[arg(long)]
    allow_different_images: bool,
    /// Name of the table
    #[arg(long)]
    name: Option<String>,
    /// Output format of the tables
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
    /// Show every table, including ranges over folds, intervals and all tests
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
    /// Table 5
    Spearman,
    /// Figure 5
    Range,
    Intervals,
    Delong,
    Resampled,
    Bootstrap,
    Metrics,
    Groups,
    Roc,
}

impl CompareArgs {
    fn options(&self) -> CompareOptions {
        let group = |by: &By| match by {
            By::Gender => Some(GroupBy::Gender),
            By::View => Some(GroupBy::View),
            By::Age => Some(GroupBy::Age),
            By::Model | By::Run => None,
        };
        CompareOptions {
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
            metrics: self.metrics || self.table.contains(&TableChoice::Metrics),
            groups: self.by.iter().filter_map(group).collect(),
            published: self.published.clone(),
            allow_incomparable: self.allow_different_images,
        }
    }

    fn tables(&self, comparison: &Comparison, curves: &[RocCurve]) -> Vec<ReportTable> {
        if self.table.is_empty() && !self.full {
            return results::main_tables(comparison);
        }
        let mut tables = results::tables(comparison);
        if self.roc || self.table.contains(&TableChoice::Roc) {
            let warning = tables.first().and_then(|(_, table)| table.warning.clone());
            tables.push(("roc", ReportTable { warning, ..roc(curves, comparison.division()) }));
        }
        let wanted = |name: &str| {
            self.table
                .iter()
                .any(|which| which.to_possible_value().is_some_and(|value| value.get_name() == name))
        };
        // In the full output, the points would hide everything else.
        let shown = |name: &str| if self.table.is_empty() { name != "roc" } else { wanted(name) };
        tables.into_iter().filter(|(name, _)| shown(name)).map(|(_, table)| table).collect()
    }
}

pub(crate) fn run(context: &Context, args: CompareArgs) -> Result<Reply, Failure> {
    if args.table.contains(&TableChoice::Bootstrap) && args.bootstrap.is_none() {
        return Err(Failure::usage("--table bootstrap needs draws: --bootstrap 2000"));
    }
    if args.table.contains(&TableChoice::Groups) && args.options().groups.is_empty() {
        return Err(Failure::usage("--table groups needs groups: --by gender, view or age"));
    }
    let registry = context.registry()?;
    let view = registry.view()?;
    let inputs = args.ids.iter().map(|id| Input::resolve(&registry, &view, id)).collect::<Result<_, _>>()?;
    drop(view);
    let (id, comparison) =
        compare(&registry, inputs, &args.options(), args.name.as_deref(), &context.environment.stamp)?;
    if !comparison.incomparable.is_empty() {
        context
            .note(&format!("warning: not comparable: {}", Incomparable::reasons(&comparison.incomparable)));
    }
    let curves = curves(&registry, &args, &comparison)?;
    let tables = args.tables(&comparison, &curves);
    if tables.is_empty() {
        context.note("note: nothing of that kind: paired tests need two models, those over folds or re-samplings several of a split");
    }
    let marks = marks::warn(context, &registry, [id.hash])?;
    let mut text = args.format.marked(tables, &marks);
    if args.format == TableFormat::Text {
        text += &format!("table {}\n", id.hash.short());
    }
    let mut document = document(&id.to_string(), &comparison);
    figures::write(args.svg.as_deref(), &svg::comparison(&comparison, &curves), &mut text, &mut document)?;
    if args.roc {
        document["roc"] = json!(curves);
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
    let spread = |s: &Spread| json!({ "mean": s.mean, "std": s.std, "min": s.min, "max": s.max, "n": s.n, "folds": s.folds });
    let of_label = |label: &LabelSpread| {
        let mut value = spread(&label.auc);
        let each = label.auc.folds.iter().zip(&label.std_errors);
        let intervals = each.map(|(auc, error)| stats::interval((*auc)?, (*error)?));
        value["intervals"] = intervals.collect::<Vec<_>>().into_iter().map(|ends| json!(ends)).collect();
        value["positives"] = json!(label.positives);
        value
    };
    let auc: Map<String, Value> = comparison
        .models
        .iter()
        .map(|model| {
            let mut labels: Map<String, Value> =
                model.labels.iter().map(|label| (label.label.clone(), of_label(label))).collect();
            let mut mean = spread(&model.mean);
            mean["labels"] =
                model.covered().iter().map(|covered| json!(covered.as_ref().map(Vec::len))).collect();
            labels.insert("mean".to_owned(), mean);
            (model.name.clone(), Value::Object(labels))
        })
        .collect();
    let places = 0..comparison.models.len();
    let over = |a: usize| places.clone().map(|b| comparison.spearman_over(a, b)).collect::<Vec<_>>();
    let over: Vec<Vec<usize>> = places.clone().map(over).collect();
    let models: Vec<&str> = comparison.models.iter().map(|model| model.name.as_str()).collect();
    json!({
        "table": id,
        "auc": auc,
        "spearman": {
            "models": models, "matrix": comparison.spearman, "pooling": comparison.pooling, "over": over,
            "cells": comparison.spearman_cells(), "constant": comparison.constant,
        },
        "same_labels": comparison.is_of_same_labels(),
        "delong": comparison.delong,
        "resampled": comparison.resampled,
        "bootstrap": comparison.bootstrap,
        "metrics": comparison.metrics,
        "groups": comparison.groups.iter().map(group).collect::<Vec<_>>(),
        "published": comparison.published,
        "unfair": comparison.incomparable,
    })
}

/// A group with the interval of its AUC, as in the table.
fn group(row: &GroupRow) -> Value {
    let mut value = json!(row);
    value["interval"] =
        json!(row.auc.zip(row.std_error).and_then(|(auc, error)| stats::interval(auc, error)));
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
