//! `reg predict`.

use std::fs::File;
use std::path::PathBuf;

use reg::hash::Hasher;
use reg::records::Run;
use reg::registry::Registry;
use reg::report::{Cell, Column, ReportTable};
use reg::runs::process::Worker;
use reg::runs::{Device, predict};
use serde_json::{Map, Value, json};

use super::Context;
use super::error::Failure;
use super::output::{Reply, TableFormat};

/// Score new images with a run's checkpoint
#[derive(clap::Args)]
pub(crate) struct PredictArgs {
    /// Name or id of the run
    run: String,
    /// PNG files
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// auto, cpu or cuda:N; default: the device that the run was trained on
    #[arg(long)]
    device: Option<String>,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

pub(crate) fn run(context: &Context, args: PredictArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let run = registry.resolve_as::<Run>(&registry.view()?, &args.run)?;
    let worker = Worker::find()?;
    let device = args.device.map(|text| Device::parse(&text, worker.identity())).transpose()?;
    // The worker may run in another folder.
    let absolute = |path: &PathBuf| path.canonicalize().map_err(|e| Failure::of_file("read", path, &e));
    let images: Vec<PathBuf> = args.images.iter().map(absolute).collect::<Result<_, _>>()?;
    let withdrawn = withdrawn(context, &registry, &images)?;
    let scored = predict(&registry, &worker, run, &images, device, &mut context.watch())?;

    let mut columns = vec![Column::left("Label")];
    let name =
        |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    columns.extend(images.iter().map(|path| Column::named(name(path))));
    let mut table = ReportTable::new("Probabilities", columns);
    let whole =
        |(place, why): (usize, &Option<String>)| Some(format!("{}, {}", name(&images[place]), why.as_ref()?));
    let named: Vec<String> = withdrawn.iter().enumerate().filter_map(whole).collect();
    table.withdrawn = (!named.is_empty()).then(|| format!("contains withdrawn data: {}", named.join("; ")));
    let labels = scored.first().map_or(0, |image| image.scores.len());
    for label in 0..labels {
        let cells =
            scored.iter().map(|image| Cell::Number { value: Some(image.scores[label].1), decimals: 4 });
        table
            .rows
            .push(std::iter::once(Cell::Text(scored[0].scores[label].0.clone())).chain(cells).collect());
    }
    let each: Vec<Value> = args
        .images
        .iter()
        .zip(&scored)
        .zip(&withdrawn)
        .map(|((path, image), withdrawn)| {
            let scores: Map<String, Value> =
                image.scores.iter().map(|(label, score)| (label.clone(), json!(score))).collect();
            let mut one = json!({ "path": path, "scores": scores });
            if let Some(why) = withdrawn {
                one["withdrawn"] = json!(why);
            }
            one
        })
        .collect();
    Ok(Reply::new(args.format.render(&[table]), json!({ "run": run, "images": each })))
}

/// The withdrawn ones among these images, which are recognized by their bytes; each is also reported on
/// standard error.
fn withdrawn(
    context: &Context,
    registry: &Registry,
    images: &[PathBuf],
) -> Result<Vec<Option<String>>, Failure> {
    let withdrawn = registry.withdrawn(&registry.view()?)?;
    if withdrawn.is_empty() {
        return Ok(vec![None; images.len()]);
    }
    let of = |path: &PathBuf| {
        let unreadable = |e: std::io::Error| Failure::of_file("read", path, &e);
        let mut hasher = Hasher::both();
        hasher.read(File::open(path).map_err(unreadable)?).map_err(unreadable)?;
        let covering = withdrawn.of_file(&hasher.digest().blake3);
        let why = covering.map(|(_, record)| format!("{}: {}", record.subject, record.reason));
        if let Some(why) = &why {
            context.note(&format!("warning: {} was withdrawn ({why})", path.display()));
        }
        Ok(why)
    };
    images.iter().map(of).collect()
}
