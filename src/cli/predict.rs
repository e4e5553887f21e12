//! `reg predict`.

use std::collections::HashMap;
use std::path::PathBuf;

use reg::escape::shell;
use reg::hash::Hash;
use reg::records::{OperatingPoint, Scale};
use reg::report::{Cell, Column, ReportTable, results};
use reg::training::process::Worker;
use reg::training::{Device, FileScorer, FileScores, MemberNetwork, Predicted, predict};
use serde_json::{Map, Value, json};

use super::error::Failure;
use super::meta::{MetaArgs, meta_json};
use super::output::{Reply, TableFormat, in_json, plural};
use super::train::thresholds_json;
use super::{Context, complete};

/// Score new images with a run's checkpoint, or with the checkpoints of all members of an ensemble
#[derive(clap::Args)]
pub(crate) struct PredictArgs {
    /// Name or id of the run or the ensemble
    #[arg(add = complete::scored())]
    run: String,
    /// Image files: PNG or JPEG
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// How the threshold of each label is chosen on the validation images: youden, sensitivity=SHARE or specificity=SHARE
    #[arg(long, value_name = "POINT", default_value = "youden")]
    operating_point: OperatingPoint,
    #[command(flatten)]
    meta: MetaArgs,
    /// auto, cpu or cuda:N; default: the device that the run was trained on
    #[arg(long)]
    device: Option<String>,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

pub(crate) fn run(context: &Context, args: PredictArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let scorer = FileScorer::resolve(&registry, &registry.view()?, &args.run)?;
    let worker = Worker::find()?;
    let device = args.device.map(|text| Device::parse(&text, worker.identity())).transpose()?;
    let given = args.meta.given();
    let of = (scorer, args.operating_point);
    let predicted = predict(&registry, &worker, of, &args.images, &given, device, &mut context.watch())?;
    let Predicted { files: scored, thresholds, members, scale, .. } = predicted;
    let withdrawn: Vec<Option<String>> = scored.iter().map(|file| told_withdrawn(context, file)).collect();

    let mut columns = vec![Column::left("Label")];
    let base = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    // Of several files of one name, each is called by its path.
    let name = |path: &PathBuf| match base(path) {
        Some(name) if args.images.iter().filter(|other| base(other).as_ref() == Some(&name)).count() == 1 => {
            name
        }
        _ => path.display().to_string(),
    };
    for path in &args.images {
        columns.push(Column::named(name(path)));
        columns.extend(thresholds.is_some().then(|| Column::under(&name(path), "positive")));
    }
    columns.extend(thresholds.is_some().then(|| Column::right("Threshold")));
    let mut table = ReportTable::new("Probabilities", columns);
    let whole = |(place, why): (usize, &Option<String>)| {
        Some(format!("{}, {}", name(&args.images[place]), why.as_ref()?))
    };
    let named: Vec<String> = withdrawn.iter().enumerate().filter_map(whole).collect();
    table.withdrawn = (!named.is_empty()).then(|| format!("contains withdrawn data: {}", named.join("; ")));
    if members.len() > 1 {
        table.notes.push(averaged(&registry.view()?.names_by_id()?, &members, scale));
    }
    table.notes.extend(origins(&scored));
    let labels = scored.first().map_or(0, |image| image.scores.len());
    for label in 0..labels {
        let number = |value| Cell::Number { value, decimals: 4 };
        let mut row = vec![Cell::Text(scored[0].scores[label].0.clone())];
        for image in &scored {
            row.push(number(Some(image.scores[label].1)));
            row.extend(thresholds.is_some().then(|| Cell::Text(yes_or_no(image.positive[label]).to_owned())));
        }
        let threshold = thresholds.as_ref().map(|auc| auc.labels[label].threshold);
        row.extend(threshold.map(|threshold| number(threshold.map(|of| of.probability))));
        table.rows.push(row);
    }
    match &thresholds {
        Some(auc) => table.notes.extend(results::about_thresholds(auc)),
        None if members.len() > 1 => table.notes.push(
            "No thresholds: the ensemble has no scores of validation images. Run `reg eval RUN --subset val` for each member, then create the ensemble again."
                .to_owned(),
        ),
        None => {
            let run = match scorer {
                FileScorer::Run(_) => args.run.clone(),
                FileScorer::Predictions(_) => members.first().map_or_else(String::new, |of| of.run.hash.short()),
            };
            table.notes.push(format!(
                "No thresholds: the validation images are not scored; `reg eval {} --subset val` scores them.",
                shell(&run)
            ));
        }
    }
    let each: Vec<Value> = args
        .images
        .iter()
        .zip(&scored)
        .zip(&withdrawn)
        .map(|((path, image), withdrawn)| {
            let scores: Map<String, Value> =
                image.scores.iter().map(|(label, score)| (label.clone(), json!(score))).collect();
            let positive: Map<String, Value> = image
                .scores
                .iter()
                .zip(&image.positive)
                .map(|((label, _), positive)| (label.clone(), json!(positive)))
                .collect();
            let mut one = json!({
                "path": in_json(path), "hash": image.hash, "image": image.image, "scores": scores,
                "positive": positive,
            });
            if let Some(meta) = &image.meta {
                one["meta"] = meta_json(meta);
            }
            if let Some(why) = withdrawn {
                one["withdrawn"] = json!(why);
            }
            one
        })
        .collect();
    let thresholds = thresholds.as_ref().and_then(thresholds_json);
    let (run, predictions) = match scorer {
        FileScorer::Run(run) => (Some(run), None),
        FileScorer::Predictions(predictions) => (None, Some(predictions)),
    };
    let members: Vec<Value> =
        members.iter().map(|of| json!({ "run": of.run, "flipped": of.flipped })).collect();
    let json = json!({
        "run": run, "predictions": predictions, "members": members, "scale": scale, "images": each,
        "thresholds": thresholds,
    });
    Ok(Reply::new(args.format.render(&[table]), json))
}

/// Of which networks the scores are a mean.
fn averaged(names: &HashMap<Hash, String>, members: &[MemberNetwork], scale: Scale) -> String {
    let name = |of: &MemberNetwork| {
        let name = names.get(&of.run.hash).cloned().unwrap_or_else(|| of.run.hash.short());
        if of.flipped { format!("{name} (mirrored images)") } else { name }
    };
    let scores = match scale {
        Scale::Logit => "logits",
        Scale::Probability => "probabilities",
    };
    format!("Mean of the {scores} of {}.", members.iter().map(name).collect::<Vec<_>>().join(", "))
}

fn yes_or_no(positive: Option<bool>) -> &'static str {
    match positive {
        Some(true) => "yes",
        Some(false) => "no",
        None => "n/a",
    }
}

/// Subject and reason of the file's withdrawal, which is also reported on standard error.
fn told_withdrawn(context: &Context, file: &FileScores) -> Option<String> {
    let record = file.withdrawn.as_ref()?;
    let why = format!("{}: {}", record.subject, record.reason);
    context.note(&format!("warning: {} was withdrawn ({why})", file.path.display()));
    Some(why)
}

/// Where the age, gender and view of the files come from, one sentence each.
fn origins(scored: &[FileScores]) -> Vec<String> {
    const SHOWN: usize = 5;
    let of = |file: &FileScores| {
        let meta = file.meta?;
        let name = file
            .path
            .file_name()
            .map_or_else(|| file.path.display().to_string(), |name| name.to_string_lossy().into_owned());
        Some(match &file.image {
            Some(image) => format!("{name}: {meta}, from image {image} of the run's data set."),
            None => format!("{name}: {meta}, as given; this file is not in the run's data set."),
        })
    };
    let mut notes: Vec<String> = scored.iter().take(SHOWN).filter_map(of).collect();
    if !notes.is_empty() && scored.len() > SHOWN {
        notes.push(format!(
            "--json has age, gender and view of {}.",
            plural(scored.len() - SHOWN, "other file")
        ));
    }
    notes
}
