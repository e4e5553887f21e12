//! `reg train`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use reg::compare::leaks;
use reg::hash::Id;
use reg::limits;
use reg::network;
use reg::records::{AucTable, Dataset, Incomparable, Init, Predictions, Split, Weights};
use reg::registry::Registry;
use reg::report::results;
use reg::training::config::{Overrides, network_file, resolve};
use reg::training::process::Worker;
use reg::training::{Device, TrainRequest, train};
use serde_json::{Map, Value, json};

use super::environment::cores;
use super::error::Failure;
use super::output::{Reply, TableFormat};
use super::{Context, marks};

/// Train a model, select the best epoch by validation loss, score the test images and compute the AUC table
#[derive(clap::Args)]
pub(crate) struct TrainArgs {
    /// Name or id of the data set
    #[arg(long)]
    dataset: String,
    /// Name or id of the split
    #[arg(long)]
    split: String,
    /// Fold of the split, counted from 0
    #[arg(long, default_value_t = 0)]
    fold: u32,
    #[arg(long, help = model_help())]
    model: String,
    /// Initial weights; default: fine-tune with --weights, else scratch
    #[arg(long, value_enum)]
    init: Option<InitArg>,
    /// Name or id of imported weights
    #[arg(long)]
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
    /// Threads of the tensor library; the number changes the last bits of the result. Default: all cores
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Checkpoint interval in minutes: the most work a kill can cost. An interrupt costs nothing
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0, value_parser = minutes)]
    save_every: f64,
    /// Use withdrawn images anyway; results are flagged
    #[arg(long)]
    allow_withdrawn: bool,
    /// Name of the run; default: MODEL-SPLIT-fFOLD, or MODEL-SPLIT if the split has one fold
    #[arg(long)]
    name: Option<String>,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

fn model_help() -> String {
    let names: Vec<&str> = network::bases().collect();
    format!(
        "The network: {}; one with three channels optionally with -1channel or -large, then one with images \
         optionally with -meta. Or a file NAME.toml with the layers of your own",
        names.join(", ")
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
    let registry = context.registry()?;
    let view = registry.view()?;
    let dataset = registry.resolve_as::<Dataset>(&view, &args.dataset)?;
    let split = registry.resolve_as::<Split>(&view, &args.split)?;
    let weights = args.weights.map(|text| registry.resolve_as::<Weights>(&view, &text)).transpose()?;
    drop(view);
    let init = match (args.init, weights) {
        (Some(InitArg::Scratch), _) | (None, None) => Init::Scratch,
        (Some(InitArg::FineTune), _) | (None, Some(_)) => Init::FineTune,
        (Some(InitArg::OffTheShelf), _) => Init::OffTheShelf,
    };
    let file = match args.config {
        Some(path) => {
            let text = limits::read_text(&path, limits::STUDY_FILE)
                .map_err(|e| Failure::of_file("read", &path, &e))?;
            Some((path, text))
        }
        None => None,
    };
    let network =
        network_file(&args.model, Path::new("")).map_err(|(path, e)| Failure::of_file("read", &path, &e))?;
    let overrides = Overrides { model: args.model, network, init: Some(init), file, set: args.set };
    let (model, training) = resolve(&overrides)?;
    let worker = Worker::find()?;
    let request = TrainRequest {
        dataset,
        split,
        fold: args.fold,
        model,
        training,
        init,
        weights,
        seed: args.seed,
        threads: args.threads.unwrap_or_else(cores),
        device: Device::parse(&args.device, worker.identity())?,
        save_every: args.save_every * 60.0,
        name: args.name,
    };
    let run_context = context.run_context(&registry, &worker).allowing(args.allow_withdrawn);
    let trained = train(run_context, &request, &mut context.watch())?;
    let loss = trained.record.val_loss;
    if loss > DIVERGED {
        let epoch = trained.record.best_epoch;
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
            "run {} {}{}\ntable {}\n",
            trained.run.hash.short(),
            trained.name,
            if trained.cached { " (cached)" } else { "" },
            trained.test.table.hash.short()
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
        "unfair": incomparable,
    });
    Ok(Reply::new(text, json).marked(&marks))
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
