//! The part of the lineage graph that can be reached from one object.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::hash::{Hash, Id};
use crate::index::View;
use crate::limits;
use crate::records::{self, Dataset, Header, Kind, Manifest, PackedKind, Study};
use crate::registry::walk::{CHECKPOINT, Edge, MADE, Walk, inputs, made_by, results};
use crate::registry::{IMAGE, Registry, RegistryError};
use crate::store::StoreError;

/// Which way to follow the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the inputs.
    Up,
    /// To what was made of it.
    Down,
}

/// What an object in a lineage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A record.
    Record(Kind),
    /// A packed array.
    Packed(PackedKind),
    /// An image of a data set.
    Image,
    /// A file that is no image.
    File,
    /// It is named, and not in the registry.
    Missing,
    /// It is damaged; this is the part that it plays.
    Unknown(String),
}

impl NodeKind {
    /// What is called so.
    pub(super) fn named(text: String) -> Self {
        let record = Kind::named(&text).map(NodeKind::Record);
        record.or_else(|| PackedKind::named(&text).map(NodeKind::Packed)).unwrap_or(NodeKind::Unknown(text))
    }

    /// What documents and messages call it.
    pub fn name(&self) -> &str {
        match self {
            NodeKind::Record(kind) => kind.name(),
            NodeKind::Packed(kind) => kind.name(),
            NodeKind::Image => IMAGE,
            NodeKind::File => "file",
            NodeKind::Missing => "missing",
            NodeKind::Unknown(name) => name,
        }
    }

    /// The kind of a record; none of other objects.
    pub fn record(&self) -> Option<Kind> {
        match self {
            NodeKind::Record(kind) => Some(*kind),
            NodeKind::Packed(_)
            | NodeKind::Image
            | NodeKind::File
            | NodeKind::Missing
            | NodeKind::Unknown(_) => None,
        }
    }

    /// Whether it is a record of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.record() == Some(kind)
    }
}

impl std::fmt::Display for NodeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for NodeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl JsonSchema for NodeKind {
    fn schema_name() -> Cow<'static, str> {
        "NodeKind".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// An object in a lineage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Node {
    /// Its id.
    pub id: Hash,
    /// What it is.
    pub kind: NodeKind,
    /// The name that it was given, the image's name, or the part that a file plays.
    pub name: Option<String>,
    /// One line on what it is.
    pub summary: String,
    /// Data row of an image in the metadata CSV, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u32>,
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

    /// The edges as they are shown: each with what stands above and what below it.
    ///
    /// An execution stands below what it made, whichever way a lineage grows, but where it was come by from the program
    /// that it names.
    pub(crate) fn unfolding(&self, direction: Direction) -> impl Iterator<Item = (&Edge, Hash, Hash)> {
        let order: HashMap<Hash, usize> =
            self.nodes.iter().zip(0..).map(|(node, at)| (node.id, at)).collect();
        self.edges.iter().map(move |edge| {
            let from_above = match direction {
                Direction::Up => edge.role != MADE,
                Direction::Down => edge.role == MADE && order.get(&edge.from) < order.get(&edge.to),
            };
            let [above, below] = if from_above { [edge.from, edge.to] } else { [edge.to, edge.from] };
            (edge, above, below)
        })
    }
}

/// Follows the lineage from `root` to its end.
///
/// Upwards, the executions that made a run, predictions or a table are shown beside them: they say when and where, and
/// lead to the program that computed. Downwards, a program leads by way of its executions to what they made.
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
    let mut walk = Walk::from(roots.iter().map(|root| (*root, None::<Cow<'static, str>>)));
    while let Some((id, role)) = walk.step() {
        let part = role.as_deref().filter(|_| direction == Direction::Up);
        let object = Object::read(registry, view, id, part)?;
        graph.nodes.push(object.node(role.as_deref(), &names));
        let is_root = roots.contains(&id);
        let edges = match (direction, &object) {
            (Direction::Up, Object::Manifest(_, manifest)) => {
                add_images(&mut graph, &mut walk, id, manifest);
                continue;
            }
            (Direction::Up, Object::Record(_, header)) => {
                inputs(view, id, header.kind, &header.links(), is_root)?
            }
            (Direction::Up, damaged) => match damaged.kind().record() {
                Some(kind) => inputs(view, id, kind, &[], is_root)?,
                None => Vec::new(),
            },
            (Direction::Down, Object::Record(_, header)) => {
                // What it made names neither it nor the program; that edge comes with what it made.
                for made in made_by(header.kind, &header.links()) {
                    walk.reach(made, Some(MADE.into()));
                }
                results(view, id, checkpoint_of(header))?
            }
            (Direction::Down, _) => results(view, id, None)?,
        };
        for edge in edges {
            walk.reach(edge.other(&id), Some(edge.role.clone()));
            graph.edges.push(edge);
        }
    }
    Ok(graph)
}

/// The checkpoint of a run; none of other records.
pub(super) fn checkpoint_of(header: &Header) -> Option<Hash> {
    let checkpoint = header.document.get(CHECKPOINT).filter(|_| header.kind == Kind::Run)?;
    checkpoint.as_str()?.parse().ok()
}

/// Adds the images of a manifest, which need not be read for that.
fn add_images(
    graph: &mut Graph,
    walk: &mut Walk<Option<Cow<'static, str>>>,
    from: Hash,
    manifest: &Manifest,
) {
    for row in &manifest.rows {
        let Some(to) = row.object else { continue };
        graph.edges.push(Edge { from, to, role: IMAGE.into() });
        if walk.pass(to) {
            graph.nodes.push(Node {
                id: to,
                kind: NodeKind::Image,
                name: Some(row.name.to_string()),
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
    Packed(Hash, PackedKind, u64),
    File(Hash, u64),
    Image(Hash, String, u64),
    Missing(Hash),
    /// Not the bytes that it is named by, or none that can be read; the kind is what the index says.
    Damaged(Hash, NodeKind),
}

impl Object {
    /// A lineage goes around what is damaged or missing, so that it can be traced and verified at all.
    fn read(registry: &Registry, view: &View, id: Hash, part: Option<&str>) -> Result<Self, RegistryError> {
        let damaged = || {
            let kind = view.kind(&id)?.map(NodeKind::Record);
            let by_part = || NodeKind::named(part.unwrap_or("object").to_owned());
            Ok(Object::Damaged(id, kind.unwrap_or_else(by_part)))
        };
        // A packed array, and nothing else, plays the part that its kind is called by.
        let is_one = |part: &str| PackedKind::named(part).is_some();
        match Self::read_intact(registry, view, id) {
            Err(
                RegistryError::Store(StoreError::Damaged { .. } | StoreError::Io { .. })
                | RegistryError::Io { .. }
                | RegistryError::Codec { .. },
            ) => damaged(),
            Ok(Object::File(..) | Object::Image(..)) if part.is_some_and(is_one) => damaged(),
            Ok(object @ (Object::Packed(..) | Object::Manifest(..)))
                if part.is_some_and(|part| part != object.kind().name()) =>
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
        match PackedKind::of(&head) {
            Some(PackedKind::Manifest) => {
                return Ok(Object::Manifest(id, registry.packed_alone(Id::new(id))?));
            }
            Some(kind @ (PackedKind::Boxes | PackedKind::Assignment | PackedKind::Scores)) => {
                return Ok(Object::Packed(id, kind, bytes));
            }
            None => {}
        }
        // An event is a record that the index does not list.
        if head.first() == Some(&b'{') && bytes <= limits::RECORD {
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

    fn kind(&self) -> NodeKind {
        match self {
            Object::Record(_, header) => NodeKind::Record(header.kind),
            Object::Manifest(..) => NodeKind::Packed(PackedKind::Manifest),
            Object::Packed(_, kind, _) => NodeKind::Packed(*kind),
            Object::File(..) => NodeKind::File,
            Object::Image(..) => NodeKind::Image,
            Object::Missing(_) => NodeKind::Missing,
            Object::Damaged(_, kind) => kind.clone(),
        }
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
        Node { id, kind: self.kind(), name, summary, row: None }
    }
}

/// A record as a node.
pub(super) fn node_of(id: Hash, header: &Header, names: &HashMap<Hash, String>) -> Node {
    Node {
        id,
        kind: NodeKind::Record(header.kind),
        name: names.get(&id).cloned(),
        summary: records::summary(header),
        row: None,
    }
}

/// The image of this name in the newest data set that has one.
pub fn image_named(registry: &Registry, view: &View, name: &str) -> Result<Option<Hash>, RegistryError> {
    for dataset in view.of_kind(Kind::Dataset)?.into_iter().rev() {
        let manifest = registry.manifest(&registry.get::<Dataset>(Id::new(dataset))?)?;
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
        if let Ok(manifest) = registry.packed_alone::<Manifest>(Id::new(from)) {
            return Ok(manifest
                .rows
                .into_iter()
                .find(|row| row.object == Some(*id))
                .map(|row| row.name.to_string()));
        }
    }
    Ok(None)
}

/// Everything that `roots` depend on, themselves included. A study names the specs of its runs only: what was
/// made of these belongs to it, too.
pub fn behind(registry: &Registry, view: &View, roots: &[Hash]) -> Result<Vec<Hash>, RegistryError> {
    let mut wanted = roots.to_vec();
    for root in roots {
        if view.kind(root)? == Some(Kind::Study) {
            // A damaged one is found with the rest, and does not say what it names.
            let Ok(study) = registry.get::<Study>(Id::new(*root)) else { continue };
            let specs: Vec<Hash> = study.runs.iter().filter_map(|run| Some(run.spec?.hash)).collect();
            if !specs.is_empty() {
                let made = follow(registry, view, &specs, Direction::Down)?.nodes.into_iter();
                let is_result =
                    |node: &Node| node.kind.record().is_some_and(|kind| kind.descriptor().is_result);
                wanted.extend(made.filter(is_result).map(|node| node.id));
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
