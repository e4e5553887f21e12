//! Checks that bytes are a complete, undamaged PNG: structure and checksums, without decoding pixels.
//!
//! Every chunk of a PNG has a CRC-32, so a damaged or truncated download is detected at the speed of reading.
//! Section numbers are those of the PNG specification, third edition (W3C, 2025).

use crate::digits::{counted, thousands};
use crate::limits;
use crate::recognise::{self, FileKind};

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// The header of a PNG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PngInfo {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bits per sample.
    pub bit_depth: u8,
    /// Colour type: 0 gray, 2 RGB, 3 palette, 4 gray with alpha, 6 RGBA.
    pub color_type: u8,
}

/// Why bytes are not a complete PNG: the second half of a sentence that starts with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PngError {
    /// An empty file.
    #[error("is empty")]
    Empty,
    /// It does not start with the signature of a PNG.
    #[error("is not a PNG: it starts with \"{0}\"")]
    Signature(String),
    /// It is something else, by its first bytes.
    #[error("is not a PNG but {}", .0.described())]
    Foreign(FileKind),
    /// It ends inside a chunk.
    #[error("is cut off in chunk {chunk} at byte {}", thousands(*at as u64))]
    CutOff {
        /// The chunk's type.
        chunk: String,
        /// The number of bytes.
        at: usize,
    },
    /// It ends between chunks, before IEND.
    #[error("is cut off at byte {}, where another chunk should start", thousands(*.0 as u64))]
    NoEnd(usize),
    /// A chunk's type is not four letters.
    #[error("is damaged at byte {}: no chunk starts there", thousands(*.0 as u64))]
    NotAChunk(usize),
    /// A chunk does not match its checksum.
    #[error("has a wrong checksum in chunk {chunk} at byte {}", thousands(*at as u64))]
    Checksum {
        /// The chunk's type.
        chunk: String,
        /// Where the chunk starts.
        at: usize,
    },
    /// IHDR is not the first chunk.
    #[error("starts with chunk {0} instead of IHDR")]
    NoHeader(String),
    /// A second IHDR, or one whose length is not 13.
    #[error("has a malformed chunk IHDR at byte {}", thousands(*.0 as u64))]
    Header(usize),
    /// A width or height of zero.
    #[error("has no pixels: {width} x {height}")]
    NoPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// More bytes than the limit.
    #[error("is too large: more than {} bytes", thousands(limits::IMAGE_FILE))]
    TooLong,
    /// More pixels than the limit.
    #[error(
        "is too large: {} x {} pixels; at most {} per side and {} in total",
        thousands((*width).into()),
        thousands((*height).into()),
        thousands(limits::IMAGE_SIDE.into()),
        thousands(limits::IMAGE_PIXELS)
    )]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A combination that section 11.2.1 does not allow.
    #[error("has no valid pixel format: colour type {color_type} with {bit_depth} bits")]
    Format {
        /// Colour type.
        color_type: u8,
        /// Bits per sample.
        bit_depth: u8,
    },
    /// An unknown compression, filter or interlace method.
    #[error("has an unknown compression, filter or interlace method")]
    Method,
    /// A palette without colours, with an incomplete colour or with more than 256 colours; a second one; or one
    /// that is missing or comes after the data.
    #[error("has a malformed or misplaced palette")]
    Palette,
    /// No IDAT.
    #[error("has no image data: chunk IDAT is missing")]
    NoData,
    /// Another chunk between two IDAT chunks.
    #[error("has image data in two places: another chunk IDAT at byte {}", thousands(*.0 as u64))]
    SplitData(usize),
    /// Compressed pixels that are not what was written.
    #[error("has damaged image data: its compressed pixels or their checksum (Adler-32) are wrong")]
    Stream,
    /// Compressed pixels without their end or checksum.
    #[error("has incomplete image data: its compressed pixels end before their checksum (Adler-32)")]
    StreamEnd,
    /// Bytes after IEND.
    #[error("has {} after its end", counted(*.0 as u64, "byte"))]
    Trailing(usize),
}

/// Checks signature, chunks, checksums and header.
///
/// Pixels are not decoded: in a PNG that passes, the compressed bytes are those that were written.
pub fn check(bytes: &[u8]) -> Result<PngInfo, PngError> {
    if bytes.len() as u64 > limits::IMAGE_FILE {
        return Err(PngError::TooLong);
    }
    let Some(mut rest) = bytes.strip_prefix(&SIGNATURE) else {
        let head = &bytes[..bytes.len().min(recognise::HEAD)];
        return Err(match bytes {
            [] => PngError::Empty,
            _ if !matches!(FileKind::of(head), FileKind::Png | FileKind::Text | FileKind::Other) => {
                PngError::Foreign(FileKind::of(head))
            }
            _ => PngError::Signature(bytes[..bytes.len().min(8)].escape_ascii().to_string()),
        });
    };
    let (mut info, mut palette) = (None, false);
    let mut data = Data::Before;
    loop {
        let at = bytes.len() - rest.len();
        let (chunk, behind) = Chunk::read(rest, at, bytes.len())?;
        rest = behind;
        match (info, chunk.kind) {
            (None, b"IHDR") => info = Some(header(chunk.body, at)?),
            (None, _) => return Err(PngError::NoHeader(chunk.name())),
            (Some(_), b"IHDR") => return Err(PngError::Header(at)),
            (Some(_), b"PLTE") if palette || data != Data::Before || !is_palette(chunk.body) => {
                return Err(PngError::Palette);
            }
            (Some(_), b"PLTE") => palette = true,
            (Some(PngInfo { color_type: 3, .. }), b"IDAT") if !palette => return Err(PngError::Palette),
            (Some(_), b"IDAT") if data == Data::Behind => return Err(PngError::SplitData(at)),
            (Some(_), b"IDAT") => data = Data::Within,
            (Some(_), b"IEND") if data == Data::Before => return Err(PngError::NoData),
            (Some(_), b"IEND") if !rest.is_empty() => return Err(PngError::Trailing(rest.len())),
            (Some(info), b"IEND") => return Ok(info),
            (Some(_), _) if data == Data::Within => data = Data::Behind,
            (Some(_), _) => {}
        }
    }
}

/// Checks the compressed pixels of a PNG that passed [`check`]: that they unpack, and to what their own checksum says.
///
/// The decoder ignores that checksum, which is all that shows bytes that were overwritten before the file's chunks got
/// theirs. libpng and Pillow refuse such files.
pub fn check_stream(bytes: &[u8]) -> Result<(), PngError> {
    let mut inflate = flate2::Decompress::new(true);
    let mut unpacked = vec![0; 1 << 16];
    let mut rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    while let [a, b, c, d, k0, k1, k2, k3, behind @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let Some((mut data, behind)) = behind.split_at_checked(length) else {
            return Err(PngError::StreamEnd);
        };
        rest = behind.get(4..).unwrap_or_default();
        if [*k0, *k1, *k2, *k3] != *b"IDAT" {
            continue;
        }
        loop {
            let before = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(data, &mut unpacked, flate2::FlushDecompress::None)
                .map_err(|_| PngError::Stream)?;
            if status == flate2::Status::StreamEnd {
                return Ok(());
            }
            data = &data[(inflate.total_in() - before.0) as usize..];
            if (inflate.total_in(), inflate.total_out()) == before {
                break;
            }
        }
    }
    Err(PngError::StreamEnd)
}

/// Position relative to the chunks of image data.
#[derive(PartialEq)]
enum Data {
    Before,
    Within,
    Behind,
}

struct Chunk<'a> {
    kind: &'a [u8; 4],
    body: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Reads the chunk at byte `at` of a file that ends at byte `end`, and returns it with the remaining bytes.
    fn read(rest: &'a [u8], at: usize, end: usize) -> Result<(Self, &'a [u8]), PngError> {
        let head = rest.split_first_chunk::<4>();
        let Some((length, (kind, behind))) =
            head.and_then(|(n, rest)| Some((n, rest.split_first_chunk::<4>()?)))
        else {
            return Err(PngError::NoEnd(end));
        };
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return Err(PngError::NotAChunk(at));
        }
        let length = u32::from_be_bytes(*length) as usize;
        let body = behind.split_at_checked(length);
        let Some((body, (crc, behind))) =
            body.and_then(|(b, rest)| Some((b, rest.split_first_chunk::<4>()?)))
        else {
            return Err(PngError::CutOff { chunk: name(kind), at: end });
        };
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(kind);
        hasher.update(body);
        if hasher.finalize() != u32::from_be_bytes(*crc) {
            return Err(PngError::Checksum { chunk: name(kind), at });
        }
        Ok((Chunk { kind, body }, behind))
    }

    fn name(&self) -> String {
        name(self.kind)
    }
}

fn name(kind: &[u8; 4]) -> String {
    kind.escape_ascii().to_string()
}

/// Whether a PLTE chunk has 1 to 256 colours of three bytes (section 11.2.2).
fn is_palette(body: &[u8]) -> bool {
    (1..=256).contains(&(body.len() / 3)) && body.len().is_multiple_of(3)
}

/// Whether an image of this size is refused before memory is allocated for its pixels.
fn is_too_large(width: u32, height: u32) -> bool {
    width.max(height) > limits::IMAGE_SIDE || u64::from(width) * u64::from(height) > limits::IMAGE_PIXELS
}

fn header(body: &[u8], at: usize) -> Result<PngInfo, PngError> {
    let Ok([w0, w1, w2, w3, h0, h1, h2, h3, bit_depth, color_type, compression, filter, interlace]) =
        <[u8; 13]>::try_from(body)
    else {
        return Err(PngError::Header(at));
    };
    let (width, height) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
    if width == 0 || height == 0 {
        return Err(PngError::NoPixels { width, height });
    }
    if is_too_large(width, height) {
        return Err(PngError::TooLarge { width, height });
    }
    if !matches!((color_type, bit_depth), (0, 1 | 2 | 4 | 8 | 16) | (2 | 4 | 6, 8 | 16) | (3, 1 | 2 | 4 | 8))
    {
        return Err(PngError::Format { color_type, bit_depth });
    }
    if !matches!((compression, filter, interlace), (0, 0, 0 | 1)) {
        return Err(PngError::Method);
    }
    Ok(PngInfo { width, height, bit_depth, color_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.extend(body);
        let crc = crc32fast::hash(&bytes[4..]);
        bytes.extend(crc.to_be_bytes());
        bytes
    }

    fn ihdr(width: u32, height: u32, rest: [u8; 5]) -> Vec<u8> {
        chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat())
    }

    fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
        [&SIGNATURE[..], &chunks.concat()].concat()
    }

    fn gray() -> Vec<u8> {
        ihdr(640, 480, [8, 0, 0, 0, 0])
    }
    fn palette() -> Vec<u8> {
        ihdr(640, 480, [8, 3, 0, 0, 0])
    }
    fn data() -> Vec<u8> {
        chunk(b"IDAT", b"pixels")
    }
    fn end() -> Vec<u8> {
        chunk(b"IEND", b"")
    }

    #[test]
    fn a_whole_png_says_its_size_and_format() {
        let expected = PngInfo { width: 640, height: 480, bit_depth: 8, color_type: 0 };
        assert_eq!(check(&png(&[gray(), data(), end()])), Ok(expected));
        let text = chunk(b"tEXt", b"Comment");
        assert_eq!(check(&png(&[gray(), text.clone(), data(), data(), text, end()])), Ok(expected));
    }

    #[test]
    fn every_way_of_being_no_png_has_its_own_sentence() {
        for (bytes, message) in [
            (Vec::new(), "is empty"),
            (b"Image Index,Finding".to_vec(), r#"is not a PNG: it starts with "Image In""#),
            (b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "is not a PNG but a JPEG image"),
            (b"<html>expired".to_vec(), "is not a PNG but a web page (HTML)"),
            (vec![0; 9], "is not a PNG but a file of zeros"),
            (SIGNATURE[..5].to_vec(), r#"is not a PNG: it starts with "\x89PNG\r""#),
            (png(&[]), "is cut off at byte 8, where another chunk should start"),
            (png(&[gray(), data()]), "is cut off at byte 51, where another chunk should start"),
            (png(&[gray(), data()[..15].to_vec()]), "is cut off in chunk IDAT at byte 48"),
            (png(&[gray(), b"\xff\xff\xff\xffIDATpixels".to_vec()]), "is cut off in chunk IDAT at byte 47"),
            (png(&[gray(), vec![0; 12], end()]), "is damaged at byte 33: no chunk starts there"),
            (png(&[data(), end()]), "starts with chunk IDAT instead of IHDR"),
            (png(&[chunk(b"IHDR", b"short"), end()]), "has a malformed chunk IHDR at byte 8"),
            (png(&[gray(), gray(), data(), end()]), "has a malformed chunk IHDR at byte 33"),
            (png(&[ihdr(0, 480, [8, 0, 0, 0, 0])]), "has no pixels: 0 x 480"),
            (
                png(&[ihdr(1, 16_385, [8, 0, 0, 0, 0])]),
                "is too large: 1 x 16,385 pixels; at most 16,384 per side and 33,554,432 in total",
            ),
            (vec![0; limits::IMAGE_FILE as usize + 1], "is too large: more than 67,108,864 bytes"),
            (png(&[ihdr(1, 1, [4, 2, 0, 0, 0])]), "has no valid pixel format: colour type 2 with 4 bits"),
            (png(&[ihdr(1, 1, [8, 0, 0, 0, 2])]), "has an unknown compression, filter or interlace method"),
            (
                png(&[palette(), chunk(b"PLTE", &[0; 49]), data(), end()]),
                "has a malformed or misplaced palette",
            ),
            (
                png(&[palette(), chunk(b"PLTE", &[0; 771]), data(), end()]),
                "has a malformed or misplaced palette",
            ),
            (png(&[palette(), chunk(b"PLTE", b""), data(), end()]), "has a malformed or misplaced palette"),
            (png(&[palette(), data(), end()]), "has a malformed or misplaced palette"),
            (
                png(&[palette(), chunk(b"PLTE", b"rgb"), chunk(b"PLTE", b"rgb"), data(), end()]),
                "has a malformed or misplaced palette",
            ),
            (png(&[gray(), data(), chunk(b"PLTE", b"rgb"), end()]), "has a malformed or misplaced palette"),
            (png(&[gray(), end()]), "has no image data: chunk IDAT is missing"),
            (
                png(&[gray(), data(), chunk(b"tEXt", b""), data(), end()]),
                "has image data in two places: another chunk IDAT at byte 63",
            ),
            (png(&[gray(), data(), end(), b"xyz".to_vec()]), "has 3 bytes after its end"),
        ] {
            assert_eq!(check(&bytes).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn sides_and_pixels_have_limits() {
        let size = |width, height| check(&png(&[ihdr(width, height, [16, 6, 0, 0, 0]), data(), end()]));
        for (width, height) in [(16_384, 2_048), (1, 16_384), (5_792, 5_792)] {
            assert!(size(width, height).is_ok(), "{width} x {height}");
        }
        for (width, height) in
            [(16_384, 2_049), (16_385, 1), (5_793, 5_793), (60_000, 60_000), (u32::MAX, u32::MAX)]
        {
            assert_eq!(size(width, height), Err(PngError::TooLarge { width, height }));
        }
    }

    /// A PNG of 2 x 2 gray pixels whose compressed data is changed by `change`, with right checksums of its chunks.
    fn with_data(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&[0, 10, 20, 0, 30, 40]).unwrap();
        let mut data = encoder.finish().unwrap();
        change(&mut data);
        // In three chunks, as encoders may divide it.
        let parts = data.chunks(data.len().div_ceil(3)).map(|part| chunk(b"IDAT", part));
        png(&[vec![ihdr(2, 2, [8, 0, 0, 0, 0])], parts.collect(), vec![end()]].concat())
    }

    #[test]
    fn compressed_pixels_are_held_to_their_own_checksum() {
        let of = |bytes: Vec<u8>| check(&bytes).and_then(|_| check_stream(&bytes));
        assert_eq!(of(with_data(|_| {})), Ok(()));
        // A byte of the checksum, and a pixel.
        assert_eq!(of(with_data(|data| *data.last_mut().unwrap() ^= 1)), Err(PngError::Stream));
        assert_eq!(of(with_data(|data| data[4] ^= 4)), Err(PngError::Stream));
        for missing in 1..=4 {
            let cut = with_data(|data| data.truncate(data.len() - missing));
            assert_eq!(of(cut), Err(PngError::StreamEnd), "{missing}");
        }
        // Decoders read on over what stands behind the stream.
        assert_eq!(of(with_data(|data| data.push(7))), Ok(()));
    }

    #[test]
    fn one_flipped_bit_anywhere_is_noticed() {
        let whole = png(&[gray(), data(), end()]);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&bytes).is_err(), "bit {bit}");
        }
        let mut bytes = whole;
        bytes[33 + 8] ^= 1;
        assert_eq!(check(&bytes).unwrap_err().to_string(), "has a wrong checksum in chunk IDAT at byte 33");
    }

    #[test]
    fn every_published_image_passes_and_none_does_cut_off() {
        let Some(folder) = crate::dataset::published() else { return };
        let found = crate::dataset::source::find_images(&[folder.join("images")]).unwrap();
        assert_eq!(found.images.len(), 96);
        for image in found.images {
            let bytes = std::fs::read(&image.path).unwrap();
            let info = check(&bytes).unwrap();
            let color_type = if image.name == "00002578_000.png" { 6 } else { 0 };
            assert_eq!(
                info,
                PngInfo { width: 1024, height: 1024, bit_depth: 8, color_type },
                "{}",
                image.name
            );
            assert!(check(&bytes[..bytes.len() - 1]).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_check_panic(bytes: Vec<u8>, length: u32, kind: [u8; 4]) {
            let _ = check(&bytes);
            let _ = check(&png(std::slice::from_ref(&bytes)));
            let _ = check(&png(&[gray(), length.to_be_bytes().to_vec(), kind.to_vec(), bytes.clone()]));
            let _ = check(&png(&[gray(), chunk(&kind, &bytes), data(), bytes]));
        }
    }
}
