//! All files in a file, whatever it is packed in and however often: for those that look for something in them.

use std::io::{Cursor, Read};

use tar::Archive;
use zip::ZipArchive;

use super::unpack::Compression;
use crate::limits;
use crate::recognise::{FileKind, HEAD};

/// How often what is unpacked is unpacked again.
const LAYERS: usize = 6;

/// Passes a file to `each` and, if it is packed, what is in it, with its path if it has one, until `each` returns false.
/// What is damaged or encrypted, the rest of an image, and all that goes beyond `most` unpacked bytes, is passed over.
pub(crate) fn contents(bytes: &[u8], most: u64, each: &mut dyn FnMut(Option<&str>, &[u8]) -> bool) {
    let mut left = most;
    within(None, bytes, LAYERS, &mut left, each);
}

fn within(
    name: Option<&str>,
    bytes: &[u8],
    layers: usize,
    left: &mut u64,
    each: &mut dyn FnMut(Option<&str>, &[u8]) -> bool,
) -> bool {
    let compression = match FileKind::of(&bytes[..bytes.len().min(HEAD)]) {
        _ if layers == 0 => return each(name, bytes),
        FileKind::Gzip => Compression::Gzip,
        FileKind::Xz => Compression::Xz,
        FileKind::Zstd => Compression::Zstd,
        FileKind::Tar => {
            let mut archive = Archive::new(bytes);
            let Ok(entries) = archive.entries() else { return true };
            for entry in entries.take(limits::ARCHIVE_MEMBERS as usize) {
                let Ok(entry) = entry else { return true };
                let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                let unpacked = read(entry, left);
                if !within(Some(&path), &unpacked, layers - 1, left, each) {
                    return false;
                }
            }
            return true;
        }
        FileKind::Zip | FileKind::Npz | FileKind::TorchZip | FileKind::Xlsx => {
            let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else { return each(name, bytes) };
            for place in 0..archive.len().min(limits::ARCHIVE_MEMBERS as usize) {
                let Ok(member) = archive.by_index(place) else { continue };
                let path = String::from_utf8_lossy(member.name_raw()).into_owned();
                let unpacked = read(member, left);
                if !within(Some(&path), &unpacked, layers - 1, left, each) {
                    return false;
                }
            }
            return true;
        }
        _ => return each(name, bytes),
    };
    let unpacked = read(compression.unpack(bytes), left);
    within(name, &unpacked, layers - 1, left, each)
}

/// What can be read of a stream, within what is left of the limit. Images, of which an archive may have many, are not
/// read beyond their first bytes.
fn read(stream: impl Read, left: &mut u64) -> Vec<u8> {
    let mut unpacked = Vec::new();
    let mut stream = stream.take(*left);
    // What was read before an error is looked at as well.
    let _ = (&mut stream).take(HEAD as u64).read_to_end(&mut unpacked);
    if !matches!(FileKind::of(&unpacked), FileKind::Png | FileKind::Jpeg | FileKind::Dicom) {
        let _ = stream.read_to_end(&mut unpacked);
    }
    *left -= unpacked.len() as u64;
    unpacked
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::dataset::text::gzip;

    fn found(bytes: &[u8], most: u64) -> Vec<(Option<String>, usize)> {
        let mut found = Vec::new();
        contents(bytes, most, &mut |name, bytes| {
            found.push((name.map(str::to_owned), bytes.len()));
            true
        });
        found
    }

    #[test]
    fn what_is_packed_repeatedly_is_found_within_the_limit() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in [("a/x.csv", &b"four"[..]), ("b.gz", &gzip(b"some text"))] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let zip = zip.finish().unwrap().into_inner();
        let members = vec![(Some("a/x.csv".to_owned()), 4), (Some("b.gz".to_owned()), 9)];
        assert_eq!(found(&zip, 1 << 20), members);
        assert_eq!(found(&gzip(&gzip(&zip)), 1 << 20), members);
        assert_eq!(found(b"text", 1 << 20), [(None, 4)]);
        // A small file that unpacks to any size.
        assert_eq!(found(&gzip(&vec![b'x'; 1 << 20]), 100), [(None, 100)]);
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        tar.append_data(&mut header, "c/y.csv", &b"four"[..]).unwrap();
        assert_eq!(found(&gzip(&tar.into_inner().unwrap()), 1 << 20), [(Some("c/y.csv".to_owned()), 4)]);
    }
}
