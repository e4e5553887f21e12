//! Kinds and references of all objects, read from the objects themselves, without the index.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;

use super::walk::{self, Edge};
use super::{Registry, is_name};
use crate::digits::thousands;
use crate::escape::shell_os;
use crate::hash::{Hash, Id};
use crate::limits;
use crate::progress::Progress;
use crate::records::codec;
use crate::records::{self, Event, Kind, PackedKind, Roles};
use crate::store::{Store, StoreError};

/// How much of each object is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All of it is read and hashed.
    Everything,
    /// Records and packed arrays, and what may be one, are read and hashed; of other objects only the first
    /// bytes are read.
    Records,
}

/// The result of reading objects.
#[derive(Debug, Default)]
pub struct Survey {
    /// Number of bytes of the objects that were read completely.
    pub bytes: u64,
    /// The records except for events, with their kinds and links.
    pub records: HashMap<Hash, (Kind, Vec<codec::Link>)>,
    /// The packed arrays and the images to which each refers, ascending.
    pub packed: HashMap<Hash, Vec<Hash>>,
    /// The log entries, whether they belong to a log or not.
    pub events: HashMap<Hash, Event>,
    /// Damaged objects, and what is wrong with them.
    pub problems: Vec<(Hash, String)>,
}

/// The kind of one object.
enum Found {
    Blob,
    Record { kind: Kind, links: Vec<codec::Link> },
    Packed { images: Vec<Hash> },
    Event(Box<Event>),
}

impl Registry {
    /// Reads objects in parallel; `progress` advances by one for each.
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
    /// Adds the result of reading other objects.
    pub fn extend(&mut self, other: Survey) {
        self.bytes += other.bytes;
        self.records.extend(other.records);
        self.packed.extend(other.packed);
        self.events.extend(other.events);
        self.problems.extend(other.problems);
    }

    /// The objects to which an object refers.
    pub fn links(&self, id: &Hash) -> impl Iterator<Item = Hash> + '_ {
        let record = self.records.get(id).into_iter().flat_map(|(_, links)| links.iter().map(|link| link.to));
        record.chain(self.packed.get(id).into_iter().flatten().copied())
    }

    /// All references, as in the index: target, referrer, role.
    pub fn mentions(&self) -> impl Iterator<Item = (Hash, Hash, Roles)> + '_ {
        let records = self.records.iter().flat_map(|(from, (_, links))| walk::named(*from, links.clone()));
        let images = |(from, images): (&Hash, &Vec<Hash>)| walk::images(*from, images.clone());
        records.chain(self.packed.iter().flat_map(images)).map(Edge::into_mention)
    }

    /// The log: the longest chain of events that contains `head`, if `head` is one of them; first entry first.
    ///
    /// A crash after writing an event and before its commit leaves two events that continue the same one; so
    /// the end of the log in the index decides. What counts is how many entries of a chain exist and have
    /// consecutive numbers, not the number that an entry gives itself. Of several chains of the same length the
    /// later one is valid, then the one whose end has the greater id.
    pub fn log(&self, head: Option<Hash>) -> Vec<(Hash, &Event)> {
        let head = head.filter(|head| self.events.contains_key(head));
        let chains = self.chains(head);
        let allowed = chains.iter().filter(|(_, chain)| head.is_none() || chain.has_head);
        let end = allowed.max_by_key(|(id, chain)| {
            let event = &self.events[*id];
            (chain.length, event.seq, &event.time, **id)
        });
        end.map(|(id, _)| self.chain(*id)).unwrap_or_default()
    }

    /// The entries outside `log` that no crash leaves: a crash leaves at most entries that continue one of the log.
    pub fn strays(&self, log: &[(Hash, &Event)]) -> Vec<String> {
        let own: HashSet<Hash> = log.iter().map(|(id, _)| *id).collect();
        let left_by_crash = |event: &Event| match event.prev {
            None => event.seq == 1,
            Some(prev) => own.contains(&prev.hash) && self.previous(event).is_some(),
        };
        let mut strays: Vec<(u64, &Hash)> = self
            .events
            .iter()
            .filter(|(id, event)| !own.contains(id) && !left_by_crash(event))
            .map(|(id, event)| (event.seq, id))
            .collect();
        strays.sort_unstable();
        let sentence = |(seq, id): (u64, &Hash)| {
            format!("a log entry with number {} ({}) does not belong to the log", thousands(seq), id.short())
        };
        strays.into_iter().map(sentence).collect()
    }

    /// The entry that an event continues, if it exists and the numbers are consecutive.
    fn previous(&self, event: &Event) -> Option<Hash> {
        let prev = event.prev?.hash;
        let before = self.events.get(&prev)?;
        (before.seq.checked_add(1) == Some(event.seq)).then_some(prev)
    }

    /// The chain of each event. Each event is visited once.
    fn chains(&self, head: Option<Hash>) -> HashMap<Hash, Chain> {
        let mut chains: HashMap<Hash, Chain> = HashMap::with_capacity(self.events.len());
        for end in self.events.keys() {
            let mut path = vec![*end];
            while let Some(last) = path.last().filter(|last| !chains.contains_key(*last)) {
                match self.previous(&self.events[last]) {
                    Some(previous) => path.push(previous),
                    None => break,
                }
            }
            let mut so_far = path.last().and_then(|last| chains.get(last).copied()).unwrap_or_default();
            for id in path.into_iter().rev().filter(|id| !chains.contains_key(id)).collect::<Vec<_>>() {
                so_far = Chain { length: so_far.length + 1, has_head: so_far.has_head || head == Some(id) };
                chains.insert(id, so_far);
            }
        }
        chains
    }

    /// The predecessors of an event, as far back as they exist with consecutive numbers.
    fn chain(&self, end: Hash) -> Vec<(Hash, &Event)> {
        let mut chain: Vec<(Hash, &Event)> = Vec::new();
        let mut next = Some(end);
        while let Some((id, event)) = next.and_then(|id| Some((id, self.events.get(&id)?))) {
            chain.push((id, event));
            next = self.previous(event);
        }
        chain.reverse();
        chain
    }
}

/// The chain that ends with an event.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    /// Number of existing entries with consecutive numbers that end with the event.
    length: u64,
    /// Whether the end of the log in the index is among them.
    has_head: bool,
}

/// The result of reading one object.
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
    match store.verify(id, limits::RECORD, buffer) {
        Ok(bytes) if bytes > limits::RECORD => Looked::at(bytes, understand_long(store, id)),
        Ok(bytes) => Looked::at(bytes, understand(buffer)),
        // Its bytes may still be right; then its content counts.
        Err(StoreError::Exposed { found, path, .. }) => match store.read(id) {
            Ok(bytes) => {
                let path = shell_os(path);
                let problem =
                    format!("{found}, so any program can change it; restore it with `chmod 444 {path}`");
                let looked = Looked::at(bytes.len() as u64, understand(&bytes));
                Looked { problem: looked.problem.or(Some(problem)), ..looked }
            }
            Err(StoreError::Exposed { .. }) => {
                Looked::at(0, Err(format!("{found}, which is not followed; replace the link by its target")))
            }
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

/// Whether an object starts like a record or packed array.
fn may_be_ours(store: &Store, id: &Hash) -> Result<bool, StoreError> {
    let head = store.head(id)?;
    Ok(head.first() == Some(&b'{') || is_packed(&head))
}

fn is_packed(bytes: &[u8]) -> bool {
    PackedKind::of(bytes).is_some()
}

/// A packed array may be longer than the bytes that are kept while hashing; a record may not.
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
    // Imported JSON may look like a record; a record always has a known kind.
    let Ok(header) = codec::Header::read(bytes) else { return Ok(Found::Blob) };
    if header.kind == Kind::Event {
        return codec::decode(bytes).map(|event| Found::Event(Box::new(event))).map_err(|e| e.to_string());
    }
    let header = records::check(bytes).map_err(|e| e.to_string())?;
    Ok(Found::Record { links: header.links(), kind: header.kind })
}

/// The names and targets after applying the changes of a log in order.
pub fn replay<'e>(log: impl IntoIterator<Item = &'e Event>) -> BTreeMap<String, Hash> {
    let mut names = BTreeMap::new();
    // A name that nobody could have given was written by somebody else.
    for change in log.into_iter().flat_map(|event| &event.names).filter(|change| is_name(&change.name)) {
        match change.to {
            Some(to) => drop(names.insert(change.name.clone(), to)),
            None => drop(names.remove(&change.name)),
        }
    }
    names
}

/// Problems with the entries of a log: their order, and what each says of the one before.
pub fn breaks(log: &[(Hash, &Event)]) -> Vec<String> {
    let mut before: Option<Id<Event>> = None;
    let mut names: HashMap<&str, Hash> = HashMap::new();
    let mut problems = Vec::new();
    for (number, (id, event)) in (1u64..).zip(log) {
        let entry = format!("log entry {} ({})", thousands(number), id.short());
        let whole = event.seq == number && event.prev.map(|prev| prev.hash) == before.map(|id| id.hash);
        if !whole {
            problems.push(format!("{entry} does not continue the previous entry"));
        }
        before = Some(Id::new(*id));
        for change in &event.names {
            if !is_name(&change.name) {
                problems.push(format!("{entry} has a name that is not valid"));
                continue;
            }
            let now = match change.to {
                Some(to) => names.insert(&change.name, to),
                None => names.remove(change.name.as_str()),
            };
            // After lost entries, the previous target of a name is unknown.
            if now != change.from && whole {
                let short = |id: Option<Hash>| id.map_or("nothing".to_owned(), |id| id.short());
                problems.push(format!(
                    "{entry} says that {} pointed to {} before, but it pointed to {}",
                    change.name,
                    short(change.from),
                    short(now)
                ));
            }
        }
    }
    problems
}
