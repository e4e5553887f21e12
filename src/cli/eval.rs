//! `reg eval`.

use clap::ValueEnum;
use reg::records::{OperatingPoint, Run, Subset};
use reg::report::results;
use reg::training::process::Worker;
use reg::training::{Device, Evaluation, evaluate};
use serde_json::json;

use super::error::Failure;
use super::output::{Reply, TableFormat};
use super::train::{auc_json, constant_labels, thresholds_json, warn_of_leaks};
use super::{Context, complete, marks};

/// Score a subset of images with a run's checkpoint and compute the AUC table
#[derive(clap::Args)]
pub(crate) struct EvalArgs {
    /// Name or id of the run
    #[arg(add = complete::runs())]
    run: String,
    /// The subset
    #[arg(long, value_enum, default_value = "test")]
    subset: SubsetArg,
    /// Test-time augmentation: `flip` averages the logits of the images and of the mirrored images
    #[arg(long, value_enum)]
    tta: Option<Tta>,
    /// How the threshold of each label is chosen on the validation images: youden, sensitivity=SHARE or specificity=SHARE.
    /// Default: youden
    #[arg(long, value_name = "POINT")]
    operating_point: Option<OperatingPoint>,
    /// auto, cpu or cuda:N; default: the device that the run was trained on
    #[arg(long)]
    device: Option<String>,
    /// Threads of the tensor library; default: as in the run's training
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Use withdrawn images anyway; the results are flagged
    #[arg(long)]
    allow_withdrawn: bool,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tta {
    Flip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SubsetArg {
    Train,
    Val,
    Test,
}

impl SubsetArg {
    pub(super) fn subset(self) -> Subset {
        match self {
            SubsetArg::Train => Subset::Train,
            SubsetArg::Val => Subset::Val,
            SubsetArg::Test => Subset::Test,
        }
    }
}

pub(crate) fn run(context: &Context, args: EvalArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let run = registry.resolve_as::<Run>(&registry.view()?, &args.run)?;
    let subset = args.subset.subset();
    let operating_point = operating_point(subset, args.operating_point)?;
    let worker = Worker::find()?;
    let device = args.device.map(|text| Device::parse(&text, worker.identity())).transpose()?;
    let run_context = context.run_context(&registry, &worker).allowing(args.allow_withdrawn);
    let evaluation = Evaluation { subset, operating_point, flip: args.tta.is_some() };
    let evaluated = evaluate(run_context, run, evaluation, device, args.threads, &mut context.watch())?;
    let incomparable = warn_of_leaks(context, &registry, evaluated.predictions)?;
    if let Some(other) = &evaluated.other_sources {
        context.note(&other.line("scored"));
    }
    let views =
        if args.tta.is_some() { ", mean of the scores of the images and of the mirrored images" } else { "" };
    let title = format!("AUC of {} on its {} images{views}", args.run, subset.name());
    let marks = marks::warn(context, &registry, [evaluated.table.hash])?;
    let mut text = args.format.marked(vec![results::auc(&title, &evaluated.auc)], &marks);
    if args.format == TableFormat::Text {
        text += &match args.tta {
            // They are compared by their id.
            Some(Tta::Flip) => format!(
                "predictions {}\ntable {}\n",
                evaluated.predictions.hash.short(),
                evaluated.table.hash.short()
            ),
            None => format!("table {}\n", evaluated.table.hash.short()),
        };
    }
    let mut json = json!({
        "run": run,
        "subset": subset,
        "predictions": evaluated.predictions,
        "table": evaluated.table,
        "cached": evaluated.cached,
        "other_sources": evaluated.other_sources,
        "auc": auc_json(&evaluated.auc),
        "mean_over": evaluated.auc.mean_over,
        "constant": constant_labels(&evaluated.auc),
        "unfair": incomparable,
    });
    if let Some(thresholds) = thresholds_json(&evaluated.auc) {
        json["thresholds"] = thresholds;
    }
    Ok(Reply::new(text, json).marked(&marks))
}

/// How thresholds are chosen on a subset; only on validation images are they.
pub(super) fn operating_point(
    subset: Subset,
    wanted: Option<OperatingPoint>,
) -> Result<Option<OperatingPoint>, Failure> {
    if wanted.is_some() && subset != Subset::Val {
        return Err(Failure::usage(
            "--operating-point needs --subset val: thresholds are chosen on validation images",
        ));
    }
    Ok(wanted.or(OperatingPoint::usual(Some(subset))))
}
