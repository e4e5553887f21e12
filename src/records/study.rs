//! A study: many runs that were planned together, from one file.
//!
//! It names what was planned, not what came of it: the runs, predictions and tables that exist are found
//! through the specs, so that two studies, and a training by hand, share them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Content, Dataset, Descriptor, File, ImageUse, Kind, Record, RecordClass, Role, Spec, Split, Target,
    Travels,
};
use crate::hash::{Hash, Id};

/// Runs that were planned together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// What it calls itself; the names of its runs and tables begin so.
    pub name: String,
    /// The original study file (TOML).
    pub file: File,
    /// The images and labels.
    pub dataset: Id<Dataset>,
    /// What is compared with each other, in the order of the file.
    pub sections: Vec<StudySection>,
    /// Every planned run: by section, then by setup, then by fold.
    pub runs: Vec<StudyRun>,
    /// Every planned probe of the features of a setup's runs, in the order of the file.
    pub probes: Vec<StudyProbe>,
    /// Version of the rules by which it was made.
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
        format!("{name}, {} runs planned, {} probes", runs.len(), probes.len())
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        vec![ImageUse::Holds(self.dataset)]
    }
}

/// Setups that share a split and make one comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StudySection {
    /// As the file writes it, such as `table-4`.
    pub name: String,
    /// What its tables are headed with.
    pub title: String,
    /// Which images train, validate and test; none where the split could not be made.
    pub split: Option<Id<Split>>,
    /// Published numbers to stand beside: a file, `paper` or `paper-table4`.
    pub published: Option<String>,
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
    /// The name that its run gets.
    pub name: String,
    /// What it trains by; none as long as something is missing: its split, the weights that it starts from.
    pub spec: Option<Id<Spec>>,
    /// Name of the weights that it starts from.
    pub weights: Option<String>,
}

/// One planned probe: what the frozen features of a setup's runs know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StudyProbe {
    /// Name of the setup, all of whose runs are probed.
    pub setup: String,
    /// What is predicted.
    pub target: Target,
    /// The name that its table gets.
    pub name: String,
}
