//! The lineage of everything on a page as an expandable tree, without a script.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use crate::digits::counted;
use crate::hash::Hash;
use crate::index::View;
use crate::lineage::{Direction, Edge, Graph, Node, trace_near};
use crate::records::Role;
use crate::registry::{Registry, RegistryError};

/// Maximum number of listed images of a manifest; the others are counted.
const SHOWN: usize = 3;

/// Levels of a tree that are drawn. Each is three elements inside of those before, and browsers nest no more than 512.
const DEEPEST: usize = 150;

/// The lineage of an object, as far as [`tree`] draws it: a page costs no more than it shows.
///
/// # Errors
/// Those of [`trace_near`].
pub(crate) fn near(
    registry: &Registry,
    view: &View,
    root: Hash,
    direction: Direction,
) -> Result<Graph, RegistryError> {
    // One level more says of the deepest whether they go on.
    trace_near(registry, view, root, direction, DEEPEST + 1)
}

/// A lineage as HTML.
pub(crate) struct LineageTree {
    /// The list.
    pub(crate) html: Markup,
    /// The objects that have a place in it.
    pub(crate) places: HashSet<Hash>,
}

/// Draws lineages from results to inputs. An object has one place, which its id leads to; where it comes again it is
/// a link to there. Of many images the first few are shown, and what is deeper than [`DEEPEST`] is left out, which is said.
/// In a page of a live registry, ids are links to the page of an object.
pub(crate) fn tree(graphs: &[Graph], direction: Direction, served: bool) -> LineageTree {
    let mut children: HashMap<Hash, Vec<(&Edge, Hash)>> = HashMap::new();
    let mut known = HashSet::new();
    for graph in graphs {
        for (edge, parent, child) in graph.unfolding(direction) {
            // What two lineages share is drawn once.
            if graphs.len() == 1 || known.insert((parent, child)) {
                children.entry(parent).or_default().push((edge, child));
            }
        }
    }
    let mut tree = Tree { graphs, direction, served, children, shown: HashSet::new(), out: String::new() };
    tree.out += "<div class=\"tree\"><ul>";
    for graph in graphs {
        tree.draw(graph.root);
    }
    tree.out += "</ul></div>";
    LineageTree { html: PreEscaped(tree.out), places: tree.shown }
}

struct Tree<'g> {
    graphs: &'g [Graph],
    direction: Direction,
    served: bool,
    /// What is below those that are not drawn yet.
    children: HashMap<Hash, Vec<(&'g Edge, Hash)>>,
    shown: HashSet<Hash>,
    out: String,
}

/// What is left to draw below an object.
struct Branch<'g> {
    children: std::vec::IntoIter<(&'g Edge, Hash)>,
    left_out: usize,
}

impl<'g> Tree<'g> {
    /// Draws an object and what is below it. Chains are as long as strangers make them, so this does not call itself.
    fn draw(&mut self, root: Hash) {
        let mut open: Vec<Branch<'g>> = self.item(root, None, 0).into_iter().collect();
        while let Some(branch) = open.last_mut() {
            match branch.children.next() {
                Some((edge, child)) => {
                    let deeper = self.item(child, Some(edge), open.len());
                    open.extend(deeper);
                }
                None => {
                    let left_out = branch.left_out;
                    open.pop();
                    self.close(left_out);
                }
            }
        }
    }

    /// Draws an object, so many levels below the root; gives what is below it, where that is to be drawn inside of it.
    fn item(&mut self, id: Hash, edge: Option<&Edge>, depth: usize) -> Option<Branch<'g>> {
        let node = self.graphs.iter().find_map(|graph| graph.node(&id))?;
        // Towards the results, what names an object is shown below it, and the edge says what the object is for that.
        let role = edge.filter(|_| self.direction == Direction::Up).map(|edge| edge.role.text());
        let (role, short) = (role.as_deref(), id.short());
        if !self.shown.insert(id) {
            let again = html! {
                li {
                    span.node.again {
                        (part(node, role)) (node.kind.name()) " " a.id href={ "#o-" (short) } { (short) } " (above)"
                    }
                }
            };
            self.out += &again.0;
            return None;
        }
        let mut children = self.children.remove(&id).unwrap_or_default();
        let place = format!("o-{short}");
        if children.is_empty() || depth == DEEPEST {
            let leaf = html! {
                li id=(place) tabindex="-1" {
                    span.node {
                        (words(node, role, &self.named(&id)))
                        @if !children.is_empty() { (self.goes_on(&id)) }
                    }
                }
            };
            self.out += &leaf.0;
            return None;
        }
        // A link inside of a summary would be a button in a button: it stands before it.
        let (before, inside) = match self.served {
            true => (self.named(&id), html! {}),
            false => (html! {}, self.named(&id)),
        };
        let _ = write!(
            self.out,
            "<li{}>{}<details id=\"{place}\"><summary><span class=\"node\">{}</span></summary><ul>",
            if self.served { " class=\"entry\"" } else { "" },
            before.0,
            words(node, role, &inside).0
        );
        let images = children.iter().filter(|(edge, _)| edge.is_image()).count();
        let left_out = if self.direction == Direction::Up { images.saturating_sub(SHOWN) } else { 0 };
        children.truncate(children.len() - left_out);
        Some(Branch { children: children.into_iter(), left_out })
    }

    /// Ends what is below an object.
    fn close(&mut self, left_out: usize) {
        if left_out > 0 {
            let more = counted(left_out as u64, "more image");
            self.out += &html! { li { span.node.again { "and " (more) } } }.0;
        }
        self.out += "</ul></details></li>\n";
    }

    /// Says where to see what is deeper than what is drawn.
    fn goes_on(&self, id: &Hash) -> Markup {
        let (way, flag) = match self.direction {
            Direction::Up => ("up", "--up"),
            Direction::Down => ("down", "--down"),
        };
        html! {
            " "
            @if self.served {
                a href={ "/lineage/" (way) "/" (id) } { "continues here" }
            } @else {
                i { "continues: " code { "reg trace " (flag) " " (id.short()) } }
            }
        }
    }

    /// The id of an object, a link where it has a page.
    fn named(&self, id: &Hash) -> Markup {
        html! {
            @if self.served { a.id href={ "/record/" (id) } { (id.short()) } } @else { span.id { (id.short()) } }
        }
    }
}

fn words(node: &Node, role: Option<&str>, id: &Markup) -> Markup {
    let name = node.name.as_ref().filter(|name| Some(name.as_str()) != role);
    html! {
        (part(node, role)) b { (node.kind.name()) } " " (id)
        @if let Some(name) = name { " " (name) }
        " " i { (node.summary) @if let Some(row) = node.row { ", metadata row " (row) } }
    }
}

/// The role of an object, if it is not clear from its kind.
fn part(node: &Node, role: Option<&str>) -> Markup {
    let role =
        role.filter(|role| !role.is_empty() && *role != node.kind.name() && Role::named(role) != Role::Made);
    html! { @if let Some(role) = role { i { (role) ":" } " " } }
}
