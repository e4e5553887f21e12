//! `reg study run`.

use std::ffi::OsString;

use reg::report::{Cell, Column, ReportTable, results};
use reg::study::{
    self, ProbeState, RunOutcome, SetupHeatmaps, State, StudyError, StudyRequest, StudyRunStatus, StudySource,
};
use reg::training::Device;
use reg::training::process::Worker;
use serde_json::{Value, json};

use super::jobs::{self, BatchRequest};
use super::plan::{RunCounts, blocked, document, plan_text};
use super::probe_row;
use super::table::ProgressTable;
use crate::cli::Context;
use crate::cli::environment::cores;
use crate::cli::error::Failure;
use crate::cli::output::{Reply, TableFormat, plural};

/// The arguments of `reg study run`.
#[derive(clap::Args)]
pub(crate) struct StudyRunArgs {
    /// The file, or the name of a study that was started
    #[arg(value_name = "FILE|NAME")]
    study: OsString,
    /// Print what is done and what would be trained, with estimated time and disk space; write nothing
    #[arg(long)]
    plan: bool,
    /// Runs at the same time; default: one per GPU, or as many as the cores allow
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// Devices to assign to runs in turn, such as cuda:0,cuda:1; default: every GPU, or cpu, as set in the file
    #[arg(long, value_name = "DEVICE,…", value_delimiter = ',')]
    devices: Vec<String>,
    #[command(flatten)]
    scheduler: jobs::Scheduler,
}

/// Devices for the runs (all of one kind), and the number of parallel runs.
struct Share {
    devices: Vec<Device>,
    jobs: usize,
}

/// The maximum of `--jobs`.
const MANY: usize = 1024;

fn share(source: &StudySource, worker: &Worker, args: &StudyRunArgs) -> Result<Share, Failure> {
    let identity = worker.identity();
    let mut devices = Vec::new();
    for text in &args.devices {
        let device = Device::parse(text, identity)?;
        // The nodes of a scheduler may have devices that this machine lacks.
        let there = |n: &str| n.parse().is_ok_and(|n: usize| n < identity.cuda.len());
        if !args.scheduler.is_wanted() && device.name.strip_prefix("cuda:").is_some_and(|n| !there(n)) {
            let hint = match identity.cuda.len() {
                0 => "reg-torch finds no usable GPU; run `reg doctor` for the reason".to_owned(),
                n => format!("available: cuda:0 to cuda:{}", n - 1),
            };
            return Err(Failure::new(format!("unknown device `{text}`"), Some(hint)));
        }
        devices.push(device);
    }
    if devices.is_empty() {
        let kind = match source.file.device.as_str() {
            // The machine on which jobs are submitted often has no GPU.
            "auto" if args.scheduler.gives_gpu() => "cuda",
            kind => kind,
        };
        devices = match Device::parse(kind, identity)? {
            cpu if cpu.name == "cpu" => vec![cpu],
            first => {
                let gpus =
                    (1..identity.cuda.len()).map(|n| Device { name: format!("cuda:{n}"), ..first.clone() });
                std::iter::once(first.clone()).chain(gpus).collect()
            }
        };
    }
    if devices.iter().any(|device| device.kind != devices[0].kind) {
        return Err(StudyError::MixedDevices(args.devices.join(",")).into());
    }
    let on_cpu = devices.iter().filter(|device| device.name == "cpu").count();
    let jobs = match (args.jobs, on_cpu) {
        (Some(jobs), _) => jobs as usize,
        // A scheduler decides itself how many runs it executes at once.
        (None, _) if args.scheduler.is_wanted() => MANY,
        (None, 0) => devices.len(),
        (None, _) => (cores() / source.file.threads).max(1) as usize,
    };
    Ok(Share { devices, jobs })
}

pub(super) fn run(context: &Context, args: &StudyRunArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let source = study::load(&registry, &args.study)?;
    let worker = Worker::find()?;
    let Share { devices, jobs } = share(&source, &worker, args)?;
    let run_context = context.run_context(&registry, &worker);
    let plan = study::plan(run_context, &source, &devices[0], jobs, !args.plan)?;
    let counts = RunCounts::of(&plan);
    if args.scheduler.is_wanted() {
        let batch = BatchRequest {
            plan: &plan,
            source: &source,
            threads: source.file.threads,
            kind: devices[0].kind,
        };
        return args.scheduler.run(context, &registry, &batch, args.plan);
    }
    let (threads, cores) = (source.file.threads, cores());
    let due = counts.due.min(jobs);
    if due as u32 * threads > cores {
        let runs = match due {
            1 => "a run".to_owned(),
            due => format!("{} at the same time", plural(due, "run")),
        };
        let fewer = if due > 1 { "use fewer --jobs, or " } else { "" };
        context.note(&format!(
            "warning: {runs} with {} {} the {} of this machine; {fewer}set `threads` in the file, which changes \
             the specs",
            plural(due * threads as usize, "thread"),
            if due == 1 { "overloads" } else { "overload" },
            plural(cores as usize, "core")
        ));
    }
    if args.plan {
        let mut document = document(&plan, &counts, &vec![None; plan.runs.len()]);
        document["seconds"] = json!(plan.seconds);
        document["disk"] = json!(plan.disk);
        document["notes"] = json!(plan.notes);
        return Ok(Reply::new(plan_text(&plan, &counts), document));
    }
    context.note(plan_text(&plan, &counts).trim_end());
    let program = std::env::current_exe()
        .map_err(|e| Failure::new(format!("cannot find the path of the reg program: {e}"), None))?;
    let request = StudyRequest { program: &program, devices: &devices, jobs };
    let mut table = ProgressTable::new(context.global.quiet, &plan);
    let outcomes = study::execute(&registry, &plan, &request, &mut table)?;
    drop(table);

    let runs = study::status(&registry, &plan.study)?;
    let mut probes = study::probes(&registry, &plan.study, &runs)?;
    study::execute_probes(run_context, &mut probes, &devices[0], &mut context.watch())?;
    let heatmaps =
        study::execute_gradcams(run_context, &source.file, &runs, &devices[0], &mut context.watch())?;
    let mut text = TableFormat::Text.render(&[summary(&runs)]);
    match study::preview_sections(&registry, &plan.study, &runs) {
        Ok(sections) => {
            for (section, comparison) in &sections {
                // With several seeds, what the deviation of the first table is over must not be guessed.
                let tables = results::tables(comparison).into_iter();
                let shown = tables.filter(|(name, _)| ["auc", "seeds"].contains(name));
                let shown: Vec<ReportTable> = shown.map(|(_, table)| table).collect();
                text += &format!("\n# {}\n{}", section.title, TableFormat::Text.render(&shown));
            }
            text.push('\n');
        }
        // `reg study compare` says more, with a hint.
        Err(e) => context.note(&format!("note: no table: {e}")),
    }
    let mut failed: Vec<String> = plan
        .runs
        .iter()
        .zip(&outcomes)
        .filter_map(|(planned, outcome)| match outcome.as_ref()? {
            RunOutcome::Done => None,
            RunOutcome::Interrupted => Some(format!("failed: {}: it was interrupted", planned.row.name)),
            RunOutcome::Failed { error, hint, .. } => {
                let hint = hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
                Some(format!("failed: {}: {error}{hint}", planned.row.name))
            }
        })
        .collect();
    failed.extend(probes.iter().filter_map(|probe| match &probe.state {
        ProbeState::Failed(error, hint) => {
            let hint = hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
            Some(format!("failed: {}: {error}{hint}", probe.row.name))
        }
        _ => None,
    }));
    let heatmaps: Vec<Value> = heatmaps
        .into_iter()
        .map(|SetupHeatmaps { setup, made }| match made {
            Ok(made) => {
                if made > 0 {
                    text += &format!("{made} heat maps of {setup}; see its report\n");
                }
                json!({ "setup": setup, "made": made })
            }
            Err((error, hint)) => {
                let said = hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
                failed.push(format!("failed: heat maps of {setup}: {error}{said}"));
                json!({ "setup": setup, "error": error, "hint": hint })
            }
        })
        .collect();
    for line in blocked(&plan).iter().chain(&failed) {
        text += line;
        text.push('\n');
    }
    let name = &plan.study.name;
    text += &format!(
        "study {} {name}; `reg study compare {name}` records the tables, with differences and tests\n",
        plan.id.hash.short()
    );
    let mut document = document(&plan, &counts, &outcomes);
    document["probes"] = probes.iter().map(probe_row).collect();
    document["heats"] = json!(heatmaps);
    let reply = Reply::new(text, document);
    Ok(if failed.is_empty() { reply } else { reply.with_code(1) })
}

/// One line per setup: how many of its runs are done.
fn summary(runs: &[StudyRunStatus]) -> ReportTable {
    let columns = vec![Column::left("Section"), Column::left("Setup"), Column::right("Done")];
    let mut table = ReportTable::new("", columns);
    for setup in runs.chunk_by(|a, b| a.row.setup == b.row.setup) {
        let done = setup.iter().filter(|run| matches!(run.state, State::Done { .. })).count();
        table.rows.push(vec![
            Cell::Text(setup[0].row.section.clone()),
            Cell::Text(setup[0].row.setup.clone()),
            Cell::Text(format!("{done} of {}", setup.len())),
        ]);
    }
    table
}
