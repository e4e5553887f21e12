//! Events out, signals in: how the worker talks to the `reg` that started it, and when it stops.

use std::io::Write;
use std::os::unix::process::parent_id;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reg::disk::Dir;
use reg::records::EpochLog;
use reg::worker::{Phase, ProgressStep, RunStatus, WorkerEvent, files};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::TensorError;

/// The pause between two progress events.
const PAUSE: Duration = Duration::from_millis(100);
/// The pause between two versions of the status.
const STANDING_PAUSE: Duration = Duration::from_secs(1);

/// The way back to `reg`.
pub(crate) struct Reporter<W> {
    out: W,
    last: Option<(Instant, Phase)>,
    stop: Arc<AtomicBool>,
    parent: u32,
    /// Where a training says how it stands, and the epochs that are over.
    status: Option<(Dir, Vec<EpochLog>)>,
    last_status: Option<Instant>,
}

impl<W: Write> Reporter<W> {
    /// Writes to `out`, and stops at SIGINT and SIGTERM.
    ///
    /// More of them change nothing: Ctrl-C and job schedulers send one to `reg` and one here, and `reg`
    /// passes its own on. Whoever cannot wait asks `reg` twice, which then kills the worker.
    pub(crate) fn listen(out: W) -> Result<Self, TensorError> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, stop.clone())
                .map_err(|e| TensorError::Job(format!("signals cannot be caught ({e})")))?;
        }
        Ok(Reporter { out, last: None, stop, parent: parent_id(), status: None, last_status: None })
    }

    /// Says from now on in a file of `dir`, too, how the training stands, of which `epochs` are over.
    pub(crate) fn report_status(&mut self, dir: &Dir, epochs: Vec<EpochLog>) {
        self.status = Some((dir.clone(), epochs));
    }

    /// Writes one event, a line.
    pub(crate) fn send(&mut self, event: &WorkerEvent) -> Result<(), TensorError> {
        if let (WorkerEvent::Epoch(log), Some((_, epochs))) = (event, &mut self.status) {
            epochs.push(log.clone());
            self.last_status = None;
        }
        let mut line = serde_json::to_vec(event).map_err(|e| TensorError::Job(e.to_string()))?;
        line.push(b'\n');
        // Whatever keeps a line from being written, nobody hears of it.
        self.out.write_all(&line).and_then(|()| self.out.flush()).map_err(|_| TensorError::Gone)
    }

    /// Fails where a signal has asked to stop or the parent is gone.
    pub(crate) fn go_on(&self) -> Result<(), TensorError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(TensorError::Interrupted { epochs: 0, batches: 0 });
        }
        if parent_id() != self.parent {
            return Err(TensorError::Gone);
        }
        Ok(())
    }

    /// Reports how far the work is, if the last report is long enough ago, and fails as [`Self::go_on`]
    /// does.
    pub(crate) fn progress(&mut self, step: ProgressStep) -> Result<(), TensorError> {
        self.go_on()?;
        if self.last.is_some_and(|(at, phase)| phase == step.phase && at.elapsed() < PAUSE) {
            return Ok(());
        }
        self.last = Some((Instant::now(), step.phase));
        self.write_status(step);
        self.send(&WorkerEvent::Progress(step))
    }

    fn write_status(&mut self, step: ProgressStep) {
        let Some((dir, epochs)) = &self.status else { return };
        if self.last_status.is_some_and(|last_status| last_status.elapsed() < STANDING_PAUSE) {
            return;
        }
        self.last_status = Some(Instant::now());
        let status = RunStatus { step, epochs: epochs.clone() };
        // Nothing depends on it: a training goes on when nobody can look at it.
        if let Ok(text) = serde_json::to_vec(&status) {
            let _ = dir.replace(files::STATUS, &text);
        }
    }
}

/// Counts the images of a phase and the time that they take.
pub(crate) struct Pace {
    start: Instant,
    /// What is the same in every report of the phase.
    at: ProgressStep,
    /// Images that were done before this process came to them.
    before: u64,
}

impl Pace {
    /// Begins a phase whose first `done` images are done.
    pub(crate) fn begin(at: ProgressStep) -> Self {
        Pace { start: Instant::now(), at, before: at.done }
    }

    /// How far the phase is.
    pub(crate) fn step(&self, done: u64, loss: Option<f64>, left: Option<f64>) -> ProgressStep {
        let seconds = self.start.elapsed().as_secs_f64().max(1e-9);
        ProgressStep { done, loss, left, rate: (done - self.before) as f64 / seconds, ..self.at }
    }
}
