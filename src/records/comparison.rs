//! A comparison of several models, with the uncertainty of the differences.
//!
//! Fields that were added after the first comparisons are omitted if they are empty, so that stored records
//! keep their bytes and ids. Their schemas are accordingly: a field that may be omitted is not empty if it is
//! present.

use std::collections::BTreeSet;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Dataset, Division, GroupRow, GroupTest, MetricRow, OperatingPoint, PixelHashes, Predictions,
    PublishedTable, StdError, Subset,
};
use crate::hash::Id;

/// A comparison of several models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The data set of the labels; for `mixed-folds`, that of the first fold.
    pub dataset: Id<Dataset>,
    /// The subset of the evaluated images; for `mixed-folds`, that of the first fold.
    pub subset: Option<Subset>,
    /// Folds of the models, in order; empty for scores outside of a fold.
    pub folds: Vec<u32>,
    /// Whether images that not every model scored were left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("const" = true))]
    pub shared_images: bool,
    /// What a member of `folds` is: `fold` if every split of the scores is one of k-fold, `division` if only some
    /// are; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ComparedDivision")]
    pub division: Option<ComparedDivision>,
    /// How the variances of AUCs and of differences are computed.
    pub variance: Variance,
    /// The label that says that an image has none of the others, if it is among those compared: means over pathologies
    /// leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub no_finding: Option<String>,
    /// The pair of models whose difference of mean AUCs was named as the primary comparison. Its p-value belongs to no
    /// family of tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Primary")]
    pub primary: Option<Primary>,
    /// The margin of tests of non-inferiority and equivalence, a difference of AUCs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub margin: Option<f64>,
    /// One per model.
    pub models: Vec<ComparedModel>,
    /// Spearman's rank correlation between every pair of models, computed for each cell and averaged over all
    /// cells with equal weights. A cell is a label of a fold or, with the pooling `all-scores`, a fold with all
    /// its labels. A cell in which a model gives all images the same score is left out; null if no cell is
    /// left.
    pub spearman: Vec<Vec<Option<f64>>>,
    /// Cells in which a model gives all images the same score, so that its rank correlations leave them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub constant: Vec<ConstantScores>,
    /// How the labels of a fold are pooled for the rank correlation.
    #[serde(default, skip_serializing_if = "Pooling::is_per_label")]
    #[schemars(extend("const" = "all-scores"))]
    pub pooling: Pooling,
    /// Paired test of every pair of models on the same images, with the variance that `variance` names: one row per
    /// label and fold, then one per fold for the mean over the labels, and one for the mean over pathologies if a label says
    /// that an image has none. All of them are one family of tests.
    pub delong: Vec<DelongRow>,
    /// Tests over folds of every pair of models, which are one family of tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub resampled: Vec<ResampledRow>,
    /// Bootstrap intervals (by patient), if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Bootstrap")]
    pub bootstrap: Option<Bootstrap>,
    /// How the thresholds of the metrics are chosen on validation images; absent for the largest Youden index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OperatingPoint")]
    pub operating_point: Option<OperatingPoint>,
    /// The share of positives for which predictive values are asked besides that of the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub prevalence: Option<f64>,
    /// Metrics besides the AUC for each model, label and fold, if requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub metrics: Vec<MetricRow>,
    /// AUCs of patient groups, if requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub groups: Vec<GroupRow>,
    /// Tests of the largest group of each kind against the other groups, all in one family; absent with fewer than two
    /// groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub group_tests: Vec<GroupTest>,
    /// The models in the order of their AUCs on validation images, if requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub ranking: Vec<RankedModel>,
    /// Published numbers for comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PublishedTable")]
    pub published: Option<PublishedTable>,
    /// Why the columns are not comparable, if the user allowed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    #[serde(rename = "unfair")]
    pub incomparable: Vec<Incomparable>,
    /// The extent of the check for models that have seen images on which another model is tested; absent if no model is
    /// a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LeakCheck")]
    pub leak_check: Option<LeakCheck>,
    /// Version of the rules that produced this record.
    pub rules: u32,
}

/// How far the images on which models were trained, selected and tested could be compared. Patients are always
/// compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakCheck {
    /// Number of these images.
    pub images: u64,
    /// Number of those that have a file, whose bytes were compared.
    pub bytes: u64,
    /// Number of those whose pixels are known, which were compared.
    pub pixels: u64,
    /// The records from which their pixels are known, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub pixel_hashes: Vec<Id<PixelHashes>>,
}

/// A cell of the rank correlations in which a model gives all images the same score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConstantScores {
    /// The model.
    pub model: String,
    /// Label; null with the pooling `all-scores`.
    pub label: Option<String>,
    /// Fold; null for scores outside of a fold.
    pub fold: Option<u32>,
}

/// How the variance of an AUC is computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Variance {
    /// Patients are clusters (Obuchowski, Biometrics 53, 1997): images of one patient may be alike.
    #[default]
    Clustered,
    /// Images are treated as independent (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988).
    Delong,
}

/// Two models whose comparison was named in advance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Primary {
    /// The first model.
    pub a: String,
    /// The second model.
    pub b: String,
}

impl FromStr for Primary {
    type Err = &'static str;

    /// Reads two different names with a colon between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((a, b)) if !a.is_empty() && !b.is_empty() && a != b => {
                Ok(Primary { a: a.to_owned(), b: b.to_owned() })
            }
            _ => Err("two different columns with a colon between them are needed"),
        }
    }
}

impl Primary {
    /// Whether these are the two models, in any order.
    pub fn is_of(&self, a: &str, b: &str) -> bool {
        (&*self.a, &*self.b) == (a, b) || (&*self.a, &*self.b) == (b, a)
    }
}

impl Comparison {
    /// Number of cells that a rank correlation is a mean of if no scores are constant: labels times shared folds, or
    /// shared folds with the pooling `all-scores`.
    pub fn spearman_cells(&self) -> usize {
        let folds = self.models.first().map_or(0, |model| model.mean.folds.len());
        let shared = (0..folds).filter(|fold| self.models.iter().all(|model| model.has_fold(*fold))).count();
        let labels = self.models.first().map_or(0, |model| model.labels.len());
        if self.pooling.is_per_label() { labels * shared } else { shared }
    }

    /// Number of cells that the rank correlation of two models, given by position, covers.
    pub fn spearman_over(&self, a: usize, b: usize) -> usize {
        let names = [a, b].map(|place| self.models.get(place).map_or("", |model| model.name.as_str()));
        let left_out: BTreeSet<_> = self
            .constant
            .iter()
            .filter(|cell| names.contains(&cell.model.as_str()))
            .map(|cell| (&cell.label, cell.fold))
            .collect();
        self.spearman_cells().saturating_sub(left_out.len())
    }

    /// Whether the mean AUCs of all models and folds cover every label.
    pub fn covers_all(&self) -> bool {
        let all = |model: &ComparedModel| model.covers()[0] == model.labels.len();
        self.models.iter().all(all)
    }

    /// Whether the mean AUCs of all models and folds cover the same labels.
    pub fn is_of_same_labels(&self) -> bool {
        let mut covered = self.models.iter().flat_map(|model| model.covered().into_iter().flatten());
        let first = covered.next();
        covered.all(|other| first.as_ref() == Some(&other))
    }
}

impl ComparedModel {
    /// Number of folds that the model has.
    pub fn fold_count(&self) -> usize {
        match self.seeds.is_empty() {
            true => self.predictions.len(),
            false => self.seeds.iter().filter(|seeds| !seeds.is_empty()).count(),
        }
    }

    fn has_fold(&self, fold: usize) -> bool {
        let has_auc = || self.mean.folds.get(fold).is_some_and(Option::is_some);
        self.images.get(fold).map_or_else(has_auc, |images| *images > 0)
    }

    /// The labels that the mean AUC of each fold covers; `None` for folds that the model does not have.
    pub fn covered(&self) -> Vec<Option<Vec<&str>>> {
        let of_fold = |fold: usize| {
            let defined = |label: &&LabelSpread| label.auc.folds.get(fold).is_some_and(Option::is_some);
            let labels = || self.labels.iter().filter(defined).map(|label| label.label.as_str()).collect();
            self.has_fold(fold).then(labels)
        };
        (0..self.mean.folds.len()).map(of_fold).collect()
    }

    /// The fewest and the most labels that the mean AUC of a fold covers.
    pub fn covers(&self) -> [usize; 2] {
        let counts: Vec<usize> = self.covered().iter().flatten().map(Vec::len).collect();
        [counts.iter().min(), counts.iter().max()].map(|count| count.copied().unwrap_or(0))
    }
}

/// Whether the divisions of a comparison are folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComparedDivision {
    /// All are.
    Fold,
    /// Some are.
    Division,
}

impl Comparison {
    /// What one of its `folds` is called. One alone overlaps with no other, and may be that of published lists.
    pub fn division(&self) -> Division {
        match self.division {
            Some(ComparedDivision::Fold) => Division::Fold,
            Some(ComparedDivision::Division) => Division::Published,
            None if self.folds.len() > 1 => Division::Resampling,
            None => Division::Published,
        }
    }
}

/// One model of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedModel {
    /// Name in the table.
    pub name: String,
    /// Whether the scores were imported from another tool, so that the training images are unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("const" = true))]
    pub imported: bool,
    /// Whether the scores are those of a program of the user's own, not of a network that reg trained.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("const" = true))]
    pub program: bool,
    /// Its predictions, one per fold; with several seeds, one per fold and seed, by fold and then by seed.
    pub predictions: Vec<Id<Predictions>>,
    /// The seeds of each fold, ascending; absent if no fold has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub seeds: Vec<Vec<u64>>,
    /// Its predictions of validation images, on which thresholds are chosen; one per fold, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub validation: Vec<Id<Predictions>>,
    /// Number of images that it scored, one per fold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub images: Vec<u64>,
    /// Number of images of the subset that the scores belong to, one per fold; absent if every fold is scored
    /// completely, or the scores belong to no split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub of_images: Vec<u64>,
    /// Number of patients of the scored images, one per fold.
    pub patients: Vec<u64>,
    /// AUC of each label over the folds.
    pub labels: Vec<LabelSpread>,
    /// Mean over the labels of a fold, then over the folds.
    pub mean: Spread,
    /// Standard error of the mean over the labels, one per fold.
    pub mean_errors: Vec<StdError>,
    /// Standard error of the mean over the labels without `no_finding`, one per fold; absent without such a label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub pathology_errors: Vec<StdError>,
}

/// The AUC of one label over folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelSpread {
    /// Name.
    pub label: String,
    /// Positives of each fold.
    pub positives: Vec<u64>,
    /// Negatives of each fold.
    pub negatives: Vec<u64>,
    /// Patients with a positive image of each fold.
    pub positive_patients: Vec<u64>,
    /// Patients with a negative image of each fold.
    pub negative_patients: Vec<u64>,
    /// Images of each fold whose label is missing, left out of all numbers of the label; absent if there are
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub missing: Vec<u64>,
    /// AUC over the folds in which it is defined.
    pub auc: Spread,
    /// Standard error of each fold's AUC.
    pub std_errors: Vec<StdError>,
}

/// Summary of a quantity over folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The value of each fold; null where it is undefined.
    pub folds: Vec<Option<f64>>,
    /// Number of folds in which the value is defined.
    pub n: u32,
    /// Mean of the defined values.
    pub mean: Option<f64>,
    /// Their sample standard deviation (divisor n - 1); null for fewer than two.
    pub std: Option<f64>,
    /// The smallest defined value.
    pub min: Option<f64>,
    /// The largest defined value.
    pub max: Option<f64>,
    /// The values of each fold by seed, whose mean is the fold's value; absent if no fold has several seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub seeds: Vec<Vec<f64>>,
    /// Standard deviation over the seeds of a fold, pooled over the folds; absent if no fold has several seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub seed_std: Option<f64>,
}

/// A ranked model, with its AUC on validation images: a choice by test images would flatter the chosen model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RankedModel {
    /// The model.
    pub model: String,
    /// Mean AUC over the labels on the validation images of each fold, then over the folds.
    pub validation: Spread,
    /// Number of labels that the mean of each fold covers; 0 where validation images are not scored.
    pub labels: Vec<u32>,
}

/// How the labels of a fold are pooled for a rank correlation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// A correlation for each label over the images, then their mean.
    #[default]
    PerLabel,
    /// One correlation over all scores of all labels.
    AllScores,
}

impl Pooling {
    fn is_per_label(&self) -> bool {
        *self == Pooling::PerLabel
    }
}

/// A paired test for two models on the same images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelongRow {
    /// Name of the first model.
    pub a: String,
    /// Name of the second model.
    pub b: String,
    /// Label; null for the mean over the labels.
    pub label: Option<String>,
    /// Number of labels of the mean; null for a label.
    pub over: Option<u32>,
    /// Whether the mean leaves out the label of images without a finding; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("const" = true))]
    pub pathologies: bool,
    /// Fold; null for scores outside of a fold.
    pub fold: Option<u32>,
    /// Patients with a positive image; for a mean, the fewest of any label.
    pub positive_patients: u64,
    /// Patients with a negative image; for a mean, the fewest of any label.
    pub negative_patients: u64,
    /// AUC of the first minus that of the second.
    pub difference: f64,
    /// Standard error of the difference.
    pub std_error: StdError,
    /// Two-sided p-value; null if the standard error is zero or undefined, or with too few patients for a test.
    pub p: Option<f64>,
    /// The same, adjusted by Holm over all tests of the comparison; null for the primary comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub p_holm: Option<f64>,
    /// The same, adjusted by Benjamini and Hochberg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub p_bh: Option<f64>,
}

/// The corrected resampled t-test (Nadeau and Bengio) for two models over the same folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResampledRow {
    /// Name of the first model.
    pub a: String,
    /// Name of the second model.
    pub b: String,
    /// Label; null for the mean over the labels.
    pub label: Option<String>,
    /// Whether the mean leaves out the label of images without a finding; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("const" = true))]
    pub pathologies: bool,
    /// Number of folds in which both have an AUC.
    pub n: u32,
    /// Ratio of test to training images, which widens the variance.
    pub test_to_train: f64,
    /// Mean over the folds of the AUC of the first minus that of the second model.
    pub difference: f64,
    /// Corrected standard error of the difference.
    pub std_error: f64,
    /// Two-sided p-value; null if the standard error is zero.
    pub p: Option<f64>,
    /// The same, adjusted by Holm over all tests of the comparison; null for the primary comparison.
    pub p_holm: Option<f64>,
    /// The same, adjusted by Benjamini and Hochberg.
    pub p_bh: Option<f64>,
}

/// Bootstrap intervals: patients are drawn with replacement, with all their images. For a label, as many patients with
/// a positive image are drawn as there are, and as many others; for a mean over labels, patients are drawn without
/// regard to their labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Number of resamples.
    #[serde(rename = "draws")]
    pub resamples: u32,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Share of the resamples in an interval, from its lower to its upper percentile.
    pub level: f64,
    /// Number of patients, which is also the number of draws of each resample.
    pub patients: u64,
    /// Intervals of AUCs and of differences of AUCs.
    pub rows: Vec<BootstrapRow>,
}

/// An interval of an AUC, or of the difference of two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootstrapRow {
    /// The model.
    pub model: String,
    /// The model whose AUC is subtracted; null for a single AUC.
    pub less: Option<String>,
    /// Label; null for the mean over the labels.
    pub label: Option<String>,
    /// Whether the mean leaves out the label of images without a finding; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("const" = true))]
    pub pathologies: bool,
    /// The value on the original images, a mean over the folds.
    pub value: f64,
    /// Lower end; null where there is no interval: with too few patients of a class, or without width.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Number of resamples in which every AUC of the value was defined; the others were discarded.
    #[serde(rename = "draws")]
    pub resamples: u32,
}

/// A reason why columns are not comparable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incomparable {
    /// The kind of reason.
    pub kind: IncomparableKind,
    /// The reason in a sentence.
    pub why: String,
}

impl Incomparable {
    /// The first reasons in one sentence, and the number of the others.
    pub fn reasons(incomparable: &[Incomparable]) -> String {
        const SHOWN: usize = 3;
        let shown: Vec<&str> =
            incomparable.iter().take(SHOWN).map(|incomparable| incomparable.why.as_str()).collect();
        match incomparable.len().saturating_sub(SHOWN) {
            0 => shown.join("; "),
            1 => format!("{}; and one more reason", shown.join("; ")),
            more => format!("{}; and {more} more reasons", shown.join("; ")),
        }
    }
}

/// The kinds of reason why columns are not comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncomparableKind {
    /// The folds of one column differ in data set, split, subset, settings or source.
    MixedFolds,
    /// The columns were evaluated on different images.
    DifferentImages,
    /// The columns have different folds.
    DifferentFolds,
    /// The columns have scores for different labels.
    DifferentLabels,
    /// A column was trained or selected on patients that another is tested on.
    Leak,
    /// Published numbers were computed on different images.
    Published,
}
