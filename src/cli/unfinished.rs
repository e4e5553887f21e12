//! Unfinished trainings in the output of `reg show`, `reg list` and `reg log`.

use reg::escape::command;
use reg::records::EpochLog;
use reg::report::{Cell, Column, ReportTable, thousands};
use reg::training::unfinished::UnfinishedTraining;
use serde_json::{Value, json};

use super::output::{Reply, TableFormat};
use super::progress::{loss, phase, span};

/// One line about the progress of a training.
pub(super) fn line(unfinished: &UnfinishedTraining) -> String {
    let (name, command) = (&unfinished.announcement.name, command(&unfinished.announcement.command));
    // Whoever made the registry wrote the command: only a command of reg is offered.
    let offer = |verb| command.as_ref().map_or(String::new(), |command| format!("; to {verb}: `{command}`"));
    let state = match unfinished.pid {
        Some(pid) => format!("{name} is training (pid {pid}, since {})", unfinished.announcement.started),
        None => match &unfinished.error {
            Some(error) if unfinished.resumable => {
                format!("{name} failed: {error}{}", offer("resume it"))
            }
            Some(error) => format!("{name} failed: {error}; `reg gc` removes its files"),
            None if unfinished.resumable => format!("{name} was interrupted{}", offer("resume")),
            None => format!("{name} was interrupted before anything was saved{}", offer("start again")),
        },
    };
    let Some(status) = &unfinished.status else { return state };
    let step = status.step;
    let done = format!("{} of {} images", thousands(step.done), thousands(step.total));
    let loss = step.loss.map(|value| format!(", loss {}", loss(value))).unwrap_or_default();
    let left = step.left.filter(|_| unfinished.pid.is_some());
    let left = left.map(|left| format!(", {} left in total", span(left))).unwrap_or_default();
    format!("{state}\n{}: {done}, {:.1} images/s{loss}{left}", phase(&step), step.rate)
}

/// A training with its epochs.
pub(super) fn reply(unfinished: &UnfinishedTraining) -> Reply {
    let mut text = line(unfinished);
    let epochs = unfinished.status.as_ref().map(|status| &status.epochs[..]).unwrap_or_default();
    if !epochs.is_empty() {
        text.push('\n');
        text += &TableFormat::Text.render(&[table(epochs)]);
    }
    text += &format!("\nspec {}", unfinished.announcement.spec.hash);
    Reply::new(text, document(unfinished))
}

/// The same as a JSON document.
pub(super) fn document(unfinished: &UnfinishedTraining) -> Value {
    json!({ "live": unfinished })
}

fn table(epochs: &[EpochLog]) -> ReportTable {
    let mut columns = vec![Column::left("Epoch")];
    columns.extend(["Loss", "Validation loss", "AUC", "Labels", "Learning rate"].map(Column::right));
    columns.push(Column::left("Best"));
    let mut table = ReportTable::new("", columns);
    let best = epochs.iter().rposition(|epoch| epoch.improved);
    for (index, epoch) in epochs.iter().enumerate() {
        table.rows.push(vec![
            Cell::Text(epoch.epoch.to_string()),
            Cell::Text(loss(epoch.train_loss)),
            Cell::Text(loss(epoch.val_loss)),
            Cell::Text(epoch.val_auc.map_or("n/a".to_owned(), |auc| format!("{auc:.4}"))),
            Cell::Text(epoch.val_auc_labels.to_string()),
            Cell::Text(format!("{:.2e}", epoch.lr)),
            Cell::Text(if Some(index) == best { "*".to_owned() } else { String::new() }),
        ]);
    }
    table
}
