//! The edges of lineage: the only code that says which object refers to which, and in which role.
//!
//! An object refers to its inputs: each reference is an edge. Three kinds of edge follow from other records: from
//! weights to the runs whose checkpoint they are, whichever came first; from an execution to its result; and from a
//! manifest to its images. [`inputs`] and [`results`] return the edges towards the inputs and the results, [`images`]
//! those of a manifest, possibly a hundred thousand; [`Walk`] follows edges breadth first, [`DepthFirst`] depth first.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::RegistryError;
pub use super::traverse::{DepthFirst, Walk, WalkEvent};
use crate::hash::Hash;
use crate::index::{IndexWriter, View};
use crate::records::codec::Link;
use crate::records::{Kind, Role, Roles};

/// A reference from one object to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Edge {
    /// The referrer.
    pub from: Hash,
    /// The target: an input of `from`.
    pub to: Hash,
    /// The role of the target.
    pub role: Roles,
}

impl Edge {
    fn new(from: Hash, to: Hash, role: impl Into<Roles>) -> Self {
        Edge { from, to, role: role.into() }
    }

    /// As in the index: target, referrer, role.
    pub fn into_mention(self) -> (Hash, Hash, Roles) {
        (self.to, self.from, self.role)
    }

    /// The end that is not `id`.
    pub fn other(&self, id: &Hash) -> Hash {
        if self.from == *id { self.to } else { self.from }
    }

    /// Whether it leads from an execution to its result.
    pub fn is_made(&self) -> bool {
        self.role.is_only(&Role::Made)
    }

    /// Whether it leads from a manifest, or from the data set that represents it, to an image.
    pub fn is_image(&self) -> bool {
        self.role.is_only(&Role::Image)
    }
}

/// References between objects, from an index, a survey or a bundle.
pub trait Lineage {
    /// The kind of a record; `None` for other objects.
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError>;

    /// The referrers of an object, with the roles.
    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, RegistryError>;
}

impl Lineage for View {
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(View::kind(self, id)?)
    }

    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, RegistryError> {
        Ok(View::referrers(self, id)?)
    }
}

impl Lineage for IndexWriter<'_> {
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(IndexWriter::kind(self, id)?)
    }

    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, RegistryError> {
        Ok(IndexWriter::referrers(self, id)?)
    }
}

/// All edges from a record, in ascending order of targets: one to each target, with all its roles.
pub fn named(from: Hash, mut links: Vec<Link>) -> Vec<Edge> {
    links.sort_unstable();
    links.dedup();
    let roles = |same: &[Link]| Roles::of(same.iter().map(|link| &link.role));
    links.chunk_by(|a, b| a.to == b.to).map(|same| Edge::new(from, same[0].to, roles(same))).collect()
}

/// The edges from a record towards its inputs, and from its executions: at most one to each object.
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
    let class = kind.descriptor().class;
    let leads_back = |link: &Link| class.is_beside() && !is_root && link.role == Role::Made;
    let links_once = links.iter().filter(|link| !leads_back(link) && named.insert(link.to));
    let mut edges: Vec<Edge> = links_once.map(|link| Edge::new(id, link.to, link.role.clone())).collect();
    for file in links.iter().filter(|link| is_begun_with(kind, &link.role)) {
        let runs = runs_of(lineage, &file.to)?.into_iter().map(|run| (run, Role::Runs));
        // The same file may have been imported again, with more that was declared.
        let weights = weights_of(lineage, &file.to)?.into_iter().map(|weights| (weights, Role::Weights));
        let known = runs.chain(weights).filter(|(known, _)| *known != id && named.insert(*known));
        edges.extend(known.map(|(known, role)| Edge::new(id, known, role)));
    }
    if class.has_beside() {
        for (from, roles) in lineage.referrers(&id)? {
            if lineage.kind(&from)?.is_some_and(|kind| kind.descriptor().class.is_beside()) {
                edges.push(Edge::new(from, id, roles));
            }
        }
    }
    Ok(edges)
}

/// The result of an execution: towards the results, the edges of software lead through executions. Empty for
/// other kinds.
pub fn made_by(kind: Kind, links: &[Link]) -> impl Iterator<Item = Hash> {
    let is_beside = kind.descriptor().class.is_beside();
    links.iter().filter(move |link| is_beside && link.role == Role::Made).map(|link| link.to)
}

/// The files that a run left, or the file of imported weights: what a training can begin with. None for other kinds.
pub fn learnt_files(kind: Kind, links: &[Link]) -> Vec<Hash> {
    let roles: &[Role] = match kind {
        Kind::Run => &[Role::Checkpoint, Role::Files],
        Kind::Weights => &[Role::File],
        _ => &[],
    };
    links.iter().filter(|link| roles.contains(&link.role)).map(|link| link.to).collect()
}

/// The edges from an object towards its referrers and, for a run or weights with these `files`, towards what began with
/// one of the files: at most one from each object.
pub fn results(lineage: &dyn Lineage, id: Hash, files: &[Hash]) -> Result<Vec<Edge>, RegistryError> {
    let mut naming = HashSet::new();
    let mut edges = Vec::new();
    for (from, roles) in lineage.referrers(&id)? {
        naming.insert(from);
        edges.push(Edge::new(from, id, roles));
    }
    // Weights that were imported before their run or again, and programs that began with a file, refer only to that file.
    let kind = lineage.kind(&id)?;
    for file in files.iter().filter(|file| **file != Hash::of(b"")) {
        for (from, roles) in lineage.referrers(file)? {
            let Some(by) = lineage.kind(&from)? else { continue };
            let begins = roles.as_slice().iter().any(|role| is_begun_with(by, role));
            if begins && from != id && naming.insert(from) {
                let role = if kind == Some(Kind::Run) { Role::Runs } else { Role::Weights };
                edges.push(Edge::new(from, id, role));
            }
        }
    }
    Ok(edges)
}

/// Whether what a record names so may be a checkpoint with which it begins.
fn is_begun_with(by: Kind, role: &Role) -> bool {
    by == Kind::Weights && role.is_weights(by)
        || by == Kind::Spec && [Role::Files, Role::Inputs].contains(role)
}

/// The runs that left the file, as their checkpoint or beside it, sorted by id. Nobody left the empty file.
pub fn runs_of(lineage: &dyn Lineage, file: &Hash) -> Result<Vec<Hash>, RegistryError> {
    if *file == Hash::of(b"") {
        return Ok(Vec::new());
    }
    let mut runs = referring(lineage, file, Kind::Run, &Role::Checkpoint)?;
    runs.extend(referring(lineage, file, Kind::Run, &Role::Files)?);
    runs.sort_unstable();
    runs.dedup();
    Ok(runs)
}

/// The records of a kind that name an object in a role, sorted by id.
fn referring(
    lineage: &dyn Lineage,
    object: &Hash,
    kind: Kind,
    role: &Role,
) -> Result<Vec<Hash>, RegistryError> {
    let mut found = Vec::new();
    for (from, roles) in lineage.referrers(object)? {
        if roles.contains(role) && lineage.kind(&from)? == Some(kind) {
            found.push(from);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The edges from a manifest, or from the data set that represents it, to images.
pub fn images(holder: Hash, images: impl IntoIterator<Item = Hash>) -> impl Iterator<Item = Edge> {
    images.into_iter().map(move |image| Edge::new(holder, image, Role::Image))
}

/// The imported weights whose file it is, sorted by id.
pub fn weights_of(lineage: &dyn Lineage, file: &Hash) -> Result<Vec<Hash>, RegistryError> {
    referring(lineage, file, Kind::Weights, &Role::File)
}

/// The manifests that refer to an object as an image.
pub fn manifests_of(lineage: &dyn Lineage, id: &Hash) -> Result<Vec<Hash>, RegistryError> {
    let mut manifests = lineage.referrers(id)?;
    manifests.retain(|(_, roles)| roles.is_only(&Role::Image));
    Ok(manifests.into_iter().map(|(from, _)| from).collect())
}

/// Whether an object is referred to only as an image or its picture. No other object can be purged: a forged withdrawal
/// must not excuse a missing checkpoint.
pub fn is_image_alone(lineage: &dyn Lineage, id: &Hash) -> Result<bool, RegistryError> {
    for (from, roles) in lineage.referrers(id)? {
        if !roles.are_images(lineage.kind(&from)?) {
            return Ok(false);
        }
    }
    Ok(true)
}
