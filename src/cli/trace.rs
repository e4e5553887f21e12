//! `reg trace`.

use clap::ValueEnum;
use reg::lineage::{Asked, Direction, Graph, Node, Touched, TouchedImage, image_named, touched, trace};
use reg::records::{Subject, Withdrawal};
use reg::registry::{Registry, RegistryError};
use reg::report::lineage::{dot, tree};
use reg::report::touched;
use serde_json::Value;

use super::error::Failure;
use super::output::Reply;
use super::{Context, marks};

/// Show what a result is made of, down to images and code, or what was made of an input
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name or id of a table, run, data set or anything else, or the file name of an image. With --down also
    /// `patient:13`, and `DATASET:42` or `FILE.csv:42` for data row 42 of a metadata file
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
    let format = if context.global.json { TraceFormat::Json } else { args.format };
    if args.down {
        if let Some(asked) = Asked::read(&registry, &view, &args.id)? {
            let touched = touched(&registry, &view, &asked)?;
            return down(context, &registry, &touched, format);
        }
    } else if args.id.contains(':') {
        return Err(Failure::usage("a patient or a row is an input, and is traced --down only"));
    }
    let root = match registry.resolve(&view, &args.id) {
        Err(e @ RegistryError::Unknown { .. }) => image_named(&registry, &view, &args.id)?.ok_or(e)?,
        other => other?,
    };
    let direction = if args.down { Direction::Down } else { Direction::Up };
    let graph = trace(&registry, &view, root, direction)?;
    drop(view);
    marks::warn(context, &registry, [root])?;
    // It may hold every image: only what is printed is written.
    Ok(match format {
        TraceFormat::Tree => Reply::new(tree(&graph, direction, args.all), Value::Null),
        TraceFormat::Json => Reply::document(&graph),
        TraceFormat::Dot => Reply::new(dot(&graph, args.all), Value::Null),
    })
}

/// What used some images, which may have been withdrawn.
fn down(
    context: &Context,
    registry: &Registry,
    touched: &Touched,
    format: TraceFormat,
) -> Result<Reply, Failure> {
    if touched.images.is_empty() {
        let hint = "`reg show DATASET` says what a data set holds; rows count from 1 behind the header";
        return Err(Failure::new(format!("nothing here has {}", touched.root), Some(hint.to_owned())));
    }
    let withdrawn = registry.withdrawn(&registry.view()?)?;
    for (id, record) in withdrawn.holding() {
        let covers = |image: &TouchedImage| match &record.subject {
            Subject::Patient { patient } => image.patient == *patient,
            Subject::Image { name } => image.name == *name,
        };
        if touched.images.iter().any(covers) {
            let Withdrawal { subject, time, reason, .. } = record;
            context
                .note(&format!("warning: {subject} was withdrawn on {time}: {reason} ({})", id.hash.short()));
        }
    }
    Ok(match format {
        TraceFormat::Tree => Reply::new(touched::tree(touched), Value::Null),
        TraceFormat::Json => Reply::document(touched),
        TraceFormat::Dot => {
            let nodes: Vec<Node> = touched.nodes.iter().map(|node| node.node.clone()).collect();
            let root = nodes.first().map_or(touched.images[0].dataset, |node| node.id);
            Reply::new(dot(&Graph { root, nodes, edges: touched.edges.clone() }, true), Value::Null)
        }
    })
}
