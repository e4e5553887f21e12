//! What of a bundle people read: tables, manifests and splits as CSV, records with line breaks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::AuditError;
use super::walk::{Objects, Part};
use crate::hash::{Hash, Id};
use crate::records::{
    Assignment, Dataset, Gender, ImageRow, KINDS, Manifest, Packed, Record, Split, Subset, Table,
    ViewPosition, codec,
};
use crate::report::{Format, results};

/// Where they lie.
const READABLE: &str = "readable";

/// Reads an object of a bundle as a record.
pub(super) fn record<T: Record>(objects: &mut dyn Objects, id: Id<T>) -> Result<Option<T>, AuditError> {
    let Some(bytes) = objects.read(&id.hash)? else { return Ok(None) };
    codec::decode(&bytes).map(Some).map_err(|source| AuditError::Codec { id: id.hash, source })
}

/// Reads an object of a bundle as a packed array.
pub(super) fn packed<T: Packed>(objects: &mut dyn Objects, id: Id<T>) -> Result<Option<T>, AuditError> {
    let Some(bytes) = objects.read(&id.hash)? else { return Ok(None) };
    codec::unpack(&bytes).map(Some).map_err(|source| AuditError::Codec { id: id.hash, source })
}

/// Name and bytes of each.
pub(super) fn views(
    objects: &mut dyn Objects,
    root: Hash,
    parts: &BTreeMap<Hash, Part>,
) -> Result<BTreeMap<String, Vec<u8>>, AuditError> {
    let mut files = BTreeMap::new();
    let mut add = |name: String, bytes: Vec<u8>| {
        files.insert(format!("{READABLE}/{name}"), bytes);
    };
    for (id, part) in parts.iter().filter(|(_, part)| KINDS.contains(&part.kind.as_str())) {
        let Some(bytes) = objects.read(id)? else { continue };
        let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let pretty = serde_json::to_vec_pretty(&document).expect("a document's keys are texts");
        add(format!("{}-{}.json", part.kind, id.short()), pretty);
        match part.kind.as_str() {
            Dataset::KIND => {
                let Some(dataset) = record::<Dataset>(objects, Id::new(*id))? else { continue };
                let Some(manifest) = packed(objects, dataset.manifest)? else { continue };
                add(format!("images-{}.csv", id.short()), images(&dataset, &manifest).into_bytes());
            }
            Split::KIND => {
                let Some(split) = record::<Split>(objects, Id::new(*id))? else { continue };
                let Some(dataset) = record(objects, split.dataset)? else { continue };
                let manifest: Option<Manifest> = packed(objects, dataset.manifest)?;
                if let (Some(manifest), Some(assignment)) = (manifest, packed(objects, split.assignment)?) {
                    add(format!("split-{}.csv", id.short()), subsets(&manifest, &assignment).into_bytes());
                }
            }
            _ => {}
        }
    }
    if parts.get(&root).is_some_and(|part| part.kind == Table::KIND)
        && let Some(table) = record::<Table>(objects, Id::new(root))?
    {
        let tables = results::of(&table);
        let render = |format| tables.iter().map(|table| table.render(format)).collect::<Vec<_>>().join("\n");
        add("table.txt".to_owned(), render(Format::Text { width: None }).into_bytes());
        add("table.csv".to_owned(), render(Format::Csv).into_bytes());
    }
    Ok(files)
}

/// A row an image. No field needs quotation marks: names are plain, labels hold no comma.
fn images(dataset: &Dataset, manifest: &Manifest) -> String {
    let mut out = String::from(
        "name,blake3,sha256,bytes,width,height,metadata_row,patient,follow_up,age,gender,view,labels\n",
    );
    for row in &manifest.rows {
        let labels: Vec<&str> = (0..)
            .zip(&dataset.labels)
            .filter(|(bit, _)| row.has(*bit))
            .map(|(_, label)| label.as_str())
            .collect();
        let ImageRow { name, bytes, width, height, row: place, patient, follow_up, .. } = row;
        let [blake3, sha256] = match row.object {
            Some(object) => [object.to_string(), row.sha256.digits()],
            None => [String::new(), String::new()],
        };
        let age = row.age.map(|age| age.to_string()).unwrap_or_default();
        let gender = match row.gender {
            Gender::Male => "M",
            Gender::Female => "F",
            Gender::Unknown => "",
        };
        let view = match row.view {
            ViewPosition::PA => "PA",
            ViewPosition::AP => "AP",
            ViewPosition::Unknown => "",
        };
        let labels = labels.join("|");
        let _ = writeln!(
            out,
            "{name},{blake3},{sha256},{bytes},{width},{height},{place},{patient},{follow_up},{age},{gender},{view},{labels}"
        );
    }
    out
}

/// A row an image, a column a fold.
fn subsets(manifest: &Manifest, assignment: &Assignment) -> String {
    let mut out = String::from("name");
    for fold in 0..assignment.folds.len() {
        let _ = write!(out, ",fold{fold}");
    }
    out.push('\n');
    for (place, row) in manifest.rows.iter().enumerate() {
        out += &row.name;
        for fold in &assignment.folds {
            let subset = fold.get(place).and_then(|code| {
                [Subset::Train, Subset::Val, Subset::Test].into_iter().find(|subset| *subset as u8 == *code)
            });
            let _ = write!(out, ",{}", subset.map_or("", Subset::name));
        }
        out.push('\n');
    }
    out
}
