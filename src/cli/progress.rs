//! Progress on standard error: a bar with rate and time left on anything over a second, none where
//! standard error is no terminal.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use reg::progress::{Progress, Unit};
use reg::records::EpochLog;
use reg::runs::process::Listener;
use reg::worker::{Outcome, Phase};

use super::output::tell;

const AFTER: Duration = Duration::from_secs(1);

/// A bar that shows itself when it has lasted a second.
struct LateBar {
    bar: ProgressBar,
    since: Instant,
    shown: bool,
}

impl LateBar {
    fn new(template: &str, total: u64, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // A bar that cannot be written is a bar that is not there.
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
        // A bar is never worth a panic.
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

/// The progress of the worker: a bar a phase, a line an epoch.
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
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Listener for Watch {
    fn started(&mut self, parameters: u64, resumed_epochs: u32, gpu: Option<&str>) {
        if self.quiet {
            return;
        }
        let on = gpu.map(|name| format!(" on {name}")).unwrap_or_default();
        tell(&format!("{} parameters{on}", reg::report::thousands(parameters)));
        if resumed_epochs > 0 {
            tell(&format!("going on behind epoch {resumed_epochs}"));
        }
    }

    fn progress(&mut self, phase: Phase, epoch: u32, epochs: u32, done: u64, total: u64, loss: Option<f64>) {
        let same = self.current.as_ref().is_some_and(|(p, e, _)| (*p, *e) == (phase, epoch));
        if !same {
            self.clear();
            let what = match phase {
                Phase::Train => format!("epoch {epoch}/{epochs}"),
                Phase::Validate => format!("epoch {epoch}/{epochs} validation"),
                Phase::Predict => "predict".to_owned(),
            };
            let template =
                format!("{what} [{{wide_bar}}] {{pos}}/{{len}}, {{rate}} images/s{{msg}}, {{eta}} left");
            self.current = Some((phase, epoch, LateBar::new(&template, total, self.quiet)));
        }
        if let Some((_, _, bar)) = &mut self.current {
            bar.bar.set_position(done);
            if let Some(loss) = loss {
                bar.bar.set_message(format!(", loss {}", self::loss(loss)));
            }
            bar.touch();
        }
    }

    fn done(&mut self, outcome: &Outcome) {
        self.clear();
        if self.verbose {
            let parts = outcome.seconds.iter().map(|(part, seconds)| format!("{part} {seconds:.1} s"));
            eprintln!("time by part: {}", parts.collect::<Vec<_>>().join(", "));
        }
    }

    fn epoch(&mut self, log: &EpochLog) {
        self.clear();
        if self.quiet {
            return;
        }
        let auc =
            log.val_auc.map_or("n/a".to_owned(), |auc| format!("{auc:.4} ({} labels)", log.val_auc_labels));
        let mark = if log.improved { " *" } else { "" };
        tell(&format!(
            "epoch {}: loss {}, validation loss {}, AUC {auc}, learning rate {:.2e}{mark}",
            log.epoch,
            loss(log.train_loss),
            loss(log.val_loss),
            log.lr
        ));
    }
}

/// Four decimals, or an exponent where a loss has run away.
fn loss(value: f64) -> String {
    if value < 1e4 { format!("{value:.4}") } else { format!("{value:.2e}") }
}
