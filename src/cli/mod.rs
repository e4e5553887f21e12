//! The command line: arguments become one library call, its answer becomes text or JSON.
//!
//! One file a command. Clock, machine and terminal are looked at here and nowhere below.

mod attest;
mod audit;
mod chosen;
mod compare;
mod complete;
mod completions;
mod console;
mod counts;
mod dataset;
mod demo;
mod diff;
mod doctor;
mod ensemble;
mod environment;
mod eval;
mod examples;
mod exchange;
mod export;
mod figures;
mod gc;
mod gradcam;
mod help;
mod inference;
mod ingest;
mod init;
mod key;
mod list;
mod list_runs;
mod log;
mod marks;
mod meta;
mod mv;
mod note;
mod output;
mod predict;
mod predictions;
mod probe;
mod progress;
mod reindex;
mod report;
mod reproduce;
mod rm;
mod run;
mod serve;
mod show;
mod split;
mod study;
mod tag;
mod trace;
mod train;
mod trust;
mod unfinished;
mod verify;
mod weights;
mod withdraw;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};
use reg::disk::Doing;
use reg::failure as error;
use reg::records::NameChange;
use reg::registry::{Moves, Registry, RegistryError, Search};
use reg::training::process::Worker;
use reg::training::program::launch;
use reg::training::{Environment, RunContext};

use error::Failure;
use output::Reply;

/// A content-addressed registry of chest X-ray data sets, splits, models and results.
#[derive(Parser)]
#[command(name = "reg", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The heading of the options that every command takes.
const GLOBAL: &str = "Global options";

/// What every command takes.
#[derive(clap::Args)]
struct Global {
    /// Path of the registry; default: REG_REGISTRY, else the nearest `.reg` in this folder or a parent folder
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL, value_hint = clap::ValueHint::DirPath)]
    registry: Option<PathBuf>,
    /// Print exactly one JSON document on standard output
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    /// Print nothing but results and errors
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    quiet: bool,
    /// Print details on standard error, such as where the training time went
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    verbose: bool,
}

/// Whether a command takes a name from something else.
#[derive(clap::Args, Default)]
struct Moving {
    /// If the name is in use, move it to this object; the log keeps the old target
    #[arg(long = "move", requires = "name")]
    move_name: bool,
}

#[derive(Subcommand)]
enum Command {
    Init(init::InitArgs),
    Demo(demo::DemoArgs),
    Ingest(ingest::IngestArgs),
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    #[command(subcommand)]
    Split(split::SplitCommand),
    #[command(subcommand)]
    Weights(weights::WeightsCommand),
    Train(train::TrainArgs),
    Run(run::RunArgs),
    Eval(eval::EvalArgs),
    Ensemble(ensemble::EnsembleArgs),
    Predict(predict::PredictArgs),
    #[command(subcommand)]
    Predictions(predictions::PredictionsCommand),
    Compare(compare::CompareArgs),
    #[command(subcommand)]
    Study(study::StudyCommand),
    Probe(probe::ProbeArgs),
    Gradcam(gradcam::GradcamArgs),
    Report(report::ReportArgs),
    Serve(serve::ServeArgs),
    Reproduce(reproduce::ReproduceArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Cat(show::CatArgs),
    Log(log::LogArgs),
    Tag(tag::TagArgs),
    Note(note::NoteArgs),
    Mv(mv::MvArgs),
    Rm(rm::RmArgs),
    Trace(trace::TraceArgs),
    Trust(trust::TrustArgs),
    Diff(diff::DiffArgs),
    Withdraw(withdraw::WithdrawArgs),
    Verify(verify::VerifyArgs),
    Audit(audit::AuditArgs),
    Attest(attest::AttestArgs),
    #[command(subcommand)]
    Key(key::KeyCommand),
    Export(export::ExportArgs),
    Push(exchange::PushArgs),
    Pull(exchange::PullArgs),
    Gc(gc::GcArgs),
    Doctor(doctor::DoctorArgs),
    Reindex(reindex::ReindexArgs),
    Completions(completions::CompletionsArgs),
    Man(completions::ManArgs),
}

/// What a command runs in.
struct Context {
    global: Global,
    environment: Environment,
    /// Names that the command took from something else.
    moves: Moves,
}

impl Context {
    fn registry(&self) -> Result<Registry, RegistryError> {
        // An empty variable counts as unset, because a shell can only empty a variable for a single command.
        let named = || std::env::var_os("REG_REGISTRY").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let registry = match self.global.registry.clone().or_else(named) {
            Some(dir) => Registry::load(&dir),
            None => {
                let here = std::env::current_dir()
                    .doing("find", std::path::Path::new("."))
                    .map_err(RegistryError::Io)?;
                let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
                let trusted = trust::list();
                Registry::find(&Search { from: &here, home: home.as_deref(), trusted: trusted.as_ref() })
            }
        }?;
        if let Some(sharing) = registry.sharing() {
            reg::disk::allow(sharing.mode());
        }
        Ok(registry.noting(&self.moves))
    }

    /// The registry of a command that gives a result a name: a name that something else has is an error, unless it
    /// may be moved.
    fn registry_to_name(&self, moving: &Moving) -> Result<Registry, RegistryError> {
        let registry = self.registry()?;
        Ok(if moving.move_name { registry } else { registry.keeping_names() })
    }

    fn run_context<'a>(&'a self, registry: &'a Registry, worker: &'a Worker) -> RunContext<'a> {
        RunContext { registry, worker, environment: &self.environment, allow_withdrawn: false }
    }

    fn progress(&self) -> progress::Bars {
        progress::Bars::new(self.global.quiet)
    }

    fn watch(&self) -> progress::Watch {
        progress::Watch::new(self.global.quiet, self.global.verbose)
    }

    /// Prints a note to standard error that is neither a result nor an error.
    fn note(&self, text: &str) {
        if !self.global.quiet {
            output::tell(text);
        }
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    // Ends here in a process that `reg run` has started to become a program.
    let mut words = std::env::args_os().skip(1);
    if let (Some(first), Some(plan)) = (words.next(), words.next())
        && first == launch::ARGUMENT
    {
        return launch::become_program(plan.as_ref());
    }
    // Ends here if a shell asks what it may complete.
    clap_complete::CompleteEnv::with_factory(help::command).var(completions::VARIABLE).complete();
    let mut command = help::command();
    let parsed = command.try_get_matches_from_mut(std::env::args_os());
    let cli = match parsed
        .and_then(|matches| Cli::from_arg_matches(&matches).map_err(|e| e.format(&mut command)))
    {
        Ok(cli) => cli,
        Err(e) => return refused(&e),
    };
    let json = cli.global.json;
    let context = Context { global: cli.global, environment: environment::look(), moves: Moves::default() };
    let answer = run(&context, cli.command);
    let moved = context.moves.take();
    for NameChange { name, from, to } in &moved {
        let [from, to] = [from, to].map(|id| id.map_or_else(String::new, |id| id.short()));
        context.note(&format!("warning: {name} now points to {to} (was {from})"));
    }
    match answer {
        Ok(reply) => reply.with_moves(moved).print(json),
        Err(failure) => console::print_failure(failure, json),
    }
}

/// Prints help and version to standard output, and mistakes of the command line to standard error.
fn refused(e: &clap::Error) -> ExitCode {
    // Looks at the terminal for colours, and flushes.
    let printed = e.print().and_then(|()| std::io::stdout().flush());
    if !e.use_stderr() {
        return match printed {
            Err(broken) if broken.kind() != std::io::ErrorKind::BrokenPipe => output::not_written(&broken),
            _ => ExitCode::from(e.exit_code() as u8),
        };
    }
    let there = help::missing(e);
    there.iter().for_each(|hint| output::tell(&format!("hint: {hint}")));
    if std::env::args_os().any(|argument| argument == "--json") {
        let (message, hint) = console::usage(e);
        let hints: Vec<String> = there.into_iter().chain((!hint.is_empty()).then_some(hint)).collect();
        console::document(&message, Some(hints.join("; ")).filter(|hint| !hint.is_empty()).as_deref());
    }
    ExitCode::from(e.exit_code() as u8)
}

fn run(context: &Context, command: Command) -> Result<Reply, Failure> {
    match command {
        Command::Init(args) => init::run(args),
        Command::Demo(args) => demo::run(context, args),
        Command::Ingest(args) => ingest::run(context, args),
        Command::Dataset(command) => dataset::run(context, command),
        Command::Split(command) => split::run(context, command),
        Command::Weights(command) => weights::run(context, command),
        Command::Train(args) => train::run(context, args),
        Command::Run(args) => run::run(context, args),
        Command::Eval(args) => eval::run(context, args),
        Command::Ensemble(args) => ensemble::run(context, args),
        Command::Predict(args) => predict::run(context, args),
        Command::Predictions(command) => predictions::run(context, command),
        Command::Compare(args) => compare::run(context, args),
        Command::Study(command) => study::run(context, command),
        Command::Probe(args) => probe::run(context, args),
        Command::Gradcam(args) => gradcam::run(context, args),
        Command::Report(args) => report::run(context, args),
        Command::Serve(args) => serve::run(context, args),
        Command::Reproduce(args) => reproduce::run(context, args),
        Command::List(args) => list::run(context, args),
        Command::Show(args) => show::run(context, args),
        Command::Cat(args) => show::cat(context, args),
        Command::Log(args) => log::run(context, args),
        Command::Tag(args) => tag::run(context, args),
        Command::Note(args) => note::run(context, args),
        Command::Mv(args) => mv::run(context, args),
        Command::Rm(args) => rm::run(context, args),
        Command::Trace(args) => trace::run(context, args),
        Command::Trust(args) => trust::run(args),
        Command::Diff(args) => diff::run(context, args),
        Command::Withdraw(args) => withdraw::run(context, args),
        Command::Audit(args) => audit::run(context, args),
        Command::Attest(args) => attest::run(context, args),
        Command::Key(command) => key::run(command),
        Command::Export(args) => export::run(context, args),
        Command::Verify(args) => verify::run(context, args),
        Command::Doctor(args) => Ok(doctor::run(context, args)),
        Command::Push(args) => exchange::run_push(context, args),
        Command::Pull(args) => exchange::run_pull(context, args),
        Command::Gc(args) => gc::run(context, args),
        Command::Reindex(args) => reindex::run(context, args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => completions::man(args),
    }
}
