//! Which objects are behind a result, found by the one rule of lineage.

use std::collections::BTreeMap;

use super::AuditError;
use crate::hash::{Hash, Id};
use crate::lineage::NodeKind;
use crate::records::{self, Kind, Manifest, PackedKind, Withdrawal};
use crate::registry::walk::{Edge, Lineage, Walk, inputs};
use crate::registry::{Objects, Withdrawn};

/// Objects, and what stands beside them without being named.
pub(super) trait ObjectSource: Objects + Lineage {
    /// All withdrawals.
    fn withdrawals(&self) -> Result<Vec<(Id<Withdrawal>, Withdrawal)>, AuditError>;
}

/// An object behind a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BundleMember {
    /// What it is.
    pub(super) kind: NodeKind,
    /// The part that it plays for whoever named it first.
    pub(super) role: String,
    /// Whether its bytes belong into the bundle.
    pub(super) kept: bool,
}

/// What the result itself is, in the listing.
const RESULT: &str = "result";

/// Everything that `root` depends on, images aside, with the executions and withdrawals beside it.
///
/// Images are named by the manifests, with both hashes; they are too many and belong to patients. Without `weights`,
/// checkpoints and weights from outside are named only.
///
/// # Errors
/// A root that is no record.
pub(super) fn walk(
    source: &dyn ObjectSource,
    root: Hash,
    weights: bool,
) -> Result<BTreeMap<Hash, BundleMember>, AuditError> {
    let mut parts = BTreeMap::new();
    let mut walk = Walk::from([(root, (RESULT.to_owned(), true))]);
    while let Some((id, (role, kept))) = walk.step() {
        if !kept || source.lacks(&id) {
            let kind = if kept { NodeKind::Missing } else { NodeKind::File };
            parts.insert(id, BundleMember { kind, role, kept });
            continue;
        }
        let bytes = source.bytes(&id)?;
        let header = match records::check(&bytes) {
            Err(source) if id == root => return Err(AuditError::NotARecord { id, source }),
            header => header.ok(),
        };
        let kind = match (&header, PackedKind::of(&bytes)) {
            (Some(header), _) => NodeKind::Record(header.kind),
            (None, Some(kind)) => NodeKind::Packed(kind),
            (None, None) => NodeKind::File,
        };
        if let Some(header) = header {
            for Edge { from, to, role } in inputs(source, id, header.kind, &header.links(), id == root)? {
                if from != id {
                    walk.reach(from, (role.to_string(), true));
                    continue;
                }
                let is_weights = role.as_slice().iter().any(|role| role.is_weights(header.kind));
                let kept = !role.are_images(Some(header.kind)) && (weights || !is_weights);
                walk.reach(to, (role.to_string(), kept));
            }
        }
        parts.insert(id, BundleMember { kind, role, kept });
    }
    withdrawals(source, &mut parts)?;
    Ok(parts)
}

/// Adds the withdrawals that hold and cover an image of a data set that is there.
fn withdrawals(
    source: &dyn ObjectSource,
    parts: &mut BTreeMap<Hash, BundleMember>,
) -> Result<(), AuditError> {
    let all = Withdrawn::of(source.withdrawals()?);
    if all.is_empty() {
        return Ok(());
    }
    let of_images = parts.iter().filter(|(_, part)| part.kind == NodeKind::Packed(PackedKind::Manifest));
    let manifests = of_images.map(|(id, _)| <dyn Objects>::get_packed(source, Id::new(*id)));
    let manifests: Vec<Manifest> = manifests.collect::<Result<_, _>>()?;
    for (id, record) in all.holding() {
        let alone = Withdrawn::of(vec![(*id, record.clone())]);
        if manifests.iter().any(|manifest| !alone.rows(manifest).is_empty()) {
            let (kind, role) = (NodeKind::Record(Kind::Withdrawal), "withdraws".to_owned());
            parts.entry(id.hash).or_insert(BundleMember { kind, role, kept: true });
        }
    }
    Ok(())
}
