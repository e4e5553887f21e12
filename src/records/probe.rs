//! Linear probes of frozen features for properties of a patient or an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Computed, Dataset, Gender, ImageRow, Run, Scores, Split, Spread, ViewPosition};
use crate::hash::Id;

/// A linear predictor on the frozen pooled features of a model's runs, trained with the split of each run.
///
/// The predictor minimises the mean logistic loss, or half the mean squared error, of standardised features
/// plus half the penalty times the sum of the squared weights. The penalty is chosen on the validation images;
/// the constant is not penalised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeTable {
    /// The predicted property.
    pub target: Target,
    /// The model whose features are used.
    pub model: String,
    /// The images.
    pub dataset: Id<Dataset>,
    /// The split into training, validation and test images.
    pub split: Id<Split>,
    /// Runs whose features are used, one per fold, in ascending order of the folds.
    pub folds: Vec<ProbedFold>,
    /// The results on the test images.
    pub result: ProbeResult,
    /// Version of the rules that produced this record.
    pub rules: u32,
}

/// The property that a probe predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// View position; AP is positive.
    View,
    /// Gender; female is positive.
    Gender,
    /// Age in years.
    Age,
}

impl Target {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Target::View => "view",
            Target::Gender => "gender",
            Target::Age => "age",
        }
    }

    /// The true value for an image: 1 or 0 for a class, years for an age; `None` if unknown.
    pub fn of(self, row: &ImageRow) -> Option<f64> {
        match self {
            Target::View => match row.view {
                ViewPosition::AP => Some(1.0),
                ViewPosition::PA => Some(0.0),
                ViewPosition::Unknown => None,
            },
            Target::Gender => match row.gender {
                Gender::Female => Some(1.0),
                Gender::Male => Some(0.0),
                Gender::Unknown => None,
            },
            Target::Age => row.plausible_age().map(f64::from),
        }
    }
}

/// The predictor of one fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbedFold {
    /// Fold of the split, from 0.
    pub fold: u32,
    /// The run whose checkpoint computes the features.
    pub run: Id<Run>,
    /// Number of training, validation and test images whose target is known.
    pub images: [u64; 3],
    /// Number of images of the split whose target is unknown; they are left out.
    pub unknown: u64,
    /// The penalty with the best result on the validation images.
    pub penalty: f64,
    /// Predictions for the validation images: one column, logits or years.
    pub validation: Id<Scores>,
    /// Predictions for the test images: one column, logits or years.
    pub test: Id<Scores>,
    /// The environment in which it was computed.
    pub computed: Computed,
}

/// The results of a probe over the folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProbeResult {
    /// For two classes.
    Classes {
        /// Name of the positive class.
        positive: String,
        /// Number of positive test images, one per fold.
        positives: Vec<u64>,
        /// Area under the receiver operating characteristic.
        auc: Spread,
        /// Logit with the largest Youden index on the validation images.
        threshold: Spread,
        /// Share of the positive test images with at least that logit.
        sensitivity: Spread,
        /// Share of the other test images below that logit.
        specificity: Spread,
    },
    /// For years.
    Years {
        /// Mean absolute error of a fold's test images.
        mae: Spread,
        /// Sample standard deviation of the absolute error over a fold's test images.
        deviation: Spread,
        /// Mean absolute error of always predicting the mean age of the training images.
        baseline: Spread,
    },
}
