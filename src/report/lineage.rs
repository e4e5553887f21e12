//! A lineage as a tree of text and as a DOT graph.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use crate::hash::Hash;
use crate::lineage::{Direction, Edge, Graph, Node, NodeKind};
use crate::registry::IMAGE;

/// Maximum number of listed images of a manifest; the others are counted.
const SHOWN: usize = 3;

/// Maximum depth of a drawn tree: each level is indented further, and very long lines are unreadable.
pub(super) const DEEPEST: usize = 200;

/// Draws a lineage as a tree. A repeated object is not expanded again; only the first few images are listed
/// unless `all` is set.
pub fn tree(graph: &Graph, direction: Direction, all: bool) -> String {
    let nodes: HashMap<Hash, &Node> = graph.nodes.iter().map(|node| (node.id, node)).collect();
    let mut children: HashMap<Hash, Vec<(&Edge, Hash)>> = HashMap::new();
    for (edge, parent, child) in graph.unfolding(direction) {
        children.entry(parent).or_default().push((edge, child));
    }
    let mut out = String::new();
    if let Some(root) = nodes.get(&graph.root) {
        let _ = writeln!(out, "{}", line(root, None));
    }
    let way = if direction == Direction::Down { "--down" } else { "--up" };
    let mut tree = Tree { nodes, children, shown: HashSet::from([graph.root]), all, way, out };
    tree.unfold(graph.root, "", 0);
    tree.out
}

struct Tree<'g> {
    nodes: HashMap<Hash, &'g Node>,
    children: HashMap<Hash, Vec<(&'g Edge, Hash)>>,
    shown: HashSet<Hash>,
    all: bool,
    way: &'static str,
    out: String,
}

impl Tree<'_> {
    fn unfold(&mut self, parent: Hash, indent: &str, depth: usize) {
        let children = self.children.remove(&parent).unwrap_or_default();
        if depth == DEEPEST && !children.is_empty() {
            let _ = writeln!(self.out, "{indent}└─ … continues: `reg trace {} {}`", self.way, parent.short());
            return;
        }
        let images = children.iter().filter(|(edge, _)| edge.role == IMAGE).count();
        let left_out = if self.all { 0 } else { images.saturating_sub(SHOWN) };
        let visible = children.len() - left_out;
        for (i, (edge, child)) in children.iter().take(visible).enumerate() {
            let last = i + 1 == visible && left_out == 0;
            let again = !self.shown.insert(*child);
            let Some(node) = self.nodes.get(child) else { continue };
            let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let _ = write!(self.out, "{indent}{branch}{}", line(node, Some(&edge.role)));
            let unfolded_above = again && !self.children.contains_key(child) && !is_leaf(node);
            let _ = writeln!(self.out, "{}", if unfolded_above { " (see above)" } else { "" });
            if !again || self.children.contains_key(child) {
                self.unfold(*child, &format!("{indent}{below}"), depth + 1);
            }
        }
        if left_out > 0 {
            let _ = writeln!(self.out, "{indent}└─ … {left_out} more images (--all shows them)");
        }
    }
}

fn is_leaf(node: &Node) -> bool {
    match &node.kind {
        NodeKind::File | NodeKind::Image | NodeKind::Missing => true,
        NodeKind::Packed(kind) => !kind.names_others(),
        NodeKind::Record(_) | NodeKind::Unknown(_) => false,
    }
}

fn line(node: &Node, role: Option<&str>) -> String {
    let mut line = String::new();
    if let Some(role) = role.filter(|role| *role != node.kind.name()) {
        let _ = write!(line, "{role}: ");
    }
    let _ = write!(line, "{} {}", node.kind, node.id.short());
    if let Some(name) = node.name.as_ref().filter(|name| Some(name.as_str()) != role) {
        let _ = write!(line, " {name}");
    }
    let _ = write!(line, " ({}", node.summary);
    if let Some(row) = node.row {
        let _ = write!(line, ", metadata row {row}");
    }
    line + ")"
}

/// Formats a lineage for Graphviz; arrows point from inputs to results. The images of a data set are one box
/// unless `all` is set.
pub fn dot(graph: &Graph, all: bool) -> String {
    let mut out =
        String::from("digraph lineage {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    let folded: HashSet<Hash> = graph
        .nodes
        .iter()
        .filter(|node| !all && node.kind == NodeKind::Image && node.id != graph.root)
        .map(|n| n.id)
        .collect();
    for node in graph.nodes.iter().filter(|node| !folded.contains(&node.id)) {
        let name = node.name.as_deref().unwrap_or_default();
        let label =
            format!("{} {}\n{name}\n{}", node.kind, node.id.short(), node.summary).replace("\n\n", "\n");
        let _ = writeln!(out, "  \"{}\" [label=\"{}\"];", node.id, escape(&label));
    }
    let mut counts: Vec<(Hash, usize)> = Vec::new();
    for edge in &graph.edges {
        if !folded.contains(&edge.to) {
            let _ =
                writeln!(out, "  \"{}\" -> \"{}\" [label=\"{}\"];", edge.to, edge.from, escape(&edge.role));
        } else if let Some((_, count)) = counts.iter_mut().find(|(from, _)| *from == edge.from) {
            *count += 1;
        } else {
            counts.push((edge.from, 1));
        }
    }
    for (from, count) in counts {
        let _ = writeln!(out, "  \"images of {from}\" [label=\"{count} images\", shape=folder];");
        let _ = writeln!(out, "  \"images of {from}\" -> \"{from}\";");
    }
    out + "}\n"
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
