//! Table 5 as a heat map: rank correlations of every pair of models.

use std::fmt::Write as _;

use super::palette::heatmap;
use super::{Anchor, Canvas, Figure, fitted, number, shown, text_width};
use crate::records::Comparison;

const CELL: [f64; 2] = [58.0, 34.0];
const LONGEST_NAME: f64 = 200.0;

/// Draws the matrix of Spearman's rank correlations. The background of a number is darker the further it is
/// from zero, so that the figure can be read without colours.
pub fn spearman(comparison: &Comparison) -> Figure {
    let names: Vec<&str> = comparison.models.iter().map(|model| model.name.as_str()).collect();
    let wide = names.iter().map(|name| text_width(name)).fold(30.0, f64::max).min(LONGEST_NAME);
    let left = wide + 14.0;
    // Column names are rotated by 45 degrees if they are wider than their column.
    let leaning = wide > CELL[0] - 6.0;
    let top = if leaning { wide * 0.72 + 16.0 } else { 24.0 };
    let mut canvas = Canvas::default();
    for (column, name) in names.iter().enumerate() {
        let x = left + (column as f64 + 0.5) * CELL[0];
        match leaning {
            true => canvas.turned("", Anchor::Start, [x, top - 6.0], -45.0, &fitted(name, wide)),
            false => canvas.text("", Anchor::Middle, [x, top - 8.0], name),
        }
    }
    for (row, values) in comparison.spearman.iter().enumerate() {
        let y = top + row as f64 * CELL[1];
        canvas.text(
            "",
            Anchor::End,
            [left - 8.0, y + CELL[1] / 2.0 + 4.0],
            &fitted(names.get(row).unwrap_or(&""), wide),
        );
        for (column, value) in values.iter().enumerate() {
            let x = left + column as f64 * CELL[0];
            let class = match value {
                Some(value) => {
                    let (ground, class) = heatmap(*value);
                    let [x, y] = [x + 1.0, y + 1.0].map(number);
                    let [width, height] = CELL.map(|side| number(side - 2.0));
                    let _ = write!(
                        canvas.out,
                        "<rect fill=\"{ground}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
                    );
                    class
                }
                None => "quiet",
            };
            let at = [x + CELL[0] / 2.0, y + CELL[1] / 2.0 + 4.0];
            canvas.text(class, Anchor::Middle, at, &shown(*value, 2));
        }
    }
    let mut pairs = Vec::new();
    for (row, values) in comparison.spearman.iter().enumerate() {
        for (column, value) in values.iter().enumerate().skip(row + 1) {
            pairs.push(format!(
                "{} and {}: {} over {} of {} cells",
                names[row],
                names[column],
                shown(*value, 2),
                comparison.spearman_over(row, column),
                comparison.spearman_cells()
            ));
        }
    }
    let description = format!("Spearman's rank correlation of the scores. {}.", pairs.join("; "));
    let lean = if leaning { wide * 0.72 } else { 0.0 };
    let size =
        [left + names.len() as f64 * CELL[0] + lean, top + comparison.spearman.len() as f64 * CELL[1] + 4.0];
    canvas.into_figure(
        "spearman".to_owned(),
        "Rank correlation of the models' scores".to_owned(),
        description,
        size,
    )
}
