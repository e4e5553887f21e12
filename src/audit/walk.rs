//! Determines the lineage of a result.

use std::collections::BTreeMap;

use super::AuditError;
use crate::hash::{Hash, Id};
use crate::lineage::NodeKind;
use crate::records::{self, Kind, Manifest, PackedKind, Withdrawal};
use crate::registry::Objects;
use crate::registry::walk::{Edge, Lineage, Walk, inputs};
use crate::withdrawal::Withdrawn;

/// Objects, and the withdrawals that no object refers to.
pub(super) trait ObjectSource: Objects + Lineage {
    /// All withdrawals.
    fn withdrawals(&self) -> Result<Vec<(Id<Withdrawal>, Withdrawal)>, AuditError>;
}

/// An object in the lineage of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BundleMember {
    /// Its kind.
    pub(super) kind: NodeKind,
    /// Its role in the first object that refers to it.
    pub(super) role: String,
    /// Whether its bytes are included in the bundle.
    pub(super) kept: bool,
}

/// The role of the result itself in the listing.
const RESULT: &str = "result";

/// All dependencies of `root` except images, with the executions and withdrawals that concern them.
///
/// Images are referenced in the manifests with both hashes; they are too many, and they are patients' data.
/// Without `weights`, checkpoints and imported weights are only referenced.
///
/// # Errors
/// A root that is not a record.
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

/// Adds the withdrawals in force that cover an image of an included data set.
fn withdrawals(
    source: &dyn ObjectSource,
    parts: &mut BTreeMap<Hash, BundleMember>,
) -> Result<(), AuditError> {
    let all = Withdrawn::of(source.withdrawals()?);
    if all.is_empty() {
        return Ok(());
    }
    let of_images = parts.iter().filter(|(_, part)| part.kind == NodeKind::Packed(PackedKind::Manifest));
    let manifests = of_images.map(|(id, _)| <dyn Objects>::packed_alone(source, Id::new(*id)));
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
