//! What must hold of any bytes: the bodies of the fuzz targets, each a function that panics when its
//! promise is broken. `tests/hostile.rs` runs the same functions on every file of `fixtures/fuzz`.
//!
//! Checksums would keep a fuzzer out, so images and archives are also tried with theirs put right.

mod registries;

use std::collections::{BTreeSet, HashSet};
use std::io::{Read, Write};
use std::path::Path;

use reg::dataset::formats::{self, ImageFormat};
use reg::dataset::labels::LABELS;
use reg::dataset::{DatasetError, archive, boxes, lists, metadata, pixels, png, scores};
use reg::limits;
use reg::random::Stream;
use reg::records::codec::{self, CodecError};
use reg::records::{
    self, Assignment, Augmentation, Boxes, Dataset, Event, Execution, Manifest, Note, Packed, PixelHashes,
    Predictions, Record, Removal, Run, Scores, Software, Spec, Split, Study, Table, Weights, Withdrawal,
};

pub use registries::registries;

/// Images of more pixels are left to the tests of the limits: time, not memory, is short here.
const QUICK: u64 = 1 << 18;
/// Bytes of the longest message and hint: some quoted text and the list of labels or columns.
const MESSAGE: usize = 16 << 10;

/// A metadata CSV that is read says one thing of each image, and makes a manifest.
pub fn metadata(bytes: &[u8]) {
    let read = match metadata::read(bytes, path()) {
        Ok(read) => read,
        Err(error) => return can_be_shown(&error),
    };
    let mut rows = read.rows;
    assert!(!rows.is_empty());
    assert!(rows.windows(2).all(|pair| pair[0].row < pair[1].row), "rows are in the order of the file");
    for row in &rows {
        assert!(row.object.is_none() && row.bytes == 0, "an image file was not looked at");
        let last = row.labels.positives().last().expect("an image has a label");
        assert!(last < LABELS.len() && row.labels.missing().next().is_none(), "labels {:?}", row.labels);
        assert_eq!(row.patient.as_str().parse(), Ok(row.patient.clone()));
        is_a_plain_name(&row.name);
    }
    for finding in read.findings {
        is_one_line(&finding.to_string());
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let manifest = Manifest { labels: LABELS.len() as u32, rows };
    let packed = codec::pack(&manifest).expect("names are unique");
    assert!(codec::unpack::<Manifest>(&packed).is_ok_and(|back| back == manifest));
}

/// A box list that is read has boxes with an extent, and packs whatever images are there.
pub fn boxes(bytes: &[u8]) {
    let entries = match boxes::read(bytes, path()) {
        Ok(entries) => entries,
        Err(error) => return can_be_shown(&error),
    };
    for entry in &entries {
        is_a_plain_name(without_folders(&entry.image));
        assert!(entry.label < LABELS.len());
        assert!([entry.x, entry.y].iter().all(|edge| edge.is_finite() && *edge >= 0.0), "{entry:?}");
        assert!([entry.w, entry.h].iter().all(|side| side.is_finite() && *side > 0.0), "{entry:?}");
    }
    // Every other image is in the data set.
    let names: BTreeSet<&str> = entries.iter().map(|entry| without_folders(&entry.image)).collect();
    let csv =
        names.iter().step_by(2).map(|name| format!("\"{}\",Mass,0,1,1,M,PA\n", name.replace('"', "\"\"")));
    let header =
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n";
    let rows = metadata::read((header.to_owned() + &csv.collect::<String>()).as_bytes(), path());
    let manifest = Manifest { labels: 15, rows: rows.map(|read| read.rows).unwrap_or_default() };
    assert_eq!(manifest.rows.len(), names.len().div_ceil(2), "a name of one file is a name of the other");
    let found = match boxes::of_manifest(&entries, &manifest, Some(boxes::PUBLISHED_SIZE), path()) {
        Ok(found) => found,
        Err(error) => return can_be_shown(&error),
    };
    assert_eq!(found.boxes.rows.len() + found.elsewhere, entries.len());
    let packed = codec::pack(&found.boxes).expect("boxes are in order and finite");
    assert!(codec::unpack::<Boxes>(&packed).is_ok_and(|back| back == found.boxes));
}

/// An official list that is read holds names of images, each once, and is read again as the same.
pub fn lists(bytes: &[u8]) {
    let names: Vec<String> = match lists::read(bytes, path()) {
        Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
        Err(error) => return can_be_shown(&error),
    };
    names.iter().for_each(|name| is_a_plain_name(without_folders(name)));
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    // After a blank line, no first name makes the list look like another kind of file.
    let again = lists::read(format!("\n{}\n", names.join("\n")).as_bytes(), path());
    assert!(again.is_ok_and(|again| again.into_iter().map(|entry| entry.name).eq(names)));
}

/// A file of scores that is read has a finite score for each image and label, each image and label once.
pub fn scores(bytes: &[u8]) {
    let file = match scores::read(bytes, path(), &reg::dataset::labels::names(), None) {
        Ok(file) => file,
        Err(error) => return can_be_shown(&error),
    };
    file.images.iter().for_each(|name| is_a_plain_name(without_folders(name)));
    assert_eq!(file.images.iter().collect::<HashSet<_>>().len(), file.images.len());
    assert_eq!(file.rows.len(), file.images.len());
    assert!(!file.images.is_empty() && !file.labels.is_empty());
    assert!(
        file.labels.windows(2).all(|pair| pair[0] < pair[1]) && file.labels.iter().all(|l| *l < LABELS.len())
    );
    assert_eq!(file.scores.len(), file.images.len() * file.labels.len());
    assert!(file.scores.iter().all(|score| score.is_finite()));
}

/// An image that passes the check is within the limits, and its decoding ends with the pixels that its
/// header claims or with an error of the decoder; one that does not pass is not decoded.
pub fn png(bytes: &[u8]) {
    image(bytes);
    image(&with_png_checksums(bytes.to_vec()));
}

/// The same of a JPEG, which has no checksums, and of one whose end is put right.
pub fn jpeg(bytes: &[u8]) {
    image(bytes);
    let start = if bytes.starts_with(b"\xff\xd8") { &b""[..] } else { b"\xff\xd8" };
    image(&[start, bytes, b"\xff\xd9"].concat());
}

fn image(bytes: &[u8]) {
    let checked = formats::check(bytes);
    match &checked {
        Ok(info) => {
            assert!(
                (1..=limits::IMAGE_SIDE).contains(&info.width)
                    && (1..=limits::IMAGE_SIDE).contains(&info.height)
            );
            assert!(u64::from(info.width) * u64::from(info.height) <= limits::IMAGE_PIXELS);
        }
        Err(error) => is_one_line(&error.to_string()),
    }
    // Images of more pixels that are intact are left to the tests of the limits. A JPEG without EOI is not decoded.
    if checked.as_ref().is_ok_and(|info| u64::from(info.width) * u64::from(info.height) > QUICK) {
        return;
    }
    let gray = match pixels::decode(bytes) {
        Ok(gray) => gray,
        Err(error) => {
            assert_eq!(checked.is_err(), matches!(error, pixels::PixelError::Check(_)), "{error}");
            // The check has read the same headers.
            assert!(!matches!(error, pixels::PixelError::JpegSize) || is_jpeg(&checked), "{error}");
            return is_one_line(&error.to_string());
        }
    };
    assert_eq!(gray.data.len() as u64, u64::from(gray.width) * u64::from(gray.height));
    assert!(checked.is_ok_and(|info| (info.width, info.height) == (gray.width, gray.height)));
    let again = pixels::encode_png(&gray);
    assert!(png::check(&again).is_ok());
    assert!(pixels::decode(&again).is_ok_and(|back| back == gray), "what is written is what was read");
    let how =
        Augmentation { crop_area: [0.08, 1.0], crop_aspect: [0.75, 4.0 / 3.0], rotation: 7.0, flip: 0.5 };
    assert_eq!(pixels::evaluation_view(&gray, 9, 8).len(), 64);
    assert_eq!(pixels::training_view(&gray, 8, &how, &mut Stream::new("reg fuzz", 1, &[])).len(), 64);
}

/// A packed array that is read is written as the same bytes, and belongs to one kind only.
pub fn packed(bytes: &[u8]) {
    let kinds = [
        repacks::<Manifest>(bytes),
        repacks::<Boxes>(bytes),
        repacks::<Assignment>(bytes),
        repacks::<Scores>(bytes),
    ];
    assert!(kinds.iter().filter(|read| **read).count() <= 1);
    match records::packed_links(bytes) {
        Ok(links) => assert!(links.is_empty() || kinds[0], "only a manifest has links"),
        Err(error) => can_be_shown_too(&error),
    }
}

fn is_jpeg<E>(checked: &Result<formats::ImageInfo, E>) -> bool {
    checked.as_ref().is_ok_and(|info| info.format == ImageFormat::Jpeg)
}

fn repacks<T: Packed>(bytes: &[u8]) -> bool {
    match codec::unpack::<T>(bytes) {
        Ok(value) => {
            assert!(
                codec::pack(&value).is_ok_and(|again| again == bytes),
                "a {} with two spellings",
                T::KIND
            );
            true
        }
        Err(error) => {
            can_be_shown_too(&error);
            false
        }
    }
}

/// A record that is read is written as the same bytes, and belongs to one kind only, the one that it
/// names.
pub fn records(bytes: &[u8]) {
    let kinds = [
        rewrites::<Dataset>(bytes),
        rewrites::<Split>(bytes),
        rewrites::<Weights>(bytes),
        rewrites::<Software>(bytes),
        rewrites::<Spec>(bytes),
        rewrites::<Run>(bytes),
        rewrites::<Predictions>(bytes),
        rewrites::<Table>(bytes),
        rewrites::<Study>(bytes),
        rewrites::<Execution>(bytes),
        rewrites::<Withdrawal>(bytes),
        rewrites::<Note>(bytes),
        rewrites::<PixelHashes>(bytes),
        rewrites::<Removal>(bytes),
        rewrites::<Event>(bytes),
    ];
    assert_eq!(kinds.len(), records::Kind::ALL.len());
    let read: Vec<records::Kind> = kinds.into_iter().flatten().collect();
    match records::check(bytes) {
        Ok(header) => {
            assert_eq!(read, [header.kind]);
            let text = std::str::from_utf8(bytes).expect("JSON is UTF-8");
            assert!(header.links().iter().all(|link| text.contains(&link.to.to_string())));
            assert_eq!(codec::canonical(&header.document.into()), bytes);
        }
        Err(error) => {
            assert!(read.is_empty(), "{read:?}: {error}");
            can_be_shown_too(&error);
        }
    }
}

fn rewrites<T: Record>(bytes: &[u8]) -> Option<records::Kind> {
    let record = codec::decode::<T>(bytes).ok()?;
    assert!(codec::encode(&record).is_ok_and(|again| again == bytes), "a {} with two spellings", T::KIND);
    Some(T::KIND)
}

/// The images of an archive have plain names and bounded sizes; a tar file is packed first.
pub fn archives(bytes: &[u8]) {
    if bytes.starts_with(b"\x1f\x8b") {
        return members(bytes);
    }
    members(&gzip(bytes));
    members(&gzip(&with_tar_checksums(bytes.to_vec())));
}

/// An image of an archive, by its name or its first bytes.
fn member(name: &str, bytes: Vec<u8>) -> Result<(), DatasetError> {
    is_a_plain_name(name);
    assert!(!name.starts_with('.'), "{name}");
    assert!(bytes.len() as u64 <= limits::IMAGE_FILE);
    Ok(())
}

fn members(packed: &[u8]) {
    match archive::read_from(packed, path(), &member) {
        Ok(archived) => {
            assert!(!archived.images.is_empty() && archived.unwanted.is_empty());
            archived.remarks.sentences().iter().for_each(|sentence| is_one_line(sentence));
            // Padding behind the compressed data is not part of it.
            let end = packed.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let mut whole = Vec::new();
            let ends = (end..=packed.len().min(end + 8)).any(|end| {
                whole.clear();
                flate2::bufread::MultiGzDecoder::new(&packed[..end]).read_to_end(&mut whole).is_ok()
            });
            assert!(ends, "an archive that is cut off or damaged is an error");
        }
        Err(error) => can_be_shown(&error),
    }
}

/// The images of a zip archive have plain names and bounded sizes, and as many bytes as the archive lists.
pub fn zips(bytes: &[u8]) {
    match archive::read_zip(bytes, path(), &member) {
        Ok(archived) => {
            assert!(!archived.images.is_empty() && archived.unwanted.is_empty());
            archived.remarks.sentences().iter().for_each(|sentence| is_one_line(sentence));
        }
        Err(error) => can_be_shown(&error),
    }
}

/// A tar archive that is plain, or packed with xz or Zstandard: the same as one that is packed with gzip.
pub fn tars(bytes: &[u8]) {
    for bytes in [bytes, &with_tar_checksums(bytes.to_vec())] {
        match archive::read_from(bytes, path(), &member) {
            Ok(archived) => assert!(!archived.images.is_empty()),
            Err(error) => can_be_shown(&error),
        }
    }
}

fn path() -> &'static Path {
    Path::new("f")
}

/// A folder may stand before the name of an image, in lists that other programs wrote.
fn without_folders(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

fn is_a_plain_name(name: &str) {
    assert!(!matches!(name, "" | "." | "..") && name.len() <= 255, "{name:?}");
    assert!(!name.contains(|c: char| c == '/' || c == '\\' || c.is_control()), "{name:?}");
    assert_eq!(Path::new(name).file_name(), Some(name.as_ref()), "it leads nowhere else");
}

fn can_be_shown(error: &DatasetError) {
    is_one_line(&error.to_string());
    error.hint().iter().for_each(|hint| is_one_line(hint));
}

fn can_be_shown_too(error: &CodecError) {
    is_one_line(&error.to_string());
}

/// What a stranger wrote must not fill a terminal or steer it.
fn is_one_line(message: &str) {
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(message.len() <= MESSAGE, "{} bytes: {:.99}", message.len(), message);
}

/// Puts the checksum of every chunk right.
fn with_png_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        let end = at + 8 + length;
        if bytes.len() < end + 4 {
            break;
        }
        let crc = crc32fast::hash(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&crc.to_be_bytes());
        at = end + 4;
    }
    bytes
}

/// Puts the checksum of every block that looks like a header right.
fn with_tar_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(bytes).expect("memory takes every byte");
    encoder.finish().expect("memory takes every byte")
}
