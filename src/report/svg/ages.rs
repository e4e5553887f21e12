//! Figure 3: ages.

use super::scale::AxisScale;
use super::{Anchor, Canvas, Figure, shown};
use crate::dataset::statistics::AgeStatistics;
use crate::digits::counted;
use crate::report::thousands;

const WIDTH: f64 = 760.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 226.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 16.0;

/// Draws the number of images for every two years of age as bars, with mean and standard deviation above them.
pub fn ages(age: &AgeStatistics) -> Figure {
    let mut canvas = Canvas::default();
    let most = age.histogram.iter().map(|bin| bin.images).max().unwrap_or(0);
    let (first, last) =
        age.histogram.first().zip(age.histogram.last()).map_or((0, 100), |(a, b)| (a.from, b.to));
    let x = AxisScale::round(f64::from(first), f64::from(last), 10, [LEFT, WIDTH - RIGHT]);
    let y = AxisScale::round(0.0, (most as f64).max(1.0), 5, [BOTTOM, TOP]);
    for (at, text) in y.ticks() {
        canvas.line("grid", [LEFT, at], [WIDTH - RIGHT, at]);
        let count = text.parse().map_or(text, thousands);
        canvas.text("quiet", Anchor::End, [LEFT - 8.0, at + 4.0], &count);
    }
    for bin in &age.histogram {
        let (left, right) = (x.at(f64::from(bin.from)), x.at(f64::from(bin.to)));
        let top = y.at(bin.images as f64);
        canvas.rect("area s0", [left + 0.5, top], [(right - left - 1.0).max(0.5), BOTTOM - top]);
    }
    canvas.line("axis", [LEFT, BOTTOM], [WIDTH - RIGHT, BOTTOM]);
    for (at, text) in x.ticks() {
        canvas.line("axis", [at, BOTTOM], [at, BOTTOM + 4.0]);
        canvas.text("quiet", Anchor::Middle, [at, BOTTOM + 18.0], &text);
    }
    canvas.text("quiet", Anchor::Middle, [(LEFT + WIDTH - RIGHT) / 2.0, BOTTOM + 36.0], "Age [years]");
    canvas.turned("quiet", Anchor::Middle, [12.0, (TOP + BOTTOM) / 2.0], -90.0, "Images");
    if let Some(mean) = age.mean {
        let level = 14.0;
        let std = age.std.unwrap_or(0.0);
        let ends = [mean - std, mean + std].map(|end| x.at(end).clamp(LEFT, WIDTH - RIGHT));
        canvas.line("bar s0", [ends[0], level], [ends[1], level]);
        for end in ends {
            canvas.line("bar s0", [end, level - 3.0], [end, level + 3.0]);
        }
        canvas.mark(0, [x.at(mean), level]);
        let text = format!("{} ± {} years", shown(age.mean, 2), shown(age.std, 2));
        canvas.text("", Anchor::Start, [ends[1] + 8.0, level + 4.0], &text);
    }
    let largest = age.histogram.iter().max_by_key(|bin| bin.images);
    let largest = largest.map_or(String::new(), |bin| {
        format!(
            " The largest bin has {}, age {} to {} years.",
            counted(bin.images, "image"),
            bin.from,
            bin.to - 1
        )
    });
    let description = format!(
        "Images by patient age in bins of two years. Mean {}, standard deviation {} years.{largest}",
        shown(age.mean, 2),
        shown(age.std, 2)
    );
    canvas.into_figure("ages".to_owned(), "Ages".to_owned(), description, [WIDTH, BOTTOM + 44.0])
}
