//! Nodes and edges: the part of the lineage that can be reached from one object.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::hash::Hash;
use crate::records::{Kind, PackedKind};
use crate::registry::walk::Edge;

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
            NodeKind::Image => "image",
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
    nodes: Vec<Node>,
    /// Who names whom.
    pub edges: Vec<Edge>,
    /// Where each object stands among the nodes.
    #[serde(skip)]
    places: HashMap<Hash, usize>,
}

impl Graph {
    /// A graph of its root alone, which is still to be added.
    pub(super) fn new(root: Hash) -> Self {
        Graph { root, nodes: Vec::new(), edges: Vec::new(), places: HashMap::new() }
    }

    /// A graph of these; a node that is there already is left out.
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

    /// The kind of a record that is in it; none of other objects.
    pub fn kind(&self, id: &Hash) -> Option<Kind> {
        self.node(id)?.kind.record()
    }

    /// Calls an object by another of its names.
    pub fn call(&mut self, id: &Hash, name: &str) {
        if let Some(place) = self.places.get(id) {
            self.nodes[*place].name = Some(name.to_owned());
        }
    }

    /// The edges as they are shown: each with what stands above and what below it.
    ///
    /// An execution stands below what it made, whichever way a lineage grows, but where it was come by from the program
    /// that it names.
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
