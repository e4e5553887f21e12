//! Removes a folder with all that lies in it, through open folders only: what a link leads to stays, and so does
//! what is mounted there.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, unlinkat};
use rustix::io::Errno;

use super::refused::Refused;
use crate::limits;

struct Level {
    fd: OwnedFd,
    name: OsString,
    left: Vec<(OsString, FileType)>,
}

/// Removes the folder `name` of `dir`; `path` is what messages call it.
pub(super) fn folder(dir: BorrowedFd<'_>, name: &OsStr, path: &Path) -> io::Result<()> {
    let top = Level::open(dir, name)?;
    let device = fstat(&top.fd)?.st_dev;
    let not = |reason| Refused::NotRemoved { path: path.to_owned(), reason };
    let mut open = vec![top];
    while let Some(level) = open.last_mut() {
        match level.left.pop() {
            Some((name, FileType::Directory | FileType::Unknown)) => {
                match Level::open(level.fd.as_fd(), &name) {
                    Ok(below) => {
                        if fstat(&below.fd)?.st_dev != device {
                            return Err(not("has another file system mounted in it").into());
                        }
                        if open.len() == limits::FOLDERS {
                            return Err(not("has folders nested deeper than reg creates").into());
                        }
                        open.push(below);
                    }
                    Err(e) if [Errno::NOTDIR, Errno::LOOP].contains(&e) => {
                        gone(unlinkat(&level.fd, &name, AtFlags::empty()))?
                    }
                    Err(Errno::NOENT) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            Some((name, _)) => gone(unlinkat(&level.fd, &name, AtFlags::empty()))?,
            None => {
                let Some(Level { name, .. }) = open.pop() else { break };
                let above = open.last().map_or(dir, |level| level.fd.as_fd());
                gone(unlinkat(above, &name, AtFlags::REMOVEDIR))?;
            }
        }
    }
    Ok(())
}

/// Another process may be removing the same.
fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

impl Level {
    fn open(above: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<Level> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(above, name, flags, Mode::empty())?;
        let left = entries(&fd)?;
        Ok(Level { fd, name: name.to_owned(), left })
    }
}

/// What lies in an open folder, and of which type the system says that it is.
pub(super) fn entries(fd: &OwnedFd) -> rustix::io::Result<Vec<(OsString, FileType)>> {
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if ![b".".as_slice(), b".."].contains(&name) {
            entries.push((OsStr::from_bytes(name).to_owned(), entry.file_type()));
        }
    }
    Ok(entries)
}
