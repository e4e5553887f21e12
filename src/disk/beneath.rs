//! Opens files below an open folder without following a link in their path.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat};

use super::refused::Refused;

/// Flags for a folder that is only passed through.
#[cfg(target_os = "linux")]
pub(super) const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
#[cfg(not(target_os = "linux"))]
pub(super) const PASS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// The last component of a path, and the components before it, if there are any.
///
/// # Errors
/// A path that is absolute, empty, or has `..` in it.
pub(super) fn split(path: &Path) -> io::Result<(Option<&Path>, &OsStr)> {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    match (plain, path.file_name()) {
        (true, Some(name)) => Ok((path.parent().filter(|above| !above.as_os_str().is_empty()), name)),
        _ => Err(Refused::outside(path)),
    }
}

/// Opens a path below `dir`. No component of the path may be a link; with `O_PATH` the last may, and the link itself is
/// opened.
pub(super) fn open(dir: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let (above, name) = split(path)?;
    // O_NOFOLLOW suffices for a single component.
    if above.is_none() {
        return Ok(openat(dir, name, flags, mode)?);
    }
    #[cfg(target_os = "linux")]
    if linux::has_openat2() {
        return linux::open(dir, path, flags, mode);
    }
    step_by_step(dir, path, flags, mode)
}

/// The same, component by component: for Linux before 5.6, and for system call filters without `openat2`.
fn step_by_step(dir: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let (above, name) = split(path)?;
    let mut at: Option<OwnedFd> = None;
    for part in above.into_iter().flat_map(Path::iter) {
        let from = at.as_ref().map_or(dir, AsFd::as_fd);
        at = Some(openat(from, part, PASS | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?);
    }
    Ok(openat(at.as_ref().map_or(dir, AsFd::as_fd), name, flags, mode)?)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::OnceLock;

    use rustix::fs::{CWD, ResolveFlags, openat2};
    use rustix::io::Errno;

    use super::*;

    /// Whether the system has the call and permits it to this process.
    pub(super) fn has_openat2() -> bool {
        static HAS: OnceLock<bool> = OnceLock::new();
        *HAS.get_or_init(|| {
            let tried = openat2(CWD, ".", PASS | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::BENEATH);
            !matches!(tried, Err(Errno::NOSYS | Errno::PERM))
        })
    }

    pub(super) fn open(dir: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(dir, path, flags, mode, within)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn both_ways_open_the_same_and_follow_no_link() {
        let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/b/file"), b"ours").unwrap();
        fs::write(home.path().join("file"), b"theirs").unwrap();
        symlink(home.path(), dir.path().join("a/out")).unwrap();
        symlink("b", dir.path().join("a/inside")).unwrap();
        symlink(home.path().join("file"), dir.path().join("a/b/link")).unwrap();
        let root = fs::File::open(dir.path()).unwrap();
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        type Opener = fn(BorrowedFd<'_>, &Path, OFlags, Mode) -> io::Result<OwnedFd>;
        for opener in [open as Opener, step_by_step] {
            let opens = |path: &str| opener(root.as_fd(), Path::new(path), read, Mode::empty()).is_ok();
            assert!(opens("a/b/file") && opens("a/b"));
            for path in
                ["a/out/file", "a/out", "a/inside/file", "a/b/link", "a/b/../b/file", "/etc/passwd", "..", ""]
            {
                assert!(!opens(path), "{path}");
            }
            let new = OFlags::WRONLY | OFlags::CREATE;
            assert!(opener(root.as_fd(), Path::new("a/out/new"), new | read, Mode::RUSR).is_err());
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
