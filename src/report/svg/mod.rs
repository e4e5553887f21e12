//! Figures as SVG: a title and a description for those who do not see them, light and dark, the same bytes for
//! the same numbers.
//!
//! They are written directly. Plotters' SVG backend was tried and not kept: it rounds to whole pixels, so that a
//! curve is a staircase; it puts colours into attributes, which a page cannot change for the dark or for print; it
//! has no title or description; and its one small chart takes five times the bytes.
//!
//! No figure tells its series apart by colour alone: each has a mark of its own, and the matrix its numbers.

mod ages;
mod learning;
mod matrix;
mod palette;
mod range;
mod roc;
mod scale;

use std::fmt::Write as _;

pub use ages::ages;
pub use learning::learning;
pub use matrix::spearman;
#[cfg(test)]
pub(super) use palette::contrast;
pub use palette::style;
pub use range::range;
pub use roc::{Curve, roc};

use super::results;
use super::table::{NOT_COMPARABLE, one_line};
use crate::records::{Comparison, Incomparable};
use crate::runs::RocCurve;

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is called in an id of a page and in a file's name: letters, digits, `-` and `_`.
    pub key: String,
    /// What it shows, in a few words.
    pub title: String,
    /// What can be seen in it, in sentences.
    pub description: String,
    width: f64,
    height: f64,
    body: String,
}

impl Figure {
    /// A file of its own: with its style and a ground.
    pub fn file(&self) -> String {
        let ground =
            format!("<style>{}</style><rect class=\"ground\" width=\"100%\" height=\"100%\"/>", style());
        self.svg("xmlns=\"http://www.w3.org/2000/svg\" ", &ground) + "\n"
    }

    /// A piece of a page that has [`style`] among its own.
    pub fn inline(&self) -> String {
        self.svg("", "")
    }

    /// Says below the figure, and first in its description, that it must not be read as it stands.
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

/// The figures of a comparison: figure 5, the Spearman matrix, and the ROC curves of each label. Where the models
/// cannot be compared, each says so.
pub fn comparison(comparison: &Comparison, curves: &[RocCurve]) -> Vec<Figure> {
    let labels = results::labels(comparison);
    let rocs = labels.map(|label| roc(label, &roc::curves(comparison, label, curves)));
    let mut figures: Vec<Figure> =
        [range(comparison), spearman(comparison)].into_iter().chain(rocs).collect();
    if !comparison.incomparable.is_empty() {
        figures.iter_mut().for_each(|figure| figure.warn(&Incomparable::reasons(&comparison.incomparable)));
    }
    figures
}

/// Text for the inside of an element or a quoted attribute, of HTML as of XML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // No characters of XML.
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A name as a key: what is no letter, digit, `-` or `_` becomes `-`.
pub fn key(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

/// Where a text begins, ends or has its middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// Elements one upon the other.
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

    /// `class` is empty or what a text is besides a text.
    fn text(&mut self, class: &str, anchor: Anchor, at: [f64; 2], text: &str) {
        self.turned(class, anchor, at, 0.0, text);
    }

    /// A text that is turned by degrees around where it stands.
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

    /// The mark of a series. Each of eight has its own shape and colour; the next eight have other pairs.
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

    /// Names of series beside their marks, in lines that are as long as `width` allows; returns their height.
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

/// Marks and colours of their own.
const SERIES: usize = 8;

/// The class that gives a series its colour.
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

/// Pixels that a text takes in figures, about: which font a reader has is not known.
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

/// A text that takes no more than so many pixels; what is cut off shows as `…`.
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

/// A number of a figure; `n/a` where there is none.
fn shown(value: Option<f64>, decimals: usize) -> String {
    // A hyphen is no minus sign.
    value.map_or("n/a".to_owned(), |value| format!("{value:.decimals$}").replace('-', "−"))
}

#[cfg(test)]
mod tests;
