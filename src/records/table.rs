//! Tables of results. What a table prints is recorded here, with the predictions that it is made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dataset, Predictions, Subset};
use crate::hash::Id;

/// A table of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Table {
    /// AUCs of one model on one subset.
    Auc(AucTable),
    /// Several models, each on one or more folds.
    Comparison(Comparison),
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

/// Several models side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The images that all are judged by.
    pub dataset: Id<Dataset>,
    /// The subset that all are judged on.
    pub subset: Option<Subset>,
    /// Folds of the models, in order; empty where scores belong to no fold.
    pub folds: Vec<u32>,
    /// A model each.
    pub models: Vec<ComparedModel>,
    /// Spearman's rank correlation between every pair of models: per label over the images of a fold,
    /// then averaged over labels and folds. Null where no label had two different scores in both.
    pub spearman: Vec<Vec<Option<f64>>>,
    /// DeLong's paired test of every pair of models, a label and fold each.
    pub delong: Vec<DelongRow>,
    /// Version of reg that computed it.
    pub reg: String,
}

/// One model of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedModel {
    /// What the table calls it.
    pub name: String,
    /// Its predictions, a fold each.
    pub predictions: Vec<Id<Predictions>>,
    /// AUC of each label over the folds.
    pub labels: Vec<LabelSpread>,
    /// Mean over the labels of a fold, then over the folds.
    pub mean: Spread,
}

/// The AUC of one label over folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelSpread {
    /// Name.
    pub label: String,
    /// Positives of each fold.
    pub positives: Vec<u64>,
    /// Over the folds where it is defined.
    pub auc: Spread,
}

/// A quantity over folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The value of each fold; null where it is undefined.
    pub folds: Vec<Option<f64>>,
    /// How many are defined.
    pub n: u32,
    /// Their mean.
    pub mean: Option<f64>,
    /// Their sample standard deviation (divisor n - 1); null below two.
    pub std: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
}

/// DeLong's paired test for two models on the same images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelongRow {
    /// The first model.
    pub a: String,
    /// The second.
    pub b: String,
    /// Label.
    pub label: String,
    /// Fold; null where scores belong to none.
    pub fold: Option<u32>,
    /// AUC of the first minus that of the second.
    pub difference: f64,
    /// Standard error of the difference.
    pub std_error: f64,
    /// Two-sided p-value; null where the standard error is zero.
    pub p: Option<f64>,
}
