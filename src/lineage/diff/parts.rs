//! Where two lineages part: walked side by side from the results towards the inputs, by the parts that inputs play.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::hash::Hash;
use crate::records::codec::{Header, Link};
use crate::records::{self, KINDS};
use crate::registry::{Registry, RegistryError};

/// A pair of inputs that differ in themselves, and not only by what they are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Parting {
    /// The part that they play, from the result: `predictions.run.spec`.
    pub path: String,
    /// The kind of record; `file` or a packed kind where they are none.
    pub kind: String,
    /// The first's; null where only the second has one.
    pub a: Option<Hash>,
    /// The second's.
    pub b: Option<Hash>,
    /// What differs in them beside links, as JSON pointers; empty where they are no records.
    pub fields: Vec<String>,
}

/// All points where two lineages part, those nearest to the raw inputs first.
pub(super) fn partings(registry: &Registry, a: Hash, b: Hash) -> Result<Vec<Parting>, RegistryError> {
    let mut walk = Walk { registry, seen: HashSet::new(), found: Vec::new() };
    walk.pair(String::new(), a, b)?;
    // What is behind more of the rest comes first: a data set before its split, that before a spec; a file
    // before the record that names it.
    let depth = |path: &str| std::cmp::Reverse(path.matches('.').count());
    walk.found.sort_by_key(|(owner, parting)| (*owner, depth(&parting.path), parting.path.clone()));
    Ok(walk.found.into_iter().map(|(_, parting)| parting).collect())
}

struct Walk<'r> {
    registry: &'r Registry,
    seen: HashSet<(Hash, Hash)>,
    /// With the place of the record that has the difference in it, or names what differs.
    found: Vec<(usize, Parting)>,
}

/// Links of a record by the parts that they play, in order.
fn by_role(header: &Header) -> BTreeMap<String, Vec<Hash>> {
    let mut roles: BTreeMap<String, Vec<Hash>> = BTreeMap::new();
    for Link { to, role } in header.links() {
        roles.entry(role).or_default().push(to);
    }
    roles
}

fn place(kind: &str) -> usize {
    KINDS.iter().position(|known| *known == kind).unwrap_or(KINDS.len())
}

impl Walk<'_> {
    /// Walks on from two that differ; both play the part at the end of `path`.
    fn pair(&mut self, path: String, a: Hash, b: Hash) -> Result<(), RegistryError> {
        if a == b || !self.seen.insert((a, b)) {
            return Ok(());
        }
        let (one, other) = (self.header(&a)?, self.header(&b)?);
        let (Some(one), Some(other)) = (one, other) else {
            let kind = path.rsplit('.').next().unwrap_or_default().to_owned();
            self.found.push((usize::MAX, Parting { path, kind, a: Some(a), b: Some(b), fields: Vec::new() }));
            return Ok(());
        };
        let fields = if one.kind == other.kind { differing(&one, &other) } else { vec!["/kind".to_owned()] };
        let owner = place(&one.kind);
        let start = self.found.len();
        let (mut lefts, mut rights) = (by_role(&one), by_role(&other));
        let mut roles: Vec<String> = lefts.keys().chain(rights.keys()).cloned().collect();
        roles.sort_by_key(|role| (OUTPUTS.contains(&role.as_str()), role.clone()));
        roles.dedup();
        let mut parted = false;
        for role in roles {
            // What came out follows from what went in.
            if parted && is_result(&one.kind) && OUTPUTS.contains(&role.as_str()) {
                continue;
            }
            let (left, right) = (lefts.remove(&role), rights.remove(&role));
            let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
            let below = if path.is_empty() { role.clone() } else { format!("{path}.{role}") };
            for at in 0..left.len().max(right.len()) {
                match (left.get(at), right.get(at)) {
                    (Some(a), Some(b)) => {
                        parted |= a != b;
                        self.pair(below.clone(), *a, *b)?;
                    }
                    (a, b) => {
                        parted = true;
                        let parting = Parting {
                            path: below.clone(),
                            kind: role.clone(),
                            a: a.copied(),
                            b: b.copied(),
                            fields: Vec::new(),
                        };
                        self.found.push((owner, parting));
                    }
                }
            }
        }
        // A file belongs to the record that names it.
        for (place, _) in &mut self.found[start..] {
            *place = (*place).min(owner);
        }
        // What a result came out as follows from what it is made of.
        let is_cause = !parted || !is_result(&one.kind);
        if !fields.is_empty() && is_cause {
            self.found.push((owner, Parting { path, kind: one.kind, a: Some(a), b: Some(b), fields }));
        }
        Ok(())
    }

    /// The document of a record; none of what is no record, or is not here.
    fn header(&self, id: &Hash) -> Result<Option<Header>, RegistryError> {
        let head = match self.registry.store().head(id) {
            Ok(head) => head,
            Err(_) => return Ok(None),
        };
        if head.first() != Some(&b'{') {
            return Ok(None);
        }
        let bytes = self.registry.store().read(id)?;
        Ok(records::check(&bytes).ok())
    }
}

/// Parts of what a computation gave.
const OUTPUTS: [&str; 4] = ["checkpoint", "log", "scores", "picture"];

fn is_result(kind: &str) -> bool {
    matches!(kind, "run" | "predictions" | "table")
}

/// JSON pointers of the values, links aside, in which two documents differ.
fn differing(a: &Header, b: &Header) -> Vec<String> {
    let mut found = Vec::new();
    compare("", &a.document.clone().into(), &b.document.clone().into(), &mut found);
    found
}

/// The same of any two documents.
pub(super) fn compare(at: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    match (a, b) {
        // Hash and size of a file go with the link to it.
        (Value::Object(one), Value::Object(other)) if is_file(one) && is_file(other) => {}
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let null = Value::Null;
                let [one, other] = [one, other].map(|map| map.get(key).unwrap_or(&null));
                compare(&format!("{at}/{key}"), one, other, found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (place, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{at}/{place}"), one, other, found);
            }
        }
        _ if a == b || is_link(a) && is_link(b) => {}
        _ => found.push(at.to_owned()),
    }
}

fn is_file(map: &serde_json::Map<String, Value>) -> bool {
    map.len() == 3 && ["object", "sha256", "bytes"].iter().all(|key| map.contains_key(*key))
}

fn is_link(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<Hash>().is_ok())
}
