//! Re-hashes objects, and says which results a damaged one taints.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::PathBuf;

use rayon::prelude::*;
use serde::Serialize;

use super::graph::{closure, image_name};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::progress::{Progress, Unit};
use crate::records::codec::{self, MAX_RECORD};
use crate::records::{self, Event, Execution, Record, Table};
use crate::registry::{Registry, RegistryError};
use crate::store::StoreError;

/// What a verification found.
#[derive(Debug, Default, Serialize)]
pub struct Verification {
    /// Objects that were re-hashed.
    pub checked: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that are not what they should be.
    pub damaged: Vec<Damage>,
    /// Names that are not what the log of their changes says, and breaks in that log.
    pub names: Vec<String>,
    /// Files in the folder of objects that are named like none. They harm nothing.
    pub strangers: Vec<PathBuf>,
}

/// One damaged or missing object.
#[derive(Debug, Serialize)]
pub struct Damage {
    /// Its id.
    pub id: Hash,
    /// What it is: a kind, `image`, or the part that it plays.
    pub kind: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// Results that depend on it: tables first.
    pub taints: Vec<Tainted>,
}

/// A result that depends on a damaged object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tainted {
    /// Its id.
    pub id: Hash,
    /// Its kind.
    pub kind: String,
    /// Its name, if it has one.
    pub name: Option<String>,
}

/// Checks all objects, or those that `roots` depend on.
///
/// Every byte is hashed again; records and packed arrays must also be of their kind's form, and what a
/// record, a manifest, a name or the index names must be there.
pub fn verify(
    registry: &Registry,
    view: &View,
    roots: Option<&[Hash]>,
    progress: &dyn Progress,
) -> Result<Verification, RegistryError> {
    let listing = registry.store().list()?;
    let wanted = match roots {
        Some(roots) => closure(registry, view, roots)?,
        None => listing.objects.clone(),
    };
    let present: HashSet<Hash> = listing.objects.into_iter().collect();

    progress.begin("verify", Unit::Items, wanted.len() as u64);
    let checked: Vec<Checked> = wanted
        .par_iter()
        .map_init(Vec::new, |buffer, id| {
            let checked = check(registry, id, buffer);
            progress.advance(1);
            checked
        })
        .collect();
    progress.end();

    let mut problems: Vec<(Hash, String)> = Vec::new();
    let mut expected: Vec<Hash> = Vec::new();
    let mut result = Verification { strangers: listing.strangers, ..Verification::default() };
    for (id, checked) in wanted.iter().zip(checked) {
        result.checked += 1;
        result.bytes += checked.bytes;
        // What nobody registered, as a crash can leave it, promises nothing.
        if !checked.names.is_empty() && (view.kind(id)?.is_some() || !view.referrers(id)?.is_empty()) {
            expected.extend(checked.names);
        }
        problems.extend(checked.problem.map(|problem| (*id, problem)));
    }
    if roots.is_none() {
        result.names = check_names(registry, view)?;
        expected.extend(view.names()?.into_iter().map(|(_, id)| id));
        expected.extend(view.log()?);
        for kind in records::KINDS {
            expected.extend(view.of_kind(kind)?);
        }
    }
    let known: HashSet<Hash> = problems.iter().map(|(id, _)| *id).collect();
    expected.sort_unstable();
    expected.dedup();
    expected.retain(|id| !present.contains(id) && !known.contains(id));
    problems.extend(expected.into_iter().map(|id| (id, "is missing".to_owned())));
    problems.sort();

    let names = view.names_by_id()?;
    for (id, problem) in problems {
        let (kind, role_name) = describe(registry, view, &id)?;
        let name = names.get(&id).cloned().or(role_name);
        result.damaged.push(Damage { id, kind, name, problem, taints: taints(view, &names, &id)? });
    }
    Ok(result)
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn sound(&self) -> bool {
        self.damaged.is_empty() && self.names.is_empty()
    }
}

/// Replays the log of names and compares what comes out with the index.
fn check_names(registry: &Registry, view: &View) -> Result<Vec<String>, RegistryError> {
    let mut problems = Vec::new();
    let mut replayed = BTreeMap::new();
    let mut before = None;
    for (number, id) in (1u64..).zip(view.log()?) {
        // A missing or damaged event is among the damaged objects already.
        let Ok(event) = registry.get::<Event>(Id::new(id)) else { return Ok(problems) };
        if event.seq != number || event.prev.map(|prev| prev.hash) != before {
            problems.push(format!("log entry {number} ({}) does not continue the one before", id.short()));
        }
        for change in event.names {
            match change.to {
                Some(to) => drop(replayed.insert(change.name, to)),
                None => drop(replayed.remove(&change.name)),
            }
        }
        before = Some(id);
    }
    let names: BTreeMap<String, Hash> = view.names()?.into_iter().collect();
    let short = |id: Option<&Hash>| id.map_or("nothing".to_owned(), Hash::short);
    let both: BTreeSet<&String> = names.keys().chain(replayed.keys()).collect();
    for name in both {
        let (now, logged) = (names.get(name), replayed.get(name));
        if now != logged {
            problems.push(format!("{name} names {}, and {} by the log", short(now), short(logged)));
        }
    }
    Ok(problems)
}

#[derive(Default)]
struct Checked {
    bytes: u64,
    names: Vec<Hash>,
    problem: Option<String>,
}

fn check(registry: &Registry, id: &Hash, buffer: &mut Vec<u8>) -> Checked {
    match examine(registry, id, buffer) {
        Ok(checked) => checked,
        Err(StoreError::Missing { .. }) => {
            Checked { problem: Some("is missing".into()), ..Checked::default() }
        }
        Err(StoreError::Damaged { path, found, .. }) => Checked {
            bytes: std::fs::metadata(path).map_or(0, |m| m.len()),
            problem: Some(format!(
                "does not have the bytes that it is named by: they hash to {}…",
                found.short()
            )),
            ..Checked::default()
        },
        Err(e) => Checked { problem: Some(format!("cannot be read: {e}")), ..Checked::default() },
    }
}

fn examine(registry: &Registry, id: &Hash, buffer: &mut Vec<u8>) -> Result<Checked, StoreError> {
    let bytes = registry.store().verify(id, MAX_RECORD, buffer)?;
    let mut checked = Checked { bytes, ..Checked::default() };
    if bytes > MAX_RECORD {
        return Ok(checked);
    }
    // JSON from outside may look like a record; one of ours always has a kind.
    if let Ok(header) = codec::Header::read(buffer)
        && records::KINDS.contains(&header.kind.as_str())
    {
        match records::check(buffer) {
            Ok(header) => checked.names = header.links().into_iter().map(|link| link.to).collect(),
            Err(e) => checked.problem = Some(e.to_string()),
        }
    } else {
        match records::packed_links(buffer) {
            Ok(names) => checked.names = names,
            Err(e) => checked.problem = Some(e.to_string()),
        }
    }
    Ok(checked)
}

/// What an object is that may be unreadable: asked of the index.
fn describe(registry: &Registry, view: &View, id: &Hash) -> Result<(String, Option<String>), RegistryError> {
    if let Some(kind) = view.kind(id)? {
        return Ok((kind, None));
    }
    if let Some(name) = image_name(registry, view, id)? {
        return Ok((crate::registry::IMAGE.to_owned(), Some(name)));
    }
    let role = view.referrers(id)?.into_iter().map(|(_, role)| role).next();
    Ok((role.unwrap_or_else(|| "object that nothing names".to_owned()), None))
}

/// The records that depend on an object, tables first, then in the order of a study.
fn taints(view: &View, names: &HashMap<Hash, String>, id: &Hash) -> Result<Vec<Tainted>, RegistryError> {
    let mut seen = HashSet::from([*id]);
    let mut queue = VecDeque::from([*id]);
    let mut tainted = Vec::new();
    while let Some(next) = queue.pop_front() {
        for (from, _) in view.referrers(&next)? {
            if !seen.insert(from) {
                continue;
            }
            queue.push_back(from);
            // That a run was executed says nothing of its value, and packed arrays stand for the
            // records that name them.
            if let Some(kind) = view.kind(&from)?.filter(|kind| kind != Execution::KIND) {
                tainted.push(Tainted { id: from, kind, name: names.get(&from).cloned() });
            }
        }
    }
    let place = |kind: &str| records::KINDS.iter().position(|known| *known == kind);
    tainted.sort_by_key(|t| (t.kind != Table::KIND, place(&t.kind), t.id));
    Ok(tainted)
}
