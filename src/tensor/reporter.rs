//! The worker's communication with `reg`: events out, signals in.

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

/// Minimum interval between two progress events.
const PAUSE: Duration = Duration::from_millis(100);
/// Minimum interval between two versions of the status.
const STANDING_PAUSE: Duration = Duration::from_secs(1);

/// Sends events to `reg`.
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
    /// Further signals have no effect: Ctrl-C and job schedulers send one to `reg` and one to the worker, and
    /// `reg` forwards its own. A second interrupt makes `reg` kill the worker.
    pub(crate) fn listen(out: W) -> Result<Self, TensorError> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, stop.clone())
                .map_err(|e| TensorError::Job(format!("signals cannot be caught ({e})")))?;
        }
        Ok(Reporter { out, last: None, stop, parent: parent_id(), status: None, last_status: None })
    }

    /// Forgets the job before.
    pub(crate) fn begin(&mut self) {
        (self.last, self.status, self.last_status) = (None, None, None);
    }

    /// Says from now on in a file of `dir`, too, how the training stands, of which `epochs` are over.
    pub(crate) fn report_status(&mut self, dir: &Dir, epochs: Vec<EpochLog>) {
        self.status = Some((dir.clone(), epochs));
    }

    /// Writes one event as a line.
    pub(crate) fn send(&mut self, event: &WorkerEvent) -> Result<(), TensorError> {
        if let (WorkerEvent::Epoch(log), Some((_, epochs))) = (event, &mut self.status) {
            epochs.push(log.clone());
            self.last_status = None;
        }
        let mut line = serde_json::to_vec(event).map_err(|e| TensorError::Job(e.to_string()))?;
        line.push(b'\n');
        // If the line cannot be written, for whatever reason, `reg` no longer reads.
        self.out.write_all(&line).and_then(|()| self.out.flush()).map_err(|_| TensorError::Gone)
    }

    /// Fails after a signal, or if the parent process is gone.
    pub(crate) fn go_on(&self) -> Result<(), TensorError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(TensorError::Interrupted { epochs: 0, batches: 0 });
        }
        if parent_id() != self.parent {
            return Err(TensorError::Gone);
        }
        Ok(())
    }

    /// Reports progress if the last report is long enough ago, and fails like [`Self::go_on`].
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

/// Counts the images of a phase and measures the time.
pub(crate) struct Pace {
    start: Instant,
    /// The constant part of the phase's reports.
    at: ProgressStep,
    /// Number of images that were done before this process started.
    before: u64,
}

impl Pace {
    /// Starts a phase whose first `done` images are done.
    pub(crate) fn begin(at: ProgressStep) -> Self {
        Pace { start: Instant::now(), at, before: at.done }
    }

    /// The progress of the phase.
    pub(crate) fn step(&self, done: u64, loss: Option<f64>, left: Option<f64>) -> ProgressStep {
        let seconds = self.start.elapsed().as_secs_f64().max(1e-9);
        ProgressStep { done, loss, left, rate: (done - self.before) as f64 / seconds, ..self.at }
    }
}
