//! Records of a training: its spec, its result, its predictions and its executions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Assignment, Blob, Dataset, DeviceKind, File, Model, Numerics, Packed, Program, ProgramInput,
    ProgramOutput, ProgramSpec, Split, Subset, TrainingData,
};
use crate::digits::{counted, thousands};
use crate::hash::{Hash, Id};

/// What is run: everything that determines the result.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "a spec lives alone, not in arrays")]
pub enum Spec {
    /// A network that reg trains.
    Network(NetworkSpec),
    /// A program of the user's own.
    Program(ProgramSpec),
}

/// By the field `program`, which only a program has, so that an error is about the fields of the right kind.
impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let document = serde_json::Value::deserialize(deserializer)?;
        match document.get("program") {
            Some(_) => at_path(document).map(Spec::Program).map_err(D::Error::custom),
            None => at_path(document).map(Spec::Network).map_err(D::Error::custom),
        }
    }
}

/// Reads a value of a type; an error says where in the document.
fn at_path<T: serde::de::DeserializeOwned>(document: serde_json::Value) -> Result<T, String> {
    serde_path_to_error::deserialize(document).map_err(|e| match e.path().to_string().as_str() {
        "." => e.into_inner().to_string(),
        path => format!("{path}: {}", e.inner()),
    })
}

impl Spec {
    /// The images and labels.
    pub fn dataset(&self) -> Id<Dataset> {
        match self {
            Spec::Network(spec) => spec.dataset,
            Spec::Program(spec) => spec.dataset,
        }
    }

    /// The split into training, validation and test images.
    pub fn split(&self) -> Id<Split> {
        match self {
            Spec::Network(spec) => spec.split,
            Spec::Program(spec) => spec.split,
        }
    }

    /// Fold of the split, from 0.
    pub fn fold(&self) -> u32 {
        match self {
            Spec::Network(spec) => spec.fold,
            Spec::Program(spec) => spec.fold,
        }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        match self {
            Spec::Network(spec) => spec.seed,
            Spec::Program(spec) => spec.seed,
        }
    }

    /// Name of the model in tables.
    pub fn model_name(&self) -> &str {
        match self {
            Spec::Network(spec) => &spec.model.name,
            Spec::Program(spec) => &spec.program.name,
        }
    }

    /// The initial weights of a network, unless from scratch.
    pub fn weights(&self) -> Option<Id<Weights>> {
        self.network().and_then(|spec| spec.weights)
    }

    /// Files that a program was given besides images and labels; none of a network.
    pub fn inputs(&self) -> &[ProgramInput] {
        self.program().map_or(&[], |program| &program.inputs)
    }

    /// The files that a program was given: its inputs, and its own files.
    pub fn given(&self) -> impl Iterator<Item = Hash> {
        let files = self.program().map_or(&[][..], |program| &program.files);
        let inputs = self.inputs().iter().map(|input| input.object.hash);
        inputs.chain(files.iter().map(|file| file.object.hash))
    }

    /// The images on which it trains and selects.
    pub fn training_data(&self) -> TrainingData {
        TrainingData::Division { dataset: self.dataset(), split: self.split(), fold: self.fold() }
    }

    /// The network, unless it is a program.
    pub fn network(&self) -> Option<&NetworkSpec> {
        match self {
            Spec::Network(spec) => Some(spec),
            Spec::Program(_) => None,
        }
    }

    /// The program, unless it is a network.
    pub fn program(&self) -> Option<&Program> {
        match self {
            Spec::Network(_) => None,
            Spec::Program(spec) => Some(&spec.program),
        }
    }
}

/// Everything that determines the result of a training, defaults included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// The images and labels.
    pub dataset: Id<Dataset>,
    /// The split into training, validation and test images.
    pub split: Id<Split>,
    /// Fold of the split, from 0.
    pub fold: u32,
    /// The network.
    pub model: Model,
    /// How the weights are initialised.
    pub init: Init,
    /// The initial weights, unless from scratch.
    pub weights: Option<Id<Weights>>,
    /// The training settings.
    pub training: Training,
    /// Seed of initial weights, sample order and augmentation.
    pub seed: u64,
    /// Threads of the tensor library: sums in a different order give different bits.
    pub threads: u32,
    /// Kind of device.
    pub device: DeviceKind,
    /// Version of the numbers: of the worker and of the libraries that it is linked to.
    pub numerics: Numerics,
}

/// How weights are initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// He initialisation.
    Scratch,
    /// Given weights; everything is trained.
    FineTune,
    /// Given weights, frozen (BatchNorm in evaluation mode); only the dense layer is trained.
    OffTheShelf,
}

impl Init {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Init::Scratch => "scratch",
            Init::FineTune => "fine-tune",
            Init::OffTheShelf => "off-the-shelf",
        }
    }
}

/// Training settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training images.
    pub epochs: u32,
    /// Batch size.
    pub batch: u32,
    /// Learning rate of Adam at the start.
    pub lr: f64,
    /// Adam's decay of the first moment.
    pub beta1: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Adam's epsilon, added to the denominator.
    pub eps: f64,
    /// Factor by which the learning rate is multiplied when the validation loss stops improving.
    pub lr_factor: f64,
    /// Number of epochs in a row without a better validation loss that leave the learning rate as it is; the next one
    /// multiplies it by `lr_factor`.
    pub patience: u32,
    /// The loss.
    pub loss: Loss,
    /// Augmentation of the training images; null for a model without image input.
    pub augmentation: Option<Augmentation>,
    /// The source of the augmentation's crops; absent in older specs, which crop from the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pixels")]
    pub pixels: Option<Pixels>,
    /// Floating-point precision of the network; absent in older specs, which have `f32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Precision")]
    pub precision: Option<Precision>,
    /// Memory layout of images; absent in older specs, which have `channels-last` on the CPU and
    /// `channels-first` on a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Layout")]
    pub layout: Option<Layout>,
    /// When training ends before its last epoch; absent in older specs, which have `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EarlyStop")]
    pub early_stop: Option<EarlyStop>,
}

impl Training {
    /// The source of the augmentation's crops.
    pub fn pixels(&self) -> Pixels {
        self.pixels.unwrap_or(Pixels::Original)
    }

    /// Floating-point precision of the network.
    pub fn precision(&self) -> Precision {
        self.precision.unwrap_or(Precision::F32)
    }

    /// Memory layout of images on a kind of device.
    pub fn layout(&self, device: DeviceKind) -> Layout {
        let older = match device {
            DeviceKind::Cpu => Layout::ChannelsLast,
            DeviceKind::Cuda => Layout::ChannelsFirst,
        };
        self.layout.unwrap_or(older)
    }

    /// Whether training ends when the last `stalled` epochs have not improved.
    pub fn stops_after(&self, stalled: u32) -> bool {
        matches!(self.early_stop, Some(EarlyStop::Epochs(epochs)) if stalled >= epochs)
    }
}

/// The source of the augmentation's crops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pixels {
    /// The original image.
    Original,
    /// The image resized, antialiased, to this length of its shorter side, if that is longer.
    #[serde(untagged)]
    Side(u32),
}

/// Floating-point precision of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE single precision.
    F32,
    /// Single precision whose products a GPU may round to TensorFloat-32.
    Tf32,
    /// bfloat16 for the operations that tolerate it (autocast), single precision for weights and all other
    /// operations.
    Bf16,
}

/// Memory layout of a batch of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `[batch, height, width, channels]`.
    ChannelsLast,
    /// `[batch, channels, height, width]`.
    ChannelsFirst,
}

/// When training ends before its last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EarlyStop {
    /// Never.
    Never,
    /// When the validation loss has not improved for this number of epochs.
    #[serde(untagged)]
    Epochs(u32),
}

/// The loss: binary cross-entropy on logits, averaged over labels and batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// All terms have the same weight.
    Bce,
    /// Positives and negatives of a label have the same total weight over the training images.
    PositiveNegative,
    /// Labels are weighted inversely to their number of positives.
    ClassBalanced,
}

/// Augmentation of the training images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Smallest and largest share of the image's area that a crop covers.
    pub crop_area: [f64; 2],
    /// Smallest and largest aspect ratio (width over height) of a crop.
    pub crop_aspect: [f64; 2],
    /// Rotation in degrees, uniform between minus and plus this.
    pub rotation: f64,
    /// Probability of a horizontal flip.
    pub flip: f64,
}

/// The result of a spec: trained weights, and whatever else a program left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "log": ["epochs"], "epochs": ["log"] }))]
pub struct Run {
    /// The spec.
    pub spec: Id<Spec>,
    /// Weights of the epoch with the lowest validation loss, as safetensors with torchvision's names. Of a program: the
    /// file `checkpoint.*` that it left, whatever its format; absent if it left none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Id<Blob>")]
    pub checkpoint: Option<Id<Blob>>,
    /// One [`RecordedEpoch`](super::RecordedEpoch) per line; absent if a program left none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Id<Blob>")]
    pub log: Option<Id<Blob>>,
    /// Number of trained epochs; absent without a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub epochs: Option<u32>,
    /// The epoch with the lowest validation loss, from 1: the selected one, unless a program chose by a rule of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub best_epoch: Option<u32>,
    /// Its validation loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub val_loss: Option<f64>,
    /// Trainable and frozen parameters, without buffers; absent for a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub parameters: Option<u64>,
    /// The other files that a program left, its scores among them, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub files: Vec<ProgramOutput>,
}

/// Scores of a model for images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predictions {
    /// The images.
    pub dataset: Id<Dataset>,
    /// The split whose subset was scored.
    pub split: Option<Id<Split>>,
    /// Its fold.
    pub fold: Option<u32>,
    /// Its subset.
    pub subset: Option<Subset>,
    /// The origin of the scores.
    pub source: ScoreSource,
    /// Name of the model in tables.
    pub model: String,
    /// Labels of the columns of the scores.
    pub labels: Vec<String>,
    /// The scale of the scores.
    pub scale: Scale,
    /// Number of rows of the scores.
    pub images: u64,
    /// The scores.
    pub scores: Id<Scores>,
}

impl Predictions {
    /// Whether these are scores of a subset as it is, and not of its mirrored images.
    pub fn is_plain(&self, subset: Subset) -> bool {
        self.subset == Some(subset) && !self.is_flipped()
    }

    /// Whether these are a run's scores of mirrored images.
    pub fn is_flipped(&self) -> bool {
        matches!(self.source, ScoreSource::Run { flipped: true, .. })
    }

    /// Asserts that scores have the columns and the number of rows of these predictions, and rows of their data set.
    pub(crate) fn check_scores(&self, scores: &Scores, dataset: &Dataset) -> Result<(), String> {
        let (columns, labels) = (scores.labels as usize, self.labels.len());
        if columns != labels {
            return Err(format!(
                "{}, but the predictions are of {}",
                counted(columns as u64, "column"),
                counted(labels as u64, "label")
            ));
        }
        let rows = scores.rows.len() as u64;
        if rows != self.images {
            return Err(format!(
                "{}, but the predictions are of {}",
                counted(rows, "row"),
                counted(self.images, "image")
            ));
        }
        dataset.check_scores(scores)
    }

    /// Asserts that the run to which they are attributed can have produced them: the subset of the run's data
    /// set, split and fold.
    pub fn fit(&self, spec: &Spec, assignment: &Assignment, scores: &Scores) -> Result<(), String> {
        let of_run = (spec.dataset(), Some(spec.split()), Some(spec.fold()));
        if (self.dataset, self.split, self.fold) != of_run {
            return Err("data set, split or division differ from the run's".to_owned());
        }
        let Some(subset) = self.subset else { return Ok(()) };
        if assignment.folds.len() <= spec.fold() as usize {
            return Err("the split has no such division".to_owned());
        }
        if assignment.rows(spec.fold() as usize, subset) != scores.rows {
            return Err(format!("their images are not the {} images", subset.name()));
        }
        Ok(())
    }
}

/// The scale of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// The network's output before the sigmoid. Unlike probabilities, logits do not become equal near 0 and 1,
    /// where ties would change ranks.
    Logit,
    /// A probability.
    Probability,
}

impl Scale {
    /// The probability for a score.
    pub fn probability(self, score: f64) -> f64 {
        match self {
            Scale::Logit => 1.0 / (1.0 + (-score).exp()),
            Scale::Probability => score,
        }
    }
}

/// The origin of scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScoreSource {
    /// A run's checkpoint.
    Run {
        /// The run.
        run: Id<Run>,
        /// Kind of device.
        device: DeviceKind,
        /// Threads of the tensor library.
        threads: u32,
        /// Version of the numbers.
        numerics: Numerics,
        /// Whether the images were mirrored left to right: one of the views of a test-time augmentation. Absent if not.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[schemars(extend("const" = true))]
        flipped: bool,
    },
    /// The mean of several predictions: an ensemble of models, or of views of the same images. Logits are averaged if all
    /// are logits, otherwise probabilities.
    Mean {
        /// Its members, which score the same images and labels, sorted by id.
        #[schemars(length(min = 2), extend("uniqueItems" = true))]
        predictions: Vec<Id<Predictions>>,
        /// Version of the rules that produced this record.
        rules: u32,
    },
    /// The scores that a program left.
    Program {
        /// The run.
        run: Id<Run>,
        /// Version of the rules by which they were read.
        rules: u32,
    },
    /// Another tool's scores.
    Import {
        /// The original CSV.
        file: File,
        /// The pattern of the names of its columns of scores, if one was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "String")]
        columns: Option<String>,
        /// Version of the rules that produced this record.
        rules: u32,
    },
}

impl ScoreSource {
    /// The run to which the scores belong; none of a mean and of another tool's.
    pub fn run(&self) -> Option<Id<Run>> {
        match self {
            ScoreSource::Run { run, .. } | ScoreSource::Program { run, .. } => Some(*run),
            ScoreSource::Mean { .. } | ScoreSource::Import { .. } => None,
        }
    }
}

/// Scores, one row per image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Rows of the manifest, ascending.
    pub rows: Vec<u32>,
    /// Number of columns.
    pub labels: u32,
    /// `[rows, labels]`, row after row, on the scale given in the predictions.
    pub scores: Vec<f64>,
}

impl Scores {
    /// One label's scores, in the order of `rows`.
    pub fn column(&self, label: usize) -> Vec<f64> {
        self.scores.iter().skip(label).step_by(self.labels as usize).copied().collect()
    }
}

impl Packed for Scores {
    const KIND: &'static str = "scores";
    const MAGIC: &'static [u8; 8] = b"regscore";

    fn check(&self) -> Result<(), String> {
        if self.labels == 0 {
            return Err("it has no columns".into());
        }
        if self.rows.len().checked_mul(self.labels as usize) != Some(self.scores.len()) {
            let (scores, rows) = (self.scores.len() as u64, self.rows.len() as u64);
            return Err(format!(
                "{} for {} of {}",
                counted(scores, "score"),
                counted(rows, "row"),
                thousands(self.labels.into())
            ));
        }
        if self.rows.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("its rows are not ascending".into());
        }
        match self.scores.iter().find(|score| !score.is_finite()) {
            Some(score) => Err(format!("{score} is not a valid score")),
            None => Ok(()),
        }
    }
}

/// Imported weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The original safetensors file.
    pub file: File,
    /// The runs that left the file, as their checkpoint or beside it, among those known at the time of import, sorted by
    /// id: a network that starts from these weights has seen everything that these runs have seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub runs: Vec<Id<Run>>,
    /// What the weights were trained on, as was declared at the import, sorted; absent if nothing was declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub trained_on: Vec<TrainingData>,
    /// Number of tensors in it.
    pub tensors: u64,
    /// Number of values in them, without running statistics, counters of batches and thresholds of scores.
    pub parameters: u64,
}
