//! What a file is by its first bytes, whatever its name says: an archive, an image, weights, or what lies there instead
//! when a download or a checkout went wrong (a web page, a pointer of Git LFS or git-annex, zeros).
//!
//! Messages about a file that cannot be read begin here, so that the reason is the true one. Nothing is opened or
//! decoded; the bytes are those that the caller has read.

use std::path::Path;

use crate::escape::shell_os;

/// Number of bytes that [`FileKind::of`] wants; a shorter file has fewer.
pub const HEAD: usize = 1024;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// No bytes.
    Empty,
    /// Nothing but zeros so far: a download that reserved its space and was never written.
    Zeros,
    /// A gzip stream, whatever is in it.
    Gzip,
    /// An xz stream.
    Xz,
    /// A Zstandard stream.
    Zstd,
    /// A bzip2 stream.
    Bzip2,
    /// A tar archive that is not compressed.
    Tar,
    /// A zip archive of no known kind.
    Zip,
    /// What `torch.save` writes since PyTorch 1.6: a zip archive with a pickle in it.
    TorchZip,
    /// An Excel workbook or another Office document: a zip archive, too.
    Xlsx,
    /// What `numpy.savez` writes: a zip archive of arrays.
    Npz,
    /// An old Excel workbook (`.xls`) or another OLE document.
    Xls,
    /// A 7-Zip archive.
    SevenZip,
    /// A RAR archive.
    Rar,
    /// A web page: an expired link, a sign-in, an error of the server.
    Html,
    /// XML of another kind, such as an error of an object store.
    Xml,
    /// What Git LFS leaves in the place of a file that was not fetched.
    LfsPointer,
    /// What git-annex leaves in the place of a file that was not fetched.
    AnnexPointer,
    /// A Python pickle of protocol 0 to 5, also what `torch.save` wrote before PyTorch 1.6.
    Pickle,
    /// Weights in the format safetensors.
    Safetensors,
    /// An array of NumPy.
    Npy,
    /// A file of HDF5, such as Keras' weights.
    Hdf5,
    /// A network in the format ONNX.
    Onnx,
    /// A network of TensorFlow Lite.
    Tflite,
    /// Weights in the format GGUF.
    Gguf,
    /// A Parquet table.
    Parquet,
    /// A PNG image.
    Png,
    /// A JPEG image.
    Jpeg,
    /// A DICOM image.
    Dicom,
    /// A GIF image.
    Gif,
    /// A BMP image.
    Bmp,
    /// A TIFF image.
    Tiff,
    /// A WebP image.
    Webp,
    /// A JPEG 2000 image.
    Jpeg2000,
    /// A NIfTI volume.
    Nifti,
    /// A PDF document.
    Pdf,
    /// Text in UTF-16.
    Utf16,
    /// A JSON document, such as an error of a server.
    Json,
    /// Other text in UTF-8.
    Text,
    /// Anything else.
    Other,
}

/// The rest begins with a kind's first bytes.
const BEGINNINGS: &[(&[u8], FileKind)] = &[
    (b"\x1f\x8b", FileKind::Gzip),
    (b"\xfd7zXZ\0", FileKind::Xz),
    (b"\x28\xb5\x2f\xfd", FileKind::Zstd),
    (b"BZh", FileKind::Bzip2),
    (b"7z\xbc\xaf\x27\x1c", FileKind::SevenZip),
    (b"Rar!\x1a\x07", FileKind::Rar),
    (b"\x89PNG", FileKind::Png),
    (b"\xff\xd8\xff", FileKind::Jpeg),
    (b"GIF8", FileKind::Gif),
    (b"II*\0", FileKind::Tiff),
    (b"MM\0*", FileKind::Tiff),
    (b"\0\0\0\x0cjP  ", FileKind::Jpeg2000),
    (b"\xff\x4f\xff\x51", FileKind::Jpeg2000),
    (b"PAR1", FileKind::Parquet),
    (b"\x89HDF\r\n\x1a\n", FileKind::Hdf5),
    (b"\x93NUMPY", FileKind::Npy),
    (b"GGUF", FileKind::Gguf),
    (b"%PDF-", FileKind::Pdf),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind::Xls),
    (b"/annex/objects/", FileKind::AnnexPointer),
    (b"version https://git-lfs.github.com/spec/", FileKind::LfsPointer),
    (b"version https://hawser.github.com/spec/", FileKind::LfsPointer),
    (b"\xff\xfe", FileKind::Utf16),
    (b"\xfe\xff", FileKind::Utf16),
];

impl FileKind {
    /// Says what a file is by its first [`HEAD`] bytes (all of a shorter file).
    pub fn of(head: &[u8]) -> Self {
        if head.is_empty() {
            return FileKind::Empty;
        }
        if let Some((_, kind)) = BEGINNINGS.iter().find(|(beginning, _)| head.starts_with(beginning)) {
            return *kind;
        }
        match head {
            _ if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") => zip(head),
            // How a part of a zip archive in several files begins.
            _ if head.starts_with(b"PK\x07\x08") => FileKind::Zip,
            _ if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") => FileKind::Webp,
            _ if head.starts_with(b"BM") && head.get(6..10) == Some(&[0; 4]) => FileKind::Bmp,
            _ if head.get(128..132) == Some(b"DICM") => FileKind::Dicom,
            _ if head.get(344..347) == Some(b"n+1") => FileKind::Nifti,
            _ if head.get(4..8) == Some(b"TFL3") => FileKind::Tflite,
            _ if is_tar(head) => FileKind::Tar,
            _ if is_safetensors(head) => FileKind::Safetensors,
            _ if is_pickle(head) => FileKind::Pickle,
            _ if is_onnx(head) => FileKind::Onnx,
            _ if head.iter().all(|byte| *byte == 0) => FileKind::Zeros,
            // What git writes in the place of a link where links cannot be.
            _ if is_annexed_path(head) => FileKind::AnnexPointer,
            _ => text(head),
        }
    }

    /// What it is, as a noun with its article: "a web page (HTML)".
    pub fn described(self) -> &'static str {
        match self {
            FileKind::Empty => "an empty file",
            FileKind::Zeros => "a file of zeros",
            FileKind::Gzip => "a gzip file",
            FileKind::Xz => "an xz file",
            FileKind::Zstd => "a Zstandard file",
            FileKind::Bzip2 => "a bzip2 file",
            FileKind::Tar => "a tar archive",
            FileKind::Zip => "a zip archive",
            FileKind::TorchZip => "a PyTorch checkpoint (a pickle in a zip archive)",
            FileKind::Xlsx => "an Excel workbook or another Office document",
            FileKind::Npz => "an archive of NumPy arrays (npz)",
            FileKind::Xls => "an old Excel workbook or another Office document",
            FileKind::SevenZip => "a 7-Zip archive",
            FileKind::Rar => "a RAR archive",
            FileKind::Html => "a web page (HTML)",
            FileKind::Xml => "an XML document",
            FileKind::LfsPointer => "a pointer of Git LFS, not the file itself",
            FileKind::AnnexPointer => "a pointer of git-annex, not the file itself",
            FileKind::Pickle => "a Python pickle",
            FileKind::Safetensors => "a safetensors file",
            FileKind::Npy => "a NumPy array",
            FileKind::Hdf5 => "an HDF5 file",
            FileKind::Onnx => "an ONNX network",
            FileKind::Tflite => "a TensorFlow Lite network",
            FileKind::Gguf => "a GGUF file",
            FileKind::Parquet => "a Parquet table",
            FileKind::Png => "a PNG image",
            FileKind::Jpeg => "a JPEG image",
            FileKind::Dicom => "a DICOM image",
            FileKind::Gif => "a GIF image",
            FileKind::Bmp => "a BMP image",
            FileKind::Tiff => "a TIFF image",
            FileKind::Webp => "a WebP image",
            FileKind::Jpeg2000 => "a JPEG 2000 image",
            FileKind::Nifti => "a NIfTI volume",
            FileKind::Pdf => "a PDF document",
            FileKind::Utf16 => "text in UTF-16",
            FileKind::Json => "a JSON document",
            FileKind::Text => "text",
            FileKind::Other => "a file of an unknown format",
        }
    }

    /// Whether something lies in the place of the file that was wanted, whatever that was.
    pub fn is_stand_in(self) -> bool {
        use FileKind::{AnnexPointer, Empty, Html, LfsPointer, Xml, Zeros};
        matches!(self, Empty | Zeros | Html | Xml | LfsPointer | AnnexPointer)
    }

    /// How to get the file that was wanted, where something else lies in its place ([`FileKind::is_stand_in`]).
    pub fn remedy(self, path: &Path) -> Option<String> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let there = folder.map_or(String::new(), |folder| format!("-C {} ", shell_os(folder)));
        let name = path.file_name().map(shell_os);
        Some(match self {
            FileKind::LfsPointer => format!("`git {there}lfs pull` fetches the file"),
            FileKind::AnnexPointer => format!("`git {there}annex get {}` fetches the file", name?),
            FileKind::Html | FileKind::Xml => {
                "the server sent a page instead of the file (an expired link, a sign-in, an error): open the link in a \
                 browser, then download the file again"
                    .to_owned()
            }
            FileKind::Empty | FileKind::Zeros => {
                "the download did not finish, or the disk was full: download the file again".to_owned()
            }
            _ => return None,
        })
    }
}

/// Whether a path leads to where git-annex keeps what it fetched.
pub fn is_annexed(target: &Path) -> bool {
    target.to_string_lossy().contains(".git/annex/objects/")
}

/// A zip archive by the name of its first member.
fn zip(head: &[u8]) -> FileKind {
    let length = head.get(26..28).map_or(0, |two| usize::from(u16::from_le_bytes([two[0], two[1]])));
    let name = head.get(30..30 + length).unwrap_or_default();
    let torch = ["/data.pkl", "/.format_version", "/byteorder", "/version", "/.data/"];
    let office = ["[Content_Types].xml", "_rels/", "docProps/", "xl/", "mimetype"];
    match std::str::from_utf8(name) {
        Ok(name) if torch.iter().any(|end| name.contains(end)) => FileKind::TorchZip,
        Ok(name) if office.iter().any(|begin| name.starts_with(begin)) => FileKind::Xlsx,
        Ok(name) if name.ends_with(".npy") => FileKind::Npz,
        _ => FileKind::Zip,
    }
}

/// Whether the first block is a header of a tar archive: its checksum is right, with or without the magic of POSIX.
fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.first_chunk::<512>() else { return false };
    let digits = block[148..156].trim_ascii();
    let digits = digits.split(|byte| *byte == 0 || *byte == b' ').next().unwrap_or_default();
    let sum = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 8).ok());
    let blank = |(at, byte): (usize, &u8)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte });
    block[0] != 0 && sum == Some(block.iter().enumerate().map(blank).sum())
}

/// Whether it begins with the length of a JSON header and its brace.
fn is_safetensors(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else { return false };
    let length = u64::from_le_bytes(*length);
    (2..=1 << 30).contains(&length) && rest.trim_ascii_start().starts_with(b"{")
}

/// Whether it begins as exporters write ONNX: field 1, a small version, then field 2, the name of the program.
fn is_onnx(head: &[u8]) -> bool {
    let [0x08, 1..=64, 0x12, length, rest @ ..] = head else { return false };
    let name = rest.get(..usize::from(*length)).unwrap_or_default();
    (1..64).contains(length)
        && name.len() == usize::from(*length)
        && name.iter().all(|byte| byte.is_ascii_graphic())
}

/// Whether it begins like a pickle. Those since protocol 2 say their protocol; older ones are operations in ASCII, of
/// which a dictionary, a list, a tuple or a class comes first.
fn is_pickle(head: &[u8]) -> bool {
    match head {
        [0x80, 2..=5, ..] => true,
        // Protocol 1: an empty dictionary or list and the first memo.
        [b'}' | b']' | b')', b'q', 0, ..] => true,
        // Protocol 0: a mark, a dictionary or list and the first memo.
        [b'(', b'd' | b'l' | b't', b'p', b'0', b'\n' | b'\r', ..] => true,
        // A class by its module and name, such as collections.OrderedDict.
        [b'c', rest @ ..] => {
            let mut lines = rest.split(|byte| *byte == b'\n');
            let mut is_path = || {
                let line = lines.next().unwrap_or_default();
                let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
                line.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
                    && line.iter().all(word)
            };
            let is_class = is_path() && is_path();
            // What comes next is an operation, and no further word.
            is_class && matches!(lines.next(), Some([b'q' | b'p' | b'(' | b')' | b'\x81' | b'}' | b']', ..]))
        }
        _ => false,
    }
}

/// Whether it is nothing but a path to where git-annex keeps what it fetched.
fn is_annexed_path(head: &[u8]) -> bool {
    let text = std::str::from_utf8(head).unwrap_or_default().trim_end();
    head.len() < HEAD
        && !text.contains(char::is_whitespace)
        && text.trim_start_matches("../").starts_with(".git/annex/objects/")
}

fn text(head: &[u8]) -> FileKind {
    let body = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    // A character may be cut off at the end.
    let valid = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(&body[..e.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return FileKind::Other,
    };
    if valid.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')) {
        return FileKind::Other;
    }
    let start = valid.trim_start().as_bytes();
    let begins =
        |with: &str| start.get(..with.len()).is_some_and(|s| s.eq_ignore_ascii_case(with.as_bytes()));
    if begins("<!doctype html") || begins("<html") || begins("<head") || begins("<!-- ") {
        FileKind::Html
    } else if begins("<?xml") {
        let html = valid.to_ascii_lowercase().contains("<html");
        if html { FileKind::Html } else { FileKind::Xml }
    } else if begins("{\"") || begins("[{") || begins("{\n") {
        FileKind::Json
    } else {
        FileKind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(magic: &[u8]) -> Vec<u8> {
        let mut block = [0; 512];
        block[..5].copy_from_slice(b"a.png");
        block[257..257 + magic.len()].copy_from_slice(magic);
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block.to_vec()
    }

    fn zip_of(first: &str) -> Vec<u8> {
        let mut head = b"PK\x03\x04".to_vec();
        head.extend([0; 22]);
        head.extend((first.len() as u16).to_le_bytes());
        head.extend([0, 0]);
        head.extend(first.as_bytes());
        head
    }

    #[test]
    fn a_file_is_known_by_its_bytes() {
        for (bytes, kind) in [
            (Vec::new(), FileKind::Empty),
            (vec![0; 900], FileKind::Zeros),
            (tar(b"ustar\x0000"), FileKind::Tar),
            (tar(b"ustar  \0"), FileKind::Tar),
            (tar(b""), FileKind::Tar),
            (zip_of("images/a.png"), FileKind::Zip),
            (zip_of("archive/data.pkl"), FileKind::TorchZip),
            (zip_of("[Content_Types].xml"), FileKind::Xlsx),
            (zip_of("weight.npy"), FileKind::Npz),
            (b"<!DOCTYPE html>\n<html>".to_vec(), FileKind::Html),
            (b"\n  <HTML><head>".to_vec(), FileKind::Html),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".to_vec(), FileKind::Xml),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:".to_vec(), FileKind::LfsPointer),
            (b"/annex/objects/SHA256E-s10--00.png\n".to_vec(), FileKind::AnnexPointer),
            (b"../../.git/annex/objects/Ab/Cd/SHA256E-s1/SHA256E-s1".to_vec(), FileKind::AnnexPointer),
            (b"see .git/annex/objects/\n".to_vec(), FileKind::Text),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), FileKind::Pickle),
            (b"\x80\x04\x95\0\0".to_vec(), FileKind::Pickle),
            (b"}q\0(X\x05\0\0\0".to_vec(), FileKind::Pickle),
            (b"(dp0\nVstate_dict\np1\n".to_vec(), FileKind::Pickle),
            (b"ccollections\nOrderedDict\np0\n(lp1\n".to_vec(), FileKind::Pickle),
            (b"ccollections\nOrderedDict\nq\0)Rq\x01".to_vec(), FileKind::Pickle),
            ([&40u64.to_le_bytes()[..], b"{\"a\":"].concat(), FileKind::Safetensors),
            ([&[0; 128][..], b"DICM"].concat(), FileKind::Dicom),
            (b"\x08\x0a\x12\x07pytorch\x1a\x05".to_vec(), FileKind::Onnx),
            (b"\x1c\0\0\0TFL3\0".to_vec(), FileKind::Tflite),
            (b"GGUF\x03\0\0\0".to_vec(), FileKind::Gguf),
            (b"\x7fELF\x02\x01\x01\0".to_vec(), FileKind::Other),
            (b"\x89PNG\r\n\x1a\n".to_vec(), FileKind::Png),
            (b"\xff\xd8\xff\xe0".to_vec(), FileKind::Jpeg),
            (b"\xff\xfeI\0".to_vec(), FileKind::Utf16),
            (b"Image Index,Finding Labels\n".to_vec(), FileKind::Text),
            ("\u{feff}Image Index,é".as_bytes()[..16].to_vec(), FileKind::Text),
            (b"class,score\n1,2\nc,d\n".to_vec(), FileKind::Text),
            (b"{\"error\": \"not found\"}".to_vec(), FileKind::Json),
            (b"\x01\x02\x03".to_vec(), FileKind::Other),
        ] {
            assert_eq!(FileKind::of(&bytes), kind, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_lies_in_the_place_of_a_file_comes_with_the_way_to_get_it() {
        let at = |kind: FileKind, path: &str| kind.remedy(Path::new(path));
        assert_eq!(
            at(FileKind::LfsPointer, "my data/a.csv").as_deref(),
            Some("`git -C 'my data' lfs pull` fetches the file")
        );
        assert_eq!(
            at(FileKind::AnnexPointer, "a.png").as_deref(),
            Some("`git annex get a.png` fetches the file")
        );
        for kind in [FileKind::Html, FileKind::Xml, FileKind::Empty, FileKind::Zeros] {
            assert!(kind.is_stand_in() && at(kind, "a").is_some(), "{kind:?}");
        }
        assert!(!FileKind::Png.is_stand_in() && at(FileKind::Png, "a").is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let kind = FileKind::of(&bytes);
            let _ = (kind.described(), kind.remedy(Path::new("a")));
            let _ = FileKind::of(&[b"PK\x03\x04", &bytes[..]].concat());
            let _ = FileKind::of(&[b"c", &bytes[..]].concat());
        }
    }
}
