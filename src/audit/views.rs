//! The readable members of a bundle: tables, manifests and splits as CSV, records with line breaks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::AuditError;
use super::remarks::BundleRemarks;
use super::walk::{BundleMember, ObjectSource};
use crate::hash::{Hash, Id};
use crate::records::{
    Assignment, Content, Dataset, Gender, ImageRow, Kind, Manifest, Split, StudyId, Subset, Table,
    ViewPosition,
};
use crate::registry::Objects;
use crate::report::{Format, results};

/// Their folder.
const READABLE: &str = "readable";

/// Name and bytes of each member.
pub(super) fn views(
    source: &dyn ObjectSource,
    root: Hash,
    parts: &BTreeMap<Hash, BundleMember>,
    remarks: &BundleRemarks,
) -> Result<BTreeMap<String, Vec<u8>>, AuditError> {
    let mut files = BTreeMap::new();
    let mut add = |name: String, bytes: Vec<u8>| {
        files.insert(format!("{READABLE}/{name}"), bytes);
    };
    let objects: &dyn Objects = source;
    for (id, part) in parts.iter().filter(|(_, part)| part.kind.record().is_some()) {
        let document: serde_json::Value =
            serde_json::from_slice(&objects.bytes(id)?).expect("records were read as JSON");
        let pretty = serde_json::to_vec_pretty(&document).expect("a document's keys are texts");
        add(format!("{}-{}.json", part.kind, id.short()), pretty);
        match part.kind.record().map(|kind| kind.descriptor().content) {
            Some(Content::Dataset) => {
                let dataset = objects.get(Id::<Dataset>::new(*id))?;
                let manifest = objects.manifest(&dataset)?;
                add(format!("images-{}.csv", id.short()), images(&dataset, &manifest).into_bytes());
            }
            Some(Content::Split) => {
                let split = objects.get(Id::<Split>::new(*id))?;
                let manifest = objects.manifest(&objects.get(split.dataset)?)?;
                let assignment = objects.assignment(&split)?;
                add(format!("split-{}.csv", id.short()), subsets(&manifest, &assignment).into_bytes());
            }
            Some(
                Content::Run
                | Content::Predictions
                | Content::Table
                | Content::Study
                | Content::Withdrawal
                | Content::Document,
            )
            | None => {}
        }
    }
    if parts.get(&root).is_some_and(|part| part.kind.is(Kind::Table)) {
        let withdrawn = remarks.mark.map(|mark| mark.to_string());
        let unknown = remarks.unknown.clone();
        let tables = results::of(&objects.get(Id::<Table>::new(root))?).into_iter();
        let tables: Vec<_> = tables
            .map(|table| crate::report::ReportTable {
                withdrawn: withdrawn.clone(),
                unknown: unknown.clone(),
                ..table
            })
            .collect();
        let render = |format| tables.iter().map(|table| table.render(format)).collect::<Vec<_>>().join("\n");
        add("table.txt".to_owned(), render(Format::Text { width: None, bold: false }).into_bytes());
        add("table.csv".to_owned(), render(Format::Csv).into_bytes());
    }
    Ok(files)
}

/// A field of a CSV, quoted if it contains a delimiter.
fn field(text: &str) -> Cow<'_, str> {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}

/// One row per image. Columns for studies and missing labels exist only if an image has some.
fn images(dataset: &Dataset, manifest: &Manifest) -> String {
    let has_study = manifest.rows.iter().any(|row| row.study.is_some());
    let has_missing = manifest.rows.iter().any(|row| row.labels.missing().next().is_some());
    let mut out = String::from(
        "name,blake3,sha256,bytes,width,height,metadata_row,patient,follow_up,age,gender,view,labels",
    );
    out += if has_missing { ",missing" } else { "" };
    out += if has_study { ",study\n" } else { "\n" };
    for row in &manifest.rows {
        let named = |places: &mut dyn Iterator<Item = usize>| {
            let names: Vec<&str> =
                places.filter_map(|place| dataset.labels.get(place)).map(String::as_str).collect();
            names.join("|")
        };
        let ImageRow { name, bytes, width, height, row: place, patient, .. } = row;
        let (name, patient) = (field(name), field(patient.as_str()));
        let follow_up = row.follow_up.map(|number| number.to_string()).unwrap_or_default();
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
        let labels = named(&mut row.labels.positives());
        let labels = field(&labels);
        let _ = write!(
            out,
            "{name},{blake3},{sha256},{bytes},{width},{height},{place},{patient},{follow_up},{age},{gender},{view},{labels}"
        );
        if has_missing {
            let _ = write!(out, ",{}", field(&named(&mut row.labels.missing())));
        }
        if has_study {
            let _ = write!(out, ",{}", field(row.study.as_ref().map_or("", StudyId::as_str)));
        }
        out.push('\n');
    }
    out
}

/// One row per image, one column per fold.
fn subsets(manifest: &Manifest, assignment: &Assignment) -> String {
    let mut out = String::from("name");
    for fold in 0..assignment.folds.len() {
        let _ = write!(out, ",fold{fold}");
    }
    out.push('\n');
    for (place, row) in manifest.rows.iter().enumerate() {
        out += &field(&row.name);
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
