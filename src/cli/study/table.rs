//! All active runs of a study as one table that is updated in place; if standard error is not a terminal, a
//! line is printed when a run starts or ends.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use reg::study::{ActiveRun, Ended, Planned, RunOutcome, StudyPlan, Watcher};

use crate::cli::output::{plural, tell};
use crate::cli::progress::{loss, phase, span};

/// The table.
pub(super) struct ProgressTable {
    quiet: bool,
    /// Terminal lines: one per active run and a last one for the study; empty without a terminal.
    lines: Option<(MultiProgress, Vec<ProgressBar>)>,
    jobs: usize,
    all: usize,
    ended: usize,
    failed: usize,
    /// Estimated seconds for the runs that have not started.
    waiting: Vec<(String, f64)>,
}

impl ProgressTable {
    pub(super) fn new(quiet: bool, plan: &StudyPlan) -> Self {
        let due: Vec<&Planned> = plan.runs.iter().filter(|run| run.is_due()).collect();
        let terminal = !quiet && std::io::stderr().is_terminal();
        ProgressTable {
            quiet,
            lines: terminal.then(|| {
                (MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(5)), Vec::new())
            }),
            jobs: plan.jobs.min(due.len()).max(1),
            all: due.len(),
            ended: 0,
            failed: 0,
            waiting: due
                .iter()
                .map(|run| (run.row.name.clone(), run.cost.map_or(0.0, |cost| cost.seconds)))
                .collect(),
        }
    }

    fn say(&self, text: &str) {
        match &self.lines {
            // Printed above the table.
            Some((lines, _)) => drop(lines.println(text)),
            None if self.quiet => {}
            None => tell(text),
        }
    }

    /// One row per run: name, device, phase, progress, loss, images per second, remaining time.
    fn row(active: &ActiveRun) -> [String; 7] {
        let name = active.planned.row.name.clone();
        let place = active.device.unwrap_or("elsewhere").to_owned();
        let status = active.unfinished.as_ref().and_then(|unfinished| unfinished.status.as_ref());
        let Some(step) = status.map(|status| status.step) else {
            let nothing = String::new;
            return [name, place, "starting".to_owned(), nothing(), nothing(), nothing(), nothing()];
        };
        let share = 100.0 * step.done as f64 / step.total.max(1) as f64;
        [
            name,
            place,
            phase(&step),
            format!("{share:.0} %"),
            step.loss.map(loss).unwrap_or_default(),
            format!("{:.1}", step.rate),
            step.left.map(span).unwrap_or_default(),
        ]
    }
}

const HEADS: [&str; 7] = ["Run", "Device", "Epoch", "Done", "Loss", "Images/s", "Left"];

/// Rows below their headings, each column as wide as necessary; numbers are right-aligned.
fn aligned(rows: Vec<[String; 7]>) -> Vec<String> {
    let rows: Vec<[String; 7]> = std::iter::once(HEADS.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let cell = |(column, text): (usize, &String)| match column {
        0..3 => format!("{text:width$}", width = widths[column]),
        _ => format!("{text:>width$}", width = widths[column]),
    };
    rows.iter().map(|row| row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ")).collect()
}

impl Watcher for ProgressTable {
    fn began(&mut self, planned: &Planned, device: &str) {
        self.waiting.retain(|(name, _)| *name != planned.row.name);
        if self.lines.is_none() {
            self.say(&format!("{}: started on {device}", planned.row.name));
        }
    }

    fn ended(&mut self, ended: &Ended) {
        let name = &ended.planned.row.name;
        self.waiting.retain(|(waiting, _)| waiting != name);
        self.ended += 1;
        match ended.outcome {
            RunOutcome::Done => {
                let how = ended
                    .seconds
                    .map_or("by another process".to_owned(), |time| format!("in {}", span(time)));
                self.say(&format!("{name}: done {how} ({} of {})", self.ended, self.all));
            }
            RunOutcome::Interrupted => self.say(&format!("{name}: interrupted, checkpoint saved")),
            RunOutcome::Failed { error, .. } => {
                self.failed += 1;
                self.say(&format!("{name}: failed: {error}"));
            }
        }
    }

    fn look(&mut self, active: &[ActiveRun], waiting: usize) {
        if self.lines.is_none() {
            return;
        }
        let left = |active: &ActiveRun| {
            let status = active.unfinished.as_ref().and_then(|unfinished| unfinished.status.as_ref());
            let planned = active.planned.cost.map_or(0.0, |cost| cost.seconds);
            status.and_then(|status| status.step.left).unwrap_or(planned)
        };
        let longest = active.iter().map(left).fold(0.0, f64::max);
        let sum =
            active.iter().map(left).chain(self.waiting.iter().map(|(_, seconds)| *seconds)).sum::<f64>();
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        let mut texts = aligned(active.iter().map(ProgressTable::row).collect());
        texts.push(format!(
            "{} of {} ended{failed}, {} running, {waiting} waiting, about {} left",
            self.ended,
            plural(self.all, "run"),
            active.len(),
            span((sum / self.jobs as f64).max(longest)),
        ));
        if let Some((lines, bars)) = &mut self.lines {
            let plain = || {
                ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
            };
            while bars.len() < texts.len() {
                let bar = lines.add(ProgressBar::new(1));
                bar.set_style(plain());
                bars.push(bar);
            }
            for bar in bars.drain(texts.len()..) {
                bar.finish_and_clear();
                lines.remove(&bar);
            }
            for (bar, text) in bars.iter().zip(texts) {
                // Unchanged lines are not drawn again.
                if bar.message() != text {
                    bar.set_message(text);
                }
            }
        }
    }
}

impl Drop for ProgressTable {
    fn drop(&mut self) {
        if let Some((_, bars)) = &self.lines {
            bars.iter().for_each(ProgressBar::finish_and_clear);
        }
    }
}
