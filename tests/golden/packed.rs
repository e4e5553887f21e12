//! Bytes that are not packed arrays are refused, and no bytes make the reader panic or allocate without bound.

use std::fs;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use reg::records::codec::{self, CodecError};
use reg::records::{Assignment, Boxes, ImageRow, LabelValues, Manifest, Packed, PixelDigests, Scores};

use super::{golden, values};

const ARRAYS: [&str; 6] =
    ["manifest.bin", "manifest-metadata-only.bin", "boxes.bin", "assignment.bin", "scores.bin", "pixels.bin"];

/// Why bytes are not an array of the kind of a golden file; none if they are.
fn refusal(file: &str, bytes: &[u8]) -> Option<CodecError> {
    match file {
        "boxes.bin" => codec::unpack::<Boxes>(bytes).err(),
        "assignment.bin" => codec::unpack::<Assignment>(bytes).err(),
        "scores.bin" => codec::unpack::<Scores>(bytes).err(),
        "pixels.bin" => codec::unpack::<PixelDigests>(bytes).err(),
        _ => codec::unpack::<Manifest>(bytes).err(),
    }
}

#[test]
fn one_byte_more_or_less_is_refused() {
    for file in ARRAYS {
        let bytes = fs::read(golden(file)).unwrap();
        assert!(refusal(file, &bytes).is_none());
        for cut in 0..bytes.len() {
            assert!(refusal(file, &bytes[..cut]).is_some(), "{file} cut to {cut} bytes");
        }
        let error = refusal(file, &[bytes.as_slice(), &[0]].concat()).unwrap().to_string();
        assert!(error.contains("1 byte too many"), "{file}: {error}");
    }
}

#[test]
fn other_letters_and_other_versions_are_refused() {
    for file in ARRAYS {
        let bytes = fs::read(golden(file)).unwrap();
        for at in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(matches!(refusal(file, &other), Some(CodecError::Packed { .. })), "{file} {at}");
        }
        let with_version = |version: u32| [&bytes[..8], &version.to_le_bytes(), &bytes[12..]].concat();
        let own = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
        for newer in [own + 1, 0x0100_0001] {
            let error = refusal(file, &with_version(newer)).unwrap();
            assert!(
                matches!(error, CodecError::Version { found, known, .. } if (found, known) == (newer.into(), own)),
                "{file}: {error}"
            );
        }
        for older in 1..own {
            let error = refusal(file, &with_version(older)).unwrap();
            assert!(matches!(error, CodecError::OlderFormat { found: 1, .. }), "{file}: {error}");
            assert!(error.to_string().contains("is of an older format"), "{error}");
        }
        // Two spellings of one value would be two objects.
        assert!(matches!(refusal(file, &with_version(0)), Some(CodecError::Packed { .. })), "{file}");
    }
}

/// Peak size of this process's address space, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
#[cfg(target_os = "linux")]
fn a_huge_claimed_length_is_refused_without_allocating_it() {
    let before = peak();
    for file in ARRAYS {
        let bytes = fs::read(golden(file)).unwrap();
        for length in [u64::MAX, 1 << 40, 3 << 30] {
            // A manifest begins with its number of labels.
            let list = if file.starts_with("manifest") { 16 } else { 12 };
            let claiming = [&bytes[..list], &length.to_le_bytes(), &bytes[list + 8..]].concat();
            assert!(refusal(file, &claiming).is_some(), "{file}: {length}");
            // At every other offset too, since names, folds and scores have lengths of their own.
            for at in 12..bytes.len() - 8 {
                let claiming = [&bytes[..at], &length.to_le_bytes(), &bytes[at + 8..]].concat();
                let _ = refusal(file, &claiming);
            }
        }
    }
    // Other tests run at the same time and need some memory.
    assert!(peak() - before < 1 << 30, "{} more bytes", peak() - before);
}

#[test]
fn values_that_break_the_rules_are_neither_written_nor_read() {
    let scores = values::scores;
    for wrong in [
        Scores { rows: vec![1, 1], ..scores() },
        Scores { rows: vec![1, 0], ..scores() },
        Scores { rows: vec![0], ..scores() },
        Scores { labels: u32::MAX, ..scores() },
        Scores { rows: vec![], labels: 0, scores: vec![] },
        Scores { scores: vec![f64::NAN; 6], ..scores() },
        Scores { scores: vec![f64::NEG_INFINITY; 6], ..scores() },
    ] {
        refuses(&wrong);
    }
    refuses(&Assignment { folds: vec![vec![0], vec![0, 0]] });
    refuses(&Assignment { folds: vec![vec![4]] });

    let [first, second]: [ImageRow; 2] = values::manifest().rows.try_into().unwrap();
    let manifest = |rows| Manifest { labels: 3, rows };
    refuses(&manifest(vec![second.clone(), first.clone()]));
    refuses(&manifest(vec![first.clone(), first.clone()]));
    refuses(&manifest(vec![ImageRow { object: None, ..first.clone() }]));
    refuses(&Manifest { labels: 0, rows: vec![first.clone()] });
    refuses(&Manifest { labels: 513, rows: vec![first.clone()] });
    // The second label is positive, but there is only one label.
    refuses(&Manifest { labels: 1, rows: vec![first.clone()] });
    for name in ["", "..", "/etc/passwd", "../../.bashrc", "a/b.png", "a\\b.png", "a\nb.png"] {
        let plain = codec::pack(&manifest(vec![first.clone()])).unwrap();
        let written = |name: &str| [&(name.len() as u64).to_le_bytes(), name.as_bytes()].concat();
        let at = plain.windows(8 + first.name.len()).position(|here| here == written(&first.name)).unwrap();
        let behind = &plain[at + 8 + first.name.len()..];
        let forged = [&plain[..at], &written(name), behind].concat();
        let error = codec::unpack::<Manifest>(&forged).unwrap_err().to_string();
        assert!(
            error.contains("is not the name of an image: it must be a plain file name"),
            "{name}: {error}"
        );
    }

    let boxes: Boxes = codec::unpack(&fs::read(golden("boxes.bin")).unwrap()).unwrap();
    refuses(&Boxes { rows: boxes.rows.iter().rev().cloned().collect() });
    let mut infinite = boxes;
    infinite.rows[0].w = f64::INFINITY;
    refuses(&infinite);
}

#[test]
fn labels_and_patients_that_break_the_rules_are_not_read() {
    let bytes = fs::read(golden("manifest-metadata-only.bin")).unwrap();
    let refused = |bytes: &[u8], why: &str| {
        let error = codec::unpack::<Manifest>(bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    let patient = bytes.windows(6).position(|text| text == "p10-\u{3b1}".as_bytes()).unwrap();
    for text in [&b" 10-xy"[..], b"p10-x\n", b"p10-x ", b"000013", b"\xff10-xy"] {
        let mut other = bytes.clone();
        other[patient..patient + 6].copy_from_slice(text);
        assert!(codec::unpack::<Manifest>(&other).is_err(), "{text:?}");
    }
    let empty = [&bytes[..patient - 8], &[0; 8], &bytes[patient + 6..]].concat();
    refused(&empty, "is not a patient");
    // Two words of positive labels and two of missing ones, each list after its length.
    let (positive, missing) = (bytes.len() - 40, bytes.len() - 16);
    let with = |at: usize, word: u64| [&bytes[..at], &word.to_le_bytes(), &bytes[at + 8..]].concat();
    refused(&with(positive, 0b10), "has label 1 both as positive and as missing");
    refused(&with(positive + 8, 0b100), "has label 66, but there are 66");
    refused(&with(missing + 8, 0b1000), "has label 67, but there are 66");
    refused(&with(missing, 0), "no label is missing");
    refused(&with(missing - 8, 1), "words of positive labels");
    refused(&with(positive - 8, 1), "words of positive labels");
    let fewer = [&bytes[..12], &1u32.to_le_bytes(), &bytes[16..]].concat();
    refused(&fewer, "2 words of positive labels");
}

/// A kind without its check, as another program might write it.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Unchecked<T>(T);

impl<T: Packed> Packed for Unchecked<T> {
    const KIND: &'static str = T::KIND;
    const VERSION: u32 = T::VERSION;
    const MAGIC: &'static [u8; 8] = T::MAGIC;
}

fn refuses<T: Packed + Clone + std::fmt::Debug>(value: &T) {
    assert!(matches!(codec::pack(value), Err(CodecError::Packed { .. })), "{value:?} is written");
    let bytes = codec::pack(&Unchecked(value.clone())).unwrap();
    assert!(matches!(codec::unpack::<T>(&bytes), Err(CodecError::Packed { .. })), "{value:?} is read");
}

/// Rows of arbitrary patients and studies, with this number of labels.
fn rows(labels: usize) -> impl Strategy<Value = Vec<ImageRow>> {
    let text = "[ -~α-ω]{1,20}".prop_filter("plain text", |text| text.trim() == text && !text.is_empty());
    let row = (
        text.clone(),
        proptest::option::of(text),
        proptest::option::of(any::<u32>()),
        proptest::option::of(any::<i32>()),
        vec(proptest::option::weighted(0.9, any::<bool>()), labels),
    );
    vec(row, 0..12).prop_map(|rows| {
        let first = values::manifest().rows.remove(0);
        let row = |(place, (patient, study, follow_up, age, labels)): (
            usize,
            (String, Option<String>, _, _, Vec<_>),
        )| ImageRow {
            name: format!("{place:03}.png").parse().unwrap(),
            patient: patient.parse().unwrap(),
            study: study.map(|study| study.parse().unwrap()),
            follow_up,
            age,
            labels: LabelValues::of(&labels),
            ..first.clone()
        };
        rows.into_iter().enumerate().map(row).collect()
    })
}

proptest! {
    #[test]
    fn manifests_come_back_as_they_were(
        (labels, rows) in prop_oneof![Just(1usize), Just(15), Just(64), Just(65), Just(128), Just(300), Just(512)]
            .prop_flat_map(|labels| (Just(labels), rows(labels))),
    ) {
        let value = Manifest { labels: labels as u32, rows };
        let bytes = codec::pack(&value).unwrap();
        let back: Manifest = codec::unpack(&bytes).unwrap();
        prop_assert_eq!(codec::pack(&back).unwrap(), bytes);
        prop_assert_eq!(back, value);
    }

    #[test]
    fn scores_come_back_as_they_were(
        rows in btree_set(any::<u32>(), 0..40),
        labels in 1u32..5,
        resamples in vec(proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO, 160),
    ) {
        let rows: Vec<u32> = rows.into_iter().collect();
        let scores = resamples[..rows.len() * labels as usize].to_vec();
        let value = Scores { rows, labels, scores };
        let bytes = codec::pack(&value).unwrap();
        prop_assert_eq!(bytes.len(), 12 + 8 + 4 * value.rows.len() + 4 + 8 + 8 * value.scores.len());
        let back: Scores = codec::unpack(&bytes).unwrap();
        // Bits, so that a zero keeps its sign.
        let bits = |scores: &Scores| scores.scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&back), bits(&value));
        prop_assert_eq!(back, value);
    }

    #[test]
    fn assignments_come_back_as_they_were(folds in 0usize..5, codes in vec(0u8..4, 0..50)) {
        let value = Assignment { folds: vec![codes; folds] };
        prop_assert_eq!(codec::unpack::<Assignment>(&codec::pack(&value).unwrap()).unwrap(), value);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(body: Vec<u8>, at in 0usize..400, byte: u8) {
        for (file, golden) in values::BYTES.iter().filter(|(file, _)| ARRAYS.contains(file)) {
            let _ = refusal(file, &body);
            let _ = refusal(file, &[&golden[..12], &body].concat());
            let mut changed = golden.clone();
            if let Some(place) = changed.get_mut(at) {
                *place = byte;
            }
            // Every array that is read is written back as the same bytes: no value has two spellings.
            let again = match *file {
                "boxes.bin" => codec::unpack::<Boxes>(&changed).and_then(|value| codec::pack(&value)),
                "assignment.bin" => codec::unpack::<Assignment>(&changed).and_then(|value| codec::pack(&value)),
                "scores.bin" => codec::unpack::<Scores>(&changed).and_then(|value| codec::pack(&value)),
                "pixels.bin" => codec::unpack::<PixelDigests>(&changed).and_then(|value| codec::pack(&value)),
                _ => codec::unpack::<Manifest>(&changed).and_then(|value| codec::pack(&value)),
            };
            if let Ok(again) = again {
                prop_assert_eq!(again, changed);
            }
        }
    }
}
