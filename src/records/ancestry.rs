//! What weights that were not trained here have learnt from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dataset, Split};
use crate::hash::{Hash, Id};

/// Images that a model has learnt from: training images, and the validation images on which its weights were selected.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TrainingData {
    /// All images of a data set.
    Dataset {
        /// The data set.
        dataset: Id<Dataset>,
    },
    /// The training and validation images of one division of a split.
    Division {
        /// The data set.
        dataset: Id<Dataset>,
        /// Its split.
        split: Id<Split>,
        /// The division, from 0.
        fold: u32,
    },
    /// Images that are in no data set of the registry.
    External {
        /// What they are called, such as `ImageNet-1k`.
        name: String,
    },
}

impl TrainingData {
    /// The data set that has the images; none for external ones.
    pub fn dataset(&self) -> Option<Id<Dataset>> {
        match self {
            TrainingData::Dataset { dataset } | TrainingData::Division { dataset, .. } => Some(*dataset),
            TrainingData::External { .. } => None,
        }
    }

    /// What it is called, by the names of records: `data set cxr14`, `division 0 of split s`, `ImageNet-1k`.
    pub fn called(&self, name_of: impl Fn(&Hash) -> String) -> String {
        match self {
            TrainingData::Dataset { dataset } => format!("data set {}", name_of(&dataset.hash)),
            TrainingData::Division { split, fold, .. } => {
                format!("division {fold} of split {}", name_of(&split.hash))
            }
            TrainingData::External { name } => name.clone(),
        }
    }
}
