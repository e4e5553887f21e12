//! Heat maps of few cells over images of many pixels: which regions a network used, and which share of them
//! lies in a box.
//!
//! Between the centres of its cells a map is bilinear, and a bilinear map is a product of one weight per column
//! and one weight per row. So the heat in a box is two sums of weights and a product with the map, not a sum
//! over pixels.

/// A heat map over a part of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatmapGrid {
    /// `[side, side]`, row after row, each 0 or more.
    pub cells: Vec<f64>,
    /// Number of cells per row and per column, at least 1.
    pub side: usize,
    /// The part of the image that the map covers; the heat is 0 elsewhere.
    pub over: Rect,
    /// Width and height of the image in pixels.
    pub image: [u32; 2],
}

/// A rectangle, in pixels of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Rect {
    /// Whether a point lies in it; its left and upper edge are part of it, the others are not.
    pub fn holds(&self, x: f64, y: f64) -> bool {
        (self.x..self.x + self.w).contains(&x) && (self.y..self.y + self.h).contains(&y)
    }
}

impl HeatmapGrid {
    /// The heat at the centre of each pixel, `[height, width]`, row after row.
    pub fn pixels(&self) -> Vec<f64> {
        let [columns, rows] = [0, 1].map(|axis| self.places(axis));
        let at = |row: usize, column: usize| self.cells[row * self.side + column];
        let pixel = |y: &Option<AxisPosition>, x: &Option<AxisPosition>| {
            let (Some(y), Some(x)) = (y, x) else { return 0.0 };
            let row =
                |row| at(row, x.cell) * (1.0 - x.next) + at(row, (x.cell + 1).min(self.side - 1)) * x.next;
            row(y.cell) * (1.0 - y.next) + row((y.cell + 1).min(self.side - 1)) * y.next
        };
        rows.iter().flat_map(|y| columns.iter().map(move |x| pixel(y, x))).collect()
    }

    /// The share of the total heat in the pixels whose centres are in a box; `None` for a map without heat.
    pub fn share(&self, of: Rect) -> Option<f64> {
        let whole = Rect { x: 0.0, y: 0.0, w: f64::from(self.image[0]), h: f64::from(self.image[1]) };
        let all = self.sum(whole);
        (all > 0.0).then(|| self.sum(of) / all)
    }

    /// The hottest position: the centre of the first of the hottest cells; `None` for a map without heat.
    pub fn peak(&self) -> Option<[f64; 2]> {
        let hottest = self.cells.iter().copied().fold(0.0, f64::max);
        let cell = self.cells.iter().position(|heat| *heat == hottest && *heat > 0.0)?;
        let centre =
            |start: f64, length: f64, cell: usize| start + (cell as f64 + 0.5) * length / self.side as f64;
        let Rect { x, y, w, h } = self.over;
        Some([centre(x, w, cell % self.side), centre(y, h, cell / self.side)])
    }

    fn sum(&self, rect: Rect) -> f64 {
        let [columns, rows] = [self.weights(0, rect.x, rect.w), self.weights(1, rect.y, rect.h)];
        let row = |cells: &[f64]| cells.iter().zip(&columns).map(|(heat, weight)| heat * weight).sum::<f64>();
        self.cells.chunks_exact(self.side).zip(&rows).map(|(cells, weight)| row(cells) * weight).sum()
    }

    /// The weight of each column (axis 0) or row (axis 1) of cells in the pixels from `start` on.
    fn weights(&self, axis: usize, start: f64, length: f64) -> Vec<f64> {
        let mut weights = vec![0.0; self.side];
        for (pixel, place) in self.places(axis).into_iter().enumerate() {
            let centre = pixel as f64 + 0.5;
            if let (Some(AxisPosition { cell, next }), true) =
                (place, (start..start + length).contains(&centre))
            {
                weights[cell] += 1.0 - next;
                weights[(cell + 1).min(self.side - 1)] += next;
            }
        }
        weights
    }

    /// The cells between which the centre of each pixel of a row (axis 0) or column (axis 1) lies.
    fn places(&self, axis: usize) -> Vec<Option<AxisPosition>> {
        let (start, length) = [(self.over.x, self.over.w), (self.over.y, self.over.h)][axis];
        let last = (self.side - 1) as f64;
        let place = |pixel: u32| {
            let centre = f64::from(pixel) + 0.5 - start;
            let cell = (centre / length * self.side as f64 - 0.5).clamp(0.0, last);
            let inside = (0.0..length).contains(&centre);
            inside.then(|| AxisPosition { cell: cell.floor() as usize, next: cell - cell.floor() })
        };
        (0..self.image[axis]).map(place).collect()
    }
}

/// The two cells between which a pixel lies.
struct AxisPosition {
    cell: usize,
    /// Weight of the next cell.
    next: f64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(cells: Vec<f64>, over: Rect, image: [u32; 2]) -> HeatmapGrid {
        let side = cells.len().isqrt();
        HeatmapGrid { cells, side, over, image }
    }

    /// `torch.nn.functional.interpolate(torch.tensor([[[[0., 1.], [2., 3.]]]]), size=(4, 4), mode="bilinear")`.
    #[test]
    fn pixels_are_those_of_pytorch_s_bilinear_interpolation() {
        let map = map(vec![0.0, 1.0, 2.0, 3.0], Rect { x: 0.0, y: 0.0, w: 4.0, h: 4.0 }, [4, 4]);
        let expected =
            [[0.0, 0.25, 0.75, 1.0], [0.5, 0.75, 1.25, 1.5], [1.5, 1.75, 2.25, 2.5], [2.0, 2.25, 2.75, 3.0]];
        assert_eq!(map.pixels(), expected.concat());
    }

    #[test]
    fn there_is_no_heat_outside_what_was_seen() {
        let seen = Rect { x: 1.0, y: 1.0, w: 2.0, h: 2.0 };
        let map = map(vec![1.0], seen, [4, 4]);
        assert_eq!(map.pixels().iter().sum::<f64>(), 4.0);
        assert_eq!(map.share(Rect { x: 0.0, y: 0.0, w: 1.0, h: 4.0 }), Some(0.0));
        assert_eq!(map.share(Rect { x: 0.0, y: 0.0, w: 2.0, h: 4.0 }), Some(0.5));
        assert_eq!(map.peak(), Some([2.0, 2.0]));
    }

    #[test]
    fn without_heat_there_is_neither_share_nor_peak() {
        let map = map(vec![0.0; 4], Rect { x: 0.0, y: 0.0, w: 4.0, h: 4.0 }, [4, 4]);
        assert_eq!((map.share(map.over), map.peak()), (None, None));
    }

    proptest! {
        #[test]
        fn a_share_is_that_of_the_pixels(
            cells in prop::collection::vec(0u8..9, 9),
            size in (1u32..40, 1u32..40),
            (x, y, w, h) in (-5.0..40.0f64, -5.0..40.0f64, 0.1..40.0f64, 0.1..40.0f64),
        ) {
            let over = Rect { x: f64::from(size.0) / 16.0, y: 0.0, w: f64::from(size.0) * 0.875, h: f64::from(size.1) };
            let map = map(cells.into_iter().map(f64::from).collect(), over, [size.0, size.1]);
            let (pixels, of) = (map.pixels(), Rect { x, y, w, h });
            let inside = pixels.iter().enumerate().filter(|(place, _)| {
                let (row, column) = (place / size.0 as usize, place % size.0 as usize);
                of.holds(column as f64 + 0.5, row as f64 + 0.5)
            });
            let inside: f64 = inside.map(|(_, heat)| heat).sum();
            match map.share(of) {
                None => prop_assert!(pixels.iter().all(|heat| *heat == 0.0)),
                Some(share) => prop_assert!((share - inside / pixels.iter().sum::<f64>()).abs() < 1e-12),
            }
        }
    }
}
