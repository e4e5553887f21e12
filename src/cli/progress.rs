//! Progress on standard error: a bar with rate and remaining time for operations longer than a second; no bar
//! if standard error is not a terminal.

use std::collections::HashSet;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use reg::digits::counted;
use reg::progress::{Progress, Unit};
use reg::records::RecordedEpoch;
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

/// The progress of the worker: one bar for all that it does, one line per epoch, nothing twice.
pub(crate) struct Watch {
    quiet: bool,
    verbose: bool,
    bar: LateBar,
    phase: Option<Phase>,
    told: HashSet<String>,
}

impl Watch {
    pub(crate) fn new(quiet: bool, verbose: bool) -> Self {
        Watch { quiet, verbose, bar: LateBar::new("{wide_msg}", 0, quiet), phase: None, told: HashSet::new() }
    }

    fn clear(&self) {
        self.bar.bar.finish_and_clear();
    }

    /// A line above the bar, unless it was told before: training and scoring begin alike.
    fn tell(&mut self, text: &str) {
        if !self.quiet && self.told.insert(text.to_owned()) {
            self.bar.bar.suspend(|| tell(text));
        }
    }

    fn progress(&mut self, step: &ProgressStep) {
        let is_new = self.phase.replace(step.phase) != Some(step.phase);
        // Without a bar, what takes long is said once.
        if is_new && matches!(step.phase, Phase::Pixels | Phase::Features) && !std::io::stderr().is_terminal()
        {
            self.tell(&format!("{}: {}", phase(step), reg::report::thousands(step.total)));
        }
        self.bar.touch();
        let width = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| size.ws_col);
        self.bar.bar.set_message(progress_line(step, usize::from(width)));
    }
}

/// What the worker does, a bar, and the time that is left, in one line of a width.
fn progress_line(step: &ProgressStep, width: usize) -> String {
    const BAR: usize = 24;
    let share = if step.total > 0 { step.done as f64 / step.total as f64 } else { 0.0 }.clamp(0.0, 1.0);
    let of_phase = || (step.rate > 0.0).then(|| step.total.saturating_sub(step.done) as f64 / step.rate);
    // Of the whole training, as far as the worker knows it.
    let left = step.left.or_else(of_phase).map(|left| format!("{} left", span(left)));
    let loss = step.loss.map(|value| format!("loss {}", loss(value)));
    let name = phase(step);
    let percent = Some(format!("{:.0} %", share * 100.0));
    let rate = Some(format!("{:.1} images/s", step.rate));
    // The most important first, with its place in the line: what does not fit is left out.
    let mut told: [Option<String>; 4] = Default::default();
    let mut length = name.len();
    for (place, part) in [(1, left), (0, percent), (2, loss), (3, rate)] {
        let Some(part) = part else { continue };
        // A space or a comma and a space before it; the last column stays empty.
        if length + 2 + part.chars().count() < width {
            length += 2 + part.chars().count();
            told[place] = Some(part);
        }
    }
    let told = told.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let room = width.saturating_sub(name.len() + told.chars().count() + 3).min(BAR);
    let full = (share * room as f64).round() as usize;
    let bar = if room >= 4 {
        format!(" {}{}", "█".repeat(full), "░".repeat(room - full))
    } else {
        String::new()
    };
    format!("{name}{bar} {told}")
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
                self.tell(&format!("note: {message}"));
            }
            WorkerEvent::Progress(step) => self.progress(step),
            WorkerEvent::Epoch(log) => {
                self.tell(&format!(
                    "{}{}",
                    epoch_line(&RecordedEpoch::from(log.clone())),
                    if log.improved { " *" } else { "" }
                ));
            }
            WorkerEvent::Done(outcome) => {
                self.clear();
                if self.verbose {
                    let parts =
                        outcome.seconds.iter().map(|(part, seconds)| format!("{part} {seconds:.1} s"));
                    tell(&format!("time by part: {}", parts.collect::<Vec<_>>().join(", ")));
                    let part = |name| outcome.seconds.get(name).copied().unwrap_or_default();
                    let steps = part("train") + part("validate") + part("all");
                    if steps > 0.0 {
                        let waited = 100.0 * part("wait") / steps;
                        tell(&format!("waited for images: {waited:.2} % of the steps' time"));
                    }
                }
            }
            WorkerEvent::Interrupted { .. } | WorkerEvent::Failed { .. } => self.clear(),
            WorkerEvent::Ready(_) => {}
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
pub(crate) fn epoch_line(log: &RecordedEpoch) -> String {
    let over = log.val_auc_labels.map_or_else(String::new, |labels| format!(" ({labels} labels)"));
    let auc = log.val_auc.map_or("n/a".to_owned(), |auc| format!("{auc:.4}{over}"));
    let told = |value: Option<f64>| value.map_or("n/a".to_owned(), loss);
    let rate = log.lr.map_or_else(String::new, |lr| format!(", learning rate {lr:.2e}"));
    format!(
        "epoch {}: loss {}, validation loss {}, AUC {auc}{rate}",
        log.epoch,
        told(log.train_loss),
        told(log.val_loss)
    )
}

pub(crate) use reg::digits::span;

/// Four decimals, or an exponent if a loss has diverged.
pub(crate) fn loss(value: f64) -> String {
    if value < 1e4 { format!("{value:.4}") } else { format!("{value:.2e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_progress_fits_the_terminal_and_has_one_time() {
        let step = ProgressStep {
            phase: Phase::Validate,
            epoch: 12,
            epochs: 30,
            done: 4_500,
            total: 10_000,
            rate: 120.34,
            loss: Some(0.51234),
            left: Some(7_500.0),
        };
        for width in [40, 80, 200] {
            let line = progress_line(&step, width);
            assert!(line.chars().count() < width, "{width}: {line}");
            assert_eq!(line.matches(" left").count(), 1, "{line}");
            assert!(line.starts_with("epoch 12/30 validation"), "{line}");
        }
        let narrow = progress_line(&step, 40);
        assert_eq!(narrow, "epoch 12/30 validation 2 h 05 min left");
        let unknown = ProgressStep { left: None, rate: 0.0, total: 0, ..step };
        assert!(!progress_line(&unknown, 80).contains("left"));
    }
}
