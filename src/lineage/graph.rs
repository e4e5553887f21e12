//! Nodes and edges: the part of the lineage that can be reached from one object.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::hash::Hash;
use crate::records::{Kind, PackedKind};
use crate::registry::walk::Edge;

/// Direction in which the edges are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards the inputs.
    Up,
    /// Towards the results.
    Down,
}

/// Kind of an object in a lineage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A record.
    Record(Kind),
    /// A packed array.
    Packed(PackedKind),
    /// An image of a data set.
    Image,
    /// A file that is not an image.
    File,
    /// Referred to, but missing in the registry.
    Missing,
    /// Damaged, with this role.
    Unknown(String),
}

impl NodeKind {
    /// What is called so.
    pub(super) fn named(text: String) -> Self {
        let record = Kind::named(&text).map(NodeKind::Record);
        record.or_else(|| PackedKind::named(&text).map(NodeKind::Packed)).unwrap_or(NodeKind::Unknown(text))
    }

    /// Its name in documents and messages.
    pub fn name(&self) -> &str {
        match self {
            NodeKind::Record(kind) => kind.name(),
            NodeKind::Packed(kind) => kind.name(),
            NodeKind::Image => "image",
            NodeKind::File => "file",
            NodeKind::Missing => "missing",
            NodeKind::Unknown(name) => name,
        }
    }

    /// The kind of a record; none for other objects.
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
    /// Its kind.
    pub kind: NodeKind,
    /// Its name, the name of the image, or the role of the file.
    pub name: Option<String>,
    /// A summary in one line.
    pub summary: String,
    /// Data row of an image in the metadata CSV, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u32>,
}

/// Nodes in the order in which they were reached, and the edges between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Graph {
    /// Start of the trace; the first node.
    pub root: Hash,
    /// The objects.
    nodes: Vec<Node>,
    /// The references.
    pub edges: Vec<Edge>,
    /// Index of each object in the nodes.
    #[serde(skip)]
    places: HashMap<Hash, usize>,
}

impl Graph {
    /// A graph for a root, which is not added yet.
    pub(super) fn new(root: Hash) -> Self {
        Graph { root, nodes: Vec::new(), edges: Vec::new(), places: HashMap::new() }
    }

    /// A graph of these nodes and edges; duplicate nodes are left out.
    pub fn of(root: Hash, nodes: impl IntoIterator<Item = Node>, edges: Vec<Edge>) -> Self {
        let mut graph = Graph { edges, ..Graph::new(root) };
        nodes.into_iter().for_each(|node| graph.add(node));
        graph
    }

    pub(super) fn add(&mut self, node: Node) {
        if let Entry::Vacant(place) = self.places.entry(node.id) {
            place.insert(self.nodes.len());
            self.nodes.push(node);
        }
    }

    /// The objects, the root first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of an object.
    pub fn node(&self, id: &Hash) -> Option<&Node> {
        self.places.get(id).map(|place| &self.nodes[*place])
    }

    /// The kind of a record in the graph; none for other objects.
    pub fn kind(&self, id: &Hash) -> Option<Kind> {
        self.node(id)?.kind.record()
    }

    /// Shows an object with another of its names.
    pub fn call(&mut self, id: &Hash, name: &str) {
        if let Some(place) = self.places.get(id) {
            self.nodes[*place].name = Some(name.to_owned());
        }
    }

    /// The edges as they are shown: each with its upper and its lower end.
    ///
    /// An execution is below its result in both directions, unless it was reached from its program.
    pub(crate) fn unfolding(&self, direction: Direction) -> impl Iterator<Item = (&Edge, Hash, Hash)> {
        let place = |id: &Hash| self.places.get(id);
        self.edges.iter().map(move |edge| {
            let from_above = match direction {
                Direction::Up => !edge.is_made(),
                Direction::Down => edge.is_made() && place(&edge.from) < place(&edge.to),
            };
            let [above, below] = if from_above { [edge.from, edge.to] } else { [edge.to, edge.from] };
            (edge, above, below)
        })
    }
}
