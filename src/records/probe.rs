//! What frozen features know of a patient or of how an image was taken.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Computed, Dataset, Gender, ImageRow, Run, Scores, Split, Spread, ViewPosition};
use crate::hash::Id;

/// A linear predictor on the frozen pooled features of a model's runs, trained by the split of each.
///
/// It minimises the mean logistic loss, or half the mean squared error, of standardised features plus half the
/// penalty times the squared weights; the penalty is chosen on the validation images, the constant is free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeTable {
    /// What is predicted.
    pub target: Target,
    /// The model whose features they are.
    pub model: String,
    /// The images.
    pub dataset: Id<Dataset>,
    /// Which of them train, validate and test.
    pub split: Id<Split>,
    /// Runs whose features are used, one per fold, folds ascending.
    pub folds: Vec<ProbedFold>,
    /// How well it predicts on the test images.
    pub result: ProbeResult,
    /// Version of the rules that produced this record.
    pub rules: u32,
}

/// What a probe predicts.
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
    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Target::View => "view",
            Target::Gender => "gender",
            Target::Age => "age",
        }
    }

    /// What is true of an image: 1 or 0 of a class, years of an age; `None` where it is not known.
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
    /// The run whose checkpoint gives the features.
    pub run: Id<Run>,
    /// Training, validation and test images whose target is known.
    pub images: [u64; 3],
    /// Images of the split whose target is not known, left out.
    pub unknown: u64,
    /// The penalty that did best on the validation images.
    pub penalty: f64,
    /// What it says of the validation images: one column, logits or years.
    pub validation: Id<Scores>,
    /// What it says of the test images, likewise.
    pub test: Id<Scores>,
    /// The environment in which it was computed.
    pub computed: Computed,
}

/// How well a probe predicts, over the folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProbeResult {
    /// Of two classes.
    Classes {
        /// The positive one.
        positive: String,
        /// Test images that are positive, one per fold.
        positives: Vec<u64>,
        /// Area under the receiver operating characteristic.
        auc: Spread,
        /// Logit with the largest Youden index on the validation images.
        threshold: Spread,
        /// Share of the positive test images with that logit or more.
        sensitivity: Spread,
        /// Share of the other test images below it.
        specificity: Spread,
    },
    /// Of years.
    Years {
        /// Mean absolute error of a fold's test images.
        mae: Spread,
        /// Sample standard deviation of the absolute error over a fold's test images.
        deviation: Spread,
        /// Mean absolute error of always predicting the mean age of the training images.
        baseline: Spread,
    },
}
