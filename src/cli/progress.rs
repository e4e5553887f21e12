//! Progress on standard error: a bar with rate and remaining time for operations longer than a second; no bar
//! if standard error is not a terminal.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use reg::digits::counted;
use reg::progress::{Progress, Unit};
use reg::records::EpochLog;
use reg::training::process::Listener;
use reg::worker::{Phase, ProgressStep, WorkerEvent};

use super::output::tell;

const AFTER: Duration = Duration::from_secs(1);

/// A bar that appears after a second.
struct LateBar {
    bar: ProgressBar,
    since: Instant,
    shown: bool,
}

impl LateBar {
    fn new(template: &str, total: u64, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // If a bar cannot be drawn, it is omitted.
        let rate = |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{:.1}", state.per_sec());
        };
        bar.set_style(style.with_key("rate", rate));
        LateBar { bar, since: Instant::now(), shown: quiet || !std::io::stderr().is_terminal() }
    }

    fn touch(&mut self) {
        if !self.shown && self.since.elapsed() > AFTER {
            self.shown = true;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

/// The progress of an operation of the library.
pub(crate) struct Bars {
    quiet: bool,
    current: Mutex<Option<LateBar>>,
}

impl Bars {
    pub(crate) fn new(quiet: bool) -> Self {
        Bars { quiet, current: Mutex::new(None) }
    }

    fn with(&self, change: impl FnOnce(&mut Option<LateBar>)) {
        // A bar must never cause a panic.
        if let Ok(mut current) = self.current.lock() {
            change(&mut current);
        }
    }
}

impl Progress for Bars {
    fn begin(&self, what: &str, unit: Unit, total: u64) {
        let counts = match unit {
            Unit::Items => "{human_pos}/{human_len}, {rate} a second,",
            Unit::Bytes => "{bytes}/{total_bytes}, {bytes_per_sec},",
        };
        let template = format!("{what} [{{wide_bar}}] {counts} {{eta}} left");
        self.with(|current| *current = Some(LateBar::new(&template, total, self.quiet)));
    }

    fn advance(&self, n: u64) {
        self.with(|current| {
            if let Some(bar) = current {
                bar.bar.inc(n);
                bar.touch();
            }
        });
    }

    fn end(&self) {
        self.with(|current| {
            if let Some(bar) = current.take() {
                bar.bar.finish_and_clear();
            }
        });
    }
}

/// The progress of the worker: one bar per phase, one line per epoch.
pub(crate) struct Watch {
    quiet: bool,
    verbose: bool,
    current: Option<(Phase, u32, LateBar)>,
}

impl Watch {
    pub(crate) fn new(quiet: bool, verbose: bool) -> Self {
        Watch { quiet, verbose, current: None }
    }

    fn clear(&mut self) {
        if let Some((_, _, bar)) = self.current.take() {
            bar.bar.finish_and_clear();
        }
    }

    fn tell(&self, text: &str) {
        if !self.quiet {
            tell(text);
        }
    }

    fn progress(&mut self, step: &ProgressStep) {
        let same = self.current.as_ref().is_some_and(|(p, e, _)| (*p, *e) == (step.phase, step.epoch));
        if !same {
            self.clear();
            let template = format!("{} [{{wide_bar}}] {{pos}}/{{len}}, {{msg}}{{eta}} left", phase(step));
            self.current = Some((step.phase, step.epoch, LateBar::new(&template, step.total, self.quiet)));
        }
        if let Some((_, _, bar)) = &mut self.current {
            bar.bar.set_position(step.done);
            let loss = step.loss.map(|value| format!("loss {}, ", loss(value))).unwrap_or_default();
            let all = step.left.map(|left| format!("{} for all, ", span(left))).unwrap_or_default();
            bar.bar.set_message(format!("{:.1} images/s, {loss}{all}", step.rate));
            bar.touch();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Listener for Watch {
    fn hear(&mut self, event: &WorkerEvent) {
        match event {
            WorkerEvent::Started { gpu, resumed_epochs, resumed_batches, parameters, memory, .. } => {
                let on = gpu.as_ref().map(|name| format!(" on {name}")).unwrap_or_default();
                let (parameters, gb) = (counted(*parameters, "parameter"), *memory as f64 / 1e9);
                self.tell(&format!("{parameters}{on}, at most about {gb:.1} GB of memory"));
                if *resumed_epochs > 0 || *resumed_batches > 0 {
                    self.tell(&format!("resuming after epoch {resumed_epochs}, batch {resumed_batches}"));
                }
            }
            WorkerEvent::Note { message } => {
                self.clear();
                self.tell(&format!("note: {message}"));
            }
            WorkerEvent::Progress(step) => self.progress(step),
            WorkerEvent::Epoch(log) => {
                self.clear();
                self.tell(&format!("{}{}", epoch_line(log), if log.improved { " *" } else { "" }));
            }
            WorkerEvent::Done(outcome) => {
                self.clear();
                if self.verbose {
                    let parts =
                        outcome.seconds.iter().map(|(part, seconds)| format!("{part} {seconds:.1} s"));
                    eprintln!("time by part: {}", parts.collect::<Vec<_>>().join(", "));
                    let part = |name| outcome.seconds.get(name).copied().unwrap_or_default();
                    let steps = part("train") + part("validate") + part("all");
                    if steps > 0.0 {
                        eprintln!(
                            "waited for images: {:.2} % of the steps' time",
                            100.0 * part("wait") / steps
                        );
                    }
                }
            }
            WorkerEvent::Interrupted { .. } | WorkerEvent::Failed { .. } => self.clear(),
        }
    }
}

/// The current activity.
pub(crate) fn phase(step: &ProgressStep) -> String {
    match step.phase {
        Phase::Pixels => "decode images".to_owned(),
        Phase::Features => "compute features".to_owned(),
        Phase::Train => format!("epoch {}/{}", step.epoch, step.epochs),
        Phase::Validate => format!("epoch {}/{} validation", step.epoch, step.epochs),
        Phase::Predict => "predict".to_owned(),
        Phase::Fit => "fit a predictor".to_owned(),
    }
}

/// One line about a completed epoch.
pub(crate) fn epoch_line(log: &EpochLog) -> String {
    let auc = log.val_auc.map_or("n/a".to_owned(), |auc| format!("{auc:.4} ({} labels)", log.val_auc_labels));
    format!(
        "epoch {}: loss {}, validation loss {}, AUC {auc}, learning rate {:.2e}",
        log.epoch,
        loss(log.train_loss),
        loss(log.val_loss),
        log.lr
    )
}

/// Hours and minutes, or less.
pub(crate) fn span(seconds: f64) -> String {
    let seconds = seconds.round().max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Four decimals, or an exponent if a loss has diverged.
pub(crate) fn loss(value: f64) -> String {
    if value < 1e4 { format!("{value:.4}") } else { format!("{value:.2e}") }
}
