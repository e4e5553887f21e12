//! `reg study`.

mod compare;
mod jobs;
mod plan;
mod run;
mod status;
mod table;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use reg::compare::CompareOptions;
use reg::escape::shell_os;
use reg::hash::Id;
use reg::records::Study;
use reg::registry::Registry;
use reg::study::{self, PAPER, Probe, ProbeState, SMALL, State, StudyRunStatus, slurm};
use reg::training::Device;
use reg::training::process::Worker;
use serde_json::{Value, json};

use super::Context;
use super::error::Failure;
use super::inference::InferenceArgs;
use super::output::{Reply, TableFormat, in_json};

/// Plan, train, watch and compare many runs from one TOML file
#[derive(Subcommand)]
pub(crate) enum StudyCommand {
    /// Write a commented TOML file of the paper's study
    Init {
        /// The file; default: paper.toml, or small.toml
        file: Option<PathBuf>,
        /// Write a study that takes minutes, on the data of `reg demo`
        #[arg(long)]
        small: bool,
        /// Name of the data set to put in the file
        #[arg(long)]
        dataset: Option<String>,
        /// Write a template of the Slurm script instead, which a site can adapt; the default file is slurm.sh
        #[arg(long, conflicts_with_all = ["small", "dataset"])]
        slurm: bool,
    },
    /// Plan a study, then train its pending runs; after an interruption run the same command again
    Run(Box<run::StudyRunArgs>),
    /// Show the progress of each run, also while another process trains
    Status {
        /// The file, or the name of a study
        #[arg(value_name = "FILE|NAME")]
        study: OsString,
        /// Output format of the table
        #[arg(long, value_enum, default_value = "text")]
        format: TableFormat,
    },
    /// Compute the tables of each section (4, 5 and 6 of the paper), recorded as STUDY-SECTION
    Compare {
        /// The file, or the name of a study
        #[arg(value_name = "FILE|NAME")]
        study: OsString,
        /// Number of bootstrap resamples (by patient), such as 2000; adds intervals
        #[arg(long, value_name = "RESAMPLES", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        bootstrap: Option<u32>,
        #[command(flatten)]
        inference: InferenceArgs,
        /// Allow non-comparable inputs; the table is flagged in every format
        #[arg(long)]
        allow_different_images: bool,
        /// Show every table, including ranges over folds, intervals and all tests
        #[arg(long)]
        full: bool,
        /// Output format of the tables
        #[arg(long, value_enum, default_value = "text")]
        format: TableFormat,
    },
}

pub(crate) fn run(context: &Context, command: StudyCommand) -> Result<Reply, Failure> {
    match command {
        StudyCommand::Init { file, slurm: true, .. } => {
            let path = file.unwrap_or_else(|| "slurm.sh".into());
            write(&path, slurm::TEMPLATE)?;
            let text =
                format!("written; use it with `reg study run STUDY --slurm --template {}`", shell_os(&path));
            Ok(Reply::new(text, json!({ "file": in_json(&path) })))
        }
        StudyCommand::Init { file, small, dataset, .. } => init(file, small, dataset),
        StudyCommand::Run(args) => run::run(context, &args),
        StudyCommand::Status { study, format } => status::status(context, &study, format),
        StudyCommand::Compare { study, bootstrap, inference, allow_different_images, full, format } => {
            let options = inference.in_options(CompareOptions {
                bootstrap: bootstrap.map(|resamples| (resamples, 1)),
                ranking: true,
                allow_incomparable: allow_different_images,
                ..CompareOptions::default()
            });
            compare::compare(context, &study, &options, full, format)
        }
    }
}

fn init(file: Option<PathBuf>, small: bool, dataset: Option<String>) -> Result<Reply, Failure> {
    let (text, default) = if small { (SMALL, "small.toml") } else { (PAPER, "paper.toml") };
    let path = file.unwrap_or_else(|| default.into());
    let text = match &dataset {
        Some(name) => {
            let line = |line: &str| match line.starts_with("dataset = ") {
                true => format!("dataset = {}\n", toml_text(name)),
                false => format!("{line}\n"),
            };
            text.lines().map(line).collect()
        }
        None => text.to_owned(),
    };
    write(&path, &text)?;
    let shown = shell_os(&path);
    let text = format!("wrote {shown}; edit it, then run `reg study run {shown} --plan`");
    Ok(Reply::new(text, json!({ "file": in_json(&path) })))
}

/// Writes a file that does not exist yet.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        let hint = (e.kind() == std::io::ErrorKind::AlreadyExists)
            .then(|| "name another file; the existing one may have been edited".to_owned());
        Failure::new(format!("cannot write {}: {e}", path.display()), hint)
    };
    let mut out = fs::File::create_new(path).map_err(failed)?;
    std::io::Write::write_all(&mut out, text.as_bytes()).map_err(failed)
}

/// A text in TOML quotes, which are the same as in JSON.
fn toml_text(text: &str) -> String {
    Value::from(text).to_string()
}

/// A run as part of a JSON document.
fn row(status: &StudyRunStatus) -> Value {
    let StudyRunStatus { row, state } = status;
    let mut value = json!(row);
    value["state"] = json!(state.name());
    match state {
        State::Done { run, predictions, table, auc } => {
            value["run"] = json!(run);
            value["predictions"] = json!(predictions);
            value["table"] = json!(table);
            value["mean_auc"] = json!(auc.mean);
            value["mean_over"] = json!(auc.mean_over);
        }
        State::Running(unfinished) | State::Interrupted(unfinished) => {
            value["live"] = json!(unfinished);
            if let Some(error) = &unfinished.error {
                value["error"] = json!(error);
            }
        }
        State::Blocked { why, mend } => {
            value["error"] = json!(why);
            value["hint"] = json!(mend);
        }
        State::Missing => {}
    }
    value
}

/// A probe as part of a JSON document.
fn probe_row(probe: &Probe) -> Value {
    let mut value = json!(probe.row);
    value["state"] = json!(probe.state.name());
    match &probe.state {
        ProbeState::Done(table, content) => {
            value["table"] = json!(table);
            value["result"] = json!(content.result);
        }
        ProbeState::Failed(error, hint) => {
            value["error"] = json!(error);
            value["hint"] = json!(hint);
        }
        ProbeState::Missing(_) | ProbeState::Waiting => {}
    }
    value
}

/// A study's id and record, and the state of its runs.
type Recorded = (Id<Study>, Study, Vec<StudyRunStatus>);

/// The record of a study given by name, or the current plan of a file.
fn recorded(context: &Context, registry: &Registry, text: &OsStr) -> Result<Recorded, Failure> {
    let source = study::load(registry, text)?;
    if let Some(id) = source.recorded {
        let study = registry.get(id)?;
        let runs = study::status(registry, &study)?;
        return Ok((id, study, runs));
    }
    let worker = Worker::find()?;
    // If the file leaves the device open, the device with which the study was run is used.
    let carried_out = study::of_file(registry, &registry.view()?, &source.path)?;
    let specs = carried_out.into_iter().flat_map(|(_, study)| study.runs).filter_map(|run| run.spec);
    let specs = specs.map(|spec| registry.get(spec)).collect::<Result<Vec<_>, _>>()?;
    let device = match specs.iter().find_map(|spec| Some(spec.network()?.device)) {
        Some(device) => Device::of(device),
        None => Device::parse(&source.file.device, worker.identity())?,
    };
    let plan = study::plan(context.run_context(registry, &worker), &source, &device, 1, false)?;
    let runs = plan.runs.into_iter().map(|run| StudyRunStatus { row: run.row, state: run.state });
    Ok((plan.id, plan.study, runs.collect()))
}
