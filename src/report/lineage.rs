//! A lineage as a tree of text and as a DOT graph.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use crate::digits::counted;
use crate::escape;
use crate::hash::Hash;
use crate::lineage::{Direction, Edge, Graph, Node, NodeKind};

/// Maximum number of listed images of a manifest; the others are counted.
const SHOWN: usize = 3;

/// Levels of a tree that are drawn: each is indented further, and nobody reads a line of a thousand columns.
const DEEPEST: usize = 200;

/// Draws a lineage as a tree. A repeated object is not expanded again; only the first few images are listed
/// unless `all` is set.
pub fn tree(graph: &Graph, direction: Direction, all: bool) -> String {
    let mut children: HashMap<Hash, Vec<(&Edge, Hash)>> = HashMap::new();
    for (edge, parent, child) in graph.unfolding(direction) {
        children.entry(parent).or_default().push((edge, child));
    }
    let mut out = String::new();
    if let Some(root) = graph.node(&graph.root) {
        let _ = writeln!(out, "{}", line(root, None));
    }
    let way = if direction == Direction::Down { "--down" } else { "--up" };
    let shown = HashSet::from([graph.root]);
    Tree { graph, children, shown, all, way, out }.unfold()
}

struct Tree<'g> {
    graph: &'g Graph,
    /// What is below those that are not unfolded yet.
    children: HashMap<Hash, Vec<(&'g Edge, Hash)>>,
    shown: HashSet<Hash>,
    all: bool,
    way: &'static str,
    out: String,
}

/// What is left to draw below an object.
struct Branch<'g> {
    indent: String,
    children: std::vec::IntoIter<(&'g Edge, Hash)>,
    left_out: usize,
}

impl<'g> Tree<'g> {
    /// Draws what is below the root. Chains are as long as strangers make them, so this does not call itself.
    fn unfold(mut self) -> String {
        let mut open: Vec<Branch<'g>> = self.branch(self.graph.root, String::new(), 0).into_iter().collect();
        while let Some(branch) = open.last_mut() {
            let Some((edge, child)) = branch.children.next() else {
                if branch.left_out > 0 {
                    let (indent, left_out) = (&branch.indent, branch.left_out);
                    let _ = writeln!(
                        self.out,
                        "{indent}└─ … {} (--all shows them)",
                        counted(left_out as u64, "more image")
                    );
                }
                open.pop();
                continue;
            };
            let last = branch.children.len() == 0 && branch.left_out == 0;
            let again = !self.shown.insert(child);
            let Some(node) = self.graph.node(&child) else { continue };
            let (twig, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let _ = write!(self.out, "{}{twig}{}", branch.indent, line(node, Some(&*edge.role.text())));
            let unfolded_above = again && !self.children.contains_key(&child) && !is_leaf(node);
            let _ = writeln!(self.out, "{}", if unfolded_above { " (see above)" } else { "" });
            let indent = format!("{}{below}", branch.indent);
            let deeper = self.branch(child, indent, open.len());
            open.extend(deeper);
        }
        self.out
    }

    /// What is below an object, so many levels below the root; none where it is nothing, is unfolded already, or is not
    /// drawn.
    fn branch(&mut self, parent: Hash, indent: String, depth: usize) -> Option<Branch<'g>> {
        let mut children = self.children.remove(&parent)?;
        if depth == DEEPEST {
            let _ = writeln!(self.out, "{indent}└─ … continues: `reg trace {} {}`", self.way, parent.short());
            return None;
        }
        let images = children.iter().filter(|(edge, _)| edge.is_image()).count();
        let left_out = if self.all { 0 } else { images.saturating_sub(SHOWN) };
        children.truncate(children.len() - left_out);
        Some(Branch { indent, children: children.into_iter(), left_out })
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
        let _ = write!(line, " {}", escape::line(name));
    }
    let _ = write!(line, " ({}", escape::line(&node.summary));
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
        .nodes()
        .iter()
        .filter(|node| !all && node.kind == NodeKind::Image && node.id != graph.root)
        .map(|n| n.id)
        .collect();
    for node in graph.nodes().iter().filter(|node| !folded.contains(&node.id)) {
        let name = node.name.as_deref().unwrap_or_default();
        let label =
            format!("{} {}\n{name}\n{}", node.kind, node.id.short(), node.summary).replace("\n\n", "\n");
        let _ = writeln!(out, "  \"{}\" [label=\"{}\"];", node.id, escape(&label));
    }
    // In the order in which they come.
    let mut counts: Vec<(Hash, usize)> = Vec::new();
    let mut places: HashMap<Hash, usize> = HashMap::new();
    for edge in &graph.edges {
        if !folded.contains(&edge.to) {
            let _ = writeln!(
                out,
                "  \"{}\" -> \"{}\" [label=\"{}\"];",
                edge.to,
                edge.from,
                escape(&edge.role.text())
            );
        } else {
            let place = *places.entry(edge.from).or_insert(counts.len());
            counts.resize(counts.len().max(place + 1), (edge.from, 0));
            counts[place].1 += 1;
        }
    }
    for (from, count) in counts {
        let _ = writeln!(
            out,
            "  \"images of {from}\" [label=\"{}\", shape=folder];",
            counted(count as u64, "image")
        );
        let _ = writeln!(out, "  \"images of {from}\" -> \"{from}\";");
    }
    out + "}\n"
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Kind, Role};

    /// Runs, each of which names the next, and the last a manifest of five images.
    fn chain(runs: usize) -> Graph {
        let id = |number: usize| Hash::of(&number.to_le_bytes());
        let node = |number: usize, kind: NodeKind| Node {
            id: id(number),
            kind,
            name: None,
            summary: format!("number {number}"),
            row: None,
        };
        let edge =
            |from: usize, to: usize, role: Role| Edge { from: id(from), to: id(to), role: role.into() };
        let kind = |number: usize| match number {
            _ if number < runs => NodeKind::Record(Kind::Run),
            _ if number == runs => NodeKind::Packed(crate::records::PackedKind::Manifest),
            _ => NodeKind::Image,
        };
        let chain = (1..=runs).map(|number| edge(number - 1, number, Role::Runs));
        let images = (1..=5).map(|image| edge(runs, runs + image, Role::Image));
        let edges = chain.chain(images).collect();
        Graph::of(id(0), (0..=runs + 5).map(|number| node(number, kind(number))), edges)
    }

    #[test]
    fn a_tree_shows_the_first_images_and_counts_the_rest() {
        let lines = |all| tree(&chain(2), Direction::Up, all).lines().map(str::to_owned).collect::<Vec<_>>();
        let [few, all] = [lines(false), lines(true)];
        assert_eq!((few.len(), all.len()), (7, 8));
        assert!(few[0].starts_with("run ") && few[1].starts_with("└─ runs: run "), "{few:?}");
        assert!(
            few[2].starts_with("   └─ runs: manifest ") && few[3].starts_with("      ├─ image "),
            "{few:?}"
        );
        assert_eq!(few[6], "      └─ … 2 more images (--all shows them)");
        assert!(all[7].starts_with("      └─ image "), "{all:?}");
        assert!(dot(&chain(2), false).contains("5 images"));
    }

    #[test]
    fn a_chain_longer_than_any_stack_is_drawn_as_deep_as_it_can_be_read() {
        let drawn = move || {
            let graph = chain(100_000);
            let text = tree(&graph, Direction::Up, false);
            assert_eq!(text.lines().count(), DEEPEST + 2);
            let deepest = graph.nodes()[DEEPEST].id.short();
            assert!(text.ends_with(&format!("└─ … continues: `reg trace --up {deepest}`\n")), "{text}");
            assert_eq!(dot(&graph, false).matches(" -> ").count(), 100_001);
        };
        std::thread::Builder::new().stack_size(256 << 10).spawn(drawn).unwrap().join().unwrap();
    }
}
