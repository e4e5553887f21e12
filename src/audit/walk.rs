//! Which objects are behind a result, found by the one rule of lineage.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::AuditError;
use crate::hash::Hash;
use crate::records::codec::packed_magic;
use crate::records::{self, Execution, PACKED, Record, Weights};

/// Where the objects of a bundle are read.
pub(super) trait Objects {
    /// The bytes of an object, checked against its id; `None` where they are not there.
    fn read(&mut self, id: &Hash) -> Result<Option<Vec<u8>>, AuditError>;

    /// The executions that made an object.
    fn executions(&mut self, made: &Hash) -> Result<Vec<Hash>, AuditError>;
}

/// An object behind a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The kind of a record or packed array, or `file`.
    pub(super) kind: String,
    /// The part that it plays for whoever named it first.
    pub(super) role: String,
    /// Whether its bytes belong into the bundle.
    pub(super) kept: bool,
    /// What it names, images of a manifest aside.
    pub(super) links: Vec<Hash>,
}

/// What the result itself is, in the listing.
const RESULT: &str = "result";

/// Everything that `root` depends on, images aside, and the executions beside it.
///
/// Images are named by the manifests, with both hashes; they are too many and belong to patients. Without `weights`,
/// checkpoints and weights from outside are named only. A link that leads to nothing is named with the kind `missing`.
pub(super) fn walk(
    objects: &mut dyn Objects,
    root: Hash,
    weights: bool,
) -> Result<BTreeMap<Hash, Part>, AuditError> {
    let mut parts = BTreeMap::new();
    let mut seen = HashSet::from([root]);
    let mut queue = VecDeque::from([(root, RESULT.to_owned(), true)]);
    while let Some((id, role, kept)) = queue.pop_front() {
        if !kept {
            parts.insert(id, Part { kind: "file".to_owned(), role, kept, links: Vec::new() });
            continue;
        }
        let Some(bytes) = objects.read(&id)? else {
            parts.insert(id, Part { kind: "missing".to_owned(), role, kept, links: Vec::new() });
            continue;
        };
        let packed = packed_magic(&bytes).and_then(|magic| PACKED.iter().find(|(_, own)| **own == magic));
        let header = records::check(&bytes).ok();
        let kind = match (&header, packed) {
            (Some(header), _) => header.kind.clone(),
            (None, Some((kind, _))) => (*kind).to_owned(),
            (None, None) => "file".to_owned(),
        };
        let links = header.map_or(Vec::new(), |header| header.links());
        // An execution is reached from what it made; that leads nowhere else.
        let links = if kind == Execution::KIND { Vec::new() } else { links };
        for link in &links {
            let is_weights = link.role == "checkpoint" || kind == Weights::KIND && link.role == "file";
            if seen.insert(link.to) {
                queue.push_back((link.to, link.role.clone(), weights || !is_weights));
            }
        }
        for execution in objects.executions(&id)? {
            if seen.insert(execution) {
                queue.push_back((execution, "made".to_owned(), true));
            }
        }
        parts.insert(id, Part { kind, role, kept, links: links.iter().map(|link| link.to).collect() });
    }
    Ok(parts)
}
