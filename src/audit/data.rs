//! What data sets and splits say, held against the metadata as it was given and against the patients.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::AuditError;
use super::walk::Part;
use crate::dataset::{labels, metadata};
use crate::hash::{Hash, Id};
use crate::records::{Assignment, Dataset, ImageRow, Manifest, Record, Split};
use crate::registry::Objects;

/// Differences of one data set that are told one by one.
const TOLD: usize = 10;

/// What is wrong with data sets and splits.
pub(super) fn data(objects: &dyn Objects, parts: &BTreeMap<Hash, Part>) -> Result<Vec<String>, AuditError> {
    let mut wrong = Vec::new();
    for (id, part) in parts {
        match part.kind.as_str() {
            Dataset::KIND => dataset(objects, *id, &mut wrong)?,
            Split::KIND => split(objects, *id, &mut wrong)?,
            _ => {}
        }
    }
    Ok(wrong)
}

/// The manifest says of every image what the metadata says.
fn dataset(objects: &dyn Objects, id: Hash, wrong: &mut Vec<String>) -> Result<(), AuditError> {
    let dataset = objects.get(Id::<Dataset>::new(id))?;
    let manifest: Manifest = objects.get_packed(dataset.manifest)?;
    let patients: HashSet<u32> = manifest.rows.iter().map(|row| row.patient).collect();
    if (manifest.rows.len() as u64, patients.len() as u64) != (dataset.images, dataset.patients) {
        let (images, patients) = (manifest.rows.len(), patients.len());
        wrong.push(format!(
            "data set {}: {images} images of {patients} patients, and it says otherwise",
            id.short()
        ));
    }
    let bytes = objects.bytes(&dataset.metadata.object.hash)?;
    let given = match metadata::read(&bytes, Path::new("metadata")) {
        Ok(given) => given,
        Err(e) => {
            wrong.push(format!("data set {}: {e}", id.short()));
            return Ok(());
        }
    };
    // Bits mean labels by their place.
    if dataset.labels != labels::names() {
        wrong.push(format!("data set {}: its labels are not those of its format", id.short()));
        return Ok(());
    }
    let given: HashMap<u32, &ImageRow> = given.rows.iter().map(|row| (row.row, row)).collect();
    let said = |row: &ImageRow| {
        (row.name.clone(), row.patient, row.follow_up, row.age, row.gender, row.view, row.labels)
    };
    let differs = |row: &&ImageRow| given.get(&row.row).is_none_or(|given| said(given) != said(row));
    let different: Vec<&ImageRow> = manifest.rows.iter().filter(differs).collect();
    wrong.extend(different.iter().take(TOLD).map(|row| {
        format!("data set {}: {} is not as row {} of the metadata has it", id.short(), row.name, row.row)
    }));
    if different.len() > TOLD {
        wrong.push(format!(
            "data set {}: {} more images are not as the metadata has them",
            id.short(),
            different.len() - TOLD
        ));
    }
    Ok(())
}

/// No patient is in two parts of a fold.
fn split(objects: &dyn Objects, id: Hash, wrong: &mut Vec<String>) -> Result<(), AuditError> {
    let split = objects.get(Id::<Split>::new(id))?;
    let manifest = objects.get_packed(objects.get(split.dataset)?.manifest)?;
    let assignment = objects.get_packed(split.assignment)?;
    for (fold, codes) in assignment.folds.iter().enumerate() {
        if codes.len() != manifest.rows.len() {
            wrong.push(format!("split {}: fold {fold} is of {} images", id.short(), codes.len()));
            continue;
        }
        let mut parts: HashMap<u32, u8> = HashMap::new();
        let mut torn = HashSet::new();
        for (row, code) in manifest.rows.iter().zip(codes).filter(|(_, code)| **code != Assignment::UNUSED) {
            if *parts.entry(row.patient).or_insert(*code) != *code
                && torn.insert(row.patient)
                && torn.len() <= TOLD
            {
                wrong.push(format!(
                    "split {}, fold {fold}: patient {} is in two parts",
                    id.short(),
                    row.patient
                ));
            }
        }
    }
    Ok(())
}
