//! Colours and fonts of the figures.
//!
//! Colours can be distinguished by colour-blind readers (also by lightness) and have the contrast to the
//! background required by WCAG 2.2: 3 for lines and marks, 4.5 for text. A test computes both.

use std::fmt::Write as _;

use super::SERIES;

/// The colours of a colour scheme.
pub(super) struct ColorScheme {
    pub(super) ground: &'static str,
    pub(super) ink: &'static str,
    pub(super) quiet: &'static str,
    pub(super) axis: &'static str,
    pub(super) grid: &'static str,
    pub(super) series: [&'static str; SERIES],
}

pub(super) const LIGHT: ColorScheme = ColorScheme {
    ground: "#ffffff",
    ink: "#1c2127",
    quiet: "#57606a",
    axis: "#7b848e",
    grid: "#e4e7eb",
    series: ["#1f5fa8", "#b8420a", "#0b7a5b", "#8e3a80", "#7a6200", "#3a3f46", "#127a94", "#c2406b"],
};

pub(super) const DARK: ColorScheme = ColorScheme {
    ground: "#14171b",
    ink: "#e3e6ea",
    quiet: "#a0a8b2",
    axis: "#79828d",
    grid: "#2b3036",
    series: ["#7db4f0", "#ff9a66", "#4ecfa6", "#d99bd0", "#d8bd4a", "#c9ced6", "#6cd0e6", "#ff8fb0"],
};

/// The style sheet of the figures: light, or dark if the reader's screen is; always light in print.
///
/// It uses no custom properties, which SVG programs other than browsers do not support.
pub fn style() -> String {
    let shape = ".chart text{font:12px \"Helvetica Neue\",Helvetica,Arial,\"Liberation Sans\",sans-serif;font-variant-numeric:tabular-nums}.chart .head{font-size:13px;font-weight:600}.chart .axis,.chart .grid,.chart .chance,.chart .run,.chart .bar{fill:none;stroke-width:1}.chart .chance{stroke-dasharray:3 3}.chart .run{stroke-width:1.6;stroke-linejoin:round}.chart .dashed{stroke-dasharray:4 3;stroke-width:1.2}.chart .bar{stroke-width:1.4}.chart .mark{stroke-width:.8}.chart .area{stroke:none}.chart .on-light{fill:#000}.chart .on-dark{fill:#fff}";
    format!("{shape}{}@media screen and (prefers-color-scheme:dark){{{}}}", colours(&LIGHT), colours(&DARK))
}

fn colours(scheme: &ColorScheme) -> String {
    let ColorScheme { ground, ink, quiet, axis, grid, series } = scheme;
    let mut css = format!(
        ".chart .ground{{fill:{ground}}}.chart text{{fill:{ink}}}.chart .quiet{{fill:{quiet}}}.chart .axis,.chart .chance{{stroke:{axis}}}.chart .grid{{stroke:{grid}}}.chart .mark{{stroke:{ground}}}"
    );
    for (i, colour) in series.iter().enumerate() {
        let _ = write!(
            css,
            ".chart .run.s{i},.chart .bar.s{i}{{stroke:{colour}}}.chart .mark.s{i},.chart .area.s{i}{{fill:{colour}}}"
        );
    }
    css
}

/// Red, green and blue from 0 to 1.
type Rgb = [f64; 3];

/// The background of a correlation and the class of the text on it: paler the closer to zero, blue for positive
/// and brown for negative values.
pub(super) fn heatmap(value: f64) -> (String, &'static str) {
    let ends: [Rgb; 2] = match value >= 0.0 {
        true => [[0.945, 0.96, 0.98], [0.03, 0.22, 0.42]],
        false => [[0.995, 0.955, 0.91], [0.45, 0.19, 0.0]],
    };
    let share = value.abs().min(1.0);
    let mixed: Vec<f64> = (0..3).map(|i| ends[0][i] + share * (ends[1][i] - ends[0][i])).collect();
    let bytes: Vec<u8> = mixed.iter().map(|part| (255.0 * part).round() as u8).collect();
    let hex = format!("#{:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2]);
    let black = contrast(&hex, "#000000") >= contrast(&hex, "#ffffff");
    (hex, if black { "on-light" } else { "on-dark" })
}

/// The contrast ratio of two colours, from 1 to 21 (WCAG 2.2).
pub(in crate::report) fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance of `#rrggbb`, from 0 to 1.
fn luminance(hex: &str) -> f64 {
    let part = |at: usize| {
        let byte = u8::from_str_radix(&hex[at..at + 2], 16).expect("colours are written in hex digits");
        let share = f64::from(byte) / 255.0;
        if share <= 0.040_45 { share / 12.92 } else { libm::pow((share + 0.055) / 1.055, 2.4) }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}
