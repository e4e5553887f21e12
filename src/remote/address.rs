//! The address of a remote: a folder or an S3 bucket, with a registry or a pack store.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::RemoteError;
use super::format::{FORMAT_FILE, FORMAT_NUMBER, is_format};
use super::location::{FolderLocation, Location};
use crate::escape::{shell, shell_os};
use crate::limits;
use crate::registry::{Registry, RegistryError};

/// The address of a remote, as a user gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder, possibly on a mounted file system.
    Folder(PathBuf),
    /// The keys of a bucket that begin with a prefix.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix, without a slash at either end; empty for all keys.
        prefix: String,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Folder(path) => path.display().fmt(f),
            Address::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Address::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl Address {
    /// The address that an argument of the command line gives. A path need not be UTF-8.
    ///
    /// # Errors
    /// Text that is not an address.
    pub fn of(argument: &OsStr) -> Result<Self, RemoteError> {
        let text = argument.to_string_lossy();
        match text.parse()? {
            Address::Folder(_) if !text.contains("://") => Ok(Address::Folder(argument.into())),
            _ if argument.to_str().is_none() => Err(RemoteError::Address {
                text: text.into_owned(),
                reason: "bytes that are not UTF-8 must be percent-encoded, such as %FF",
            }),
            address => Ok(address),
        }
    }

    /// The error that there is no remote.
    pub(super) fn nothing(&self) -> RemoteError {
        RemoteError::Nothing { remote: self.to_string(), word: self.word() }
    }

    /// The address as a word of a shell.
    pub fn word(&self) -> String {
        match self {
            Address::Folder(path) => shell_os(path),
            Address::S3 { .. } => shell(&self.to_string()),
        }
    }
}

impl FromStr for Address {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        let wrong = |reason| Err(RemoteError::Address { text: text.to_owned(), reason });
        let Some((scheme, rest)) = text.split_once("://") else {
            // `host:folder` is an address of scp; a folder of such a name can be written `./host:folder`.
            let host = text.split(':').next().unwrap_or_default();
            return match text {
                "" => wrong("it is empty"),
                _ if host.len() < text.len() && !host.contains('/') => {
                    wrong("mount a folder of another machine first")
                }
                _ => Ok(Address::Folder(text.into())),
            };
        };
        match scheme {
            "file" => match rest.strip_prefix("localhost").unwrap_or(rest) {
                path if !path.starts_with('/') => wrong("a file address needs an absolute path"),
                path => unescape(path)
                    .map_or_else(|| wrong("its escapes are invalid"), |p| Ok(Address::Folder(p))),
            },
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
                if bucket.is_empty() || !bucket.bytes().all(plain) {
                    return wrong("it has no bucket; keys and regions come from the environment (AWS_…)");
                }
                let prefix = prefix.trim_matches('/');
                let parts = || prefix.split('/').filter(|_| !prefix.is_empty());
                if parts().any(|part| part.is_empty() || part == "." || part == "..") {
                    return wrong("its prefix has a part that is empty, `.` or `..`");
                }
                Ok(Address::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
            }
            _ => wrong("only file:// and s3:// are supported"),
        }
    }
}

/// Whether a folder is a remote and not a registry.
pub fn is_pack_store(folder: &Path) -> bool {
    let format = FolderLocation::at(folder.to_owned()).read(FORMAT_FILE, 0..limits::REMOTE_FORMAT);
    matches!(format, Ok(Some(format)) if is_format(&format))
}

/// A path without percent escapes.
fn unescape(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?,
            byte => byte,
        });
    }
    use std::os::unix::ffi::OsStringExt;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

/// The kind of remote at an address.
pub(super) enum Remote {
    Registry(Box<Registry>),
    /// A pack store, or a folder or prefix in which one can be created.
    PackStore {
        location: Box<dyn Location>,
        exists: bool,
    },
}

impl Address {
    /// Opens the remote and finds out its kind.
    pub(super) fn open(&self, ours: &Registry) -> Result<Remote, RemoteError> {
        let location: Box<dyn Location> = match self {
            Address::Folder(path) => match Registry::load(path) {
                Ok(other) if same(other.root(), ours.root()) => {
                    return Err(RemoteError::Itself(path.clone()));
                }
                Ok(other) => return Ok(Remote::Registry(Box::new(other))),
                Err(RegistryError::NotARegistry(_)) => Box::new(FolderLocation::at(path.clone())),
                Err(e) => return Err(e.into()),
            },
            #[cfg(feature = "s3")]
            Address::S3 { bucket, prefix } => Box::new(super::location::S3Location::open(bucket, prefix)?),
            #[cfg(not(feature = "s3"))]
            Address::S3 { .. } => return Err(RemoteError::NoS3(self.to_string())),
        };
        let read = || location.read(FORMAT_FILE, 0..limits::REMOTE_FORMAT);
        let mut format = read()?;
        let new = format.is_none() && location.is_empty()?;
        if format.is_none() && !new {
            // `format` is the first file of a pack store: if another push is creating the store right now, it exists
            // already.
            format = read()?;
        }
        match format {
            Some(format) if is_format(&format) => Ok(Remote::PackStore { location, exists: true }),
            Some(format) => match String::from_utf8_lossy(&format).trim_end().strip_prefix("reg-remote ") {
                Some(number) => match number.parse::<u32>() {
                    Ok(found @ 1..FORMAT_NUMBER) => {
                        Err(RemoteError::Older { remote: self.to_string(), found })
                    }
                    Ok(_) => {
                        Err(RemoteError::Newer { remote: self.to_string(), what: format!("format {number}") })
                    }
                    Err(_) => Err(RemoteError::Stranger(self.to_string())),
                },
                None => Err(RemoteError::Stranger(self.to_string())),
            },
            None if new => Ok(Remote::PackStore { location, exists: false }),
            None => Err(RemoteError::Stranger(self.to_string())),
        }
    }
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn addresses_are_read_and_mistakes_are_told() {
        let folder = |path: &str| Address::Folder(path.into());
        let s3 = |bucket: &str, prefix: &str| Address::S3 { bucket: bucket.into(), prefix: prefix.into() };
        for (text, expected) in [
            ("/a/b", folder("/a/b")),
            ("a", folder("a")),
            ("./host:a", folder("./host:a")),
            ("file:///a%20b/%C3%A9", folder("/a b/é")),
            ("file://localhost/a", folder("/a")),
            ("s3://bucket", s3("bucket", "")),
            ("s3://bucket/a/b/", s3("bucket", "a/b")),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), expected, "{text}");
        }
        let odd = |bytes: &[u8]| -> OsString { std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec()) };
        let path = odd(b"/a/\xff");
        assert_eq!(Address::of(&path).unwrap(), Address::Folder(path.clone().into()));
        assert_eq!(Address::of(&path).unwrap().word(), r"$'/a/\xff'");
        assert_eq!(Address::of(OsStr::new("s3://bucket/a b")).unwrap().word(), "'s3://bucket/a b'");
        for bytes in [&b"file:///a/\xff"[..], b"s3://b/\xff", b"host\xff:a"] {
            let told = Address::of(&odd(bytes));
            assert!(matches!(told, Err(RemoteError::Address { .. })), "{told:?}");
        }
        for text in [
            "",
            "host:a",
            "me@host:/a",
            "ssh://h/a",
            "file://a",
            "file:///%4",
            "s3://",
            "s3://k:s@b/p",
            "s3://b/a//c",
            "s3://b/../c",
        ] {
            assert!(matches!(text.parse::<Address>(), Err(RemoteError::Address { .. })), "{text}");
        }
    }
}
