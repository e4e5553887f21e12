//! Runs what a plan says is missing: a process a run, so many side by side, until all are done.
//!
//! A child is in a process group of its own: a Ctrl-C reaches this process alone, which passes it on once, so
//! that each child keeps its state. If this process is killed, its children train on; the next one finds their
//! locks and waits for them instead of training the same twice.

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
use crate::disk::Dir;
use crate::hash::Id;
use crate::records::Spec;
use crate::registry::Registry;
use crate::runs::unfinished::{self, UnfinishedTraining};
use crate::runs::{Device, RunError};

/// With what runs are executed.
#[derive(Debug)]
pub struct StudyRequest<'a> {
    /// The program `reg`.
    pub program: &'a Path,
    /// Devices, which runs get in turn.
    pub devices: &'a [Device],
    /// Runs that go side by side.
    pub jobs: usize,
}

/// What became of a run.
#[derive(Debug, Clone)]
pub enum RunOutcome {
    /// It is done.
    Done,
    /// It failed; the others go on.
    Failed {
        /// One sentence.
        error: String,
        /// What might help.
        hint: Option<String>,
        /// The last lines that it wrote to standard error.
        log: String,
    },
    /// It was stopped, and its state is kept.
    Interrupted,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// The run.
    pub planned: &'a Planned,
    /// What became of it.
    pub outcome: &'a RunOutcome,
    /// Seconds since it was started; none where another process had it.
    pub seconds: Option<f64>,
}

/// A run that is worked on.
#[derive(Debug)]
pub struct ActiveRun<'a> {
    /// The run.
    pub planned: &'a Planned,
    /// Where; none where another process, which was there before, has it.
    pub device: Option<&'a str>,
    /// How far it is, once that is known.
    pub unfinished: Option<UnfinishedTraining>,
}

/// Who watches.
pub trait Watcher {
    /// Sees a run begin.
    fn began(&mut self, planned: &Planned, device: &str);
    /// Sees a run end.
    fn ended(&mut self, ended: &Ended);
    /// Sees, several times a second, all runs that are worked on, and how many wait.
    fn look(&mut self, active: &[ActiveRun], waiting: usize);
}

/// How often the children are looked at.
const PULSE: Duration = Duration::from_millis(200);
/// How long a run that another process has is left alone before it is looked at again.
const PATIENCE: Duration = Duration::from_secs(3);
/// Lines of a child's standard error that are kept.
const LINES: usize = 20;

/// Trains what is due in a plan and says, for each of its runs, what became of it; none where nothing was due.
pub fn execute(
    registry: &Registry,
    plan: &StudyPlan,
    request: &StudyRequest,
    watcher: &mut dyn Watcher,
) -> Result<Vec<Option<RunOutcome>>, RunError> {
    let mut due: Vec<usize> = (0..plan.runs.len()).filter(|index| plan.runs[*index].is_due()).collect();
    if request.jobs > 1 {
        // The longest first, so that the last ones end at about the same time.
        let seconds = |index: &usize| plan.runs[*index].cost.map_or(0.0, |cost| cost.seconds);
        due.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
    }
    // Removed at the end, with what the children have written into it.
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
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(RunError::io("listen for", Path::new("signals")))?;
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
        return Err(StudyError::Interrupted { done, all: plan.runs.len() }.into());
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
    /// Runs that another process has, and when that was looked at last.
    elsewhere: Vec<(usize, Instant)>,
    outcomes: Vec<Option<RunOutcome>>,
}

/// Bytes of what a child may have said: its answer, and the errors of hours.
const MAX_SAID: u64 = 64 << 20;

/// A run and its process.
struct Busy {
    index: usize,
    child: Child,
    /// Place in the devices.
    device: usize,
    since: Instant,
}

impl WorkerPool<'_> {
    fn spec(&self, index: usize) -> Id<Spec> {
        self.plan.runs[index].row.spec.expect("a run that is due has a spec")
    }

    /// What a child said, as far as it is of use.
    fn said(&self, index: usize, which: &str) -> Vec<u8> {
        self.scratch.read(format!("{index}.{which}"), MAX_SAID).unwrap_or_default()
    }

    /// Starts what there is room for.
    fn start(&mut self, watcher: &mut dyn Watcher) -> Result<(), RunError> {
        // What a process on this machine trains that a killed one of us left takes its place too.
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
                self.scratch.create(&name).map_err(RunError::io("create", &self.scratch.path_of(&name)))
            };
            let child = Command::new(self.request.program)
                .arg("--registry")
                .arg(self.registry.root())
                .arg("--json")
                .args(&self.plan.runs[index].arguments)
                .args(["--device", name])
                .stdin(Stdio::null())
                .stdout(create("out")?)
                .stderr(create("err")?)
                .process_group(0)
                .spawn()
                .map_err(RunError::io("start", self.request.program))?;
            self.children.push(Busy { index, child, device, since: Instant::now() });
            watcher.began(&self.plan.runs[index], name);
        }
        Ok(())
    }

    /// Looks who has ended.
    fn reap(&mut self, watcher: &mut dyn Watcher) -> Result<(), RunError> {
        let mut place = 0;
        while place < self.children.len() {
            let busy = &mut self.children[place];
            let status = busy.child.try_wait().map_err(RunError::io("wait for", self.request.program))?;
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
                // Nobody here has it any more; if somebody on another machine has, the child will say so.
                self.waiting.push_front(index);
            }
        }
        Ok(())
    }

    fn end(&mut self, index: usize, outcome: RunOutcome, seconds: Option<f64>, watcher: &mut dyn Watcher) {
        watcher.ended(&Ended { planned: &self.plan.runs[index], outcome: &outcome, seconds });
        self.outcomes[index] = Some(outcome);
    }

    fn is_done(&self, index: usize) -> Result<bool, RunError> {
        let view = self.registry.view()?;
        Ok(matches!(of_spec(self.registry, &view, self.spec(index))?, State::Done { .. }))
    }

    /// What a child came to that ended.
    fn outcome(&self, index: usize, status: ExitStatus) -> Result<RunOutcome, RunError> {
        if status.success() && self.is_done(index)? {
            return Ok(RunOutcome::Done);
        }
        if status.code() == Some(130) {
            return Ok(RunOutcome::Interrupted);
        }
        let answer: Value = serde_json::from_slice(&self.said(index, "out")).unwrap_or_default();
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        let error = match status.success() {
            // It trained by another spec than planned: the worker was replaced since.
            true => "it was trained with another spec than planned; was reg-torch replaced in the meantime?"
                .to_owned(),
            false => text("error").unwrap_or_else(|| format!("its process ended early ({status})")),
        };
        let log = self.said(index, "err");
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let log = lines[lines.len().saturating_sub(LINES)..].join("\n");
        Ok(RunOutcome::Failed { error, hint: text("hint"), log })
    }

    /// Asks all children to stop; the second time, they stop at once.
    fn stop(&self) {
        for busy in &self.children {
            // It may have ended in this very moment.
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
