//! Figure 5: the AUC of every label and model, with its range over the folds, or with its confidence interval.

use super::scale::AxisScale;
use super::{Anchor, Canvas, Figure, fitted, series_class, shown, text_width};
use crate::digits::counted;
use crate::records::{Comparison, Spread};
use crate::report::interval::{FoldAuc, of_auc};
use crate::report::results::labels_by_mean;

const WIDTH: f64 = 760.0;
/// Distance between models within a label, in pixels.
const LANE: f64 = 9.0;
const RIGHT: f64 = 16.0;
const LONGEST_LABEL: f64 = 180.0;

/// Draws the mean AUC of each label and model as a marker and the range over the folds as a bar; labels are
/// sorted by descending mean over all models, followed by the mean over all labels.
///
/// The paper arranges labels from left to right; from top to bottom their names are easier to read.
pub fn range(comparison: &Comparison) -> Figure {
    drawn(comparison, &Bars::Range)
}

/// Draws the same with the 95 % confidence interval of each AUC as the bar, where there is one.
pub fn intervals(comparison: &Comparison) -> Figure {
    drawn(comparison, &Bars::Interval)
}

/// The AUC of each model for a label, with the ends of its bar.
type Cells<'c> = Vec<(&'c Spread, Option<[f64; 2]>)>;

/// What the bar of an AUC shows.
enum Bars {
    Range,
    Interval,
}

impl Bars {
    /// The ends of the bar of a label, or of the mean over the labels, of a model given by its place.
    fn ends(&self, comparison: &Comparison, model: usize, label: Option<usize>) -> Option<[f64; 2]> {
        let of = &comparison.models[model];
        match self {
            Bars::Range => {
                let spread = label.map_or(&of.mean, |label| &of.labels[label].auc);
                spread.min.zip(spread.max).map(|(min, max)| [min, max])
            }
            Bars::Interval => {
                let folds = label.map_or_else(
                    || FoldAuc::of_mean(comparison, model),
                    |label| FoldAuc::of(&of.labels[label]),
                );
                of_auc(comparison.variance, &folds).ok()
            }
        }
    }

    fn key(&self) -> &'static str {
        match self {
            Bars::Range => "range",
            Bars::Interval => "intervals",
        }
    }

    fn words(&self, comparison: &Comparison) -> String {
        match self {
            Bars::Range => format!("range over the {}s", comparison.division().name()),
            Bars::Interval => "95 % confidence interval".to_owned(),
        }
    }
}

fn drawn(comparison: &Comparison, bars: &Bars) -> Figure {
    let models = &comparison.models;
    let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let cell = |spread, model, label| (spread, bars.ends(comparison, model, label));
    let mut rows: Vec<(&str, Cells)> = labels_by_mean(comparison)
        .into_iter()
        .map(|(place, name)| {
            let each = models.iter().enumerate();
            (name, each.map(|(at, model)| cell(&model.labels[place].auc, at, Some(place))).collect())
        })
        .collect();
    rows.push(("Mean", models.iter().enumerate().map(|(at, model)| cell(&model.mean, at, None)).collect()));
    let labels_width = rows.iter().map(|(name, _)| text_width(name)).fold(40.0, f64::max);
    let left = labels_width.min(LONGEST_LABEL) + 16.0;

    let mut canvas = Canvas::default();
    let top = canvas.legend([left, 4.0], WIDTH - left - RIGHT, &names) + 14.0;
    let row_height = (models.len() as f64 * LANE + 12.0).max(24.0);
    let bottom = top + row_height * rows.len() as f64 + 4.0;
    let cells = rows.iter().flat_map(|(_, cells)| cells);
    let ends: Vec<f64> = cells
        .flat_map(|(spread, ends)| spread.mean.into_iter().chain(ends.iter().flatten().copied()))
        .collect();
    let (low, high) =
        ends.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), end| (a.min(*end), b.max(*end)));
    let (low, high) = if ends.is_empty() { (0.0, 1.0) } else { (low, high) };
    let x = AxisScale::round(low, high, 8, [left, WIDTH - RIGHT]);
    for (at, text) in x.ticks() {
        canvas.line("grid", [at, top], [at, bottom]);
        canvas.text("quiet", Anchor::Middle, [at, bottom + 16.0], &text);
    }
    if low < 0.5 && high > 0.5 {
        canvas.line("chance", [x.at(0.5), top], [x.at(0.5), bottom]);
    }
    canvas.line("axis", [left, bottom], [WIDTH - RIGHT, bottom]);
    canvas.text("quiet", Anchor::Middle, [(left + WIDTH - RIGHT) / 2.0, bottom + 34.0], "AUC");
    for (place, (name, spreads)) in rows.iter().enumerate() {
        let row_top = top + place as f64 * row_height;
        let class = if place + 1 == rows.len() { "axis" } else { "grid" };
        canvas.line(class, [0.0, row_top], [WIDTH - RIGHT, row_top]);
        let middle = row_top + row_height / 2.0;
        let class = if place + 1 == rows.len() { "head" } else { "" };
        canvas.text(
            class,
            Anchor::End,
            [left - 10.0, middle + 4.0],
            &fitted(name, labels_width.min(LONGEST_LABEL)),
        );
        let first = middle - (spreads.len() as f64 - 1.0) * LANE / 2.0;
        if spreads.iter().all(|(spread, _)| spread.mean.is_none()) {
            canvas.text("quiet", Anchor::Start, [left + 4.0, middle + 4.0], "n/a");
            continue;
        }
        for (series, (spread, ends)) in spreads.iter().enumerate() {
            let y = first + series as f64 * LANE;
            let class = format!("bar {}", series_class(series));
            if let Some([low, high]) = ends.map(|ends| ends.map(|end| x.at(end)))
                && high > low
            {
                canvas.line(&class, [low, y], [high, y]);
                for end in [low, high] {
                    canvas.line(&class, [end, y - 2.5], [end, y + 2.5]);
                }
            }
            match spread.mean {
                Some(mean) => canvas.mark(series, [x.at(mean), y]),
                // A lane is lower than a line of text; the legend of the markers identifies the model.
                None => canvas.text(
                    &format!("quiet tiny {}", series_class(series)),
                    Anchor::Start,
                    [left + 4.0, y + 2.5],
                    "n/a",
                ),
            }
        }
    }
    let closing = rows.last().map_or(&[][..], |(_, cells)| &cells[..]);
    let mean = |(series, name): (usize, &String)| {
        let (spread, ends) = closing[series];
        let of = |value| shown(value, 3);
        let [fewest, most] = models[series].covers();
        let labels = models[series].labels.len();
        let over = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
        let (low, high) = (ends.map(|ends| ends[0]), ends.map(|ends| ends[1]));
        format!(
            "{name}: mean {} over {over} of {}, from {} to {}",
            of(spread.mean),
            counted(labels as u64, "label"),
            of(low),
            of(high)
        )
    };
    let each: Vec<String> = names.iter().enumerate().map(mean).collect();
    let order: Vec<&str> = rows[..rows.len() - 1].iter().map(|(name, _)| *name).collect();
    let bar = bars.words(comparison);
    let description = format!(
        "Mean AUC of each label and model; the bar is the {bar}. Over all labels, {}. Labels by descending mean: {}.",
        each.join("; "),
        order.join(", ")
    );
    let title = match bars {
        Bars::Range => format!("AUC by label, mean and {bar}"),
        Bars::Interval => format!("AUC by label, with {bar}"),
    };
    canvas.into_figure(bars.key().to_owned(), title, description, [WIDTH, bottom + 42.0])
}
