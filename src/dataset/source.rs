//! Where the images of a data set are: nested folders, single files, archives as they are published.
//!
//! Folders are walked without following links to other folders, so a walk ends. Links to files are
//! taken for the file, which is how shared clusters and git-annex keep large data.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::DatasetError;

/// What is found under the given paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// One file a name, sorted by name.
    pub images: Vec<ImageFile>,
    /// Pairs of different paths with the same name: the one in `images` and another. Whether they are
    /// the same image is for the caller to find out.
    pub duplicates: Vec<(PathBuf, PathBuf)>,
    /// The archives among the given paths, sorted.
    pub archives: Vec<PathBuf>,
}

/// An image file, not opened yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageFile {
    /// Its file name, by which metadata names it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Finds every `*.png` under `paths`: folders, single images, and archives, which are only listed.
///
/// Hidden files, `__MACOSX` and what is neither a file nor a link to one are passed over.
///
/// # Errors
/// A path that does not exist or is something else; a folder without an image; a file name that is
/// not UTF-8; a link to nothing.
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
        } else {
            return Err(DatasetError::NotASource { path: path.clone() });
        }
    }
    images.sort_unstable();
    // The same path twice is one file: somebody named a folder and its parent.
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

fn walk(folder: &Path, images: &mut Vec<ImageFile>) -> Result<(), DatasetError> {
    let before = images.len();
    let mut archives = false;
    for entry in
        WalkDir::new(folder).into_iter().filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry))
    {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_owned();
            DatasetError::Read { path, source: error.into() }
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

fn is_hidden(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX"
}

/// Whether the entry is a file or a link that leads to one.
fn is_file(entry: &DirEntry) -> Result<bool, DatasetError> {
    if !entry.path_is_symlink() {
        return Ok(entry.file_type().is_file());
    }
    let path = entry.path();
    let target = path.metadata().map_err(|source| DatasetError::Read { path: path.to_owned(), source })?;
    Ok(target.is_file())
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::to_ascii_lowercase).unwrap_or_default();
    let name = name.as_encoded_bytes();
    name.ends_with(b".tar.gz") || name.ends_with(b".tgz")
}

fn image_file(path: &Path) -> Result<ImageFile, DatasetError> {
    match path.file_name().and_then(OsStr::to_str) {
        Some(name) => Ok(ImageFile { name: name.to_owned(), path: path.to_owned() }),
        None => Err(DatasetError::NameNotUtf8 { path: path.to_owned() }),
    }
}
