//! What the objects themselves say, without the index: who is a record, who names whom.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::{IMAGE, Registry};
use crate::hash::{Hash, Id};
use crate::progress::Progress;
use crate::records::codec::{self, MAX_RECORD};
use crate::records::{self, Event, Kind, PackedKind};
use crate::store::{Store, StoreError};

/// How much of each object is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All of it, and it is hashed.
    Everything,
    /// What is or may be a record or packed array is read and hashed; of the rest, the first bytes.
    Records,
}

/// What a look at objects found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Bytes of the objects that were read whole.
    pub bytes: u64,
    /// The records, but for events, with their kinds and links.
    pub records: HashMap<Hash, (Kind, Vec<codec::Link>)>,
    /// The packed arrays and the images that each names, ascending.
    pub packed: HashMap<Hash, Vec<Hash>>,
    /// The entries of the log, whether a log leads to them or not.
    pub events: HashMap<Hash, Event>,
    /// Objects that are not what they should be, and why.
    pub problems: Vec<(Hash, String)>,
}

/// What one object is.
enum Found {
    Blob,
    Record { kind: Kind, links: Vec<codec::Link> },
    Packed { images: Vec<Hash> },
    Event(Box<Event>),
}

impl Registry {
    /// Looks at objects, in parallel; `progress` advances by one for each.
    pub fn survey(&self, ids: &[Hash], depth: Depth, progress: &dyn Progress) -> Survey {
        let look = |buffer: &mut Vec<u8>, id: &Hash| {
            let found = examine(&self.store, id, depth, buffer);
            progress.advance(1);
            (*id, found)
        };
        let found: Vec<_> = ids.par_iter().map_init(Vec::new, look).collect();
        let mut survey = Survey::default();
        for (id, Looked { bytes, found, problem }) in found {
            survey.bytes += bytes;
            match found {
                Found::Blob => {}
                Found::Record { kind, links } => drop(survey.records.insert(id, (kind, links))),
                Found::Packed { images } => drop(survey.packed.insert(id, images)),
                Found::Event(event) => drop(survey.events.insert(id, *event)),
            }
            survey.problems.extend(problem.map(|problem| (id, problem)));
        }
        survey
    }
}

impl Survey {
    /// Adds what another look at other objects found.
    pub fn extend(&mut self, other: Survey) {
        self.bytes += other.bytes;
        self.records.extend(other.records);
        self.packed.extend(other.packed);
        self.events.extend(other.events);
        self.problems.extend(other.problems);
    }

    /// What an object names.
    pub fn links(&self, id: &Hash) -> impl Iterator<Item = Hash> + '_ {
        let record = self.records.get(id).into_iter().flat_map(|(_, links)| links.iter().map(|link| link.to));
        record.chain(self.packed.get(id).into_iter().flatten().copied())
    }

    /// Every mention of an object: who is named, by whom, as what; as the index has them.
    pub fn mentions(&self) -> impl Iterator<Item = (Hash, Hash, String)> + '_ {
        let records = self.records.iter().flat_map(|(from, (_, links))| {
            super::roles(links.clone()).into_iter().map(|(to, role)| (to, *from, role))
        });
        let packed = self.packed.iter();
        records
            .chain(packed.flat_map(|(from, images)| images.iter().map(|to| (*to, *from, IMAGE.to_owned()))))
    }

    /// The log: the longest chain of events through `head`, if that is one of them, first entry first.
    ///
    /// A crash behind an event and before the commit that it belongs to leaves an event that continues the
    /// same one as another; so the end of the log that an index knows decides. Among chains of the same
    /// length, the later one counts, then the one whose end has the greater id.
    pub fn log(&self, head: Option<Hash>) -> Vec<(Hash, &Event)> {
        let mut ends: Vec<(&Hash, &Event)> = self.events.iter().collect();
        ends.sort_by_key(|(id, event)| (event.seq, &event.time, **id));
        let head = head.filter(|head| self.events.contains_key(head));
        let mut chains = ends.into_iter().rev().map(|(id, _)| self.chain(*id));
        let through =
            |chain: &Vec<(Hash, &Event)>| head.is_none_or(|head| chain.iter().any(|(id, _)| *id == head));
        chains.find(through).unwrap_or_default()
    }

    /// The events that lead to one, as far back as they are there.
    fn chain(&self, end: Hash) -> Vec<(Hash, &Event)> {
        let mut chain: Vec<(Hash, &Event)> = Vec::new();
        let mut next = Some(end);
        while let Some((id, event)) = next.and_then(|id| Some((id, self.events.get(&id)?))) {
            chain.push((id, event));
            next = event.prev.map(|prev| prev.hash);
        }
        chain.reverse();
        chain
    }
}

/// What came of looking at an object.
struct Looked {
    bytes: u64,
    found: Found,
    problem: Option<String>,
}

impl Looked {
    fn at(bytes: u64, found: Result<Found, String>) -> Self {
        match found {
            Ok(found) => Looked { bytes, found, problem: None },
            Err(problem) => Looked { bytes, found: Found::Blob, problem: Some(problem) },
        }
    }
}

fn examine(store: &Store, id: &Hash, depth: Depth, buffer: &mut Vec<u8>) -> Looked {
    let unreadable = |e: &dyn std::fmt::Display| format!("cannot be read: {e}");
    if depth == Depth::Records {
        match may_be_ours(store, id) {
            Ok(true) => {}
            Ok(false) => return Looked::at(0, Ok(Found::Blob)),
            Err(e) => return Looked::at(0, Err(unreadable(&e))),
        }
    }
    match store.verify(id, MAX_RECORD, buffer) {
        Ok(bytes) if bytes > MAX_RECORD => Looked::at(bytes, understand_long(store, id)),
        Ok(bytes) => Looked::at(bytes, understand(buffer)),
        // Its bytes may be right all the same, and then what they say counts.
        Err(StoreError::Exposed { found, .. }) => match store.read(id) {
            Ok(bytes) => {
                let problem = format!("{found}, so any program can change it; restore it with `chmod 444`");
                let looked = Looked::at(bytes.len() as u64, understand(&bytes));
                Looked { problem: looked.problem.or(Some(problem)), ..looked }
            }
            Err(StoreError::Exposed { .. }) => Looked::at(
                0,
                Err(format!("{found}, which is not followed; put what it leads to in its place")),
            ),
            Err(e) => Looked::at(0, Err(format!("{found}; {e}"))),
        },
        Err(StoreError::Missing { .. }) => Looked::at(0, Err("is missing".to_owned())),
        Err(StoreError::Damaged { found, .. }) => {
            let bytes = store.size(id).unwrap_or(0);
            let short = found.short();
            Looked::at(bytes, Err(format!("is damaged: its bytes hash to {short}…")))
        }
        Err(e) => Looked::at(0, Err(unreadable(&e))),
    }
}

/// Whether an object begins like a record or packed array.
fn may_be_ours(store: &Store, id: &Hash) -> Result<bool, StoreError> {
    let head = store.head(id)?;
    Ok(head.first() == Some(&b'{') || is_packed(&head))
}

fn is_packed(bytes: &[u8]) -> bool {
    PackedKind::of(bytes).is_some()
}

/// A packed array may be longer than what is kept while it is hashed; a record may not.
fn understand_long(store: &Store, id: &Hash) -> Result<Found, String> {
    let read = |id| store.read(id).map_err(|e| e.to_string());
    match may_be_ours(store, id).map_err(|e| e.to_string())? {
        true => {
            read(id).and_then(|bytes| if is_packed(&bytes) { understand(&bytes) } else { Ok(Found::Blob) })
        }
        false => Ok(Found::Blob),
    }
}

fn understand(bytes: &[u8]) -> Result<Found, String> {
    if is_packed(bytes) {
        let mut images = records::packed_links(bytes).map_err(|e| e.to_string())?;
        images.sort_unstable();
        images.dedup();
        return Ok(Found::Packed { images });
    }
    // JSON from outside may look like a record; one of ours always has a kind that is known here.
    let Ok(header) = codec::Header::read(bytes) else { return Ok(Found::Blob) };
    if header.kind == Kind::Event {
        return codec::decode(bytes).map(|event| Found::Event(Box::new(event))).map_err(|e| e.to_string());
    }
    let header = records::check(bytes).map_err(|e| e.to_string())?;
    Ok(Found::Record { links: header.links(), kind: header.kind })
}

/// The changes of a log applied in order: names, and what each names at the end.
pub fn replay<'e>(log: impl IntoIterator<Item = &'e Event>) -> BTreeMap<String, Hash> {
    let mut names = BTreeMap::new();
    for change in log.into_iter().flat_map(|event| &event.names) {
        match change.to {
            Some(to) => drop(names.insert(change.name.clone(), to)),
            None => drop(names.remove(&change.name)),
        }
    }
    names
}

/// What is wrong with the order of a log's entries.
pub fn breaks(log: &[(Hash, &Event)]) -> Vec<String> {
    let mut before: Option<Id<Event>> = None;
    let mut problems = Vec::new();
    for (number, (id, event)) in (1u64..).zip(log) {
        if event.seq != number || event.prev.map(|prev| prev.hash) != before.map(|id| id.hash) {
            problems
                .push(format!("log entry {number} ({}) does not continue the previous entry", id.short()));
        }
        before = Some(Id::new(*id));
    }
    problems
}
