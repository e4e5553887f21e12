//! Why the system refused an operation: one error number stands for several reasons, so the file is examined.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;

use super::refused::Refused;

/// The message of an error about a path: `cannot VERB PATH: REASON`. A refusal names its path itself, so neither that
/// path nor one below it is named before it.
pub fn failed(doing: &str, path: &Path, e: &io::Error) -> String {
    match Refused::behind(e) {
        Some(refused) if path.starts_with(refused.path()) => refused.to_string(),
        _ if e.kind() == io::ErrorKind::IsADirectory => {
            format!("cannot {doing} {}: it is a folder", path.display())
        }
        _ if e.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            let target = fs::read_link(path).unwrap_or_default();
            format!(
                "cannot {doing} {}: it is a link to {}, which does not exist",
                path.display(),
                target.display()
            )
        }
        _ => format!("cannot {doing} {}: {e}", path.display()),
    }
}

/// A file or folder that could not be read, written or changed.
#[derive(Debug, thiserror::Error)]
#[error("{}", failed(doing, path, source))]
pub struct FileError {
    /// The verb.
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl FileError {
    /// What the system says when something is done to a file or folder.
    pub fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        FileError { doing, path: path.to_owned(), source }
    }
}

/// Says what was done to which file when the system refused it.
pub trait Doing<T> {
    /// The same result, whose error names the verb and the file or folder.
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(doing, path, source))
    }
}

/// Why a file from outside cannot get a second name in `folder`: the second half of a sentence whose subject is "it".
pub(crate) fn why_not_linked(file: &Path, folder: &Path, e: &io::Error) -> String {
    let errno = Errno::from_io_error(e);
    let (file, folder) = (fs::metadata(file).ok(), fs::metadata(folder).ok());
    let owner = file.as_ref().map(MetadataExt::uid);
    match errno {
        Some(Errno::XDEV) => match (file, folder) {
            (Some(file), Some(folder)) if file.dev() == folder.dev() => {
                "is below a different mount than the registry".to_owned()
            }
            _ => "is on a different file system than the registry".to_owned(),
        },
        Some(Errno::MLINK) => {
            "already has the largest number of hard links that its file system allows".to_owned()
        }
        Some(Errno::PERM | Errno::ACCESS) => match owner.filter(|owner| *owner != geteuid().as_raw()) {
            Some(owner) => of_another_owner(owner),
            None => "is on a file system without hard links, or is immutable (`lsattr`)".to_owned(),
        },
        _ => e.to_string(),
    }
}

fn of_another_owner(owner: u32) -> String {
    format!("belongs to another user (uid {owner}), and only its owner may link it and make it read-only")
}

/// The same before the attempt: on some systems a file of another user can be linked, but only root could make it
/// read-only afterwards.
pub(crate) fn not_ours(file: &Path) -> Option<String> {
    let me = geteuid();
    if me.is_root() {
        return None;
    }
    let owner = fs::metadata(file).ok()?.uid();
    (owner != me.as_raw()).then(|| of_another_owner(owner))
}

/// Why a file or folder cannot be changed, as a clause, if the system's own message does not say so.
pub fn why_denied(path: &Path, e: &io::Error) -> Option<String> {
    let there = path.ancestors().find_map(|path| Some((path, fs::symlink_metadata(path).ok()?)));
    let (shown, me) = (there.as_ref().map_or(path, |(path, _)| path).display(), geteuid().as_raw());
    Some(match (Errno::from_io_error(e)?, &there) {
        (Errno::ROFS, _) => format!("the file system of {shown} is mounted read-only"),
        (Errno::XDEV, _) => {
            format!("{shown} is on another file system, but a registry must be on a single one")
        }
        (Errno::PERM | Errno::ACCESS, Some((_, found))) if found.uid() != me && me != 0 => {
            format!("{shown} belongs to another user (uid {}; this is uid {me})", found.uid())
        }
        (Errno::PERM, _) => {
            format!("the file system forbids changes to {shown}, such as by an attribute (`lsattr`)")
        }
        (Errno::ACCESS, Some((_, found))) => {
            format!("the permissions of {shown} (mode {:o}) do not allow it", found.mode() & 0o7777)
        }
        _ => return None,
    })
}
