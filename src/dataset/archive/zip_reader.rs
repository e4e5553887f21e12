//! Reads a zip archive member by member, on several threads: stored or deflated, of any size (zip64).
//!
//! What the list at its end says of sizes is checked before anything is unpacked, and again while it is: no member may
//! turn out larger, and all together may not be far more than the archive.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rayon::prelude::*;
use zip::read::Config;
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, ZipArchive};

use super::super::DatasetError;
use super::super::remarks::Remark;
use super::Archived;
use super::member::{Member, classify, classify_bytes};
use crate::digits::thousands;
use crate::disk::FileError;
use crate::limits;
use crate::recognise::HEAD;

/// Bytes that can be read at any place, by several threads at once.
pub(super) trait ReadAt: Sync {
    /// Number of bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads some bytes.
    fn read_some(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_some(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.read_at(buffer, at)
    }
}

impl ReadAt for [u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_some(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// Reads the images of an archive, see [`super::read`].
pub(super) fn read<T: Send, E: From<DatasetError> + Send>(
    source: &(impl ReadAt + ?Sized),
    path: &Path,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    image: &(impl Fn(&str, Vec<u8>) -> Result<T, E> + Sync),
) -> Result<Archived<T>, E> {
    let damaged = |e: ZipError| -> DatasetError {
        match e {
            _ if is_part(path) => DatasetError::PartOfZip { path: path.to_owned() },
            e => DatasetError::Archive { path: path.to_owned(), source: io_error(e) },
        }
    };
    let refused = |reason: String| DatasetError::ArchiveRefused { path: path.to_owned(), reason };
    let file = At::new(source).map_err(|source| DatasetError::Read(FileError::new("read", path, source)))?;
    // Counted before the list of members is read into memory.
    let members = ZipIterable::try_new(file.clone(), Config::default()).map_err(damaged)?.len();
    if members as u64 > limits::ARCHIVE_MEMBERS {
        let most = thousands(limits::ARCHIVE_MEMBERS);
        return Err(refused(format!("has more than {most} members")).into());
    }
    let length = file.length;
    let zip = ZipArchive::new(file).map_err(damaged)?;
    if zip.has_duplicate_names() {
        return Err(refused("has two members of the same name".to_owned()).into());
    }

    let mut other = Archived::default();
    let (mut places, mut unpacked) = (Vec::new(), 0u64);
    for place in 0..zip.len() {
        let entry = zip.by_index_data(place).map_err(damaged)?;
        // Most programs write UTF-8 without saying so; what is none is of the code page of DOS. Old programs for
        // Windows separate folders as Windows does.
        let name = match std::str::from_utf8(entry.name_raw()) {
            Ok(name) => name.to_owned(),
            Err(_) => entry.name().map_err(damaged)?.into_owned(),
        };
        let name = name.replace('\\', "/");
        let refuse = |reason| DatasetError::Member { path: path.to_owned(), member: name.clone(), reason };
        let is_dir = entry.is_dir() || name.ends_with('/');
        let mut member = classify(name.as_bytes(), is_dir, path)?;
        if let Member::Unknown(file) = member {
            let readable = !entry.encrypted() && !entry.is_symlink();
            drop(entry);
            let head = if readable { head(&mut zip.clone(), place) } else { Vec::new() };
            member = classify_bytes(&head, file, &name);
        }
        let entry = zip.by_index_data(place).map_err(damaged)?;
        match member {
            Member::Image(image) => {
                let why = match entry.compression() {
                    _ if entry.is_symlink() => Some("is a symbolic link: pack the file that it leads to"),
                    _ if entry.encrypted() => {
                        Some("is encrypted: unpack the archive with its password first")
                    }
                    _ if entry.size() > limits::IMAGE_FILE => Some("is larger than 64 MiB"),
                    CompressionMethod::Stored | CompressionMethod::Deflated => None,
                    _ => Some(
                        "is compressed by an unsupported method: unpack it (`7z x`), and give the folder",
                    ),
                };
                if let Some(why) = why {
                    return Err(refuse(why).into());
                }
                if wanted(&image) {
                    unpacked = unpacked.saturating_add(entry.size());
                    places.push((place, name));
                } else {
                    other.unwanted.push(image);
                }
            }
            Member::Remark(remark, member) => {
                other.remarks.add(remark, path.join(member).display().to_string());
            }
            Member::Other | Member::Unknown(_) => {}
        }
    }
    if places.is_empty() && other.unwanted.is_empty() {
        let archives = other.remarks.has(Remark::PackedArchive);
        let remarks = other.remarks.sentences();
        return Err(DatasetError::NoImages { path: path.to_owned(), archives, remarks }.into());
    }
    if unpacked > limits::ARCHIVE_FREE && unpacked / limits::ARCHIVE_RATIO > length {
        return Err(refused(format!("unpacks to more than {} times its size", limits::ARCHIVE_RATIO)).into());
    }
    let images = places.into_par_iter().map_init(
        || zip.clone(),
        |zip, (place, name)| -> Result<(String, T), E> {
            let bytes = content(zip, place).map_err(|source| DatasetError::DamagedMember {
                path: path.to_owned(),
                member: name.clone(),
                source,
            })?;
            let made = image(super::file_name(&name), bytes)?;
            Ok((name, made))
        },
    );
    // The first error in the archive's order, whatever the threads did.
    let images: Vec<_> = images.collect();
    let images = images.into_iter().collect::<Result<_, E>>()?;
    Ok(Archived { images, ..other })
}

/// Whether a file is one part of a zip archive in several files: it begins as the first one does, or the list at its end
/// is of another number than the first.
pub(super) fn is_part(path: &Path) -> bool {
    /// Bytes of the end of an archive, and of the longest comment behind it.
    const END: usize = 22;
    const TAIL: u64 = END as u64 + (1 << 16);
    // A part between the first and the last one has no beginning of its own: only its name tells, `a.z02`.
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let number = ending.strip_prefix(['z', 'Z']).unwrap_or_default();
    if number.len() > 1 && number.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    let Ok(file) = File::open(path) else { return false };
    let Ok(length) = file.length() else { return false };
    let mut head = [0; 4];
    if file.read_exact_at(&mut head, 0).is_ok() && head == *b"PK\x07\x08" {
        return true;
    }
    let size = length.min(TAIL);
    let mut tail = vec![0; size as usize];
    if file.read_exact_at(&mut tail, length - size).is_err() {
        return false;
    }
    let ends = tail.windows(END).rev().find(|end| end.starts_with(b"PK\x05\x06"));
    // Zip64 has another place for a number that does not fit.
    ends.is_some_and(|end| ![[0, 0], [0xff, 0xff]].contains(&[end[4], end[5]]))
}

/// The first bytes of a member; none if it cannot be unpacked, which is left to who wants it.
fn head<S: ReadAt + ?Sized>(zip: &mut ZipArchive<At<'_, S>>, place: usize) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(member) = zip.by_index(place) {
        let _ = member.take(HEAD as u64).read_to_end(&mut head);
    }
    head
}

fn content<S: ReadAt + ?Sized>(zip: &mut ZipArchive<At<'_, S>>, place: usize) -> io::Result<Vec<u8>> {
    let member = zip.by_index(place).map_err(io_error)?;
    let size = member.size();
    let mut bytes = Vec::with_capacity(size.min(limits::IMAGE_FILE) as usize + 1);
    // One byte more, so that the end is seen, where the checksum is compared.
    member.take(size.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => {
            Err(io::Error::new(ErrorKind::InvalidData, "its size is not the one that the archive lists"))
        }
    }
}

fn io_error(e: ZipError) -> io::Error {
    match e {
        ZipError::Io(e) => e,
        e => io::Error::new(ErrorKind::InvalidData, e.to_string()),
    }
}

/// A place in a file that is read by several threads, with a buffer for what is small: headers.
struct At<'s, S: ?Sized> {
    source: &'s S,
    length: u64,
    at: u64,
    buffer: Vec<u8>,
    /// Where the buffer begins.
    begin: u64,
}

const BUFFER: usize = 1 << 14;

impl<'s, S: ReadAt + ?Sized> At<'s, S> {
    fn new(source: &'s S) -> io::Result<Self> {
        Ok(At { source, length: source.length()?, at: 0, buffer: Vec::new(), begin: 0 })
    }
}

impl<S: ?Sized> Clone for At<'_, S> {
    fn clone(&self) -> Self {
        At { buffer: Vec::new(), begin: 0, ..*self }
    }
}

impl<S: ReadAt + ?Sized> Read for At<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let within = self.at.checked_sub(self.begin).and_then(|from| usize::try_from(from).ok());
        let kept = within.and_then(|from| self.buffer.get(from..)).unwrap_or_default();
        let n = if !kept.is_empty() {
            let n = kept.len().min(buffer.len());
            buffer[..n].copy_from_slice(&kept[..n]);
            n
        } else if buffer.len() >= BUFFER {
            self.source.read_some(buffer, self.at)?
        } else {
            self.buffer.resize(BUFFER, 0);
            let filled = self.source.read_some(&mut self.buffer, self.at)?;
            self.buffer.truncate(filled);
            self.begin = self.at;
            let n = filled.min(buffer.len());
            buffer[..n].copy_from_slice(&self.buffer[..n]);
            n
        };
        self.at += n as u64;
        Ok(n)
    }
}

impl<S: ReadAt + ?Sized> Seek for At<'_, S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(from) => self.length.checked_add_signed(from),
            SeekFrom::Current(from) => self.at.checked_add_signed(from),
        };
        self.at =
            to.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "a place before the beginning"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    type Members<'m> = &'m [(&'m str, &'m [u8])];

    fn zip_of(members: Members, method: CompressionMethod, large: bool) -> Vec<u8> {
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in members {
            let options = SimpleFileOptions::default().compression_method(method).large_file(large);
            match name.strip_suffix('/') {
                Some(folder) => zip.add_directory(folder, options).unwrap(),
                None => {
                    zip.start_file(*name, options).unwrap();
                    zip.write_all(bytes).unwrap();
                }
            }
        }
        zip.finish().unwrap().into_inner()
    }

    fn stored(members: Members) -> Vec<u8> {
        zip_of(members, CompressionMethod::Stored, false)
    }

    fn names(packed: &[u8]) -> Result<Vec<String>, String> {
        let image = |_: &str, bytes: Vec<u8>| Ok::<_, DatasetError>(bytes.len());
        let read = super::super::read_zip(packed, Path::new("f.zip"), &image).map_err(|e| e.to_string())?;
        Ok(read.images.into_iter().map(|(name, length)| format!("{name}: {length}")).collect())
    }

    const MEMBERS: Members = &[
        ("images/", b""),
        ("images/b.png", b"four"),
        ("images/deep/er/A.JPG", b"seven77"),
        ("__MACOSX/images/._b.png", b"x"),
        ("README.txt", b"x"),
        ("c.png", &[7; 100_000]),
    ];

    #[test]
    fn members_are_read_in_order_stored_and_deflated_small_and_zip64() {
        let expected: Vec<String> =
            ["images/b.png: 4", "images/deep/er/A.JPG: 7", "c.png: 100000"].map(str::to_owned).into();
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            for large in [false, true] {
                let packed = zip_of(MEMBERS, method, large);
                assert_eq!(names(&packed), Ok(expected.clone()), "{method} {large}");
                // Behind the program that unpacks it.
                assert_eq!(names(&[b"#!/bin/sh\n", &packed[..]].concat()), Ok(expected.clone()));
            }
        }
    }

    #[test]
    fn what_is_in_it_and_not_read_is_named() {
        let packed =
            stored(&[("a.png", b""), ("more/images_002.tar.gz", b""), ("b.dcm", b""), ("c.png", b"")]);
        let image = |_: &str, _: Vec<u8>| Ok::<_, DatasetError>(());
        let read = read(&packed[..], Path::new("f.zip"), &|name| name == "a.png", &image).unwrap();
        assert_eq!((read.images.len(), read.unwanted), (1, vec!["c.png".to_owned()]));
        let said = read.remarks.sentences();
        assert_eq!(said.len(), 2);
        assert!(said[1].contains("f.zip/more/images_002.tar.gz"), "{said:?}");
        let none = names(&stored(&[("a.txt", b"")])).unwrap_err();
        assert!(none.ends_with("contains no images (PNG, JPEG)"), "{none}");
    }

    #[test]
    fn members_that_lead_elsewhere_or_are_no_plain_files_are_refused() {
        for (name, reason) in [
            ("../a.png", "a path outside the archive"),
            ("..\\a.png", "a path outside the archive"),
            ("/etc/a.png", "a path outside the archive"),
        ] {
            let message = names(&stored(&[(name, b"")])).unwrap_err();
            assert!(message.contains(reason), "{message}");
        }
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        zip.add_symlink("a.png", "b.png", SimpleFileOptions::default()).unwrap();
        let message = names(&zip.finish().unwrap().into_inner()).unwrap_err();
        assert!(message.contains("is a symbolic link"), "{message}");
        // Of the list at the end: the flag of encryption, another method, a size.
        let list = |change: &dyn Fn(&mut [u8])| {
            let mut packed = stored(&[("a.png", b"four")]);
            let at = packed.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
            change(&mut packed[at..]);
            names(&packed).unwrap_err()
        };
        assert!(list(&|entry| entry[8] |= 1).contains("is encrypted"));
        assert!(list(&|entry| entry[10] = 9).contains("compressed by an unsupported method"));
        let large = limits::IMAGE_FILE as u32 + 1;
        assert!(
            list(&|entry| entry[24..28].copy_from_slice(&large.to_le_bytes())).contains("larger than 64 MiB")
        );
        let lie = list(&|entry| entry[24..28].copy_from_slice(&3u32.to_le_bytes()));
        assert!(lie.contains("is damaged: \"a.png\""), "{lie}");
        let lie = list(&|entry| entry[16] ^= 1);
        assert!(lie.contains("is damaged: \"a.png\""), "{lie}");
    }

    #[test]
    fn names_of_old_programs_are_read() {
        let windows = stored(&[("images\\a.png", b"four")]);
        assert_eq!(names(&windows), Ok(vec!["images/a.png: 4".to_owned()]));
    }

    #[test]
    fn an_archive_that_is_cut_off_anywhere_is_an_error() {
        let packed = zip_of(&MEMBERS[..3], CompressionMethod::Deflated, false);
        for end in 0..packed.len() {
            assert!(names(&packed[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn an_archive_that_unpacks_to_far_more_than_its_size_is_refused_before_it_is_unpacked() {
        let zeros = vec![0; 40 << 20];
        let packed = zip_of(&[("a.png", &zeros), ("b.png", &zeros)], CompressionMethod::Deflated, false);
        assert!(names(&packed).unwrap_err().ends_with("unpacks to more than 50 times its size"));
        assert!(names(&zip_of(&[("a.png", &zeros)], CompressionMethod::Deflated, false)).is_ok());
    }
}
