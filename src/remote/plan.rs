//! Which objects to copy, and in which order: those requested, and everything that they depend on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use super::location::Pieces;
use super::{RemoteError, TransferJob};
use crate::hash::{Hash, Id};
use crate::records::{
    self, Kind, ObjectKind, PackedKind, RecordClass, Removal, RemovedRecord, Travels, Withdrawal,
};
use crate::registry::{Removed, depends, walk};
use crate::withdrawal::Withdrawn;

/// Receives an object that was read and hashed. Called from several threads.
pub(super) type Take<'t> = dyn Fn(Hash, &[u8]) -> Result<(), RemoteError> + Sync + 't;

/// The source of an exchange, as it was when it was opened.
pub(super) trait TransferSource: Sync {
    /// Its name in messages.
    fn called(&self) -> &str;

    /// Its names.
    fn names(&self) -> &BTreeMap<String, Hash>;

    /// The object with a name, an id or a prefix of an id.
    fn resolve(&self, text: &str) -> Result<Hash, RemoteError>;

    /// Its runs, predictions, tables and executions.
    fn results(&self) -> Vec<Hash>;

    /// What follows from other records: it travels where these do.
    fn derived(&self) -> Vec<Hash>;

    /// Its records of a kind that travel whatever is asked for: withdrawals or removals.
    fn of_kind(&self, kind: Kind) -> Vec<Hash>;

    /// The kind of an object; none if the source does not have it.
    fn kind(&self, id: &Hash) -> Result<Option<ObjectKind>, RemoteError>;

    /// The size of an object that is not a record; none if the source does not have it.
    fn size(&self, id: &Hash) -> Result<Option<u64>, RemoteError>;

    /// Reads complete objects in parallel and hashes each; returns the number of packs that were read.
    fn read_each(&self, ids: &[Hash], take: &Take<'_>) -> Result<u64, RemoteError>;

    /// Reads a large object piece by piece; after the last piece, an error if the pieces do not hash to its id.
    fn pieces<'s>(&'s self, id: &Hash) -> Result<Box<Pieces<'s>>, RemoteError>;
}

/// How an object was reached.
#[derive(Debug, Clone, Copy)]
struct Referrer {
    by: Hash,
    /// Whether it is referred to only as an image or as the picture over an image.
    as_image: bool,
}

/// An object that the target should have.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: Hash,
    pub(super) kind: ObjectKind,
    /// Whether it is referred to only as an image or its picture, which may have been purged.
    pub(super) picture: bool,
    /// The objects to which it refers, if it is a record or a manifest.
    pub(super) links: Vec<Hash>,
}

/// All objects that the target should have.
#[derive(Debug)]
pub(super) struct TransferPlan {
    /// In order: an object comes after the objects to which it refers.
    pub(super) items: Vec<Item>,
    pub(super) names: BTreeMap<String, Hash>,
    /// Purged images, which are not copied and need not be present.
    pub(super) gone: HashSet<Hash>,
    /// What was removed on either side.
    removed: Removed,
}

impl Item {
    /// Whether it may be copied to another registry.
    fn travels(&self) -> bool {
        self.kind.record().is_none_or(|kind| kind.descriptor().travels != Travels::Never)
    }
}

struct Walk<'s> {
    source: &'s dyn TransferSource,
    job: TransferJob<'s>,
    removed: Removed,
    seen: HashMap<Hash, Item>,
    gone: HashSet<Hash>,
    skipped: HashSet<Hash>,
}

impl TransferPlan {
    /// Walks from the ids, or from all names and results if there are none. What was removed on either side does not
    /// travel, unless something that travels depends on it.
    pub(super) fn make(
        source: &dyn TransferSource,
        ids: &[String],
        removed_there: Vec<(Id<Removal>, Removal)>,
        job: TransferJob<'_>,
    ) -> Result<TransferPlan, RemoteError> {
        let withdrawals = source.of_kind(Kind::Withdrawal);
        let gone = gone(source, &withdrawals)?;
        let mut removals = removals(source)?;
        removals.extend(removed_there);
        let removed = Removed::of(removals);
        let mut walk = Walk { source, job, removed, seen: HashMap::new(), gone, skipped: HashSet::new() };
        walk.add(withdrawals)?;
        walk.add(source.of_kind(Kind::Removal))?;
        if ids.is_empty() {
            let named = source.names().values().copied();
            let roots = walk.without_removed(named.chain(source.results()).collect())?;
            walk.add(roots)?;
        } else {
            for text in ids {
                let id = source.resolve(text)?;
                if let Some((_, removal, record)) = walk.removed.get(&id) {
                    let (called, time) = (record.called(), removal.time.clone());
                    return Err(RemoteError::Removed { id, called, time });
                }
                walk.add(vec![id])?;
            }
        }
        walk.add_what_hangs()?;
        walk.add_derived()?;
        // A log entry belongs to the registry that wrote it, and so does a name of it.
        let travels = |id: &Hash| walk.seen.get(id).is_some_and(Item::travels);
        let names = source.names().iter().filter(|(_, id)| travels(id));
        let names = names.map(|(name, id)| (name.clone(), *id)).collect();
        let items = walk.seen.into_values().filter(Item::travels).collect();
        Ok(TransferPlan { items: in_order(items), names, gone: walk.skipped, removed: walk.removed })
    }

    /// Leaves out each removal that would remove a record of the target, and its revocations. Gives these records.
    ///
    /// A removal is a decision of those who work in a registry: whoever copies from it may think otherwise.
    pub(super) fn leave_out_removals(
        &mut self,
        is_here: impl Fn(&Hash) -> Result<bool, RemoteError>,
    ) -> Result<Vec<RemovedRecord>, RemoteError> {
        let (mut kept, mut left_out) = (Vec::new(), HashSet::new());
        for id in self.removed.ids() {
            if let Some((removal, _, record)) = self.removed.get(id)
                && is_here(id)?
            {
                kept.push(record.clone());
                left_out.insert(removal.hash);
            }
        }
        let revocations = self.removed.records().iter();
        let revocations =
            revocations.filter(|(_, removal)| removal.revokes.is_some_and(|of| left_out.contains(&of.hash)));
        let revocations: Vec<Hash> = revocations.map(|(id, _)| id.hash).collect();
        left_out.extend(revocations);
        self.items.retain(|item| !left_out.contains(&item.id));
        kept.sort();
        Ok(kept)
    }
}

impl Walk<'_> {
    /// Adds objects and everything that they depend on, wave by wave.
    fn add(&mut self, roots: Vec<Hash>) -> Result<(), RemoteError> {
        let mut walk = walk::Walk::from(roots.into_iter().map(|id| (id, None::<Referrer>)));
        loop {
            let wave = walk.wave();
            if wave.is_empty() {
                return Ok(());
            }
            let mut names_others = Vec::new();
            for (id, referrer) in wave {
                if self.seen.contains_key(&id) {
                    continue;
                }
                self.job.go_on()?;
                let by = referrer.map(|referrer| referrer.by);
                let by_kind = by.and_then(|by| self.seen.get(&by)).map(|by| by.kind);
                let picture = referrer.is_some_and(|referrer| referrer.as_image);
                if picture && self.gone.contains(&id) {
                    self.skipped.insert(id);
                    // Another object may refer to it in a role in which it must be present.
                    walk.forget(&id);
                    continue;
                }
                // A manifest refers only to images. To look at a hundred thousand of them would take seconds.
                let kind = match by_kind {
                    Some(ObjectKind::Packed(PackedKind::Manifest)) => ObjectKind::Blob,
                    Some(
                        ObjectKind::Packed(
                            PackedKind::Boxes
                            | PackedKind::Assignment
                            | PackedKind::Scores
                            | PackedKind::PixelDigests,
                        )
                        | ObjectKind::Record(_)
                        | ObjectKind::Blob,
                    )
                    | None => self.source.kind(&id)?.ok_or_else(|| self.missing(id, by))?,
                };
                if kind.names_others() {
                    names_others.push(id);
                }
                self.seen.insert(id, Item { id, kind, picture, links: Vec::new() });
            }
            let links = self.links(&names_others)?;
            for (by, links) in links {
                for (to, as_image) in links.iter().filter(|(to, _)| !self.seen.contains_key(to)) {
                    walk.reach(*to, Some(Referrer { by, as_image: *as_image }));
                }
                let links = links.into_iter().map(|(to, _)| to).collect();
                self.seen.get_mut(&by).expect("it was just added").links = links;
            }
        }
    }

    /// Roots without removed records, and without notes about them and executions that made them.
    fn without_removed(&self, mut roots: Vec<Hash>) -> Result<Vec<Hash>, RemoteError> {
        if self.removed.is_empty() {
            return Ok(roots);
        }
        roots.retain(|id| !self.removed.contains(id));
        let mut beside = Vec::new();
        for id in &roots {
            let kind = self.source.kind(id)?.and_then(ObjectKind::record);
            beside.extend(kind.filter(|kind| !depends(*kind, &[])).map(|_| *id));
        }
        let is_removed = |(_, links): &(Hash, Links)| links.iter().any(|(to, _)| self.removed.contains(to));
        let of_removed = self.links(&beside)?.into_iter().filter(is_removed);
        let of_removed: HashSet<Hash> = of_removed.map(|(id, _)| id).collect();
        roots.retain(|id| !of_removed.contains(id));
        Ok(roots)
    }

    /// The references of records and manifests, and whether each is to an image.
    fn links(&self, ids: &[Hash]) -> Result<Vec<(Hash, Links)>, RemoteError> {
        let found = Mutex::new(Vec::new());
        self.source.read_each(ids, &|id, bytes| {
            let links = links(self.source, id, bytes)?;
            found.lock().expect("no thread panics while it holds this lock").push((id, links));
            Ok(())
        })?;
        Ok(found.into_inner().expect("no thread panics while it holds this lock"))
    }

    fn missing(&self, id: Hash, by: Option<Hash>) -> RemoteError {
        let by = by.map_or("a name".to_owned(), |by| {
            let kind = self.seen.get(&by).map_or(ObjectKind::Blob, |item| item.kind);
            format!("{kind} {}", by.short())
        });
        RemoteError::Missing { remote: self.source.called().to_owned(), id, by }
    }

    /// Adds what follows from records that are there.
    fn add_derived(&mut self) -> Result<(), RemoteError> {
        let mut left = self.source.derived();
        left.retain(|id| !self.seen.contains_key(id));
        let mut taken = Vec::new();
        for (id, links) in self.links(&left)? {
            let mut follows = true;
            for (to, _) in &links {
                let is_record =
                    || Ok::<_, RemoteError>(self.source.kind(to)?.and_then(ObjectKind::record).is_some());
                follows &= self.seen.contains_key(to) || !is_record()?;
            }
            taken.extend(follows.then_some(id));
        }
        self.add(taken)
    }

    /// Adds the results of which all specs, runs, predictions and tables are included.
    fn add_what_hangs(&mut self) -> Result<(), RemoteError> {
        let carries = |item: &Item| item.kind.record().is_some_and(|kind| kind.descriptor().carries);
        let any = self.seen.values().any(carries);
        // Inputs too: what is declared about weights travels with their file, by whichever import it came here.
        let is_input =
            |of: &records::Descriptor| of.class == RecordClass::Input && of.travels == Travels::WithSubject;
        let inputs = Kind::which(is_input).flat_map(|kind| self.source.of_kind(kind));
        let roots = inputs.chain(self.source.results()).collect();
        let results: HashSet<Hash> = self.without_removed(roots)?.into_iter().collect();
        let (mut candidates, mut about) = (Vec::new(), HashSet::new());
        for id in results.iter().filter(|id| !self.seen.contains_key(id)) {
            let kind = self.source.kind(id)?.and_then(ObjectKind::record);
            let (wanted, is_about) = match kind.map(|kind| kind.descriptor().travels) {
                Some(Travels::WithInputs) => (any, false),
                Some(Travels::WithSubject) => (true, true),
                Some(Travels::Named | Travels::Always | Travels::Never) | None => (false, false),
            };
            if is_about {
                about.insert(*id);
            }
            if wanted {
                candidates.push(*id);
            }
        }
        let mut candidates = self.links(&candidates)?;
        loop {
            let is_spec = |id: &Hash| self.seen.get(id).is_some_and(carries);
            let holds = |id: &Hash| results.contains(id) || is_spec(id);
            let hangs = |id: &Hash, links: &Links| {
                let mut links = links.iter().map(|(to, _)| to);
                if about.contains(id) {
                    return links.all(|to| self.seen.contains_key(to));
                }
                let mut on = links.filter(|id| holds(id)).peekable();
                on.peek().is_some() && on.all(|id| self.seen.contains_key(id))
            };
            let (taken, left): (Vec<_>, Vec<_>) =
                candidates.into_iter().partition(|(id, links)| hangs(id, links));
            if taken.is_empty() {
                return Ok(());
            }
            candidates = left;
            self.add(taken.into_iter().map(|(id, _)| id).collect())?;
        }
    }
}

/// The objects that a side has purged, by its withdrawals. Only objects that are referred to as images or their
/// pictures count: a forged withdrawal must not keep a checkpoint from being copied.
pub(super) fn gone(source: &dyn TransferSource, withdrawals: &[Hash]) -> Result<HashSet<Hash>, RemoteError> {
    let read = Mutex::new(Vec::new());
    source.read_each(withdrawals, &|id, bytes| {
        let wrong = |e| RemoteError::Codec { remote: source.called().to_owned(), id, source: e };
        let record: Withdrawal = records::codec::decode(bytes).map_err(wrong)?;
        read.lock().expect("no thread panics while it holds this lock").push((Id::new(id), record));
        Ok(())
    })?;
    let read = read.into_inner().expect("no thread panics while it holds this lock");
    Ok(Withdrawn::of(read).purged().copied().collect())
}

/// The removals of a side.
pub(super) fn removals(source: &dyn TransferSource) -> Result<Vec<(Id<Removal>, Removal)>, RemoteError> {
    let read = Mutex::new(Vec::new());
    source.read_each(&source.of_kind(Kind::Removal), &|id, bytes| {
        let wrong = |e| RemoteError::Codec { remote: source.called().to_owned(), id, source: e };
        let record: Removal = records::codec::decode(bytes).map_err(wrong)?;
        read.lock().expect("no thread panics while it holds this lock").push((Id::new(id), record));
        Ok(())
    })?;
    Ok(read.into_inner().expect("no thread panics while it holds this lock"))
}

/// The references of an object, and whether each is only to an image or to the picture over an image.
type Links = Vec<(Hash, bool)>;

/// The objects to which a record or packed array refers, ascending.
fn links(source: &dyn TransferSource, id: Hash, bytes: &[u8]) -> Result<Links, RemoteError> {
    let wrong = |e| RemoteError::Codec { remote: source.called().to_owned(), id, source: e };
    let link = |by: Option<Kind>| move |edge: walk::Edge| (edge.to, edge.role.are_images(by));
    let mut links: Links = match bytes.first() {
        Some(b'{') => {
            let header = records::check(bytes).map_err(wrong)?;
            walk::named(id, header.links()).into_iter().map(link(Some(header.kind))).collect()
        }
        _ => walk::images(id, records::packed_links(bytes).map_err(wrong)?).map(link(None)).collect(),
    };
    links.sort_unstable();
    links.dedup();
    Ok(links)
}

/// Blobs, packed arrays, then records: first those without references to records, then those that refer only to these,
/// …
fn in_order(items: Vec<Item>) -> Vec<Item> {
    let is_record = |item: &Item| item.kind.record().is_some();
    let records: HashMap<Hash, &Item> =
        items.iter().filter(|item| is_record(item)).map(|item| (item.id, item)).collect();
    let mut waits: HashMap<Hash, usize> = HashMap::new();
    let mut waited_for: HashMap<Hash, Vec<Hash>> = HashMap::new();
    for item in records.values() {
        let on: Vec<&Hash> = item.links.iter().filter(|to| records.contains_key(to)).collect();
        waits.insert(item.id, on.len());
        on.into_iter().for_each(|to| waited_for.entry(*to).or_default().push(item.id));
    }
    let mut depths: HashMap<Hash, usize> = HashMap::new();
    let mut ready: Vec<Hash> = waits.iter().filter(|(_, on)| **on == 0).map(|(id, _)| *id).collect();
    let mut depth = 0;
    while !ready.is_empty() {
        let mut next = Vec::new();
        for id in ready {
            depths.insert(id, depth);
            for by in waited_for.remove(&id).unwrap_or_default() {
                let on = waits.get_mut(&by).expect("it waits");
                *on -= 1;
                if *on == 0 {
                    next.push(by);
                }
            }
        }
        (ready, depth) = (next, depth + 1);
    }
    let mut items = items;
    // References by hash cannot form a cycle, so every record has a depth.
    let class = |kind: ObjectKind| match kind {
        ObjectKind::Blob => 0,
        ObjectKind::Packed(_) => 1,
        ObjectKind::Record(_) => 2,
    };
    items.sort_by_key(|item| (class(item.kind), depths.get(&item.id).copied(), item.id));
    items
}
