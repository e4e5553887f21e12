//! Checks that bytes are a complete JPEG of a kind that is read: its segments and the end, without decoding pixels.
//!
//! A JPEG has no checksums, so a flipped bit within the coded data is seen by nobody; that the file is cut off is, even
//! if somebody has closed it with the marker of the end: see `with_padding`. Names of markers are those of ITU-T T.81,
//! annex B.
//!
//! Of the orientation in Exif (tag 0x0112, in the first Exif segment before the frame), one rule holds everywhere: the
//! image is turned upright first of all, so width, height, boxes and pixels are those of the upright image.

use std::collections::BTreeMap;

use crate::digits::thousands;
use crate::limits;

/// The header of a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JpegInfo {
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// 1 for gray, 3 for colour.
    pub components: u8,
    /// Whether it is progressive.
    pub progressive: bool,
    /// Orientation in Exif, from 1 to 8; 1 if it has none: the stored image is upright.
    pub orientation: u8,
}

/// Why bytes are not a complete JPEG that can be read: the second half of a sentence that starts with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JpegError {
    /// It does not start with SOI and another marker.
    #[error("is not a JPEG")]
    Signature,
    /// More bytes than the limit.
    #[error("is too large: more than {} bytes", thousands(limits::IMAGE_FILE))]
    TooLong,
    /// It ends before EOI.
    #[error("is cut off at byte {}: a JPEG ends with the marker EOI", thousands(*.0 as u64))]
    CutOff(usize),
    /// No marker where one must be.
    #[error("is damaged at byte {}: no marker starts there", thousands(*.0 as u64))]
    NotAMarker(usize),
    /// A segment that is shorter than its header, or a frame header that contradicts itself.
    #[error("has a malformed segment at byte {}", thousands(*.0 as u64))]
    Segment(usize),
    /// A second frame header.
    #[error("has a second frame header at byte {}", thousands(*.0 as u64))]
    SecondFrame(usize),
    /// No frame header before the first scan.
    #[error("has no frame header")]
    NoFrame,
    /// No scan.
    #[error("has no image data")]
    NoData,
    /// A way of coding that is not read.
    #[error("is {0} JPEG; only baseline and progressive ones with Huffman coding are read")]
    Coding(&'static str),
    /// Samples of another depth.
    #[error("has {0} bits per sample; only JPEGs with 8 are read")]
    Depth(u8),
    /// Neither gray nor colour of three components.
    #[error("has {0} colour components; only gray (1) and colour (3) are read")]
    Components(u8),
    /// A width or height of zero.
    #[error("has no pixels: {width} x {height}")]
    NoPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
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
    /// Fewer restart markers than its pixels need, behind the byte at which a scan starts.
    #[error("is damaged: parts of the scan at byte {} are missing", thousands(*.0 as u64))]
    MissingParts(usize),
    /// A quantization step of zero, which makes all values of a frequency alike.
    #[error("has a quantization step of zero at byte {}", thousands(*.0 as u64))]
    Quantization(usize),
    /// A progressive image without the scans that make it sharp.
    #[error("is incomplete: scans are missing, so that the picture is blurred")]
    MissingScans,
    /// More scans than the limit: each goes over all pixels.
    #[error("has more than {} scans", limits::JPEG_SCANS)]
    Scans,
}

/// Whether bytes begin like a JPEG.
pub fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\xd8\xff")
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;
const APP1: u8 = 0xe1;
/// Bytes that [`with_padding`] adds to a scan: more than a decoder reads ahead.
const PADDING: usize = 64;

/// Checks segments, frame header and end.
///
/// What lies behind the end (EOI) is ignored, as by every other reader: cameras and archives put previews and padding
/// there.
pub fn check(bytes: &[u8]) -> Result<JpegInfo, JpegError> {
    Ok(walk(bytes)?.0)
}

/// The file with more coded data than it has, to tell whether it has all of its own: a decoder takes missing data for
/// zeros without a word, but decodes other pixels if there are other bytes in the place of the missing ones. If the data
/// is complete, nothing of the padding is decoded, and the pixels stay.
///
/// It follows the last scan, and in a progressive image all scans but the first, behind which decoders expect the next
/// marker at once. An image that ends within its first scan lacks the others ([`JpegError::MissingScans`]).
pub(super) fn with_padding(bytes: &[u8]) -> Result<Vec<u8>, JpegError> {
    let (info, ends) = walk(bytes)?;
    let first = if info.progressive { 1 } else { ends.len() - 1 };
    let mut padded = Vec::with_capacity(bytes.len() + ends.len() * PADDING);
    let mut from = 0;
    for end in &ends[first..] {
        padded.extend_from_slice(&bytes[from..*end]);
        // Never 0xff, which begins a marker.
        padded.extend((0..PADDING).map(|n| (n * 151 + 77) as u8 & 0xfe));
        from = *end;
    }
    padded.extend_from_slice(&bytes[from..]);
    Ok(padded)
}

/// The header, and where the coded data of each scan ends.
fn walk(bytes: &[u8]) -> Result<(JpegInfo, Vec<usize>), JpegError> {
    if bytes.len() as u64 > limits::IMAGE_FILE {
        return Err(JpegError::TooLong);
    }
    if !is_jpeg(bytes) {
        return Err(JpegError::Signature);
    }
    let mut at = 2;
    let (mut info, mut orientation, mut ends) = (None, None, Vec::new());
    let mut sharpness = Sharpness::default();
    let (mut sampling, mut interval) = (Sampling::default(), 0);
    loop {
        let (marker, behind) = marker(bytes, at)?;
        match marker {
            EOI => {
                let info: JpegInfo = info.ok_or(JpegError::NoFrame)?;
                return match ends.is_empty() {
                    true => Err(JpegError::NoData),
                    false if info.progressive && !sharpness.is_full(&sampling, info.components) => {
                        Err(JpegError::MissingScans)
                    }
                    false => Ok((info, ends)),
                };
            }
            // TEM and the restart markers have no length; they have no business here, and do no harm.
            0x01 | 0xd0..=0xd7 => {
                at = behind;
                continue;
            }
            SOI => return Err(JpegError::NotAMarker(at)),
            _ => {}
        }
        let length = bytes.get(behind..behind + 2).ok_or(JpegError::CutOff(bytes.len()))?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(JpegError::Segment(at));
        }
        let body = bytes.get(behind + 2..behind + length).ok_or(JpegError::CutOff(bytes.len()))?;
        match marker {
            // All but DHT, JPG and DAC, which lie among the frame headers.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                if info.is_some() {
                    return Err(JpegError::SecondFrame(at));
                }
                sampling = Sampling::of(body);
                info = Some(frame(marker, body, at, orientation.unwrap_or(1))?);
            }
            DRI => interval = body.first_chunk().map_or(0, |bytes| u64::from(u16::from_be_bytes(*bytes))),
            DQT if has_zero_step(body) => return Err(JpegError::Quantization(at)),
            APP1 if orientation.is_none() => {
                orientation = body.strip_prefix(b"Exif\0\0").map(|tiff| exif_orientation(tiff).unwrap_or(1));
            }
            SOS => {
                if info.is_none() {
                    return Err(JpegError::NoFrame);
                }
                if ends.len() >= limits::JPEG_SCANS {
                    return Err(JpegError::Scans);
                }
                sharpness.add(body).ok_or(JpegError::Segment(at))?;
                let start = behind + length;
                let scan = at;
                at = coded_data(bytes, start)?;
                let restarts = bytes[start..at].windows(2).filter(|two| matches!(two, [0xff, 0xd0..=0xd7]));
                let units = sampling.units(body).ok_or(JpegError::Segment(scan))?;
                // Behind the last unit stands no marker.
                let needed = units.saturating_sub(1).checked_div(interval).unwrap_or(0);
                if (restarts.count() as u64) < needed {
                    return Err(JpegError::MissingParts(scan));
                }
                ends.push(at);
                continue;
            }
            _ => {}
        }
        at = behind + length;
    }
}

/// Size of the stored image, and how the components are sampled.
#[derive(Default)]
struct Sampling {
    /// Width and height in pixels, as stored.
    size: [u64; 2],
    /// Blocks of a unit along both sides, by the component's identifier.
    factors: BTreeMap<u8, [u64; 2]>,
}

impl Sampling {
    /// From a frame header, which is checked elsewhere.
    fn of(frame: &[u8]) -> Self {
        let side =
            |at: usize| frame.get(at..at + 2).map_or(0, |b| u64::from(u16::from_be_bytes([b[0], b[1]])));
        let each = frame.get(6..).unwrap_or_default().chunks_exact(3);
        let factors = each.map(|of| (of[0], [of[1] >> 4, of[1] & 15].map(u64::from))).collect();
        Sampling { size: [side(3), side(1)], factors }
    }

    /// Units of coded data (MCUs) in a scan: blocks, if it has a single component. `None` if the scan has a component
    /// that the frame lacks, or a factor is zero.
    fn units(&self, scan: &[u8]) -> Option<u64> {
        let count = usize::from(*scan.first()?);
        let own: Vec<[u64; 2]> = scan
            .get(1..1 + 2 * count)?
            .chunks(2)
            .map(|of| self.factors.get(&of[0]).copied())
            .collect::<Option<_>>()?;
        let along = |side: usize| {
            let most = self.factors.values().map(|of| of[side]).max().filter(|most| *most > 0)?;
            Some(match own[..] {
                [of] => (self.size[side] * of[side]).div_ceil(most).div_ceil(8),
                _ => self.size[side].div_ceil(8 * most),
            })
        };
        Some(along(0)? * along(1)?)
    }
}

/// What the scans of a progressive image have given so far.
#[derive(Default)]
struct Sharpness {
    /// For each component and coefficient, the bits that are still missing (`Al`); none if no scan had the coefficient.
    missing: BTreeMap<u8, [Option<u8>; 64]>,
}

impl Sharpness {
    /// Takes the header of a scan; `None` if it is malformed.
    fn add(&mut self, scan: &[u8]) -> Option<()> {
        let (count, rest) = scan.split_first()?;
        let (each, band) = rest.split_at_checked(2 * usize::from(*count))?;
        let [first, last, bits] = *band else { return None };
        for component in each.chunks(2).map(|of| of[0]) {
            let missing = self.missing.entry(component).or_insert([None; 64]);
            missing.get_mut(usize::from(first)..=usize::from(last))?.fill(Some(bits & 15));
        }
        Some(())
    }

    /// Whether all bits of all coefficients are there.
    fn is_full(&self, sampling: &Sampling, components: u8) -> bool {
        sampling.factors.len() == usize::from(components)
            && sampling.factors.keys().all(|of| self.missing.get(of) == Some(&[Some(0); 64]))
    }
}

/// Whether a table of quantization steps has a zero: 64 steps of one byte or two behind a byte that says which.
fn has_zero_step(mut tables: &[u8]) -> bool {
    while let Some((head, rest)) = tables.split_first() {
        let width = if head >> 4 == 0 { 1 } else { 2 };
        let Some((steps, more)) = rest.split_at_checked(64 * width) else { return false };
        if steps.chunks(width).any(|step| step.iter().all(|byte| *byte == 0)) {
            return true;
        }
        tables = more;
    }
    false
}

/// The marker at `at`, which may be filled up with 0xff, and the place behind it.
fn marker(bytes: &[u8], at: usize) -> Result<(u8, usize), JpegError> {
    let cut_off = JpegError::CutOff(bytes.len());
    if *bytes.get(at).ok_or(cut_off.clone())? != 0xff {
        return Err(JpegError::NotAMarker(at));
    }
    let fill = bytes[at..].iter().take_while(|byte| **byte == 0xff).count();
    match bytes.get(at + fill) {
        None => Err(cut_off),
        Some(0) => Err(JpegError::NotAMarker(at)),
        Some(marker) => Ok((*marker, at + fill + 1)),
    }
}

/// The place of the first marker behind coded data, in which 0xff is followed by zero or by a restart marker.
fn coded_data(bytes: &[u8], mut at: usize) -> Result<usize, JpegError> {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let found = rest.iter().position(|byte| *byte == 0xff).ok_or(JpegError::CutOff(bytes.len()))?;
        at += found;
        match bytes.get(at + 1) {
            None => return Err(JpegError::CutOff(bytes.len())),
            Some(0 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            Some(_) => return Ok(at),
        }
    }
}

fn frame(marker: u8, body: &[u8], at: usize, orientation: u8) -> Result<JpegInfo, JpegError> {
    match marker {
        0xc0..=0xc2 => {}
        0xc3 => return Err(JpegError::Coding("a lossless")),
        0xc5..=0xc7 | 0xcd..=0xcf => return Err(JpegError::Coding("a hierarchical")),
        _ => return Err(JpegError::Coding("an arithmetically coded")),
    }
    let Some(([depth, h0, h1, w0, w1, components], each)) = body.split_first_chunk::<6>() else {
        return Err(JpegError::Segment(at));
    };
    if each.len() != 3 * usize::from(*components) {
        return Err(JpegError::Segment(at));
    }
    if *depth != 8 {
        return Err(JpegError::Depth(*depth));
    }
    if !matches!(components, 1 | 3) {
        return Err(JpegError::Components(*components));
    }
    let side = |bytes: [u8; 2]| u32::from(u16::from_be_bytes(bytes));
    let (stored_width, stored_height) = (side([*w0, *w1]), side([*h0, *h1]));
    // 5 to 8 are turned by a quarter.
    let (width, height) =
        if orientation >= 5 { (stored_height, stored_width) } else { (stored_width, stored_height) };
    if width == 0 || height == 0 {
        return Err(JpegError::NoPixels { width, height });
    }
    if width.max(height) > limits::IMAGE_SIDE || u64::from(width) * u64::from(height) > limits::IMAGE_PIXELS {
        return Err(JpegError::TooLarge { width, height });
    }
    Ok(JpegInfo { width, height, components: *components, progressive: marker == 0xc2, orientation })
}

/// The orientation in the first directory of a TIFF header, if there is a valid one.
fn exif_orientation(tiff: &[u8]) -> Option<u8> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes: [u8; 4] = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = long(4)? as usize;
    let entries = usize::from(short(directory)?);
    let entry = (0..entries).map(|n| directory + 2 + 12 * n).find(|at| short(*at) == Some(0x0112))?;
    // One value of type SHORT, which stands in the entry itself.
    let orientation = u8::try_from(short(entry + 8)?).ok()?;
    (short(entry + 2) == Some(3) && (1..=8).contains(&orientation)).then_some(orientation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker][..], &length, body].concat()
    }

    fn frame_of(marker: u8, depth: u8, width: u16, height: u16, components: u8) -> Vec<u8> {
        let mut body = vec![depth];
        body.extend(height.to_be_bytes());
        body.extend(width.to_be_bytes());
        body.push(components);
        (1..=components).for_each(|id| body.extend([id, 0x11, 0]));
        segment(marker, &body)
    }

    fn scan() -> Vec<u8> {
        scan_of(&[1], 0)
    }

    /// Of all coefficients of these components, without so many of their last bits.
    fn scan_of(components: &[u8], missing: u8) -> Vec<u8> {
        let each = components.iter().flat_map(|component| [*component, 0]);
        let body: Vec<u8> =
            [components.len() as u8].into_iter().chain(each).chain([0, 63, missing]).collect();
        [segment(SOS, &body), b"data\xff\0more\xff\xd0rest".to_vec()].concat()
    }

    fn exif(orientation: u16) -> Vec<u8> {
        let mut tiff = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
        tiff.extend(orientation.to_be_bytes());
        tiff.extend([0; 6]);
        segment(APP1, &tiff)
    }

    fn jpeg(parts: &[Vec<u8>]) -> Vec<u8> {
        [&[0xff, SOI][..], &parts.concat(), &[0xff, EOI]].concat()
    }

    #[test]
    fn a_whole_jpeg_says_its_upright_size_and_format() {
        let info = |parts: &[Vec<u8>]| check(&jpeg(parts)).unwrap();
        let gray = JpegInfo { width: 640, height: 480, components: 1, progressive: false, orientation: 1 };
        assert_eq!(info(&[frame_of(0xc0, 8, 640, 480, 1), scan()]), gray);
        assert_eq!(
            info(&[exif(3), frame_of(0xc0, 8, 640, 480, 1), scan()]),
            JpegInfo { orientation: 3, ..gray }
        );
        let turned = info(&[exif(6), frame_of(0xc2, 8, 640, 480, 3), scan_of(&[1, 2, 3], 0), scan()]);
        assert_eq!(
            turned,
            JpegInfo { width: 480, height: 640, components: 3, progressive: true, orientation: 6 }
        );
        // An orientation that is none, and a second Exif segment.
        for orientation in [0, 9, 256] {
            let parts = [exif(orientation), exif(6), frame_of(0xc1, 8, 640, 480, 1), scan()];
            assert_eq!(info(&parts), gray);
        }
        // Fill bytes before a marker, and whatever lies behind the end.
        let whole = jpeg(&[b"\xff\xff".to_vec(), frame_of(0xc0, 8, 640, 480, 1), scan()]);
        assert_eq!(check(&[&whole[..], b"preview"].concat()), Ok(gray));
    }

    #[test]
    fn every_way_of_being_no_jpeg_has_its_own_sentence() {
        const BLURRED: &str = "is incomplete: scans are missing, so that the picture is blurred";
        let good = || frame_of(0xc0, 8, 640, 480, 1);
        for (bytes, message) in [
            (b"\xff\xd8".to_vec(), "is not a JPEG"),
            (jpeg(&[]), "has no frame header"),
            (jpeg(&[good()]), "has no image data"),
            (jpeg(&[frame_of(0xc2, 8, 640, 480, 3), scan_of(&[1, 2], 0)]), BLURRED),
            (jpeg(&[frame_of(0xc2, 8, 640, 480, 1), scan_of(&[1], 2), scan_of(&[1], 1)]), BLURRED),
            (
                jpeg(&[segment(DQT, &[&[0][..], &[1; 63], &[0]].concat()), good(), scan()]),
                "has a quantization step of zero at byte 2",
            ),
            (jpeg(&[scan()]), "has no frame header"),
            (jpeg(&[good(), good(), scan()]), "has a second frame header at byte 15"),
            (
                jpeg(&[frame_of(0xc3, 8, 1, 1, 1), scan()]),
                "is a lossless JPEG; only baseline and progressive",
            ),
            (jpeg(&[frame_of(0xc9, 8, 1, 1, 1), scan()]), "is an arithmetically coded JPEG; only"),
            (jpeg(&[frame_of(0xc1, 12, 1, 1, 1), scan()]), "has 12 bits per sample"),
            (jpeg(&[frame_of(0xc0, 8, 1, 1, 4), scan()]), "has 4 colour components"),
            (jpeg(&[frame_of(0xc0, 8, 640, 0, 1), scan()]), "has no pixels: 640 x 0"),
            (jpeg(&[frame_of(0xc0, 8, 16_385, 1, 1), scan()]), "is too large: 16,385 x 1 pixels"),
            (jpeg(&[frame_of(0xc0, 8, 16_384, 2_049, 1), scan()]), "is too large: 16,384 x 2,049 pixels"),
            (jpeg(&[segment(0xc0, b"short"), scan()]), "has a malformed segment at byte 2"),
            (jpeg(&[vec![0xff, 0xfe, 0, 1]]), "has a malformed segment at byte 2"),
            (jpeg(&[good(), b"xx".to_vec()]), "is damaged at byte 15: no marker starts there"),
        ] {
            let found = check(&bytes).unwrap_err().to_string();
            assert!(found.starts_with(message), "{found}, not {message}");
        }
        let many = jpeg(&[good(), scan().repeat(limits::JPEG_SCANS + 1)]);
        assert_eq!(check(&many).unwrap_err().to_string(), "has more than 100 scans");
    }

    #[test]
    fn one_that_is_cut_off_anywhere_is_noticed() {
        let whole = jpeg(&[exif(1), frame_of(0xc0, 8, 640, 480, 1), scan(), scan()]);
        assert!(check(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(check(&whole[..end]).is_err(), "{end}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_check_panic(bytes: Vec<u8>, kind: u8) {
            let _ = check(&bytes);
            let _ = check(&jpeg(&[bytes.clone(), scan()]));
            let _ = check(&jpeg(&[segment(kind, &bytes), frame_of(0xc0, 8, 9, 9, 1), bytes.clone()]));
            let _ = exif_orientation(&[b"II*\0", &bytes[..]].concat());
        }
    }
}
