//! Writes a bundle.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::AuditError;
use super::views::views;
use super::walk::{Objects, Part, walk};
use crate::disk;
use crate::hash::{Digest, Hash};
use crate::index::View;
use crate::records::{Execution, Record, Study};
use crate::registry::Registry;

/// What a bundle says of its own format.
pub(super) const FORMAT: &str = "reg audit 1";
/// The listing.
pub(super) const LISTING: &str = "bundle.json";
/// Where objects lie, as in a registry.
const OBJECTS: &str = "objects";
/// Checks a bundle with nothing but Python.
const CHECK: &str = include_str!("check.py");
const README: &str = include_str!("README.md");
/// Larger members need longer fields in the archive.
const LARGE: usize = 1 << 31;

/// A bundle that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundled {
    /// Records in it.
    pub records: u64,
    /// Objects in it, records among them.
    pub objects: u64,
    /// Objects that are named in it and not part of it, such as weights.
    pub left_out: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Where objects of a registry are read.
struct OfRegistry<'a> {
    registry: &'a Registry,
    view: View,
}

impl Objects for OfRegistry<'_> {
    fn read(&mut self, id: &Hash) -> Result<Option<Vec<u8>>, AuditError> {
        Ok(Some(self.registry.store().read(id)?))
    }

    fn executions(&mut self, made: &Hash) -> Result<Vec<Hash>, AuditError> {
        let mut found = Vec::new();
        for (from, _) in self.view.referrers(made)? {
            if self.view.kind(&from)?.as_deref() == Some(Execution::KIND) {
                found.push(from);
            }
        }
        Ok(found)
    }
}

/// Writes everything behind `root`, images aside, into one file; without `weights`, checkpoints are named only.
///
/// The file is there as a whole or not at all.
pub fn bundle(registry: &Registry, root: Hash, weights: bool, out: &Path) -> Result<Bundled, AuditError> {
    let mut objects = OfRegistry { registry, view: registry.view()? };
    if objects.view.kind(&root)?.as_deref() == Some(Study::KIND) {
        let name = objects.view.names_by_id()?.remove(&root).unwrap_or_else(|| root.short());
        return Err(AuditError::Plan(name));
    }
    let parts = walk(&mut objects, root, weights)?;
    let part = disk::part_of(out);
    let written = write(&mut objects, root, &parts, weights, [&part, out])
        .and_then(|()| fs::rename(&part, out).map_err(AuditError::io("write", out)));
    if let Err(e) = written {
        let _ = fs::remove_file(&part);
        return Err(e);
    }
    let bytes = fs::metadata(out).map_err(AuditError::io("read", out))?.len();
    let kept = parts.values().filter(|part| part.kept);
    let records = kept.clone().filter(|part| crate::records::KINDS.contains(&part.kind.as_str())).count();
    let (records, objects) = (records as u64, kept.count() as u64);
    Ok(Bundled { records, objects, left_out: parts.len() as u64 - objects, bytes })
}

/// Where an object lies in a bundle.
pub(super) fn path_of(id: &Hash) -> String {
    let digits = id.to_string();
    format!("{OBJECTS}/{}/{}", &digits[..2], &digits[2..])
}

/// The id of the object that lies there.
pub(super) fn object_at(path: &str) -> Option<Hash> {
    let digits = path.strip_prefix(OBJECTS)?.strip_prefix('/')?.replacen('/', "", 1);
    let id: Hash = digits.parse().ok()?;
    (path_of(&id) == path).then_some(id)
}

/// Everything in a bundle but its objects: name and bytes, computed from them.
pub(super) fn derived(
    objects: &mut dyn Objects,
    root: Hash,
    parts: &BTreeMap<Hash, Part>,
    weights: bool,
) -> Result<BTreeMap<String, Vec<u8>>, AuditError> {
    let mut files = views(objects, root, parts)?;
    files.insert("README.md".to_owned(), README.replace("ROOT", &root.to_string()).into_bytes());
    files.insert("check.py".to_owned(), CHECK.as_bytes().to_vec());
    let mut listed = Vec::new();
    let mut sums: BTreeMap<String, Digest> =
        files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
    for (id, part) in parts {
        let mut entry = json!({ "id": id, "kind": part.kind, "role": part.role });
        match part.kept.then(|| objects.read(id)).transpose()?.flatten() {
            Some(bytes) => {
                let digest = Digest::of(&bytes);
                entry["bytes"] = digest.bytes.into();
                entry["sha256"] = json!(digest.sha256);
                entry["file"] = path_of(id).into();
                sums.insert(path_of(id), digest);
            }
            None => entry["file"] = serde_json::Value::Null,
        }
        listed.push(entry);
    }
    let listing = json!({ "format": FORMAT, "root": root, "weights": weights, "objects": listed });
    let listing = serde_json::to_vec_pretty(&listing).expect("a document's keys are texts");
    sums.insert(LISTING.to_owned(), Digest::of(&listing));
    files.insert(LISTING.to_owned(), listing);
    // As `b3sum --check` and `sha256sum --check` read them.
    let lines = |of: &dyn Fn(&Digest) -> String| -> Vec<u8> {
        sums.iter().flat_map(|(name, digest)| format!("{}  {name}\n", of(digest)).into_bytes()).collect()
    };
    files.insert("b3sums.txt".to_owned(), lines(&|digest| digest.blake3.to_string()));
    files.insert("sha256sums.txt".to_owned(), lines(&|digest| digest.sha256.digits()));
    Ok(files)
}

fn write(
    objects: &mut dyn Objects,
    root: Hash,
    parts: &BTreeMap<Hash, Part>,
    weights: bool,
    [path, out]: [&Path; 2],
) -> Result<(), AuditError> {
    let wrong = || AuditError::io("write", out);
    let file = File::create(path).map_err(wrong())?;
    let mut zip = ZipWriter::new(BufWriter::new(file));
    let mut member = |name: &str, bytes: &[u8]| -> Result<(), AuditError> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(bytes.len() > LARGE);
        zip.start_file(name, options).map_err(|e| wrong()(e.into()))?;
        zip.write_all(bytes).map_err(wrong())
    };
    for (name, bytes) in derived(objects, root, parts, weights)? {
        member(&name, &bytes)?;
    }
    for (id, _) in parts.iter().filter(|(_, part)| part.kept) {
        if let Some(bytes) = objects.read(id)? {
            member(&path_of(id), &bytes)?;
        }
    }
    let mut out = zip.finish().map_err(|e| wrong()(e.into()))?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(wrong())
}
