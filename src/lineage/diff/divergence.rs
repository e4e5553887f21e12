//! Where two lineages part: walked side by side from the results towards the inputs, by the parts that inputs play.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::data;
use crate::hash::{Hash, Id};
use crate::records::codec::{Header, Link};
use crate::records::{self, Dataset, Kind};
use crate::registry::{Registry, RegistryError};

/// A pair of inputs that differ in themselves, and not only by what they are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DivergencePoint {
    /// The part that they play, from the result: `predictions.run.spec`.
    pub path: String,
    /// The kind of record; `file` or a packed kind where they are none.
    pub kind: String,
    /// The first's; null where only the second has one.
    pub a: Option<Hash>,
    /// The second's.
    pub b: Option<Hash>,
    /// What differs in them beside links, as JSON pointers; of a manifest the names of the images whose files differ.
    pub fields: Vec<String>,
}

/// All points where two lineages part, those nearest to the raw inputs first.
pub(super) fn divergence_points(
    registry: &Registry,
    a: Hash,
    b: Hash,
) -> Result<Vec<DivergencePoint>, RegistryError> {
    let mut walk = Walk { registry, seen: HashSet::new(), found: Vec::new() };
    walk.pair(String::new(), a, b)?;
    // What is behind more of the rest comes first: a data set before its split, that before a spec; a file
    // before the record that names it, but for annotated boxes, which few results look at.
    let depth = |path: &str| std::cmp::Reverse(path.split('.').filter(|part| !part.is_empty()).count());
    walk.found.sort_by_key(|(owner, divergence)| {
        let path = &divergence.path;
        (owner.is_none(), *owner, path.ends_with(BOXES), depth(path), path.clone())
    });
    Ok(walk.found.into_iter().map(|(_, divergence)| divergence).collect())
}

/// The part that the file of annotated boxes plays in a data set.
const BOXES: &str = "boxes_file";

struct Walk<'r> {
    registry: &'r Registry,
    seen: HashSet<(Hash, Hash)>,
    /// With the kind of the record that has the difference in it, or names what differs.
    found: Vec<(Option<Kind>, DivergencePoint)>,
}

/// Links of a record by the parts that they play, in order.
fn by_role(header: &Header) -> BTreeMap<String, Vec<Hash>> {
    let mut roles: BTreeMap<String, Vec<Hash>> = BTreeMap::new();
    for Link { to, role } in header.links() {
        roles.entry(role).or_default().push(to);
    }
    roles
}

impl Walk<'_> {
    /// Walks on from two that differ; both play the part at the end of `path`.
    fn pair(&mut self, path: String, a: Hash, b: Hash) -> Result<(), RegistryError> {
        if a == b || !self.seen.insert((a, b)) {
            return Ok(());
        }
        let (one, other) = (self.header(&a)?, self.header(&b)?);
        let (Some(one), Some(other)) = (one, other) else {
            self.part(None, path, [Some(a), Some(b)], Vec::new());
            return Ok(());
        };
        let fields = if one.kind == other.kind { differing(&one, &other) } else { vec!["/kind".to_owned()] };
        let owner = Some(one.kind);
        if one.kind == Kind::Dataset && other.kind == one.kind {
            return self.datasets(path, [Id::new(a), Id::new(b)], [&one, &other], fields);
        }
        // Fields that somebody chose; the others follow from these and from the inputs.
        let chosen: Vec<String> =
            fields.iter().filter(|at| (one.kind.descriptor().chosen)(at)).cloned().collect();
        let unlike = chosen.iter().any(|at| at == "/type" || at == "/kind");
        let start = self.found.len();
        let mut parted = !chosen.is_empty();
        for (role, left, right) in roles(&one, &other) {
            // What came out follows from what went in, and the data set that a comparison names is that of its first
            // column.
            if parted && is_output(one.kind, &role)
                || role == "dataset" && is_comparison(&one) && is_comparison(&other)
            {
                continue;
            }
            let below = if path.is_empty() { role } else { format!("{path}.{role}") };
            for pair in self.beside(left, right)? {
                match pair {
                    [Some(a), Some(b)] => {
                        parted |= a != b;
                        self.pair(below.clone(), a, b)?;
                    }
                    // Tables of two types have other parts.
                    _ if unlike => {}
                    one_sided => {
                        parted = true;
                        self.part(owner, below.clone(), one_sided, Vec::new());
                    }
                }
            }
        }
        // A file belongs to the record that names it.
        for (place, _) in &mut self.found[start..] {
            *place = place.or(owner).min(owner);
        }
        let fields = if parted { chosen } else { fields };
        if !fields.is_empty() {
            self.found.push((
                owner,
                DivergencePoint { path, kind: one.kind.name().to_owned(), a: Some(a), b: Some(b), fields },
            ));
        }
        Ok(())
    }

    /// Two data sets: their files are raw, and all else in their records follows from those.
    fn datasets(
        &mut self,
        path: String,
        ids: [Id<Dataset>; 2],
        headers: [&Header; 2],
        fields: Vec<String>,
    ) -> Result<(), RegistryError> {
        let owner = Some(Kind::Dataset);
        let [a, b] = [self.registry.get(ids[0])?, self.registry.get(ids[1])?];
        let below = |role: &str| if path.is_empty() { role.to_owned() } else { format!("{path}.{role}") };
        let start = self.found.len();
        for (role, left, right) in roles(headers[0], headers[1]) {
            if ["metadata", BOXES].contains(&&*role) && left != right {
                self.part(owner, below(&role), [left.first().copied(), right.first().copied()], Vec::new());
            }
        }
        let chosen: Vec<String> =
            fields.iter().filter(|at| (Kind::Dataset.descriptor().chosen)(at)).cloned().collect();
        if a.manifest != b.manifest {
            let found = data::datasets(self.registry, ids)?;
            let other_file = found.changed.iter().filter(|image| image.what.contains(&"file"));
            let mut names: Vec<String> = other_file.map(|image| image.name.clone()).collect();
            // Images come and go with rows of the metadata and with withdrawals, and otherwise with their files.
            let by_rows = a.metadata.object != b.metadata.object || a.withdrawn != b.withdrawn;
            if !by_rows || a.missing != b.missing {
                names.extend(found.removed.into_iter().chain(found.added));
            }
            if !names.is_empty() || !by_rows {
                self.part(owner, below("manifest"), [a.manifest.hash, b.manifest.hash].map(Some), names);
            }
        }
        let fields = if chosen.is_empty() && self.found.len() == start { fields } else { chosen };
        if !fields.is_empty() {
            let [a, b] = ids.map(|id| Some(id.hash));
            self.found
                .push((owner, DivergencePoint { path, kind: Kind::Dataset.name().to_owned(), a, b, fields }));
        }
        Ok(())
    }

    /// Notes two that part, of which at least one is no record.
    fn part(&mut self, owner: Option<Kind>, path: String, [a, b]: [Option<Hash>; 2], fields: Vec<String>) {
        let kind = path.rsplit('.').next().unwrap_or_default().to_owned();
        self.found.push((owner, DivergencePoint { path, kind, a, b, fields }));
    }

    /// Puts what plays one part beside each other: the same, then what is of the same model, fold and subset, then
    /// in their order.
    fn beside(
        &self,
        mut left: Vec<Hash>,
        mut right: Vec<Hash>,
    ) -> Result<Vec<[Option<Hash>; 2]>, RegistryError> {
        left.retain(|id| match right.iter().position(|other| other == id) {
            Some(at) => {
                right.remove(at);
                false
            }
            None => true,
        });
        let mut pairs = Vec::new();
        if left.len() > 1 || right.len() > 1 {
            let named = |ids: Vec<Hash>| -> Result<Vec<(Hash, Option<Value>)>, RegistryError> {
                ids.into_iter()
                    .map(|id| Ok((id, self.header(&id)?.map(|header| likeness(&header)))))
                    .collect()
            };
            let (ones, mut others) = (named(left)?, named(right)?);
            left = Vec::new();
            for (id, like) in ones {
                match others.iter().position(|(_, other)| like.is_some() && *other == like) {
                    Some(at) => pairs.push([Some(id), Some(others.remove(at).0)]),
                    None => left.push(id),
                }
            }
            right = others.into_iter().map(|(id, _)| id).collect();
        }
        let rest = 0..left.len().max(right.len());
        pairs.extend(rest.map(|at| [left.get(at).copied(), right.get(at).copied()]));
        Ok(pairs)
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

/// The links of two records by the parts that they play: what went in, then what came out.
fn roles(one: &Header, other: &Header) -> Vec<(String, Vec<Hash>, Vec<Hash>)> {
    let (mut lefts, mut rights) = (by_role(one), by_role(other));
    let mut roles: Vec<String> = lefts.keys().chain(rights.keys()).cloned().collect();
    roles.sort_by_key(|role| (is_output(one.kind, role), role.clone()));
    roles.dedup();
    let mut of = |role: String| {
        let (left, right) = (lefts.remove(&role), rights.remove(&role));
        (role, left.unwrap_or_default(), right.unwrap_or_default())
    };
    roles.into_iter().map(&mut of).collect()
}

fn is_comparison(header: &Header) -> bool {
    header.kind == Kind::Table && header.document.get("type").is_some_and(|kind| kind == "comparison")
}

/// What tells predictions from others of the same table.
fn likeness(header: &Header) -> Value {
    ["model", "fold", "subset"]
        .map(|key| header.document.get(key).cloned().unwrap_or_default())
        .to_vec()
        .into()
}

/// Whether what plays this part in a record came out of the computation.
fn is_output(kind: Kind, role: &str) -> bool {
    kind.descriptor().outputs.contains(&role)
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
