//! Statements about files that somebody hands out, such as those of a release of reg.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::{AttestError, Statement};
use crate::digits::thousands;
use crate::disk::{Doing, FileError};
use crate::hash::{Digest, Hasher};
use crate::limits;
use crate::records::Git;

/// Both hashes of a file.
///
/// # Errors
/// A file that cannot be read, or that is longer than a member of a bundle may be: an endless file has no hash.
pub fn file_digest(path: &Path) -> Result<Digest, AttestError> {
    let mut hasher = Hasher::both();
    let file = File::open(path).doing("read", path)?;
    let mut limited = file.take(limits::BUNDLE_MEMBER + 1);
    hasher.read(&mut limited).doing("read", path)?;
    if limited.limit() == 0 {
        let message = format!("longer than {} bytes", thousands(limits::BUNDLE_MEMBER));
        return Err(FileError::new("read", path, Error::new(ErrorKind::FileTooLarge, message)).into());
    }
    Ok(hasher.digest())
}

/// Makes the statement that these files belong to this version of reg, built from this state of its source tree.
///
/// # Errors
/// A file that cannot be read, and two files of one name, of which a reader would not know which is meant.
pub fn state_files(files: &[PathBuf], git: Option<&Git>) -> Result<Statement, AttestError> {
    let mut named = Vec::new();
    for path in files {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.ok_or_else(|| AttestError::NoFile(path.clone()))?;
        if named.iter().any(|(other, _)| *other == name) {
            return Err(AttestError::SameName(name));
        }
        named.push((name, file_digest(path)?));
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Statement::of_files(named, git))
}
