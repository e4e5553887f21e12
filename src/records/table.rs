//! Tables of results. The numbers of a printed table are recorded here, with the predictions from which they
//! are computed.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::of_runs::rounded;
use super::{
    Comparison, Content, Dataset, Descriptor, Heatmap, ImageUse, Kind, LabelThreshold, OperatingPoint,
    Pointing, Predictions, ProbeResult, ProbeTable, ProbedFold, Purpose, Recomputed, Record, RecordClass,
    Role, Subset, Travels, rules,
};
use crate::digits::counted;
use crate::hash::{Hash, Id};

/// A table of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Table {
    /// AUCs of one model on one subset.
    Auc(AucTable),
    /// Counts of a data set.
    Dataset(DatasetTable),
    /// Several models, each on one or more folds.
    Comparison(Box<Comparison>),
    /// A linear probe of a model's frozen features.
    Probe(Box<ProbeTable>),
    /// A heat map of a network on one image.
    #[serde(rename = "heat")]
    Heatmap(Box<Heatmap>),
    /// How often the maximum of a network's heat maps is inside annotated boxes.
    Pointing(Box<Pointing>),
}

impl Table {
    /// The version of the rules that produced the record, and this reg's version of them.
    pub fn rules(&self) -> (u32, u32) {
        match self {
            Table::Auc(table) => (table.rules, rules::AUC),
            Table::Dataset(table) => (table.rules, rules::COUNTS),
            Table::Comparison(table) => (table.rules, rules::COMPARISON),
            Table::Probe(table) => (table.rules, rules::PROBE),
            Table::Heatmap(table) => (table.rules, rules::HEAT),
            Table::Pointing(table) => (table.rules, rules::POINTING),
        }
    }
}

impl Record for Table {
    const KIND: Kind = Kind::Table;
    const VERSION: u32 = 2;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "table",
        plural: "tables",
        called: "a table",
        inputs: &[
            Role::Boxes,
            Role::Dataset,
            Role::File,
            Role::Object,
            Role::PixelHashes,
            Role::Predictions,
            Role::Run,
            Role::Split,
            Role::Validation,
        ],
        outputs: &[Role::Picture, Role::Test],
        chosen: |at| CHOSEN.contains(&at),
        class: RecordClass::Computed,
        travels: Travels::WithInputs,
        carries: true,
        recomputed: Some(Recomputed::Table),
        content: Content::Table,
        is_listed: true,
    };

    fn summary(&self) -> String {
        match self {
            Table::Auc(auc) => {
                let (over, all) = (auc.mean_over, counted(auc.labels.len() as u64, "label"));
                format!("AUC, mean {} over {over} of {all}", rounded(auc.mean))
            }
            Table::Dataset(counts) => {
                format!(
                    "counts of {}, {}",
                    counted(counts.images, "image"),
                    counted(counts.patients, "patient")
                )
            }
            Table::Comparison(comparison) => {
                let names: Vec<&str> = comparison.models.iter().map(|model| model.name.as_str()).collect();
                let mark = if comparison.incomparable.is_empty() { "" } else { "NOT COMPARABLE: " };
                format!("{mark}comparison of {}", names.join(", "))
            }
            Table::Probe(probe) => {
                let (what, mean, unit) = match &probe.result {
                    ProbeResult::Classes { auc, .. } => ("AUC", auc.mean, ""),
                    ProbeResult::Years { mae, .. } => ("mean absolute error", mae.mean, " years"),
                };
                let folds = probe.folds.len();
                let (model, target) = (&probe.model, probe.target.name());
                format!(
                    "probe of {model}: {target}, {what} {}{unit} over {}",
                    rounded(mean),
                    counted(folds as u64, "division")
                )
            }
            Table::Heatmap(heat) => format!("Grad-CAM of {} on {}", heat.label, heat.image),
            Table::Pointing(pointing) => {
                format!("pointing game, {} of {} boxes", pointing.all.hits, pointing.all.boxes)
            }
        }
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        match self {
            Table::Auc(auc) => vec![ImageUse::Of(auc.predictions.hash)],
            Table::Dataset(counted) => vec![ImageUse::Holds(counted.dataset)],
            Table::Comparison(comparison) => {
                let models = || comparison.models.iter();
                let all = models().flat_map(|model| model.predictions.iter().chain(&model.validation));
                let mut uses: Vec<ImageUse> = all.map(|id| ImageUse::Of(id.hash)).collect();
                if comparison.shared_images {
                    let evaluated = models().flat_map(|model| model.predictions.iter().copied());
                    uses.push(ImageUse::Shared(evaluated.collect()));
                }
                uses
            }
            Table::Probe(probe) => {
                let of_fold = |fold: &ProbedFold| {
                    let (dataset, split, fold, run) = (probe.dataset, probe.split, fold.fold, fold.run);
                    let of = |subset, purpose| ImageUse::Subset { dataset, split, fold, subset, purpose };
                    [
                        ImageUse::Of(run.hash),
                        of(Subset::Train, Purpose::Training),
                        of(Subset::Val, Purpose::Validation),
                        of(Subset::Test, Purpose::Scoring),
                    ]
                };
                probe.folds.iter().flat_map(of_fold).collect()
            }
            Table::Heatmap(heat) => {
                let (run, file) = (heat.run, heat.object.hash);
                vec![ImageUse::Of(run.hash), ImageUse::File { run, file }]
            }
            Table::Pointing(pointing) => {
                let names: BTreeSet<&str> = pointing.rows.iter().map(|row| row.image.as_str()).collect();
                let names = names.into_iter().map(str::to_owned).collect();
                vec![ImageUse::Of(pointing.run.hash), ImageUse::Names { dataset: pointing.dataset, names }]
            }
        }
    }
}

/// The requested fields of a table, as JSON pointers; other fields are computed.
const CHOSEN: [&str; 21] = [
    "/kind",
    "/type",
    "/rules",
    "/pooling",
    "/shared_images",
    "/variance",
    "/operating_point",
    "/operating_point/sensitivity",
    "/operating_point/specificity",
    "/primary/a",
    "/primary/b",
    "/margin",
    "/prevalence",
    "/bootstrap",
    "/bootstrap/draws",
    "/bootstrap/seed",
    "/metrics",
    "/groups",
    "/target",
    "/label",
    "/image",
];

/// AUCs of one model on one subset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AucTable {
    /// The evaluated predictions.
    pub predictions: Id<Predictions>,
    /// The data set of the labels.
    pub dataset: Id<Dataset>,
    /// Number of scored images.
    pub images: u64,
    /// Number of images of the subset that the scores belong to; absent if all of them are scored, or if the scores
    /// belong to no split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub of_images: Option<u64>,
    /// Number of patients of the scored images.
    pub patients: u64,
    /// How a threshold was chosen for each label; absent where none was: on other images than validation images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OperatingPoint")]
    pub operating_point: Option<OperatingPoint>,
    /// One per label.
    pub labels: Vec<LabelAuc>,
    /// Mean of the defined AUCs.
    pub mean: Option<f64>,
    /// Number of AUCs that the mean covers.
    pub mean_over: u32,
    /// Version of the rules that produced this record.
    pub rules: u32,
}

/// The AUC of one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelAuc {
    /// Name.
    pub label: String,
    /// Area under the receiver operating characteristic; null if a class is missing.
    pub auc: Option<f64>,
    /// Number of images with the label.
    pub positives: u64,
    /// Number of images without the label.
    pub negatives: u64,
    /// Number of patients with an image that has the label.
    pub positive_patients: u64,
    /// Number of scored images whose label is missing, left out of the AUC; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub missing: Option<u64>,
    /// Whether all of these images, two or more, have the same score, so that the AUC says nothing; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("const" = true))]
    pub constant: bool,
    /// The threshold chosen on these images; absent where none was asked for, or none exists: where a class is missing,
    /// or where no score reaches the specificity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LabelThreshold")]
    pub threshold: Option<LabelThreshold>,
}

/// The counts of a data set: tables 2 and 3 and figure 3 of the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetTable {
    /// The counted data set.
    pub dataset: Id<Dataset>,
    /// Number of images.
    pub images: u64,
    /// Number of different patients.
    pub patients: u64,
    /// Number of images of male patients, of female patients, of others.
    pub gender: [u64; 3],
    /// Number of images taken from back to front (PA), from front to back (AP), otherwise.
    pub view: [u64; 3],
    /// Mean plausible age in years; null without plausible ages.
    pub age_mean: Option<f64>,
    /// Sample standard deviation of the plausible ages (divisor n - 1); null for fewer than two.
    pub age_std: Option<f64>,
    /// Figure 3: images by two years of age, without gaps; images without a plausible age are left out.
    pub ages: Vec<AgeCount>,
    /// Smallest plausible age; null without plausible ages.
    pub age_min: Option<i32>,
    /// Largest plausible age; null without plausible ages.
    pub age_max: Option<i32>,
    /// Number of images with an age below 0 or above 120.
    pub impossible_ages: u64,
    /// Number of images without an age.
    pub missing_ages: u64,
    /// One per label.
    pub labels: Vec<LabelPrevalence>,
    /// Mean number of positive pathologies per image; null without images.
    pub findings_per_image: Option<f64>,
    /// Version of the rules that produced this record.
    pub rules: u32,
}

/// Number of images in two years of age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgeCount {
    /// Smallest age in years.
    pub from: i32,
    /// Smallest age of the next bin.
    pub to: i32,
    /// Number of images.
    pub images: u64,
}

/// Prevalence of a label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelPrevalence {
    /// Name.
    pub label: String,
    /// Number of images with the label.
    pub positives: u64,
    /// Their share of the images whose label is known, from 0 to 1; null without such images.
    pub prevalence: Option<f64>,
    /// Number of images whose label is missing; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub missing: Option<u64>,
}
