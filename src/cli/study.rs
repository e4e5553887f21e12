//! `reg study`.

use std::fs;
use std::path::PathBuf;

use clap::Subcommand;
use reg::records::Study;
use reg::registry::Registry;
use reg::report::{Cell, Column, Table, features, results};
use reg::runs::process::Worker;
use reg::runs::study::{
    self, Basis, Cost, Orders, Outcome, PAPER, Plan, Probe, ProbeState, SMALL, Source, Standing, State,
    StudyError,
};
use reg::runs::{Device, Options};
use serde_json::{Value, json};

use super::Context;
use super::compare;
use super::error::Failure;
use super::output::{Reply, TableFormat};
use super::progress::{loss, span};
use super::study_table::LiveTable;
use super::surroundings::cores;

/// Many runs from one TOML file: plan, train what is missing, watch, compare
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write the paper's study as a commented TOML file
    Init {
        /// The file; default: paper.toml, or small.toml
        file: Option<PathBuf>,
        /// A study of minutes on the data of `reg demo` instead
        #[arg(long)]
        small: bool,
        /// Name of the data set in it
        #[arg(long)]
        dataset: Option<String>,
    },
    /// Plan, then train what is missing; run it again after whatever stopped it
    Run(RunArgs),
    /// How far each run is, also while another process trains
    Status {
        /// The file, or the name of a study
        #[arg(value_name = "FILE|NAME")]
        study: String,
        /// How the table is written
        #[arg(long, value_enum, default_value = "text")]
        format: TableFormat,
    },
    /// The tables of each section (4, 5 and 6 of the paper), recorded as STUDY-SECTION
    Compare {
        /// The file, or the name of a study
        #[arg(value_name = "FILE|NAME")]
        study: String,
        /// Intervals from so many draws of patients, such as 2000
        #[arg(long, value_name = "DRAWS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        bootstrap: Option<u32>,
        /// Show what cannot be compared side by side nevertheless; the table says so in every form
        #[arg(long)]
        allow_different_images: bool,
        /// Show every table: also ranges over folds, intervals and every test
        #[arg(long)]
        full: bool,
        /// How the tables are written
        #[arg(long, value_enum, default_value = "text")]
        format: TableFormat,
    },
}

/// What `reg study run` takes.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// The file, or the name of a study that was begun
    #[arg(value_name = "FILE|NAME")]
    study: String,
    /// Only say what is there, what would be trained, how long it takes and how much room; write nothing
    #[arg(long)]
    plan: bool,
    /// Runs that go side by side; default: one a GPU, or as many as have cores for their threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// Devices that the runs get in turn, such as cuda:0,cuda:1; default: every GPU, or cpu, as the file says
    #[arg(long, value_name = "DEVICE,…", value_delimiter = ',')]
    devices: Vec<String>,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Reply, Failure> {
    match command {
        Command::Init { file, small, dataset } => init(file, small, dataset),
        Command::Run(args) => carry_out(context, args),
        Command::Status { study, format } => status(context, &study, format),
        Command::Compare { study, bootstrap, allow_different_images, full, format } => {
            let options = Options {
                bootstrap: bootstrap.map(|draws| (draws, 1)),
                allow_unfair: allow_different_images,
                ..Options::default()
            };
            compare_sections(context, &study, &options, full, format)
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
    let failed = |e: std::io::Error| {
        let hint = (e.kind() == std::io::ErrorKind::AlreadyExists)
            .then(|| "name another file; what is there may have been edited".to_owned());
        Failure::new(format!("cannot write {}: {e}", path.display()), hint)
    };
    let mut out = fs::File::create_new(&path).map_err(failed)?;
    std::io::Write::write_all(&mut out, text.as_bytes()).map_err(failed)?;
    let shown = path.display();
    let text = format!("{shown} written; read it, change it, then `reg study run {shown} --plan`");
    Ok(Reply::new(text, json!({ "file": path })))
}

/// A text as TOML quotes it, which is as JSON does.
fn toml_text(text: &str) -> String {
    Value::from(text).to_string()
}

/// What runs get: devices of one kind, and how many go side by side.
struct Share {
    devices: Vec<Device>,
    jobs: usize,
}

fn share(source: &Source, worker: &Worker, args: &RunArgs) -> Result<Share, Failure> {
    let identity = worker.identity();
    let mut devices = Vec::new();
    for text in &args.devices {
        devices.push(Device::parse(text, identity)?);
    }
    if devices.is_empty() {
        devices = match Device::parse(&source.file.device, identity)? {
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
        (None, 0) => devices.len(),
        (None, _) => (cores() / source.file.threads).max(1) as usize,
    };
    Ok(Share { devices, jobs })
}

fn carry_out(context: &Context, args: RunArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let source = study::load(&registry, &args.study)?;
    let worker = Worker::find()?;
    let Share { devices, jobs } = share(&source, &worker, &args)?;
    let session = context.session(&registry, &worker);
    let plan = study::plan(session, &source, &devices[0], jobs, !args.plan)?;
    let counts = Counts::of(&plan);
    let (threads, cores) = (source.file.threads, cores());
    let due = counts.due.min(jobs);
    if due as u32 * threads > cores {
        context.note(&format!(
            "warning: {due} runs of {threads} threads each on {cores} cores slow each other down by more than they gain; \
             fewer --jobs, or `threads` in the file, which makes other specs"
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
        .map_err(|e| Failure::new(format!("cannot find the program itself: {e}"), None))?;
    let orders = Orders { program: &program, devices: &devices, jobs };
    let mut table = LiveTable::new(context.global.quiet, &plan);
    let outcomes = study::carry_out(&registry, &plan, &orders, &mut table)?;
    drop(table);

    let runs = study::standing(&registry, &plan.study)?;
    let mut probes = study::probes(&registry, &plan.study, &runs)?;
    study::carry_out_probes(session, &mut probes, &devices[0], &mut context.watch())?;
    let mut text = TableFormat::Text.render(&[summary(&runs)]);
    let mut failed: Vec<String> = plan
        .runs
        .iter()
        .zip(&outcomes)
        .filter_map(|(planned, outcome)| match outcome.as_ref()? {
            Outcome::Done => None,
            Outcome::Interrupted => Some(format!("failed: {}: it was interrupted", planned.row.name)),
            Outcome::Failed { error, hint, .. } => {
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
    for line in blocked(&plan).iter().chain(&failed) {
        text += line;
        text.push('\n');
    }
    let name = &plan.study.name;
    text += &format!("study {} {name}; `reg study compare {name}` makes its tables\n", plan.id.hash.short());
    let mut document = document(&plan, &counts, &outcomes);
    document["probes"] = probes.iter().map(probe_row).collect();
    let reply = Reply::new(text, document);
    Ok(if failed.is_empty() { reply } else { reply.with_code(1) })
}

/// How many runs of a plan are what.
struct Counts {
    cached: usize,
    due: usize,
    blocked: usize,
}

impl Counts {
    fn of(plan: &Plan) -> Self {
        let count =
            |wanted: &dyn Fn(&State) -> bool| plan.runs.iter().filter(|run| wanted(&run.state)).count();
        let cached = count(&|state| matches!(state, State::Done { .. }));
        let blocked = count(&|state| matches!(state, State::Blocked { .. }));
        Counts { cached, blocked, due: plan.runs.len() - cached - blocked }
    }
}

/// One line for each reason why runs are blocked.
fn blocked(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for run in &plan.runs {
        let State::Blocked { why, mend } = &run.state else { continue };
        let mend = mend.as_ref().map(|mend| format!("\n  hint: {mend}")).unwrap_or_default();
        let reason = format!("{why}{mend}");
        match lines.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(&run.row.name),
            None => lines.push((reason, vec![&run.row.name])),
        }
    }
    lines.into_iter().map(|(reason, names)| format!("blocked: {}: {reason}", names.join(", "))).collect()
}

fn basis(cost: &Cost) -> String {
    match cost.basis {
        Basis::SameModel(runs) => format!("{runs} earlier runs of it here"),
        Basis::OtherModels(runs) => format!("{runs} earlier runs of others here"),
        Basis::Rule => "a rule of thumb".to_owned(),
    }
}

fn plan_text(plan: &Plan, counts: &Counts) -> String {
    let columns = vec![
        Column::left("Section"),
        Column::left("Setup"),
        Column::right("Runs"),
        Column::right("There"),
        Column::right("To train"),
        Column::right("Blocked"),
        Column::right("Time a run"),
        Column::left("By"),
    ];
    let mut table = Table::new(format!("Study {}", plan.study.name), columns);
    for setup in plan.runs.chunk_by(|a, b| a.row.setup == b.row.setup) {
        let count = |wanted: &dyn Fn(&State) -> bool| {
            Cell::Integer(setup.iter().filter(|run| wanted(&run.state)).count() as u64)
        };
        let cost = setup.iter().find_map(|run| run.cost.as_ref());
        table.rows.push(vec![
            Cell::Text(setup[0].row.section.clone()),
            Cell::Text(setup[0].row.setup.clone()),
            Cell::Integer(setup.len() as u64),
            count(&|state| matches!(state, State::Done { .. })),
            Cell::Integer(setup.iter().filter(|run| run.is_due()).count() as u64),
            count(&|state| matches!(state, State::Blocked { .. })),
            Cell::Text(cost.map(|cost| span(cost.seconds)).unwrap_or_default()),
            Cell::Text(cost.map(basis).unwrap_or_default()),
        ]);
    }
    let mut text = TableFormat::Text.render(&[table]);
    for line in plan.notes.iter().map(|note| format!("note: {note}")).chain(blocked(plan)) {
        text += &line;
        text.push('\n');
    }
    let gb = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let Plan { disk, jobs, seconds, .. } = plan;
    if counts.due > 0 {
        let free = disk.free.map(|free| format!(" of {} free", gb(free))).unwrap_or_default();
        text += &format!(
            "{} runs to train, {jobs} at a time: about {}; disk {} for checkpoints, {} while training, {} of cache{free}\n",
            counts.due,
            span(*seconds),
            gb(disk.checkpoints),
            gb(disk.working),
            gb(disk.cache),
        );
        if disk.free.is_some_and(|free| free < disk.checkpoints + disk.working) {
            text += "warning: that does not fit on the disk\n";
        }
    } else {
        text += "nothing to train\n";
    }
    text
}

fn document(plan: &Plan, counts: &Counts, outcomes: &[Option<Outcome>]) -> Value {
    let runs = plan.runs.iter().zip(outcomes).map(|(planned, outcome)| {
        let mut value = row(&Standing { row: planned.row.clone(), state: planned.state.clone() });
        value["cached"] = json!(matches!(planned.state, State::Done { .. }));
        if let Some(cost) = &planned.cost {
            value["expected"] = json!({ "seconds": cost.seconds, "basis": cost.basis });
        }
        match outcome {
            Some(Outcome::Done) => value["state"] = json!("done"),
            Some(Outcome::Interrupted) => value["state"] = json!("interrupted"),
            Some(Outcome::Failed { error, hint, log }) => {
                value["state"] = json!("failed");
                value["error"] = json!(error);
                value["hint"] = json!(hint);
                value["log"] = json!(log);
            }
            None => {}
        }
        value
    });
    let done = outcomes.iter().flatten().filter(|outcome| matches!(outcome, Outcome::Done)).count();
    let failed = outcomes.iter().flatten().count() - done;
    json!({
        "study": plan.id,
        "name": plan.study.name,
        "runs": runs.collect::<Vec<_>>(),
        "planned": plan.runs.len(),
        "cached": counts.cached,
        "blocked": counts.blocked,
        "done": done + counts.cached,
        "failed": failed,
    })
}

/// A run as a document.
fn row(standing: &Standing) -> Value {
    let Standing { row, state } = standing;
    let mut value = json!(row);
    value["state"] = json!(state.name());
    match state {
        State::Done { run, predictions, table, auc } => {
            value["run"] = json!(run);
            value["predictions"] = json!(predictions);
            value["table"] = json!(table);
            value["mean_auc"] = json!(auc.mean);
        }
        State::Running(live) | State::Interrupted(live) => value["live"] = json!(live),
        State::Blocked { why, mend } => {
            value["error"] = json!(why);
            value["hint"] = json!(mend);
        }
        State::Missing => {}
    }
    value
}

/// A probe as a document.
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

/// A line a setup: what is done, and the mean AUC over its folds.
fn summary(runs: &[Standing]) -> Table {
    let columns = vec![
        Column::left("Section"),
        Column::left("Setup"),
        Column::right("Done"),
        Column::right("Mean AUC"),
    ];
    let mut table = Table::new("", columns);
    for setup in runs.chunk_by(|a, b| a.row.setup == b.row.setup) {
        let aucs: Vec<Option<f64>> = setup
            .iter()
            .filter_map(|run| match &run.state {
                State::Done { auc, .. } => Some(auc.mean),
                _ => None,
            })
            .collect();
        let spread = reg::stats::summarize(&aucs);
        table.rows.push(vec![
            Cell::Text(setup[0].row.section.clone()),
            Cell::Text(setup[0].row.setup.clone()),
            Cell::Text(format!("{} of {}", aucs.len(), setup.len())),
            Cell::MeanStd { mean: spread.mean, std: spread.std, decimals: 4 },
        ]);
    }
    table
}

/// The record of a study that was asked for by name, or what its file plans now.
fn recorded(context: &Context, registry: &Registry, text: &str) -> Result<(Study, Vec<Standing>), Failure> {
    let source = study::load(registry, text)?;
    if let Some(id) = source.recorded {
        let study = registry.get(id)?;
        let runs = study::standing(registry, &study)?;
        return Ok((study, runs));
    }
    let worker = Worker::find()?;
    let device = Device::parse(&source.file.device, worker.identity())?;
    let plan = study::plan(context.session(registry, &worker), &source, &device, 1, false)?;
    let runs = plan.runs.into_iter().map(|run| Standing { row: run.row, state: run.state });
    Ok((plan.study, runs.collect()))
}

fn status(context: &Context, text: &str, format: TableFormat) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let (study, runs) = recorded(context, &registry, text)?;
    let columns = vec![
        Column::left("Section"),
        Column::left("Run"),
        Column::left("State"),
        Column::right("Epoch"),
        Column::right("Loss"),
        Column::right("Images/s"),
        Column::right("Left"),
        Column::right("Mean AUC"),
    ];
    let mut table = Table::new(format!("Study {}", study.name), columns);
    for Standing { row, state } in &runs {
        let (mut cells, mut auc) = (vec![Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty], Cell::Empty);
        match state {
            State::Done { auc: table, .. } => auc = Cell::Number { value: table.mean, decimals: 4 },
            State::Running(live) | State::Interrupted(live) => {
                if let Some(standing) = &live.standing {
                    let step = standing.step;
                    let goes_on = live.pid.is_some();
                    cells = vec![
                        Cell::Text(format!("{}/{}", step.epoch, step.epochs)),
                        Cell::Text(step.loss.map(loss).unwrap_or_default()),
                        Cell::Text(if goes_on { format!("{:.1}", step.rate) } else { String::new() }),
                        Cell::Text(step.left.filter(|_| goes_on).map(span).unwrap_or_default()),
                    ];
                }
            }
            State::Missing | State::Blocked { .. } => {}
        }
        let head = [&row.section, &row.name].map(|text| Cell::Text(text.clone()));
        let mut line: Vec<Cell> = head.into();
        line.push(Cell::Text(state.name().to_owned()));
        line.extend(cells);
        line.push(auc);
        table.rows.push(line);
    }
    let probes = study::probes(&registry, &study, &runs)?;
    let count = |name: &str| runs.iter().filter(|run| run.state.name() == name).count();
    let mut text = format.render(&[table]);
    if format == TableFormat::Text {
        let mut reasons: Vec<String> = Vec::new();
        for Standing { row, state } in &runs {
            if let State::Blocked { why, mend } = state {
                let mend = mend.as_ref().map(|mend| format!("\n  hint: {mend}")).unwrap_or_default();
                reasons.push(format!("blocked: {}: {why}{mend}\n", row.name));
            }
        }
        text += &reasons.concat();
        text += &format!("{} of {} done\n", count("done"), runs.len());
        for Probe { row, state } in &probes {
            text += &format!("probe {}: {}\n", row.name, state.name());
        }
    }
    let json = json!({
        "name": study.name,
        "runs": runs.iter().map(row).collect::<Vec<_>>(),
        "planned": runs.len(),
        "done": count("done"),
        "running": count("running"),
        "interrupted": count("interrupted"),
        "missing": count("missing"),
        "blocked": count("blocked"),
        "probes": probes.iter().map(probe_row).collect::<Vec<_>>(),
    });
    Ok(Reply::new(text, json))
}

fn compare_sections(
    context: &Context,
    text: &str,
    options: &Options,
    full: bool,
    format: TableFormat,
) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let (study, runs) = recorded(context, &registry, text)?;
    let stamp = &context.surroundings.stamp;
    let sections = study::compare_sections(&registry, &study, &runs, options, true, stamp)?;
    let (mut text, mut documents) = (String::new(), Vec::new());
    for section in &sections {
        if !section.left_out.is_empty() {
            context.note(&format!(
                "note: {}: not all folds are done of {}",
                section.name,
                section.left_out.join(", ")
            ));
        }
        let mut tables = match full {
            true => results::tables(&section.comparison).into_iter().map(|(_, table)| table).collect(),
            false => results::main_tables(&section.comparison),
        };
        if format == TableFormat::Text {
            text += &format!("# {} ({})\n", section.section.title, section.name);
        } else {
            for table in &mut tables {
                table.title = format!("{}: {}", section.section.title, table.title);
            }
        }
        text += &format.render(&tables);
        if format == TableFormat::Text {
            text += &format!("table {} {}\n", section.table.hash.short(), section.name);
        }
        text.push('\n');
        let mut document = compare::document(&section.table.to_string(), &section.comparison);
        document["section"] = json!(section.section.name);
        document["name"] = json!(section.name);
        document["left_out"] = json!(section.left_out);
        documents.push(document);
    }
    let probes = study::probes(&registry, &study, &runs)?;
    for probe in &probes {
        let ProbeState::Done(table, content) = &probe.state else { continue };
        text += &format.render(&[features::probe(content)]);
        if format == TableFormat::Text {
            text += &format!("table {} {}\n", table.hash.short(), probe.row.name);
        }
        text.push('\n');
    }
    let left = study.sections.len() - sections.len();
    if left > 0 {
        context.note(&format!("note: {left} sections have no setup that is done on all folds"));
    }
    let probes: Vec<Value> = probes.iter().map(probe_row).collect();
    let json = json!({ "study": study.name, "sections": documents, "probes": probes });
    Ok(Reply::new(text.trim_end(), json))
}
