//! `reg probe`.

use clap::ValueEnum;
use reg::records::{ProbeResult, Run, Target};
use reg::report::features;
use reg::training::process::Worker;
use reg::training::{Device, Probed, probe};
use serde_json::json;

use super::error::Failure;
use super::output::{Reply, TableFormat};
use super::{Context, Moving, complete, marks};

/// Train a linear probe: predict view position, gender or age from the frozen features of a run's checkpoint
#[derive(clap::Args)]
pub(crate) struct ProbeArgs {
    /// Names or ids of runs of one model, one for each fold or re-sampling
    #[arg(value_name = "RUN", required = true, add = complete::runs())]
    runs: Vec<String>,
    /// Target of the probe
    #[arg(long, value_enum)]
    target: TargetArg,
    /// auto, cpu or cuda:N; default: the device that each run was trained on
    #[arg(long)]
    device: Option<String>,
    /// Use withdrawn images anyway; the results are flagged
    #[arg(long)]
    allow_withdrawn: bool,
    /// Name of the table
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    moving: Moving,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TargetArg {
    View,
    Gender,
    Age,
}

pub(crate) fn run(context: &Context, args: ProbeArgs) -> Result<Reply, Failure> {
    let registry = context.registry_to_name(&args.moving)?;
    let view = registry.view()?;
    let runs = args
        .runs
        .iter()
        .map(|text| registry.resolve_as::<Run>(&view, text))
        .collect::<Result<Vec<_>, _>>()?;
    drop(view);
    let worker = Worker::find()?;
    let device = args.device.map(|text| Device::parse(&text, worker.identity())).transpose()?;
    let target = match args.target {
        TargetArg::View => Target::View,
        TargetArg::Gender => Target::Gender,
        TargetArg::Age => Target::Age,
    };
    let run_context = context.run_context(&registry, &worker).allowing(args.allow_withdrawn);
    let name = args.name.as_deref();
    let Probed { table, probe: probed, other_sources } =
        probe(run_context, &runs, target, device, name, &mut context.watch())?;
    if let Some(other) = &other_sources {
        context.note(&other.line("fitted"));
    }
    let marks = marks::warn(context, &registry, [table.hash])?;
    let mut text = args.format.marked(vec![features::probe(&probed, None)], &marks);
    if args.format == TableFormat::Text {
        text += &format!("table {}\n", table.hash.short());
    }
    let mut json = json!({
        "table": table,
        "target": target,
        "model": probed.model,
        "folds": probed.folds,
        "spread": probed.result,
        "other_sources": other_sources,
    });
    // Means over the folds, with keys for scripts.
    let means = match &probed.result {
        ProbeResult::Classes { auc, threshold, sensitivity, specificity, positive, .. } => json!({
            "auc": auc.mean,
            "auc_std": auc.std,
            "positive": positive,
            "youden": {
                "threshold": threshold.mean, "sensitivity": sensitivity.mean, "specificity": specificity.mean
            },
        }),
        ProbeResult::Years { mae, deviation, baseline } => {
            json!({ "mae": mae.mean, "mae_std": deviation.mean, "baseline": baseline.mean })
        }
    };
    if let (Some(json), Some(means)) = (json.as_object_mut(), means.as_object()) {
        json.extend(means.clone());
    }
    Ok(Reply::new(text, json).marked(&marks))
}
