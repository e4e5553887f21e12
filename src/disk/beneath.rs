//! Opens what lies below an open folder, by a path on which no link is followed.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat};

use super::refused::Refused;

/// To look a folder up in order to find something in it.
#[cfg(target_os = "linux")]
pub(super) const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
#[cfg(not(target_os = "linux"))]
pub(super) const PASS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// The one component of a path that is there at least once, and whether there is more than one.
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

/// Opens a path below `dir`. Neither it nor anything on the way to it may be a link, but with `O_PATH`, which
/// opens a link itself.
pub(super) fn open(dir: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let (above, name) = split(path)?;
    // Of one component, O_NOFOLLOW says it all.
    if above.is_none() {
        return Ok(openat(dir, name, flags, mode)?);
    }
    #[cfg(target_os = "linux")]
    if linux::has_openat2() {
        return linux::open(dir, path, flags, mode);
    }
    step_by_step(dir, path, flags, mode)
}

/// The same where the system cannot do it at once: before Linux 5.6, and under filters that do not know `openat2`.
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

    /// Whether the system has the call and lets this process use it.
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
        type Way = fn(BorrowedFd<'_>, &Path, OFlags, Mode) -> io::Result<OwnedFd>;
        for way in [open as Way, step_by_step] {
            let opens = |path: &str| way(root.as_fd(), Path::new(path), read, Mode::empty()).is_ok();
            assert!(opens("a/b/file") && opens("a/b"));
            for path in
                ["a/out/file", "a/out", "a/inside/file", "a/b/link", "a/b/../b/file", "/etc/passwd", "..", ""]
            {
                assert!(!opens(path), "{path}");
            }
            let new = OFlags::WRONLY | OFlags::CREATE;
            assert!(way(root.as_fd(), Path::new("a/out/new"), new | read, Mode::RUSR).is_err());
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
