//! `reg trace`.

use clap::ValueEnum;
use reg::lineage::{Direction, image_named, trace};
use reg::registry::RegistryError;
use reg::report::lineage::{dot, tree};
use serde_json::Value;

use super::Context;
use super::error::Failure;
use super::output::Reply;

/// Show what a result is made of, down to images and code, or what was made of an input
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name or id of a table, run, data set or anything else, or the file name of an image
    id: String,
    /// Towards the inputs (the default)
    #[arg(long, conflicts_with = "down")]
    up: bool,
    /// Towards the results
    #[arg(long)]
    down: bool,
    /// How it is written
    #[arg(long, value_enum, default_value = "tree")]
    format: TraceFormat,
    /// Show every image, not the first few of each data set
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TraceFormat {
    Tree,
    Json,
    Dot,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let root = match registry.resolve(&view, &args.id) {
        Err(e @ RegistryError::Unknown { .. }) => image_named(&registry, &view, &args.id)?.ok_or(e)?,
        other => other?,
    };
    let direction = if args.down { Direction::Down } else { Direction::Up };
    let graph = trace(&registry, &view, root, direction)?;
    // It may hold every image: only what is printed is written.
    let format = if context.global.json { TraceFormat::Json } else { args.format };
    Ok(match format {
        TraceFormat::Tree => Reply::new(tree(&graph, direction, args.all), Value::Null),
        TraceFormat::Json => Reply::document(&graph),
        TraceFormat::Dot => Reply::new(dot(&graph, args.all), Value::Null),
    })
}
