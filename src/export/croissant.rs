//! A data set as Croissant 1.0 (MLCommons): `croissant.json`, the tables that it describes, and the images.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::sheet::ColumnValues;
use super::tables::{IMAGE, IMAGES};
use super::{ExportError, ExportFolder, FileFormat, Sheet, dataset_sheets};
use crate::dataset::formats::ImageFormat;
use crate::dataset::jpeg;
use crate::digits::counted;
use crate::hash::Id;
use crate::index::View;
use crate::records::{Dataset, ImageRow, Split};
use crate::registry::Registry;
use crate::store::LinkMode;
use crate::withdrawal::Withdrawn;

const FILES: &str = "image-files";

/// Writes a data set including its images, so that `mlcroissant` can read it from this folder; with `split`,
/// including the subset of each image in each fold.
///
/// # Errors
/// Among others, damaged, missing or withdrawn images.
pub fn croissant(
    registry: &Registry,
    view: &View,
    id: Id<Dataset>,
    split: Option<Id<Split>>,
    link: LinkMode,
    folder: &ExportFolder,
) -> Result<(), ExportError> {
    let dataset = registry.get(id)?;
    let manifest = registry.manifest(&dataset)?;
    let withdrawn = Withdrawn::known(registry, view)?;
    let rows = withdrawn.rows(&manifest);
    if let Some((_, record)) = rows.first().and_then(|row| withdrawn.of_row(&manifest.rows[*row as usize])) {
        let why = format!("{}: {}", record.subject, record.reason);
        return Err(ExportError::Withdrawn { dataset: id.hash, images: rows.len(), why });
    }
    let (mut distribution, mut records) = (Vec::new(), Vec::new());
    let has_missing = manifest.rows.iter().any(|row| row.labels.missing().next().is_some());
    let has_files = manifest.rows.iter().any(|row| row.object.is_some());
    if has_files {
        let formats: BTreeSet<&str> = manifest.rows.iter().filter_map(|row| format(registry, row)).collect();
        // A data set of one format, as nearly all are, is described by a word.
        let formats = match formats.len() {
            1 => json!(formats.first()),
            _ => json!(formats),
        };
        distribution.push(json!({
            "@type": "cr:FileSet",
            "@id": FILES,
            "name": FILES,
            "encodingFormat": formats,
            "includes": format!("{IMAGES}/*"),
        }));
    }
    for sheet in dataset_sheets(registry, view, id, split)? {
        let file = format!("{}.csv", sheet.name);
        let bytes = sheet.render(FileFormat::Csv);
        folder.write(&file, &bytes)?;
        distribution.push(json!({
            "@type": "cr:FileObject",
            "@id": file,
            "name": file,
            "contentUrl": file,
            "contentSize": format!("{} B", bytes.len()),
            "encodingFormat": "text/csv",
            "sha256": crate::hash::Digest::of(&bytes).sha256.digits(),
        }));
        records.push(record_set(&sheet, &file, has_files && sheet.name == IMAGES));
    }
    for row in &manifest.rows {
        if let Some(object) = &row.object {
            folder.object(registry.store(), object, &format!("{IMAGES}/{}", row.name), link)?;
        }
    }
    let name = view.names_by_id()?.remove(&id.hash).unwrap_or_else(|| id.hash.short());
    let about = format!(
        "{} of {} in the format of {}; data set {} of a reg registry. The column of a label is true \
         if the image has the label{}.",
        counted(dataset.images, "image"),
        counted(dataset.patients, "patient"),
        dataset.source,
        id,
        if has_missing { " and empty if that is unknown" } else { "" }
    );
    let document = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": about,
        "distribution": distribution,
        "recordSet": records,
    });
    let text = serde_json::to_string_pretty(&document).expect("a document's keys are texts") + "\n";
    folder.write("croissant.json", text.as_bytes())
}

/// The media type of an image, by the first bytes of its file.
fn format(registry: &Registry, row: &ImageRow) -> Option<&'static str> {
    let start = registry.store().head(&row.object?).ok()?;
    let format = if jpeg::is_jpeg(&start) { ImageFormat::Jpeg } else { ImageFormat::Png };
    Some(format.media_type())
}

/// The rows of a sheet; `with_content` joins each to its image file.
fn record_set(sheet: &Sheet, file: &str, with_content: bool) -> Value {
    let id = |column: &str| format!("{}/{}", sheet.name, column.replace([' ', '#'], "_"));
    let mut fields: Vec<Value> = sheet
        .columns
        .iter()
        .map(|column| {
            let kind = match &column.values {
                ColumnValues::Text(_) => "sc:Text",
                // Readers have no missing value for integers.
                ColumnValues::Integer(values) if values.contains(&None) => "sc:Float",
                ColumnValues::Integer(_) => "sc:Integer",
                ColumnValues::Number(_) => "sc:Float",
                ColumnValues::Truth(_) => "sc:Boolean",
            };
            json!({
                "@type": "cr:Field",
                "@id": id(&column.name),
                "name": id(&column.name),
                "description": column.name,
                "dataType": kind,
                "source": { "fileObject": { "@id": file }, "extract": { "column": column.name } },
            })
        })
        .collect();
    if with_content {
        let source =
            |property: &str| json!({ "fileSet": { "@id": FILES }, "extract": { "fileProperty": property } });
        fields.push(json!({
            "@type": "cr:Field",
            "@id": id("file"),
            "name": id("file"),
            "description": "Name of the image file",
            "dataType": "sc:Text",
            "source": source("filename"),
            "references": { "fileObject": { "@id": file }, "extract": { "column": IMAGE } },
        }));
        fields.push(json!({
            "@type": "cr:Field",
            "@id": id("content"),
            "name": id("content"),
            "description": "The image",
            "dataType": "sc:ImageObject",
            "source": source("content"),
        }));
    }
    json!({ "@type": "cr:RecordSet", "@id": sheet.name, "name": sheet.name, "field": fields })
}

/// The context that the format prescribes.
fn context() -> Value {
    serde_json::from_str(include_str!("croissant.json"))
        .expect("the file is JSON, which a test of every export checks")
}
