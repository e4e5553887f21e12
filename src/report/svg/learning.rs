//! Learning curves: the losses of a run by epoch.

use super::scale::AxisScale;
use super::{Anchor, Canvas, Figure, fitted, key, series_class};
use crate::digits::counted;
use crate::records::RecordedEpoch;

const WIDTH: f64 = 306.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 218.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
/// With more epochs, single epochs are not marked.
const MARKED: usize = 40;

/// Draws the training and validation loss by epoch, and marks the selected epoch.
pub fn learning(run: &str, epochs: &[RecordedEpoch]) -> Figure {
    let mut canvas = Canvas::default();
    canvas.text("head", Anchor::Start, [LEFT, 17.0], &fitted(run, WIDTH - LEFT - RIGHT));
    canvas.legend([LEFT, 22.0], WIDTH - LEFT, &["training".to_owned(), "validation".to_owned()]);
    let losses = || epochs.iter().flat_map(|epoch| epoch.train_loss.into_iter().chain(epoch.val_loss));
    let low = losses().fold(f64::INFINITY, f64::min);
    let high = losses().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if losses().next().is_none() { (0.0, 1.0) } else { (low, high) };
    let last = epochs.last().map_or(1, |epoch| epoch.epoch);
    let y = AxisScale::round(low, high, 5, [BOTTOM, TOP]);
    // Epochs are whole numbers: no tick is between two, and a single epoch is centred.
    let x = |epoch: u32| match last {
        0 | 1 => (LEFT + WIDTH - RIGHT) / 2.0,
        _ => LEFT + 8.0 + f64::from(epoch - 1) / f64::from(last - 1) * (WIDTH - RIGHT - LEFT - 16.0),
    };
    for (at, text) in y.ticks() {
        canvas.line("grid", [LEFT, at], [WIDTH - RIGHT, at]);
        canvas.text("quiet", Anchor::End, [LEFT - 6.0, at + 4.0], &text);
    }
    canvas.line("axis", [LEFT, BOTTOM], [WIDTH - RIGHT, BOTTOM]);
    let every = last.div_ceil(8).max(1);
    for epoch in (1..=last).filter(|epoch| *epoch == 1 || epoch.is_multiple_of(every)) {
        canvas.text("quiet", Anchor::Middle, [x(epoch), BOTTOM + 16.0], &epoch.to_string());
    }
    canvas.text("quiet", Anchor::Middle, [(LEFT + WIDTH - RIGHT) / 2.0, BOTTOM + 33.0], "Epoch");
    canvas.turned("quiet", Anchor::Middle, [12.0, (TOP + BOTTOM) / 2.0], -90.0, "Loss");
    let best = epochs.iter().rev().find(|epoch| epoch.improved);
    if let Some(best) = best {
        canvas.line("chance", [x(best.epoch), TOP], [x(best.epoch), BOTTOM]);
    }
    let series: [fn(&RecordedEpoch) -> Option<f64>; 2] = [|epoch| epoch.train_loss, |epoch| epoch.val_loss];
    for (number, loss) in series.iter().enumerate() {
        let point = |epoch: &RecordedEpoch| Some([x(epoch.epoch), y.at(loss(epoch)?)]);
        let points: Vec<[f64; 2]> = epochs.iter().filter_map(point).collect();
        if points.len() > 1 {
            canvas.path(&format!("run {}", series_class(number)), &points);
        }
        let marked =
            |place: &usize| epochs.len() <= MARKED || place.is_multiple_of(epochs.len().div_ceil(MARKED));
        (0..points.len()).filter(marked).for_each(|place| canvas.mark(number, points[place]));
    }
    if let Some(best) = best {
        let at = x(best.epoch);
        let text = format!("kept: epoch {}", best.epoch);
        match at > (LEFT + WIDTH) / 2.0 {
            true => canvas.text("", Anchor::End, [at - 5.0, TOP + 11.0], &text),
            false => canvas.text("", Anchor::Start, [at + 5.0, TOP + 11.0], &text),
        }
    }
    let kept = best.map_or(String::new(), |best| {
        let told = |loss: Option<f64>| loss.map_or("n/a".to_owned(), |loss| format!("{loss:.4}"));
        format!(
            " Best epoch: {}, validation loss {}, training loss {}.",
            best.epoch,
            told(best.val_loss),
            told(best.train_loss)
        )
    });
    let all = counted(epochs.len() as u64, "epoch");
    let description = format!("Loss on training and validation images over {all}.{kept}");
    canvas.into_figure(
        format!("learning-{}", key(run)),
        format!("Learning curves of {run}"),
        description,
        [WIDTH, BOTTOM + 42.0],
    )
}
