//! Numbers of a comparison besides the AUCs over all images: further metrics, and groups of patients.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StdError;

/// Metrics of one model, label and fold besides the AUC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricRow {
    /// The model.
    pub model: String,
    /// Label.
    pub label: String,
    /// Fold; null for scores outside of a fold.
    pub fold: Option<u32>,
    /// The seed, if the fold has several; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub seed: Option<u64>,
    /// Number of images with the label.
    pub positives: u64,
    /// Number of images without the label.
    pub negatives: u64,
    /// Number of patients with an image that has the label.
    pub positive_patients: u64,
    /// Share of the images with the label among those whose label is known: the average precision of random
    /// scores.
    pub prevalence: Option<f64>,
    /// Average precision; null where a class is missing.
    pub average_precision: Option<f64>,
    /// Score of the operating point on the validation images, by default that with the largest Youden index; null
    /// without predictions of them, or if no score reaches the target.
    pub threshold: Option<f64>,
    /// The same as a probability; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub threshold_probability: Option<f64>,
    /// Share of the positives at or above the threshold.
    pub sensitivity: Option<f64>,
    /// Share of the negatives below the threshold.
    pub specificity: Option<f64>,
    /// Share of positives among the images at or above the threshold.
    pub ppv: Option<f64>,
    /// Share of negatives among the images below the threshold.
    pub npv: Option<f64>,
    /// Mean squared difference between probability and true value.
    pub brier: Option<f64>,
    /// Expected calibration error over the bins.
    pub ece: Option<f64>,
    /// The line that calibrates the logits; null where its slope has no finite value: without both classes, if the scores
    /// separate them, or for a probability of 0 or 1.
    pub line: Option<LineOfCalibration>,
    /// Bootstrap intervals (by patient), if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MetricIntervals")]
    pub intervals: Option<MetricIntervals>,
    /// Bins of equal width from 0 to 1; an edge belongs to the bin below.
    pub bins: Vec<CalibrationBin>,
}

/// The line that calibrates the logits of a model: a logistic regression of the truth on them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineOfCalibration {
    /// Intercept with the slope fixed at 1: above 0 probabilities are too low.
    pub in_the_large: f64,
    /// Intercept beside the slope.
    pub intercept: f64,
    /// Slope: below 1 probabilities are too extreme.
    pub slope: f64,
}

/// Percentile intervals of metrics over the resamples of a bootstrap within the strata of positive and other patients;
/// null with too few patients of a class, or without width.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricIntervals {
    /// Of the average precision.
    pub average_precision: Option<[f64; 2]>,
    /// Of the sensitivity.
    pub sensitivity: Option<[f64; 2]>,
    /// Of the specificity.
    pub specificity: Option<[f64; 2]>,
    /// Of the Brier score.
    pub brier: Option<[f64; 2]>,
    /// Of the expected calibration error.
    pub ece: Option<[f64; 2]>,
}

/// Images whose probability is in a bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalibrationBin {
    /// Number of images.
    pub images: u64,
    /// Number of them that have the label.
    pub positives: u64,
    /// Their mean probability; null without images.
    pub mean: Option<f64>,
}

/// The AUC of one model, label and fold in a group of patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRow {
    /// The property by which images are grouped.
    pub by: GroupBy,
    /// The group: `M`, `F`, `PA`, `AP`, `40-49` or `unknown`.
    pub group: String,
    /// The model.
    pub model: String,
    /// Label.
    pub label: String,
    /// Fold; null for scores outside of a fold.
    pub fold: Option<u32>,
    /// Number of images in the group.
    pub images: u64,
    /// Number of patients in the group.
    pub patients: u64,
    /// Number of images that have the label.
    pub positives: u64,
    /// Number of patients with an image that has the label.
    pub positive_patients: u64,
    /// Number of patients with an image that does not have it.
    pub negative_patients: u64,
    /// Number of images whose label is missing; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub missing: Option<u64>,
    /// AUC within the group; null where a class is missing.
    pub auc: Option<f64>,
    /// Its standard error.
    pub std_error: StdError,
}

/// The property by which images are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// The patient's gender.
    Gender,
    /// The view position.
    View,
    /// The patient's age in decades.
    Age,
}

impl GroupBy {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            GroupBy::Gender => "gender",
            GroupBy::View => "view",
            GroupBy::Age => "age",
        }
    }
}

/// A test of whether the AUC of a group differs from that of the largest group of its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupTest {
    /// The property by which images are grouped.
    pub by: GroupBy,
    /// The group.
    pub group: String,
    /// The group with the most images, which is subtracted.
    pub reference: String,
    /// The model.
    pub model: String,
    /// Label.
    pub label: String,
    /// Fold; null for scores outside of a fold.
    pub fold: Option<u32>,
    /// The smaller of the two groups' numbers of patients with a positive image.
    pub positive_patients: u64,
    /// The same with a negative image.
    pub negative_patients: u64,
    /// AUC of the group minus that of the reference.
    pub difference: f64,
    /// Its standard error; patients with images in both groups count in both.
    pub std_error: StdError,
    /// Two-sided p-value; null if the standard error is zero or undefined, or with too few patients for a test.
    pub p: Option<f64>,
    /// The same, adjusted by Holm over all of these tests.
    pub p_holm: Option<f64>,
    /// The same, adjusted by Benjamini and Hochberg.
    pub p_bh: Option<f64>,
}
