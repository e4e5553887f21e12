//! From one object to all that it was made of, or to all that was made of it.

use std::collections::HashMap;

use super::graph::{Direction, Graph, Node, NodeKind};
use crate::digits::counted;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::limits;
use crate::records::{self, Dataset, Header, Kind, Manifest, PackedKind, Referent, Role, Roles, Study};
use crate::registry::walk::{Edge, Walk, checkpoint_of, images, inputs, made_by, manifests_of, results};
use crate::registry::{Registry, RegistryError};
use crate::store::StoreError;

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
    trace_near(registry, view, root, direction, usize::MAX)
}

/// The same, but for what is more than so many edges away: an answer that costs no more than it shows, however long the
/// chains are that others have made.
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

/// What a trace comes by.
enum Traced {
    Node(Node),
    Edge(Edge),
}

/// Follows the lineage of several objects at once, and keeps nothing of what it finds.
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

/// Finds the images of a manifest, which need not be read for that.
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
    /// Not the bytes that it is named by, or none that can be read; the kind is what the index says.
    Damaged(Hash, NodeKind),
}

impl Object {
    /// A lineage goes around what is damaged or missing, so that it can be traced and verified at all.
    fn read(registry: &Registry, view: &View, id: Hash, part: Option<&Roles>) -> Result<Self, RegistryError> {
        let damaged = || {
            let kind = view.kind(&id)?.map(NodeKind::Record);
            let by_part = || NodeKind::named(part.map_or("object".to_owned(), Roles::to_string));
            Ok(Object::Damaged(id, kind.unwrap_or_else(by_part)))
        };
        // What some role may be of a packed array, and what must be.
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
                    StoreError::Damaged { .. } | StoreError::Exposed { .. } | StoreError::Io { .. },
                )
                | RegistryError::Io { .. }
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

    /// The edges that lead on from it; what is reached by way of no edge is noted.
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
                // What it made names neither it nor the program; that edge comes with what it made.
                for made in made_by(header.kind, &links) {
                    walk.reach(made, Some(Role::Made.into()));
                }
                results(view, id, checkpoint_of(header.kind, &links))
            }
            (Direction::Down, _) => results(view, id, None),
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
    for from in manifests_of(view, id)? {
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
