//! The lineage of everything on a page as an expandable tree, without a script.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use crate::hash::Hash;
use crate::lineage::{Direction, Edge, Graph, Node};
use crate::registry::IMAGE;
use crate::registry::walk::MADE;
use crate::report::lineage::DEEPEST;
use crate::report::svg::escape;
use crate::report::thousands;

/// Maximum number of listed images of a manifest; the others are counted.
const SHOWN: usize = 3;

/// The objects that have a place in [`tree`].
pub(super) fn places(graphs: &[Graph]) -> HashSet<Hash> {
    let folded = |graph: &Graph| -> HashSet<Hash> {
        let mut of_manifest: HashMap<Hash, usize> = HashMap::new();
        let beyond = |edge: &&Edge| {
            let count = of_manifest.entry(edge.from).or_default();
            *count += usize::from(edge.role == IMAGE);
            edge.role == IMAGE && *count > SHOWN
        };
        graph.edges.iter().filter(beyond).map(|edge| edge.to).collect()
    };
    graphs
        .iter()
        .flat_map(|graph| {
            let folded = folded(graph);
            graph.nodes.iter().map(|node| node.id).filter(move |id| !folded.contains(id))
        })
        .collect()
}

/// Draws lineages from results to inputs. An object has one place, to which its id links; further occurrences
/// are links to that place. Only the first few images are listed. In a page of a live registry, ids link to the
/// page of the object.
pub(crate) fn tree(graphs: &[Graph], direction: Direction, served: bool) -> String {
    let mut tree = Tree { served, ..Tree::default() };
    for graph in graphs {
        tree.nodes.extend(graph.nodes.iter().map(|node| (node.id, node)));
        for (edge, parent, child) in graph.unfolding(direction) {
            let of_parent = tree.children.entry(parent).or_default();
            if graphs.len() == 1 || !of_parent.iter().any(|(known, _)| *known == child) {
                of_parent.push((child, if direction == Direction::Down { "" } else { &edge.role }));
            }
        }
    }
    tree.out += "<div class=\"tree\"><ul>";
    for graph in graphs {
        tree.item(graph.root, None, 0);
    }
    tree.out + "</ul></div>"
}

#[derive(Default)]
struct Tree<'g> {
    served: bool,
    nodes: HashMap<Hash, &'g Node>,
    children: HashMap<Hash, Vec<(Hash, &'g str)>>,
    shown: HashSet<Hash>,
    out: String,
}

impl Tree<'_> {
    fn item(&mut self, id: Hash, role: Option<&str>, depth: usize) {
        let Some(node) = self.nodes.get(&id).copied() else { return };
        let short = id.short();
        let again = !self.shown.insert(id);
        if again {
            let (kind, role) = (escape(node.kind.name()), part(node, role));
            let _ = write!(
                self.out,
                "<li><span class=\"node again\">{role}{kind} <a class=\"id\" href=\"#o-{short}\">{short}</a> (above)</span></li>"
            );
            return;
        }
        let children = self.children.remove(&id).unwrap_or_default();
        let text = self.words(node, role);
        if children.is_empty() || depth == DEEPEST {
            let text = if children.is_empty() { text } else { text + " <i>and further</i>" };
            let _ = write!(
                self.out,
                "<li id=\"o-{short}\" tabindex=\"-1\"><span class=\"node\">{text}</span></li>"
            );
            return;
        }
        let _ = write!(
            self.out,
            "<li><details id=\"o-{short}\"><summary><span class=\"node\">{text}</span></summary><ul>"
        );
        let images = children.iter().filter(|(_, role)| *role == IMAGE).count();
        let left_out = images.saturating_sub(SHOWN);
        for (child, role) in children.iter().take(children.len() - left_out) {
            self.item(*child, Some(role), depth + 1);
        }
        if left_out > 0 {
            let _ = write!(
                self.out,
                "<li><span class=\"node again\">and {} more images</span></li>",
                thousands(left_out as u64)
            );
        }
        self.out += "</ul></details></li>\n";
    }

    fn words(&self, node: &Node, role: Option<&str>) -> String {
        let mut text = part(node, role);
        let (id, short) = (node.id, node.id.short());
        let id = match self.served {
            true => format!("<a class=\"id\" href=\"/record/{id}\">{short}</a>"),
            false => format!("<span class=\"id\">{short}</span>"),
        };
        let _ = write!(text, "<b>{}</b> {id}", escape(node.kind.name()));
        if let Some(name) = node.name.as_ref().filter(|name| Some(name.as_str()) != role) {
            let _ = write!(text, " {}", escape(name));
        }
        let row = node.row.map(|row| format!(", metadata row {row}")).unwrap_or_default();
        let _ = write!(text, " <i>{}{row}</i>", escape(&node.summary));
        text
    }
}

/// The role of an object, if it is not clear from its kind.
fn part(node: &Node, role: Option<&str>) -> String {
    let role = role.filter(|role| !role.is_empty() && *role != node.kind.name() && *role != MADE);
    role.map(|role| format!("<i>{}:</i> ", escape(role))).unwrap_or_default()
}
