//! From one object to everything that it depends on, or to everything that depends on it.

use std::collections::HashMap;

use super::graph::{Direction, Graph, Node, NodeKind};
use crate::digits::counted;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::limits;
use crate::records::{self, Dataset, Header, Kind, Manifest, PackedKind, Referent, Role, Roles, Study};
use crate::registry::walk::{Edge, Walk, images, inputs, learnt_files, made_by, manifests_of, results};
use crate::registry::{Registry, RegistryError};
use crate::store::StoreError;

/// Follows the lineage from `root` to its end.
///
/// Upwards, the executions of a run, predictions or a table are included: they say when and where, and lead to the
/// program. Downwards, a program leads through its executions to their results.
pub fn trace(
    registry: &Registry,
    view: &View,
    root: Hash,
    direction: Direction,
) -> Result<Graph, RegistryError> {
    trace_near(registry, view, root, direction, usize::MAX)
}

/// The same, limited to a number of edges, so that the cost does not depend on the length of a stranger's chains.
pub fn trace_near(
    registry: &Registry,
    view: &View,
    root: Hash,
    direction: Direction,
    levels: usize,
) -> Result<Graph, RegistryError> {
    let mut graph = Graph::new(root);
    follow(registry, view, &[root], direction, levels, &mut |found| match found {
        Traced::Node(node) => graph.add(node),
        Traced::Edge(edge) => graph.edges.push(edge),
    })?;
    Ok(graph)
}

/// Receives the objects and edges of a trace.
enum Traced {
    Node(Node),
    Edge(Edge),
}

/// Follows the lineage of several objects at once, and keeps none of the objects.
fn follow(
    registry: &Registry,
    view: &View,
    roots: &[Hash],
    direction: Direction,
    levels: usize,
    found: &mut dyn FnMut(Traced),
) -> Result<(), RegistryError> {
    let names = view.names_by_id()?;
    let mut walk = Walk::from(roots.iter().map(|root| (*root, None::<Roles>)));
    for _ in 0..=levels {
        let wave = walk.wave();
        if wave.is_empty() {
            break;
        }
        for (id, roles) in wave {
            let part = roles.as_ref().filter(|_| direction == Direction::Up);
            let object = Object::read(registry, view, id, part)?;
            found(Traced::Node(object.node(roles.as_ref(), &names)));
            for edge in object.edges(view, &mut walk, direction, roots)? {
                walk.reach(edge.other(&id), Some(edge.role.clone()));
                found(Traced::Edge(edge));
            }
            if let (Direction::Up, Object::Manifest(_, manifest)) = (direction, &object) {
                find_images(&mut walk, id, manifest, found);
            }
        }
    }
    Ok(())
}

/// Visits the images of a manifest, without reading them.
fn find_images(walk: &mut Walk<Option<Roles>>, manifest: Hash, of: &Manifest, found: &mut dyn FnMut(Traced)) {
    let rows = || of.rows.iter().filter_map(|row| Some((row, row.object?)));
    images(manifest, rows().map(|(_, image)| image)).for_each(|edge| found(Traced::Edge(edge)));
    for (row, id) in rows() {
        if walk.pass(id) {
            found(Traced::Node(Node {
                id,
                kind: NodeKind::Image,
                name: Some(row.name.to_string()),
                summary: format!("{} x {}, patient {}", row.width, row.height, row.patient),
                row: Some(row.row),
            }));
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
    /// Damaged or unreadable; the kind is the one in the index.
    Damaged(Hash, NodeKind),
}

impl Object {
    /// A lineage continues past damaged or missing objects, so that it can be traced and verified.
    fn read(registry: &Registry, view: &View, id: Hash, part: Option<&Roles>) -> Result<Self, RegistryError> {
        let damaged = || {
            let kind = view.kind(&id)?.map(NodeKind::Record);
            let by_part = || NodeKind::named(part.map_or("object".to_owned(), Roles::to_string));
            Ok(Object::Damaged(id, kind.unwrap_or_else(by_part)))
        };
        // Roles that may refer to a packed array, and those that must.
        let may_be = |kind: PackedKind| {
            let may = |role: &Role| match role.referent() {
                Referent::Packed(named) => named == kind,
                Referent::Any => true,
                Referent::Record
                | Referent::Image
                | Referent::Picture
                | Referent::Checkpoint
                | Referent::File => false,
            };
            part.is_none_or(|roles| roles.as_slice().iter().all(may))
        };
        let is_packed = |role: &Role| matches!(role.referent(), Referent::Packed(_));
        match Self::read_intact(registry, view, id) {
            Err(
                RegistryError::Store(
                    StoreError::Damaged { .. } | StoreError::Exposed { .. } | StoreError::Io(_),
                )
                | RegistryError::Io(_)
                | RegistryError::Codec { .. },
            ) => damaged(),
            Ok(Object::File(..) | Object::Image(..))
                if part.is_some_and(|roles| roles.as_slice().iter().any(is_packed)) =>
            {
                damaged()
            }
            Ok(Object::Packed(_, kind, _)) if !may_be(kind) => damaged(),
            Ok(Object::Manifest(..)) if !may_be(PackedKind::Manifest) => damaged(),
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
            Some(kind) => return Ok(Object::Packed(id, kind, bytes)),
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

    /// The edges from it; images, which have no further edges, are visited.
    fn edges(
        &self,
        view: &View,
        walk: &mut Walk<Option<Roles>>,
        direction: Direction,
        roots: &[Hash],
    ) -> Result<Vec<Edge>, RegistryError> {
        let id = self.id();
        match (direction, self) {
            (Direction::Up, Object::Record(_, header)) => {
                inputs(view, id, header.kind, &header.links(), roots.contains(&id))
            }
            (Direction::Up, other) => match other.kind().record() {
                Some(kind) => inputs(view, id, kind, &[], roots.contains(&id)),
                None => Ok(Vec::new()),
            },
            (Direction::Down, Object::Record(_, header)) => {
                let links = header.links();
                // Its result refers neither to it nor to the program; that edge is added with the result.
                for made in made_by(header.kind, &links) {
                    walk.reach(made, Some(Role::Made.into()));
                }
                results(view, id, &learnt_files(header.kind, &links))
            }
            (Direction::Down, _) => results(view, id, &[]),
        }
    }

    fn id(&self) -> Hash {
        match self {
            Object::Record(id, _)
            | Object::Manifest(id, _)
            | Object::Packed(id, ..)
            | Object::File(id, _)
            | Object::Image(id, ..)
            | Object::Missing(id)
            | Object::Damaged(id, _) => *id,
        }
    }

    fn node(&self, role: Option<&Roles>, names: &HashMap<Hash, String>) -> Node {
        let role = || role.map(Roles::to_string);
        let (id, own_name, summary) = match self {
            Object::Record(id, header) => (*id, None, records::summary(header)),
            Object::Manifest(id, manifest) => (*id, None, counted(manifest.rows.len() as u64, "image")),
            Object::Packed(id, _, bytes) => (*id, None, counted(*bytes, "byte")),
            Object::File(id, bytes) => (*id, role(), counted(*bytes, "byte")),
            Object::Image(id, name, bytes) => (*id, Some(name.clone()), counted(*bytes, "byte")),
            Object::Missing(id) => (*id, role(), "not in the registry".to_owned()),
            Object::Damaged(id, _) => (*id, role(), "damaged: its links are unknown".to_owned()),
        };
        let name = names.get(&id).cloned().or(own_name);
        Node { id, kind: self.kind(), name, summary, row: None }
    }
}

/// The image with this name in the newest data set that has one.
pub fn image_named(registry: &Registry, view: &View, name: &str) -> Result<Option<Hash>, RegistryError> {
    for dataset in view.of_kind(Kind::Dataset)?.into_iter().rev() {
        let manifest = registry.manifest(&registry.get::<Dataset>(Id::new(dataset))?)?;
        if let Some(row) = manifest.row_named(name) {
            return Ok(manifest.rows[row].object);
        }
    }
    Ok(None)
}

/// The name of an image in some manifest.
fn image_name(registry: &Registry, view: &View, id: &Hash) -> Result<Option<String>, RegistryError> {
    for from in manifests_of(view, id)? {
        // Images of other manifests are named even if one manifest is damaged.
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

/// Everything that `roots` depend on, including themselves. A study refers only to the specs of its runs: their results
/// are included, too.
pub fn behind(registry: &Registry, view: &View, roots: &[Hash]) -> Result<Vec<Hash>, RegistryError> {
    let mut wanted = roots.to_vec();
    for root in roots {
        if view.kind(root)? == Some(Kind::Study) {
            // A damaged record is found like the others, and its references are unknown.
            let Ok(study) = registry.get::<Study>(Id::new(*root)) else { continue };
            let specs: Vec<Hash> = study.runs.iter().filter_map(|run| Some(run.spec?.hash)).collect();
            if !specs.is_empty() {
                let is_result =
                    |node: &Node| node.kind.record().is_some_and(|kind| kind.descriptor().class.is_result());
                follow(registry, view, &specs, Direction::Down, usize::MAX, &mut |found| match found {
                    Traced::Node(node) => wanted.extend(is_result(&node).then_some(node.id)),
                    Traced::Edge(_) => {}
                })?;
            }
        }
    }
    let mut all = Vec::new();
    follow(registry, view, &wanted, Direction::Up, usize::MAX, &mut |found| match found {
        Traced::Node(node) => all.push(node.id),
        Traced::Edge(_) => {}
    })?;
    all.sort_unstable();
    Ok(all)
}
