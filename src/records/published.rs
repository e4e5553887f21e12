//! Published numbers that stand beside a comparison.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::File;

/// Published numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedTable {
    /// The original TOML file.
    pub file: File,
    /// One per model.
    pub models: Vec<PublishedModel>,
}

/// The published numbers of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedModel {
    /// Name in the table.
    pub name: String,
    /// Reference of the publication.
    pub source: String,
    /// `official`, the published lists of ChestX-ray14, or a description of how the test images were chosen.
    pub split: String,
    /// Number of test images, if stated.
    pub images: Option<u64>,
    /// Mean AUC.
    pub mean: Option<f64>,
    /// Standard deviation of the mean, if stated.
    pub mean_std: Option<f64>,
    /// Number of labels that the mean covers, if stated.
    pub mean_over: Option<u32>,
    /// AUCs by label.
    pub auc: Vec<PublishedAuc>,
}

/// A published AUC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedAuc {
    /// Label.
    pub label: String,
    /// Its AUC.
    pub auc: f64,
    /// Its standard deviation, if stated.
    pub std: Option<f64>,
}
