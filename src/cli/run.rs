//! `reg run`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use reg::digits::{counted, several};
use reg::records::{Dataset, Isolation, Split, variable};
use reg::report::results;
use reg::scores::separated;
use reg::training::program::{ProgramRequest, run_program};
use serde_json::json;

use super::error::Failure;
use super::output::{Reply, TableFormat};
use super::train::{auc_json, constant_labels, warn_of_leaks};
use super::{Context, Moving, complete, marks};

/// Run a program of your own on the images of a split; record its scores and all its inputs
///
/// The environment variable REG_JOB is the path of job.json. It has `labels`, `seed`, `fold`, `dataset` and `split`, and the
/// paths `train`, `val` and `test` of CSV files with the columns Image Index, path, Patient ID, Patient Age, Patient Gender,
/// View Position, then one column per label (not in test.csv).
///
/// REG_OUT is the folder for the program's results:
///
/// - scores.csv or scores.npy: a column `Image Index` and, for each label, a column LABEL (probabilities) or logit_LABEL; for
///   all test images, optionally for all validation images;
///
/// - optionally epochs.jsonl (epoch, train_loss, val_loss, val_auc), checkpoint.* and further files.
///
/// The same program with the same data and seed is answered from the registry.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// Name or id of the data set
    #[arg(long, add = complete::datasets())]
    dataset: String,
    /// Name or id of the split
    #[arg(long, add = complete::splits())]
    split: String,
    /// Fold or re-sampling of the split, counted from 0
    #[arg(long, default_value_t = 0)]
    fold: u32,
    /// The seed that the program is given
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Name of the run
    #[arg(long)]
    name: String,
    /// Name of the model in tables; default: the program's file name without its extension
    #[arg(long)]
    model: Option<String>,
    /// Folder of the program's files; the command runs in a copy of it. In a git repository: tracked and untracked files
    /// that git does not ignore, as they are on disk. Default: the files that the command names
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    source: Option<PathBuf>,
    /// A further file that the program reads, such as weights; repeatable. `{KEY}` in the command and REG_INPUT_KEY in
    /// the environment stand for its path
    #[arg(long = "input", value_name = "KEY=FILE")]
    inputs: Vec<OsString>,
    /// An environment variable to pass on, with its current value or the given one; repeatable. No other variables are
    /// passed on, except PATH and a few system variables
    #[arg(long = "env", value_name = "VAR[=VALUE]")]
    env: Vec<String>,
    /// End the program after this time: seconds, or a number with s, m or h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Let the program use the network
    #[arg(long)]
    network: bool,
    #[command(flatten)]
    moving: Moving,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, text.chars().last().unwrap_or('s')),
        None => (text, 's'),
    };
    let seconds = match unit {
        'm' => 60.0,
        'h' => 3600.0,
        _ => 1.0,
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && number * seconds <= 1e9 => {
            Ok(Duration::from_secs_f64(number * seconds))
        }
        _ => Err("a time above 0, such as 90, 30m or 8h".to_owned()),
    }
}

/// Keys and files.
fn inputs(given: &[OsString]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let pair = |word: &OsString| {
        let split =
            word.as_bytes().iter().position(|byte| *byte == b'=').map(|at| word.as_bytes().split_at(at));
        match split.map(|(key, file)| (str::from_utf8(key), OsStr::from_bytes(&file[1..]))) {
            Some((Ok(key), file)) if !file.is_empty() => Ok((key.to_owned(), PathBuf::from(file))),
            _ => Err(Failure::usage(format!("--input {}: expected KEY=FILE", word.to_string_lossy()))),
        }
    };
    given.iter().map(pair).collect()
}

/// Variables with their values.
fn variables(given: &[String]) -> Result<Vec<String>, Failure> {
    let mut found: Vec<String> = Vec::new();
    for text in given {
        let name = variable(text).0;
        let value = match text.split_once('=') {
            Some(_) => text.clone(),
            None => match std::env::var(name) {
                Ok(value) => format!("{name}={value}"),
                Err(_) => {
                    return Err(Failure::usage(format!(
                        "--env {name}: there is no such variable, or it is not UTF-8"
                    )));
                }
            },
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let reserved = name.starts_with("REG_") || ["HOME", "TMPDIR"].contains(&name);
        if !is_name || reserved || found.iter().any(|known| variable(known).0 == name) {
            let why = match (is_name, reserved) {
                (false, _) => "not the name of a variable",
                (_, true) => "reg itself sets this variable",
                _ => "given twice",
            };
            return Err(Failure::usage(format!("--env {name}: {why}")));
        }
        found.push(value);
    }
    Ok(found)
}

pub(crate) fn run(context: &Context, args: RunArgs) -> Result<Reply, Failure> {
    let (inputs, variables) = (inputs(&args.inputs)?, variables(&args.env)?);
    let registry = context.registry_to_name(&args.moving)?;
    let view = registry.view()?;
    let dataset = registry.resolve_as::<Dataset>(&view, &args.dataset)?;
    let split = registry.resolve_as::<Split>(&view, &args.split)?;
    drop(view);
    let request = ProgramRequest {
        dataset,
        split,
        fold: args.fold,
        seed: args.seed,
        name: args.name,
        model: args.model,
        source: args.source,
        inputs,
        variables,
        network: args.network,
        timeout: args.timeout,
        command: args.command,
    };
    let ran = run_program(&registry, &context.environment, &request, &mut context.watch())?;
    for line in few(&ran.environment) {
        context.note(&format!("recorded in a different environment: {line}"));
    }
    if !ran.other_names.is_empty() {
        context.note(&format!(
            "{} is a further name of the run {}: the same program, data and seed; --model gives it another name in tables",
            ran.name,
            several(&ran.other_names),
        ));
    }
    if !ran.left_out.is_empty() {
        context.note(&format!(
            "not recorded and not in the program's copy of --source, being ignored, hidden or another repository: {}{}",
            several(&ran.left_out),
            match ran.isolation {
                Some(isolation) if isolation.landlock.is_some() => "",
                _ => "; nothing keeps the program from reading them where they are",
            },
        ));
    }
    if !ran.ignored.is_empty() {
        context
            .note(&format!("not registered, because they are folders or hidden: {}", ran.ignored.join(", ")));
    }
    let incomparable = warn_of_leaks(context, &registry, ran.test.predictions)?;
    if !separated(&ran.test.auc).is_empty() {
        context.note(
            "warning: the scores separate every label of the test images perfectly; check whether the program was given these labels",
        );
    }
    let title = format!("AUC of {} on its test images", ran.name);
    let marks = marks::warn(context, &registry, [ran.run.hash, ran.test.table.hash])?;
    let mut text = args.format.marked(vec![results::auc(&title, &ran.test.auc)], &marks);
    if args.format == TableFormat::Text {
        let mean = ran.test.auc.mean.map_or("n/a".to_owned(), |mean| {
            let labels = counted(ran.test.auc.labels.len() as u64, "label");
            format!("{mean:.4} over {} of {labels}", ran.test.auc.mean_over)
        });
        text += &format!(
            "run {} {}{}: test AUC {mean}\n{}table {}\nnext: `reg show {}`, `reg reproduce {}`\n",
            ran.run.hash.short(),
            ran.name,
            if ran.cached { " (cached)" } else { "" },
            ran.isolation.map_or_else(String::new, |isolation| format!("isolation: {}\n", isolation.told())),
            ran.test.table.hash.short(),
            ran.name,
            ran.name,
        );
    }
    let json = json!({
        "run": ran.run,
        "name": ran.name,
        "spec": ran.record.spec,
        "checkpoint": ran.record.checkpoint,
        "files": ran.record.files,
        "predictions": ran.test.predictions,
        "table": ran.test.table,
        "cached": ran.cached,
        "environment": ran.environment,
        "left_out": ran.left_out,
        "isolation": ran.isolation.map(isolation),
        "auc": auc_json(&ran.test.auc),
        "mean_over": ran.test.auc.mean_over,
        "constant": constant_labels(&ran.test.auc),
        "unfair": incomparable,
    });
    Ok(Reply::new(text, json).marked(&marks))
}

/// The first differences of surroundings, and how many more there are.
pub(super) fn few(differences: &[String]) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut lines: Vec<String> = differences.iter().take(SHOWN).cloned().collect();
    if let Some(more) = differences.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let more = counted(more as u64, "more difference");
        lines.push(format!("{more}; with --json, the same command lists all in the key environment"));
    }
    lines
}

fn isolation(of: Isolation) -> serde_json::Value {
    json!({ "landlock": of.landlock, "network": of.network })
}
