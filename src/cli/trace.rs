//! `reg trace`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;
use reg::export::{ExportFolder, prov, ro_crate};
use reg::hash::Hash;
use reg::index::View;
use reg::lineage::{Direction, Graph, Impact, Node, image_named, impact, trace};
use reg::records::{Kind, Withdrawal};
use reg::registry::{Registry, RegistryError};
use reg::report::impact;
use reg::report::lineage::{dot, tree};
use reg::usage::Asked;
use reg::withdrawal::Withdrawn;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::Failure;
use super::marks::ResultRemark;
use super::output::{Reply, in_json, plural};
use super::{Context, complete, marks};

/// Show the lineage of a result, down to images and code, or the results of an input
#[derive(clap::Args)]
pub(crate) struct TraceArgs {
    /// Name or id of any object, or the file name of an image. With --down also `patient:13`, and `DATASET:42` or
    /// `FILE.csv:42` for data row 42 of a metadata file
    #[arg(add = complete::anything())]
    id: OsString,
    /// Show the inputs (default)
    #[arg(long, conflicts_with = "down")]
    up: bool,
    /// Show the results
    #[arg(long)]
    down: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "tree")]
    format: TraceFormat,
    /// Output folder of the RO-Crate; must not exist yet
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Show every image, not only the first few of each data set
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
    /// A Workflow Run RO-Crate folder, with the records and all their inputs except images
    RoCrate,
}

/// A lineage with the withdrawn data that it contains, and the files of unknown origin from which it starts.
#[derive(Serialize)]
struct Marked<'g> {
    #[serde(flatten)]
    graph: &'g Graph,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    withdrawn: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_ancestry: Vec<Value>,
}

pub(crate) fn run(context: &Context, args: TraceArgs) -> Result<Reply, Failure> {
    if args.output.is_some() != matches!(args.format, TraceFormat::RoCrate) {
        return Err(Failure::usage(
            "--output and --format ro-crate go together: the option names the crate's folder",
        ));
    }
    if args.down && args.output.is_some() {
        return Err(Failure::usage("an RO-Crate holds the inputs of a result: use --up"));
    }
    let registry = context.registry()?;
    let view = registry.view()?;
    // A name is ASCII, so what is lost here is no name.
    let text = &*args.id.to_string_lossy();
    let format = match args.format {
        TraceFormat::Tree | TraceFormat::Dot if context.global.json => TraceFormat::Json,
        asked => asked,
    };
    if args.down {
        if let Some(asked) = Asked::read(&registry, &view, &args.id)? {
            let mut impact = impact(&registry, &view, &asked)?;
            let asked_in = in_dataset(&view, text)?;
            if let Some((name, id)) = &asked_in {
                impact.call(id, name);
            }
            let elsewhere = asked_in.filter(|(_, id)| impact.datasets.iter().all(|one| one.id != *id));
            let elsewhere = elsewhere.map(|(name, _)| {
                let row = text.rsplit(':').next().unwrap_or_default();
                format!("{name} does not contain data row {row} of its metadata")
            });
            return down(context, &registry, &impact, (text, format), elsewhere);
        }
    } else if text.contains(':') {
        return Err(Failure::usage("a patient or a row is an input: use --down"));
    }
    let root = match registry.resolve(&view, text) {
        Err(e @ (RegistryError::Unknown { .. } | RegistryError::Removed { .. })) => {
            image_named(&registry, &view, text)?.ok_or(e)?
        }
        other => other?,
    };
    let direction = if args.down { Direction::Down } else { Direction::Up };
    let mut graph = trace(&registry, &view, root, direction)?;
    // Of several names it is the one that was typed.
    if view.name(text)? == Some(root) {
        graph.call(&root, text);
    }
    drop(view);
    let marks = marks::warn(context, &registry, [root])?;
    if let Some(output) = args.output {
        let folder = ExportFolder::begin(&output)?;
        let written = ro_crate(&registry, &registry.view()?, &graph, &folder)?;
        folder.finish()?;
        let text =
            format!("{}: {} and ro-crate-metadata.json", output.display(), plural(written.files, "file"));
        return Ok(Reply::new(
            text,
            json!({ "id": root, "folder": in_json(&output), "files": written.files }),
        ));
    }
    // The lineage may contain every image: only the requested part is written.
    Ok(match format {
        TraceFormat::Tree => {
            let said = marks.iter().flat_map(ResultRemark::sentences);
            let marks: String = said.map(|said| format!("This {said}.\n")).collect();
            Reply::new(tree(&graph, direction, args.all) + &marks, Value::Null)
        }
        TraceFormat::Json => Reply::document(&Marked {
            graph: &graph,
            withdrawn: marks
                .iter()
                .filter_map(|mark| Some(json!({ "id": mark.id, "uses": mark.withdrawn? })))
                .collect(),
            unknown_ancestry: marks
                .iter()
                .filter(|mark| !mark.files().is_empty())
                .map(|mark| json!({ "id": mark.id, "files": mark.files() }))
                .collect(),
        }),
        TraceFormat::Dot => Reply::new(dot(&graph, args.all), Value::Null),
        TraceFormat::Prov | TraceFormat::RoCrate => of_prov(&registry, &graph)?,
    })
}

/// The data set of `DATASET:ROW`, as typed, if it has a name.
fn in_dataset(view: &View, text: &str) -> Result<Option<(String, Hash)>, Failure> {
    let Some((what, _)) = text.rsplit_once(':') else { return Ok(None) };
    let Some(id) = view.name(what)? else { return Ok(None) };
    let is_dataset = view.kind(&id)? == Some(Kind::Dataset);
    Ok(is_dataset.then(|| (what.to_owned(), id)))
}

fn of_prov(registry: &Registry, graph: &Graph) -> Result<Reply, Failure> {
    let document = prov(registry, &registry.view()?, graph)?;
    Ok(Reply::new(format!("{document:#}"), document))
}

/// The use of some images, which may be withdrawn.
fn down(
    context: &Context,
    registry: &Registry,
    impact: &Impact,
    (asked, format): (&str, TraceFormat),
    elsewhere: Option<String>,
) -> Result<Reply, Failure> {
    if impact.images.is_empty() {
        let rows = match asked.starts_with("patient:") || !asked.contains(':') {
            true => "",
            false => "; rows are counted from 1 after the header",
        };
        let hint = format!("`reg dataset list` shows the data sets{rows}");
        return Err(Failure::new(format!("no data set contains {asked}"), Some(hint)));
    }
    if let Some(not_there) = &elsewhere {
        context.note(&format!("warning: {not_there}, but other data sets of the same file do"));
    }
    let withdrawn = Withdrawn::known(registry, &registry.view()?)?;
    for (id, Withdrawal { subject, time, reason, .. }) in withdrawn.holding() {
        if impact.images.iter().any(|image| image.withdrawn == Some(id.hash)) {
            context
                .note(&format!("warning: {subject} was withdrawn on {time}: {reason} ({})", id.hash.short()));
        }
    }
    let graph = || {
        let nodes: Vec<Node> = impact.nodes.iter().map(|node| node.node.clone()).collect();
        let root = nodes.first().map_or(impact.images[0].dataset, |node| node.id);
        Graph::of(root, nodes, impact.edges.clone())
    };
    Ok(match format {
        TraceFormat::Tree => {
            let not_there = elsewhere.map_or_else(String::new, |said| format!("{said}. Elsewhere:\n"));
            Reply::new(not_there + &impact::tree(impact, asked), Value::Null)
        }
        TraceFormat::Json => Reply::document(impact),
        TraceFormat::Dot => Reply::new(dot(&graph(), true), Value::Null),
        TraceFormat::Prov | TraceFormat::RoCrate => of_prov(registry, &graph())?,
    })
}
