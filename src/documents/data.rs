//! Documents of the commands that bring data in and divide it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::schema;
use crate::hash::{Hash, Id};
use crate::records::{Dataset, FoldSizes, Run, Split, SplitMethod, Table, TrainingData, Weights};

pub(super) fn add(all: &mut Vec<(&'static str, Value)>) {
    all.push(("init", schema::<Init>("reg init", false)));
    all.push(("demo", schema::<Demo>("reg demo", false)));
    all.push(("ingest", schema::<Ingest>("reg ingest", false)));
    all.push(("dataset-stats", schema::<DatasetStats>("reg dataset stats", false)));
    all.push(("dataset-export", schema::<Exported>("reg dataset export", false)));
    all.push(("split-make", schema::<SplitMade>("reg split make", false)));
    all.push(("split-import", schema::<SplitMade>("reg split import", false)));
    all.push(("split-show", schema::<SplitShown>("reg split show", false)));
    all.push(("split-check", schema::<SplitChecked>("reg split check", false)));
    all.push(("weights-import", schema::<WeightsImported>("reg weights import", false)));
}

#[derive(Serialize, JsonSchema)]
struct Init {
    /// Path of the registry.
    registry: String,
    /// Who else may write to it; null for nobody.
    shared: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Demo {
    /// The synthetic data set.
    dataset: Id<Dataset>,
    /// Its split.
    split: Id<Split>,
    /// The runs.
    runs: Vec<Id<Run>>,
    /// Their comparison.
    table: Id<Table>,
}

#[derive(Serialize, JsonSchema)]
struct Ingest {
    /// The data set.
    id: Id<Dataset>,
    /// Number of images.
    images: u64,
    /// Number of different patients.
    patients: u64,
    /// Bytes of the images.
    bytes: u64,
    /// Objects that the registry did not have.
    new_objects: u64,
    /// Files that were not read again, because they had not changed.
    unchanged: u64,
    /// Metadata rows without an image.
    missing: u64,
    /// Metadata rows that were left out because their images were withdrawn.
    withdrawn: u64,
    /// Oddities of the data, a sentence each.
    findings: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct DatasetStats {
    /// The data set.
    id: Id<Dataset>,
    /// Images.
    images: u64,
    /// Different patients.
    patients: u64,
    /// Mean, deviation, extremes and histogram of the ages.
    age: Value,
    /// Images by gender.
    gender: Value,
    /// Images by view position.
    view: Value,
    /// Positives and prevalence of each label.
    labels: BTreeMap<String, Value>,
    /// Mean number of positive pathologies per image; null without images.
    findings_per_image: Option<f64>,
    /// The recorded table, with --name.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Id<Table>>,
    /// Files of figures, with --svg.
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<Vec<PathBuf>>,
}

#[derive(Serialize, JsonSchema)]
struct Exported {
    /// What was exported.
    id: Hash,
    /// The folder.
    folder: PathBuf,
    /// The files in it.
    files: Vec<PathBuf>,
}

#[derive(Serialize, JsonSchema)]
struct SplitMade {
    /// The split.
    id: Id<Split>,
    /// Its method.
    method: SplitMethod,
    /// Images and patients of the subsets of each fold.
    folds: Vec<FoldSizes>,
    /// Oddities of the lists, a sentence each.
    findings: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct SplitShown {
    /// The split.
    id: Id<Split>,
    /// The divided data set.
    dataset: Id<Dataset>,
    /// Its method.
    method: SplitMethod,
    /// Sizes of the subsets of each fold, and positives and prevalence of each label in them.
    folds: Vec<BTreeMap<String, ShownSubset>>,
}

#[derive(Serialize, JsonSchema)]
struct ShownSubset {
    /// Number of images.
    images: u64,
    /// Number of patients.
    patients: u64,
    /// Positives and prevalence, by label.
    labels: BTreeMap<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct SplitChecked {
    /// The split.
    id: Id<Split>,
    /// Patients and images that are in two subsets.
    leaks: Vec<SplitLeak>,
    /// The record of the hashes of pixels that were compared; null if none are known.
    pixel_hashes: Option<String>,
    /// Of how many images patients, bytes and pixels were compared.
    compared: ComparedImages,
}

#[derive(Serialize, JsonSchema)]
struct SplitLeak {
    /// `patient`, `bytes` or `pixels`.
    kind: String,
    /// The fold.
    fold: u32,
    /// The patient, of a leak of that kind.
    patient: Option<String>,
    /// The subsets.
    subsets: Vec<String>,
    /// The images.
    images: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct ComparedImages {
    /// Images whose patients were compared.
    patients: u64,
    /// Images whose files were compared.
    bytes: u64,
    /// Images whose pixels were compared.
    pixels: u64,
}

#[derive(Serialize, JsonSchema)]
struct WeightsImported {
    /// The weights.
    id: Id<Weights>,
    /// Number of tensors.
    tensors: u64,
    /// Number of values in them.
    parameters: u64,
    /// What they were trained on, as far as it was declared.
    trained_on: Vec<TrainingData>,
    /// What was converted, left over or is missing, a sentence each.
    notes: Vec<String>,
}
