//! `reg reproduce`.

use reg::hash::{Hash, Id};
use reg::recompute::{images, recompute, reproduce, reproduce_program};
use reg::records::Mismatch;
use reg::records::{Kind, Recomputed, Run};
use reg::registry::Registry;
use reg::training::Device;
use reg::training::process::Worker;
use serde_json::{Value, json};

use super::error::Failure;
use super::output::{NO, Reply};
use super::run::few;
use super::{Context, complete, marks};

/// Train a run again in scratch space and compare every output, or recompute a table, a split, a data set, weights or
/// predictions from their inputs; exit code 3 if anything differs
#[derive(clap::Args)]
pub(crate) struct ReproduceArgs {
    /// Name or id of the run, or of a table, split, data set, weights or predictions
    #[arg(add = complete::runs())]
    run: String,
    /// auto, cpu or cuda:N; default: the device that the run was trained on
    #[arg(long)]
    device: Option<String>,
}

pub(crate) fn run(context: &Context, args: ReproduceArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let id = registry.resolve(&view, &args.run)?;
    if let Some(kind) = view.kind(&id)? {
        match kind.descriptor().recomputed {
            Some(
                Recomputed::Dataset
                | Recomputed::Pixels
                | Recomputed::Split
                | Recomputed::Weights
                | Recomputed::Predictions
                | Recomputed::Table,
            ) => {
                drop(view);
                return record(&registry, id, kind, &args.run);
            }
            // A run is trained again; other records are recomputed below.
            Some(Recomputed::Run | Recomputed::Spec | Recomputed::Software) | None => {}
        }
    }
    let run = registry.resolve_as::<Run>(&view, &args.run)?;
    drop(view);
    // The record is checked first, because that is fast; outputs are compared only if the record is right.
    let found = recompute(&registry, run.hash, Kind::Run)?.unwrap_or_default();
    if !found.is_empty() {
        return Ok(compared(Kind::Run, &found));
    }
    marks::warn(context, &registry, [run.hash])?;
    if registry.get(registry.get(run)?.spec)?.program().is_some() {
        if args.device.is_some() {
            return Err(Failure::usage("--device is for networks: a program chooses its device itself"));
        }
        return program(context, &registry, run);
    }
    let worker = Worker::find()?;
    let device = args.device.map(|text| Device::parse(&text, worker.identity())).transpose()?;
    let result = reproduce(context.run_context(&registry, &worker), run, device, &mut context.watch())?;
    let mut lines: Vec<String> = result
        .differences
        .iter()
        .map(|d| format!("{}: recorded {}, now {}", d.output, d.recorded.short(), d.now.short()))
        .collect();
    lines.extend(few(&result.environment).iter().map(|line| format!("note: {line}")));
    lines.push(match result.identical {
        true => format!("identical: {}", result.compared.join(", ")),
        false => "not identical".to_owned(),
    });
    let reply = Reply::new(lines.join("\n"), json!(result));
    Ok(if result.identical { reply } else { reply.with_code(NO) })
}

/// Runs a program again.
fn program(context: &Context, registry: &Registry, run: Id<Run>) -> Result<Reply, Failure> {
    let result = reproduce_program(registry, &context.environment, run, &mut context.watch())?;
    let short = |hash: Option<Hash>| hash.map_or_else(|| "none".to_owned(), |hash| hash.short());
    let mut lines: Vec<String> = result
        .differences
        .iter()
        .map(|d| format!("{}: recorded {}, now {}", d.output, short(d.recorded), short(d.now)))
        .collect();
    lines.extend(few(&result.environment).iter().map(|line| format!("note: {line}")));
    lines.push(match result.identical {
        true => format!("identical: {}", result.compared.join(", ")),
        false => format!(
            "not identical: scores differ by at most {:.3e}, AUCs by at most {:.3e}",
            result.largest_score_difference, result.largest_auc_difference
        ),
    });
    let reply = Reply::new(lines.join("\n"), json!(result));
    Ok(if result.identical { reply } else { reply.with_code(NO) })
}

fn record(registry: &Registry, id: Hash, kind: Kind, called: &str) -> Result<Reply, Failure> {
    let Some(mut found) = recompute(registry, id, kind)? else {
        return Err(Failure::new(
            format!("the numbers of `{called}` come from a network, not from recorded scores"),
            Some(
                "run the same `reg probe` or `reg gradcam` again: equal numbers have the same id".to_owned(),
            ),
        ));
    };
    if kind == Kind::Dataset {
        found.extend(images(registry, Id::new(id))?);
    }
    Ok(compared(kind, &found))
}

/// The reply for a recomputed record.
fn compared(kind: Kind, found: &[Mismatch]) -> Reply {
    let identical = found.is_empty();
    let mut lines: Vec<String> = found.iter().map(described).collect();
    lines.push(if identical { format!("identical: {kind}") } else { "not identical".to_owned() });
    let difference =
        |m: &Mismatch| json!({ "output": kind, "place": m.place, "recorded": m.recorded, "now": m.now });
    let json = json!({
        "identical": identical, "compared": [kind],
        "differences": found.iter().map(difference).collect::<Vec<_>>(), "environment": [], "sources": [],
    });
    let reply = Reply::new(lines.join("\n"), json);
    if identical { reply } else { reply.with_code(NO) }
}

/// A line for a value that differs from the recomputed one.
pub(super) fn described(mismatch: &Mismatch) -> String {
    let shown = |value: &Value| {
        let text = value.to_string();
        if text.chars().count() <= 60 { text } else { text.chars().take(59).chain(['…']).collect() }
    };
    format!("{}: recorded {}, now {}", mismatch.place, shown(&mismatch.recorded), shown(&mismatch.now))
}
