//! Learning curves of several runs on one chart: losses, validation AUC, learning rate.

use super::scale::{AxisScale, thinned};
use super::{Anchor, Canvas, Figure, series_class};
use crate::digits::counted;
use crate::records::RecordedEpoch;

const WIDTH: f64 = 372.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
/// With more epochs, single epochs are not marked.
const MARKED: usize = 40;
/// Maximum distance in pixels between a thinned curve and the complete one.
const TOLERANCE: f64 = 0.15;

/// What is drawn over the epochs, and what a second, dashed line shows.
struct Quantity {
    key: &'static str,
    title: &'static str,
    axis: &'static str,
    of: fn(&RecordedEpoch) -> Option<f64>,
    dashed: Option<fn(&RecordedEpoch) -> Option<f64>>,
}

const QUANTITIES: [Quantity; 3] = [
    Quantity {
        key: "loss",
        title: "Loss: validation, and training (dashed)",
        axis: "Loss",
        of: |epoch| epoch.val_loss,
        dashed: Some(|epoch| epoch.train_loss),
    },
    Quantity {
        key: "auc",
        title: "Validation AUC, mean over labels",
        axis: "Validation AUC",
        of: |epoch| epoch.val_auc,
        dashed: None,
    },
    Quantity { key: "lr", title: "Learning rate", axis: "Learning rate", of: |epoch| epoch.lr, dashed: None },
];

/// Draws the losses, the validation AUC and the learning rate of runs by epoch, each on a chart with one line for each run.
pub fn curves(runs: &[(&str, &[RecordedEpoch])]) -> Vec<Figure> {
    QUANTITIES.iter().map(|quantity| chart(quantity, runs)).collect()
}

fn chart(quantity: &Quantity, runs: &[(&str, &[RecordedEpoch])]) -> Figure {
    let mut canvas = Canvas::default();
    canvas.text("head", Anchor::Start, [LEFT, 17.0], quantity.title);
    let names: Vec<String> = runs.iter().map(|(name, _)| (*name).to_owned()).collect();
    let top = 32.0 + canvas.legend([LEFT, 24.0], WIDTH - LEFT, &names);
    let bottom = top + HEIGHT;
    let lines = || std::iter::once(quantity.of).chain(quantity.dashed);
    let values = || {
        runs.iter().flat_map(|(_, epochs)| epochs.iter()).flat_map(|at| lines().filter_map(move |of| of(at)))
    };
    let [low, high] = [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)];
    let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
    // A rate that never changed is drawn in the middle, on a scale of its own size.
    let (low, high) = if high > low { (low, high) } else { (low - low.abs() / 2.0, high + high.abs() / 2.0) };
    let y = AxisScale::round(low, high, 5, [bottom, top]);
    let last =
        runs.iter().filter_map(|(_, epochs)| epochs.last()).map(|epoch| epoch.epoch).max().unwrap_or(1);
    let x = |epoch: u32| match last {
        0 | 1 => (LEFT + WIDTH - RIGHT) / 2.0,
        _ => {
            LEFT + 8.0
                + f64::from(epoch.saturating_sub(1)) / f64::from(last - 1) * (WIDTH - RIGHT - LEFT - 16.0)
        }
    };
    for (at, text) in y.ticks() {
        canvas.line("grid", [LEFT, at], [WIDTH - RIGHT, at]);
        canvas.text("quiet", Anchor::End, [LEFT - 6.0, at + 4.0], &text);
    }
    canvas.line("axis", [LEFT, bottom], [WIDTH - RIGHT, bottom]);
    let every = last.div_ceil(8).max(1);
    for epoch in (1..=last).filter(|epoch| *epoch == 1 || epoch.is_multiple_of(every)) {
        canvas.text("quiet", Anchor::Middle, [x(epoch), bottom + 16.0], &epoch.to_string());
    }
    canvas.text("quiet", Anchor::Middle, [(LEFT + WIDTH - RIGHT) / 2.0, bottom + 33.0], "Epoch");
    canvas.turned("quiet", Anchor::Middle, [11.0, (top + bottom) / 2.0], -90.0, quantity.axis);
    for (series, (_, epochs)) in runs.iter().enumerate() {
        for (of, dashed) in lines().zip(["", " dashed"]) {
            let points: Vec<[f64; 2]> =
                epochs.iter().filter_map(|at| Some([x(at.epoch), y.at(of(at)?)])).collect();
            if points.len() > 1 {
                canvas.path(&format!("run {}{dashed}", series_class(series)), &thinned(&points, TOLERANCE));
            }
            if dashed.is_empty() {
                let every = points.len().div_ceil(MARKED).max(1);
                points.iter().step_by(every).for_each(|at| canvas.mark(series, *at));
            }
        }
    }
    let told = runs.iter().map(|(name, epochs)| {
        let kept = epochs.iter().rev().find(|epoch| epoch.improved);
        let of =
            kept.and_then(|kept| (quantity.of)(kept)).map_or("n/a".to_owned(), |value| format!("{value:.4}"));
        let kept = kept.map_or(String::new(), |kept| format!(" at epoch {}, which was kept", kept.epoch));
        format!("{name}: {}, {of}{kept}", counted(epochs.len() as u64, "epoch"))
    });
    let description = format!("{} by epoch. {}.", quantity.axis, told.collect::<Vec<_>>().join("; "));
    canvas.into_figure(
        format!("curves-{}", quantity.key),
        format!("{} by epoch", quantity.axis),
        description,
        [WIDTH, bottom + 42.0],
    )
}
