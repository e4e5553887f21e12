//! A study: many runs that were planned together in one file.
//!
//! The record contains the plan, not the results: existing runs, predictions and tables are found through the
//! specs, so that several studies, and single trainings, share them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Content, Dataset, Descriptor, File, ImageUse, Kind, Primary, Record, RecordClass, Role, Spec, Split,
    Target, Travels, Variance,
};
use crate::digits::counted;
use crate::hash::{Hash, Id};

/// Runs that were planned together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Name of the study; the names of its runs and tables start with it.
    pub name: String,
    /// The original study file (TOML).
    pub file: File,
    /// The images and labels.
    pub dataset: Id<Dataset>,
    /// Groups of setups that are compared with each other, in the order of the file.
    pub sections: Vec<StudySection>,
    /// Every planned run: by section, then by setup, then by fold, then by seed.
    pub runs: Vec<StudyRun>,
    /// Every planned probe of the features of a setup's runs, in the order of the file.
    pub probes: Vec<StudyProbe>,
    /// Version of the rules that produced this record.
    pub rules: u32,
}

impl Record for Study {
    const KIND: Kind = Kind::Study;
    const VERSION: u32 = 2;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "study",
        plural: "studies",
        called: "a study",
        inputs: &[Role::Dataset, Role::File, Role::Spec, Role::Split],
        outputs: &[],
        chosen: |_| true,
        class: RecordClass::Input,
        travels: Travels::Named,
        carries: false,
        recomputed: None,
        content: Content::Study,
        is_listed: true,
    };

    fn summary(&self) -> String {
        let Study { name, runs, probes, .. } = self;
        format!(
            "{name}, {} planned, {}",
            counted(runs.len() as u64, "run"),
            counted(probes.len() as u64, "probe")
        )
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        vec![ImageUse::Holds(self.dataset)]
    }
}

/// Setups that share a split and are compared in one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StudySection {
    /// Name in the file, such as `table-4`.
    pub name: String,
    /// Title of its tables.
    pub title: String,
    /// The split into training, validation and test images; null if the split could not be created.
    pub split: Option<Id<Split>>,
    /// Published numbers for comparison: a file, `paper` or `paper-table4`.
    pub published: Option<String>,
    /// The two setups of the comparison that was named in advance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Primary")]
    pub primary: Option<Primary>,
    /// The margin of tests of non-inferiority and equivalence, a difference of AUCs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub margin: Option<f64>,
    /// How variances are computed; absent for `clustered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Variance")]
    pub variance: Option<Variance>,
}

/// One planned run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StudyRun {
    /// Name of its section.
    pub section: String,
    /// Name of its setup, which is a column of the section's tables.
    pub setup: String,
    /// Fold of the section's split, from 0.
    pub fold: u32,
    /// Name of the run.
    pub name: String,
    /// The spec of the run; null while the split or the initial weights are missing.
    pub spec: Option<Id<Spec>>,
    /// Name of the initial weights.
    pub weights: Option<String>,
}

/// One planned probe of the frozen features of a setup's runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StudyProbe {
    /// Name of the setup whose runs are probed.
    pub setup: String,
    /// The predicted property.
    pub target: Target,
    /// Name of its table.
    pub name: String,
}
