//! Figures as SVG: with title and description for screen readers, light and dark mode, and the same bytes for
//! the same numbers.
//!
//! They are written directly. Plotters' SVG backend was tried and rejected: it rounds to whole pixels, so a
//! curve becomes a staircase; it writes colours as attributes, which a page cannot change for dark mode or
//! print; it has no title or description; and a small chart takes five times as many bytes.
//!
//! Series are never distinguished by colour alone: each has its own marker, and the matrix has numbers.

mod ages;
mod beyond;
mod counts;
mod curves;
mod learning;
mod matrix;
mod palette;
mod range;
mod roc;
mod scale;
mod square;

use std::fmt::Write as _;

pub use ages::ages;
pub use counts::{groups, labels};
pub use curves::curves;
pub use learning::learning;
pub use matrix::spearman;
#[cfg(test)]
pub(super) use palette::contrast;
pub use palette::style;
pub use range::{intervals, range};
pub use roc::{Curve, roc};

use super::means;
use super::table::NOT_COMPARABLE;
use crate::compare::{PrecisionRecallCurve, RocCurve};
use crate::records::{Comparison, Incomparable};

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Name in element ids and file names: letters, digits, `-` and `_`.
    pub key: String,
    /// Title in a few words.
    pub title: String,
    /// Description in sentences.
    pub description: String,
    width: f64,
    height: f64,
    body: String,
}

impl Figure {
    /// As a standalone file with style and background.
    pub fn file(&self) -> String {
        let ground =
            format!("<style>{}</style><rect class=\"ground\" width=\"100%\" height=\"100%\"/>", style());
        self.svg("xmlns=\"http://www.w3.org/2000/svg\" ", &ground) + "\n"
    }

    /// As part of a page that includes [`style`].
    pub fn inline(&self) -> String {
        self.svg("", "")
    }

    /// Adds a warning below the figure and at the start of its description.
    fn warn(&mut self, why: &str) {
        let mut canvas = Canvas { out: std::mem::take(&mut self.body) };
        let text = format!("{NOT_COMPARABLE}: {why}");
        canvas.text("head", Anchor::Start, [8.0, self.height + 12.0], &fitted(&text, self.width - 16.0));
        self.body = canvas.out;
        self.height += 22.0;
        self.description = format!("{text}. {}", self.description);
    }

    fn svg(&self, namespace: &str, before: &str) -> String {
        let (width, height) = (number(self.width), number(self.height));
        let key = &self.key;
        let mut out = format!(
            "<svg {namespace}class=\"chart\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{key}-title {key}-description\">"
        );
        let _ = write!(out, "<title id=\"{key}-title\">{}</title>", escape(&self.title));
        let _ = write!(out, "<desc id=\"{key}-description\">{}</desc>", escape(&self.description));
        out + before + &self.body + "</svg>"
    }
}

/// The figures of a comparison: figure 5, the Spearman matrix, and the ROC curves of each label. If the models
/// are not comparable, each figure has a warning.
pub fn comparison(comparison: &Comparison, curves: &[RocCurve]) -> Vec<Figure> {
    let labels = means::labels(comparison);
    let rocs = labels.map(|label| roc(label, &roc::curves(comparison, label, curves)));
    let mut figures: Vec<Figure> =
        [range(comparison), spearman(comparison)].into_iter().chain(rocs).collect();
    if !comparison.incomparable.is_empty() {
        figures.iter_mut().for_each(|figure| figure.warn(&Incomparable::reasons(&comparison.incomparable)));
    }
    figures
}

/// The figures beyond the AUC, for each label: precision-recall curves, if there are any, and calibration curves, if the
/// comparison has metrics. If the models are not comparable, each figure has a warning.
pub fn beyond(comparison: &Comparison, curves: &[PrecisionRecallCurve]) -> Vec<Figure> {
    let of_label = |label: &str| {
        [beyond::precision_recall(comparison, label, curves), beyond::calibration(comparison, label)]
    };
    let mut figures: Vec<Figure> = means::labels(comparison).flat_map(of_label).flatten().collect();
    if !comparison.incomparable.is_empty() {
        figures.iter_mut().for_each(|figure| figure.warn(&Incomparable::reasons(&comparison.incomparable)));
    }
    figures
}

pub(crate) use crate::escape::html as escape;

/// A name as a key: characters other than letters, digits, `-` and `_` become `-`.
pub fn key(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

/// Which point of a text is at its position: start, middle or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// Elements in drawing order.
#[derive(Default)]
struct Canvas {
    out: String,
}

impl Canvas {
    fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2]) {
        let [x1, y1, x2, y2] = [from[0], from[1], to[0], to[1]].map(number);
        let _ = write!(self.out, "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>");
    }

    fn rect(&mut self, class: &str, at: [f64; 2], size: [f64; 2]) {
        let [x, y, width, height] = [at[0], at[1], size[0], size[1]].map(number);
        let _ = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        );
    }

    /// `class` is empty or the additional classes of the text.
    fn text(&mut self, class: &str, anchor: Anchor, at: [f64; 2], text: &str) {
        self.turned(class, anchor, at, 0.0, text);
    }

    /// A text rotated by degrees around its position.
    fn turned(&mut self, class: &str, anchor: Anchor, at: [f64; 2], degrees: f64, text: &str) {
        let [x, y] = at.map(number);
        let _ = write!(self.out, "<text");
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        for (name, value) in [("class", class), ("text-anchor", anchor)] {
            if !value.is_empty() {
                let _ = write!(self.out, " {name}=\"{value}\"");
            }
        }
        let _ = match degrees {
            0.0 => write!(self.out, " x=\"{x}\" y=\"{y}\""),
            _ => write!(self.out, " transform=\"translate({x} {y}) rotate({})\"", number(degrees)),
        };
        let _ = write!(self.out, ">{}</text>", escape(text));
    }

    /// A line through points.
    fn path(&mut self, class: &str, points: &[[f64; 2]]) {
        let _ = write!(self.out, "<path class=\"{class}\" d=\"{}\"/>", steps(points));
    }

    /// The marker of a series. Eight series have different shapes and colours; the next eight have other pairs.
    fn mark(&mut self, series: usize, at: [f64; 2]) {
        let [x, y] = at;
        let class = format!("mark {}", series_class(series));
        let around = |offsets: &[[f64; 2]]| -> Vec<[f64; 2]> {
            offsets.iter().map(|[dx, dy]| [x + dx, y + dy]).collect()
        };
        let corners: &[[f64; 2]] = match series % SERIES {
            0 => {
                let [x, y] = at.map(number);
                let _ = write!(self.out, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3.4\"/>");
                return;
            }
            1 => &[[-3.0, -3.0], [3.0, -3.0], [3.0, 3.0], [-3.0, 3.0]],
            2 => &[[0.0, -4.2], [4.0, 3.0], [-4.0, 3.0]],
            3 => &[[0.0, -4.4], [4.4, 0.0], [0.0, 4.4], [-4.4, 0.0]],
            4 => &[[0.0, 4.2], [4.0, -3.0], [-4.0, -3.0]],
            5 => &[[-4.4, -1.5], [4.4, -1.5], [4.4, 1.5], [-4.4, 1.5]],
            6 => &[[-1.5, -4.4], [1.5, -4.4], [1.5, 4.4], [-1.5, 4.4]],
            _ => &[[-4.0, -4.0], [0.0, -1.2], [4.0, -4.0], [4.0, 4.0], [0.0, 1.2], [-4.0, 4.0]],
        };
        let _ = write!(self.out, "<path class=\"{class}\" d=\"{}Z\"/>", steps(&around(corners)));
    }

    /// The names of the series with their markers, wrapped to `width`; returns the height.
    fn legend(&mut self, at: [f64; 2], width: f64, names: &[String]) -> f64 {
        const LINE: f64 = 18.0;
        let (mut x, mut y) = (at[0], at[1] + LINE / 2.0);
        for (series, name) in names.iter().enumerate() {
            let wide = 18.0 + text_width(name) + 16.0;
            if x > at[0] && x + wide > at[0] + width {
                (x, y) = (at[0], y + LINE);
            }
            self.mark(series, [x + 6.0, y]);
            self.text("", Anchor::Start, [x + 18.0, y + 4.0], name);
            x += wide;
        }
        y + LINE / 2.0 - at[1]
    }

    fn into_figure(self, key: String, title: String, description: String, size: [f64; 2]) -> Figure {
        let [width, height] = size;
        Figure { key, title, description, width, height, body: self.out }
    }
}

/// Number of different markers and colours.
const SERIES: usize = 8;

/// The class that sets the colour of a series.
fn series_class(series: usize) -> String {
    format!("s{}", (series + series / SERIES) % SERIES)
}

fn steps(points: &[[f64; 2]]) -> String {
    let mut out = String::new();
    for (i, point) in points.iter().enumerate() {
        let [x, y] = point.map(number);
        let _ = write!(out, "{}{x} {y}", if i == 0 { "M" } else { "L" });
    }
    out
}

/// A coordinate, to a tenth of a pixel.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Approximate width of a text in pixels: the reader's font is unknown.
fn text_width(text: &str) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | '\'' | '|' | ' ' => 0.3,
        'f' | 't' | 'r' | '-' | '(' | ')' | '[' | ']' => 0.4,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.92,
        'A'..='Z' => 0.72,
        c if c.is_ascii() => 0.59,
        _ => 0.9,
    };
    12.0 * text.chars().map(of).sum::<f64>()
}

/// A text shortened to a width in pixels; `…` replaces the rest.
fn fitted(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = text.to_owned();
    while !kept.is_empty() && text_width(&kept) + 12.0 > width {
        kept.pop();
    }
    kept + "…"
}

/// A number in a figure; `n/a` if undefined.
fn shown(value: Option<f64>, decimals: usize) -> String {
    // A hyphen is not a minus sign.
    value.map_or("n/a".to_owned(), |value| format!("{value:.decimals$}").replace('-', "−"))
}

#[cfg(test)]
mod tests;
