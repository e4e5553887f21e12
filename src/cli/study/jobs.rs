//! `reg study run --slurm` and `--kubernetes`: a study handed to a scheduler.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use reg::limits;
use reg::records::DeviceKind;
use reg::registry::Registry;
use reg::study::kubernetes::{Pod, manifest};
use reg::study::slurm::{Exchange, SlurmOptions, TaskCommand, script, submit};
use reg::study::{State, StudyPlan, StudySource, missing_splits};
use serde_json::{Value, json};

use super::plan::blocked;
use crate::cli::Context;
use crate::cli::error::Failure;
use crate::cli::output::{Reply, in_json, plural};

/// Schedulers that execute the runs instead of this machine.
#[derive(clap::Args)]
pub(super) struct Scheduler {
    /// Submit one Slurm array job with a task per run; with --plan, print its script
    #[arg(long, conflicts_with = "kubernetes")]
    slurm: bool,
    /// Partition of the cluster
    #[arg(long, requires = "slurm")]
    partition: Option<String>,
    /// Generic resources of each task, such as gpu:1
    #[arg(long, requires = "slurm")]
    gres: Option<String>,
    /// Time limit per task in Slurm's format; default: twice the estimate plus 10 minutes
    #[arg(long, requires = "slurm")]
    time: Option<String>,
    /// Memory per task in Slurm's format; default: the estimate
    #[arg(long, requires = "slurm")]
    mem: Option<String>,
    /// The site's own script, adapted from the output of `reg study init --slurm`
    #[arg(long, value_name = "FILE", requires = "slurm")]
    template: Option<PathBuf>,
    /// For nodes without a shared file system: each task pulls the study from this remote into its own registry and
    /// pushes its run back; `reg pull` fetches the runs
    #[arg(long, value_name = "REMOTE", requires = "slurm")]
    push: Option<OsString>,
    /// Folder on the nodes for these registries; default: a folder in TMPDIR
    #[arg(long, value_name = "DIR", requires = "push")]
    local: Option<PathBuf>,
    /// Print a Kubernetes Indexed Job with one completion per run, for `kubectl create -f -`; with `device = "cuda"` in
    /// the file each pod requests a GPU
    #[arg(long, requires_all = ["image", "claim"])]
    kubernetes: bool,
    /// Container image with reg and reg-torch
    #[arg(long, requires = "kubernetes")]
    image: Option<String>,
    /// Persistent volume claim that holds the registry
    #[arg(long, requires = "kubernetes")]
    claim: Option<String>,
    /// Where the claim is mounted
    #[arg(long, value_name = "DIR", default_value = "/registry")]
    mount: String,
}

/// The reply if no run is left for a scheduler: an array without tasks is refused by it.
fn nothing_to_do(plan: &StudyPlan, queued: usize, mut json: Value) -> Reply {
    json["job"] = Value::Null;
    json["script"] = Value::Null;
    let count = |wanted: &dyn Fn(&State) -> bool| plan.runs.iter().filter(|run| wanted(&run.state)).count();
    let done = count(&|state| matches!(state, State::Done { .. }));
    let blocked = count(&|state| matches!(state, State::Blocked { .. }));
    let text = format!(
        "nothing to submit: of {}, {done} done, {queued} in the queue, {blocked} blocked",
        plural(plan.runs.len(), "run")
    );
    Reply::new(text, json)
}

/// The properties of all tasks.
pub(super) struct BatchRequest<'a> {
    pub(super) plan: &'a StudyPlan,
    pub(super) source: &'a StudySource,
    pub(super) threads: u32,
    pub(super) kind: DeviceKind,
}

impl Scheduler {
    /// Whether a scheduler was requested.
    pub(super) fn is_wanted(&self) -> bool {
        self.slurm || self.kubernetes
    }

    /// Whether each task gets a GPU, independent of the machine on which the plan is made.
    pub(super) fn gives_gpu(&self) -> bool {
        self.gres.as_ref().is_some_and(|gres| gres.contains("gpu"))
    }

    pub(super) fn run(
        &self,
        context: &Context,
        registry: &Registry,
        batch: &BatchRequest,
        only_print: bool,
    ) -> Result<Reply, Failure> {
        let mut programs = batch.plan.runs.iter().filter(|run| run.is_due() && run.is_program());
        if let Some(run) = programs.next() {
            let setup = &run.row.setup;
            if self.kubernetes || self.push.is_some() {
                let why = format!(
                    "setup `{setup}` is a program: its files and interpreter are only on this machine"
                );
                return Err(Failure::new(
                    why,
                    Some("leave out --push, or give --slurm with a shared file system".to_owned()),
                ));
            }
            if self.time.is_none() || self.mem.is_none() {
                let why = format!("setup `{setup}` is a program: its time and memory cannot be estimated");
                return Err(Failure::new(
                    why,
                    Some("give both options for all tasks: --time 8:00:00 --mem 16G".to_owned()),
                ));
            }
        }
        let missing = missing_splits(batch.plan, batch.source);
        if !missing.is_empty() {
            let why = match missing.len() {
                1 => "a split of the study does not exist yet, so the commands of its tasks are not known"
                    .to_owned(),
                n => format!(
                    "{n} splits of the study do not exist yet, so the commands of its tasks are not known"
                ),
            };
            let commands = missing.iter().map(|command| format!("`{command}`")).collect::<Vec<_>>();
            return Err(Failure::new(why, Some(commands.join(", then "))));
        }
        // A script or manifest has no place for runs that cannot be trained.
        for line in batch.plan.notes.iter().map(|note| format!("note: {note}")).chain(blocked(batch.plan)) {
            context.note(&line);
        }
        if let (true, Some(image), Some(claim)) = (self.kubernetes, &self.image, &self.claim) {
            if !batch.plan.runs.iter().any(|run| run.is_due()) {
                return Ok(nothing_to_do(
                    batch.plan,
                    0,
                    json!({ "study": batch.plan.id, "tasks": [], "queued": [] }),
                ));
            }
            let pod = Pod { image: image.clone(), claim: claim.clone(), mount: self.mount.clone() };
            let manifest = manifest(batch.plan, batch.threads, batch.kind, &pod);
            let text = serde_json::to_string_pretty(&manifest).expect("a manifest's keys are texts");
            return Ok(Reply::new(text, manifest));
        }
        let template = match &self.template {
            Some(path) => {
                let text = limits::read_text(path, limits::STUDY_FILE)
                    .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display()), None))?;
                Some((path.clone(), text))
            }
            None => None,
        };
        let settings = SlurmOptions {
            partition: self.partition.clone(),
            gres: self.gres.clone(),
            time: self.time.clone(),
            memory: self.mem.clone(),
            exchange: self.push.clone().map(|remote| Exchange { remote, local: self.local.clone() }),
            by_hand: only_print,
            template,
        };
        let program = std::env::current_exe()
            .map_err(|e| Failure::new(format!("cannot find the path of the reg program: {e}"), None))?;
        let task = TaskCommand { program: &program, threads: batch.threads, kind: batch.kind };
        let script = script(registry, batch.plan, task, &settings)?;
        let names = |places: &[usize]| {
            places.iter().map(|place| batch.plan.runs[*place].row.name.clone()).collect::<Vec<_>>()
        };
        let mut json =
            json!({ "study": batch.plan.id, "tasks": names(&script.tasks), "queued": names(&script.queued) });
        if script.tasks.is_empty() {
            return Ok(nothing_to_do(batch.plan, script.queued.len(), json));
        }
        if only_print {
            if let Some(remote) = &self.push {
                context.note(&format!(
                    "note: the tasks pull the study from {}, and --plan does not push it there",
                    remote.display()
                ));
            }
            json["script"] = json!(script.text);
            return Ok(Reply::new(script.text, json));
        }
        if !script.queued.is_empty() {
            let (queued, are) =
                (plural(script.queued.len(), "run"), if script.queued.len() == 1 { "is" } else { "are" });
            context.note(&format!("{queued} {are} already in the queue"));
        }
        if let Some(remote) = &self.push {
            give(context, registry, &program, remote, batch.plan)?;
        }
        let (job, path) = submit(registry, batch.plan, &script)?;
        json["job"] = json!(job);
        json["script"] = json!(in_json(&path));
        let name = &batch.plan.study.name;
        let text = format!(
            "job {job}: {}, one for each run, from {}\n`reg study status {name}` shows their progress; when they are done, `reg study run {name}` computes the probes",
            plural(script.tasks.len(), "task"),
            path.display(),
        );
        Ok(Reply::new(text, json))
    }
}

/// Pushes what the tasks need to a remote: the study with data set, split, weights and specs.
fn give(
    context: &Context,
    registry: &Registry,
    program: &std::path::Path,
    remote: &OsStr,
    plan: &StudyPlan,
) -> Result<(), Failure> {
    let mut push = std::process::Command::new(program);
    push.arg("--registry").arg(registry.root()).args(["--quiet", "push", "--move-names"]).arg(remote);
    push.arg(plan.id.hash.to_string()).stdout(std::process::Stdio::null());
    let remote = remote.display();
    context.note(&format!("pushing the study to {remote}"));
    let status =
        push.status().map_err(|e| Failure::new(format!("cannot start {}: {e}", program.display()), None))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(
            format!("the study could not be pushed to {remote}; nothing was submitted"),
            None,
        )),
    }
}
