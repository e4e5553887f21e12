//! Gray values of an image file, and the squares that a network uses. The only file that uses the image and
//! fast_image_resize crates.
//!
//! The conversion of a file to pixels is a rule of the data set, so it is defined once, in [`decode`]. Views
//! are computed in integers after a few `f64` operations per image, so they depend only on the image and the
//! random stream.

use std::io::Cursor;

use fast_image_resize as fir;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::{PngDecoder, PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, Limits};

use super::formats::{self, FormatError, ImageFormat};
use super::jpeg;
use crate::limits;
use crate::random::Stream;
use crate::records::Augmentation;
use crate::records::codec::printable;
pub use limits::IMAGE_SIDE;

/// Number of attempts to draw a crop before the whole image is used, as in torchvision.
const CROP_DRAWS: u32 = 10;

/// Why bytes cannot be read as an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PixelError {
    /// The pixels of a PNG cannot be decoded.
    #[error("not a readable PNG: {}", printable(.0))]
    Decode(image::ImageError),
    /// The pixels of a JPEG cannot be decoded.
    #[error("not a readable JPEG: {}", printable(.0))]
    Jpeg(image::ImageError),
    /// A JPEG whose coded data ends before its last pixels.
    #[error(
        "not a readable JPEG: its coded data ends before its last pixels; it was cut off and closed again"
    )]
    JpegShort,
    /// The decoder of JPEGs found another size than the check.
    #[error("not a readable JPEG: its headers contradict each other about its size")]
    JpegSize,
    /// Not a complete image of a known format, or too large: refused before memory is allocated for it.
    #[error("not a readable image: it {0}")]
    Check(#[from] FormatError),
}

/// An image of 8-bit gray values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gray {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// `[height, width]`, row after row.
    pub data: Vec<u8>,
}

/// Reads an image file as 8-bit gray. Only files that pass [`formats::check`] are decoded, which bounds the memory
/// whatever the bytes unpack to and protects the decoder from malformed files.
///
/// 8-bit gray is unchanged. Samples of 1, 2 and 4 bits are expanded to the full range, palettes to their
/// colours; a 16-bit sample `v` becomes `(255 v + 32767) / 65535`, rounded down. Transparency is ignored. A
/// colour becomes the luma of Rec. 601 in integers, `(19595 R + 38470 G + 7471 B + 32768) / 65536`, rounded
/// down, which is `v` for `R = G = B = v`. A JPEG is turned upright by its orientation in Exif; of a PNG, Exif is
/// ignored.
pub fn decode(bytes: &[u8]) -> Result<Gray, PixelError> {
    let formats::ImageInfo { format, width, height } = formats::check(bytes)?;
    let data = match format {
        ImageFormat::Png => decode_png(bytes)?,
        ImageFormat::Jpeg => decode_jpeg(bytes)?,
    };
    match data.len() as u64 == u64::from(width) * u64::from(height) {
        true => Ok(Gray { width, height, data }),
        false => Err(PixelError::JpegSize),
    }
}

fn decode_png(bytes: &[u8]) -> Result<Vec<u8>, PixelError> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(limits::IMAGE_BESIDE);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(PixelError::Decode)?;
    let narrow = |v: u16| ((u32::from(v) * 255 + 32_767) / 65_535) as u8;
    Ok(match DynamicImage::from_decoder(decoder).map_err(PixelError::Decode)? {
        DynamicImage::ImageLuma8(gray) => gray.into_raw(),
        DynamicImage::ImageLumaA8(image) => image.pixels().map(|p| p.0[0]).collect(),
        DynamicImage::ImageRgb8(image) => image.pixels().map(|p| luma(p.0)).collect(),
        DynamicImage::ImageRgba8(image) => image.pixels().map(|p| luma([p.0[0], p.0[1], p.0[2]])).collect(),
        DynamicImage::ImageLuma16(image) => image.pixels().map(|p| narrow(p.0[0])).collect(),
        DynamicImage::ImageLumaA16(image) => image.pixels().map(|p| narrow(p.0[0])).collect(),
        DynamicImage::ImageRgb16(image) => image.pixels().map(|p| luma(p.0.map(narrow))).collect(),
        // The PNG decoder returns no other types.
        other => other.to_rgba16().pixels().map(|p| luma([0, 1, 2].map(|c| narrow(p.0[c])))).collect(),
    })
}

fn decode_jpeg(bytes: &[u8]) -> Result<Vec<u8>, PixelError> {
    let info = jpeg::check(bytes).map_err(FormatError::from)?;
    let decoded = |bytes: &[u8]| DynamicImage::from_decoder(JpegDecoder::new(Cursor::new(bytes))?);
    let mut image = decoded(bytes).map_err(PixelError::Jpeg)?;
    // The decoder takes missing data for zeros.
    let padded = jpeg::with_padding(bytes).map_err(FormatError::from)?;
    if decoded(&padded).map_err(PixelError::Jpeg)? != image {
        return Err(PixelError::JpegShort);
    }
    if let Some(orientation) = Orientation::from_exif(info.orientation) {
        image.apply_orientation(orientation);
    }
    if (image.width(), image.height()) != (info.width, info.height) {
        return Err(PixelError::JpegSize);
    }
    Ok(match image {
        DynamicImage::ImageLuma8(gray) => gray.into_raw(),
        DynamicImage::ImageRgb8(image) => image.pixels().map(|p| luma(p.0)).collect(),
        // The JPEG decoder returns no other types.
        other => other.to_rgb8().pixels().map(|p| luma(p.0)).collect(),
    })
}

fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 32_768) >> 16) as u8
}

/// Writes 8-bit gray as a PNG.
pub fn encode_png(image: &Gray) -> Vec<u8> {
    encode(&image.data, image.width, image.height, ExtendedColorType::L8)
}

/// Writes RGB values, `[height, width, 3]` in bytes, as a PNG.
///
/// # Panics
/// If `data` has another length.
pub fn encode_rgb(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    encode(data, width, height, ExtendedColorType::Rgb8)
}

fn encode(data: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(data, width, height, colour)
        .expect("memory takes every byte, and there are as many values as pixels");
    bytes
}

/// The input square for validation and test: `[input, input]` gray values, row after row.
///
/// The image is resized to `resize` x `resize` (whatever its shape) by antialiased bilinear
/// interpolation, then the centre is cropped. `input` is at most `resize`.
pub fn evaluation_view(image: &Gray, resize: u32, input: u32) -> Vec<u8> {
    debug_assert!(input <= resize);
    let resized = resized(image, resize, resize);
    let (side, offset) = (resize as usize, (resize - input) as usize / 2);
    let rows = resized.data.chunks_exact(side).skip(offset).take(input as usize);
    rows.flat_map(|row| &row[offset..offset + input as usize]).copied().collect()
}

/// The image with its shorter side resized to `side` pixels, antialiased, with its aspect ratio; the image
/// itself if its shorter side is not longer than that.
pub fn shrunk(image: Gray, side: u32) -> Gray {
    match shrunk_size(image.width, image.height, side) {
        size if size == (image.width, image.height) => image,
        (width, height) => resized(&image, width, height),
    }
}

/// Width and height of the image that [`shrunk`] returns.
pub fn shrunk_size(width: u32, height: u32, side: u32) -> (u32, u32) {
    let shorter = width.min(height);
    if shorter <= side {
        return (width, height);
    }
    let scaled = |length: u32| {
        let (length, side, shorter) = (u64::from(length), u64::from(side), u64::from(shorter));
        ((length * side + shorter / 2) / shorter) as u32
    };
    (scaled(width), scaled(height))
}

/// Bilinear interpolation over all pixels that become one, so that thin structures do not alias.
fn resized(image: &Gray, width: u32, height: u32) -> Gray {
    let source = fir::images::ImageRef::new(image.width, image.height, &image.data, fir::PixelType::U8)
        .expect("a Grey has width x height values");
    let mut resized = fir::images::Image::new(width, height, fir::PixelType::U8);
    let options =
        fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear));
    fir::Resizer::new()
        .resize(&source, &mut resized, &options)
        .expect("both images hold one byte a pixel and are not cropped");
    Gray { width, height, data: resized.into_vec() }
}

/// A random input square for training: `[input, input]` gray values, row after row.
///
/// A crop with random area and aspect ratio is stretched to the square, which is rotated about its centre and
/// possibly flipped: one affine map, sampled once with bilinear weights. Outside the crop the image continues;
/// outside the image its nearest edge pixel is used. A crop larger than the square is first halved by means
/// over 2 x 2 pixels until the remaining factor is less than 2, to prevent aliasing. If a crop does not fit,
/// another is drawn; after ten attempts the whole image is used.
pub fn training_view(image: &Gray, input: u32, how: &Augmentation, stream: &mut Stream) -> Vec<u8> {
    let crop = Crop::draw(image, how, stream);
    let angle = stream.between(-how.rotation, how.rotation).to_radians();
    let flip = stream.uniform() < how.flip;
    let side = f64::from(input);
    let (mut scale_x, mut scale_y) = (crop.width / side, crop.height / side);
    let (mut centre_x, mut centre_y) = (crop.x + crop.width / 2.0, crop.y + crop.height / 2.0);

    let mut halved: Option<Gray> = None;
    while scale_x.max(scale_y) >= 2.0 {
        let next = halve(halved.as_ref().unwrap_or(image));
        (scale_x, scale_y) = (scale_x / 2.0, scale_y / 2.0);
        (centre_x, centre_y) = (centre_x / 2.0, centre_y / 2.0);
        halved = Some(next);
    }

    // From the centre of an output pixel to the source: first the flip, then the rotation, then the scale.
    let (sin, cos) = angle.sin_cos();
    let mirror = if flip { -1.0 } else { 1.0 };
    let map = Affine {
        step_x: [fixed(scale_x * cos * mirror), fixed(scale_y * sin * mirror)],
        step_y: [fixed(-scale_x * sin), fixed(scale_y * cos)],
        centre: [fixed(centre_x), fixed(centre_y)],
    };
    map.sample(halved.as_ref().unwrap_or(image), input)
}

/// A rectangle of an image, in pixels.
struct Crop {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Crop {
    fn draw(image: &Gray, how: &Augmentation, stream: &mut Stream) -> Self {
        let (width, height) = (f64::from(image.width), f64::from(image.height));
        for _ in 0..CROP_DRAWS {
            let area = stream.between(how.crop_area[0], how.crop_area[1]) * width * height;
            let aspect = stream.between(how.crop_aspect[0], how.crop_aspect[1]);
            let (w, h) = ((area * aspect).sqrt().round(), (area / aspect).sqrt().round());
            if (1.0..=width).contains(&w) && (1.0..=height).contains(&h) {
                let x = stream.below((width - w) as u64 + 1) as f64;
                let y = stream.below((height - h) as u64 + 1) as f64;
                return Crop { x, y, width: w, height: h };
            }
        }
        Crop { x: 0.0, y: 0.0, width, height }
    }
}

/// Means over 2 x 2 pixels, rounded; the last row or column of an odd number is paired with itself.
fn halve(image: &Gray) -> Gray {
    let (width, height) = (image.width as usize, image.height as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut data = Vec::with_capacity(half_width * half_height);
    for y in 0..half_height {
        let upper = &image.data[2 * y * width..][..width];
        let lower = &image.data[(2 * y + 1).min(height - 1) * width..][..width];
        let sum = |a: &[u8], b: &[u8], last: usize| {
            u16::from(a[0]) + u16::from(a[last]) + u16::from(b[0]) + u16::from(b[last])
        };
        let pairs = upper.chunks(2).zip(lower.chunks(2));
        data.extend(pairs.map(|(a, b)| ((sum(a, b, a.len() - 1) + 2) >> 2) as u8));
    }
    Gray { width: half_width as u32, height: half_height as u32, data }
}

const FRACTION: u32 = 16;
const ONE: i64 = 1 << FRACTION;

fn fixed(value: f64) -> i64 {
    (value * ONE as f64).round() as i64
}

/// An affine map from output to source pixels, in fixed point of [`FRACTION`] bits, x before y.
struct Affine {
    step_x: [i64; 2],
    step_y: [i64; 2],
    centre: [i64; 2],
}

impl Affine {
    fn sample(&self, source: &Gray, side: u32) -> Vec<u8> {
        let side = i64::from(side);
        let width = source.width as usize;
        let (last_x, last_y) = (i64::from(source.width) - 1, i64::from(source.height) - 1);
        let mut out = Vec::with_capacity((side * side) as usize);
        for row in 0..side {
            // Twice the offsets from the centre are integers, so the division by two comes last.
            let dy = 2 * row + 1 - side;
            let start = |axis: usize| {
                self.centre[axis] - ONE / 2 + (self.step_y[axis] * dy + self.step_x[axis] * (1 - side)) / 2
            };
            let (mut x, mut y) = (start(0), start(1));
            for _ in 0..side {
                let (cx, cy) = (x.clamp(0, last_x * ONE), y.clamp(0, last_y * ONE));
                let (x0, y0) = ((cx >> FRACTION) as usize, (cy >> FRACTION) as usize);
                let (fx, fy) = ((cx & (ONE - 1)) as u64, (cy & (ONE - 1)) as u64);
                let x1 = if fx == 0 { x0 } else { x0 + 1 };
                let y1 = if fy == 0 { y0 } else { y0 + 1 };
                let at = |x: usize, y: usize| u64::from(source.data[y * width + x]);
                let upper = at(x0, y0) * (ONE as u64 - fx) + at(x1, y0) * fx;
                let lower = at(x0, y1) * (ONE as u64 - fx) + at(x1, y1) * fx;
                let sum = upper * (ONE as u64 - fy) + lower * fy;
                out.push(((sum + (1 << (2 * FRACTION - 1))) >> (2 * FRACTION)) as u8);
                x += self.step_x[0];
                y += self.step_x[1];
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::png::PngError;

    fn ramp(width: u32, height: u32) -> Gray {
        let data = (0..height).flat_map(|y| (0..width).map(move |x| (x * 7 + y * 13) as u8)).collect();
        Gray { width, height, data }
    }

    fn whole() -> Augmentation {
        Augmentation { crop_area: [1.0, 1.0], crop_aspect: [1.0, 1.0], rotation: 0.0, flip: 0.0 }
    }

    fn paper() -> Augmentation {
        Augmentation { crop_area: [0.08, 1.0], crop_aspect: [0.75, 4.0 / 3.0], rotation: 7.0, flip: 0.5 }
    }

    fn view(image: &Gray, input: u32, how: &Augmentation) -> Vec<u8> {
        training_view(image, input, how, &mut Stream::new("reg test", 1, &[]))
    }

    fn png(color: image::ExtendedColorType, width: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(data, width, 1, color).unwrap();
        bytes
    }

    #[test]
    fn gray_survives_png_unchanged() {
        let image = ramp(31, 17);
        assert_eq!(decode(&encode_png(&image)).unwrap(), image);
    }

    #[test]
    fn every_kind_of_sample_becomes_gray_by_the_stated_rule() {
        use image::ExtendedColorType::{L16, La8, Rgb8, Rgba8};
        let rgba = png(Rgba8, 2, &[90, 90, 90, 255, 91, 91, 91, 0]);
        assert_eq!(decode(&rgba).unwrap().data, [90, 91]);
        // 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1
        let rgb = png(Rgb8, 3, &[255, 0, 0, 0, 255, 0, 0, 0, 255]);
        assert_eq!(decode(&rgb).unwrap().data, [76, 150, 29]);
        assert_eq!(decode(&png(La8, 2, &[7, 0, 8, 255])).unwrap().data, [7, 8]);
        // 128 * 257 = 32896 is exactly 128; 32767 / 257 = 127.498; 65535 is white. Native byte order.
        let deep: Vec<u8> = [32_896u16, 32_767, 65_535, 0].iter().flat_map(|v| v.to_ne_bytes()).collect();
        assert_eq!(decode(&png(L16, 4, &deep)).unwrap().data, [128, 127, 255, 0]);
    }

    /// What Pillow makes of these JPEGs lies beside them as PNG; `fixtures/jpeg/make.py` made both.
    #[test]
    fn jpegs_have_the_pixels_that_pillow_reads() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/jpeg");
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let mut gray = vec!["gray".to_owned(), "gray-progressive".to_owned(), "gray-restarts".to_owned()];
        gray.extend((1..=8).map(|orientation| format!("gray-exif-{orientation}")));
        // Colour is subsampled, and read back by another filter.
        let cases = gray.iter().map(|name| (name.as_str(), 1));
        for (name, most) in cases.chain([("rgb", 3), ("rgb-progressive", 3), ("rgb-420", 12)]) {
            let bytes = read(&format!("{name}.jpg"));
            let (ours, theirs) = (decode(&bytes).unwrap(), decode(&read(&format!("{name}.png"))).unwrap());
            assert_eq!((ours.width, ours.height), (theirs.width, theirs.height), "{name}");
            let info = formats::check(&bytes).unwrap();
            assert_eq!((info.format, info.width, info.height), (ImageFormat::Jpeg, ours.width, ours.height));
            let apart = ours.data.iter().zip(&theirs.data).map(|(a, b)| a.abs_diff(*b));
            assert!(apart.clone().max().unwrap() <= most, "{name}: {:?}", apart.max());
        }
        // A cut-off download that a tool has closed, and a header that promises more rows than there are.
        for name in ["gray", "gray-restarts", "gray-progressive", "rgb-420", "rgb-progressive"] {
            let whole = read(&format!("{name}.jpg"));
            let scan = whole.windows(2).rposition(|two| two == [0xff, 0xda]).unwrap();
            for share in [1, 5, 9] {
                let cut = scan + 14 + (whole.len() - scan - 14) * share / 10;
                let closed = [&whole[..cut], b"\xff\xd9"].concat();
                let error = decode(&closed).unwrap_err().to_string();
                let said = ["its coded data ends before", "parts of the scan"];
                assert!(said.iter().any(|said| error.contains(said)), "{name}, {share}: {error}");
            }
            // The decoder gives up at the first scan of a progressive one, whatever follows.
            if name.ends_with("progressive") {
                continue;
            }
            let mut taller = whole.clone();
            let frame = whole.windows(2).position(|two| matches!(two, [0xff, 0xc0 | 0xc2])).unwrap();
            taller[frame + 5..frame + 7].copy_from_slice(&200u16.to_be_bytes());
            let error = decode(&taller).unwrap_err().to_string();
            let said = ["its coded data ends before", "parts of the scan"];
            assert!(said.iter().any(|said| error.contains(said)), "{name}: {error}");
        }
        let progressive = read("gray-progressive.jpg");
        let second =
            progressive.windows(2).enumerate().filter(|(_, two)| *two == [0xff, 0xda]).nth(1).unwrap().0;
        let first_scan = [&progressive[..second], b"\xff\xd9"].concat();
        assert!(decode(&first_scan).unwrap_err().to_string().contains("scans are missing"));
        let mut flat = read("gray.jpg");
        let table = flat.windows(2).position(|two| two == [0xff, 0xdb]).unwrap();
        flat[table + 5..table + 69].fill(0);
        assert!(decode(&flat).unwrap_err().to_string().contains("quantization step of zero"));
        for (name, why) in [("cmyk.jpg", "4 colour components"), ("cut-off.jpg", "is cut off at byte")] {
            assert!(decode(&read(name)).unwrap_err().to_string().contains(why), "{name}");
        }
    }

    /// The pixel cache holds what is made of these. If this test fails, `PIXELS` in `src/records/rules.rs` and the
    /// worker's `NUMERICS` must be raised.
    #[test]
    fn jpegs_have_the_pixels_that_they_always_had() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/jpeg");
        let hash = |name: &str| {
            let pixels = decode(&std::fs::read(folder.join(name)).unwrap()).unwrap();
            crate::hash::Hash::of(&pixels.data).short()
        };
        let found = ["gray.jpg", "gray-exif-6.jpg", "rgb-420.jpg"].map(hash);
        insta::assert_compact_debug_snapshot!(found, @r#"["cb9fd74cd094", "caa6f77a8b2b", "03086b749e44"]"#);
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut bytes = encode_png(&ramp(1, 1));
        // Width and height come after the signature and the chunk's length and type; the CRC comes after 13
        // bytes.
        bytes[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let crc = crc32fast::hash(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        let error = decode(&bytes).unwrap_err();
        assert!(
            matches!(error, PixelError::Check(FormatError::Png(PngError::TooLarge { width: 60_000, .. }))),
            "{error}"
        );
    }

    #[test]
    fn a_palette_that_the_decoder_does_not_bear_is_refused() {
        let bytes = include_bytes!("../../fixtures/fuzz/png/52af55ced27332addb9dacd8e942c71d6f88f319");
        assert!(matches!(decode(bytes), Err(PixelError::Check(FormatError::Png(PngError::Palette)))));
    }

    #[test]
    fn damaged_and_foreign_bytes_are_errors() {
        let good = encode_png(&ramp(40, 40));
        for bytes in [&b""[..], b"GIF89a", &good[..good.len() / 2]] {
            assert!(matches!(decode(bytes), Err(PixelError::Check(_))));
        }
    }

    #[test]
    fn the_whole_image_at_its_own_size_is_itself() {
        let image = ramp(24, 24);
        assert_eq!(view(&image, 24, &whole()), image.data);
        assert_eq!(evaluation_view(&image, 24, 24), image.data);
    }

    #[test]
    fn a_flip_mirrors_and_a_half_turn_reverses() {
        let image = ramp(25, 25);
        let mirrored: Vec<u8> = image.data.chunks(25).flat_map(|row| row.iter().rev()).copied().collect();
        assert_eq!(view(&image, 25, &Augmentation { flip: 1.0, ..whole() }), mirrored);

        let map = Affine { step_x: [-ONE, 0], step_y: [0, -ONE], centre: [fixed(12.5), fixed(12.5)] };
        let reversed: Vec<u8> = image.data.iter().rev().copied().collect();
        assert_eq!(map.sample(&image, 25), reversed);
    }

    #[test]
    fn the_same_stream_gives_the_same_view_and_another_one_another() {
        let image = ramp(200, 180);
        assert_eq!(view(&image, 32, &paper()), view(&image, 32, &paper()));
        let other = training_view(&image, 32, &paper(), &mut Stream::new("reg test", 2, &[]));
        assert_ne!(view(&image, 32, &paper()), other);
    }

    #[test]
    fn shrinking_does_not_alias() {
        // Alternating black and white columns: any single sample is 0 or 255, their mean is 127.5.
        let data = (0..256 * 256).map(|i| if i % 2 == 0 { 0 } else { 255 }).collect();
        let stripes = Gray { width: 256, height: 256, data };
        for pixels in [view(&stripes, 32, &whole()), evaluation_view(&stripes, 40, 32)] {
            assert_eq!(pixels.len(), 32 * 32);
            assert!(pixels.iter().all(|v| (120..=136).contains(v)), "{pixels:?}");
        }
    }

    #[test]
    fn what_is_shrunk_keeps_its_shape_and_nothing_grows() {
        assert_eq!(shrunk_size(1024, 1024, 792), (792, 792));
        assert_eq!(shrunk_size(2500, 2048, 792), (967, 792));
        assert_eq!(shrunk_size(700, 900, 792), (700, 900));
        let image = ramp(48, 40);
        assert_eq!(shrunk(image.clone(), 40), image);
        let small = shrunk(image, 20);
        assert_eq!((small.width, small.height, small.data.len()), (24, 20, 480));
    }

    /// The pixel cache contains such bytes. If this test fails, `PIXELS` in `src/records/rules.rs` must be
    /// raised.
    #[test]
    fn resized_pixels_have_the_bytes_that_they_always_had() {
        let image = ramp(101, 83);
        let hash = |bytes: &[u8]| crate::hash::Hash::of(bytes).short();
        let found = [hash(&shrunk(image.clone(), 37).data), hash(&evaluation_view(&image, 40, 32))];
        insta::assert_compact_debug_snapshot!(found, @r#"["565d25ca5a78", "eb7ea96d10c2"]"#);
    }

    #[test]
    fn the_evaluation_view_is_the_centre() {
        let mut image = Gray { width: 8, height: 8, data: vec![0; 64] };
        for y in 2..6 {
            image.data[y * 8 + 2..y * 8 + 6].fill(200);
        }
        assert_eq!(evaluation_view(&image, 8, 4), [200; 16]);
    }

    #[test]
    fn a_crop_that_never_fits_becomes_the_whole_image() {
        let image = ramp(16, 16);
        let wide = Augmentation { crop_aspect: [9.0, 9.0], ..whole() };
        assert_eq!(view(&image, 16, &wide), image.data);
    }
}
