//! Files and folders that are refused, and what to do about each.

use std::io;
use std::path::{Path, PathBuf};

use crate::digits::thousands;
use crate::escape::shell_os;

/// Something else in the place of a file or folder of a registry or remote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A symbolic link.
    #[error("{} is a symbolic link, and no link is followed inside {}", path.display(), root.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// The folder that was opened by its path, which may be a link itself.
        root: PathBuf,
    },
    /// A folder, a pipe, a socket or a device.
    #[error("{} is a {found}, not a file", path.display())]
    NotAFile {
        /// Its path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A file that would be written in place and has a second name, whose contents would change too.
    #[error("{} has a second name (a hard link), and writing to it would change that file too", .0.display())]
    SecondName(PathBuf),
    /// A file that is longer than reg writes any.
    #[error("{} is longer than {} bytes", path.display(), thousands(*limit))]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Maximum length in bytes.
        limit: u64,
    },
    /// A file or folder of another account.
    #[error("{} belongs to somebody else, and is not removed", .0.display())]
    NotOurs(PathBuf),
    /// Nested folders that are deeper than reg creates any, or on another file system.
    #[error("{} {reason}, and is not removed", path.display())]
    NotRemoved {
        /// The folder.
        path: PathBuf,
        /// What is unusual about it.
        reason: &'static str,
    },
    /// A path that could lead out of its folder.
    #[error("`{}` is not a path inside a folder", .0.display())]
    Outside(PathBuf),
}

impl Refused {
    /// The path that the message names first.
    pub fn path(&self) -> &Path {
        match self {
            Refused::Link { path, .. }
            | Refused::NotAFile { path, .. }
            | Refused::TooLong { path, .. }
            | Refused::NotRemoved { path, .. }
            | Refused::SecondName(path)
            | Refused::NotOurs(path)
            | Refused::Outside(path) => path,
        }
    }

    /// A hint.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Refused::Link { path, root } => format!(
                "`rm {}` removes the link (its target stays); to keep the data elsewhere, move all of {} and link that",
                shell_os(path),
                root.display()
            ),
            Refused::NotAFile { path, found: "folder" } => {
                format!("move it away: `mv {0} {0}.away`", shell_os(path))
            }
            Refused::NotAFile { path, .. } | Refused::SecondName(path) => {
                format!("`rm {}` removes it", shell_os(path))
            }
            Refused::TooLong { path, .. } => {
                format!("reg does not write such a file; `rm {}` removes it", shell_os(path))
            }
            Refused::NotOurs(path) | Refused::NotRemoved { path, .. } => {
                format!("check what it is, then remove it with `rm -r {}`", shell_os(path))
            }
            Refused::Outside(_) => return None,
        })
    }

    /// The refusal behind an I/O error, if there is one.
    pub fn behind(e: &io::Error) -> Option<&Refused> {
        e.get_ref()?.downcast_ref()
    }

    /// Whether the error is about a link.
    pub fn is_link(e: &io::Error) -> bool {
        matches!(Refused::behind(e), Some(Refused::Link { .. }))
    }

    pub(super) fn outside(path: &Path) -> io::Error {
        Refused::Outside(path.to_owned()).into()
    }
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> io::Error {
        io::Error::other(refused)
    }
}
