//! What is not opened, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::escape::shell_os;

/// Something in the place of a file or folder of a registry or remote that is none.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It leads somewhere else.
    #[error("{} is a symbolic link, and no link is followed inside {}", path.display(), root.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// The folder that was opened by name, which may be a link itself.
        root: PathBuf,
    },
    /// A folder, a pipe, a socket or a device.
    #[error("{} is a {found}, not a file", path.display())]
    NotAFile {
        /// What was opened.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A file that would be written in place, and with it another name's.
    #[error("{} has a second name (a hard link), and writing to it would change that file too", .0.display())]
    SecondName(PathBuf),
    /// A file that is longer than anything that reg writes there.
    #[error("{} is longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes that it may have.
        limit: u64,
    },
    /// Something that reg did not make.
    #[error("{} belongs to somebody else, and is not removed", .0.display())]
    NotOurs(PathBuf),
    /// Folders that lie deeper, or on another file system, than reg makes any.
    #[error("{} {reason}, and is not removed", path.display())]
    NotRemoved {
        /// The folder.
        path: PathBuf,
        /// What is unusual about it.
        reason: &'static str,
    },
    /// A path that could lead out of where it begins.
    #[error("`{}` is not a path inside a folder", .0.display())]
    Outside(PathBuf),
}

impl Refused {
    /// What to do.
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
                format!("look at it, and remove it with `rm -r {}`", shell_os(path))
            }
            Refused::Outside(_) => return None,
        })
    }

    /// What was refused, where that is why the system's part of reg says no.
    pub fn behind(e: &io::Error) -> Option<&Refused> {
        e.get_ref()?.downcast_ref()
    }

    /// Whether a link is in the way.
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
