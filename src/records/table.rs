//! Tables of results. What a table prints is recorded here, with the predictions that it is made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Comparison, Dataset, Heat, Pointing, Predictions, ProbeTable};
use crate::hash::Id;

/// A table of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Table {
    /// AUCs of one model on one subset.
    Auc(AucTable),
    /// What a data set holds.
    Dataset(DatasetTable),
    /// Several models, each on one or more folds.
    Comparison(Box<Comparison>),
    /// What a model's frozen features know.
    Probe(Box<ProbeTable>),
    /// Where a network looked in one image.
    Heat(Box<Heat>),
    /// Whether a network looks where boxes are annotated.
    Pointing(Box<Pointing>),
}

/// AUCs of one model on one subset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AucTable {
    /// The evaluated predictions.
    pub predictions: Id<Predictions>,
    /// The data set of the labels.
    pub dataset: Id<Dataset>,
    /// A label each.
    pub labels: Vec<LabelAuc>,
    /// Mean of the defined AUCs.
    pub mean: Option<f64>,
    /// How many AUCs the mean covers.
    pub mean_over: u32,
    /// Version of reg that computed it.
    pub reg: String,
}

/// The AUC of one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelAuc {
    /// Name.
    pub label: String,
    /// Area under the receiver operating characteristic; null where a class is missing.
    pub auc: Option<f64>,
    /// Images with the label.
    pub positives: u64,
    /// Images without.
    pub negatives: u64,
}

/// What a data set holds, counted: tables 2 and 3 and figure 3 of the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetTable {
    /// What is counted.
    pub dataset: Id<Dataset>,
    /// Images.
    pub images: u64,
    /// Different patients.
    pub patients: u64,
    /// Images of male patients, of female ones, of others.
    pub gender: [u64; 3],
    /// Images taken from back to front (PA), from front to back (AP), otherwise.
    pub view: [u64; 3],
    /// Mean plausible age in years; null without one.
    pub age_mean: Option<f64>,
    /// Its sample standard deviation (divisor n - 1); null below two.
    pub age_std: Option<f64>,
    /// Figure 3: images by two years of age, without a gap, those without a plausible age left out.
    pub ages: Vec<AgeCount>,
    /// Smallest plausible age; null without one.
    pub age_min: Option<i32>,
    /// Largest plausible age; null without one.
    pub age_max: Option<i32>,
    /// Images with an age below 0 or above 120.
    pub impossible_ages: u64,
    /// Images without an age.
    pub missing_ages: u64,
    /// A label each.
    pub labels: Vec<LabelPrevalence>,
    /// Mean number of positive pathologies of an image; null without images.
    pub findings_per_image: Option<f64>,
    /// Version of reg that counted.
    pub reg: String,
}

/// Images in two years of age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgeCount {
    /// Smallest age in years.
    pub from: i32,
    /// Smallest age of the next.
    pub to: i32,
    /// Images.
    pub images: u64,
}

/// How often a label is positive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelPrevalence {
    /// Name.
    pub label: String,
    /// Images with the label.
    pub positives: u64,
    /// Their share of all images, from 0 to 1; null without images.
    pub prevalence: Option<f64>,
}
