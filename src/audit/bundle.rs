//! Writes a bundle.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::AuditError;
use super::views::views;
use super::walk::{BundleMember, ObjectSource, walk};
use crate::disk::OutputFile;
use crate::hash::{Digest, Hash, Id};
use crate::index::View;
use crate::lineage::{Mark, Marks};
use crate::records::{Kind, Run, Withdrawal};
use crate::registry::walk::Lineage;
use crate::registry::{Objects, Registry, RegistryError, Withdrawn};

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
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError> {
        self.registry.bytes(id)
    }

    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError> {
        self.registry.runs_of(file)
    }
}

impl Lineage for OfRegistry<'_> {
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(self.view.kind(id)?)
    }

    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, String)>, RegistryError> {
        Ok(self.view.referrers(id)?)
    }
}

impl ObjectSource for OfRegistry<'_> {
    fn withdrawals(&self) -> Result<Vec<(Id<Withdrawal>, Withdrawal)>, AuditError> {
        Ok(self.registry.withdrawals(&self.view)?)
    }
}

/// Writes everything behind `root`, images aside, into one file; without `weights`, checkpoints are named only.
///
/// The file is there as a whole or not at all.
pub fn bundle(registry: &Registry, root: Hash, weights: bool, out: &Path) -> Result<Bundled, AuditError> {
    Registry::refuse_output(out)?;
    let source = OfRegistry { registry, view: registry.view()? };
    if source.view.kind(&root)? == Some(Kind::Study) {
        let name = source.view.names_by_id()?.remove(&root).unwrap_or_else(|| root.short());
        return Err(AuditError::Plan(name));
    }
    let parts = walk(&source, root, weights)?;
    let wrong = || AuditError::io("write", out);
    let mut output = OutputFile::begin(out).map_err(wrong())?;
    let mut file = BufWriter::new(output.file());
    write(&source, root, &parts, weights, &mut file, wrong)?;
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(wrong())?;
    let bytes = file.get_ref().metadata().map_err(wrong())?.len();
    drop(file);
    output.finish().map_err(wrong())?;
    let kept = parts.values().filter(|part| part.kept);
    let records = kept.clone().filter(|part| part.kind.record().is_some()).count();
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

/// What a result has of images that a withdrawal beside it covers.
pub(super) fn mark(
    source: &dyn ObjectSource,
    root: Hash,
    parts: &BTreeMap<Hash, BundleMember>,
) -> Result<Option<Mark>, AuditError> {
    let of_kind = parts.iter().filter(|(_, part)| part.kind.is(Kind::Withdrawal));
    let records = of_kind.map(|(id, _)| Ok((Id::new(*id), <dyn Objects>::get(source, Id::new(*id))?)));
    let records: Result<_, AuditError> = records.collect();
    Ok(Marks::among(source, Withdrawn::of(records?)).of(&root))
}

/// Everything in a bundle but its objects: name and bytes, computed from them.
pub(super) fn derived(
    source: &dyn ObjectSource,
    root: Hash,
    parts: &BTreeMap<Hash, BundleMember>,
    weights: bool,
) -> Result<BTreeMap<String, Vec<u8>>, AuditError> {
    let mut files = views(source, root, parts, mark(source, root, parts)?)?;
    files.insert("README.md".to_owned(), README.replace("ROOT", &root.to_string()).into_bytes());
    files.insert("check.py".to_owned(), CHECK.as_bytes().to_vec());
    let mut listed = Vec::new();
    let mut sums: BTreeMap<String, Digest> =
        files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
    for (id, part) in parts {
        let mut entry = json!({ "id": id, "kind": part.kind.name(), "role": part.role });
        entry["file"] = serde_json::Value::Null;
        if part.kept {
            let digest = Digest::of(&source.bytes(id)?);
            entry["bytes"] = digest.bytes.into();
            entry["sha256"] = json!(digest.sha256);
            entry["file"] = path_of(id).into();
            sums.insert(path_of(id), digest);
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

/// Writes the archive of a bundle: one way to write each, so that the same objects give the same bytes.
pub(super) fn write<W: Write + Seek, F: FnOnce(io::Error) -> AuditError>(
    source: &dyn ObjectSource,
    root: Hash,
    parts: &BTreeMap<Hash, BundleMember>,
    weights: bool,
    out: W,
    wrong: impl Fn() -> F,
) -> Result<W, AuditError> {
    let mut zip = ZipWriter::new(out);
    let mut member = |name: &str, bytes: &[u8]| -> Result<(), AuditError> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(bytes.len() > LARGE);
        zip.start_file(name, options).map_err(|e| wrong()(e.into()))?;
        zip.write_all(bytes).map_err(wrong())
    };
    for (name, bytes) in derived(source, root, parts, weights)? {
        member(&name, &bytes)?;
    }
    for (id, _) in parts.iter().filter(|(_, part)| part.kept) {
        member(&path_of(id), &source.bytes(id)?)?;
    }
    zip.finish().map_err(|e| wrong()(e.into()))
}
