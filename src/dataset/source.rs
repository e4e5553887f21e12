//! Finds the images of a data set: in nested folders, as single files, in archives.
//!
//! Links to folders are not followed, so every walk ends. Links to files are followed, because shared clusters
//! and git-annex store large data in this way.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::DatasetError;
use crate::records::is_plain_name;

/// The images and archives below the given paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// One file per name, sorted by name.
    pub images: Vec<ImageFile>,
    /// Pairs of different paths with the same name: the one in `images` and another. The caller must check
    /// whether they are the same image.
    pub duplicates: Vec<(PathBuf, PathBuf)>,
    /// The given archives, sorted; [`super::archive::read`] reads them.
    pub archives: Vec<PathBuf>,
}

/// An image file, not opened yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageFile {
    /// Its file name, which metadata refers to.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
}

/// Finds every `*.png` below `paths`: in folders, as single images, and in archives, which are only listed.
///
/// Hidden files, `__MACOSX`, and entries that are neither a file nor a link to one are skipped.
///
/// # Errors
/// A path that does not exist or is of another type; a folder without an image; a file name that is not UTF-8
/// or contains control characters; a broken link.
pub fn find_images(paths: &[PathBuf]) -> Result<Found, DatasetError> {
    let mut found = Found::default();
    let mut images = Vec::new();
    for path in paths {
        let kind = path.metadata().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => DatasetError::NotThere { path: path.clone() },
            _ => DatasetError::Read { path: path.clone(), source },
        })?;
        if kind.is_dir() {
            walk(path, &mut images)?;
        } else if kind.is_file() && is_png(path) {
            images.push(image_file(path)?);
        } else if kind.is_file() && is_archive(path) {
            found.archives.push(path.clone());
        } else if kind.is_file() {
            return Err(DatasetError::NotASource { path: path.clone() });
        } else {
            let fifo = kind.file_type().is_fifo();
            let kind = if fifo { "a pipe" } else { "a device or socket" };
            return Err(DatasetError::NotAFile { path: path.clone(), kind });
        }
    }
    images.par_sort_unstable();
    // The same path twice is one file, for example if a folder and its parent were given.
    images.dedup();
    for image in images {
        match found.images.last() {
            Some(kept) if kept.name == image.name => found.duplicates.push((kept.path.clone(), image.path)),
            _ => found.images.push(image),
        }
    }
    found.archives.sort_unstable();
    found.archives.dedup();
    Ok(found)
}

/// Reads a file, or the first `limit + 1` bytes of a longer one: callers refuse that many bytes, so even
/// `/dev/zero` does no harm.
pub fn load(path: &Path, limit: u64) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

fn walk(folder: &Path, images: &mut Vec<ImageFile>) -> Result<(), DatasetError> {
    let before = images.len();
    let mut archives = false;
    for entry in WalkDir::new(folder)
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()))
    {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_owned();
            let source =
                error.into_io_error().unwrap_or_else(|| io::Error::other("symbolic links form a loop"));
            DatasetError::Read { path, source }
        })?;
        let path = entry.path();
        if is_png(path) && is_file(&entry)? {
            images.push(image_file(path)?);
        }
        archives |= is_archive(path);
    }
    if images.len() == before {
        return Err(DatasetError::NoImages { path: folder.to_owned(), archives });
    }
    Ok(())
}

/// Whether a file or folder with this name does not belong to the data set: `.DS_Store`, `._00000001_000.png`.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX"
}

/// Whether the entry is a file or a link to one.
fn is_file(entry: &DirEntry) -> Result<bool, DatasetError> {
    if !entry.path_is_symlink() {
        return Ok(entry.file_type().is_file());
    }
    let path = entry.path();
    let target = path.metadata().map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
    Ok(target.is_file())
}

pub(super) fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::to_ascii_lowercase).unwrap_or_default();
    let name = name.as_encoded_bytes();
    name.ends_with(b".tar.gz") || name.ends_with(b".tgz")
}

fn image_file(path: &Path) -> Result<ImageFile, DatasetError> {
    match path.file_name().and_then(OsStr::to_str) {
        Some(name) if !is_plain_name(name) => Err(DatasetError::OddName { path: path.to_owned() }),
        Some(name) => Ok(ImageFile { name: name.to_owned(), path: path.to_owned() }),
        None => Err(DatasetError::NameNotUtf8 { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    fn names(found: &Found) -> Vec<&str> {
        found.images.iter().map(|image| image.name.as_str()).collect()
    }

    #[test]
    fn a_file_is_read_up_to_one_byte_beyond_its_limit() {
        let folder = folder(&["seven77"]);
        for (limit, read) in [(5, "seven7"), (6, "seven77"), (7, "seven77")] {
            assert_eq!(load(&folder.path().join("seven77"), limit).unwrap(), read.as_bytes());
        }
    }

    #[test]
    fn images_are_found_in_nested_folders_by_name() {
        let folder = folder(&[
            "images_002/images/a.png",
            "images_001/images/c.PNG",
            "b.png",
            "._b.png",
            ".hidden/d.png",
            "__MACOSX/images/e.png",
            "README.txt",
            "png",
        ]);
        let found = find_images(&[folder.path().to_owned()]).unwrap();
        assert_eq!(names(&found), ["a.png", "b.png", "c.PNG"]);
        assert_eq!(found.images[0].path, folder.path().join("images_002/images/a.png"));
        assert!(found.duplicates.is_empty());
    }

    #[test]
    fn a_name_in_two_places_is_left_to_the_caller_but_one_path_counts_once() {
        let folder = folder(&["x/a.png", "y/a.png", "y/b.png", "images_001.tar.gz"]);
        let at = |path: &str| folder.path().join(path);
        let found = find_images(&[at("y"), at(""), at("y/b.png"), at("images_001.tar.gz")]).unwrap();
        assert_eq!(names(&found), ["a.png", "b.png"]);
        assert_eq!(found.duplicates, [(at("x/a.png"), at("y/a.png"))]);
        assert_eq!(found.archives, [at("images_001.tar.gz")]);
    }

    #[test]
    fn a_path_that_holds_no_image_is_an_error_with_a_hint() {
        let folder = folder(&["empty/notes.txt", "archives/images_001.tar.gz"]);
        for (path, message, hint) in [
            ("nowhere", "does not exist", None),
            (
                "empty",
                "contains no PNG images",
                Some("give the folder with the .png files; links to folders are not followed"),
            ),
            (
                "archives",
                "contains no PNG images",
                Some(
                    "the folder contains archives: give the archives (images_*.tar.gz) instead of the folder",
                ),
            ),
            ("empty/notes.txt", "is neither a folder nor a .png nor a .tar.gz file", None),
        ] {
            let path = folder.path().join(path);
            let error = find_images(std::slice::from_ref(&path)).unwrap_err();
            assert_eq!(error.to_string(), format!("{} {message}", path.display()));
            assert_eq!(error.hint().as_deref(), hint);
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_taken_for_files_only_and_a_link_to_nothing_is_an_error() {
        use std::os::unix::fs::symlink;
        let folder = folder(&["real/a.png", "linked/z.png"]);
        let at = |path: &str| folder.path().join(path);
        symlink(at("real/a.png"), at("linked/b.png")).unwrap();
        symlink(at("real"), at("linked/folder.png")).unwrap();
        symlink(at("linked"), at("linked/loop")).unwrap();
        assert_eq!(names(&find_images(&[at("linked")]).unwrap()), ["b.png", "z.png"]);
        symlink(at("gone.png"), at("linked/c.png")).unwrap();
        let error = find_images(&[at("linked")]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot read {}", at("linked/c.png").display())), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf8_is_an_error() {
        use std::os::unix::ffi::OsStrExt;
        let folder = folder(&[]);
        fs::write(folder.path().join(OsStr::from_bytes(b"\xff.png")), "").unwrap();
        let error = find_images(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(error.ends_with("\u{fffd}.png is not UTF-8"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_could_steer_a_terminal_is_an_error_and_is_shown_escaped() {
        let folder = folder(&["\u{1b}[2J.png"]);
        let error = find_images(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "\\u{1b}[2J.png\" contains a backslash, control characters or invisible characters"
            ),
            "{error}"
        );
    }
}
