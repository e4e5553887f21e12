//! Builds the index anew from the objects alone.

use std::collections::HashMap;
use std::fs;
use std::io::Read;

use super::{IMAGE, Registry, RegistryError, io, write_links};
use crate::hash::{Hash, Id};
use crate::index::{IndexError, Writer};
use crate::records::codec::{self, MAX_RECORD};
use crate::records::{self, Event, Record};
use crate::store::StoreError;

/// What a rebuild found.
#[derive(Debug, Default)]
pub struct Reindexed {
    /// Objects in the store.
    pub objects: u64,
    /// Records among them.
    pub records: u64,
    /// Names that came back.
    pub names: u64,
    /// Entries of the log that came back.
    pub log: u64,
    /// Objects that cannot be read as what they are; `reg verify` says more.
    pub damaged: Vec<Hash>,
}

enum Found {
    Record { id: Hash, kind: String, links: Vec<codec::Link> },
    Packed { id: Hash, images: Vec<Hash> },
}

impl Registry {
    /// Makes the index again from the objects: kinds, links, names and their log.
    ///
    /// Records are ordered by the time of their files. Of events that continue the same entry, which
    /// a crash can leave, the longest chain counts.
    pub fn reindex(&self) -> Result<Reindexed, RegistryError> {
        let mut result = match self.index.write(|writer| self.rebuild(writer)) {
            // A file that is not there or no database is replaced.
            Err(RegistryError::Index(
                IndexError::Missing(_) | IndexError::Damaged { .. } | IndexError::Io { .. },
            )) => {
                match fs::remove_file(self.index.path()) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                        return Err(io("remove", self.index.path())(e));
                    }
                    _ => self.index.create()?,
                }
                self.index.write(|writer| self.rebuild(writer))?
            }
            other => other?,
        };
        result.names = self.view()?.names()?.len() as u64;
        Ok(result)
    }

    /// Fills an emptied index. The objects are looked through inside the transaction, so that what other
    /// processes commit meanwhile comes after it and is not lost.
    fn rebuild(&self, writer: &mut Writer) -> Result<Reindexed, RegistryError> {
        let mut result = Reindexed::default();
        let mut found = Vec::new();
        let mut events = HashMap::new();
        for id in self.store.list()?.objects {
            result.objects += 1;
            match self.examine(&id)? {
                // Events are reached through the log.
                Ok(Some(Found::Record { id, kind, .. })) if kind == Event::KIND => {
                    events.insert(id, self.get::<Event>(Id::new(id))?);
                }
                Ok(Some(item)) => found.push((self.age(&id)?, id, item)),
                Ok(None) => {}
                Err(id) => result.damaged.push(id),
            }
        }
        // By time, then id: the order does not depend on the order of the folders.
        found.sort_by_key(|(age, id, _)| (*age, *id));

        writer.clear()?;
        for (_, _, item) in found {
            match item {
                Found::Record { id, kind, links } => {
                    result.records += 1;
                    writer.record(&id, &kind)?;
                    write_links(writer, &id, &kind, links)?;
                }
                Found::Packed { id, images } => {
                    writer.referrers(&id, images.iter().map(|to| (*to, IMAGE)))?;
                }
            }
        }
        for (id, event) in chain(&events) {
            result.log += 1;
            writer.push_log(event.seq, &id)?;
            for change in &event.names {
                writer.set_name(&change.name, change.to)?;
            }
        }
        Ok(result)
    }

    /// Whether an object is a record or packed array; `Err` names one that is damaged.
    fn examine(&self, id: &Hash) -> Result<Result<Option<Found>, Hash>, RegistryError> {
        let path = self.store.path(id);
        let mut head = Vec::with_capacity(12);
        let file = fs::File::open(&path).map_err(io("read", &path))?;
        file.take(12).read_to_end(&mut head).map_err(io("read", &path))?;
        let record = head.first() == Some(&b'{') && self.store.size(id)? <= MAX_RECORD;
        let packed = codec::packed_magic(&head)
            .is_some_and(|magic| records::PACKED.iter().any(|(_, known)| **known == magic));
        if !record && !packed {
            return Ok(Ok(None));
        }
        let bytes = match self.store.read(id) {
            Ok(bytes) => bytes,
            Err(StoreError::Damaged { .. }) => return Ok(Err(*id)),
            Err(e) => return Err(e.into()),
        };
        if packed {
            return Ok(records::packed_links(&bytes)
                .map(|mut images| {
                    images.sort_unstable();
                    Some(Found::Packed { id: *id, images })
                })
                .map_err(|_| *id));
        }
        // An intact object that only looks like a record is somebody's JSON file.
        Ok(Ok(records::check(&bytes).ok().map(|header| Found::Record {
            id: *id,
            links: header.links(),
            kind: header.kind,
        })))
    }

    fn age(&self, id: &Hash) -> Result<std::time::SystemTime, RegistryError> {
        let path = self.store.path(id);
        fs::metadata(&path).and_then(|m| m.modified()).map_err(io("read", &path))
    }
}

/// The log: from the entry with the highest number back to the first.
fn chain(events: &HashMap<Hash, Event>) -> Vec<(Hash, Event)> {
    let mut next = events.iter().max_by_key(|(id, event)| (event.seq, &event.time, **id)).map(|(id, _)| *id);
    let mut chain = Vec::new();
    while let Some((id, event)) = next.and_then(|id| Some((id, events.get(&id)?))) {
        chain.push((id, event.clone()));
        next = event.prev.map(|prev| prev.hash);
    }
    chain.reverse();
    chain
}
