//! Recomputes data sets from their metadata, splits from their seed and weights from their file; checks the
//! references of specs and software.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;

use super::RecomputeError;
use crate::dataset::matching::ImageNames;
use crate::dataset::pixel_hashes::pixel_hash;
use crate::dataset::pixels::decode;
use crate::dataset::{boxes, labels, lists, metadata};
use crate::hash::{Digest, Hash, Id};
use crate::recognise::FileKind;
use crate::records::tensors::{parameters, sizes as tensors};
use crate::records::{
    Dataset, File, ImageRow, MAX_REPORTED, Manifest, Mismatch, PixelHashes, Software, Spec, Split,
    SplitMethod, Weights, compared, differences, is_source_line,
};
use crate::registry::{Objects, Registry};
use crate::split::{draw, official, sizes};
use crate::training::RunError;

/// An imported file as stored, with recomputed hashes.
fn file(objects: &dyn Objects, recorded: &File) -> Result<(File, Vec<u8>), RecomputeError> {
    let bytes = objects.bytes(&recorded.object.hash)?;
    Ok((Digest::of(&bytes).into(), bytes))
}

/// Recomputes everything except for the images, which the manifest identifies by their hashes.
///
/// `None` if the metadata has a format that reg does not read, provided that the counts of the manifest are
/// right.
pub(super) fn dataset(
    objects: &dyn Objects,
    id: Id<Dataset>,
) -> Result<Option<Vec<Mismatch>>, RecomputeError> {
    let recorded = objects.get(id)?;
    let manifest: Manifest = objects.packed_alone(recorded.manifest)?;
    if let Err(reason) = recorded.check_manifest(&manifest) {
        return Ok(Some(Mismatch::of("manifest", reason, "a value for each label").into_iter().collect()));
    }
    if recorded.source != metadata::SOURCE {
        let metadata_only = manifest.rows.iter().all(|row| row.object.is_none());
        let found = compared(&recorded, &Dataset { metadata_only, ..recorded.clone().counted(&manifest) });
        return Ok((!found.is_empty()).then_some(found));
    }
    let (metadata, bytes) = file(objects, &recorded.metadata)?;
    let given = metadata::read(&bytes, Path::new("the metadata"))?.rows;
    let left_out = manifest.rows.len() as u64 + recorded.withdrawn.unwrap_or(0);
    let mut now = Dataset {
        metadata,
        // Label values are identified by their position.
        labels: labels::names(),
        no_finding: Some(labels::NO_FINDING.to_owned()),
        metadata_only: manifest.rows.iter().all(|row| row.object.is_none()),
        missing: (given.len() as u64).saturating_sub(left_out),
        ..recorded.clone().counted(&manifest)
    };
    if let Some(list) = &recorded.boxes_file {
        let (list, bytes) = file(objects, list)?;
        let path = Path::new("the list of boxes");
        let found = boxes::of_manifest(&boxes::read(&bytes, path)?, &manifest, recorded.box_size, path)?;
        let boxes = found.boxes;
        (now.boxes_file, now.boxes) = (Some(list), Some(Registry::id_of_packed(&boxes)?));
    } else {
        now.boxes = None;
    }
    let mut found = compared(&recorded, &now);
    let given: HashMap<u32, &ImageRow> = given.iter().map(|row| (row.row, row)).collect();
    for row in &manifest.rows {
        // Fields from the image file are not in the metadata.
        let ImageRow { object, sha256, bytes, width, height, .. } = *row;
        let now = given.get(&row.row);
        let now = now.map(|given| ImageRow { object, sha256, bytes, width, height, ..(*given).clone() });
        if now.as_ref() != Some(row) && found.len() < MAX_REPORTED {
            let [row_now, recorded] = [now.as_ref(), Some(row)].map(shown);
            differences(
                &format!("{} in row {} of the metadata", row.name, row.row),
                &recorded,
                &row_now,
                &mut found,
            );
        }
    }
    Ok(Some(found))
}

/// A row with its labels, for a message.
fn shown(row: Option<&ImageRow>) -> serde_json::Value {
    let mut shown = serde_json::to_value(row).unwrap_or_default();
    if let (Some(shown), Some(row)) = (shown.as_object_mut(), row) {
        shown.insert("labels".to_owned(), format!("{:?}", row.labels).into());
    }
    shown
}

/// Images that are decoded at a time.
const DECODED_AT_ONCE: usize = 64;

/// Decodes all images that are there again: an audit bundle may lack them, and a purged one is gone.
pub(super) fn pixels(objects: &dyn Objects, id: Id<PixelHashes>) -> Result<Vec<Mismatch>, RecomputeError> {
    let recorded = objects.get(id)?;
    let rows = objects.manifest(&objects.get(recorded.dataset)?)?.rows;
    let digests = objects.pixel_digests(&recorded)?.rows;
    let mut found = Vec::new();
    let rows: Vec<_> = rows.iter().zip(digests).collect();
    for rows in rows.chunks(DECODED_AT_ONCE) {
        let read = rows.iter().filter_map(|(row, digest)| {
            let object = row.object.filter(|object| !objects.lacks(object))?;
            Some((*row, *digest, objects.bytes(&object).ok()?))
        });
        let read: Vec<_> = read.collect();
        let hash = |(row, digest, bytes): &(&ImageRow, Option<Hash>, Vec<u8>)| {
            let now = decode(bytes).ok().map(|image| pixel_hash(&image));
            Mismatch::of(&format!("pixels of {}", row.name), digest, now)
        };
        found.extend(read.par_iter().filter_map(hash).collect::<Vec<_>>());
    }
    found.truncate(MAX_REPORTED);
    Ok(found)
}

/// Recomputes the subset of every image in every fold.
pub(super) fn split(objects: &dyn Objects, id: Id<Split>) -> Result<Vec<Mismatch>, RecomputeError> {
    let recorded = objects.get(id)?;
    let rows = objects.manifest(&objects.get(recorded.dataset)?)?.rows;
    let (method, assignment) = match &recorded.method {
        SplitMethod::Official { train_val, test, val_fraction, seed } => {
            let ((train_val, first), (test, second)) = (file(objects, train_val)?, file(objects, test)?);
            let (names, path) = (ImageNames::of(&rows), Path::new("a list of the split"));
            let find = |bytes: &[u8]| lists::find(&lists::read(bytes, path)?, &names, path);
            let divided = official(&rows, &find(&first)?, &find(&second)?, *val_fraction, *seed)?;
            let (val_fraction, seed) = (*val_fraction, *seed);
            (SplitMethod::Official { train_val, test, val_fraction, seed }, divided.assignment)
        }
        method => {
            let drawn = draw(&rows, method, recorded.folds.len() as u32);
            (method.clone(), drawn.expect("every method but that by lists is drawn")?)
        }
    };
    let folds = sizes(&rows, &assignment);
    let now = Split { method, assignment: Registry::id_of_packed(&assignment)?, folds, ..recorded.clone() };
    Ok(compared(&recorded, &now))
}

/// Checks hashes and sizes of a weights file, and that the recorded runs left it.
pub(super) fn weights(objects: &dyn Objects, id: Id<Weights>) -> Result<Vec<Mismatch>, RecomputeError> {
    let recorded = objects.get(id)?;
    let mut runs = Vec::new();
    for run in &recorded.runs {
        let left = objects.get(*run)?;
        let mut files =
            left.files.iter().map(|file| file.object.hash).chain(left.checkpoint.map(|of| of.hash));
        if files.any(|file| file == recorded.file.object.hash) {
            runs.push(*run);
        }
    }
    runs.sort_unstable();
    runs.dedup();
    // An audit bundle may contain only a reference to the file.
    if objects.lacks(&recorded.file.object.hash) {
        return Ok(compared(&recorded, &Weights { runs, ..recorded.clone() }));
    }
    let (file, bytes) = file(objects, &recorded.file)?;
    let wrong = |reason| RunError::NotSafetensors {
        path: recorded.file.object.to_string().into(),
        reason,
        kind: FileKind::Safetensors,
    };
    let held = tensors(&bytes).map_err(wrong)?;
    let parameters = parameters(&held);
    let now = Weights { file, runs, tensors: held.len() as u64, parameters, ..recorded.clone() };
    Ok(compared(&recorded, &now))
}

/// Checks that all references are of the right kind, and that the split belongs to the data set.
pub(super) fn spec(objects: &dyn Objects, id: Id<Spec>) -> Result<Vec<Mismatch>, RecomputeError> {
    let spec = objects.get(id)?;
    objects.get(spec.dataset())?;
    if let Some(weights) = spec.weights() {
        objects.get(weights)?;
    }
    let split = objects.get(spec.split())?;
    let mut found = Vec::new();
    if split.dataset != spec.dataset() {
        found.extend(Mismatch::of("dataset", spec.dataset(), split.dataset));
    }
    let folds = split.folds.len() as u32;
    if spec.fold() >= folds {
        found.extend(Mismatch::of("fold", spec.fold(), format!("below {folds}")));
    }
    Ok(found)
}

/// Checks that the sources are a list of hashes and paths.
pub(super) fn software(objects: &dyn Objects, id: Id<Software>) -> Result<Vec<Mismatch>, RecomputeError> {
    let software = objects.get(id)?;
    let bytes = objects.bytes(&software.sources.hash)?;
    let text = String::from_utf8_lossy(&bytes);
    let odd = text.lines().find(|line| !is_source_line(line)).or(text.is_empty().then_some(""));
    Ok(odd
        .and_then(|line| Mismatch::of("sources", line, "a hash, two spaces and a path"))
        .into_iter()
        .collect())
}
