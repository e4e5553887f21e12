//! Checks the images of a data set: what its manifest states about each in addition to the hash.

use rayon::prelude::*;

use super::RecomputeError;
use crate::dataset::formats;
use crate::hash::{Digest, Id, Sha256};
use crate::records::{Dataset, ImageRow, MAX_REPORTED, Manifest, Mismatch, compared};
use crate::registry::Registry;

/// Reports where SHA-256, size, width or height in a manifest differ from the image, up to a maximum number of
/// differences. Missing and damaged images are reported by [`crate::lineage::verify()`].
pub fn images(registry: &Registry, id: Id<Dataset>) -> Result<Vec<Mismatch>, RecomputeError> {
    // That it matches its data set is checked with the rest; here it is looked at alone.
    let manifest: Manifest = registry.packed_alone(registry.get(id)?.manifest)?;
    let differences = |row: &ImageRow| -> Vec<Mismatch> {
        let Some(Ok(bytes)) = row.object.map(|object| registry.store().read(&object)) else {
            return Vec::new();
        };
        let Digest { sha256, bytes: size, .. } = Digest::of(&bytes);
        let sides = formats::check(&bytes).map_or((0, 0), |info| (info.width, info.height));
        let said = |sha256: Sha256, size: u64, (width, height): (u32, u32)| serde_json::json!({ "sha256": sha256, "bytes": size, "width": width, "height": height });
        let (recorded, now) =
            (said(row.sha256, row.bytes, (row.width, row.height)), said(sha256, size, sides));
        let named = |m: Mismatch| Mismatch { place: format!("{} {}", row.name, m.place), ..m };
        compared(&recorded, &now).into_iter().map(named).collect()
    };
    let mut found: Vec<Mismatch> = manifest.rows.par_iter().flat_map_iter(differences).collect();
    found.truncate(MAX_REPORTED);
    Ok(found)
}
