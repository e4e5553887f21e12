//! A square chart of shares: both axes go from 0 to 1, and below are the series with a value each.

use super::scale::AxisScale;
use super::{Anchor, Canvas, Figure, fitted, text_width};

/// Length of a side in pixels.
const SIDE: f64 = 228.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 28.0;

/// A chart that is being drawn.
pub(super) struct Square {
    pub(super) canvas: Canvas,
    x: AxisScale,
    y: AxisScale,
}

impl Square {
    /// Heading, grid and axes.
    pub(super) fn begin(label: &str, below: &str, beside: &str) -> Self {
        let mut canvas = Canvas::default();
        let x = AxisScale::round(0.0, 1.0, 5, [LEFT, LEFT + SIDE]);
        let y = AxisScale::round(0.0, 1.0, 5, [TOP + SIDE, TOP]);
        canvas.text("head", Anchor::Start, [LEFT, 17.0], &fitted(label, SIDE));
        for ((x, text), (y, _)) in x.ticks().iter().zip(&y.ticks()) {
            canvas.line("grid", [*x, TOP], [*x, TOP + SIDE]);
            canvas.line("grid", [LEFT, *y], [LEFT + SIDE, *y]);
            canvas.text("quiet", Anchor::Middle, [*x, TOP + SIDE + 16.0], text);
            canvas.text("quiet", Anchor::End, [LEFT - 6.0, *y + 4.0], text);
        }
        canvas.rect("axis", [LEFT, TOP], [SIDE, SIDE]);
        canvas.text("quiet", Anchor::Middle, [LEFT + SIDE / 2.0, TOP + SIDE + 33.0], below);
        canvas.turned("quiet", Anchor::Middle, [11.0, TOP + SIDE / 2.0], -90.0, beside);
        Square { canvas, x, y }
    }

    /// The line on which both shares are equal.
    pub(super) fn diagonal(&mut self) {
        self.canvas.line("chance", [self.x.at(0.0), self.y.at(0.0)], [self.x.at(1.0), self.y.at(1.0)]);
    }

    /// A level line, such as the share of positives.
    pub(super) fn level(&mut self, share: f64) {
        self.canvas.line("chance", [self.x.at(0.0), self.y.at(share)], [self.x.at(1.0), self.y.at(share)]);
    }

    /// Points in pixels.
    pub(super) fn at(&self, points: &[[f64; 2]]) -> Vec<[f64; 2]> {
        points.iter().map(|[x, y]| [self.x.at(*x), self.y.at(*y)]).collect()
    }

    /// The marker of a series at a point.
    pub(super) fn mark(&mut self, series: usize, [x, y]: [f64; 2]) {
        self.canvas.mark(series, [self.x.at(x), self.y.at(y)]);
    }

    /// The series with their values below the chart; key, title and description of the figure.
    pub(super) fn end(
        mut self,
        series: &[(String, String)],
        (key, title, description): (String, String, String),
    ) -> Figure {
        let mut below = TOP + SIDE + 54.0;
        for (number, (name, value)) in series.iter().enumerate() {
            self.canvas.mark(number, [LEFT + 5.0, below - 4.0]);
            let room = SIDE - 24.0 - text_width(value);
            self.canvas.text("", Anchor::Start, [LEFT + 16.0, below], &fitted(name, room));
            self.canvas.text("", Anchor::End, [LEFT + SIDE, below], value);
            below += 18.0;
        }
        self.canvas.into_figure(key, title, description, [LEFT + SIDE + 10.0, below - 6.0])
    }
}
