//! A registry: store and index together, and the order in which they are written.
//!
//! Every change goes through a [`Transaction`]: first all objects are durable, then one index commit
//! adds them to the index. A crash in between leaves objects without references, never a record that refers to a
//! missing object.

mod gc;
mod import;
mod lease;
mod lookup;
#[cfg(test)]
mod memory;
mod names;
mod notes;
mod objects;
mod open;
mod origins;
mod purge;
mod reindex;
mod removed;
mod run_rows;
mod sharing;
pub mod survey;
#[cfg(test)]
mod tests;
mod traverse;
mod trust;
pub mod walk;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::digits::counted;
use crate::disk::{Dir, Doing, FileError, Refused};
use crate::hash::{Digest, Hash, Id};
use crate::index::{Index, IndexError, IndexWriter, View};
use crate::records::codec::{self, CodecError};
use crate::records::{Blob, File, Kind, NameChange, Packed, Record, RemovedRecord, Travels};
use crate::store::{Batch, FileState, LinkMode, Persisted, Store, StoreError};

pub use gc::{Cutoff, Garbage, GarbageKind, Swept, freed, is_own};
pub(crate) use lease::Lease;
#[cfg(test)]
pub(crate) use memory::MemoryStore;
use names::NameRequest;
pub use names::{Moves, NameConflict, is_name};
pub use objects::Objects;
use origins::KnownOrigins;
pub use origins::{FileOrigins, Origins};
pub use purge::Purged;
pub use reindex::Reindexed;
pub use removed::{Removed, depends};
pub use sharing::Sharing;
pub use trust::{Search, TrustList};
use walk::Edge;

/// Name of a registry's folder, which is searched for upwards from the working directory.
pub const FOLDER: &str = ".reg";
const LIVE: &str = "live";
const CACHE: &str = "cache";
/// The format that this reg reads and writes.
const FORMAT: u32 = 6;
/// The line that says so.
pub const FORMAT_LINE: &str = "reg 6";

/// Where and why a search ended early.
fn ended(at: Option<&(PathBuf, &'static str)>) -> String {
    at.map_or(String::new(), |(folder, why)| format!(": the search ended at {}, {why}", folder.display()))
}

/// Why an operation on a registry failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No registry was found.
    #[error("no registry found in {} or any parent folder{}", from.display(), ended(ended_at.as_ref()))]
    NotFound {
        /// Where the search began.
        from: PathBuf,
        /// The last folder that was looked into, if the search ended below the root, and why.
        ended_at: Option<(PathBuf, &'static str)>,
    },
    /// A registry of another account that was found and not named.
    #[error("registry {} belongs to {}, not to you", path.display(), account(*owner))]
    OtherOwner {
        /// The folder that contains the registry.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// The given folder is not a registry.
    #[error("{} is not a registry", .0.display())]
    NotARegistry(PathBuf),
    /// A registry whose file `format` says nothing.
    #[error("registry {} is damaged: its file `format` does not name a format", .0.display())]
    NoFormat(PathBuf),
    /// `init` in a folder with a registry.
    #[error("a registry already exists in {}", .0.display())]
    Exists(PathBuf),
    /// Made by a newer reg.
    #[error("registry {} has format {found}, but this reg reads format {FORMAT}", path.display())]
    NewerFormat {
        /// The registry.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Made by an older reg, before the format changed.
    #[error("registry {} is of an older format, {found}; this reg reads format {FORMAT}", path.display())]
    OlderFormat {
        /// The registry.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// An output inside a registry, where only reg itself writes.
    #[error("{} is inside the registry {}, where only reg itself may write", path.display(), registry.display())]
    Within {
        /// The output.
        path: PathBuf,
        /// The registry.
        registry: PathBuf,
    },
    /// A key that would be replaced.
    #[error("{} is a key; keys are never overwritten", .0.display())]
    Key(PathBuf),
    /// A file or folder cannot be read or written.
    #[error(transparent)]
    Io(#[from] FileError),
    /// Neither a name nor a prefix of an id.
    #[error("no record is named `{text}` and no id starts with it")]
    Unknown {
        /// The requested name or prefix.
        text: String,
        /// Similar names.
        similar: Vec<String>,
        /// The plural of the kind that is expected, and the names of such records; none if any kind will do.
        known: Option<(&'static str, Vec<String>)>,
    },
    /// A record that was removed.
    #[error("{called} ({}) was removed on {time}: `{command}`", id.short())]
    Removed {
        /// The record.
        id: Hash,
        /// Its kind and its name.
        called: String,
        /// When it was removed, in UTC.
        time: String,
        /// The command that removed it.
        command: Box<str>,
        /// Whether its record is still there.
        restorable: bool,
    },
    /// An abbreviated id that matches several objects.
    #[error("`{prefix}` matches {}: {}", counted(candidates.len() as u64, "object"), list(candidates))]
    Ambiguous {
        /// The prefix.
        prefix: String,
        /// The objects that it matches, with their kinds.
        candidates: Vec<(Hash, String)>,
    },
    /// An object of another kind.
    #[error("`{text}` is a {found}, but a {expected} is expected")]
    WrongKind {
        /// The requested name or prefix.
        text: String,
        /// The expected kind.
        expected: &'static str,
        /// Its kind.
        found: String,
    },
    /// A name that something else has.
    #[error("the name {name} is in use by {kind} {}", id.short())]
    NameTaken {
        /// The name.
        name: String,
        /// Kind of what has it.
        kind: &'static str,
        /// What has it.
        id: Hash,
    },
    /// A name that cannot be given.
    #[error("`{0}` is not a valid name")]
    BadName(String),
    /// A record that would refer to a missing object.
    #[error("{kind} {id} refers to {missing}, which is not in the registry")]
    Dangling {
        /// The record.
        id: Hash,
        /// Its kind.
        kind: String,
        /// The missing object.
        missing: Hash,
    },
    /// An object whose bytes are intact but cannot be decoded.
    #[error("object {id}: {source}")]
    Codec {
        /// The object.
        id: Hash,
        /// What is wrong.
        source: CodecError,
    },
    /// An array whose bytes are intact but contradict the record that refers to it.
    #[error("{kind} {} does not match the record that refers to it: {reason}", id.short())]
    Contradiction {
        /// The array.
        id: Hash,
        /// Its kind.
        kind: &'static str,
        /// The contradiction.
        reason: String,
    },
    /// An operation that is impossible while objects are damaged or missing.
    #[error("{doing} would lose data: {problem}")]
    Unsound {
        /// The operation.
        doing: &'static str,
        /// The first problem.
        problem: String,
    },
    /// A link in the place of a file or folder of the registry.
    #[error(transparent)]
    Linked(Refused),
    /// Images that cannot be purged while a network is trained on them.
    #[error("a training is using these images: spec {}", .0.short())]
    InUse(Hash),
    /// A value that cannot be written.
    #[error(transparent)]
    Unwritable(CodecError),
    /// An object that cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// The name of a user id.
fn account(owner: u32) -> String {
    if owner == 0 { "root".to_owned() } else { format!("user {owner}") }
}

fn list(candidates: &[(Hash, String)]) -> String {
    let each = candidates.iter().map(|(id, kind)| format!("{} ({kind})", &id.to_string()[..16]));
    each.collect::<Vec<_>>().join(", ")
}

/// Time and command of a change; both come from the command line program.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// Time in UTC, RFC 3339.
    pub time: String,
    /// The command.
    pub command: String,
}

/// One registry on disk.
#[derive(Debug, Clone)]
pub struct Registry {
    root: Dir,
    store: Store,
    index: Index,
    moves: Moves,
    /// Whether a name that something else has is refused, and not moved.
    keeps_names: bool,
    /// Where files of weights come from, as far as it was looked up.
    origins: KnownOrigins,
}

impl Registry {
    /// The same registry, which from now on lists in `moves` every name that is taken from another target: the name is
    /// moved as requested, but the user should be told.
    pub fn noting(self, moves: &Moves) -> Self {
        Registry { moves: moves.clone(), ..self }
    }

    /// The same registry, which from now on refuses to give a result a name that something else has.
    pub fn keeping_names(self) -> Self {
        Registry { keeps_names: true, ..self }
    }

    /// The registry's folder, as messages show it.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The registry's folder, open.
    pub fn dir(&self) -> &Dir {
        &self.root
    }

    /// Its objects.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The folder of an unfinished training of a spec, relative to the registry's folder.
    pub fn training_folder(&self, spec: &Hash) -> PathBuf {
        Path::new(LIVE).join(spec.to_string())
    }

    /// Names in the folder of unfinished trainings: ids of specs, and anything else that was put there.
    ///
    /// # Errors
    /// A folder that cannot be read. A missing folder, as in a copy without empty folders, counts as empty.
    pub fn live_entries(&self) -> Result<Vec<String>, RegistryError> {
        let entries = match self.root.subdir(LIVE).and_then(|live| live.entries()) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            entries => entries.doing("list", &self.root.path_of(LIVE))?,
        };
        let folders = entries.into_iter().filter(|(_, is_dir)| *is_dir);
        Ok(folders.filter_map(|(name, _)| name.into_string().ok()).collect())
    }

    /// Its index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The path of the folder of derived files, which may be deleted at any time.
    pub fn cache(&self) -> PathBuf {
        self.root.path_of(CACHE)
    }

    /// A folder of derived files, open; a missing folder is created.
    pub fn cache_folder(&self, name: &str) -> std::io::Result<Dir> {
        self.root.folder(Path::new(CACHE).join(name))
    }

    /// Opens the index for reading.
    pub fn view(&self) -> Result<View, RegistryError> {
        Ok(self.index.view()?)
    }

    /// The id of a record, whether the registry has it or not.
    pub fn id_of<T: Record>(record: &T) -> Result<Id<T>, RegistryError> {
        Ok(Id::new(Hash::of(&codec::encode(record).map_err(RegistryError::Unwritable)?)))
    }

    /// The id of a packed array, whether the registry has it or not.
    pub fn id_of_packed<T: Packed>(value: &T) -> Result<Id<T>, RegistryError> {
        Ok(Id::new(Hash::of(&codec::pack(value).map_err(RegistryError::Unwritable)?)))
    }

    /// Begins a change.
    pub fn transaction(&self) -> Result<Transaction<'_>, RegistryError> {
        Ok(Transaction {
            registry: self,
            _lease: self.lease_to_add()?,
            batch: self.store.batch()?,
            records: Vec::new(),
            packed: Vec::new(),
            names: Vec::new(),
            gone: HashSet::new(),
        })
    }
}

/// A change of the registry: objects are staged when they are added, and in the index only after the commit.
pub struct Transaction<'r> {
    registry: &'r Registry,
    batch: Batch,
    /// Released last, after the commit.
    _lease: Lease,
    records: Vec<NewRecord>,
    packed: Vec<NewPacked>,
    names: Vec<(NameRequest, Hash)>,
    /// Objects that may be referred to and need not exist.
    gone: HashSet<Hash>,
}

struct NewPacked {
    id: Hash,
    /// None if the bytes are in the store already.
    bytes: Option<Vec<u8>>,
    links: Vec<Hash>,
}

struct NewRecord {
    id: Hash,
    kind: Kind,
    bytes: Vec<u8>,
    links: Vec<codec::Link>,
}

/// The result of a transaction.
#[derive(Debug, Default)]
pub struct Committed {
    /// Number of new objects, and their bytes.
    pub persisted: Persisted,
    /// Names that are new or have another target now.
    pub names: Vec<NameChange>,
    /// Names that were to be set only if free, and are taken.
    pub conflicts: Vec<NameConflict>,
    /// Records that were removed.
    pub removed: Vec<RemovedRecord>,
}

impl Transaction<'_> {
    /// Adds a record.
    pub fn put<T: Record>(&mut self, record: &T) -> Result<Id<T>, RegistryError> {
        let bytes = codec::encode(record).map_err(RegistryError::Unwritable)?;
        let id = Hash::of(&bytes);
        let links = codec::Header::read(&bytes).map_err(RegistryError::Unwritable)?.links();
        self.records.push(NewRecord { id, kind: T::KIND, bytes, links });
        Ok(Id::new(id))
    }

    /// Adds a packed array.
    pub fn put_packed<T: Packed>(&mut self, value: &T) -> Result<Id<T>, RegistryError> {
        let bytes = codec::pack(value).map_err(RegistryError::Unwritable)?;
        let id = Hash::of(&bytes);
        let mut links = value.links();
        links.sort_unstable();
        self.packed.push(NewPacked { id, bytes: Some(bytes), links });
        Ok(Id::new(id))
    }

    /// Adds bytes that reg computed and that are neither a record nor a packed array.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Id<Blob>, RegistryError> {
        Ok(Id::new(self.batch.put(bytes)?))
    }

    /// Adds bytes from outside.
    pub fn put_outside(&self, bytes: &[u8]) -> Result<File, RegistryError> {
        self.batch.put(bytes)?;
        Ok(Digest::of(bytes).into())
    }

    /// Adds bytes from outside that hash to `id`. Threads may add at the same time.
    pub fn put_hashed(&self, bytes: &[u8], id: Hash) -> Result<(), RegistryError> {
        Ok(self.batch.put_hashed(id, bytes)?)
    }

    /// Adds the file `source`, whose bytes were read in `state` and hash to `id`. Threads may add at the same time.
    pub fn put_file(
        &self,
        source: &Path,
        state: &FileState,
        bytes: &[u8],
        id: Hash,
        how: LinkMode,
    ) -> Result<(), RegistryError> {
        Ok(self.batch.put_file(source, state, bytes, id, how)?)
    }

    /// Gives `id` a name. What the name named before is kept in the log, unless the registry keeps names: then a name
    /// that something else has is refused at the commit.
    pub fn name(&mut self, name: &str, id: Hash) -> Result<(), RegistryError> {
        let of = if self.registry.keeps_names { NameRequest::Own } else { NameRequest::Exact };
        self.request(of(name.to_owned()), name, id)
    }

    /// Gives `id` a name, whatever has it; what the name named before is kept in the log.
    pub fn move_name(&mut self, name: &str, id: Hash) -> Result<(), RegistryError> {
        self.request(NameRequest::Exact(name.to_owned()), name, id)
    }

    /// Gives `id` the name `base`, or `base-2`, `base-3`, … when that is taken at the commit.
    pub fn name_freely(&mut self, base: &str, id: Hash) -> Result<(), RegistryError> {
        self.request(NameRequest::Free(base.to_owned()), base, id)
    }

    fn request(&mut self, request: NameRequest, name: &str, id: Hash) -> Result<(), RegistryError> {
        if !is_name(name) {
            return Err(RegistryError::BadName(name.to_owned()));
        }
        self.names.push((request, id));
        Ok(())
    }

    /// Makes all objects durable, then adds them to the index.
    pub fn commit(self, stamp: &Stamp) -> Result<Committed, RegistryError> {
        let Transaction { registry, batch, _lease, mut records, packed, names, gone } = self;
        if names.iter().any(|(request, _)| matches!(request, NameRequest::Own(_))) {
            // Before anything is written that would then be registered nowhere.
            let view = registry.view()?;
            for (request, id) in &names {
                if let NameRequest::Own(name) = request {
                    registry.check_name(&view, name, Some(*id))?;
                }
            }
        }
        for back in registry.come_back(&records, stamp)? {
            let bytes = codec::encode(&back).map_err(RegistryError::Unwritable)?;
            let links = codec::Header::read(&bytes).map_err(RegistryError::Unwritable)?.links();
            records.push(NewRecord { id: Hash::of(&bytes), kind: Kind::Removal, bytes, links });
        }
        let mut persisted = batch.persist()?;
        // Objects with references follow when their targets are durable, so that a crash leaves no reference to a
        // missing object.
        let mut follow = |objects: &mut dyn Iterator<Item = &[u8]>| -> Result<(), RegistryError> {
            let batch = registry.store.batch()?;
            for bytes in objects {
                batch.put_sound(bytes)?;
            }
            let more = batch.persist()?;
            persisted.objects += more.objects;
            persisted.bytes += more.bytes;
            Ok(())
        };
        follow(&mut packed.iter().filter_map(|packed| packed.bytes.as_deref()))?;
        // A record that refers to another new record is in a later round.
        let mut rounds: Vec<Vec<&NewRecord>> = Vec::new();
        let mut new: HashMap<Hash, usize> = HashMap::new();
        for record in &records {
            let NewRecord { id, kind, links, .. } = record;
            let there = |link: &&codec::Link| {
                new.contains_key(&link.to) || registry.store.contains(&link.to) || gone.contains(&link.to)
            };
            if let Some(link) = links.iter().find(|link| !there(link)) {
                return Err(RegistryError::Dangling { id: *id, kind: kind.name().into(), missing: link.to });
            }
            let round = links.iter().filter_map(|link| new.get(&link.to)).map(|round| round + 1).max();
            let round = round.unwrap_or(0);
            rounds.resize_with(rounds.len().max(round + 1), Vec::new);
            rounds[round].push(record);
            new.insert(*id, round);
        }
        for round in &rounds {
            follow(&mut round.iter().map(|record| record.bytes.as_slice()))?;
        }
        let (removed, names, conflicts) = registry.index.write(|writer| {
            for NewRecord { id, kind, links, .. } in &records {
                writer.record(id, *kind)?;
                write_links(writer, id, *kind, links.clone())?;
            }
            for NewPacked { id, links, .. } in &packed {
                // All of them were added together, if at all.
                let noted = links.last().map(|to| writer.is_mentioned(to, id)).transpose()?;
                if noted == Some(true) {
                    continue;
                }
                writer.mentions(walk::images(*id, links.iter().copied()).map(Edge::into_mention))?;
            }
            registry.update_run_rows(writer, &records)?;
            // A name of what is removed is free.
            let removed = registry.carry_out_removals(writer, &records, stamp)?;
            let (names, conflicts) = registry.change_names(writer, &names, stamp)?;
            Ok::<_, RegistryError>((removed, names, conflicts))
        })?;
        registry.moves.note(&names);
        Ok(Committed { persisted, names, conflicts, removed })
    }
}

/// Adds references to the index, except for those of events: a name is not lineage.
fn write_links(
    writer: &mut IndexWriter,
    id: &Hash,
    kind: Kind,
    links: Vec<codec::Link>,
) -> Result<(), IndexError> {
    if kind.descriptor().travels == Travels::Never {
        return Ok(());
    }
    writer.mentions(walk::named(*id, links).into_iter().map(Edge::into_mention))
}
