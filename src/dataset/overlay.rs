//! A heat map over an image, as a picture.

use super::pixels::{Gray, encode_rgb};

/// Colours of heat from 0 to 1, from matplotlib's `inferno` in steps of a quarter: brighter means more, so that
/// the map can be read in monochrome print and by colour-blind readers.
const COLOURS: [[f64; 3]; 5] =
    [[0.0, 0.0, 4.0], [87.0, 16.0, 110.0], [188.0, 55.0, 84.0], [249.0, 142.0, 9.0], [252.0, 255.0, 164.0]];
/// Opacity of the hottest point.
const COVER: f64 = 0.6;
/// Colour of boxes, which does not occur among the colours of heat.
const FRAME: [u8; 3] = [0, 229, 255];
/// The frame is one pixel wider for each this many pixels of the image's side.
const SIDE_OF_A_PIXEL: u32 = 300;

/// Paints a heat map over an image and frames around boxes, as a PNG of the image's size.
///
/// `heat` is `[height, width]`, row after row, on any scale from 0; `boxes` are left edge, upper edge, width and
/// height in pixels.
pub fn paint(image: &Gray, heat: &[f64], boxes: &[[f64; 4]]) -> Vec<u8> {
    let hottest = heat.iter().copied().fold(0.0, f64::max);
    let scale = if hottest > 0.0 { 1.0 / hottest } else { 0.0 };
    let mut pixels: Vec<[u8; 3]> =
        image.data.iter().zip(heat).map(|(gray, heat)| blended(*gray, heat * scale)).collect();
    let thick = 1 + image.width.min(image.height) / SIDE_OF_A_PIXEL;
    for edges in boxes {
        frame(&mut pixels, [image.width, image.height], *edges, thick);
    }
    encode_rgb(image.width, image.height, pixels.as_flattened())
}

fn blended(gray: u8, heat: f64) -> [u8; 3] {
    let place = heat.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
    let below = (place as usize).min(COLOURS.len() - 2);
    let (share, cover) = (place - below as f64, COVER * heat.clamp(0.0, 1.0));
    [0, 1, 2].map(|channel| {
        let colour = COLOURS[below][channel] * (1.0 - share) + COLOURS[below + 1][channel] * share;
        (f64::from(gray) * (1.0 - cover) + colour * cover).round() as u8
    })
}

/// Draws the edges of a box inside it.
fn frame(pixels: &mut [[u8; 3]], [width, height]: [u32; 2], [x, y, w, h]: [f64; 4], thick: u32) {
    let range = |start: f64, length: f64, end: u32| {
        let at = |place: f64| place.round().clamp(0.0, f64::from(end)) as u32;
        (at(start), at(start + length))
    };
    let ((left, right), (top, bottom)) = (range(x, w, width), range(y, h, height));
    for row in top..bottom {
        for column in left..right {
            let inner = (left + thick..right.saturating_sub(thick)).contains(&column)
                && (top + thick..bottom.saturating_sub(thick)).contains(&row);
            if !inner {
                pixels[row as usize * width as usize + column as usize] = FRAME;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_heat_the_picture_is_the_image() {
        let image = Gray { width: 2, height: 1, data: vec![7, 200] };
        let expected = encode_rgb(2, 1, &[7, 7, 7, 200, 200, 200]);
        assert_eq!(paint(&image, &[0.0, 0.0], &[]), expected);
    }

    #[test]
    fn heat_shows_in_colour_and_a_box_as_its_edges_even_beyond_the_image() {
        let image = Gray { width: 4, height: 4, data: vec![0; 16] };
        let mut heat = vec![0.0; 16];
        heat[5] = 3.0;
        let painted = paint(&image, &heat, &[[1.0, 1.0, 9.0, 9.0]]);
        let mut expected = vec![[0u8; 3]; 16];
        for place in [5, 6, 7, 9, 11, 13, 14, 15] {
            expected[place] = FRAME;
        }
        assert_eq!(painted, encode_rgb(4, 4, expected.as_flattened()));
        let hot = paint(&image, &heat, &[]);
        expected = vec![[0; 3]; 16];
        expected[5] = [252.0, 255.0, 164.0].map(|colour: f64| (colour * COVER).round() as u8);
        assert_eq!(hot, encode_rgb(4, 4, expected.as_flattened()));
    }
}
