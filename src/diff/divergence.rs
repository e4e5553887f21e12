//! Where two lineages diverge: both are walked from the results towards the inputs, by the roles of the inputs.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::data;
use super::documents::differing;
use super::paths::{PathId, Paths};
use crate::hash::{Hash, Id};
use crate::records::codec::{Header, Link};
use crate::records::{self, Dataset, Kind, Role};
use crate::registry::walk::{DepthFirst, WalkEvent};
use crate::registry::{Registry, RegistryError};

/// Number of points that are listed; the others are counted.
const MAX_REPORTED: usize = 1000;

/// A pair of inputs that differ in their own fields, and not only in their inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DivergencePoint {
    /// Their role, as a path from the result: `predictions.run.spec`. Of more than 100 roles, those in the middle are
    /// replaced by `…`.
    pub path: String,
    /// The kind of record; `file` or a packed kind for other objects.
    pub kind: String,
    /// The input of the first; null if only the second has one.
    pub a: Option<Hash>,
    /// The input of the second.
    pub b: Option<Hash>,
    /// The differing fields, without links, as JSON pointers; for a manifest, the names of the images whose files
    /// differ.
    pub fields: Vec<String>,
}

/// Points where two lineages diverge, those nearest to the raw inputs first, and the number of further points.
///
/// For each pair, the walk keeps only two hashes and a step of its path, whatever the size of the records and the
/// length of the lineages.
pub(super) fn divergence_points(
    registry: &Registry,
    a: Hash,
    b: Hash,
) -> Result<(Vec<DivergencePoint>, u64), RegistryError> {
    let mut divergence = Divergence { registry, paths: Paths::default(), found: Vec::new() };
    let result = Position { path: PathId::RESULT, within: None };
    let mut walk = DepthFirst::from((a != b).then_some(((a, b), result)));
    while let Some(visit) = walk.step() {
        match visit {
            WalkEvent::Enter((a, b), at) => {
                let below = divergence.pair(at, a, b)?;
                walk.descend(below);
            }
            WalkEvent::Leave(_) => {}
        }
    }
    Ok(divergence.points())
}

/// Two inputs with the same role, and their position.
type Pair = ((Hash, Hash), Position);

/// Position of a pair.
#[derive(Debug, Clone, Copy)]
struct Position {
    path: PathId,
    /// Of the kinds on the way to the pair, the one that comes first in a study.
    within: Option<Kind>,
}

/// A differing pair, before it becomes a [`DivergencePoint`].
struct FoundPoint {
    /// The kind of the record that contains the difference or refers to it, or of a record nearer to the result,
    /// whichever comes first in a study.
    owner: Option<Kind>,
    path: PathId,
    /// The kind of the first; none if one of them is not a record.
    kind: Option<Kind>,
    pair: [Option<Hash>; 2],
    fields: Vec<String>,
}

struct Divergence<'r> {
    registry: &'r Registry,
    paths: Paths,
    found: Vec<FoundPoint>,
}

/// Links of a record by role, in order.
fn by_role(header: &Header) -> BTreeMap<Role, Vec<Hash>> {
    let mut roles: BTreeMap<Role, Vec<Hash>> = BTreeMap::new();
    for Link { to, role } in header.links() {
        roles.entry(role).or_default().push(to);
    }
    roles
}

impl Divergence<'_> {
    /// Compares two differing objects, and returns the pairs of their inputs.
    fn pair(&mut self, place: Position, a: Hash, b: Hash) -> Result<Vec<Pair>, RegistryError> {
        let (one, other) = (self.header(&a)?, self.header(&b)?);
        let (Some(one), Some(other)) = (one, other) else {
            self.part(place, [Some(a), Some(b)], Vec::new());
            return Ok(Vec::new());
        };
        let fields = if one.kind == other.kind { differing(&one, &other) } else { vec!["/kind".to_owned()] };
        let within = Some(place.within.map_or(one.kind, |kind| kind.min(one.kind)));
        if one.kind == Kind::Dataset && other.kind == one.kind {
            self.datasets(Position { within, ..place }, [Id::new(a), Id::new(b)], [&one, &other], fields)?;
            return Ok(Vec::new());
        }
        // Fields that a user chose; the others follow from these and from the inputs.
        let chosen: Vec<String> =
            fields.iter().filter(|at| (one.kind.descriptor().chosen)(at)).cloned().collect();
        let unlike = chosen.iter().any(|at| at == "/type" || at == "/kind");
        let mut parted = !chosen.is_empty();
        let mut below = Vec::new();
        for (role, left, right) in roles(&one, &other) {
            // Outputs follow from the inputs, and the data set of a comparison is that of its first
            // column.
            if parted && one.kind.descriptor().is_output(&role)
                || role == Role::Dataset && is_comparison(&one) && is_comparison(&other)
            {
                continue;
            }
            let at = Position { path: self.paths.then(place.path, &role), within };
            for pair in self.beside(left, right)? {
                match pair {
                    [Some(a), Some(b)] if a == b => {}
                    [Some(a), Some(b)] => {
                        parted = true;
                        below.push(((a, b), at));
                    }
                    // Tables of different types have different roles.
                    [None, _] | [_, None] if unlike => {}
                    one_sided @ ([None, _] | [_, None]) => {
                        parted = true;
                        self.part(at, one_sided, Vec::new());
                    }
                }
            }
        }
        let fields = if parted { chosen } else { fields };
        self.differ(Position { within, ..place }, one.kind, [a, b], fields);
        Ok(below)
    }

    /// Two data sets: their files are raw inputs, and the other fields of their records follow from the files.
    fn datasets(
        &mut self,
        place: Position,
        ids: [Id<Dataset>; 2],
        headers: [&Header; 2],
        fields: Vec<String>,
    ) -> Result<(), RegistryError> {
        let [a, b] = [self.registry.get(ids[0])?, self.registry.get(ids[1])?];
        let start = self.found.len();
        for (role, left, right) in roles(headers[0], headers[1]) {
            if [Role::Metadata, Role::BoxesFile].contains(&role) && left != right {
                let at = Position { path: self.paths.then(place.path, &role), ..place };
                self.part(at, [left.first().copied(), right.first().copied()], Vec::new());
            }
        }
        let chosen: Vec<String> =
            fields.iter().filter(|at| (Kind::Dataset.descriptor().chosen)(at)).cloned().collect();
        if a.manifest != b.manifest {
            let found = data::datasets(self.registry, ids)?;
            let other_file = found.changed.iter().filter(|image| image.what.contains(&"file"));
            let mut names: Vec<String> = other_file.map(|image| image.name.clone()).collect();
            // Images are added and removed with rows of the metadata and with withdrawals, otherwise with their files.
            let by_rows = a.metadata.object != b.metadata.object || a.withdrawn != b.withdrawn;
            if !by_rows || a.missing != b.missing {
                names.extend(found.removed.into_iter().chain(found.added));
            }
            if !names.is_empty() || !by_rows {
                let at = Position { path: self.paths.then(place.path, &Role::Manifest), ..place };
                self.part(at, [a.manifest.hash, b.manifest.hash].map(Some), names);
            }
        }
        let fields = if chosen.is_empty() && self.found.len() == start { fields } else { chosen };
        self.differ(place, Kind::Dataset, ids.map(|id| id.hash), fields);
        Ok(())
    }

    /// Adds two records if their own fields differ.
    fn differ(&mut self, place: Position, kind: Kind, pair: [Hash; 2], fields: Vec<String>) {
        if !fields.is_empty() {
            let Position { path, within: owner } = place;
            self.found.push(FoundPoint { owner, path, kind: Some(kind), pair: pair.map(Some), fields });
        }
    }

    /// Adds two differing objects that are not both records. A file belongs to the record that refers to it.
    fn part(&mut self, place: Position, pair: [Option<Hash>; 2], fields: Vec<String>) {
        self.found.push(FoundPoint { owner: place.within, path: place.path, kind: None, pair, fields });
    }

    /// The points, in their final order.
    fn points(mut self) -> (Vec<DivergencePoint>, u64) {
        let paths = &self.paths;
        // Points on which more others depend come first: a data set before its split, a split before a spec, a file
        // before the record that refers to it; except for annotated boxes, which few results use.
        let key = |found: &FoundPoint| {
            let of_boxes = paths.last(found.path) == Some(&Role::BoxesFile);
            (found.owner.is_none(), found.owner, of_boxes, Reverse(paths.length(found.path)))
        };
        let has_both = |found: &FoundPoint| found.pair.iter().all(Option::is_some);
        self.found.sort_by(|a, b| {
            let by_path = key(a).cmp(&key(b)).then_with(|| paths.cmp(a.path, b.path));
            by_path.then_with(|| has_both(b).cmp(&has_both(a)))
        });
        let more = self.found.len().saturating_sub(MAX_REPORTED) as u64;
        let told = self.found.into_iter().take(MAX_REPORTED).map(|found| {
            let role = || paths.last(found.path).map(Role::to_string).unwrap_or_default();
            DivergencePoint {
                path: paths.text(found.path),
                kind: found.kind.map_or_else(role, |kind| kind.name().to_owned()),
                a: found.pair[0],
                b: found.pair[1],
                fields: found.fields,
            }
        });
        (told.collect(), more)
    }

    /// Pairs the inputs of one role: equal ones, then those of the same model, fold and subset, then in their order.
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

    /// The document of a record; none if the object is not a record or is missing.
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

/// The links of two records by role: inputs, then outputs.
fn roles(one: &Header, other: &Header) -> Vec<(Role, Vec<Hash>, Vec<Hash>)> {
    let (mut lefts, mut rights) = (by_role(one), by_role(other));
    let mut roles: Vec<Role> = lefts.keys().chain(rights.keys()).cloned().collect();
    roles.sort_by_key(|role| (one.kind.descriptor().is_output(role), role.clone()));
    roles.dedup();
    let mut of = |role: Role| {
        let (left, right) = (lefts.remove(&role), rights.remove(&role));
        (role, left.unwrap_or_default(), right.unwrap_or_default())
    };
    roles.into_iter().map(&mut of).collect()
}

fn is_comparison(header: &Header) -> bool {
    header.kind == Kind::Table && header.document.get("type").is_some_and(|kind| kind == "comparison")
}

/// The fields that distinguish the predictions of a table.
fn likeness(header: &Header) -> Value {
    ["model", "fold", "subset"]
        .map(|key| header.document.get(key).cloned().unwrap_or_default())
        .to_vec()
        .into()
}
