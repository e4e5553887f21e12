//! Errors of an exchange.

use std::path::PathBuf;

use super::format::FORMAT_NUMBER;
use crate::digits::counted;
use crate::disk::{FileError, Refused};
use crate::hash::Hash;
use crate::index::IndexError;
use crate::records::{CodecError, ObjectKind};
use crate::registry::RegistryError;
use crate::store::StoreError;

/// Why an exchange failed. Objects that arrived before the error are kept and need not be copied again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// Text that is not an address.
    #[error("`{text}` is not a remote: {reason}")]
    Address {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// This reg was built without S3.
    #[error("this reg was built without S3, which {0} needs")]
    NoS3(String),
    /// The remote is the registry itself.
    #[error("{} is this registry itself", .0.display())]
    Itself(PathBuf),
    /// There is nothing to pull from.
    #[error("there is nothing at {remote}")]
    Nothing {
        /// The remote.
        remote: String,
        /// The same as a word of a shell.
        word: String,
    },
    /// A folder or prefix with other files than those of a registry or pack store.
    #[error("{0} is neither a registry nor a remote, and not empty")]
    Stranger(String),
    /// Made by an older reg, before the format changed.
    #[error("{remote} is of an older format, {found}; this reg reads and writes format {FORMAT_NUMBER}")]
    Older {
        /// The remote.
        remote: String,
        /// Its format.
        found: u32,
    },
    /// Made by a newer reg.
    #[error("the remote {remote} has {what}, unknown to this version of reg")]
    Newer {
        /// The remote.
        remote: String,
        /// A format, a version or a kind.
        what: String,
    },
    /// The store ignores the condition that a file must be new.
    #[error("{0} ignores conditional writes, so two concurrent pushes could lose names")]
    NoConditions(String),
    /// Other pushes won every attempt to write the names.
    #[error("other processes keep changing the names of {0}")]
    Contended(String),
    /// Neither a name nor a prefix of an id.
    #[error("no record in {remote} is named `{text}` and no id starts with it")]
    Unknown {
        /// The remote.
        remote: String,
        /// The requested name or prefix.
        text: String,
    },
    /// A record that was removed on one side.
    #[error("{called} ({}) was removed on {time}", id.short())]
    Removed {
        /// The record.
        id: Hash,
        /// Its kind and its name.
        called: String,
        /// When, in UTC.
        time: String,
    },
    /// An abbreviated id that matches several objects.
    #[error("`{text}` matches {} in {remote}", counted(*count as u64, "object"))]
    Ambiguous {
        /// The remote.
        remote: String,
        /// The prefix.
        text: String,
        /// Number of these objects.
        count: usize,
    },
    /// An object of the source refers to an object that the source does not have.
    #[error("object {id} is missing in {remote}, but {by} refers to it")]
    Missing {
        /// The source.
        remote: String,
        /// The object.
        id: Hash,
        /// The referrer.
        by: String,
    },
    /// Bytes of a remote that do not match their name.
    #[error("object {id} is damaged in {location}: its bytes hash to {}…", found.short())]
    Damaged {
        /// The object.
        id: Hash,
        /// The pack or file, with the remote.
        location: String,
        /// The hash of the bytes.
        found: Hash,
    },
    /// A file of a remote that violates the format.
    #[error("{location} is damaged: {reason}")]
    Garbled {
        /// The file, with the remote.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// An object whose bytes are right but of another kind than the source says.
    #[error("object {id} of {remote} is a {found}, but its pack lists it as {claimed}")]
    Kind {
        /// The source.
        remote: String,
        /// The object.
        id: Hash,
        /// The kind of its bytes.
        found: ObjectKind,
        /// The kind according to the source.
        claimed: ObjectKind,
    },
    /// An object that cannot be decoded.
    #[error("object {id} of {remote}: {source}")]
    Codec {
        /// The source.
        remote: String,
        /// The object.
        id: Hash,
        /// What is wrong.
        source: CodecError,
    },
    /// A file of a remote that cannot be read or written.
    #[error(transparent)]
    Io(#[from] FileError),
    /// An error of an S3 store.
    #[error("cannot {doing} {location}: {reason}")]
    S3 {
        /// The verb.
        doing: &'static str,
        /// The key, with the remote.
        location: String,
        /// The reason.
        reason: String,
        /// A hint.
        hint: Option<&'static str>,
    },
    /// The user interrupted the exchange.
    #[error("interrupted; copied objects are kept")]
    Interrupted,
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl RemoteError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            RemoteError::Address { .. } => {
                "give a folder, file:///FOLDER or s3://BUCKET/PREFIX; mount a folder behind ssh with sshfs"
            }
            RemoteError::NoS3(_) => "build it with the feature `s3`, which is on by default",
            RemoteError::Itself(_) => "give another registry; create one with `reg init DIR`",
            RemoteError::Nothing { word, .. } => {
                return Some(format!("create a remote there with `reg push {word}`"));
            }
            RemoteError::Stranger(_) => "give a folder or prefix that does not exist or is empty",
            RemoteError::Newer { .. } => "install a newer reg",
            RemoteError::Older { .. } | RemoteError::Codec { source: CodecError::OlderFormat { .. }, .. } => {
                "no release of reg wrote that format: push to another folder or prefix, from a registry that this reg made"
            }
            RemoteError::NoConditions(_) => {
                "use a store that supports `If-None-Match: *` in PutObject, such as S3, MinIO or R2, or push to a folder"
            }
            RemoteError::Contended(_) | RemoteError::Interrupted => {
                "run the same command again: it resumes where it stopped"
            }
            RemoteError::Unknown { .. } => {
                "only names that were pushed are known there; an id can be abbreviated to 6 or more digits"
            }
            RemoteError::Removed { .. } => "removed results are not copied; train it again to restore it",
            RemoteError::Ambiguous { .. } => "give more digits",
            RemoteError::Missing { .. } => "push the object again from a registry that has it",
            RemoteError::Damaged { .. } | RemoteError::Garbled { .. } => {
                "nothing that depends on it was copied; remove that file and push again from a registry that has the objects"
            }
            RemoteError::S3 { hint, .. } => return hint.map(str::to_owned),
            RemoteError::Kind { .. } | RemoteError::Codec { .. } => {
                "nothing that depends on it was copied; ask whoever pushed it"
            }
            RemoteError::Io(e) => return Refused::behind(&e.source).and_then(Refused::hint),
            RemoteError::Registry(_) => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<StoreError> for RemoteError {
    fn from(e: StoreError) -> Self {
        RemoteError::Registry(e.into())
    }
}

impl From<IndexError> for RemoteError {
    fn from(e: IndexError) -> Self {
        RemoteError::Registry(e.into())
    }
}
