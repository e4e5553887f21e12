//! The part of the lineage graph that can be reached from one object.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use schemars::JsonSchema;
use serde::Serialize;

use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::codec::{self, MAX_RECORD};
use crate::records::{self, Dataset, Execution, Header, Manifest, Packed, Record, Run, Study, Weights};
use crate::registry::{IMAGE, RESULTS, Registry, RegistryError};
use crate::store::StoreError;

/// Which way to follow the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the inputs.
    Up,
    /// To what was made of it.
    Down,
}

/// An object in a lineage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Node {
    /// Its id.
    pub id: Hash,
    /// A record's or packed array's kind, `image`, or `file`.
    pub kind: Cow<'static, str>,
    /// The name that it was given, the image's name, or the part that a file plays.
    pub name: Option<String>,
    /// One line on what it is.
    pub summary: String,
    /// Data row of an image in the metadata CSV, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u32>,
}

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

/// Nodes in the order in which they were reached, and the edges between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Graph {
    /// Where the trace began; the first node.
    pub root: Hash,
    /// The objects.
    pub nodes: Vec<Node>,
    /// Who names whom.
    pub edges: Vec<Edge>,
}

impl Graph {
    /// The node of an object.
    pub fn node(&self, id: &Hash) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == *id)
    }
}

/// Follows the lineage from `root` to its end.
///
/// Upwards, the executions that made a run or predictions are shown beside them: they say when, where
/// and from which source tree.
pub fn trace(
    registry: &Registry,
    view: &View,
    root: Hash,
    direction: Direction,
) -> Result<Graph, RegistryError> {
    follow(registry, view, &[root], direction)
}

/// The same from several at once, the first of which is the graph's root.
fn follow(
    registry: &Registry,
    view: &View,
    roots: &[Hash],
    direction: Direction,
) -> Result<Graph, RegistryError> {
    let names = view.names_by_id()?;
    let mut graph = Graph { root: roots[0], nodes: Vec::new(), edges: Vec::new() };
    let mut seen: HashSet<Hash> = roots.iter().copied().collect();
    let mut queue: VecDeque<(Hash, Option<String>)> = roots.iter().map(|root| (*root, None)).collect();
    while let Some((id, role)) = queue.pop_front() {
        let part = role.as_deref().filter(|_| direction == Direction::Up);
        let object = Object::read(registry, view, id, part)?;
        graph.nodes.push(object.node(role.as_deref(), &names));
        let mut next = Vec::new();
        match direction {
            Direction::Up => {
                if let Object::Manifest(_, manifest) = &object {
                    add_images(&mut graph, &mut seen, id, manifest);
                    continue;
                }
                // An execution is reached from what it made, and leads nowhere else.
                let links = if object.kind() == Execution::KIND && !roots.contains(&id) {
                    Vec::new()
                } else {
                    object.links()
                };
                for link in links {
                    graph.edges.push(Edge { from: id, to: link.to, role: link.role.clone().into() });
                    next.push((link.to, link.role));
                }
                if object.kind() == Weights::KIND {
                    // Those that came behind them, too.
                    for run in registry.origins(Id::new(id))? {
                        if graph.edges.iter().all(|edge| (edge.from, edge.to) != (id, run.hash)) {
                            graph.edges.push(Edge { from: id, to: run.hash, role: "runs".into() });
                            next.push((run.hash, "runs".to_owned()));
                        }
                    }
                }
                if matches!(object.kind(), "run" | "predictions") {
                    for (execution, role) in view.referrers(&id)? {
                        if view.kind(&execution)?.as_deref() == Some(Execution::KIND) {
                            graph.edges.push(Edge { from: execution, to: id, role: role.clone().into() });
                            next.push((execution, role));
                        }
                    }
                }
            }
            Direction::Down => {
                for (from, role) in view.referrers(&id)? {
                    graph.edges.push(Edge { from, to: id, role: role.clone().into() });
                    next.push((from, role));
                }
                // Weights of it that were here before it name its checkpoint alone.
                if let Object::Record(_, header) = &object
                    && let Some(checkpoint) = checkpoint_of(header)
                {
                    for (from, _) in view.referrers(&checkpoint)? {
                        let known = graph.edges.iter().any(|edge| (edge.from, edge.to) == (from, id));
                        if !known && view.kind(&from)?.as_deref() == Some(Weights::KIND) {
                            graph.edges.push(Edge { from, to: id, role: "runs".into() });
                            next.push((from, "runs".to_owned()));
                        }
                    }
                }
            }
        }
        next.retain(|(id, _)| seen.insert(*id));
        queue.extend(next.into_iter().map(|(id, role)| (id, Some(role))));
    }
    Ok(graph)
}

/// The checkpoint of a run; none of other records.
pub(super) fn checkpoint_of(header: &Header) -> Option<Hash> {
    let checkpoint = header.document.get("checkpoint").filter(|_| header.kind == Run::KIND)?;
    checkpoint.as_str()?.parse().ok()
}

fn add_images(graph: &mut Graph, seen: &mut HashSet<Hash>, from: Hash, manifest: &Manifest) {
    for row in &manifest.rows {
        let Some(to) = row.object else { continue };
        graph.edges.push(Edge { from, to, role: IMAGE.into() });
        if seen.insert(to) {
            graph.nodes.push(Node {
                id: to,
                kind: IMAGE.into(),
                name: Some(row.name.clone()),
                summary: format!("{} x {}, patient {}", row.width, row.height, row.patient),
                row: Some(row.row),
            });
        }
    }
}

/// An object, read as far as lineage needs it.
enum Object {
    Record(Hash, Header),
    Manifest(Hash, Manifest),
    Packed(Hash, &'static str, u64),
    File(Hash, u64),
    Image(Hash, String, u64),
    Missing(Hash),
    /// Not the bytes that it is named by, or none that can be read; the kind is what the index says.
    Damaged(Hash, String),
}

impl Object {
    /// A lineage goes around what is damaged or missing, so that it can be traced and verified at all.
    fn read(registry: &Registry, view: &View, id: Hash, part: Option<&str>) -> Result<Self, RegistryError> {
        let damaged = || {
            let kind = view.kind(&id)?.or_else(|| part.map(str::to_owned));
            Ok(Object::Damaged(id, kind.unwrap_or_else(|| "object".to_owned())))
        };
        // A packed array, and nothing else, plays the part that its kind is called by.
        let is_one = |part: &str| records::PACKED.iter().any(|(kind, _)| *kind == part);
        match Self::read_intact(registry, view, id) {
            Err(
                RegistryError::Store(StoreError::Damaged { .. } | StoreError::Io { .. })
                | RegistryError::Io { .. }
                | RegistryError::Codec { .. },
            ) => damaged(),
            Ok(Object::File(..) | Object::Image(..)) if part.is_some_and(is_one) => damaged(),
            Ok(object @ (Object::Packed(..) | Object::Manifest(..)))
                if part.is_some_and(|part| part != object.kind()) =>
            {
                damaged()
            }
            other => other,
        }
    }

    fn read_intact(registry: &Registry, view: &View, id: Hash) -> Result<Self, RegistryError> {
        let bytes = match registry.store().size(&id) {
            Ok(bytes) => bytes,
            Err(StoreError::Missing { .. }) => return Ok(Object::Missing(id)),
            Err(e) => return Err(e.into()),
        };
        let wrong = |source| RegistryError::Codec { id, source };
        if view.kind(&id)?.is_some() {
            let bytes = registry.store().read(&id)?;
            return Ok(Object::Record(id, Header::read(&bytes).map_err(wrong)?));
        }
        let head = registry.store().head(&id)?;
        if let Some(magic) = codec::packed_magic(&head) {
            if magic == *Manifest::MAGIC {
                return Ok(Object::Manifest(id, registry.get_packed(Id::new(id))?));
            }
            if let Some((kind, _)) = records::PACKED.iter().find(|(_, known)| **known == magic) {
                return Ok(Object::Packed(id, kind, bytes));
            }
        }
        // An event is a record that the index does not list.
        if head.first() == Some(&b'{') && bytes <= MAX_RECORD {
            let bytes = registry.store().read(&id)?;
            if let Ok(header) = records::check(&bytes) {
                return Ok(Object::Record(id, header));
            }
        }
        if let Some(name) = image_name(registry, view, &id)? {
            return Ok(Object::Image(id, name, bytes));
        }
        Ok(Object::File(id, bytes))
    }

    fn kind(&self) -> &str {
        match self {
            Object::Record(_, header) => &header.kind,
            Object::Manifest(..) => Manifest::KIND,
            Object::Packed(_, kind, _) => kind,
            Object::File(..) => "file",
            Object::Image(..) => IMAGE,
            Object::Missing(_) => "missing",
            Object::Damaged(_, kind) => kind,
        }
    }

    fn links(&self) -> Vec<codec::Link> {
        let Object::Record(_, header) = self else { return Vec::new() };
        let mut links = header.links();
        let mut seen = HashSet::new();
        links.retain(|link| seen.insert(link.to));
        links
    }

    fn node(&self, role: Option<&str>, names: &HashMap<Hash, String>) -> Node {
        let (id, own_name, summary) = match self {
            Object::Record(id, header) => (*id, None, records::summary(header)),
            Object::Manifest(id, manifest) => (*id, None, format!("{} images", manifest.rows.len())),
            Object::Packed(id, _, bytes) => (*id, None, format!("{bytes} bytes")),
            Object::File(id, bytes) => (*id, role.map(str::to_owned), format!("{bytes} bytes")),
            Object::Image(id, name, bytes) => (*id, Some(name.clone()), format!("{bytes} bytes")),
            Object::Missing(id) => (*id, role.map(str::to_owned), "not in the registry".to_owned()),
            Object::Damaged(id, _) => {
                (*id, role.map(str::to_owned), "damaged: its links are unknown".to_owned())
            }
        };
        let name = names.get(&id).cloned().or(own_name);
        Node { id, kind: self.kind().to_owned().into(), name, summary, row: None }
    }
}

/// A record as a node.
pub(super) fn node_of(id: Hash, header: &Header, names: &HashMap<Hash, String>) -> Node {
    Node {
        id,
        kind: header.kind.clone().into(),
        name: names.get(&id).cloned(),
        summary: records::summary(header),
        row: None,
    }
}

/// The image of this name in the newest data set that has one.
pub fn image_named(registry: &Registry, view: &View, name: &str) -> Result<Option<Hash>, RegistryError> {
    for dataset in view.of_kind(Dataset::KIND)?.into_iter().rev() {
        let manifest = registry.get_packed(registry.get::<Dataset>(Id::new(dataset))?.manifest)?;
        if let Some(row) = manifest.row_named(name) {
            return Ok(manifest.rows[row].object);
        }
    }
    Ok(None)
}

/// The name that some manifest gives to an image.
fn image_name(registry: &Registry, view: &View, id: &Hash) -> Result<Option<String>, RegistryError> {
    for (from, _) in view.referrers(id)?.into_iter().filter(|(_, role)| role == IMAGE) {
        // A damaged manifest must not keep the rest from being named.
        if let Ok(manifest) = registry.get_packed::<Manifest>(Id::new(from)) {
            return Ok(manifest.rows.into_iter().find(|row| row.object == Some(*id)).map(|row| row.name));
        }
    }
    Ok(None)
}

/// Everything that `roots` depend on, themselves included. A study names the specs of its runs only: what was
/// made of these belongs to it, too.
pub fn behind(registry: &Registry, view: &View, roots: &[Hash]) -> Result<Vec<Hash>, RegistryError> {
    let mut wanted = roots.to_vec();
    for root in roots {
        if view.kind(root)?.as_deref() == Some(Study::KIND) {
            // A damaged one is found with the rest, and does not say what it names.
            let Ok(study) = registry.get::<Study>(Id::new(*root)) else { continue };
            let specs: Vec<Hash> = study.runs.iter().filter_map(|run| Some(run.spec?.hash)).collect();
            if !specs.is_empty() {
                let made = follow(registry, view, &specs, Direction::Down)?.nodes.into_iter();
                wanted.extend(made.filter(|node| RESULTS.contains(&&*node.kind)).map(|node| node.id));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let graph = follow(registry, view, &wanted, Direction::Up)?;
    let all: BTreeSet<Hash> = graph.nodes.into_iter().map(|node| node.id).collect();
    Ok(all.into_iter().collect())
}
