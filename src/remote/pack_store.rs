//! A pack store: objects in packs, in a folder or a bucket, with an index of each pack.
//!
//! Every file except for `format` and those of `names/` is named by the BLAKE3 hash of its own bytes, and no file is
//! ever changed. Objects of more than [`ALONE`] bytes are files of `objects/`; the others are in `packs/`, and a file
//! of `index/` lists the objects of one pack. The index is written after the pack, and only then do the objects count
//! as present. Each push writes the complete list of names under the next number, which must be free: if it is taken,
//! the push reads that list and tries again with the number after it.

use std::collections::{BTreeMap, HashMap};

use super::documents::{
    NameList, NamesKind, PackEntry, PackIndex, PackKind, Unreadable, VERSION, decode, encode,
};
use super::format::{FORMAT, FORMAT_FILE};
use super::location::{Location, Pieces};
use super::plan::{Take, TransferSource};
use super::{Address, RemoteError, TransferDirection, TransferJob, TransferredNames, worker_pool};
use crate::digits::thousands;
use crate::hash::{Hash, Hasher, MIN_PREFIX};
use crate::limits;
use crate::progress::Unit;
use crate::records::codec::printable;
use crate::records::{Kind, ObjectKind, PackedKind, Travels};
use crate::registry::Removed;
use crate::registry::is_name;
use crate::store::Store;

const PACKS: &str = "packs";
const INDEX: &str = "index";
const OBJECTS: &str = "objects";
const NAMES: &str = "names";

/// A pack has at most this many bytes, unless it has a single object.
pub(super) const PACK: u64 = 16 << 20;
/// Larger objects than this are files of their own, except for records.
pub(super) const ALONE: u64 = 4 << 20;
/// Two objects of a pack that are this close or closer are read together.
const GAP: u64 = 256 << 10;
/// Bytes of a large object that are read at once.
const PIECE: u64 = 8 << 20;
/// Number of attempts of a push to write the names.
const TRIES: u32 = 100;

/// Location of an object.
#[derive(Debug, Clone, Copy)]
enum Where {
    Alone { bytes: u64 },
    Packed { pack: Hash, at: u64, bytes: u64, kind: ObjectKind },
}

/// A pack store as it was when it was opened.
pub(super) struct PackStore<'j> {
    location: &'j dyn Location,
    called: String,
    job: TransferJob<'j>,
    found: HashMap<Hash, Where>,
    packs: HashMap<Hash, u64>,
    /// The newest list of names, and its check.
    newest: Option<(NameList, Hash)>,
    names: BTreeMap<String, Hash>,
    /// The location of each object.
    local: Option<Store>,
}

/// A range of a pack, and the objects in it: id, offset in the pack, bytes.
struct Read {
    key: String,
    from: u64,
    to: u64,
    objects: Vec<(Hash, u64, u64)>,
}

impl<'j> PackStore<'j> {
    /// Creates an empty pack store.
    pub(super) fn create(location: &dyn Location, called: &Address) -> Result<(), RemoteError> {
        location.put_new(FORMAT_FILE, FORMAT.to_vec())?;
        Self::check_conditions(location, called)
    }

    /// Asserts that the store supports conditional writes: a write that must be new does not replace an existing file.
    pub(super) fn check_conditions(location: &dyn Location, called: &Address) -> Result<(), RemoteError> {
        match location.put_new(FORMAT_FILE, FORMAT.to_vec())? {
            false => Ok(()),
            true => Err(RemoteError::NoConditions(called.to_string())),
        }
    }

    /// Reads the indices and names, if there is a pack store.
    pub(super) fn open(
        location: &'j dyn Location,
        called: &Address,
        exists: bool,
        local: Option<Store>,
        job: TransferJob<'j>,
    ) -> Result<Self, RemoteError> {
        let mut pack_store = PackStore {
            location,
            called: called.to_string(),
            job,
            found: HashMap::new(),
            packs: HashMap::new(),
            newest: None,
            names: BTreeMap::new(),
            local,
        };
        if exists {
            // In this order: an object is there before its name is.
            pack_store.read_names()?;
            pack_store.take_stock()?;
        }
        Ok(pack_store)
    }

    fn take_stock(&mut self) -> Result<(), RemoteError> {
        // A pack is there before its index is.
        let indexes = self.location.list(INDEX)?;
        let named = |(name, bytes): (String, u64)| Some((name.parse::<Hash>().ok()?, bytes));
        self.packs = self.location.list(PACKS)?.into_iter().filter_map(named).collect();
        let alone = self.location.list(OBJECTS)?.into_iter().filter_map(named);
        self.found = alone.map(|(id, bytes)| (id, Where::Alone { bytes })).collect();
        let large = |(id, at): (&Hash, &Where)| match at {
            Where::Alone { bytes } if *bytes > limits::REMOTE_OBJECT => Some((*id, *bytes)),
            Where::Alone { .. } | Where::Packed { .. } => None,
        };
        if let Some((id, bytes)) = self.found.iter().find_map(large) {
            let (bytes, most) = (thousands(bytes), thousands(limits::REMOTE_OBJECT));
            let reason = format!("it is {bytes} bytes long, and an object has at most {most}");
            return Err(RemoteError::Garbled { location: self.at(&format!("{OBJECTS}/{id}")), reason });
        }
        let indexes: Vec<Hash> = indexes.into_iter().filter_map(named).map(|(id, _)| id).collect();
        let stock = std::sync::Mutex::new(Vec::new());
        self.job.progress.begin("look", Unit::Items, indexes.len() as u64);
        worker_pool::each(&indexes, self.job, |id| {
            let index = self.read_index(id)?;
            self.job.progress.advance(1);
            stock.lock().expect("no thread panics while it holds this lock").extend(index);
            Ok(())
        })?;
        self.job.progress.end();
        self.found.extend(stock.into_inner().expect("no thread panics while it holds this lock"));
        Ok(())
    }

    /// The objects of one pack; none if the pack is missing or incomplete, so that a push writes its objects again.
    fn read_index(&self, id: &Hash) -> Result<Vec<(Hash, Where)>, RemoteError> {
        let key = format!("{INDEX}/{id}");
        let Some(bytes) = self.whole(&key, limits::REMOTE_INDEX)? else { return Ok(Vec::new()) };
        let garbled =
            |reason: &str| RemoteError::Garbled { location: self.at(&key), reason: reason.to_owned() };
        let found = Hash::of(&bytes);
        if found != *id {
            return Err(garbled(&format!("its bytes hash to {}…", found.short())));
        }
        let index: PackIndex = decode(&bytes).map_err(|e| self.unreadable(&key, e))?;
        let mut at = 0u64;
        let mut objects = Vec::with_capacity(index.objects.len());
        for PackEntry { bytes, id, kind } in index.objects {
            let kind = match ObjectKind::named(&kind) {
                Some(ObjectKind::Record(kind)) if kind.descriptor().travels == Travels::Never => {
                    return Err(garbled(&format!(
                        "{} does not belong in a remote",
                        kind.descriptor().called
                    )));
                }
                Some(kind) => kind,
                None => return Err(self.newer(&format!("objects of kind `{}`", printable(kind)))),
            };
            objects.push((id, Where::Packed { pack: index.pack, at, bytes, kind }));
            at = at
                .checked_add(bytes)
                .filter(|end| *end <= limits::REMOTE_PACK)
                .ok_or_else(|| garbled("it is too long"))?;
        }
        Ok(if self.packs.get(&index.pack) == Some(&at) { objects } else { Vec::new() })
    }

    fn read_names(&mut self) -> Result<(), RemoteError> {
        let numbers = self.location.list(NAMES)?.into_iter().filter_map(|(name, _)| name.parse::<u64>().ok());
        let Some(seq) = numbers.max() else { return Ok(()) };
        let key = names_key(seq);
        let Some(bytes) = self.whole(&key, limits::REMOTE_NAMES)? else { return Ok(()) };
        let (list, check) = NameList::read(&bytes).map_err(|e| self.unreadable(&key, e))?;
        let garbled = |reason: String| RemoteError::Garbled { location: self.at(&key), reason };
        if list.seq != seq {
            return Err(garbled(format!("it has number {} in it", list.seq)));
        }
        if list.seq == u64::MAX {
            return Err(garbled(
                "no list of names can follow it, so somebody has tampered with it".to_owned(),
            ));
        }
        if let Some(name) = list.names.keys().find(|name| !is_name(name)) {
            return Err(garbled(format!("`{}` cannot be a name", printable(name))));
        }
        self.names = list.names.clone();
        self.newest = Some((list, check));
        Ok(())
    }

    /// Reads a complete file of at most `most` bytes.
    fn whole(&self, key: &str, most: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        match self.location.read(key, 0..most + 1)? {
            Some(bytes) if bytes.len() as u64 > most => {
                let reason = format!("it is longer than {} bytes", thousands(most));
                Err(RemoteError::Garbled { location: self.at(key), reason })
            }
            read => Ok(read),
        }
    }

    fn at(&self, key: &str) -> String {
        format!("{}/{key}", self.called.trim_end_matches('/'))
    }

    fn newer(&self, what: &str) -> RemoteError {
        RemoteError::Newer { remote: self.called.clone(), what: what.to_owned() }
    }

    fn unreadable(&self, key: &str, e: Unreadable) -> RemoteError {
        match e {
            Unreadable::Newer(version) => self.newer(&format!("version {version} in {key}")),
            Unreadable::Wrong(reason) => RemoteError::Garbled { location: self.at(key), reason },
        }
    }

    /// Whether the store has the object.
    pub(super) fn has(&self, id: &Hash) -> bool {
        self.found.contains_key(id)
    }

    /// Whether the object is a file of its own, which is read in pieces.
    pub(super) fn is_alone(&self, id: &Hash) -> bool {
        matches!(self.found.get(id), Some(Where::Alone { .. }))
    }

    /// Writes a pack and then its index.
    pub(super) fn put_pack(&self, bytes: Vec<u8>, objects: Vec<PackEntry>) -> Result<(), RemoteError> {
        let (pack, size) = (Hash::of(&bytes), bytes.len() as u64);
        // A killed push may have left the pack without its index.
        if self.packs.get(&pack) != Some(&size) {
            self.location.put(&format!("{PACKS}/{pack}"), bytes)?;
        }
        let index = encode(&PackIndex { kind: PackKind::Pack, objects, pack, version: VERSION });
        self.location.put(&format!("{INDEX}/{}", Hash::of(&index)), index)
    }

    /// Writes an object as a file of its own.
    pub(super) fn put_alone(&self, id: &Hash, next: &mut Pieces<'_>) -> Result<(), RemoteError> {
        self.location.put_pieces(&format!("{OBJECTS}/{id}"), next)
    }

    /// Sets names; with `dry`, only returns what would change.
    pub(super) fn put_names(
        &mut self,
        wanted: &BTreeMap<String, Hash>,
        move_names: bool,
        dry: bool,
        removed: &Removed,
    ) -> Result<TransferredNames, RemoteError> {
        for _ in 0..TRIES {
            self.job.go_on()?;
            let mut all = self.names.clone();
            // A name of what was removed is free.
            all.retain(|_, id| !removed.contains(id));
            let there = |name: &str| all.get(name).copied();
            let (names, changes) =
                TransferredNames::compare(wanted, there, move_names, TransferDirection::Push);
            if dry || changes.is_empty() && all.len() == self.names.len() {
                return Ok(names);
            }
            all.extend(changes);
            let list = NameList {
                command: self.job.stamp.command.clone(),
                kind: NamesKind::Names,
                names: all,
                prev: self.newest.as_ref().map(|(_, check)| *check),
                seq: self.newest.as_ref().map_or(0, |(list, _)| list.seq) + 1,
                time: self.job.stamp.time.clone(),
                version: VERSION,
            };
            if self.location.put_new(&names_key(list.seq), list.file())? {
                return Ok(names);
            }
            self.read_names()?;
        }
        Err(RemoteError::Contended(self.called.clone()))
    }

    /// Passes an object on if its bytes hash to its id.
    fn checked(&self, key: &str, id: Hash, bytes: &[u8]) -> Result<(), RemoteError> {
        match Hash::of(bytes) {
            found if found == id => Ok(()),
            found => Err(RemoteError::Damaged { id, location: self.at(key), found }),
        }
    }

    /// Reads a complete range.
    fn read(&self, key: &str, from: u64, to: u64) -> Result<Vec<u8>, RemoteError> {
        let bytes = self.location.read(key, from..to)?.unwrap_or_default();
        if bytes.len() as u64 == to - from {
            return Ok(bytes);
        }
        let reason =
            format!("it ends after {} of {} bytes", thousands(from + bytes.len() as u64), thousands(to));
        Err(RemoteError::Garbled { location: self.at(key), reason })
    }

    /// The ranges to read for these objects; neighbours in a pack are read together.
    fn reads(&self, ids: &[Hash]) -> Result<Vec<Read>, RemoteError> {
        let mut reads: Vec<Read> = Vec::new();
        let mut packed = Vec::new();
        for id in ids {
            match self.found.get(id) {
                Some(Where::Packed { pack, at, bytes, .. }) => packed.push((*pack, *at, *bytes, *id)),
                Some(Where::Alone { bytes }) => {
                    let key = format!("{OBJECTS}/{id}");
                    // Read as a whole, as records and packed arrays are.
                    if *bytes > limits::ARRAY {
                        let reason = format!("it is longer than {} bytes", thousands(limits::ARRAY));
                        return Err(RemoteError::Garbled { location: self.at(&key), reason });
                    }
                    reads.push(Read { key, from: 0, to: *bytes, objects: vec![(*id, 0, *bytes)] });
                }
                None => return Err(self.missing(id)),
            }
        }
        packed.sort_unstable();
        let mut last: Option<(Hash, Read)> = None;
        for (pack, at, bytes, id) in packed {
            match &mut last {
                Some((of, read)) if *of == pack && at <= read.to + GAP && at + bytes <= read.from + PACK => {
                    read.to = at + bytes;
                    read.objects.push((id, at, bytes));
                }
                last => {
                    let key = format!("{PACKS}/{pack}");
                    let read = Read { key, from: at, to: at + bytes, objects: vec![(id, at, bytes)] };
                    reads.extend(last.replace((pack, read)).map(|(_, read)| read));
                }
            }
        }
        reads.extend(last.map(|(_, read)| read));
        Ok(reads)
    }

    fn records(&self, is: impl Fn(Kind) -> bool) -> Vec<Hash> {
        let is = |at: &Where| match at {
            Where::Packed { kind, .. } => kind.record().is_some_and(&is),
            // Never a record.
            Where::Alone { .. } => false,
        };
        self.found.iter().filter(|(_, at)| is(at)).map(|(id, _)| *id).collect()
    }

    fn missing(&self, id: &Hash) -> RemoteError {
        RemoteError::Missing {
            remote: self.called.clone(),
            id: *id,
            by: "something that was pushed".to_owned(),
        }
    }
}

fn names_key(seq: u64) -> String {
    format!("{NAMES}/{seq:08}")
}

impl TransferSource for PackStore<'_> {
    fn called(&self) -> &str {
        &self.called
    }

    fn names(&self) -> &BTreeMap<String, Hash> {
        &self.names
    }

    fn resolve(&self, text: &str) -> Result<Hash, RemoteError> {
        if let Some(id) = self.names.get(text) {
            return Ok(*id);
        }
        let fits = |id: &&Hash| text.len() >= MIN_PREFIX && id.to_string().starts_with(text);
        let found: Vec<&Hash> = self.found.keys().filter(fits).collect();
        let (remote, text) = (self.called.clone(), text.to_owned());
        match found[..] {
            [id] => Ok(*id),
            [] => Err(RemoteError::Unknown { remote, text }),
            _ => Err(RemoteError::Ambiguous { remote, text, count: found.len() }),
        }
    }

    fn results(&self) -> Vec<Hash> {
        self.records(|kind| kind.descriptor().class.is_result())
    }

    fn derived(&self) -> Vec<Hash> {
        self.records(|kind| kind.descriptor().class.is_derived())
    }

    fn of_kind(&self, wanted: Kind) -> Vec<Hash> {
        self.records(|kind| kind == wanted)
    }

    fn kind(&self, id: &Hash) -> Result<Option<ObjectKind>, RemoteError> {
        match self.found.get(id) {
            Some(Where::Packed { kind, .. }) => Ok(Some(*kind)),
            // Never a record.
            Some(Where::Alone { bytes }) => {
                let head = self.read(&format!("{OBJECTS}/{id}"), 0, (*bytes).min(12))?;
                Ok(Some(PackedKind::of(&head).map_or(ObjectKind::Blob, ObjectKind::Packed)))
            }
            None => Ok(None),
        }
    }

    fn size(&self, id: &Hash) -> Result<Option<u64>, RemoteError> {
        Ok(self.found.get(id).map(|at| match at {
            Where::Alone { bytes } | Where::Packed { bytes, .. } => *bytes,
        }))
    }

    fn read_each(&self, ids: &[Hash], take: &Take<'_>) -> Result<u64, RemoteError> {
        let here = |id: &Hash| self.local.as_ref().and_then(|store| store.read(id).ok());
        let far = std::sync::Mutex::new(Vec::new());
        worker_pool::each(ids, self.job, |id| match here(id) {
            Some(bytes) => take(*id, &bytes),
            None => {
                far.lock().expect("no thread panics while it holds this lock").push(*id);
                Ok(())
            }
        })?;
        let reads = self.reads(&far.into_inner().expect("no thread panics while it holds this lock"))?;
        worker_pool::each(&reads, self.job, |read| {
            let bytes = self.read(&read.key, read.from, read.to)?;
            for (id, at, size) in &read.objects {
                let start = (at - read.from) as usize;
                let bytes = &bytes[start..start + *size as usize];
                self.checked(&read.key, *id, bytes)?;
                take(*id, bytes)?;
            }
            Ok(())
        })?;
        let mut keys: Vec<&str> = reads.iter().map(|read| read.key.as_str()).collect();
        keys.retain(|key| key.starts_with(PACKS));
        keys.sort_unstable();
        keys.dedup();
        Ok(keys.len() as u64)
    }

    fn pieces<'s>(&'s self, id: &Hash) -> Result<Box<Pieces<'s>>, RemoteError> {
        let Some(Where::Alone { bytes: size }) = self.found.get(id).copied() else {
            return Err(self.missing(id));
        };
        let (id, key) = (*id, format!("{OBJECTS}/{id}"));
        let (mut at, mut hasher) = (0, Hasher::name_only());
        Ok(Box::new(move || {
            self.job.go_on()?;
            if at == size {
                let found = hasher.finish();
                return match found == id {
                    true => Ok(None),
                    false => Err(RemoteError::Damaged { id, location: self.at(&key), found }),
                };
            }
            let bytes = self.read(&key, at, size.min(at + PIECE))?;
            at += bytes.len() as u64;
            hasher.update(&bytes);
            Ok(Some(bytes))
        }))
    }
}
