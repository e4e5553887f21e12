//! The images of an archive such as `images_001.tar.gz`, streamed: nothing is ever unpacked to disk.
//!
//! A member's name is a stranger's text. Whatever points out of the archive, absolute paths, `..` and
//! links, is refused and not skipped, because no archive of images has a reason to hold it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::DatasetError;
use super::source::{is_hidden, is_png};
use super::text::is_plain_name;

/// A member longer than this is no radiograph.
pub const MAX_MEMBER: u64 = 64 << 20;

/// Reads the `*.png` members of a gzip-packed tar archive and hands name and bytes of each to `image`,
/// in the archive's order. Folders within it do not matter; hidden members are passed over.
///
/// The archive is read to its end, so that a cut-off or damaged one is an error, if a late one: what
/// `image` did before should be undone or harmless.
///
/// # Errors
/// An archive that is damaged, ends early, holds no image or a member that is refused; what `image`
/// returns.
pub fn read<E: From<DatasetError>>(
    path: &Path,
    mut image: impl FnMut(&str, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |source| DatasetError::Archive { path: path.to_owned(), source };
    let file = File::open(path).map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
    let mut archive = Archive::new(MultiGzDecoder::new(BufReader::new(file)));
    let mut images = 0u64;
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        if let Some(name) = image_name(&entry, path)? {
            let bytes = content(&mut entry).map_err(damaged)?;
            image(&name, bytes)?;
            images += 1;
        }
    }
    // The checksum of the gzip stream stands behind the last member.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    if images == 0 {
        return Err(DatasetError::NoImages { path: path.to_owned(), archives: false }.into());
    }
    Ok(())
}

/// The file name of a member that is an image; none for a member that is passed over.
fn image_name<R: Read>(entry: &Entry<R>, archive: &Path) -> Result<Option<String>, DatasetError> {
    let bytes = entry.path_bytes();
    let member = String::from_utf8_lossy(&bytes);
    let refuse = |reason| {
        Err(DatasetError::Member { path: archive.to_owned(), member: member.clone().into_owned(), reason })
    };
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::Directory => {}
        EntryType::XGlobalHeader => return Ok(None),
        _ => return refuse("is neither a file nor a folder"),
    }
    let path = Path::new(&*member);
    let mut hidden = false;
    for component in path.components() {
        match component {
            Component::Normal(name) => hidden |= is_hidden(name),
            Component::CurDir => {}
            _ => return refuse("leads out of the archive"),
        }
    }
    if hidden || entry.header().entry_type().is_dir() || !is_png(path) {
        return Ok(None);
    }
    match std::str::from_utf8(&bytes).ok().and_then(|member| member.rsplit('/').next()) {
        _ if entry.size() > MAX_MEMBER => refuse("is larger than 64 MiB"),
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
            // The builder refuses the names that are tested here.
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
            ("/etc/a.png", EntryType::Regular, "leads out"),
            ("images/../../a.png", EntryType::Regular, "leads out"),
            ("../notes.txt", EntryType::Regular, "leads out"),
            ("a.png", EntryType::Symlink, "neither a file nor a folder"),
            ("a.png", EntryType::Link, "neither a file nor a folder"),
            ("a.png", EntryType::Fifo, "neither a file nor a folder"),
            ("images\\a.png", EntryType::Regular, "not a plain file name"),
        ] {
            let message = names(&gzip(&tar(&[(name, kind, b"")]))).unwrap_err();
            assert!(message.contains(reason) && message.contains(&format!("{name:?}")), "{message}");
        }
    }

    #[test]
    fn a_member_of_any_size_is_refused_before_it_is_read() {
        let mut header = tar::Header::new_gnu();
        header.set_path("a.png").unwrap();
        header.set_size(MAX_MEMBER + 1);
        header.set_cksum();
        assert!(names(&gzip(header.as_bytes())).unwrap_err().contains("larger than 64 MiB"));
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
    fn an_archive_without_images_says_so() {
        let message = names(&gzip(&tar(&[("a.txt", EntryType::Regular, b"")]))).unwrap_err();
        assert!(message.ends_with("holds no PNG images"), "{message}");
    }
}
