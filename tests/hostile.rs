//! Hostile input: inputs that the fuzzer found, the limits at which bombs are stopped, and names that are not UTF-8.
//!
//! The fuzz targets run here on every file of `fixtures/fuzz`, so that the defects which were found stay fixed under
//! plain `cargo test`. The limits of a single reader are tested next to the reader, in `src/`; tests that need the
//! whole program, or an input too large for a file, are here.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are another crate")]
mod bodies;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flate2::write::{GzEncoder, ZlibEncoder};
use reg::dataset::{DatasetError, archive, pixels};
use reg::limits;
use reg::records::codec::{self, CodecError};
use reg::records::{self, Event};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a target's body on its corpus.
fn replay(target: &str, body: fn(&[u8])) {
    let corpus = root().join("fixtures/fuzz").join(target);
    let files: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 5, "{target} has a corpus");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let held = std::panic::catch_unwind(|| body(&bytes));
        assert!(held.is_ok(), "{} breaks what `{target}` promises", file.display());
    }
}

#[test]
fn metadata_means_one_thing_or_is_refused() {
    replay("metadata", bodies::metadata);
}

#[test]
fn boxes_mean_one_thing_or_are_refused() {
    replay("boxes", bodies::boxes);
}

#[test]
fn lists_mean_one_thing_or_are_refused() {
    replay("lists", bodies::lists);
}

#[test]
fn scores_mean_one_thing_or_are_refused() {
    replay("scores", bodies::scores);
}

#[test]
fn images_are_decoded_within_their_limits_or_refused() {
    replay("png", bodies::png);
}

#[test]
fn jpegs_are_decoded_within_their_limits_or_refused() {
    replay("jpeg", bodies::jpeg);
}

#[test]
fn zip_archives_yield_plain_names_or_are_refused() {
    replay("zips", bodies::zips);
}

#[test]
fn tar_archives_of_every_packing_yield_plain_names_or_are_refused() {
    replay("tars", bodies::tars);
}

#[test]
fn packed_arrays_have_one_spelling_or_are_refused() {
    replay("packed", bodies::packed);
}

#[test]
fn records_have_one_spelling_or_are_refused() {
    replay("records", bodies::records);
}

#[test]
fn registries_that_lie_are_read_without_a_panic() {
    replay("registries", bodies::registries);
}

#[test]
fn archives_yield_plain_names_or_are_refused() {
    replay("archives", bodies::archives);
}

#[test]
fn every_corpus_belongs_to_a_target_and_is_small() {
    for entry in fs::read_dir(root().join("fixtures/fuzz")).unwrap() {
        let corpus = entry.unwrap().path();
        let target = corpus.file_name().unwrap().to_str().unwrap();
        assert!(root().join(format!("fuzz/fuzz_targets/{target}.rs")).is_file(), "{target}");
        let sizes = fs::read_dir(&corpus).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
        let sizes: Vec<u64> = sizes.collect();
        assert!(sizes.len() <= 320 && sizes.iter().sum::<u64>() <= 300 << 10, "{target}: {}", sizes.len());
    }
}

/// Reads an archive as far as possible: returns the members that were read, and the error.
fn archive_error(packed: impl Read) -> (u64, String) {
    struct Counted<R>(R, u64);
    impl<R: Read> Read for Counted<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.0.read(buffer)?;
            self.1 += n as u64;
            Ok(n)
        }
    }
    let mut packed = Counted(packed, 0);
    let error = archive::read_from(&mut packed, Path::new("f"), &|_: &str, _| Ok::<(), DatasetError>(()))
        .unwrap_err();
    (packed.1, error.to_string())
}

/// A tar header of any kind and claimed size.
fn header(name: &str, kind: tar::EntryType, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Packs `bytes`, followed by this number of mebibytes of `filler`.
fn gzip(bytes: &[u8], filler: u8, mebibytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    for _ in 0..mebibytes {
        encoder.write_all(&[filler; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn an_archive_of_nothing_but_zeros_is_not_read_to_its_end() {
    // Half a mebibyte of gzip that unpacks to 100 MiB.
    let bomb = gzip(&[], 0, 100);
    let (read, error) = archive_error(&bomb[..]);
    assert_eq!(error, "f has more than 1,048,576 bytes before, between or after its members");
    assert!(read < bomb.len() as u64 / 10, "{read} of {} bytes were read", bomb.len());
}

#[test]
fn an_archive_that_unpacks_to_far_more_than_its_size_is_refused() {
    use tar::EntryType::Regular;
    // A member that is skipped and one that is an image: each within the limit of a member.
    for name in ["README.txt", "a.png"] {
        let member = |at: usize| header(&name.replacen('a', &format!("a{at}"), 1), Regular, 40 << 20);
        let packed: Vec<u8> = (0..3).flat_map(|at| gzip(&member(at), 0, 40)).collect();
        let (_, error) = archive_error(&packed[..]);
        assert_eq!(error, "f unpacks to more than 50 times its size", "{name}");
    }
}

#[test]
fn a_name_in_an_archive_takes_no_more_memory_than_a_name_may() {
    use tar::EntryType;
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        for size in [8 << 20, 8 << 30, (1 << 33) - 1] {
            let (_, error) = archive_error(&gzip(&header("name", kind, size), b'a', 8)[..]);
            assert_eq!(
                error, "f has more than 1,048,576 bytes before, between or after its members",
                "{kind:?}"
            );
        }
    }
}

#[test]
fn a_member_of_any_kind_that_is_too_large_is_refused_unread() {
    use tar::EntryType::{Continuous, Directory, Regular, XGlobalHeader};
    for (name, kind) in
        [("a.png", Regular), ("README", Regular), ("d", Directory), ("c", Continuous), ("g", XGlobalHeader)]
    {
        let (_, error) = archive_error(&gzip(&header(name, kind, limits::IMAGE_FILE + 1), 0, 0)[..]);
        assert_eq!(error, format!("f contains {name:?}, which is larger than 64 MiB"));
    }
}

#[test]
fn an_archive_of_more_members_than_are_read_is_refused() {
    let member = header("README", tar::EntryType::Regular, 0);
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::none());
    // Stored, so that the ratio is not exceeded.
    for _ in 0..=limits::ARCHIVE_MEMBERS {
        encoder.write_all(&member).unwrap();
    }
    let (_, error) = archive_error(&encoder.finish().unwrap()[..]);
    assert_eq!(error, "f has more than 250,000 members");
}

#[test]
fn a_record_is_nested_at_most_127_deep_and_has_at_most_16_mebibytes() {
    let nested = |depth: usize| {
        let document =
            format!("{{\"a\":{}{},\"kind\":\"event\",\"version\":1}}", "[".repeat(depth), "]".repeat(depth));
        records::check(document.as_bytes()).err().unwrap()
    };
    // The document itself is one level.
    assert!(matches!(nested(126), CodecError::Shape { .. }));
    for depth in [127, 1 << 20] {
        assert!(nested(depth).to_string().starts_with("not a record: recursion limit exceeded"));
    }

    let event = |length: usize| {
        let (time, command) = ("2026-11-05T08:30:00Z".to_owned(), "x".repeat(length));
        codec::encode(&Event { seq: 1, prev: None, time, command, names: Vec::new() })
    };
    let around = event(0).unwrap().len();
    let longest = event(limits::RECORD as usize - around).unwrap();
    assert_eq!(longest.len() as u64, limits::RECORD);
    assert!(records::check(&longest).is_ok());
    let longer = [&longest[..], b" "].concat();
    for refused in [event(limits::RECORD as usize - around + 1).err(), records::check(&longer).err()] {
        assert_eq!(refused.unwrap().to_string(), "not a record: it is longer than 16,777,216 bytes");
    }
}

#[test]
fn what_a_record_says_fills_no_terminal() {
    let kind = "\\u001b[2J\u{202e}".repeat(10_000);
    let poem = format!("{{\"kind\":\"{kind}\",\"version\":1}}");
    let event = format!("{{\"{kind}\":1,\"kind\":\"event\",\"version\":1}}");
    for record in [poem, event] {
        let said = records::check(record.as_bytes()).err().unwrap().to_string();
        assert!(said.len() < 9_000 && said.ends_with('…'), "{} bytes: {said:.300}", said.len());
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:.300}");
    }
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
    bytes.extend(kind);
    bytes.extend(body);
    let crc = crc32fast::hash(&bytes[4..]);
    bytes.extend(crc.to_be_bytes());
    bytes
}

/// Bits a sample and colour type.
const GREY: [u8; 2] = [8, 0];
const DEEP_COLOUR: [u8; 2] = [16, 6];

/// A square image of this side, with other chunks before its data.
fn image(side: u32, format: [u8; 2], before: &[u8], pixels: &[u8]) -> Vec<u8> {
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &format, &[0, 0, 0]].concat();
    let data = chunk(b"IDAT", pixels);
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), before, &data, &chunk(b"IEND", b"")].concat()
}

/// This number of mebibytes of zeros, packed.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..mebibytes {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}

/// Limit of `reg`'s address space, in KiB: less than the unpacked size of any bomb below, and enough for two threads
/// that each decode the largest image.
const MEMORY: &str = "1000000";
/// Unpacked size of a bomb.
const MEBIBYTES: usize = 1 << 10;

/// `reg` in a folder, with two threads and at most [`MEMORY`].
fn reg(folder: &Path, arguments: &[&OsStr]) -> Output {
    let mut command = Command::new("sh");
    let limit = if cfg!(target_os = "linux") { MEMORY } else { "unlimited" };
    command.args(["-c", &format!("ulimit -v {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_reg")]);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RAYON_NUM_THREADS", "2");
    command.output().unwrap()
}

/// The arguments in a text; none of them contains a space.
fn words(text: &str) -> Vec<&OsStr> {
    text.split_whitespace().map(OsStr::new).collect()
}

/// Runs `reg`, which must report the problem in one sentence and must not panic.
fn refused(folder: &Path, code: i32, arguments: &[&OsStr]) -> String {
    let output = reg(folder, arguments);
    let said = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {:?} {said}", output.status);
    assert!(!said.contains("panicked") && !said.is_empty(), "{arguments:?}: {said}");
    said
}

const METADATA: &str = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n\
    a.png,Mass,0,1,50,M,PA\nb.png,Mass,0,2,50,F,PA\n";

/// A registry, and `data.csv` for two images next to it.
fn study() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert!(reg(folder.path(), &words("init")).status.success());
    fs::write(folder.path().join("data.csv"), METADATA).unwrap();
    folder
}

#[test]
fn images_that_unpack_to_far_more_than_they_are_take_no_memory() {
    let folder = study();
    let good = pixels::encode_png(&pixels::Gray { width: 4, height: 4, data: vec![7; 16] });
    let (some, many) = (zeros(1), zeros(MEBIBYTES));
    let profile = chunk(b"iCCP", &[&b"p\0\0"[..], &many].concat());
    let text = chunk(b"zTXt", &[&b"Comment\0\0"[..], &many].concat());
    for (bytes, reason) in [
        (image(60_000, GREY, b"", &some), Some("is too large: 60,000 x 60,000 pixels")),
        (image(5_793, GREY, b"", &some), Some("is too large: 5,793 x 5,793 pixels")),
        (image(5_792, DEEP_COLOUR, b"", &some), Some("not a readable")),
        (image(4, GREY, &profile, &some), None),
        (image(4, GREY, &text, &some), None),
        (image(4, GREY, b"", &many), None),
    ] {
        fs::create_dir_all(folder.path().join("images")).unwrap();
        // Two at once, because two threads read.
        for name in ["a.png", "b.png"] {
            fs::write(folder.path().join("images").join(name), &bytes).unwrap();
        }
        let ingest = words("ingest images --metadata data.csv --check full");
        match reason {
            Some(reason) => {
                let said = refused(folder.path(), 1, &ingest);
                assert!(said.contains(reason) && said.contains("a.png"), "{said}");
            }
            // Data next to or after the pixels is not part of the image: it is refused or ignored, but never unpacked.
            None => {
                let output = reg(folder.path(), &ingest);
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
                assert!(output.status.success() || said.contains("not a readable"), "{said}");
            }
        }
    }
    for name in ["a.png", "b.png"] {
        fs::write(folder.path().join("images").join(name), &good).unwrap();
    }
    assert!(reg(folder.path(), &words("ingest images --metadata data.csv --check full")).status.success());
}

#[test]
fn text_that_unpacks_to_far_more_than_it_is_takes_no_memory() {
    let folder = study();
    for (name, bytes, reason) in [
        (
            "zeros.csv",
            gzip(METADATA.as_bytes(), b'\n', MEBIBYTES),
            "contains more than 134,217,728 bytes of text",
        ),
        ("field.csv", gzip(METADATA.as_bytes(), b'x', 100), "line 4 is longer than 65,536 bytes"),
        (
            "columns.csv",
            gzip(METADATA.trim_end().as_bytes(), b',', 100),
            "line 3 is longer than 65,536 bytes",
        ),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let said = refused(folder.path(), 1, &words(&format!("ingest --metadata-only --metadata {name}")));
        assert!(said.contains(reason), "{said}");
    }
    let mut rows = METADATA.to_owned();
    rows.extend((0..1_000_000).map(|row| format!("{row}.png,Mass,0,1,,,\n")));
    fs::write(folder.path().join("rows.csv"), rows).unwrap();
    let said = refused(folder.path(), 1, &words("ingest --metadata-only --metadata rows.csv"));
    assert!(said.contains("rows.csv has more than 1,000,000 rows"), "{said}");
}

#[test]
fn what_a_file_says_fills_no_terminal() {
    let folder = study();
    let label = format!("{METADATA}c.png,{},0,1,50,M,PA\n", "\u{1b}[2JMas".repeat(8_000));
    let columns = format!("{}\n", "a column,".repeat(7_000));
    for (text, code) in [(label, 1), (columns, 1)] {
        fs::write(folder.path().join("long.csv"), text).unwrap();
        let said = refused(folder.path(), code, &words("ingest --metadata-only --metadata long.csv"));
        assert!(said.len() < 2_000 && !said.contains('\u{1b}'), "{} bytes: {said:.300}", said.len());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_list_without_an_end_is_read_up_to_the_limit() {
    let folder = study();
    assert!(
        reg(folder.path(), &words("ingest --metadata-only --metadata data.csv --name d")).status.success()
    );
    let import = words("split import d --train-val /dev/zero --test /dev/zero");
    let said = refused(folder.path(), 1, &import);
    assert!(said.contains("/dev/zero contains more than 134,217,728 bytes of text"), "{said}");
}

#[cfg(target_os = "linux")]
mod other_bytes {
    //! Names that are not UTF-8: on the command line, in folders, in archives.

    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn odd() -> &'static OsStr {
        OsStr::from_bytes(b"\xff")
    }

    #[test]
    fn arguments_that_are_no_text_are_errors_and_paths_may_be() {
        let folder = study();
        for (before, code) in [
            ("ingest --metadata data.csv", 1),
            ("ingest --metadata-only --metadata", 1),
            ("ingest images --metadata data.csv --boxes", 1),
            ("ingest --metadata-only --metadata data.csv --name", 2),
            ("show", 2),
            // What may be a file.
            ("trace", 1),
            ("study status", 1),
            ("report -o report.html", 1),
            ("pull", 1),
            // What else is missing is looked for among all arguments.
            ("train --model", 2),
            ("tag", 2),
            ("--registry", 2),
            ("", 2),
        ] {
            refused(folder.path(), code, &[words(before), vec![odd()]].concat());
        }
        // A folder and a metadata file may have such a name.
        let images = folder.path().join(odd());
        fs::create_dir(&images).unwrap();
        for name in ["a.png", "b.png"] {
            fs::write(images.join(name), image(1, GREY, b"", &zeros(0))).unwrap();
        }
        fs::copy(folder.path().join("data.csv"), folder.path().join(OsStr::from_bytes(b"\xfe.csv"))).unwrap();
        let ingest = [words("ingest --metadata"), vec![OsStr::from_bytes(b"\xfe.csv"), odd()]].concat();
        let output = reg(folder.path(), &ingest);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn an_image_whose_name_is_no_text_is_an_error() {
        let folder = study();
        let images = folder.path().join("images");
        fs::create_dir(&images).unwrap();
        fs::write(images.join(OsStr::from_bytes(b"\xff.png")), b"").unwrap();
        let said = refused(folder.path(), 1, &words("ingest images --metadata data.csv"));
        assert!(said.contains("images/\u{fffd}.png is not UTF-8"), "{said}");
    }

    #[test]
    fn members_of_an_archive_whose_names_are_no_text_are_errors() {
        let folder = study();
        let long = [b"long".repeat(40), b"/\xff.png".to_vec()].concat();
        for name in [&b"\xff.png"[..], b"images/\xff.png", b"\xff/a.png", &long] {
            let mut builder = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            builder.append_data(&mut header, OsStr::from_bytes(name), io::empty()).unwrap();
            let packed = gzip(&builder.into_inner().unwrap(), 0, 0);
            fs::write(folder.path().join("images.tar.gz"), packed).unwrap();
            let said = refused(folder.path(), 1, &words("ingest images.tar.gz --metadata data.csv"));
            assert!(said.contains("which is not a plain file name"), "{said}");
        }
    }
}
