//! Events out, signals in: how the worker talks to the `reg` that started it, and when it stops.

use std::io::Write;
use std::os::unix::process::parent_id;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reg::worker::{Event, Phase};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::TensorError;

/// The pause between two progress events.
const PAUSE: Duration = Duration::from_millis(100);

/// The way back to `reg`.
pub(crate) struct Reporter<W> {
    out: W,
    last: Option<Instant>,
    stop: Arc<AtomicBool>,
    parent: u32,
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
        Ok(Reporter { out, last: None, stop, parent: parent_id() })
    }

    /// Writes one event, a line.
    pub(crate) fn send(&mut self, event: &Event) -> Result<(), TensorError> {
        let mut line = serde_json::to_vec(event).map_err(|e| TensorError::Job(e.to_string()))?;
        line.push(b'\n');
        // Whatever keeps a line from being written, nobody hears of it.
        self.out.write_all(&line).and_then(|()| self.out.flush()).map_err(|_| TensorError::Gone)
    }

    /// Reports how far a phase is, if the last report is long enough ago, and stops where a signal has
    /// asked for it or the parent is gone.
    pub(crate) fn progress(
        &mut self,
        at: &Progress,
        done: u64,
        loss: Option<f64>,
    ) -> Result<(), TensorError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(TensorError::Interrupted { epochs: at.kept });
        }
        if parent_id() != self.parent {
            return Err(TensorError::Gone);
        }
        if self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let Progress { phase, epoch, epochs, total, .. } = *at;
        self.send(&Event::Progress { phase, epoch, epochs, done, total, loss })
    }
}

/// The phase that progress is reported of.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    /// What is going on.
    pub(crate) phase: Phase,
    /// Epoch, from 1; 0 outside training.
    pub(crate) epoch: u32,
    /// Epochs in all.
    pub(crate) epochs: u32,
    /// Whole epochs that are kept when it stops here.
    pub(crate) kept: u32,
    /// Images of this phase.
    pub(crate) total: u64,
}
