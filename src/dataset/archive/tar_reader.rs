//! Reads a tar archive as a stream, compressed or not.
//!
//! The unpacked bytes are counted while they are read, so a decompression bomb stops at the first limit that it
//! exceeds.

use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

use tar::{Archive, Entry, EntryType};

use super::super::DatasetError;
use super::super::remarks::Remark;
use super::member::{Member, classify, classify_bytes};
use super::unpack::Compression;
use super::{Archived, deliver};
use crate::digits::thousands;
use crate::limits;
use crate::recognise::{FileKind, HEAD};

/// Reads the images of an archive, see [`super::read`].
pub(super) fn read<T: Send, E: From<DatasetError> + Send>(
    packed: impl Read,
    compression: Compression,
    path: &Path,
    wanted: &dyn Fn(&str) -> bool,
    image: &(impl Fn(&str, Vec<u8>) -> Result<T, E> + Sync),
) -> Result<Archived<T>, E> {
    let mut other = Archived::default();
    let images =
        deliver(image, |deliver| Ok(stream(packed, compression, path, wanted, &mut other, deliver)?))?;
    Ok(Archived { images, ..other })
}

/// Reads members until `deliver` says that it wants no more.
fn stream<T>(
    packed: impl Read,
    compression: Compression,
    path: &Path,
    wanted: &dyn Fn(&str) -> bool,
    other: &mut Archived<T>,
    deliver: &mut dyn FnMut(String, Vec<u8>) -> bool,
) -> Result<(), DatasetError> {
    let meter = Meter::default();
    let refused = |reason: String| DatasetError::ArchiveRefused { path: path.to_owned(), reason };
    let damaged = |source: io::Error| match meter.exceeded.take() {
        Some(reason) => refused(reason),
        None if source.kind() == ErrorKind::OutOfMemory => {
            let most = limits::ARCHIVE_WINDOW >> 20;
            refused(format!("is compressed with a window of more than {most} MiB"))
        }
        None => DatasetError::Archive { path: path.to_owned(), source },
    };
    let packed = BufReader::with_capacity(BUFFER, Packed { inner: packed, meter: &meter });
    meter.allow(limits::ARCHIVE_BETWEEN);
    let unpacked = Unpacked { inner: compression.unpack(packed), meter: &meter };
    let (mut head, unpacked) = begun(unpacked).map_err(damaged)?;
    // Zeros and bytes of no known kind are left to the reader of tar archives, which says what is wrong with them.
    match FileKind::of(&head) {
        FileKind::Tar | FileKind::Empty | FileKind::Zeros | FileKind::Other => {}
        found => return Err(DatasetError::NotATar { path: path.to_owned(), found }),
    }
    with_size_of_label(&mut head);
    let mut archive = Archive::new(Cursor::new(head).chain(unpacked));
    let (mut members, mut images) = (0, 0u64);
    let mut entries = archive.entries().map_err(damaged)?;
    loop {
        meter.allow(limits::ARCHIVE_BETWEEN);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(damaged)?;
        members += 1;
        if members > limits::ARCHIVE_MEMBERS {
            return Err(refused(format!("has more than {} members", thousands(limits::ARCHIVE_MEMBERS))));
        }
        let inside = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (mut member, mut head) = (member(&entry, path)?, Vec::new());
        meter.allow(entry.size());
        if let Member::Unknown(name) = member {
            (&mut entry).take(HEAD as u64).read_to_end(&mut head).map_err(damaged)?;
            member = classify_bytes(&head, name, &inside);
        }
        let name = match member {
            Member::Image(name) => {
                images += 1;
                if wanted(&name) {
                    Some(inside)
                } else {
                    other.unwanted.push(name);
                    None
                }
            }
            Member::Remark(remark, member) => {
                other.remarks.add(remark, path.join(member).display().to_string());
                None
            }
            Member::Other | Member::Unknown(_) => None,
        };
        if let Some(name) = name {
            let bytes = content(&mut entry, head).map_err(damaged)?;
            if !deliver(name, bytes) {
                return Ok(());
            }
        } else {
            io::copy(&mut entry, &mut io::sink()).map_err(damaged)?;
        }
    }
    // The checksum of a compressed stream comes after the last member. Other data there, except for zeros, would be
    // ignored silently.
    let mut behind = Vec::new();
    archive.into_inner().read_to_end(&mut behind).map_err(damaged)?;
    if behind.iter().any(|byte| *byte != 0) {
        return Err(refused("has data after its end, such as another archive".to_owned()));
    }
    // Nothing else says of a tar archive that is not compressed that it is whole.
    if compression == Compression::None && meter.zeros.get() < BLOCK as u64 {
        return Err(damaged(io::Error::new(
            ErrorKind::UnexpectedEof,
            "it does not end with a block of zeros, as a whole tar archive does",
        )));
    }
    if images == 0 {
        let archives = other.remarks.has(Remark::PackedArchive);
        let remarks = other.remarks.sentences();
        return Err(DatasetError::NoImages { path: path.to_owned(), archives, remarks });
    }
    Ok(())
}

/// Bytes that are read from an archive at once.
const BUFFER: usize = 1 << 15;
/// Bytes of a block of a tar archive.
const BLOCK: usize = 512;

/// The first [`HEAD`] bytes of a stream, and the rest of it.
pub(super) fn begun<R: Read>(mut stream: R) -> io::Result<(Vec<u8>, R)> {
    let mut head = Vec::new();
    (&mut stream).take(HEAD as u64).read_to_end(&mut head)?;
    Ok((head, stream))
}

/// Enters a size into the volume label that an archive may begin with: GNU tar leaves the field empty, which the tar
/// crate takes for damage.
fn with_size_of_label(head: &mut [u8]) {
    let Some(block) = head.first_chunk_mut::<BLOCK>() else { return };
    let header = tar::Header::from_byte_slice(block);
    if header.entry_type().as_byte() == b'V' && header.as_old().size == [0; 12] {
        let mut header = header.clone();
        header.set_size(0);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
}

/// Counts the bytes that go into the decompression and come out of it.
///
/// The tar crate reads names of any length into memory and skips members of any size, so the limits must be
/// enforced below it.
#[derive(Default)]
struct Meter {
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    /// Unpacked bytes that are currently allowed.
    until: Cell<u64>,
    /// The exceeded limit.
    exceeded: RefCell<Option<String>>,
    /// Zeros at the end of what was unpacked so far.
    zeros: Cell<u64>,
}

impl Meter {
    /// Allows this number of bytes from the current position.
    fn allow(&self, bytes: u64) {
        self.until.set(self.unpacked.get().saturating_add(bytes));
    }

    fn check(&self) -> io::Result<()> {
        let (packed, unpacked) = (self.packed.get(), self.unpacked.get());
        let reason = if unpacked > limits::ARCHIVE_FREE && unpacked / limits::ARCHIVE_RATIO > packed {
            format!("unpacks to more than {} times its size", limits::ARCHIVE_RATIO)
        } else if unpacked > self.until.get() {
            format!(
                "has more than {} bytes before, between or after its members",
                thousands(limits::ARCHIVE_BETWEEN)
            )
        } else {
            return Ok(());
        };
        *self.exceeded.borrow_mut() = Some(reason);
        Err(io::ErrorKind::QuotaExceeded.into())
    }
}

struct Packed<'m, R> {
    inner: R,
    meter: &'m Meter,
}

impl<R: Read> Read for Packed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.meter.packed.set(self.meter.packed.get() + n as u64);
        Ok(n)
    }
}

struct Unpacked<'m, R> {
    inner: R,
    meter: &'m Meter,
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.meter.unpacked.set(self.meter.unpacked.get() + n as u64);
        let zeros = buffer[..n].iter().rev().take_while(|byte| **byte == 0).count() as u64;
        self.meter.zeros.set(if zeros == n as u64 { self.meter.zeros.get() + zeros } else { zeros });
        self.meter.check()?;
        Ok(n)
    }
}

/// What to do with a member.
fn member<R: Read>(entry: &Entry<R>, archive: &Path) -> Result<Member, DatasetError> {
    let bytes = entry.path_bytes();
    let refuse = |reason| {
        let member = String::from_utf8_lossy(&bytes).into_owned();
        Err(DatasetError::Member { path: archive.to_owned(), member, reason })
    };
    if entry.size() > limits::IMAGE_FILE {
        return refuse("is larger than 64 MiB");
    }
    let special = match entry.header().entry_type() {
        // The name of the whole archive, a list of the names in a folder, and what applies to all later members.
        EntryType::XGlobalHeader => return Ok(Member::Other),
        kind if matches!(kind.as_byte(), b'V' | b'D') => return Ok(Member::Other),
        EntryType::Regular | EntryType::Continuous | EntryType::Directory => None,
        EntryType::Symlink => {
            Some("is a symbolic link: pack the file that it leads to (`tar --dereference`)")
        }
        EntryType::Link => Some("is a hard link to another member: pack a copy (`tar --hard-dereference`)"),
        EntryType::GNUSparse => Some("is a sparse file: pack it without `--sparse`"),
        kind if kind.as_byte() == b'M' => Some("continues a file of another volume: join the volumes first"),
        _ => Some("is neither a file nor a folder"),
    };
    let member = classify(&bytes, entry.header().entry_type().is_dir(), archive)?;
    match (member, special) {
        (Member::Image(_), Some(reason)) => refuse(reason),
        (Member::Other | Member::Unknown(_), Some(_)) => {
            Ok(Member::Remark(Remark::SpecialMember, String::from_utf8_lossy(&bytes).into_owned()))
        }
        (member, _) => Ok(member),
    }
}

/// All bytes of a member, of which the first were read before.
fn content<R: Read>(entry: &mut Entry<R>, head: Vec<u8>) -> io::Result<Vec<u8>> {
    let size = entry.size();
    let mut bytes = head;
    entry.read_to_end(&mut bytes)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::archive;
    use crate::dataset::text::gzip;

    fn tar(members: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, bytes) in members {
            let mut header = tar::Header::new_gnu();
            // The builder refuses the names that this test needs.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn names(packed: &[u8]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.tar.gz");
        std::fs::write(&path, packed).unwrap();
        let image = |_: &str, bytes: Vec<u8>| Ok::<_, DatasetError>(bytes.len());
        let read = archive::read(&path, &|_| true, &image).map_err(|e| e.to_string())?;
        Ok(read.images.into_iter().map(|(name, length)| format!("{name}: {length}")).collect())
    }

    #[test]
    fn images_are_streamed_and_the_rest_is_passed_over() {
        let packed = gzip(&tar(&[
            ("images/", EntryType::Directory, b""),
            ("images/b.png", EntryType::Regular, b"four"),
            ("images/._b.png", EntryType::Regular, b"x"),
            ("__MACOSX/b.png", EntryType::Regular, b"x"),
            ("images/README.txt", EntryType::Regular, b"x"),
            ("./a.PNG", EntryType::Regular, b""),
        ]));
        assert_eq!(names(&packed), Ok(vec!["images/b.png: 4".to_owned(), "./a.PNG: 0".to_owned()]));
    }

    #[test]
    fn members_that_lead_elsewhere_are_refused() {
        for (name, kind, reason) in [
            ("/etc/a.png", EntryType::Regular, "a path outside the archive"),
            ("images/../../a.png", EntryType::Regular, "a path outside the archive"),
            ("../notes.txt", EntryType::Regular, "a path outside the archive"),
            ("a.png", EntryType::Symlink, "is a symbolic link"),
            ("a.png", EntryType::Link, "is a hard link"),
            ("a.png", EntryType::new(b'M'), "continues a file of another volume"),
            ("a.png", EntryType::Fifo, "neither a file nor a folder"),
            ("images\\a.png", EntryType::Regular, "not a plain file name"),
            ("a.png/", EntryType::Regular, "not a plain file name"),
            ("a.png", EntryType::Block, "neither a file nor a folder"),
        ] {
            let message = names(&gzip(&tar(&[(name, kind, b"")]))).unwrap_err();
            assert!(message.contains(reason) && message.contains(&format!("{name:?}")), "{message}");
        }
    }

    #[test]
    fn an_archive_that_is_cut_off_anywhere_is_an_error() {
        let whole =
            tar(&[("a.png", EntryType::Regular, &[7; 700]), ("b.png", EntryType::Regular, &[8; 700])]);
        for end in [600, 1100, 1600, 2100] {
            assert!(names(&gzip(&whole[..end])).unwrap_err().contains("cut-off archive"), "{end}");
        }
        let packed = gzip(&whole);
        assert!(names(&[]).unwrap_err().contains("is an empty file"));
        assert!(names(&packed[..1]).unwrap_err().contains("is a file of an unknown format"));
        for end in [2, packed.len() / 2, packed.len() - 1] {
            assert!(names(&packed[..end]).unwrap_err().contains("cut-off archive"), "{end}");
        }
        let mut wrong = packed;
        let checksum = wrong.len() - 8;
        wrong[checksum] ^= 1;
        assert!(names(&wrong).unwrap_err().contains("cut-off archive"));
    }

    #[test]
    fn a_cut_off_member_that_is_passed_over_is_an_error_too() {
        let whole = tar(&[("a.png", EntryType::Regular, b"x"), ("README", EntryType::Regular, &[8; 700])]);
        for end in [1600, 2100, 2500] {
            assert!(names(&gzip(&whole[..end])).unwrap_err().contains("cut-off archive"), "{end}");
        }
    }

    #[test]
    fn a_plain_tar_archive_is_read_and_one_that_is_cut_off_between_members_is_an_error() {
        let member = tar(&[("b.png", EntryType::Regular, &[8; 700])]);
        let whole =
            tar(&[("a.png", EntryType::Regular, &[7; 1_024]), ("b.png", EntryType::Regular, &[8; 700])]);
        assert_eq!(names(&whole), Ok(vec!["a.png: 1024".to_owned(), "b.png: 700".to_owned()]));
        // Behind the first member, whose data fills its blocks.
        for end in [1_536, whole.len() - 1_024, 1_000, 2_600] {
            assert!(names(&whole[..end]).unwrap_err().contains("cut-off archive"), "{end}");
        }
        assert_eq!(names(&[&member[..], &[0; 9_728]].concat()), Ok(vec!["b.png: 700".to_owned()]));
    }

    #[test]
    fn volume_labels_and_lists_of_folders_are_read_over_and_links_that_are_no_images_are_named() {
        let packed = tar(&[
            ("NIH", EntryType::new(b'V'), b""),
            ("images/", EntryType::new(b'D'), b"Ya.png\0\0"),
            ("images/a.png", EntryType::Regular, b"four"),
            ("latest", EntryType::Symlink, b""),
            ("scan.dcm", EntryType::Regular, b"x"),
        ]);
        for packed in [packed.clone(), gzip(&packed)] {
            assert_eq!(names(&packed), Ok(vec!["images/a.png: 4".to_owned()]));
        }
        let image = |_: &str, _: Vec<u8>| Ok::<_, DatasetError>(());
        let read = archive::read_from(&packed[..], Path::new("f.tar"), &image).unwrap();
        assert_eq!(
            read.remarks.sentences(),
            [
                "1 image of another format was not read: f.tar/scan.dcm (convert to PNG or JPEG)",
                "1 member of an archive is neither a file nor a folder and was not read: f.tar/latest",
            ]
        );
    }

    #[test]
    fn something_else_that_was_packed_is_named() {
        let page = gzip(b"<!DOCTYPE html><html>");
        assert!(names(&page).unwrap_err().ends_with("contains a web page (HTML), not a tar archive"));
    }

    #[test]
    fn two_archives_in_one_are_refused_and_padding_is_not() {
        let one = tar(&[("a.png", EntryType::Regular, b"x")]);
        let padded = [gzip(&one), vec![0; 10_240]].concat();
        for padded in [gzip(&[&one[..], &[0; 10_240]].concat()), padded] {
            assert_eq!(names(&padded), Ok(vec!["a.png: 1".to_owned()]));
        }
        for both in [gzip(&one.repeat(2)), gzip(&one).repeat(2)] {
            assert!(names(&both).unwrap_err().ends_with("such as another archive"));
        }
    }

    #[test]
    fn an_archive_without_images_says_so() {
        let message = names(&gzip(&tar(&[("a.txt", EntryType::Regular, b"")]))).unwrap_err();
        assert!(message.ends_with("contains no images (PNG, JPEG)"), "{message}");
    }
}
