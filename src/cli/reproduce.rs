//! `reg reproduce`.

use reg::records::Run;
use reg::runs::process::Worker;
use reg::runs::{Device, reproduce};
use serde_json::json;

use super::Context;
use super::error::Failure;
use super::output::{NO, Reply};

/// Carry out a run's spec again in scratch space and compare every output; exit code 3 if one differs
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name or id of the run
    run: String,
    /// auto, cpu or cuda:N; default: what the run was trained on
    #[arg(long)]
    device: Option<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let run = registry.resolve_as::<Run>(&registry.view()?, &args.run)?;
    let worker = Worker::find()?;
    let device = args.device.map(|text| Device::parse(&text, worker.identity())).transpose()?;
    let result = reproduce(context.session(&registry, &worker), run, device, &mut context.watch())?;
    let mut lines: Vec<String> = result
        .differences
        .iter()
        .map(|d| format!("{}: recorded {}, now {}", d.output, d.recorded.short(), d.now.short()))
        .collect();
    lines.extend(result.environment.iter().map(|line| format!("note: {line}")));
    lines.push(match result.identical {
        true => format!("identical: {}", result.compared.join(", ")),
        false => "not identical".to_owned(),
    });
    let reply = Reply::new(lines.join("\n"), json!(result));
    Ok(if result.identical { reply } else { reply.with_code(NO) })
}
