//! `reg export`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use reg::export::{self, ExportFolder, FileFormat, Sheet};
use reg::hash::Hash;
use reg::index::View;
use reg::records::{Kind, Run, Subset};
use reg::registry::Registry;
use serde_json::json;

use super::error::Failure;
use super::output::{Reply, in_json, plural};
use super::{Context, complete, marks};

/// Export for other tools: scores and tables as CSV, Parquet or JSON, a checkpoint with a PyTorch program, a model card, or
/// an MLflow store
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ExportArgs {
    #[command(subcommand)]
    other: Option<Other>,
    /// Names or ids of predictions, runs, data sets, splits or tables
    #[arg(value_name = "ID", required = true, add = complete::anything())]
    ids: Vec<String>,
    /// A file that ends in .csv, .parquet, .json or .md; anything else is a folder
    #[arg(short, long, value_name = "PATH", required = true)]
    output: Option<PathBuf>,
    /// Format; default: from the file name's extension
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// One row per value of a table, in long form: model, label, group, fold, statistic
    #[arg(long)]
    long: bool,
}

#[derive(clap::Subcommand)]
enum Other {
    /// Export runs with their settings, epochs, AUCs and files as an MLflow store
    Mlflow {
        /// Output folder; must not exist yet. Start `mlflow ui` in it
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Names or ids of runs; default: all
        #[arg(value_name = "RUN", add = complete::runs())]
        runs: Vec<String>,
        /// How checkpoints are copied: `reflink` falls back to a copy where the file system cannot share
        /// blocks; `hardlink` takes no space, and the files stay read-only
        #[arg(long, value_enum, default_value = "reflink")]
        link: super::ingest::LinkArg,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// Comma-separated values
    Csv,
    /// Apache Parquet
    Parquet,
    /// A JSON array of rows
    Json,
    /// The weights of a run as safetensors, and model.py, which scores images with the weights
    Checkpoint,
    /// A model card in Markdown, with the metadata that model hubs read
    Card,
}

impl ExportFormat {
    /// The name on the command line.
    fn called(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

pub(crate) fn run(context: &Context, args: ExportArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    if let Some(Other::Mlflow { folder, runs, link }) = args.other {
        return mlflow(context, &registry, &folder, &runs, link.into());
    }
    let Some(output) = args.output else { return Err(Failure::usage("give --output")) };
    let end = output.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
    let by_name = match end.as_deref() {
        Some("csv") => Some(ExportFormat::Csv),
        Some("parquet") => Some(ExportFormat::Parquet),
        Some("json") => Some(ExportFormat::Json),
        Some("md") => Some(ExportFormat::Card),
        _ => None,
    };
    let Some(format) = args.format.or(by_name) else {
        return Err(Failure::usage(format!(
            "the format of {} is not clear from its name: give --format csv, parquet, json, checkpoint or card",
            output.display()
        )));
    };
    if let Some(by_name) = by_name.filter(|by_name| *by_name != format) {
        let [by_name, format] = [by_name, format].map(ExportFormat::called);
        return Err(Failure::usage(format!(
            "{} has the extension of {by_name}, but --format is {format}: leave out --format or change the extension",
            output.display()
        )));
    }
    if args.long && matches!(format, ExportFormat::Checkpoint | ExportFormat::Card) {
        return Err(Failure::usage("--long exports the values of a table as csv, parquet or json"));
    }
    let view = registry.view()?;
    let mut leaving = Vec::new();
    for text in &args.ids {
        let id = registry.resolve(&view, text)?;
        let all = match format {
            // A single file has the scores of the test images only.
            ExportFormat::Csv | ExportFormat::Parquet | ExportFormat::Json => {
                export::leaving(&registry, &view, id, by_name.map(|_| Subset::Test))?
            }
            ExportFormat::Card => export::leaving(&registry, &view, id, Some(Subset::Test))?,
            ExportFormat::Checkpoint => vec![id],
        };
        leaving.push((id, all));
    }
    drop(view);
    let marks = marks::warn_of(context, &registry, leaving)?;
    let view = registry.view()?;
    let tables = |file| -> Result<Reply, Failure> {
        let written = tables(&registry, &view, &args.ids, &output, file, args.long)?;
        if written.has_logits {
            context.note("note: the scores are logits; the probability is 1 / (1 + exp(-score)), and `reg predictions import` takes them with --logits");
        }
        Ok(written.reply)
    };
    let reply = match format {
        ExportFormat::Csv => tables(FileFormat::Csv),
        ExportFormat::Parquet => tables(FileFormat::Parquet),
        ExportFormat::Json => tables(FileFormat::Json),
        ExportFormat::Checkpoint => {
            let run = registry.resolve_as::<Run>(&view, one(&args.ids)?)?;
            let folder = ExportFolder::begin(&output)?;
            export::checkpoint(&registry, run, &folder)?;
            folder.finish()?;
            Ok(Reply::new(
                format!("{}: checkpoint.safetensors, model.py", output.display()),
                json!({ "id": run, "folder": in_json(&output), "files": ["checkpoint.safetensors", "model.py"] }),
            ))
        }
        ExportFormat::Card => {
            let run = registry.resolve_as::<Run>(&view, one(&args.ids)?)?;
            let card = export::card(&registry, &view, run)?;
            export::save(&output, card.as_bytes())?;
            Ok(Reply::new(output.display().to_string(), json!({ "id": run, "file": in_json(&output) })))
        }
    }?;
    Ok(reply.marked(&marks))
}

fn one(ids: &[String]) -> Result<&str, Failure> {
    match ids {
        [id] => Ok(id),
        _ => Err(Failure::usage("a checkpoint or a card is exported from exactly one run")),
    }
}

/// What was written.
struct WrittenTables {
    reply: Reply,
    /// Whether scores are among it that are no probabilities, under the plain names of their labels.
    has_logits: bool,
}

/// Writes one sheet to a file in the format of its extension, or any number to a folder.
fn tables(
    registry: &Registry,
    view: &View,
    ids: &[String],
    output: &Path,
    format: FileFormat,
    long: bool,
) -> Result<WrittenTables, Failure> {
    let mut all: Vec<(String, Hash, Sheet)> = Vec::new();
    let is_file = FileFormat::of(output) == Some(format);
    for text in ids {
        let id = registry.resolve(view, text)?;
        let stem = if reg::registry::is_name(text) { text.clone() } else { id.short() };
        let sheets = match (long, is_file) {
            (true, _) => vec![export::long_sheet(registry, view, id)?],
            (false, true) => export::main_sheets(registry, view, id)?,
            (false, false) => export::sheets(registry, view, id)?,
        };
        for sheet in sheets {
            all.push((format!("{stem}-{}", sheet.name), id, sheet));
        }
    }
    let logits =
        |sheet: &Sheet| sheet.about.iter().any(|(key, value)| key == "reg.scale" && value == "logit");
    let has_logits = all.iter().any(|(.., sheet)| logits(sheet));
    if is_file {
        let [(_, id, sheet)] = all.as_slice() else {
            let names = all.into_iter().map(|(_, _, sheet)| sheet.name).collect();
            return Err(
                export::ExportError::Several { what: ids.join(", "), names, path: output.into() }.into()
            );
        };
        export::save(output, &sheet.render(format))?;
        let text = format!("{}: {}", output.display(), size(sheet));
        let reply = Reply::new(text, json!({ "files": [described(output, *id, sheet)] }));
        return Ok(WrittenTables { reply, has_logits });
    }
    let folder = ExportFolder::begin(output)?;
    let (mut lines, mut files) = (Vec::new(), Vec::new());
    for (place, (name, id, sheet)) in all.iter().enumerate() {
        // Predictions of one subset on several devices would have the same name.
        let taken = all[..place].iter().filter(|(other, _, _)| other == name).count();
        let number = if taken > 0 { format!("-{}", taken + 1) } else { String::new() };
        let file = format!("{name}{number}.{}", format.extension());
        folder.write(&file, &sheet.render(format))?;
        lines.push(format!("{file}: {}", size(sheet)));
        files.push(described(&output.join(file), *id, sheet));
    }
    folder.finish()?;
    let reply = Reply::new(lines.join("\n"), json!({ "folder": in_json(output), "files": files }));
    Ok(WrittenTables { reply, has_logits })
}

fn size(sheet: &Sheet) -> String {
    format!("{}, {}", plural(sheet.rows(), "row"), plural(sheet.columns.len(), "column"))
}

fn described(file: &Path, id: Hash, sheet: &Sheet) -> serde_json::Value {
    json!({ "file": in_json(file), "id": id, "rows": sheet.rows(), "columns": sheet.columns.len() })
}

fn mlflow(
    context: &Context,
    registry: &Registry,
    folder: &Path,
    runs: &[String],
    link: reg::store::LinkMode,
) -> Result<Reply, Failure> {
    let view = registry.view()?;
    let runs: Vec<_> = match runs {
        [] => view.of_kind(Kind::Run)?.into_iter().map(reg::hash::Id::new).collect(),
        named => {
            named.iter().map(|text| registry.resolve_as::<Run>(&view, text)).collect::<Result<_, _>>()?
        }
    };
    let leaving = runs
        .iter()
        .map(|run| Ok((run.hash, export::leaving(registry, &view, run.hash, Some(Subset::Test))?)));
    let leaving = leaving.collect::<Result<Vec<_>, export::ExportError>>()?;
    drop(view);
    let marks = marks::warn_of(context, registry, leaving)?;
    let out = ExportFolder::begin(folder)?;
    let written = export::mlflow(registry, &registry.view()?, &runs, &out, link)?;
    out.finish()?;
    let text = format!(
        "{}: {} in {}; start `mlflow ui` in this folder to browse them",
        folder.display(),
        plural(runs.len(), "run"),
        plural(written.experiments, "experiment")
    );
    let json = json!({ "folder": in_json(folder), "runs": runs.len(), "experiments": written.experiments });
    Ok(Reply::new(text, json).marked(&marks))
}
