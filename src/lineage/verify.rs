//! Re-hashes objects, checks what they and the index say of each other, and says which results damage
//! taints.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;

use serde::Serialize;

use super::graph::{closure, manifest_name};
use super::known::Known;
use crate::hash::{Hash, Id};
use crate::index::IndexError;
use crate::progress::{Progress, Unit};
use crate::records::{self, Execution, Manifest, Record, Table};
use crate::registry::survey::{Depth, Survey, breaks};
use crate::registry::{IMAGE, Registry, RegistryError};

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
    /// What the index says and the objects do not, and the other way round.
    pub index: Vec<String>,
    /// Records that are whole and that the index does not know: a crash left them, and the command that was
    /// to register them was never repeated. They harm nothing.
    pub unregistered: Vec<Hash>,
    /// Files in the folder of objects that are named like none. They harm nothing.
    pub strangers: Vec<PathBuf>,
    /// Objects that were damaged and are whole again, and the file that the bytes came from.
    pub repaired: Vec<(Hash, PathBuf)>,
}

/// One damaged or missing object.
#[derive(Debug, Clone, Serialize)]
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

impl Verification {
    /// Whether nothing is wrong.
    pub fn sound(&self) -> bool {
        self.damaged.is_empty() && self.names.is_empty() && self.index.is_empty()
    }
}

/// Checks all objects and the index.
///
/// Every byte is hashed again; records and packed arrays must also be of their kind's form, and what a
/// registered record, a manifest, a name or the index names must be there. The index must hold exactly what
/// the objects say, and its pages must have their checksums. A damaged index keeps nothing from being checked.
pub fn verify(registry: &Registry, progress: &dyn Progress) -> Result<Verification, RegistryError> {
    let _lease = registry.lease_to_look()?;
    let mut result = Verification::default();
    // Before the objects are listed: what is known by then is there by then.
    let known = match Known::read(registry.index()) {
        Ok(known) => Some(known),
        Err(e @ (IndexError::Missing(_) | IndexError::Damaged { .. })) => {
            result.index.push(e.to_string());
            None
        }
        Err(e) => return Err(e.into()),
    };
    let listing = registry.store().list()?;
    result.strangers = listing.strangers;
    progress.begin("verify", Unit::Items, listing.objects.len() as u64);
    let survey = registry.survey(&listing.objects, Depth::Everything, progress);
    progress.end();
    (result.checked, result.bytes) = (listing.objects.len() as u64, survey.bytes);

    let there = |id: &Hash| listing.objects.binary_search(id).is_ok();
    let mut expected: Vec<Hash> = Vec::new();
    match &known {
        Some(known) => {
            // What others have added meanwhile, they have also registered.
            let later = Known::of(&registry.index().view_of_any_age()?)?;
            result.index.extend(known.compare(&survey, there));
            result.names = known.check_names(&survey, &later);
            let nobodys = survey.records.keys().filter(|id| !known.is_registered(id));
            result.unregistered = nobodys.filter(|id| !later.is_registered(id)).copied().collect();
            expected.extend(known.expected());
            // What nobody registered, as a crash can leave it, promises nothing.
            for id in survey.records.keys().chain(survey.packed.keys()).filter(|id| known.mentions_from(id)) {
                expected.extend(survey.links(id));
            }
        }
        None => {
            let log = survey.log(None);
            result.names = breaks(&log);
            let names = crate::registry::survey::replay(log.into_iter().map(|(_, event)| event));
            expected.extend(names.into_values());
            expected
                .extend(survey.records.keys().chain(survey.packed.keys()).flat_map(|id| survey.links(id)));
        }
    }
    result.unregistered.sort_unstable();
    expected.retain(|id| !there(id));
    let problems = with_missing(&survey, expected);
    let graph = Graph::of(&survey, known.as_ref());
    for (id, problem) in problems {
        let (kind, name) = graph.describe(registry, &id);
        result.damaged.push(Damage { id, kind, name, problem, taints: graph.taints(&id) });
    }
    Ok(result)
}

/// Checks the objects that `roots` depend on, themselves included, and nothing of the index but what leads
/// to them.
pub fn verify_some(
    registry: &Registry,
    roots: &[Hash],
    progress: &dyn Progress,
) -> Result<Verification, RegistryError> {
    let _lease = registry.lease_to_look()?;
    // Not kept open while the objects are read, which may take long: nobody could register anything.
    let (wanted, known) = {
        let view = registry.view()?;
        (closure(registry, &view, roots)?, Known::of(&view)?)
    };
    progress.begin("verify", Unit::Items, wanted.len() as u64);
    let survey = registry.survey(&wanted, Depth::Everything, progress);
    progress.end();
    let named = survey.records.keys().chain(survey.packed.keys()).flat_map(|id| survey.links(id));
    let expected = named.filter(|id| !registry.store().contains(id)).collect();
    let graph = Graph::of(&survey, Some(&known));
    let mut result =
        Verification { checked: wanted.len() as u64, bytes: survey.bytes, ..Verification::default() };
    for (id, problem) in with_missing(&survey, expected) {
        let (kind, name) = graph.describe(registry, &id);
        result.damaged.push(Damage { id, kind, name, problem, taints: graph.taints(&id) });
    }
    Ok(result)
}

/// The problems of a survey, and for each object that is not there another, in order of ids.
fn with_missing(survey: &Survey, missing: Vec<Hash>) -> Vec<(Hash, String)> {
    let mut problems = survey.problems.clone();
    let known: HashSet<Hash> = problems.iter().map(|(id, _)| *id).collect();
    problems
        .extend(missing.into_iter().filter(|id| !known.contains(id)).map(|id| (id, "is missing".to_owned())));
    problems.sort();
    problems.dedup();
    problems
}

/// Who names whom, by the objects and by the index together: a damaged object no longer says what it named.
struct Graph {
    referrers: HashMap<Hash, Vec<(Hash, String)>>,
    kinds: HashMap<Hash, String>,
    names: HashMap<Hash, String>,
}

impl Graph {
    fn of(survey: &Survey, known: Option<&Known>) -> Self {
        let mut mentions: Vec<(Hash, Hash, String)> = survey.mentions().collect();
        let mut kinds: HashMap<Hash, String> =
            survey.records.iter().map(|(id, (kind, _))| (*id, kind.clone())).collect();
        kinds.extend(survey.events.keys().map(|id| (*id, records::Event::KIND.to_owned())));
        let mut names = HashMap::new();
        if let Some(known) = known {
            mentions.extend(known.mentions.iter().cloned());
            kinds.extend(known.kinds());
            for (name, id) in &known.names {
                names.entry(*id).or_insert_with(|| name.clone());
            }
        }
        mentions.sort_unstable();
        mentions.dedup();
        let mut referrers: HashMap<Hash, Vec<(Hash, String)>> = HashMap::new();
        for (to, from, role) in mentions {
            referrers.entry(to).or_default().push((from, role));
        }
        Graph { referrers, kinds, names }
    }

    fn named_by(&self, id: &Hash) -> &[(Hash, String)] {
        self.referrers.get(id).map_or(&[], Vec::as_slice)
    }

    /// What an object is that may be unreadable, and its name.
    fn describe(&self, registry: &Registry, id: &Hash) -> (String, Option<String>) {
        let name = self.names.get(id).cloned();
        if let Some(kind) = self.kinds.get(id) {
            return (kind.clone(), name);
        }
        let by = self.named_by(id);
        // A damaged manifest must not keep the rest from being named.
        let manifests = by.iter().filter(|(_, role)| role == IMAGE);
        let read = |from: &Hash| registry.get_packed::<Manifest>(Id::new(*from)).ok();
        if let Some(image) = manifests.filter_map(|(from, _)| manifest_name(&read(from)?, id)).next() {
            return (IMAGE.to_owned(), name.or(Some(image)));
        }
        let role = by.first().map(|(_, role)| role.clone());
        (role.unwrap_or_else(|| "object that nothing names".to_owned()), name)
    }

    /// The records that depend on an object, tables first, then in the order of a study.
    fn taints(&self, id: &Hash) -> Vec<Tainted> {
        let mut seen = HashSet::from([*id]);
        let mut queue = VecDeque::from([*id]);
        let mut tainted = Vec::new();
        while let Some(next) = queue.pop_front() {
            for (from, _) in self.named_by(&next) {
                if !seen.insert(*from) {
                    continue;
                }
                queue.push_back(*from);
                // That a run was executed says nothing of its value, and packed arrays stand for the
                // records that name them.
                if let Some(kind) = self.kinds.get(from).filter(|kind| *kind != Execution::KIND) {
                    let name = self.names.get(from).cloned();
                    tainted.push(Tainted { id: *from, kind: kind.clone(), name });
                }
            }
        }
        let place = |kind: &str| records::KINDS.iter().position(|known| *known == kind);
        tainted.sort_by_key(|t| (t.kind != Table::KIND, place(&t.kind), t.id));
        tainted
    }
}
