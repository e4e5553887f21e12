//! Tables of results. What a table prints is recorded here, with the predictions that it is made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Comparison, Dataset, Predictions};
use crate::hash::Id;

/// A table of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Table {
    /// AUCs of one model on one subset.
    Auc(AucTable),
    /// Several models, each on one or more folds.
    Comparison(Box<Comparison>),
}

/// AUCs of one model on one subset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AucTable {
    /// What is judged.
    pub predictions: Id<Predictions>,
    /// The images whose labels it is judged by.
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
