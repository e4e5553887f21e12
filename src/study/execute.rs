//! Executes the missing runs of a plan, each in a process, several in parallel, until all are done.
//!
//! A child is in a separate process group: a Ctrl-C reaches only this process, which forwards it once, so that
//! each child saves a checkpoint. If this process is killed, its children continue; the next process finds
//! their locks and waits for them instead of training the same runs twice.

use std::collections::VecDeque;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::StudyError;
use super::plan::{Planned, StudyPlan};
use super::status::{State, of_spec};
use crate::disk::{Dir, Doing};
use crate::hash::Id;
use crate::limits;
use crate::records::Spec;
use crate::registry::Registry;
use crate::training::Device;
use crate::training::unfinished::{self, UnfinishedTraining};

/// The context for executing runs.
#[derive(Debug)]
pub struct StudyRequest<'a> {
    /// The program `reg`.
    pub program: &'a Path,
    /// Devices, which are assigned to runs in turn.
    pub devices: &'a [Device],
    /// Number of parallel runs.
    pub jobs: usize,
}

/// The outcome of a run.
#[derive(Debug, Clone)]
pub enum RunOutcome {
    /// The run is done.
    Done,
    /// The run failed; the others continue.
    Failed {
        /// One sentence.
        error: String,
        /// A hint.
        hint: Option<String>,
        /// The last lines that it wrote to standard error.
        log: String,
    },
    /// The run was stopped; its checkpoint is saved.
    Interrupted,
}

/// A finished run.
#[derive(Debug)]
pub struct Ended<'a> {
    /// The run.
    pub planned: &'a Planned,
    /// Its outcome.
    pub outcome: &'a RunOutcome,
    /// Seconds since its start; `None` if another process trained it.
    pub seconds: Option<f64>,
}

/// A run in progress.
#[derive(Debug)]
pub struct ActiveRun<'a> {
    /// The run.
    pub planned: &'a Planned,
    /// Its device; `None` if another process, started earlier, trains it.
    pub device: Option<&'a str>,
    /// Its progress, once known.
    pub unfinished: Option<UnfinishedTraining>,
}

/// Observes the execution.
pub trait Watcher {
    /// Called when a run starts.
    fn began(&mut self, planned: &Planned, device: &str);
    /// Called when a run ends.
    fn ended(&mut self, ended: &Ended);
    /// Called several times per second with all runs in progress and the number of waiting runs.
    fn look(&mut self, active: &[ActiveRun], waiting: usize);
}

/// Interval between checks of the children.
const PULSE: Duration = Duration::from_millis(200);
/// Interval between checks of a run that another process trains.
const PATIENCE: Duration = Duration::from_secs(3);
/// Number of saved lines of a child's standard error.
const LINES: usize = 20;

/// Trains the due runs of a plan and returns the outcome of each; empty if none was due.
pub fn execute(
    registry: &Registry,
    plan: &StudyPlan,
    request: &StudyRequest,
    watcher: &mut dyn Watcher,
) -> Result<Vec<Option<RunOutcome>>, StudyError> {
    let mut due: Vec<usize> = (0..plan.runs.len()).filter(|index| plan.runs[*index].is_due()).collect();
    if request.jobs > 1 {
        // The longest first, so that the last runs end at about the same time.
        let seconds = |index: &usize| plan.runs[*index].cost.map_or(0.0, |cost| cost.seconds);
        due.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
    }
    // Removed at the end, with the files that the children wrote.
    let scratch = registry.store().scratch()?;
    let mut pool = WorkerPool {
        registry,
        plan,
        request,
        scratch: scratch.dir(),
        waiting: due.into(),
        children: Vec::new(),
        elsewhere: Vec::new(),
        outcomes: vec![None; plan.runs.len()],
    };
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).doing("listen for", Path::new("signals"))?;
    let mut stopping = false;
    loop {
        for _ in signals.pending() {
            stopping = true;
            pool.stop();
        }
        if !stopping {
            pool.start(watcher)?;
        }
        pool.reap(watcher)?;
        if pool.children.is_empty() && (stopping || pool.waiting.is_empty() && pool.elsewhere.is_empty()) {
            break;
        }
        pool.show(watcher);
        std::thread::sleep(PULSE);
    }
    if stopping {
        let done = |outcome: &&Option<RunOutcome>| matches!(outcome, Some(RunOutcome::Done));
        let cached = plan.runs.iter().filter(|run| matches!(run.state, State::Done { .. })).count();
        let done = pool.outcomes.iter().filter(done).count() + cached;
        return Err(StudyError::Interrupted { done, all: plan.runs.len() });
    }
    Ok(pool.outcomes)
}

struct WorkerPool<'a> {
    registry: &'a Registry,
    plan: &'a StudyPlan,
    request: &'a StudyRequest<'a>,
    scratch: &'a Dir,
    waiting: VecDeque<usize>,
    children: Vec<Busy>,
    /// Runs that another process trains, and the time of their last check.
    elsewhere: Vec<(usize, Instant)>,
    outcomes: Vec<Option<RunOutcome>>,
}

/// A run and its process.
struct Busy {
    index: usize,
    child: Child,
    /// Index of the device.
    device: usize,
    since: Instant,
}

impl WorkerPool<'_> {
    fn spec(&self, index: usize) -> Id<Spec> {
        self.plan.runs[index].row.spec.expect("a run that is due has a spec")
    }

    /// What a child said, as far as it is of use.
    fn said(&self, index: usize, which: &str) -> Vec<u8> {
        self.scratch.read(format!("{index}.{which}"), limits::RUN_OUTPUT).unwrap_or_default()
    }

    /// Starts as many runs as the number of jobs allows.
    fn start(&mut self, watcher: &mut dyn Watcher) -> Result<(), StudyError> {
        // Runs on this machine that a killed predecessor of this process started count too.
        while self.children.len() + self.elsewhere.len() < self.request.jobs {
            let Some(index) = self.waiting.pop_front() else { break };
            if unfinished::of(self.registry, self.spec(index))
                .is_some_and(|unfinished| unfinished.pid.is_some())
            {
                self.elsewhere.push((index, Instant::now()));
                continue;
            }
            let used = |device: usize| self.children.iter().filter(|busy| busy.device == device).count();
            let device = (0..self.request.devices.len()).min_by_key(|device| used(*device)).unwrap_or(0);
            let name = &self.request.devices[device].name;
            let create = |which: &str| {
                let name = format!("{index}.{which}");
                self.scratch.create(&name).doing("create", &self.scratch.path_of(&name))
            };
            let arguments = &self.plan.runs[index].arguments;
            let mut command = Command::new(self.request.program);
            let command = command.arg("--registry").arg(self.registry.root()).arg("--json").args(arguments);
            match (self.plan.runs[index].is_program(), name.strip_prefix("cuda:")) {
                (false, _) => command.args(["--device", name]),
                // A program sees only the device that is assigned to it.
                (true, Some(number)) => command.env("CUDA_VISIBLE_DEVICES", number),
                (true, None) => command,
            };
            let child = command
                .stdin(Stdio::null())
                .stdout(create("out")?)
                .stderr(create("err")?)
                .process_group(0)
                .spawn()
                .doing("start", self.request.program)?;
            self.children.push(Busy { index, child, device, since: Instant::now() });
            watcher.began(&self.plan.runs[index], name);
        }
        Ok(())
    }

    /// Checks which children have ended.
    fn reap(&mut self, watcher: &mut dyn Watcher) -> Result<(), StudyError> {
        let mut place = 0;
        while place < self.children.len() {
            let busy = &mut self.children[place];
            let status = busy.child.try_wait().doing("wait for", self.request.program)?;
            let Some(status) = status else {
                place += 1;
                continue;
            };
            let Busy { index, since, .. } = self.children.swap_remove(place);
            if !status.success() && unfinished::is_locked(self.registry, self.spec(index)) {
                self.elsewhere.push((index, Instant::now()));
                continue;
            }
            let outcome = self.outcome(index, status)?;
            self.end(index, outcome, Some(since.elapsed().as_secs_f64()), watcher);
        }
        for (index, since) in std::mem::take(&mut self.elsewhere) {
            if since.elapsed() < PATIENCE {
                self.elsewhere.push((index, since));
            } else if self.is_done(index)? {
                self.end(index, RunOutcome::Done, None, watcher);
            } else if unfinished::of(self.registry, self.spec(index))
                .is_some_and(|unfinished| unfinished.pid.is_some())
            {
                self.elsewhere.push((index, Instant::now()));
            } else {
                // No process on this machine trains it any more; if one on another machine does, the child will
                // report it.
                self.waiting.push_front(index);
            }
        }
        Ok(())
    }

    fn end(&mut self, index: usize, outcome: RunOutcome, seconds: Option<f64>, watcher: &mut dyn Watcher) {
        watcher.ended(&Ended { planned: &self.plan.runs[index], outcome: &outcome, seconds });
        self.outcomes[index] = Some(outcome);
    }

    fn is_done(&self, index: usize) -> Result<bool, StudyError> {
        let view = self.registry.view()?;
        Ok(matches!(of_spec(self.registry, &view, self.spec(index))?, State::Done { .. }))
    }

    /// The outcome of a child that has ended.
    fn outcome(&self, index: usize, status: ExitStatus) -> Result<RunOutcome, StudyError> {
        if status.success() && self.is_done(index)? {
            return Ok(RunOutcome::Done);
        }
        if status.code() == Some(130) {
            return Ok(RunOutcome::Interrupted);
        }
        let answer: Value = serde_json::from_slice(&self.said(index, "out")).unwrap_or_default();
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        let error = match status.success() {
            // The run was trained with another spec than planned: the worker was replaced in the meantime.
            true => {
                "it was trained with a different spec than planned; was reg-torch replaced in the meantime?"
                    .to_owned()
            }
            false => text("error").unwrap_or_else(|| format!("its process ended early ({status})")),
        };
        let log = self.said(index, "err");
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let log = lines[lines.len().saturating_sub(LINES)..].join("\n");
        Ok(RunOutcome::Failed { error, hint: text("hint"), log })
    }

    /// Asks all children to stop; a second call stops them immediately.
    fn stop(&self) {
        for busy in &self.children {
            // The child may have ended just now.
            let _ = kill_process(Pid::from_child(&busy.child), Signal::TERM);
        }
    }

    fn show(&self, watcher: &mut dyn Watcher) {
        let unfinished = |index: usize| unfinished::of(self.registry, self.spec(index));
        let ours = self.children.iter().map(|busy| ActiveRun {
            planned: &self.plan.runs[busy.index],
            device: Some(self.request.devices[busy.device].name.as_str()),
            unfinished: unfinished(busy.index),
        });
        let theirs = self.elsewhere.iter().map(|(index, _)| ActiveRun {
            planned: &self.plan.runs[*index],
            device: None,
            unfinished: unfinished(*index),
        });
        watcher.look(&ours.chain(theirs).collect::<Vec<_>>(), self.waiting.len());
    }
}
