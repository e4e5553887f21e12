//! `reg gradcam`.

use std::ffi::OsString;
use std::path::PathBuf;

use reg::records::{Run, Scale};
use reg::registry::Registry;
use reg::report::features;
use reg::training::process::Worker;
use reg::training::{Device, gradcam, pointing};
use serde_json::json;

use super::error::Failure;
use super::eval::SubsetArg;
use super::meta::{MetaArgs, meta_json};
use super::output::{Reply, TableFormat, in_json, save};
use super::{Context, complete, marks};

/// Show which image regions support a label: a Grad-CAM heat map of an image, or the pointing game on all annotated boxes
#[derive(clap::Args)]
pub(crate) struct GradcamArgs {
    /// Name or id of the run
    #[arg(add = complete::runs())]
    run: String,
    /// A PNG or JPEG file, or the name of an image of the run's data set
    #[arg(required_unless_present = "boxes")]
    image: Option<OsString>,
    /// The label
    #[arg(long, required_unless_present = "boxes")]
    label: Option<String>,
    /// Output file, a PNG of the image's size
    #[arg(short, long, value_name = "OUT.png", required_unless_present = "boxes")]
    output: Option<PathBuf>,
    #[command(flatten)]
    meta: MetaArgs,
    /// Play the pointing game on the annotated boxes of a subset instead
    #[arg(long, conflicts_with_all = ["image", "label", "output", "age", "gender", "view"])]
    boxes: bool,
    /// The subset of images whose boxes are used
    #[arg(long, value_enum, default_value = "test", requires = "boxes")]
    subset: SubsetArg,
    /// auto, cpu or cuda:N; default: the device that the run was trained on
    #[arg(long)]
    device: Option<String>,
    /// Use withdrawn images anyway; the results are flagged
    #[arg(long)]
    allow_withdrawn: bool,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

pub(crate) fn run(context: &Context, args: GradcamArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let run = registry.resolve_as::<Run>(&registry.view()?, &args.run)?;
    let worker = Worker::find()?;
    let device = args.device.map(|text| Device::parse(&text, worker.identity())).transpose()?;
    let run_context = context.run_context(&registry, &worker).allowing(args.allow_withdrawn);
    let watch = &mut context.watch();
    let (id, marks, mut text, json) = match (args.image, args.label, args.output) {
        (Some(image), Some(label), Some(file)) => {
            Registry::refuse_output(&file)?;
            let (id, heatmap, picture) =
                gradcam(run_context, run, &image, &label, &args.meta.given(), device, watch)?;
            save(&file, &picture)?;
            let probability = Scale::Logit.probability(heatmap.logit);
            let marks = marks::warn(context, &registry, [id.hash])?;
            let mut text = args.format.marked(vec![features::heatmap(&heatmap)], &marks);
            if args.format == TableFormat::Text {
                text += &format!("probability {probability:.4}\npicture {}\n", file.display());
            }
            let mut json = json!({
                "id": id, "file": in_json(&file), "run": run, "image": heatmap.image, "label": label, "logit": heatmap.logit,
                "probability": probability, "boxes": heatmap.boxes, "picture": heatmap.picture,
            });
            if let Some(meta) = &heatmap.meta {
                json["meta"] = meta_json(meta);
            }
            (id, marks, text, json)
        }
        _ => {
            let (id, pointing) = pointing(run_context, run, args.subset.subset(), device, watch)?;
            let marks = marks::warn(context, &registry, [id.hash])?;
            let text = args.format.marked(vec![features::pointing(&pointing)], &marks);
            let json = json!({
                "id": id, "table": id, "run": run, "subset": pointing.subset, "labels": pointing.labels,
                "all": pointing.all, "boxes": pointing.rows,
            });
            (id, marks, text, json)
        }
    };
    if args.format == TableFormat::Text {
        text += &format!("table {}\n", id.hash.short());
    }
    Ok(Reply::new(text, json).marked(&marks))
}
