//! Finds the images of a data set: in nested folders, as single files, in archives.
//!
//! Links are followed, to files and to folders, because shared clusters, second disks and git-annex store large data in
//! this way; each folder is read once, and a link to a folder above it is not followed, so every walk ends. What is
//! passed over is named in [`Remarks`].

use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::file_names::{
    is_archive, is_archive_kind, is_hidden, is_image, is_mac, is_other_image, is_other_image_kind,
};
use super::remarks::{Remark, Remarks};
use super::{DatasetError, archive};
use crate::disk::FileError;
use crate::recognise::FileKind;
use crate::records::is_plain_name;

/// The images and archives below the given paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundImages {
    /// One file per name, sorted by name.
    pub images: Vec<ImageFile>,
    /// Pairs of different paths with the same name: the one in `images` and another. The caller must check
    /// whether they are the same image.
    pub duplicates: Vec<(PathBuf, PathBuf)>,
    /// The given archives, sorted; [`super::archive::read`] reads them.
    pub archives: Vec<PathBuf>,
    /// What was not read, and links that were followed.
    pub remarks: Remarks,
}

/// An image file, not opened yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageFile {
    /// Its file name, which metadata refers to.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
}

/// Finds every `*.png`, `*.jpg` and `*.jpeg` below `paths`: in folders, as single images, and in archives, which are
/// only listed. A file is judged by its bytes where its name says nothing.
///
/// Hidden files and folders, `__MACOSX`, and entries that are neither a file nor a link to one are skipped.
///
/// # Errors
/// A path that does not exist or is of another type; a folder without an image; a file name that is not UTF-8
/// or contains control characters; an image that is a broken link.
pub fn find_images(paths: &[PathBuf]) -> Result<FoundImages, DatasetError> {
    let mut found = FoundImages::default();
    let mut images = Vec::new();
    // What is given as a path of its own is read, wherever else it lies.
    let given: HashSet<(u64, u64)> = paths
        .iter()
        .filter_map(|path| path.metadata().ok())
        .map(|found| (found.dev(), found.ino()))
        .collect();
    for path in paths {
        let kind = path.metadata().map_err(|source| unreadable(path, source))?;
        if kind.is_dir() {
            walk(path, &given, &mut images, &mut found.remarks)?;
        } else if !kind.is_file() {
            let kind = if kind.file_type().is_fifo() { "a pipe" } else { "a device or socket" };
            return Err(DatasetError::NotAFile { path: path.clone(), kind });
        } else if is_image(path) {
            images.push(image_file(path)?);
        } else if is_archive(path) {
            // Whether it is one shows when it is read, which one that was read before is not.
            found.archives.push(path.clone());
        } else {
            match archive::kind_of(path)? {
                FileKind::Png | FileKind::Jpeg => images.push(image_file(path)?),
                kind if archive::is_read(kind) => found.archives.push(path.clone()),
                kind => return Err(DatasetError::NotASource { path: path.clone(), found: kind }),
            }
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
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(|source| {
        match path.is_symlink() {
            true => unreadable(path, source),
            false => DatasetError::Read(FileError::new("read", path, source)),
        }
    })?;
    Ok(bytes)
}

/// Why a path cannot be read: it is not there, it is a link that leads nowhere, or what the system says.
fn unreadable(path: &Path, source: io::Error) -> DatasetError {
    let path = path.to_owned();
    match fs::read_link(&path) {
        Ok(target) if source.kind() == io::ErrorKind::NotFound => DatasetError::BrokenLink { path, target },
        Err(_) if source.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            DatasetError::NotThere { path }
        }
        _ => FileError::new("read", &path, source).into(),
    }
}

/// Finds the images in a folder and in what it links to.
fn walk(
    root: &Path,
    given: &HashSet<(u64, u64)>,
    images: &mut Vec<ImageFile>,
    remarks: &mut Remarks,
) -> Result<(), DatasetError> {
    let before = images.len();
    let mut own = Remarks::default();
    let mut read = HashSet::new();
    let is_given =
        |path: &Path| path.metadata().is_ok_and(|found| given.contains(&(found.dev(), found.ino())));
    let mut folders = VecDeque::from([root.to_owned()]);
    // Links come after all that lies in the folder itself, whatever the order of names.
    while let Some(folder) = folders.pop_front() {
        let mut entries = WalkDir::new(&folder).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(&folder).to_owned();
                let source = error.into_io_error().unwrap_or_else(|| io::Error::other("links form a loop"));
                DatasetError::Read(FileError::new("read", &path, source))
            })?;
            let (path, top) = (entry.path(), entry.depth() == 0);
            let hidden = !top && is_hidden(entry.file_name());
            if entry.file_type().is_dir() || top {
                let known = path.metadata().map_err(|source| unreadable(path, source))?;
                let new = !hidden && read.insert((known.dev(), known.ino()));
                if new && top && folder != root {
                    own.add(Remark::FollowedLink, leading(path));
                } else if !new {
                    let mac = is_mac(entry.file_name().as_encoded_bytes());
                    if hidden && !mac && !is_given(path) && has_image(path) {
                        own.add_path(Remark::HiddenFolder, path);
                    }
                    entries.skip_current_dir();
                }
            } else if hidden {
                let mac = is_mac(entry.file_name().as_encoded_bytes());
                if is_image(path) && !mac && entry.file_type().is_file() && !is_given(path) {
                    own.add_path(Remark::HiddenImage, path);
                }
            } else if entry.path_is_symlink() {
                follow(&entry, &is_given, images, &mut folders, &mut own)?;
            } else if entry.file_type().is_file() {
                file(path, &is_given, images, &mut own)?;
            } else {
                own.add_path(Remark::SpecialFile, path);
            }
        }
    }
    if images.len() == before {
        let archives = own.has(Remark::InnerArchive);
        let remarks = own.sentences();
        return Err(DatasetError::NoImages { path: root.to_owned(), archives, remarks });
    }
    remarks.extend(own);
    Ok(())
}

/// Takes a file if it is an image, and remarks upon what could have been meant as one. Where its name says nothing, its
/// first bytes do.
fn file(
    path: &Path,
    is_given: &impl Fn(&Path) -> bool,
    images: &mut Vec<ImageFile>,
    remarks: &mut Remarks,
) -> Result<(), DatasetError> {
    if is_image(path) {
        images.push(image_file(path)?);
        return Ok(());
    }
    let [named_archive, named_image] = [is_archive(path), is_other_image(path)];
    // What cannot be read says nothing either.
    let kind = if named_archive || named_image { None } else { archive::kind_of(path).ok() };
    let remark = match kind {
        Some(FileKind::Png | FileKind::Jpeg) => {
            images.push(image_file(path)?);
            return Ok(());
        }
        _ if named_archive || kind.is_some_and(is_archive_kind) => Remark::InnerArchive,
        _ if named_image || kind.is_some_and(is_other_image_kind) => Remark::OtherFormat,
        _ => return Ok(()),
    };
    if !is_given(path) {
        remarks.add_path(remark, path);
    }
    Ok(())
}

/// Follows a link: a file is taken, a folder is read later unless it contains the link.
fn follow(
    link: &DirEntry,
    is_given: &impl Fn(&Path) -> bool,
    images: &mut Vec<ImageFile>,
    folders: &mut VecDeque<PathBuf>,
    remarks: &mut Remarks,
) -> Result<(), DatasetError> {
    let path = link.path();
    let target = match path.metadata() {
        Ok(target) => target,
        Err(source) if is_image(path) => return Err(unreadable(path, source)),
        Err(_) => {
            remarks.add(Remark::BrokenLink, leading(path));
            return Ok(());
        }
    };
    if target.is_file() {
        return file(path, is_given, images, remarks);
    }
    if !target.is_dir() {
        remarks.add_path(Remark::SpecialFile, path);
        return Ok(());
    }
    let above = |source| DatasetError::Read(FileError::new("read", path, source));
    let (folder, parent) = (path.canonicalize().map_err(above)?, path.parent().unwrap_or(path));
    if parent.canonicalize().map_err(above)?.starts_with(&folder) {
        remarks.add(Remark::LinkAbove, leading(path));
    } else {
        folders.push_back(path.to_owned());
    }
    Ok(())
}

/// A link and where it leads, as `ls -l` shows it.
fn leading(link: &Path) -> String {
    match fs::read_link(link) {
        Ok(target) => format!("{} -> {}", link.display(), target.display()),
        Err(_) => link.display().to_string(),
    }
}

/// Whether there is an image in a folder, at any depth; what cannot be read has none.
fn has_image(folder: &Path) -> bool {
    WalkDir::new(folder)
        .into_iter()
        .flatten()
        .any(|entry| entry.file_type().is_file() && is_image(entry.path()))
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

    fn names(found: &FoundImages) -> Vec<&str> {
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
        fs::write(at("images_001.tar.gz"), b"\x1f\x8b\x08").unwrap();
        let found = find_images(&[at("y"), at(""), at("y/b.png"), at("images_001.tar.gz")]).unwrap();
        assert_eq!(names(&found), ["a.png", "b.png"]);
        assert_eq!(found.duplicates, [(at("x/a.png"), at("y/a.png"))]);
        assert_eq!(found.archives, [at("images_001.tar.gz")]);
    }

    #[test]
    fn a_path_that_holds_no_image_is_an_error_with_a_hint() {
        let folder = folder(&["empty/notes.txt", "archives/images_001.tar.gz", "scans/a.dcm"]);
        let at = |path: &str| folder.path().join(path);
        fs::write(at("page"), "<!DOCTYPE html><html>").unwrap();
        fs::write(at("pointer"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
        let here = at("");
        let lfs = format!(
            "`git -C {} lfs pull` fetches the file",
            here.display().to_string().trim_end_matches('/')
        );
        let other = format!(
            "1 image of another format was not read: {} (convert to PNG or JPEG)",
            at("scans/a.dcm").display()
        );
        for (path, message, hint) in [
            ("nowhere", "does not exist", None),
            ("empty", "contains no images (PNG, JPEG)", Some("give the folder with the image files")),
            ("scans", "contains no images (PNG, JPEG)", Some(other.as_str())),
            (
                "archives",
                "contains no images (PNG, JPEG)",
                Some(
                    "the folder contains archives: give the archives (images_*.tar.gz) instead of the folder",
                ),
            ),
            ("empty/notes.txt", "is text, not a folder, an image (PNG, JPEG) or an archive (tar, zip)", None),
            (
                "page",
                "is a web page (HTML), not a folder, an image (PNG, JPEG) or an archive (tar, zip)",
                Some(
                    "the server sent a page instead of the file (an expired link, a sign-in, an error): open the link in a \
                     browser, then download the file again",
                ),
            ),
            ("pointer", "is a pointer of Git LFS, not a folder, an image", Some(lfs.as_str())),
        ] {
            let path = folder.path().join(path);
            let error = find_images(std::slice::from_ref(&path)).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with(&format!("{} {message}", path.display())), "{said}");
            assert_eq!(error.hint().as_deref(), hint, "{said}");
        }
    }

    #[test]
    fn what_is_passed_over_is_named_and_what_is_followed_too() {
        use std::os::unix::fs::symlink;
        let folder = folder(&[
            "nih/images_001/a.png",
            "nih/.old/b.png",
            "nih/.cache/list",
            "nih/.c.png",
            "nih/._a.png",
            "nih/scan.dcm",
            "nih/images_003.zip",
            "nih/notes.txt",
            "disk2/images_002/d.jpg",
        ]);
        let at = |path: &str| folder.path().join(path);
        symlink("../disk2/images_002", at("nih/images_002")).unwrap();
        symlink("images_001", at("nih/again")).unwrap();
        symlink("..", at("nih/images_001/up")).unwrap();
        symlink("/nowhere/images_004", at("nih/images_004")).unwrap();
        let found = find_images(&[at("nih")]).unwrap();
        assert_eq!(names(&found), ["a.png", "d.jpg"]);
        assert_eq!(found.images[0].path, at("nih/images_001/a.png"));
        assert!(found.duplicates.is_empty());
        let shown = |path: &str| at(path).display().to_string();
        let expected = [
            format!("1 link to a folder was followed: {} -> ../disk2/images_002", shown("nih/images_002")),
            format!(
                "1 link leads to a folder above it and was not followed: {} -> ..",
                shown("nih/images_001/up")
            ),
            format!("1 link leads nowhere: {} -> /nowhere/images_004", shown("nih/images_004")),
            format!(
                "1 hidden folder with images was not read: {} (give it as a path of its own)",
                shown("nih/.old")
            ),
            format!("1 hidden image was not read: {}", shown("nih/.c.png")),
            format!(
                "1 image of another format was not read: {} (convert to PNG or JPEG)",
                shown("nih/scan.dcm")
            ),
            format!(
                "1 archive inside a folder was not read: {} (give it as a path of its own)",
                shown("nih/images_003.zip")
            ),
        ];
        assert_eq!(found.remarks.sentences(), expected);
    }

    #[test]
    fn links_are_followed_and_a_link_to_nothing_is_an_error() {
        use std::os::unix::fs::symlink;
        let folder = folder(&["real/a.png", "linked/z.png"]);
        let at = |path: &str| folder.path().join(path);
        symlink(at("real/a.png"), at("linked/b.png")).unwrap();
        symlink(at("real"), at("linked/folder.png")).unwrap();
        symlink(at("linked"), at("linked/loop")).unwrap();
        assert_eq!(names(&find_images(&[at("linked")]).unwrap()), ["a.png", "b.png", "z.png"]);
        symlink(at("gone.png"), at("linked/c.png")).unwrap();
        let error = find_images(&[at("linked")]).unwrap_err().to_string();
        let (link, target) = (at("linked/c.png"), at("gone.png"));
        let expected = format!("{} is a link to {}, which does not exist", link.display(), target.display());
        assert_eq!(error, expected);
        fs::remove_file(&link).unwrap();
        symlink("../.git/annex/objects/aa/bb/x.png", &link).unwrap();
        let hint = find_images(&[at("linked")]).unwrap_err().hint().unwrap();
        assert!(hint.contains("annex get c.png"), "{hint}");
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
