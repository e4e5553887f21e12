//! A study as one array job of Slurm: the script, its submission, and the state of its tasks in the queue.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::StudyError;
use super::batch::{Needs, device, due, flags, quoted, tag};
use super::plan::StudyPlan;
use crate::disk;
use crate::hash::Id;
use crate::records::{DeviceKind, Study};
use crate::registry::Registry;
use crate::runs::RunError;

/// The template of the script, with placeholders that are filled from a plan.
pub const TEMPLATE: &str = include_str!("slurm.sh");
/// Seconds before the time limit at which a task saves a checkpoint.
const NOTICE: u32 = 120;

/// Options for Slurm.
#[derive(Debug, Clone, Default)]
pub struct SlurmOptions {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--gres`, such as `gpu:1`.
    pub gres: Option<String>,
    /// `--time`; default: from the plan.
    pub time: Option<String>,
    /// `--mem`; default: from the plan.
    pub memory: Option<String>,
    /// Without a shared file system: the remote from which each task pulls the study and to which it pushes its
    /// run.
    pub exchange: Option<Exchange>,
    /// A template used instead of [`TEMPLATE`], and its text.
    pub template: Option<(PathBuf, String)>,
}

/// How tasks exchange data without a shared file system.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// A remote, as for `reg push`.
    pub remote: String,
    /// Folder for a registry on each node; default: one in the temporary folder.
    pub local: Option<PathBuf>,
}

/// A complete script.
#[derive(Debug)]
pub struct Script {
    /// Its text.
    pub text: String,
    /// Indices of the runs that are its tasks; they are also the task numbers.
    pub tasks: Vec<usize>,
    /// Indices of the runs that are in the queue already.
    pub queued: Vec<usize>,
}

/// A task in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Number of the job.
    pub job: String,
    /// `PENDING`, `RUNNING`, …
    pub state: String,
    /// The reason for its state, if Slurm gives one.
    pub reason: String,
    /// The node that it runs on.
    pub node: String,
    /// Its run time so far.
    pub time: String,
}

/// Folder of the script and logs of a study.
fn folder(registry: &Registry, tag: &str) -> PathBuf {
    registry.root().join("slurm").join(tag)
}

/// The error of the last attempt at a task; `None` if it did not fail or there was no attempt.
pub fn last_error(registry: &Registry, study: Id<Study>, task: usize) -> Option<String> {
    let log = folder(registry, &study.hash.to_string()[..12]).join(format!("{task}.log"));
    let text = String::from_utf8_lossy(&fs::read(log).ok()?).into_owned();
    let answers = text.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let last = answers.into_iter().find(serde_json::Value::is_object)?;
    last.get("error")?.as_str().map(str::to_owned)
}

/// How each task trains.
#[derive(Debug, Clone, Copy)]
pub struct TaskCommand<'a> {
    /// The program `reg`.
    pub program: &'a Path,
    /// Threads of the tensor library.
    pub threads: u32,
    /// The kind of device.
    pub kind: DeviceKind,
}

/// Writes the script of an array job that trains the runs of a plan that are due and not in the queue.
pub fn script(
    registry: &Registry,
    plan: &StudyPlan,
    task: TaskCommand,
    settings: &SlurmOptions,
) -> Result<Script, RunError> {
    let TaskCommand { program, threads, kind } = task;
    let known = tasks(registry, plan.id)?.unwrap_or_default();
    let (queued, tasks): (Vec<usize>, Vec<usize>) =
        due(plan).into_iter().partition(|index| known.contains_key(index));
    let needs = Needs::of(plan, threads, &tasks);
    let array = tasks.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let option = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("#SBATCH --{name}={value}\n")).unwrap_or_default()
    };
    let options = option("partition", &settings.partition) + &option("gres", &settings.gres);
    let run = |index: &usize| {
        let run = &plan.runs[*index];
        format!("{index}) run={}; train {} ;;", quoted(&run.row.name), flags(run))
    };
    let worker = std::env::var(crate::runs::process::VARIABLE).ok();
    let worker = worker.map(|path| format!("export REG_TORCH={}\n", quoted(&path))).unwrap_or_default();
    let root = fs::canonicalize(registry.root()).map_err(RunError::io("find", registry.root()))?;
    let place = ScriptPaths::of(plan, &root, program, settings.exchange.as_ref());
    let (path, text) = match &settings.template {
        Some((path, text)) => (path.clone(), text.as_str()),
        None => (PathBuf::from("slurm.sh"), TEMPLATE),
    };
    let filled = [
        ("study", plan.study.name.clone()),
        ("job", format!("reg-{}", tag(plan))),
        // At most as many tasks at once as parallel runs were requested.
        ("array", if plan.jobs < tasks.len() { format!("{array}%{}", plan.jobs) } else { array }),
        ("threads", needs.threads.to_string()),
        ("memory", settings.memory.clone().unwrap_or(format!("{}G", needs.memory_gb))),
        ("time", settings.time.clone().unwrap_or(needs.minutes.to_string())),
        ("notice", NOTICE.to_string()),
        ("log", place.log),
        ("options", options.trim_end().to_owned()),
        ("registry", place.registry),
        ("prepare", worker + &place.prepare),
        ("reg", quoted(&program.display().to_string())),
        ("device", device(kind).to_owned()),
        ("runs", tasks.iter().map(run).collect::<Vec<_>>().join("\n")),
        ("finish", place.finish),
    ];
    let text = fill(text, &filled).map_err(|reason| StudyError::Senseless { path, reason })?;
    Ok(Script { text, tasks, queued })
}

/// Shell fragments that depend on where tasks train.
struct ScriptPaths {
    registry: String,
    log: String,
    /// Before the training.
    prepare: String,
    /// After the training.
    finish: String,
}

impl ScriptPaths {
    fn of(plan: &StudyPlan, root: &Path, program: &Path, exchange: Option<&Exchange>) -> Self {
        let tag = tag(plan);
        let Some(Exchange { remote, local }) = exchange else {
            return ScriptPaths {
                registry: quoted(&root.display().to_string()),
                log: root.join("slurm").join(&tag).join("%a.log").display().to_string(),
                prepare: String::new(),
                finish: String::new(),
            };
        };
        let (reg, remote) = (quoted(&program.display().to_string()), quoted(remote));
        ScriptPaths {
            registry: match local {
                Some(local) => quoted(&local.display().to_string()),
                None => format!("\"${{TMPDIR:-/tmp}}/reg-{tag}\""),
            },
            // The registry's folder does not exist on the nodes.
            log: format!("/tmp/reg-{tag}-%a.log"),
            // Tasks on one node share a registry; the first one creates it.
            prepare: format!(
                "{reg} --quiet init \"$registry\" >/dev/null 2>&1\n\
                 {reg} --quiet --registry \"$registry\" pull {remote} {} || exit 1\n",
                plan.id.hash
            ),
            finish: format!(
                "if [ \"$code\" -eq 0 ]; then\n  \
                 {reg} --quiet --registry \"$registry\" push --move-names {remote} \"$run\" || code=$?\nfi"
            ),
        }
    }
}

/// Fills the placeholders of a template.
fn fill(template: &str, filled: &[(&str, String)]) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (gap, behind) = behind.split_once("}}").ok_or("a {{ without }}")?;
        let Some((_, value)) = filled.iter().find(|(name, _)| *name == gap) else {
            let known = filled.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(format!("unknown placeholder {{{{{gap}}}}}; known: {known}"));
        };
        text += before;
        text += value;
        rest = behind;
    }
    Ok(text + rest)
}

/// Submits a script and returns the number of the job and the path of the script.
pub fn submit(registry: &Registry, plan: &StudyPlan, script: &Script) -> Result<(String, PathBuf), RunError> {
    let folder = folder(registry, &tag(plan));
    disk::create_dir_all(&folder).map_err(RunError::io("create", &folder))?;
    let path = folder.join("job.sh");
    disk::write_over(&path, script.text.as_bytes()).map_err(RunError::io("write", &path))?;
    let job = ask("sbatch", &["--parsable".as_ref(), path.as_os_str()])?;
    let job = job.trim().split(';').next().unwrap_or_default().to_owned();
    Ok((job, path))
}

/// The state of a study's tasks in the queue, by the index of the run; `None` if the study was never submitted
/// from this registry.
pub fn tasks(registry: &Registry, study: Id<Study>) -> Result<Option<BTreeMap<usize, Task>>, RunError> {
    let tag = &study.hash.to_string()[..12];
    if !folder(registry, tag).exists() {
        return Ok(None);
    }
    let name = format!("--name=reg-{tag}");
    let arguments = ["--array", "--noheader", "--format=%K|%A|%T|%r|%N|%M", &name];
    let answer = ask("squeue", &arguments.map(AsRef::as_ref))?;
    let task = |line: &str| {
        let mut fields = line.trim().split('|');
        let index = fields.next()?.parse().ok()?;
        let [job, state, reason, node, time] =
            std::array::from_fn(|_| fields.next().unwrap_or("").to_owned());
        Some((index, Task { job, state, reason, node, time }))
    };
    Ok(Some(answer.lines().filter_map(task).collect()))
}

/// Runs a program of Slurm and returns its output.
fn ask(program: &'static str, arguments: &[&std::ffi::OsStr]) -> Result<String, RunError> {
    let failed = |reason: String| StudyError::Slurm { program, reason };
    let output = Command::new(program).args(arguments).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(failed(format!("{} ({})", last.trim(), output.status)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_and_a_gap_that_nothing_fills_is_named() {
        let filled = [("job", "reg-1".to_owned()), ("runs", "0) train {{x}} ;;".to_owned())];
        assert_eq!(fill("a={{job}} {{runs}}.", &filled).unwrap(), "a=reg-1 0) train {{x}} ;;.");
        assert_eq!(fill("{{jobs}}", &filled).unwrap_err(), "unknown placeholder {{jobs}}; known: job, runs");
        assert_eq!(fill("a {{job", &filled).unwrap_err(), "a {{ without }}");
    }
}
