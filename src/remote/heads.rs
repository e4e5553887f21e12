//! The head of a registry's history, which each push leaves at the remote.
//!
//! A complete older backup is consistent, so nothing in it shows that it is old. `heads/<id>` at the remote has the
//! head of the registry with this id at its last push. A head is only replaced by a newer one.

use super::address::Remote;
use super::location::Location;
use super::{Address, RemoteError};
use crate::disk::Doing;
use crate::index::Head;
use crate::limits;
use crate::registry::Registry;

/// The folder at a remote.
pub(super) const HEADS: &str = "heads";

/// The age of a registry, according to a remote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Age {
    /// The registry was never pushed there, or has no id.
    #[default]
    Unknown,
    /// The registry has all log entries of its last push there: this many.
    Current(u64),
    /// At its last push there, the log had more entries, or another entry with the same number.
    Older {
        /// Number of entries then.
        then: u64,
        /// Number of entries now.
        now: u64,
    },
}

fn parse(bytes: &[u8]) -> Option<Head> {
    std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.parse().ok()
}

fn read(registry: &Registry, remote: &Remote, called: &Address) -> Result<Option<Head>, RemoteError> {
    let Some(id) = registry.id() else { return Ok(None) };
    let bytes = match remote {
        Remote::Registry(other) => {
            let path = std::path::Path::new(HEADS).join(&id);
            match other.dir().read(path, limits::SMALL_FILE) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
                read => Some(read.doing("read", &other.dir().path_of(HEADS).join(&id))?),
            }
        }
        Remote::PackStore { exists: false, .. } => None,
        Remote::PackStore { location, .. } => {
            location.read(&format!("{HEADS}/{id}"), 0..limits::SMALL_FILE)?
        }
    };
    let garbled = || RemoteError::Garbled {
        location: format!("{}/{HEADS}/{id}", called.to_string().trim_end_matches('/')),
        reason: "it is not the head of a registry".to_owned(),
    };
    bytes.map(|bytes| parse(&bytes).ok_or_else(garbled)).transpose()
}

/// Compares the log of a registry with the head of its last push.
fn compare(registry: &Registry, then: Head) -> Result<Age, RemoteError> {
    let Some((seq, event)) = then.event else { return Ok(Age::Current(0)) };
    let log = registry.view()?.log()?;
    let now = log.len() as u64;
    let known = usize::try_from(seq).ok().and_then(|seq| log.get(seq.checked_sub(1)?));
    Ok(if known == Some(&event) { Age::Current(seq) } else { Age::Older { then: seq, now } })
}

/// Writes the head to the registry or pack store after a push, and returns the age according to the previous head. A
/// head that this registry does not know stays: this registry is an older copy.
pub(super) fn leave(registry: &Registry, remote: &Remote, called: &Address) -> Result<Age, RemoteError> {
    let (Some(id), Some(head)) = (registry.id(), registry.index().head()) else { return Ok(Age::Unknown) };
    // A head that cannot be read is replaced.
    let age = match read(registry, remote, called) {
        Ok(Some(there)) => compare(registry, there)?,
        _ => Age::Unknown,
    };
    if matches!(age, Age::Older { .. }) {
        return Ok(age);
    }
    let bytes = format!("{head}\n").into_bytes();
    match remote {
        Remote::Registry(other) => {
            let written = other.dir().folder(HEADS).and_then(|heads| heads.replace(&id, &bytes));
            written.doing("write", &other.dir().path_of(HEADS).join(&id))?;
        }
        Remote::PackStore { location, .. } => put(&**location, &id, bytes)?,
    }
    Ok(age)
}

fn put(location: &dyn Location, id: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
    location.put(&format!("{HEADS}/{id}"), bytes)
}

/// Whether a registry is older than it was at its last push to a remote.
pub fn age(registry: &Registry, remote: &Address) -> Result<Age, RemoteError> {
    let opened = remote.open(registry)?;
    if matches!(opened, Remote::PackStore { exists: false, .. }) {
        return Err(remote.nothing());
    }
    match read(registry, &opened, remote)? {
        None => Ok(Age::Unknown),
        Some(then) => compare(registry, then),
    }
}
