//! Documents of the commands that train, evaluate and compare.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::schema;
use crate::hash::{Hash, Id};
use crate::records::{
    Blob, Incomparable, Isolation, OperatingPoint, Predictions, ProgramOutput, Run, Scale, Spec, Study,
    Subset, Table,
};

pub(super) fn add(all: &mut Vec<(&'static str, Value)>) {
    all.push(("train", schema::<Train>("reg train", false)));
    all.push(("run", schema::<ProgramRun>("reg run", false)));
    all.push(("run-job", schema::<ProgramJob>("job.json, which reg run gives a program", false)));
    all.push(("train-settings", schema::<TrainSettings>("reg train --settings", false)));
    all.push(("eval", schema::<Eval>("reg eval", false)));
    all.push(("ensemble", schema::<Averaged>("reg ensemble", false)));
    all.push(("predict", schema::<Predict>("reg predict", false)));
    all.push(("predictions-import", schema::<PredictionsImported>("reg predictions import", false)));
    all.push(("compare", schema::<Compared>("reg compare", false)));
    all.push(("probe", schema::<Probe>("reg probe", false)));
    all.push(("gradcam", schema::<Gradcam>("reg gradcam", false)));
    all.push(("study-init", schema::<StudyFile>("reg study init", false)));
    all.push(("study-run", schema::<StudyRun>("reg study run", false)));
    all.push(("study-status", schema::<StudyStatus>("reg study status", false)));
    all.push(("study-compare", schema::<StudyCompared>("reg study compare", false)));
    all.push(("report", schema::<Report>("reg report", false)));
    all.push(("serve", schema::<Serve>("reg serve", false)));
}

#[derive(Serialize, JsonSchema)]
struct Train {
    /// The run.
    run: Id<Run>,
    /// Its name.
    name: String,
    /// Its spec.
    spec: Id<Spec>,
    /// The weights of the kept epoch.
    checkpoint: Id<Blob>,
    /// Scores of the test images.
    predictions: Id<Predictions>,
    /// Their AUC table.
    table: Id<Table>,
    /// Whether the run existed already.
    cached: bool,
    /// Source files that trained an existing run, if they differ from the current ones but have the same numerics.
    other_sources: Option<Value>,
    /// AUC of each label, null where it is undefined, and `mean`.
    auc: BTreeMap<String, Option<f64>>,
    /// Number of labels that the mean covers.
    mean_over: u32,
    /// Labels for which all images have the same score.
    constant: Vec<String>,
    /// Leaks of the evaluation: initial weights that have seen test patients.
    unfair: Vec<Incomparable>,
    /// The same of the validation images.
    validation: Validated,
}

/// Scores of validation images, and the thresholds chosen on them.
#[derive(Serialize, JsonSchema)]
struct Validated {
    /// The scores.
    predictions: Id<Predictions>,
    /// Their AUC table.
    table: Id<Table>,
    /// AUC of each label, null where it is undefined, and `mean`.
    auc: BTreeMap<String, Option<f64>>,
    /// Number of labels that the mean covers.
    mean_over: u32,
    /// The operating point of each label.
    thresholds: Thresholds,
}

/// The thresholds chosen on validation images.
#[derive(Serialize, JsonSchema)]
struct Thresholds {
    /// How they were chosen.
    operating_point: OperatingPoint,
    /// By label: `score` and `probability` from which on an image counts as positive, with the sensitivity, the
    /// specificity and the counts of the validation images; null where there is none.
    labels: BTreeMap<String, Option<Value>>,
}

#[derive(Serialize, JsonSchema)]
struct Averaged {
    /// The name.
    name: String,
    /// The scored subset; null for scores that belong to no split.
    subset: Option<Subset>,
    /// The averaged predictions.
    members: Vec<Id<Predictions>>,
    /// The mean.
    predictions: Id<Predictions>,
    /// Its AUC table.
    table: Id<Table>,
    /// Whether both existed already.
    cached: bool,
    /// AUC of each label, null where it is undefined, and `mean`.
    auc: BTreeMap<String, Option<f64>>,
    /// Number of labels that the mean covers.
    mean_over: u32,
    /// Labels for which all images have the same score.
    constant: Vec<String>,
    /// Leaks of the evaluation: members, or their initial weights, that have seen test patients.
    unfair: Vec<Incomparable>,
    /// The mean of the members' scores of validation images; null if not all have them.
    validation: Option<Validated>,
    /// The operating point of each label, if the mean is of validation images.
    #[serde(skip_serializing_if = "Option::is_none")]
    thresholds: Option<Thresholds>,
}

#[derive(Serialize, JsonSchema)]
struct ProgramRun {
    /// The run.
    run: Id<Run>,
    /// Its name.
    name: String,
    /// Its spec.
    spec: Id<Spec>,
    /// The file `checkpoint.*` that the program left; null without one.
    checkpoint: Option<Id<Blob>>,
    /// The other files that it left, its scores among them.
    files: Vec<ProgramOutput>,
    /// Scores of the test images.
    predictions: Id<Predictions>,
    /// Their AUC table.
    table: Id<Table>,
    /// Whether the run existed already.
    cached: bool,
    /// Differences between this environment and that of an existing run.
    environment: Vec<String>,
    /// The entries below `--source` that are not files of the program; folders end with a slash.
    left_out: Vec<String>,
    /// The isolation of the program from everything that it was not given.
    isolation: Option<Isolation>,
    /// AUC of each label, null where it is undefined, and `mean`.
    auc: BTreeMap<String, Option<f64>>,
    /// Number of labels that the mean covers.
    mean_over: u32,
    /// Labels for which all images have the same score.
    constant: Vec<String>,
    /// Leaks of the evaluation, a sentence each.
    unfair: Vec<Incomparable>,
}

#[derive(Serialize, JsonSchema)]
struct ProgramJob {
    /// Version of this format: 1.
    format: u32,
    /// The labels: columns of the lists, and of the scores.
    labels: Vec<String>,
    /// The seed.
    seed: u64,
    /// Fold of the split, from 0.
    fold: u32,
    /// The data set.
    dataset: Hash,
    /// The split.
    split: Hash,
    /// Path of the list of training images: CSV with `Image Index`, `path`, `Patient ID`, `Patient Age`, `Patient
    /// Gender`, `View Position`, then one column per label with 1, 0 or, if it is unknown, nothing.
    train: PathBuf,
    /// Path of the list of validation images, with the same columns.
    val: PathBuf,
    /// Path of the list of test images, without columns of labels.
    test: PathBuf,
}

#[derive(Serialize, JsonSchema)]
struct TrainSettings {
    /// The network.
    model: String,
    /// How weights are initialised.
    init: String,
    /// Its settings.
    settings: Vec<OneSetting>,
}

#[derive(Serialize, JsonSchema)]
struct OneSetting {
    /// Its name in --set.
    name: String,
    /// The value unless it is set.
    default: Value,
    /// What it means.
    about: String,
}

#[derive(Serialize, JsonSchema)]
struct Eval {
    /// The run.
    run: Id<Run>,
    /// The scored subset.
    subset: Subset,
    /// The scores.
    predictions: Id<Predictions>,
    /// Their AUC table.
    table: Id<Table>,
    /// Whether both existed already.
    cached: bool,
    /// Source files that scored existing predictions, if they differ from the current ones but have the same numerics.
    other_sources: Option<Value>,
    /// AUC of each label, null where it is undefined, and `mean`.
    auc: BTreeMap<String, Option<f64>>,
    /// Number of labels that the mean covers.
    mean_over: u32,
    /// Labels for which all images have the same score.
    constant: Vec<String>,
    /// Leaks of the evaluation, a sentence each.
    unfair: Vec<Incomparable>,
    /// The operating point of each label, of validation images.
    #[serde(skip_serializing_if = "Option::is_none")]
    thresholds: Option<Thresholds>,
}

#[derive(Serialize, JsonSchema)]
struct Predict {
    /// The run; null if predictions were given.
    run: Option<Id<Run>>,
    /// The predictions whose networks scored the images, such as an ensemble; null if a run was given.
    predictions: Option<Id<Predictions>>,
    /// The networks that scored the images; the scores of several are averaged.
    members: Vec<ScoringNetwork>,
    /// The scale on which they are averaged.
    scale: Scale,
    /// The images, in the order given.
    images: Vec<PredictedImage>,
    /// The thresholds with which scores are compared; null if the validation images of the run or the mean are not
    /// scored.
    thresholds: Option<Thresholds>,
}

#[derive(Serialize, JsonSchema)]
struct ScoringNetwork {
    /// Its run.
    run: Id<Run>,
    /// Whether it saw the images mirrored left to right.
    flipped: bool,
}

#[derive(Serialize, JsonSchema)]
struct PredictedImage {
    /// The file.
    path: PathBuf,
    /// BLAKE3 of its bytes.
    hash: Hash,
    /// The image of the data set that has the same bytes or name; null for a new one.
    image: Option<String>,
    /// Probability of each label.
    scores: BTreeMap<String, f64>,
    /// Whether the score of each label reaches its threshold; null for a label without one.
    positive: BTreeMap<String, Option<bool>>,
    /// Age, gender and view that were used, and where they come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
    /// Why the image was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct PredictionsImported {
    /// The predictions.
    id: Id<Predictions>,
    /// Number of scored images.
    images: u64,
    /// Labels with scores.
    labels: Vec<String>,
    /// Their AUC table.
    table: Id<Table>,
    /// AUC of each label, null where it is undefined, and `mean`.
    auc: BTreeMap<String, Option<f64>>,
    /// Number of labels that the mean covers.
    mean_over: u32,
    /// Labels for which all images have the same score.
    constant: Vec<String>,
    /// Labels of the data set without a column.
    missing_labels: Vec<String>,
    /// Columns that belong to no label.
    ignored_columns: Vec<String>,
    /// Images of the file whose names were matched despite a different spelling.
    inexact_names: Vec<String>,
    /// Labels whose scores are all 0 or 1.
    decisions: Vec<String>,
    /// All labels, if the scores of each label separate ten or more images perfectly; else empty.
    separated: Vec<String>,
    /// Images with duplicate rows.
    repeated_images: Vec<String>,
    /// Images that the data set does not have.
    unknown_images: Vec<String>,
    /// Images outside of the subset.
    extra_images: Vec<String>,
    /// Number of images of the subset without scores.
    missing_images: u64,
}

#[derive(Serialize, JsonSchema)]
struct Compared {
    /// The table.
    table: Id<Table>,
    /// By model and label: mean, std, min, max over the folds, the folds, intervals and positives; with several seeds of a
    /// fold also the values by fold and seed, and the standard deviation over seeds; `mean` over the labels.
    auc: BTreeMap<String, BTreeMap<String, Value>>,
    /// By model: the mean over the labels without `no_finding`, with the same members; null without such a label.
    mean_over_pathologies: Option<BTreeMap<String, Value>>,
    /// The label of images without a finding, if it is compared.
    no_finding: Option<String>,
    /// Rank correlations of the scores of the models.
    spearman: Value,
    /// Whether the means cover the same labels.
    same_labels: bool,
    /// How variances are computed: `clustered` over patients, or `delong`.
    variance: String,
    /// The comparison that was named in advance; null without --primary.
    primary: Value,
    /// The margin of non-inferiority and equivalence; null without --margin.
    margin: Option<f64>,
    /// How the thresholds of the metrics are chosen on validation images.
    operating_point: OperatingPoint,
    /// The prevalence for which predictive values hold; null for that of the images.
    prevalence: Option<f64>,
    /// By model: scored images, their patients, and the images of the subset, for each fold.
    images: Value,
    /// Tests between patient groups, with --by.
    group_tests: Value,
    /// How far images were compared to find leaks; null if no model is a run.
    leak_check: Value,
    /// Paired tests on the same test images.
    delong: Value,
    /// Corrected resampled t-tests.
    resampled: Value,
    /// Bootstrap intervals; null without --bootstrap.
    bootstrap: Value,
    /// Further metrics, with --metrics.
    metrics: Value,
    /// AUCs of patient groups, with --by.
    groups: Value,
    /// The columns by descending AUC on validation images, with --rank; empty without.
    ranking: Value,
    /// Published numbers, with --published.
    published: Value,
    /// Why the columns are not comparable; empty if they are.
    unfair: Vec<Incomparable>,
    /// Points of the precision-recall curves, with --precision-recall.
    #[serde(skip_serializing_if = "Option::is_none")]
    precision_recall: Option<Value>,
    /// Points of the ROC curves, with --roc.
    #[serde(skip_serializing_if = "Option::is_none")]
    roc: Option<Value>,
    /// Files of figures, with --svg.
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<Vec<PathBuf>>,
}

#[derive(Serialize, JsonSchema)]
struct Probe {
    /// The table.
    table: Id<Table>,
    /// What was predicted from the features.
    target: String,
    /// The network.
    model: String,
    /// The probed runs.
    folds: Vec<Value>,
    /// Means and deviations over the folds.
    spread: Value,
    /// Source files that computed existing results, if they differ from the current ones but have the same numerics.
    other_sources: Option<Value>,
    /// Mean AUC, of a target with classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    auc: Option<f64>,
    /// Its standard deviation.
    #[serde(skip_serializing_if = "Option::is_none")]
    auc_std: Option<Option<f64>>,
    /// The class that counts as positive.
    #[serde(skip_serializing_if = "Option::is_none")]
    positive: Option<String>,
    /// Means of threshold, sensitivity and specificity.
    #[serde(skip_serializing_if = "Option::is_none")]
    youden: Option<Value>,
    /// Mean absolute error in years, of ages.
    #[serde(skip_serializing_if = "Option::is_none")]
    mae: Option<f64>,
    /// Its standard deviation over the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    mae_std: Option<Option<f64>>,
    /// The error of the mean age.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
struct Gradcam {
    /// The table.
    id: Id<Table>,
    /// The run.
    run: Id<Run>,
    /// The picture, of one image.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The label.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// The network's output for the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    logit: Option<f64>,
    /// The same as a probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    /// The picture as an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<Id<Blob>>,
    /// Age, gender and view that were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
    /// Annotated boxes, with the share of the map in each.
    boxes: Vec<Value>,
    /// The table, with --boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Id<Table>>,
    /// The subset, with --boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    subset: Option<Subset>,
    /// Hits by label, with --boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<Value>>,
    /// All hits, with --boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
struct StudyFile {
    /// The file that was written.
    file: PathBuf,
}

#[derive(Serialize, JsonSchema)]
struct StudyRun {
    /// The study.
    study: Id<Study>,
    /// Its name.
    name: String,
    /// The runs with state, and error and hint where they failed.
    runs: Vec<Value>,
    /// Number of planned runs.
    planned: u64,
    /// Number of runs that existed already.
    cached: u64,
    /// Number of runs that cannot be trained yet.
    blocked: u64,
    /// Number of runs that exist now.
    done: u64,
    /// Number of runs that failed.
    failed: u64,
    /// Probes, once the runs are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    probes: Option<Vec<Value>>,
    /// Heat maps, once the runs are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    heats: Option<Vec<Value>>,
    /// Expected seconds, with --plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<Option<f64>>,
    /// Expected bytes on the disk, with --plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<Value>,
    /// Notes on the plan, with --plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
struct StudyStatus {
    /// Name of the study.
    name: String,
    /// The runs with their state and results.
    runs: Vec<Value>,
    /// Number of planned runs.
    planned: u64,
    /// Number of runs that are done.
    done: u64,
    /// Number of runs that are being trained.
    running: u64,
    /// Number of runs that were interrupted.
    interrupted: u64,
    /// Number of runs that failed.
    failed: u64,
    /// Number of pending runs.
    missing: u64,
    /// Number of runs that cannot be trained yet.
    blocked: u64,
    /// The probes with their state and results.
    probes: Vec<Value>,
}

#[derive(Serialize, JsonSchema)]
struct StudyCompared {
    /// Name of the study.
    study: String,
    /// A comparison for each section, as in `reg compare`, with `section`, `name` and `left_out`.
    sections: Vec<Value>,
    /// The probes with their results.
    probes: Vec<Value>,
}

#[derive(Serialize, JsonSchema)]
struct Report {
    /// The page.
    file: PathBuf,
    /// Its bytes.
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct Serve {
    /// The address of the first page, with the token.
    url: String,
    /// The token that every request needs.
    token: String,
    /// The port.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// The socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<PathBuf>,
}
