//! The only walk over lineage, and the only definition of its edges.
//!
//! An object refers to its inputs; each reference is an edge. Three more edges follow from other records: from
//! weights to the runs whose checkpoint they are, whichever came first; from an execution to its result; from a
//! manifest to its images. [`inputs`] and [`results`] return all edges towards the inputs and towards the
//! results; [`Walk`] follows them breadth first and stores only ids.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

use schemars::JsonSchema;
use serde::Serialize;

use super::RegistryError;
use crate::hash::Hash;
use crate::index::View;
use crate::records::codec::Link;
use crate::records::{Kind, role};

/// A reference from one object to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Edge {
    /// The referrer.
    pub from: Hash,
    /// The target: an input of `from`.
    pub to: Hash,
    /// The role of the target.
    pub role: Cow<'static, str>,
}

impl Edge {
    /// The end of the edge that is not `id`.
    pub fn other(&self, id: &Hash) -> Hash {
        if self.from == *id { self.to } else { self.from }
    }
}

/// The role of the checkpoint in a run.
pub const CHECKPOINT: &str = "checkpoint";
/// The role of the bytes in weights.
pub const WEIGHTS_FILE: &str = "file";
/// The role of a result in its execution.
pub const MADE: &str = "made";
/// The role, in weights, of the run whose checkpoint they are.
const ORIGIN: &str = "runs";

/// The reached objects of a breadth-first walk, and those whose neighbours have not been visited yet.
///
/// `T` says how an object was reached. The caller decides by [`Walk::reach`] which edges are followed.
#[derive(Debug)]
pub struct Walk<T> {
    seen: HashSet<Hash>,
    frontier: VecDeque<(Hash, T)>,
}

impl<T> Walk<T> {
    /// Starts at some objects, each once.
    pub fn from(roots: impl IntoIterator<Item = (Hash, T)>) -> Self {
        let mut walk = Walk { seen: HashSet::new(), frontier: VecDeque::new() };
        for (id, how) in roots {
            walk.reach(id, how);
        }
        walk
    }

    /// Follows an edge to an object; returns whether the object is new.
    pub fn reach(&mut self, id: Hash, how: T) -> bool {
        let new = self.seen.insert(id);
        if new {
            self.frontier.push_back((id, how));
        }
        new
    }

    /// Marks an object as reached without visiting its neighbours; returns whether the object is new.
    pub fn pass(&mut self, id: Hash) -> bool {
        self.seen.insert(id)
    }

    /// Returns the next object.
    pub fn step(&mut self) -> Option<(Hash, T)> {
        self.frontier.pop_front()
    }

    /// Returns all objects at the same distance as the next one, for sources that read many at once.
    pub fn wave(&mut self) -> Vec<(Hash, T)> {
        self.frontier.drain(..).collect()
    }

    /// Lets an object be reached again, because the walk did not visit its neighbours.
    pub fn forget(&mut self, id: &Hash) {
        self.seen.remove(id);
    }
}

/// References between objects, from an index, a survey or a bundle.
pub trait Lineage {
    /// The kind of a record; `None` for other objects.
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError>;

    /// The referrers of an object and the roles of the object in them (separated by commas).
    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, String)>, RegistryError>;
}

impl Lineage for View {
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(View::kind(self, id)?)
    }

    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, String)>, RegistryError> {
        Ok(View::referrers(self, id)?)
    }
}

/// The edges from a record towards its inputs and its executions: at most one to each object.
///
/// An execution is reached from its result, so only the edge to its software is followed, unless the execution
/// `is_root`, the start of the walk.
pub fn inputs(
    lineage: &dyn Lineage,
    id: Hash,
    kind: Kind,
    links: &[Link],
    is_root: bool,
) -> Result<Vec<Edge>, RegistryError> {
    let mut named = HashSet::new();
    let leads_back = |link: &Link| kind.descriptor().is_beside && !is_root && link.role == MADE;
    let links_once = links.iter().filter(|link| !leads_back(link) && named.insert(link.to));
    let mut edges: Vec<Edge> =
        links_once.map(|link| Edge { from: id, to: link.to, role: role(&link.role) }).collect();
    if kind == Kind::Weights {
        for file in links.iter().filter(|link| link.role == WEIGHTS_FILE) {
            let runs = runs_of(lineage, &file.to)?.into_iter().filter(|run| named.insert(*run));
            edges.extend(runs.map(|to| Edge { from: id, to, role: ORIGIN.into() }));
        }
    }
    if kind.descriptor().has_beside {
        for (from, key) in lineage.referrers(&id)? {
            if lineage.kind(&from)?.is_some_and(|kind| kind.descriptor().is_beside) {
                edges.push(Edge { from, to: id, role: role(&key) });
            }
        }
    }
    Ok(edges)
}

/// The result of an execution: towards the results, the edges of software lead through executions. Empty for
/// other kinds.
pub fn made_by(kind: Kind, links: &[Link]) -> impl Iterator<Item = Hash> {
    let made = links.iter().filter(move |link| kind.descriptor().is_beside && link.role == MADE);
    made.map(|link| link.to)
}

/// The edges from an object towards its referrers and, for a run with this checkpoint, towards weights that are
/// its checkpoint: at most one from each object.
pub fn results(
    lineage: &dyn Lineage,
    id: Hash,
    checkpoint: Option<Hash>,
) -> Result<Vec<Edge>, RegistryError> {
    let mut naming = HashSet::new();
    let mut edges = Vec::new();
    for (from, key) in lineage.referrers(&id)? {
        naming.insert(from);
        edges.push(Edge { from, to: id, role: role(&key) });
    }
    // Weights imported before their run refer only to the checkpoint file.
    for (from, _) in checkpoint.map_or(Ok(Vec::new()), |file| lineage.referrers(&file))? {
        if !naming.contains(&from) && lineage.kind(&from)? == Some(Kind::Weights) {
            edges.push(Edge { from, to: id, role: ORIGIN.into() });
        }
    }
    Ok(edges)
}

/// The runs whose checkpoint the file is, sorted by id.
pub fn runs_of(lineage: &dyn Lineage, file: &Hash) -> Result<Vec<Hash>, RegistryError> {
    let mut runs = Vec::new();
    for (from, roles) in lineage.referrers(file)? {
        if plays(&roles, CHECKPOINT) && lineage.kind(&from)? == Some(Kind::Run) {
            runs.push(from);
        }
    }
    runs.sort_unstable();
    Ok(runs)
}

/// Whether `role` is one of the roles.
pub fn plays(roles: &str, role: &str) -> bool {
    roles.split(',').any(|one| one == role)
}
