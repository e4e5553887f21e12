//! What can go wrong with an exchange.

use std::path::PathBuf;

use super::format::FORMAT_NUMBER;
use crate::disk::Refused;
use crate::hash::Hash;
use crate::index::IndexError;
use crate::records::{CodecError, ObjectKind};
use crate::registry::RegistryError;
use crate::store::StoreError;

/// An exchange that did not come to its end. What arrived before stays and need not travel again.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A text that is no address.
    #[error("`{text}` is not a remote: {reason}")]
    Address {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// This reg was built without what the address needs.
    #[error("this reg was built without S3, which {0} needs")]
    NoS3(String),
    /// It is the registry itself.
    #[error("{} is this registry itself", .0.display())]
    Itself(PathBuf),
    /// There is nothing to pull from.
    #[error("there is nothing at {0}")]
    Nothing(String),
    /// Something lies there that is neither a registry nor a pack store.
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
    /// The store overwrites what must be new.
    #[error("{0} ignores conditional writes, so two concurrent pushes could lose names")]
    NoConditions(String),
    /// Two pushes met again and again.
    #[error("other processes keep changing the names of {0}")]
    Contended(String),
    /// Neither a name nor the beginning of an id.
    #[error("no record in {remote} is named `{text}` and no id starts with it")]
    Unknown {
        /// The remote.
        remote: String,
        /// What was asked for.
        text: String,
    },
    /// An abbreviated id that fits several objects.
    #[error("`{text}` matches {count} objects in {remote}")]
    Ambiguous {
        /// The remote.
        remote: String,
        /// What was asked for.
        text: String,
        /// How many.
        count: usize,
    },
    /// The source lacks what something in it names.
    #[error("object {id} is missing in {remote}, but {by} refers to it")]
    Missing {
        /// The side that gives.
        remote: String,
        /// The object.
        id: Hash,
        /// Who names it.
        by: String,
    },
    /// Bytes of a remote that are not those that they are named by.
    #[error("object {id} is damaged in {location}: its bytes hash to {}…", found.short())]
    Damaged {
        /// The object.
        id: Hash,
        /// The pack or file, with the remote.
        location: String,
        /// What the bytes hash to.
        found: Hash,
    },
    /// A file of a remote that does not hold what the format says.
    #[error("{location} is damaged: {reason}")]
    Garbled {
        /// The file, with the remote.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// An object whose bytes are right and not of the kind that the source says.
    #[error("object {id} of {remote} is a {found}, but its pack lists it as {claimed}")]
    Kind {
        /// The side that gives.
        remote: String,
        /// The object.
        id: Hash,
        /// What its bytes say.
        found: ObjectKind,
        /// What was said of it.
        claimed: ObjectKind,
    },
    /// An object that does not mean what it should.
    #[error("object {id} of {remote}: {source}")]
    Codec {
        /// The side that gives.
        remote: String,
        /// The object.
        id: Hash,
        /// What is wrong.
        source: CodecError,
    },
    /// A file of a remote that cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What an S3 store says.
    #[error("cannot {doing} {location}: {reason}")]
    S3 {
        /// The verb.
        doing: &'static str,
        /// The key, with the remote.
        location: String,
        /// What it says.
        reason: String,
        /// What might help.
        hint: Option<&'static str>,
    },
    /// Somebody asked it to end.
    #[error("interrupted; copied objects are kept")]
    Interrupted,
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl RemoteError {
    /// What might help.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            RemoteError::Address { .. } => {
                "give a folder, file:///FOLDER or s3://BUCKET/PREFIX; mount a folder behind ssh with sshfs"
            }
            RemoteError::NoS3(_) => "build it with the feature `s3`, which is on by default",
            RemoteError::Itself(_) => "give another registry; create one with `reg init DIR`",
            RemoteError::Nothing(_) => "create a remote there with `reg push`",
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
            RemoteError::Ambiguous { .. } => "give more digits",
            RemoteError::Missing { .. } => "push the object again from a registry that has it",
            RemoteError::Damaged { .. } | RemoteError::Garbled { .. } => {
                "nothing that depends on it was copied; remove that file and push again from a registry that has the objects"
            }
            RemoteError::S3 { hint, .. } => return hint.map(str::to_owned),
            RemoteError::Kind { .. } | RemoteError::Codec { .. } => {
                "nothing that depends on it was copied; ask whoever pushed it"
            }
            RemoteError::Io { source, .. } => return Refused::behind(source).and_then(Refused::hint),
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
