//! `reg train`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use reg::compare::leaks;
use reg::digits::counted;
use reg::disk::{Doing, FileError};
use reg::hash::Id;
use reg::limits;
use reg::network;
use reg::records::{AucTable, Dataset, Incomparable, Init, LabelAuc, Predictions, Split, Weights};
use reg::registry::Registry;
use reg::report::{Cell, Column, ReportTable, results};
use reg::training::config::{Overrides, network_file, resolve};
use reg::training::process::Worker;
use reg::training::settings::{setting_choices, setting_names, settings};
use reg::training::{Device, TrainRequest, divided, train};
use serde_json::{Map, Value, json};

use super::environment::default_threads;
use super::error::Failure;
use super::output::{Reply, TableFormat};
use super::{Context, Moving, complete, marks};

/// Train a model, select the best epoch by validation loss, score test and validation images, compute the AUC table and
/// choose thresholds
///
/// A repeated training is answered from the registry at once; an interrupted one resumes where it stopped. In
/// both cases the result has the same bytes.
#[derive(clap::Args)]
#[command(after_long_help = settings_help())]
#[command(
    override_usage = "reg train --dataset <DATASET> --split <SPLIT> --model <MODEL> [OPTIONS]\n       reg train --model <MODEL> --settings"
)]
pub(crate) struct TrainArgs {
    /// Name or id of the data set
    #[arg(long, required_unless_present = "settings", add = complete::datasets())]
    dataset: Option<String>,
    /// Name or id of the split
    #[arg(long, required_unless_present = "settings", add = complete::splits())]
    split: Option<String>,
    /// Fold or re-sampling of the split, counted from 0
    #[arg(long, default_value_t = 0)]
    fold: u32,
    #[arg(long, help = model_help(), add = complete::models())]
    model: OsString,
    /// Print the settings of the model with their defaults, and do not train
    #[arg(long)]
    settings: bool,
    /// Initial weights; default: fine-tune with --weights, else scratch
    #[arg(long, value_enum)]
    init: Option<InitArg>,
    /// Name or id of imported weights
    #[arg(long, add = complete::weights())]
    weights: Option<String>,
    /// Settings in TOML
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// One setting; repeatable; overrides the file
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of initial weights, sample order and augmentation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads of the tensor library; the number changes the last bits of the result. Default: all cores; 1 for a
    /// network without images, whose steps are too short to use more
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Checkpoint interval in minutes: a killed training loses at most this much work; a training interrupted with
    /// Ctrl-C loses none
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0, value_parser = minutes)]
    save_every: f64,
    /// Use withdrawn images anyway; the results are flagged
    #[arg(long)]
    allow_withdrawn: bool,
    /// Name of the run; default: MODEL-SPLIT-fFOLD, or MODEL-SPLIT if the split has a single fold; -seedN is
    /// added if the seed is not 1
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    moving: Moving,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

fn model_help() -> String {
    let names: Vec<&str> = network::bases().collect();
    format!(
        "The network: {}. Image networks except `tiny` also exist as NAME-1channel and NAME-large; each of these, and \
         `tiny`, also with the suffix -meta. Or a file NAME.toml with the layers of your own network",
        names.join(", ")
    )
}

fn settings_help() -> String {
    format!(
        "Settings for --set and --config: {}. `reg train --model MODEL --settings` prints the settings of a model with their meanings and defaults. Values that are not plain numbers: {}.",
        setting_names().join(", "),
        setting_choices().join("; ")
    )
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.0..=1e6).contains(&minutes) => Ok(minutes),
        _ => Err("a number of minutes, 0 or more".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum InitArg {
    Scratch,
    FineTune,
    OffTheShelf,
}

pub(crate) fn run(context: &Context, args: TrainArgs) -> Result<Reply, Failure> {
    if args.settings {
        return print_settings(args);
    }
    let registry = context.registry_to_name(&args.moving)?;
    let view = registry.view()?;
    // Both are required where the settings are not asked for.
    let named = [&args.dataset, &args.split].map(|text| text.clone().unwrap_or_default());
    let dataset = registry.resolve_as::<Dataset>(&view, &named[0])?;
    let split = registry.resolve_as::<Split>(&view, &named[1])?;
    let weights = args.weights.map(|text| registry.resolve_as::<Weights>(&view, &text)).transpose()?;
    drop(view);
    let init = match (args.init, weights) {
        (Some(InitArg::Scratch), _) | (None, None) => Init::Scratch,
        (Some(InitArg::FineTune), _) | (None, Some(_)) => Init::FineTune,
        (Some(InitArg::OffTheShelf), _) => Init::OffTheShelf,
    };
    let overrides = overrides(args.model, args.config, args.set, init)?;
    let (model, training) = resolve(&overrides)?;
    let worker = Worker::find()?;
    let threads = args.threads.unwrap_or_else(|| default_threads(&model));
    let request = TrainRequest {
        dataset,
        split,
        fold: args.fold,
        model,
        training,
        init,
        weights,
        seed: args.seed,
        threads,
        device: Device::parse(&args.device, worker.identity())?,
        save_every: args.save_every * 60.0,
        name: args.name,
    };
    let (_, of_split) = divided(&registry, dataset, split, request.fold)?;
    context.note(&format!(
        "{} on {}, split {}, {} {}, seed {}, {} on {}",
        request.model.name,
        named[0],
        named[1],
        of_split.method.division().name(),
        request.fold,
        request.seed,
        counted(u64::from(request.training.epochs), "epoch"),
        request.device.name
    ));
    let run_context = context.run_context(&registry, &worker).allowing(args.allow_withdrawn);
    let trained = train(run_context, &request, &mut context.watch())?;
    // A training has all three.
    let (loss, epoch) = (trained.record.val_loss.unwrap_or(f64::NAN), trained.record.best_epoch.unwrap_or(0));
    if loss > DIVERGED {
        context.note(&format!(
            "warning: the network has diverged: the validation loss of its best epoch ({epoch}) is {loss:.3e}; try a smaller learning rate (--set lr=0.001) or more steps"
        ));
    }

    if let Some(other) = &trained.other_sources {
        context.note(&other.line("trained"));
    }
    let incomparable = warn_of_leaks(context, &registry, trained.test.predictions)?;
    let title = format!("AUC of {} on its test images", trained.name);
    let marks = marks::warn(context, &registry, [trained.run.hash, trained.test.table.hash])?;
    let mut text = args.format.marked(vec![results::auc(&title, &trained.test.auc)], &marks);
    if args.format == TableFormat::Text {
        text += &format!(
            "run {} {}{}: epoch {} of {} kept, validation loss {}, test AUC {}\ntable {}\nnext: `reg show {}`, `reg list run --sort test_auc`\n",
            trained.run.hash.short(),
            trained.name,
            if trained.cached { " (cached)" } else { "" },
            epoch,
            trained.record.epochs.unwrap_or(0),
            super::progress::loss(loss),
            trained.test.auc.mean.map_or("n/a".to_owned(), |mean| format!(
                "{mean:.4} over {} of {}",
                trained.test.auc.mean_over,
                counted(trained.test.auc.labels.len() as u64, "label")
            )),
            trained.test.table.hash.short(),
            trained.name,
        );
    }
    let json = json!({
        "run": trained.run,
        "name": trained.name,
        "spec": trained.record.spec,
        "checkpoint": trained.record.checkpoint,
        "predictions": trained.test.predictions,
        "table": trained.test.table,
        "cached": trained.cached,
        "other_sources": trained.other_sources,
        "auc": auc_json(&trained.test.auc),
        "mean_over": trained.test.auc.mean_over,
        "constant": constant_labels(&trained.test.auc),
        "unfair": incomparable,
        "validation": {
            "predictions": trained.validation.predictions,
            "table": trained.validation.table,
            "auc": auc_json(&trained.validation.auc),
            "mean_over": trained.validation.auc.mean_over,
            "thresholds": thresholds_json(&trained.validation.auc),
        },
    });
    Ok(Reply::new(text, json).marked(&marks))
}

/// The settings of a model, as --init, --config and --set leave them.
fn print_settings(args: TrainArgs) -> Result<Reply, Failure> {
    let init = match args.init {
        Some(InitArg::Scratch) | None => Init::Scratch,
        Some(InitArg::FineTune) => Init::FineTune,
        Some(InitArg::OffTheShelf) => Init::OffTheShelf,
    };
    let overrides = overrides(args.model, args.config, args.set, init)?;
    let all = settings(&overrides)?;
    let title = format!("Settings of {}, {}", overrides.model, init.name());
    let columns = vec![Column::left("Setting").key(), Column::left("Default"), Column::prose("Meaning")];
    let mut table = ReportTable::new(title, columns);
    for setting in &all {
        let default = setting.default.as_str().map_or_else(|| setting.default.to_string(), str::to_owned);
        table.rows.push([setting.name.clone(), default, setting.about.clone()].map(Cell::Text).into());
    }
    table.notes.push("Change one with --set NAME=VALUE.".to_owned());
    let json = json!({ "model": overrides.model, "init": init.name(), "settings": all });
    Ok(Reply::new(args.format.render(&[table]), json))
}

fn overrides(
    model: OsString,
    config: Option<PathBuf>,
    set: Vec<String>,
    init: Init,
) -> Result<Overrides, Failure> {
    let file = match config {
        Some(path) => {
            let text = limits::read_text(&path, limits::STUDY_FILE).doing("read", &path)?;
            Some((path, text))
        }
        None => None,
    };
    let network =
        network_file(&model, Path::new("")).map_err(|(path, e)| FileError::new("read", &path, e))?;
    Ok(Overrides { model: model.to_string_lossy().into_owned(), network, init: Some(init), file, set })
}

/// Warns if a run's initial weights have seen test patients.
pub(super) fn warn_of_leaks(
    context: &Context,
    registry: &Registry,
    predictions: Id<Predictions>,
) -> Result<Vec<Incomparable>, Failure> {
    let incomparable = leaks(registry, predictions)?;
    for Incomparable { why, .. } in &incomparable {
        context.note(&format!("warning: {why}"));
    }
    Ok(incomparable)
}

/// A validation loss above this is not that of a learning network: constant predictions of 0.5 give 0.69.
const DIVERGED: f64 = 10.0;

/// The AUC of each label, and `mean`.
pub(super) fn auc_json(table: &AucTable) -> Value {
    let mut map: Map<String, Value> =
        table.labels.iter().map(|label| (label.label.clone(), json!(label.auc))).collect();
    map.insert("mean".to_owned(), json!(table.mean));
    Value::Object(map)
}

/// The operating point, and the threshold of each label; `None` where none was chosen.
pub(super) fn thresholds_json(table: &AucTable) -> Option<Value> {
    let of_label = |label: &LabelAuc| {
        let mut value = json!(label.threshold);
        if label.threshold.is_some() {
            value["positives"] = json!(label.positives);
            value["negatives"] = json!(label.negatives);
            value["positive_patients"] = json!(label.positive_patients);
        }
        (label.label.clone(), value)
    };
    let labels: Map<String, Value> = table.labels.iter().map(of_label).collect();
    Some(json!({ "operating_point": table.operating_point?, "labels": labels }))
}

/// Labels for which all images have the same score.
pub(super) fn constant_labels(table: &AucTable) -> Vec<&str> {
    table.labels.iter().filter(|label| label.constant).map(|label| label.label.as_str()).collect()
}
