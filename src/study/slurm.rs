//! A study as one array job of Slurm: the script, its submission, and the state of its tasks in the queue.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::StudyError;
use super::batch::{Needs, device, due, flags, quoted, tag};
use super::plan::StudyPlan;
use crate::disk::Doing;
use crate::escape::shell_os;
use crate::hash::Id;
use crate::limits;
use crate::records::{DeviceKind, Study};
use crate::registry::Registry;

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
    /// Whether the script is printed rather than submitted by [`submit`], which makes the folder of its logs.
    pub by_hand: bool,
    /// A template used instead of [`TEMPLATE`], and its text.
    pub template: Option<(PathBuf, String)>,
}

/// How tasks exchange data without a shared file system.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// A remote, as for `reg push`.
    pub remote: OsString,
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

/// Where script and logs of a study lie, from the registry's folder.
fn folder(tag: &str) -> PathBuf {
    Path::new("slurm").join(tag)
}

/// The error of the last attempt at a task; `None` if it did not fail or there was no attempt.
pub fn last_error(registry: &Registry, study: Id<Study>, task: usize) -> Option<String> {
    let log = folder(&study.hash.to_string()[..12]).join(format!("{task}.log"));
    let text = String::from_utf8_lossy(&registry.dir().read(log, limits::TASK_LOG).ok()?).into_owned();
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
) -> Result<Script, StudyError> {
    let TaskCommand { program, threads, kind } = task;
    let known = match tasks(registry, plan.id) {
        // A script to read needs no Slurm: its tasks are all that are due.
        Err(StudyError::Slurm { .. }) if settings.by_hand => BTreeMap::new(),
        known => known?.unwrap_or_default(),
    };
    let (queued, tasks): (Vec<usize>, Vec<usize>) =
        due(plan).into_iter().partition(|index| known.contains_key(index));
    let needs = Needs::of(plan, threads, &tasks);
    let array = tasks.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let option = |name: &str, value: &Option<String>| {
        let value = value.as_ref().map(|value| option_value(name, value)).transpose()?;
        Ok::<_, StudyError>(value.map(|value| format!("#SBATCH --{name}={value}\n")).unwrap_or_default())
    };
    let options = option("partition", &settings.partition)? + &option("gres", &settings.gres)?;
    let [time, memory] = [("time", &settings.time), ("mem", &settings.memory)]
        .map(|(name, value)| value.as_ref().map(|value| option_value(name, value)).transpose());
    let run = |index: &usize| {
        let run = &plan.runs[*index];
        let function = if run.is_program() { "program" } else { "train" };
        format!("{index}) run={}; {function} {} ;;", quoted(&run.row.name), flags(run))
    };
    let worker = std::env::var(crate::training::process::VARIABLE).ok();
    let worker = worker.map(|path| Ok::<_, StudyError>(format!("export REG_TORCH={}\n", word(&path)?)));
    let worker = worker.transpose()?.unwrap_or_default();
    let root = std::fs::canonicalize(registry.root());
    let root = root.doing("find", registry.root())?;
    let place = ScriptPaths::of(plan, &root, program, settings)?;
    let (path, text) = match &settings.template {
        Some((path, text)) => (path.clone(), text.as_str()),
        None => (PathBuf::from("slurm.sh"), TEMPLATE),
    };
    let filled = [
        // It stands in a comment.
        ("study", plan.study.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()),
        ("job", format!("reg-{}", tag(plan))),
        // At most as many tasks at once as parallel runs were requested.
        ("array", if plan.jobs < tasks.len() { format!("{array}%{}", plan.jobs) } else { array }),
        ("threads", needs.threads.to_string()),
        ("memory", memory?.unwrap_or(format!("{}G", needs.memory_gb))),
        ("time", time?.unwrap_or(needs.minutes.to_string())),
        ("notice", NOTICE.to_string()),
        ("log", place.log),
        ("options", options.trim_end().to_owned()),
        ("registry", place.registry),
        ("prepare", worker + &place.prepare),
        ("reg", path_word(program)?),
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
    fn of(
        plan: &StudyPlan,
        root: &Path,
        program: &Path,
        settings: &SlurmOptions,
    ) -> Result<Self, StudyError> {
        let tag = tag(plan);
        let Some(Exchange { remote, local }) = &settings.exchange else {
            let logs = root.join(folder(&tag));
            // Slurm drops a job in silence if the folder of its logs does not exist.
            let (log, prepare) = match settings.by_hand && !logs.is_dir() {
                false => (log_pattern(&logs)?, String::new()),
                true => {
                    let logs = path_word(&logs)?;
                    let prepare = format!(
                        "mkdir -p {logs} || exit 1\nexec >>{logs}/\"$SLURM_ARRAY_TASK_ID.log\" 2>&1\n"
                    );
                    ("/dev/null".to_owned(), prepare)
                }
            };
            return Ok(ScriptPaths { registry: path_word(root)?, log, prepare, finish: String::new() });
        };
        let (reg, remote) = (path_word(program)?, path_word(Path::new(remote))?);
        let (registry, make) = match local {
            Some(local) => (path_word(local)?, "mkdir -p \"$registry\" || exit 1\n".to_owned()),
            None => (
                format!("\"${{TMPDIR:-/tmp}}/reg-{tag}-$(id -u)\""),
                // Its name is no secret, so somebody else may have made it or put a link there. Who owns it tells.
                format!(
                    "(umask 077; mkdir \"$registry\" 2>/dev/null)\n\
                     if [ -L \"$registry\" ] || [ ! -d \"$registry\" ] || [ ! -O \"$registry\" ]; then\n  \
                     registry=$(mktemp -d \"${{TMPDIR:-/tmp}}/reg-{tag}-XXXXXXXXXX\") || exit 1\nfi\n"
                ),
            ),
        };
        Ok(ScriptPaths {
            registry,
            // No folder of ours is on the nodes before this one is made.
            log: "/dev/null".to_owned(),
            // Tasks of one node share a registry; whoever comes second finds it made.
            prepare: format!(
                "{make}exec >>\"$registry/reg-{tag}-$SLURM_ARRAY_TASK_ID.log\" 2>&1\n\
                 {reg} --quiet init \"$registry\" >/dev/null 2>&1\n\
                 {reg} --quiet --registry \"$registry\" pull {remote} {} || exit 1\n",
                plan.id.hash
            ),
            finish: format!(
                "if [ \"$code\" -eq 0 ]; then\n  \
                 {reg} --quiet --registry \"$registry\" push --move-names {remote} \"$run\" || code=$?\nfi"
            ),
        })
    }
}

/// A word of the script, as a shell takes it. A line break would end the comment that it stands in, too.
fn word(text: &str) -> Result<String, StudyError> {
    match text.chars().any(char::is_control) {
        true => Err(StudyError::NotInScript {
            what: "a path or address".to_owned(),
            value: text.escape_default().to_string(),
        }),
        false => Ok(quoted(text)),
    }
}

/// A path of any bytes, which bash reads as `$'\xff'`.
fn path_word(path: &Path) -> Result<String, StudyError> {
    match path.to_str() {
        Some(text) => word(text),
        None => Ok(shell_os(path)),
    }
}

/// The value of an option of Slurm, which has no way to quote one on its lines that all versions read alike.
fn option_value(name: &str, value: &str) -> Result<String, StudyError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.,:+@/=()*[]&|!%".contains(&b);
    match !value.is_empty() && value.bytes().all(plain) {
        true => Ok(value.to_owned()),
        false => {
            let value = value.escape_default().to_string();
            Err(StudyError::NotInScript { what: format!("--{name}"), value })
        }
    }
}

/// The pattern of the logs in a folder. Slurm puts numbers in the place of a percent sign and a letter, and takes quotes
/// around a path with blanks.
fn log_pattern(folder: &Path) -> Result<String, StudyError> {
    // Slurm's lines are no words of a shell: what is not text cannot be written there.
    let text = folder.display().to_string();
    if folder.to_str().is_none() || text.chars().any(|c| c.is_control() || "\"'\\".contains(c)) {
        let value = text.escape_default().to_string();
        return Err(StudyError::NotInScript { what: "the path of the registry".to_owned(), value });
    }
    let pattern = format!("{}/%a.log", text.replace('%', "%%"));
    Ok(if pattern.contains(char::is_whitespace) { format!("\"{pattern}\"") } else { pattern })
}

/// Puts what belongs there into the gaps of a template.
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
pub fn submit(
    registry: &Registry,
    plan: &StudyPlan,
    script: &Script,
) -> Result<(String, PathBuf), StudyError> {
    let place = folder(&tag(plan));
    let folder = registry.dir().folder(&place);
    let folder = folder.doing("create", &registry.dir().path_of(&place))?;
    let path = folder.path_of("job.sh");
    folder.replace("job.sh", script.text.as_bytes()).doing("write", &path)?;
    let job = ask("sbatch", &["--parsable".as_ref(), path.as_os_str()])?;
    let job = job.trim().split(';').next().unwrap_or_default().to_owned();
    Ok((job, path))
}

/// The state of a study's tasks in the queue, by the index of the run; `None` if the study was never submitted
/// from this registry.
pub fn tasks(registry: &Registry, study: Id<Study>) -> Result<Option<BTreeMap<usize, Task>>, StudyError> {
    let tag = &study.hash.to_string()[..12];
    if registry.dir().stat(folder(tag)).is_err() {
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
fn ask(program: &'static str, arguments: &[&std::ffi::OsStr]) -> Result<String, StudyError> {
    let failed = |reason: String| StudyError::Slurm { program, reason };
    let output = Command::new(program).args(arguments).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(failed(format!("{} ({})", last.trim(), output.status)));
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

    #[test]
    fn what_would_end_a_line_or_a_word_does_not_reach_a_script() {
        assert_eq!(word("/a b/it's").unwrap(), r"'/a b/it'\''s'");
        assert!(word("/a\n#SBATCH --uid=0").is_err() && word("/a\r").is_err());
        for value in ["gpu", "gpu:a100:2", "4G", "1-00:30:00", "a,b", "gpu(S:0-1)"] {
            assert_eq!(option_value("gres", value).unwrap(), value);
        }
        for value in ["", "a b", "a\nrm -rf ~", "a\"", "a'", "a;b", "$(x)", "`x`", "a\\b", "a#b"] {
            assert!(option_value("partition", value).is_err(), "{value:?}");
        }
        assert_eq!(log_pattern(Path::new("/r/slurm/x")).unwrap(), "/r/slurm/x/%a.log");
        assert_eq!(log_pattern(Path::new("/my 100%/x")).unwrap(), "\"/my 100%%/x/%a.log\"");
        for path in ["/a\nb", "/a\"b", "/a'b", "/a\\b"] {
            assert!(log_pattern(Path::new(path)).is_err(), "{path:?}");
        }
    }
}
