//! Counts of a data set as bars: images of each label, of each view.

use super::scale::AxisScale;
use super::{Anchor, Canvas, Figure, fitted, key, text_width};
use crate::dataset::statistics::Statistics;
use crate::digits::counted;
use crate::report::thousands;

const ROW: f64 = 20.0;
const LONGEST_NAME: f64 = 180.0;

/// Draws the number of images with each label as bars, the most frequent first, with the prevalence beside it.
pub fn labels(statistics: &Statistics) -> Figure {
    let mut rows: Vec<(String, u64, String)> = statistics
        .labels
        .iter()
        .map(|label| {
            let share = label.prevalence.map_or("n/a".to_owned(), |share| format!("{:.2} %", 100.0 * share));
            (label.name.clone(), label.positives, share)
        })
        .collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    bars("Images of each label", &rows, 520.0)
}

/// Draws the number of images of each view position and of each gender as bars.
pub fn groups(statistics: &Statistics) -> Vec<Figure> {
    let (view, gender) = (&statistics.view, &statistics.gender);
    let share = |count: u64| match statistics.images {
        0 => "n/a".to_owned(),
        all => format!("{:.1} %", 100.0 * count as f64 / all as f64),
    };
    let of = |title: &str, rows: [(&str, u64); 3]| {
        let rows: Vec<(String, u64, String)> =
            rows.into_iter().map(|(name, count)| (name.to_owned(), count, share(count))).collect();
        bars(title, &rows, 340.0)
    };
    vec![
        of("Images by view", [("PA", view.pa), ("AP", view.ap), ("not given", view.unknown)]),
        of(
            "Images by gender",
            [("male", gender.male), ("female", gender.female), ("not given", gender.unknown)],
        ),
    ]
}

fn bars(title: &str, rows: &[(String, u64, String)], width: f64) -> Figure {
    let mut canvas = Canvas::default();
    let names = rows.iter().map(|(name, ..)| text_width(name)).fold(40.0, f64::max).min(LONGEST_NAME);
    let said = |count: u64, share: &str| format!("{} ({share})", thousands(count));
    let beside = rows.iter().map(|(_, count, share)| text_width(&said(*count, share))).fold(0.0, f64::max);
    let (left, top) = (names + 12.0, 28.0);
    let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or(0).max(1);
    let x = AxisScale::exact(0.0, most as f64, [left, width - beside - 12.0]);
    canvas.text("head", Anchor::Start, [0.0, 16.0], title);
    for (place, (name, count, share)) in rows.iter().enumerate() {
        let at = top + place as f64 * ROW;
        canvas.text("", Anchor::End, [left - 8.0, at + 14.0], &fitted(name, names));
        let end = x.at(*count as f64);
        canvas.rect("area s0", [left, at + 3.0], [(end - left).max(0.5), ROW - 6.0]);
        canvas.text("quiet", Anchor::Start, [end + 6.0, at + 14.0], &said(*count, share));
    }
    let bottom = top + rows.len() as f64 * ROW;
    canvas.line("axis", [left, top], [left, bottom]);
    let told: Vec<String> = rows
        .iter()
        .map(|(name, count, share)| format!("{name}: {} ({share})", counted(*count, "image")))
        .collect();
    let description = format!("{title}. {}.", told.join("; "));
    canvas.into_figure(format!("bars-{}", key(title)), title.to_owned(), description, [width, bottom + 8.0])
}
