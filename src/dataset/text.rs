//! The text of a published file: gzipped or plain, with or without a byte order mark.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::str::Utf8Error;

use super::DatasetError;
use super::archive::Gunzip;
use crate::limits;
use crate::recognise::{FileKind, HEAD};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Decompresses `bytes` if they are gzip, removes a byte order mark, checks that they are UTF-8 and that no
/// line is longer than [`limits::TEXT_LINE`].
pub(super) fn decode<'a>(bytes: &'a [u8], path: &Path) -> Result<Cow<'a, str>, DatasetError> {
    let text = decode_up_to(limits::TEXT, bytes, path)?;
    let mut lines = (1..).zip(text.split('\n'));
    // The csv crate ends a row at a lone carriage return too.
    let long = lines.find(|(_, line)| line.split('\r').any(|part| part.len() > limits::TEXT_LINE));
    match long.map(|(line, _)| line) {
        Some(line) => Err(DatasetError::LongLine { path: path.to_owned(), line, limit: limits::TEXT_LINE }),
        None => Ok(text),
    }
}

/// The text in these bytes, with lines of any length, of UTF-8 or UTF-16; none if they are no text.
pub(super) fn of_any_lines(bytes: &[u8]) -> Option<String> {
    let utf16 = |of: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|two| of([two[0], two[1]]));
        char::decode_utf16(units).collect::<Result<String, _>>().ok()
    };
    match bytes {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        }
    }
}

fn decode_up_to<'a>(limit: u64, bytes: &'a [u8], path: &Path) -> Result<Cow<'a, str>, DatasetError> {
    let not_utf8 = |line| DatasetError::NotUtf8 { path: path.to_owned(), line };
    let too_large = || DatasetError::TooLarge { path: path.to_owned(), limit };
    if FileKind::of(head(bytes)) != FileKind::Gzip {
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
        is_text(bytes, path)?;
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|e| not_utf8(line_of(e, bytes)));
    }
    let mut unpacked = Vec::new();
    Gunzip::new(bytes)
        .take(limit + 1)
        .read_to_end(&mut unpacked)
        .map_err(|source| DatasetError::Gzip { path: path.to_owned(), source })?;
    if unpacked.len() as u64 > limit {
        return Err(too_large());
    }
    if FileKind::of(head(&unpacked)) == FileKind::Gzip {
        return Err(DatasetError::TwiceGzipped { path: path.to_owned() });
    }
    is_text(&unpacked, path)?;
    if unpacked.starts_with(BYTE_ORDER_MARK) {
        unpacked.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(unpacked).map(Cow::Owned).map_err(|e| not_utf8(line_of(e.utf8_error(), e.as_bytes())))
}

fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEAD)]
}

/// Refuses what is certainly something else. What is unknown is left to the reader, which names the line.
fn is_text(bytes: &[u8], path: &Path) -> Result<(), DatasetError> {
    let head = head(bytes);
    let found = FileKind::of(head);
    let plain = head.iter().all(|byte| *byte >= b' ' || byte.is_ascii_whitespace());
    match found {
        FileKind::Empty | FileKind::Gzip | FileKind::Other => Ok(()),
        FileKind::Utf16 => Err(DatasetError::NotText { path: path.to_owned(), found }),
        // A list may begin with a name such as `BM.png`.
        found if plain && !found.is_stand_in() => Ok(()),
        found => Err(DatasetError::NotText { path: path.to_owned(), found }),
    }
}

/// The first line that is not UTF-8, from 1.
fn line_of(error: Utf8Error, bytes: &[u8]) -> usize {
    1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(limit: u64, bytes: &[u8]) -> String {
        decode_up_to(limit, bytes, Path::new("f")).unwrap_err().to_string()
    }

    #[test]
    fn packed_and_plain_text_with_or_without_a_mark_are_the_same() {
        for bytes in [&b"a\nb"[..], b"\xef\xbb\xbfa\nb", &gzip(b"a\nb"), &gzip(b"\xef\xbb\xbfa\nb")] {
            assert_eq!(decode(bytes, Path::new("f")).unwrap(), "a\nb");
        }
    }

    #[test]
    fn text_that_is_compressed_twice_is_called_so() {
        let twice = message(4096, &gzip(&gzip(b"a,b")));
        assert_eq!(twice, "f is compressed twice: what it unpacks to is a gzip file again");
    }

    #[test]
    fn long_text_and_a_gzip_bomb_stop_at_the_limit() {
        for bytes in [&gzip(&[b'x'; 4097])[..], &[b'x'; 4097]] {
            assert_eq!(message(4096, bytes), "f contains more than 4,096 bytes of text");
            assert!(decode_up_to(4097, bytes, Path::new("f")).is_ok());
        }
        let unpacked = limits::TEXT as usize + 1;
        let error = decode(&gzip(&vec![b'\n'; unpacked]), Path::new("f")).unwrap_err();
        assert_eq!(error.to_string(), "f contains more than 134,217,728 bytes of text");
    }

    #[test]
    fn a_line_of_any_length_is_refused_and_a_file_of_short_ones_is_not() {
        let most = "x".repeat(limits::TEXT_LINE);
        for end in ["\n", "\r", "\r\n"] {
            assert!(decode(format!("{most}{end}{most}").as_bytes(), Path::new("f")).is_ok());
            let error = decode(format!("a\n{most}{end}{most}x").as_bytes(), Path::new("f")).unwrap_err();
            let line = if end == "\r" { 2 } else { 3 };
            assert_eq!(error.to_string(), format!("f, line {line} is longer than 65,536 bytes"));
        }
    }

    #[test]
    fn a_cut_off_gzip_file_is_an_error_and_not_short_text() {
        let whole = gzip(b"some text that is long enough to be cut");
        for end in 2..whole.len() {
            assert!(message(4096, &whole[..end]).contains("cut-off gzip"), "{end}");
        }
    }

    #[test]
    fn what_is_no_text_is_named_and_padding_is_read() {
        for (bytes, what) in [
            (&b"<!DOCTYPE html>\n<html>"[..], "a web page (HTML)"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
            (
                b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b\0\0\0_rels/.rels",
                "an Excel workbook",
            ),
            (b"\xff\xfeI\0m\0", "text in UTF-16"),
            (&[0; 99], "a file of zeros"),
        ] {
            let said = message(4096, bytes);
            assert!(
                said.starts_with(&format!("f is {what}")) && said.ends_with("not a CSV or text file"),
                "{said}"
            );
            assert_eq!(message(4096, &gzip(bytes)), said);
        }
        let padded = [gzip(b"a\nb"), vec![0; 512]].concat();
        assert_eq!(decode(&padded, Path::new("f")).unwrap(), "a\nb");
        assert!(message(4096, &[gzip(b"a"), b"<html>".to_vec()].concat()).contains("other data follows"));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_named_by_line() {
        for bytes in [&b"a\nb\n\xff"[..], &gzip(b"\xef\xbb\xbfa\nb\n\xff")] {
            assert_eq!(message(9, bytes), "f is not UTF-8 text: invalid bytes in line 3");
        }
    }
}
