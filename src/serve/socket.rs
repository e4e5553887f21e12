//! A Unix socket that only its owner can connect to.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// A listener; its file is removed when it is dropped.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens at `path` with mode 0600. A socket that a dead server left there is replaced; nothing else is.
    ///
    /// The socket is made in a private folder and renamed, so that nobody can connect before its mode is set.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        match path.symlink_metadata() {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
            Ok(there) if !there.file_type().is_socket() => {
                return Err(io::Error::new(ErrorKind::AlreadyExists, "a file of this name exists"));
            }
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(io::Error::new(ErrorKind::AddrInUse, "another server listens there"));
            }
            Ok(_) => {}
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
        let folder = path.with_file_name(format!(".reg-{:016x}", u64::from_le_bytes(random)));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let staged = folder.join("s");
        let made = UnixListener::bind(&staged).and_then(|listener| {
            std::fs::set_permissions(&staged, Permissions::from_mode(0o600))?;
            std::fs::rename(&staged, path)?;
            Ok(listener)
        });
        let _ = std::fs::remove_file(&staged);
        std::fs::remove_dir(&folder)?;
        Ok(Socket { listener: made?, path: path.to_owned() })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
