//! Writes a bundle.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::AuditError;
use super::remarks::remarks;
use super::views::views;
use super::walk::{BundleMember, ObjectSource, walk};
use crate::disk::{FileError, OutputFile};
use crate::hash::{Digest, Hash, Id};
use crate::index::View;
use crate::records::{Kind, Roles, Run, Weights, Withdrawal};
use crate::registry::walk::Lineage;
use crate::registry::{Objects, Registry, RegistryError};
use crate::withdrawal;

/// The format of a bundle, as recorded in its listing.
pub(super) const FORMAT: &str = "reg audit 1";
/// Name of the listing.
pub(super) const LISTING: &str = "bundle.json";
/// Folder of the objects, as in a registry.
const OBJECTS: &str = "objects";
/// A program that checks a bundle with Python alone.
/// The program that checks a bundle without reg. It is in every bundle, and whoever checks a bundle takes it from elsewhere.
pub const CHECK_PROGRAM: &str = include_str!("check.py");
const README: &str = include_str!("README.md");
/// Larger members need ZIP64 fields in the archive.
const LARGE: usize = 1 << 31;

/// The result of writing a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundled {
    /// Number of records in it.
    pub records: u64,
    /// Number of objects in it, including records.
    pub objects: u64,
    /// Number of objects that are referenced but not included, such as weights.
    pub left_out: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Reads objects from a registry.
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

    fn weights_of(&self, file: &Hash) -> Result<Vec<Id<Weights>>, RegistryError> {
        self.registry.weights_of(file)
    }
}

impl Lineage for OfRegistry<'_> {
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(self.view.kind(id)?)
    }

    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, RegistryError> {
        Ok(self.view.referrers(id)?)
    }
}

impl ObjectSource for OfRegistry<'_> {
    fn withdrawals(&self) -> Result<Vec<(Id<Withdrawal>, Withdrawal)>, AuditError> {
        Ok(withdrawal::withdrawals(self.registry, &self.view)?)
    }
}

/// Writes the whole lineage of `root` except images into one file; without `weights`, checkpoints are only
/// referenced.
///
/// The file is written completely or not at all.
pub fn bundle(registry: &Registry, root: Hash, weights: bool, out: &Path) -> Result<Bundled, AuditError> {
    Registry::refuse_output(out)?;
    let source = OfRegistry { registry, view: registry.view()? };
    if source.view.kind(&root)? == Some(Kind::Study) {
        let name = source.view.names_by_id()?.remove(&root).unwrap_or_else(|| root.short());
        return Err(AuditError::Plan(name));
    }
    let parts = walk(&source, root, weights)?;
    let wrong = |e| AuditError::Io(FileError::new("write", out, e));
    let mut output = OutputFile::begin(out).map_err(wrong)?;
    let mut file = BufWriter::new(output.file());
    write(&source, root, &parts, weights, &mut file, wrong)?;
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(wrong)?;
    let bytes = file.get_ref().metadata().map_err(wrong)?.len();
    drop(file);
    output.finish().map_err(wrong)?;
    let kept = parts.values().filter(|part| part.kept);
    let records = kept.clone().filter(|part| part.kind.record().is_some()).count();
    let (records, objects) = (records as u64, kept.count() as u64);
    Ok(Bundled { records, objects, left_out: parts.len() as u64 - objects, bytes })
}

/// Path of an object in a bundle.
pub(super) fn path_of(id: &Hash) -> String {
    let digits = id.to_string();
    format!("{OBJECTS}/{}/{}", &digits[..2], &digits[2..])
}

/// The id of the object at a path.
pub(super) fn object_at(path: &str) -> Option<Hash> {
    let digits = path.strip_prefix(OBJECTS)?.strip_prefix('/')?.replacen('/', "", 1);
    let id: Hash = digits.parse().ok()?;
    (path_of(&id) == path).then_some(id)
}

/// All members of a bundle except for its objects: names and bytes, computed from the objects.
pub(super) fn derived(
    source: &dyn ObjectSource,
    root: Hash,
    parts: &BTreeMap<Hash, BundleMember>,
    weights: bool,
) -> Result<BTreeMap<String, Vec<u8>>, AuditError> {
    let mut files = views(source, root, parts, &remarks(source, root, parts)?)?;
    files.insert("README.md".to_owned(), README.replace("ROOT", &root.to_string()).into_bytes());
    files.insert("check.py".to_owned(), CHECK_PROGRAM.as_bytes().to_vec());
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
    // In the form that `b3sum --check` and `sha256sum --check` read.
    let lines = |of: &dyn Fn(&Digest) -> String| -> Vec<u8> {
        sums.iter().flat_map(|(name, digest)| format!("{}  {name}\n", of(digest)).into_bytes()).collect()
    };
    files.insert("b3sums.txt".to_owned(), lines(&|digest| digest.blake3.to_string()));
    files.insert("sha256sums.txt".to_owned(), lines(&|digest| digest.sha256.digits()));
    Ok(files)
}

/// Writes the archive of a bundle in the one permitted form, so that the same objects give the same bytes.
pub(super) fn write<W: Write + Seek, F: Fn(io::Error) -> AuditError>(
    source: &dyn ObjectSource,
    root: Hash,
    parts: &BTreeMap<Hash, BundleMember>,
    weights: bool,
    out: W,
    wrong: F,
) -> Result<W, AuditError> {
    let mut zip = ZipWriter::new(out);
    let mut member = |name: &str, bytes: &[u8]| -> Result<(), AuditError> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(bytes.len() > LARGE);
        zip.start_file(name, options).map_err(|e| wrong(e.into()))?;
        zip.write_all(bytes).map_err(&wrong)
    };
    for (name, bytes) in derived(source, root, parts, weights)? {
        member(&name, &bytes)?;
    }
    for (id, _) in parts.iter().filter(|(_, part)| part.kept) {
        member(&path_of(id), &source.bytes(id)?)?;
    }
    zip.finish().map_err(|e| wrong(e.into()))
}
