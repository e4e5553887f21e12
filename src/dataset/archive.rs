//! The images of an archive such as `images_001.tar.gz`, read as a stream: nothing is unpacked to disk.
//!
//! Names of members are untrusted. A member that points outside the archive (an absolute path, `..`, a link) is
//! refused rather than skipped, because an archive of images has no reason to contain it. The unpacked bytes
//! are counted while they are read, so a decompression bomb stops at the first limit that it exceeds.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::DatasetError;
use super::source::{is_hidden, is_png};
use crate::digits::thousands;
use crate::limits;
use crate::records::is_plain_name;

/// Reads the `*.png` members of a gzip-compressed tar archive and passes name and bytes of each to `image`, in
/// the archive's order. Folders inside it are ignored; hidden members are skipped.
///
/// The archive is read to its end, so that a truncated or damaged one is detected, though late: what `image`
/// did before must be undoable or harmless. At most one member, of [`limits::IMAGE_FILE`] bytes, is in memory.
///
/// # Errors
/// An archive that is damaged, truncated, without images, beyond the limits or with a refused member; errors of
/// `image`.
pub fn read<E: From<DatasetError>>(
    path: &Path,
    image: impl FnMut(&str, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let file = File::open(path).map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
    read_from(file, path, image)
}

/// Reads an archive like [`read`], from any reader; `path` is used in messages.
///
/// # Errors
/// Those of [`read`].
pub fn read_from<E: From<DatasetError>>(
    packed: impl Read,
    path: &Path,
    mut image: impl FnMut(&str, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let meter = Meter::default();
    let refused = |reason| DatasetError::ArchiveRefused { path: path.to_owned(), reason };
    let damaged = |source| match meter.exceeded.take() {
        Some(reason) => refused(reason),
        None => DatasetError::Archive { path: path.to_owned(), source },
    };
    let packed = BufReader::new(Packed { inner: packed, meter: &meter });
    let mut archive = Archive::new(Unpacked { inner: MultiGzDecoder::new(packed), meter: &meter });
    let (mut members, mut images) = (0, 0u64);
    let mut entries = archive.entries().map_err(damaged)?;
    loop {
        meter.allow(limits::ARCHIVE_BETWEEN);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(damaged)?;
        members += 1;
        if members > limits::ARCHIVE_MEMBERS {
            return Err(
                refused(format!("has more than {} members", thousands(limits::ARCHIVE_MEMBERS))).into()
            );
        }
        let name = image_name(&entry, path)?;
        meter.allow(entry.size());
        if let Some(name) = name {
            let bytes = content(&mut entry).map_err(damaged)?;
            image(&name, bytes)?;
            images += 1;
        } else {
            io::copy(&mut entry, &mut io::sink()).map_err(damaged)?;
        }
    }
    // The checksum of the gzip stream comes after the last member. Other data there, except for zeros, would be
    // ignored silently.
    let mut behind = Vec::new();
    archive.into_inner().read_to_end(&mut behind).map_err(damaged)?;
    if behind.iter().any(|byte| *byte != 0) {
        return Err(refused("has data after its end, such as another archive".to_owned()).into());
    }
    if images == 0 {
        return Err(DatasetError::NoImages { path: path.to_owned(), archives: false }.into());
    }
    Ok(())
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
        self.meter.check()?;
        Ok(n)
    }
}

/// The file name of a member that is an image; `None` for a skipped member.
fn image_name<R: Read>(entry: &Entry<R>, archive: &Path) -> Result<Option<String>, DatasetError> {
    let bytes = entry.path_bytes();
    let member = String::from_utf8_lossy(&bytes);
    let refuse = |reason| {
        Err(DatasetError::Member { path: archive.to_owned(), member: member.clone().into_owned(), reason })
    };
    let kind = entry.header().entry_type();
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::Directory | EntryType::XGlobalHeader => {}
        _ => return refuse("is neither a file nor a folder"),
    }
    if entry.size() > limits::IMAGE_FILE {
        return refuse("is larger than 64 MiB");
    }
    if kind == EntryType::XGlobalHeader {
        return Ok(None);
    }
    let path = Path::new(&*member);
    let mut hidden = false;
    for component in path.components() {
        match component {
            Component::Normal(name) => hidden |= is_hidden(name),
            Component::CurDir => {}
            _ => return refuse("has a path outside the archive"),
        }
    }
    if hidden || kind.is_dir() || !is_png(path) {
        return Ok(None);
    }
    match std::str::from_utf8(&bytes).ok().and_then(|member| member.rsplit('/').next()) {
        Some(name) if is_plain_name(name) => Ok(Some(name.to_owned())),
        _ => refuse("is not a plain file name"),
    }
}

fn content<R: Read>(entry: &mut Entry<R>) -> io::Result<Vec<u8>> {
    let size = entry.size();
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let mut names = Vec::new();
        let image = |name: &str, bytes: Vec<u8>| -> Result<(), DatasetError> {
            names.push(format!("{name}: {}", bytes.len()));
            Ok(())
        };
        read(&path, image).map_err(|e| e.to_string()).map(|()| names)
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
        assert_eq!(names(&packed), Ok(vec!["b.png: 4".to_owned(), "a.PNG: 0".to_owned()]));
    }

    #[test]
    fn members_that_lead_elsewhere_are_refused() {
        for (name, kind, reason) in [
            ("/etc/a.png", EntryType::Regular, "a path outside the archive"),
            ("images/../../a.png", EntryType::Regular, "a path outside the archive"),
            ("../notes.txt", EntryType::Regular, "a path outside the archive"),
            ("a.png", EntryType::Symlink, "neither a file nor a folder"),
            ("a.png", EntryType::Link, "neither a file nor a folder"),
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
        for end in [0, 1, packed.len() / 2, packed.len() - 1] {
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
    fn two_archives_in_one_are_refused_and_padding_is_not() {
        let one = tar(&[("a.png", EntryType::Regular, b"x")]);
        assert_eq!(names(&gzip(&[&one[..], &[0; 10_240]].concat())), Ok(vec!["a.png: 1".to_owned()]));
        for both in [gzip(&one.repeat(2)), gzip(&one).repeat(2)] {
            assert!(names(&both).unwrap_err().ends_with("such as another archive"));
        }
    }

    #[test]
    fn an_archive_without_images_says_so() {
        let message = names(&gzip(&tar(&[("a.txt", EntryType::Regular, b"")]))).unwrap_err();
        assert!(message.ends_with("contains no PNG images"), "{message}");
    }
}
