//! `reg split`.

use std::path::PathBuf;

use reg::records::{Dataset, Split};
use reg::report::Column;
use reg::report::dataset::{split_prevalence, split_sizes};
use reg::split::{self, Lists, Registered};
use serde_json::{Value, json};

use super::error::Failure;
use super::output::{NO, Reply, TableFormat};
use super::{Context, marks};

/// Split a data set into training, validation and test images
#[derive(clap::Subcommand)]
pub(crate) enum SplitCommand {
    /// Draw random train/val/test subsets by patient; repeats may overlap
    Make {
        /// Name or id of the data set
        dataset: String,
        /// Number of repeats (folds)
        #[arg(long, default_value_t = 5)]
        folds: u32,
        /// Percentages of the images: training/validation/test
        #[arg(long, default_value = "70/10/20")]
        ratios: String,
        /// Seed of the random draw
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Name of the split
        #[arg(long)]
        name: Option<String>,
    },
    /// Use published lists of image names
    Import {
        /// Name or id of the data set
        dataset: String,
        /// Names for training and validation (train_val_list.txt), plain or .gz
        #[arg(long, value_name = "FILE")]
        train_val: PathBuf,
        /// Names for test (test_list.txt), plain or .gz
        #[arg(long, value_name = "FILE")]
        test: PathBuf,
        /// Share of the listed training images to use for validation, split by patient
        #[arg(long, default_value_t = 0.125, value_name = "F")]
        val_fraction: f64,
        /// Seed of that split
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Name of the split
        #[arg(long)]
        name: Option<String>,
    },
    /// Show images, patients and prevalence of every subset
    Show {
        /// Name or id of the split
        split: String,
        /// Output format of the tables
        #[arg(long, value_enum, default_value = "text")]
        format: TableFormat,
    },
    /// Check that no patient is in two subsets of a fold; exit code 3 if one is
    Check {
        /// Name or id of the split
        split: String,
    },
}

pub(crate) fn run(context: &Context, command: SplitCommand) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let stamp = &context.environment.stamp;
    let dataset = |text: &str| registry.resolve_as::<Dataset>(&registry.view()?, text);
    match command {
        SplitCommand::Make { dataset: text, folds, ratios, seed, name } => {
            let ratios = split::parse_ratios(&ratios)?;
            let made = split::make(&registry, dataset(&text)?, ratios, folds, seed, name.as_deref(), stamp)?;
            Ok(registered(context, &made, name.as_deref()))
        }
        SplitCommand::Import { dataset: text, train_val, test, val_fraction, seed, name } => {
            let lists = Lists { train_val, test, val_fraction, seed };
            let made = split::import(&registry, dataset(&text)?, &lists, name.as_deref(), stamp)?;
            Ok(registered(context, &made, name.as_deref()))
        }
        SplitCommand::Show { split, format } => show(context, &split, format),
        SplitCommand::Check { split } => check(context, &split),
    }
}

fn registered(context: &Context, made: &Registered, name: Option<&str>) -> Reply {
    for finding in &made.findings {
        context.note(&format!("note: {finding}"));
    }
    let name = name.map(|name| format!(" {name}")).unwrap_or_default();
    let sizes = TableFormat::Text.render(&[split_sizes(&made.split.folds)]);
    let text = format!("split {}{name}\n{sizes}", made.id.hash.short());
    Reply::new(text, json!({ "id": made.id, "folds": made.split.folds, "findings": made.findings }))
}

fn show(context: &Context, text: &str, format: TableFormat) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let id = registry.resolve_as::<Split>(&registry.view()?, text)?;
    let record = registry.get(id)?;
    let dataset = registry.get(record.dataset)?;
    let manifest = registry.manifest(&dataset)?;
    let assignment = registry.assignment(&record)?;
    let prevalence = split::prevalence(&manifest.rows, &dataset.labels, &assignment);
    // The prevalence of a subset is shown next to its sizes.
    let folds: Vec<Value> = record
        .folds
        .iter()
        .zip(&prevalence)
        .map(|(sizes, subsets)| {
            let mut fold = json!(sizes);
            for subset in subsets {
                let labels = subset.labels.iter().map(|label| {
                    let counts = json!({ "positives": label.positives, "prevalence": label.prevalence });
                    (label.label.clone(), counts)
                });
                fold[subset.subset.name()]["labels"] = Value::Object(labels.collect());
            }
            fold
        })
        .collect();
    let mut tables = vec![split_sizes(&record.folds)];
    match format {
        // Folds one below the other: a terminal is too narrow for all of them side by side.
        TableFormat::Text => tables.extend(prevalence.chunks(1).enumerate().map(|(number, fold)| {
            let mut table = split_prevalence(fold);
            table.title = format!("Prevalence in fold {number} [%]");
            for (column, subset) in table.columns.iter_mut().skip(1).zip(&fold[0]) {
                *column = Column::right(subset.subset.name());
            }
            table
        })),
        _ => tables.push(split_prevalence(&prevalence)),
    }
    let json = json!({ "id": id, "dataset": record.dataset, "method": record.method, "folds": folds });
    let marks = marks::warn(context, &registry, [id.hash])?;
    Ok(Reply::new(format.marked(tables, &marks), json).marked(&marks))
}

fn check(context: &Context, text: &str) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let id = registry.resolve_as::<Split>(&registry.view()?, text)?;
    let record = registry.get(id)?;
    let manifest = registry.manifest(&registry.get(record.dataset)?)?;
    let assignment = registry.assignment(&record)?;
    let leaks = split::leaks(&manifest.rows, &assignment);
    let each: Vec<Value> = leaks
        .iter()
        .map(|leak| {
            let images: Vec<&str> =
                leak.images.iter().map(|row| manifest.rows[*row as usize].name.as_str()).collect();
            json!({ "fold": leak.fold, "patient": leak.patient, "subsets": leak.subsets, "images": images })
        })
        .collect();
    let mut lines: Vec<String> = leaks
        .iter()
        .map(|leak| {
            let subsets: Vec<&str> = leak.subsets.iter().map(|subset| subset.name()).collect();
            format!("fold {}: patient {} is in {}", leak.fold, leak.patient, subsets.join(" and "))
        })
        .collect();
    let clean = leaks.is_empty();
    let folds = record.folds.len();
    lines.push(match clean {
        true => format!("no leak: in each of {folds} folds, every patient is in exactly one subset"),
        false => format!("{} leaks", leaks.len()),
    });
    let reply = Reply::new(lines.join("\n"), json!({ "id": id, "leaks": each }));
    Ok(if clean { reply } else { reply.with_code(NO) })
}
