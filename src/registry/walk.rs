//! The one walk over lineage, and the one place that says what its edges are.
//!
//! An object names its inputs; that is an edge. Three more follow from other records: from weights to the runs
//! whose checkpoint they are, whichever came first; from an execution to what it made, beside which it stands;
//! from a manifest to its images. [`inputs`] and [`results`] give them all, towards the inputs and towards the
//! results; [`Walk`] follows them breadth first and keeps nothing but ids.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

use schemars::JsonSchema;
use serde::Serialize;

use super::RegistryError;
use crate::hash::Hash;
use crate::index::View;
use crate::records::codec::Link;
use crate::records::{Kind, role};

/// One object's mention of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Edge {
    /// The one that names.
    pub from: Hash,
    /// The one that is named: an input of `from`.
    pub to: Hash,
    /// The part that it plays.
    pub role: Cow<'static, str>,
}

impl Edge {
    /// The end that is not `id`.
    pub fn other(&self, id: &Hash) -> Hash {
        if self.from == *id { self.to } else { self.from }
    }
}

/// The part of the checkpoint in a run.
pub const CHECKPOINT: &str = "checkpoint";
/// The part of the bytes in weights.
pub const WEIGHTS_FILE: &str = "file";
/// The part of a result in its execution.
pub const MADE: &str = "made";
/// The part of a run whose checkpoint some weights are.
const ORIGIN: &str = "runs";

/// Objects of a breadth-first walk that were reached, and those whose neighbours were not looked at yet.
///
/// `T` says how an object was reached. Whoever walks decides by [`Walk::reach`] which edges are followed.
#[derive(Debug)]
pub struct Walk<T> {
    seen: HashSet<Hash>,
    frontier: VecDeque<(Hash, T)>,
}

impl<T> Walk<T> {
    /// Begins at some objects, each once.
    pub fn from(roots: impl IntoIterator<Item = (Hash, T)>) -> Self {
        let mut walk = Walk { seen: HashSet::new(), frontier: VecDeque::new() };
        for (id, how) in roots {
            walk.reach(id, how);
        }
        walk
    }

    /// Follows an edge to an object; says whether it was not reached before.
    pub fn reach(&mut self, id: Hash, how: T) -> bool {
        let new = self.seen.insert(id);
        if new {
            self.frontier.push_back((id, how));
        }
        new
    }

    /// Counts an object as reached that leads nowhere; says whether it was not reached before.
    pub fn pass(&mut self, id: Hash) -> bool {
        self.seen.insert(id)
    }

    /// Takes the next object.
    pub fn step(&mut self) -> Option<(Hash, T)> {
        self.frontier.pop_front()
    }

    /// Takes all objects that are as near as the next one, for a source that reads many at once.
    pub fn wave(&mut self) -> Vec<(Hash, T)> {
        self.frontier.drain(..).collect()
    }

    /// Lets an object be reached again: this time it was not followed.
    pub fn forget(&mut self, id: &Hash) {
        self.seen.remove(id);
    }
}

/// Who names whom, asked of an index, a survey, a bundle.
pub trait Lineage {
    /// The kind of a record; none of other objects.
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError>;

    /// Who names an object, and as what (roles separated by commas).
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

/// The edges from a record towards its inputs, and from what stands beside it: at most one to each object.
///
/// An execution is reached from what it made, so it leads on to its program only, unless it `is_root`, where the
/// walk begins.
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

/// What an execution made: towards the results, a program leads there by way of its executions. None of other kinds.
pub fn made_by(kind: Kind, links: &[Link]) -> impl Iterator<Item = Hash> {
    let made = links.iter().filter(move |link| kind.descriptor().is_beside && link.role == MADE);
    made.map(|link| link.to)
}

/// The edges from an object towards what names it, and, if it is a run with this checkpoint, towards weights
/// that are that: at most one from each object.
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
    // Weights that were here before the run name its checkpoint alone.
    for (from, _) in checkpoint.map_or(Ok(Vec::new()), |file| lineage.referrers(&file))? {
        if !naming.contains(&from) && lineage.kind(&from)? == Some(Kind::Weights) {
            edges.push(Edge { from, to: id, role: ORIGIN.into() });
        }
    }
    Ok(edges)
}

/// The runs whose checkpoint a file is, in the order of their ids.
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

/// Whether one of the roles is this.
pub fn plays(roles: &str, role: &str) -> bool {
    roles.split(',').any(|one| one == role)
}
