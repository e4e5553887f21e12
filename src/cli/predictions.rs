//! `reg predictions`.

use std::path::PathBuf;

use reg::dataset::matching::written_otherwise;
use reg::dataset::score_columns;
use reg::digits::counted;
use reg::records::{Dataset, Scale, Split};
use reg::report::{results, thousands};
use reg::scores::{Foreign, Imported, ScoredSubset, import_scores};
use reg::split::SplitError;
use serde_json::json;

use super::error::Failure;
use super::eval::SubsetArg;
use super::output::{Reply, TableFormat};
use super::train::{auc_json, constant_labels};
use super::{Context, Moving, complete};

/// Import scores that another tool computed
#[derive(clap::Subcommand)]
pub(crate) enum PredictionsCommand {
    /// Import scores from a CSV with a column `Image Index` and one column per label, such as `Mass`, `prob_Mass` or
    /// `Mass_pred`
    Import(ImportArgs),
}

#[derive(clap::Args)]
pub(crate) struct ImportArgs {
    /// The scores, plain or .gz; can be a pipe
    #[arg(value_name = "CSV")]
    file: PathBuf,
    /// Name or id of the data set that contains the images
    #[arg(long, add = complete::datasets())]
    dataset: String,
    /// Name or id of the split; default: no split, all images of the data set
    #[arg(long)]
    split: Option<String>,
    /// Fold or re-sampling of the split, counted from 0
    #[arg(long, requires = "split")]
    fold: Option<u32>,
    /// The subset of the fold or re-sampling
    #[arg(long, value_enum, default_value = "test", requires = "split")]
    subset: SubsetArg,
    /// Name of the predictions
    #[arg(long)]
    name: String,
    #[command(flatten)]
    moving: Moving,
    /// Name of the model in tables, the same for all folds or re-samplings; default: the name of the predictions
    #[arg(long)]
    model: Option<String>,
    /// Pattern of the names of the score columns, such as 'pred_{label}'; default: `Mass`, `pred_Mass`, `Mass_prob`,
    /// `score_Mass` and the like
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    columns: Option<String>,
    /// The scores are logits, not probabilities
    #[arg(long)]
    logits: bool,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

pub(crate) fn run(context: &Context, command: PredictionsCommand) -> Result<Reply, Failure> {
    let PredictionsCommand::Import(args) = command;
    let registry = context.registry_to_name(&args.moving)?;
    let view = registry.view()?;
    let dataset = registry.resolve_as::<Dataset>(&view, &args.dataset)?;
    let split = args.split.map(|text| registry.resolve_as::<Split>(&view, &text)).transpose()?;
    drop(view);
    let subset = match split {
        None => None,
        Some(split) => {
            let folds = registry.get(split)?.folds.len();
            match args.fold {
                None if folds > 1 => {
                    return Err(SplitError::WhichFold { split: split.hash.short(), folds }.into());
                }
                fold => Some(ScoredSubset { split, fold: fold.unwrap_or(0), subset: args.subset.subset() }),
            }
        }
    };
    let foreign = Foreign {
        file: args.file,
        dataset,
        subset,
        columns: args.columns,
        scale: if args.logits { Scale::Logit } else { Scale::Probability },
        model: args.model.unwrap_or_else(|| args.name.clone()),
        name: args.name.clone(),
    };
    let imported = import_scores(&registry, &foreign, &context.environment.stamp)?;
    findings(&imported, subset.is_some())
        .iter()
        .for_each(|finding| context.note(&format!("note: {finding}")));

    let images = imported.predictions.images;
    let title = format!("AUC of {} on {}", args.name, counted(images, "image"));
    let mut text = args.format.render(&[results::auc(&title, &imported.auc)]);
    if args.format == TableFormat::Text {
        let (id, table) = (imported.id.hash.short(), imported.table.hash.short());
        text += &format!("predictions {id} {}\ntable {table}\n", args.name);
    }
    let json = json!({
        "id": imported.id,
        "images": images,
        "labels": imported.predictions.labels,
        "table": imported.table,
        "auc": auc_json(&imported.auc),
        "mean_over": imported.auc.mean_over,
        "constant": constant_labels(&imported.auc),
        "missing_labels": imported.missing_labels,
        "ignored_columns": imported.ignored_columns,
        "inexact_names": imported.inexact_names,
        "decisions": imported.decisions,
        "separated": imported.separated,
        "repeated_images": imported.repeated_images,
        "unknown_images": imported.unknown_images,
        "extra_images": imported.extra_images,
        "missing_images": imported.missing_images.len(),
    });
    Ok(Reply::new(text, json))
}

fn pattern(text: &str) -> Result<String, String> {
    match score_columns::is_pattern(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("a pattern contains {} exactly once, such as pred_{0}", score_columns::LABEL)),
    }
}

/// Notes about ignored data, one sentence each.
fn findings(imported: &Imported, of_a_subset: bool) -> Vec<String> {
    const SHOWN: usize = 5;
    let some = |names: &[String]| {
        let rest = if names.len() > SHOWN { ", …" } else { "" };
        names[..names.len().min(SHOWN)].join(", ") + rest
    };
    let whole = if of_a_subset { "the subset" } else { "the data set" };
    let said = |names: &[String], what: &str| {
        let noun = if names.len() == 1 { "image" } else { "images" };
        (!names.is_empty())
            .then(|| format!("{} {noun} {what}: {}", thousands(names.len() as u64), some(names)))
    };
    // Quoted, because a column name may contain anything, including control sequences.
    let listed = |names: &[String], what: &str| {
        let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
    };
    [
        listed(&imported.missing_labels, "labels without a column of scores"),
        listed(&imported.ignored_columns, "columns that hold no scores of a label, ignored"),
        listed(&imported.decisions, "labels whose scores are all 0 or 1: decisions, not probabilities"),
        listed(
            &imported.separated,
            "the scores separate every label perfectly; make sure that they are scores, not labels",
        ),
        written_otherwise(&imported.inexact_names, "of the file"),
        said(&imported.repeated_images, "of the file with duplicate rows, counted once"),
        said(&imported.unknown_images, "of the file without a row in the data set, ignored"),
        said(&imported.extra_images, &format!("of the file outside of {whole}, ignored")),
        said(&imported.missing_images, &format!("of {whole} without scores")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
