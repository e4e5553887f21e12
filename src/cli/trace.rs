//! `reg trace`.

use std::path::PathBuf;

use clap::ValueEnum;
use reg::export::{Folder, prov, ro_crate};
use reg::lineage::{Direction, image_named, trace};
use reg::registry::RegistryError;
use reg::report::lineage::{dot, tree};
use serde_json::{Value, json};

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
    /// Where an RO-Crate goes: a folder that is not there yet
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Show every image, not the first few of each data set
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TraceFormat {
    Tree,
    Json,
    Dot,
    /// PROV-JSON
    Prov,
    /// A folder as a Workflow Run RO-Crate, with the records and all that they are made of but images
    RoCrate,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let root = match registry.resolve(&view, &args.id) {
        Err(e @ RegistryError::Unknown { .. }) => image_named(&registry, &view, &args.id)?.ok_or(e)?,
        other => other?,
    };
    let direction = if args.down { Direction::Down } else { Direction::Up };
    if args.output.is_some() != matches!(args.format, TraceFormat::RoCrate) {
        return Err(Failure::usage("--output is the folder of --format ro-crate, and the two go together"));
    }
    if args.down && args.output.is_some() {
        return Err(Failure::usage("an RO-Crate holds what a result is made of: it goes with --up"));
    }
    let graph = trace(&registry, &view, root, direction)?;
    if let Some(output) = args.output {
        let folder = Folder::begin(&output)?;
        let written = ro_crate(&registry, &view, &graph, &folder)?;
        folder.finish()?;
        let text = format!("{}: {} files and ro-crate-metadata.json", output.display(), written.files);
        return Ok(Reply::new(text, json!({ "id": root, "folder": output, "files": written.files })));
    }
    // It may hold every image: only what is printed is written.
    Ok(match args.format {
        TraceFormat::Tree | TraceFormat::Dot if context.global.json => Reply::document(&graph),
        TraceFormat::Tree => Reply::new(tree(&graph, direction, args.all), Value::Null),
        TraceFormat::Json => Reply::document(&graph),
        TraceFormat::Dot => Reply::new(dot(&graph, args.all), Value::Null),
        // Without --output there is no RO-Crate.
        TraceFormat::Prov | TraceFormat::RoCrate => {
            let document = prov(&registry, &graph)?;
            Reply::new(format!("{document:#}"), document)
        }
    })
}
