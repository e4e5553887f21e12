//! A training as a function: its specification, its result, what it predicts, and how it went.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Assignment, Blob, Dataset, File, Model, Numerics, Packed, Software, Split, Subset};
use crate::hash::{Hash, Id};

/// Everything that determines the result of a training, defaults included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The images and labels.
    pub dataset: Id<Dataset>,
    /// Which of them train, validate and test.
    pub split: Id<Split>,
    /// Fold of the split, from 0.
    pub fold: u32,
    /// The network.
    pub model: Model,
    /// Where its weights start.
    pub init: Init,
    /// The weights that it starts from, unless from scratch.
    pub weights: Option<Id<Weights>>,
    /// How it is trained.
    pub training: Training,
    /// Seed of initial weights, sample order and augmentation.
    pub seed: u64,
    /// Threads of the tensor library: sums in another order give other bits.
    pub threads: u32,
    /// Kind of device.
    pub device: DeviceKind,
    /// By which version of the numbers, of the worker and of what it is linked to.
    pub numerics: Numerics,
}

/// Where weights start.
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
    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Init::Scratch => "scratch",
            Init::FineTune => "fine-tune",
            Init::OffTheShelf => "off-the-shelf",
        }
    }
}

/// Kind of device that computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

/// How a network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training images.
    pub epochs: u32,
    /// Images a step.
    pub batch: u32,
    /// Learning rate of Adam at the start.
    pub lr: f64,
    /// Adam's decay of the first moment.
    pub beta1: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Adam's term in the denominator.
    pub eps: f64,
    /// The learning rate is multiplied by this when the validation loss has not improved.
    pub lr_factor: f64,
    /// Epochs without improvement that are let pass before that.
    pub patience: u32,
    /// What is minimised.
    pub loss: Loss,
    /// Random views of the training images; none for a model that sees no images.
    pub augmentation: Option<Augmentation>,
    /// What the random views are cut from; absent in older specs, which cut them from the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pixels")]
    pub pixels: Option<Pixels>,
    /// Arithmetic of the network; absent in older specs, which have `f32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Precision")]
    pub precision: Option<Precision>,
    /// Order of the numbers of an image in memory; absent in older specs, which have `channels-last` on
    /// the processor and `channels-first` on a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Layout")]
    pub layout: Option<Layout>,
    /// When training ends before its last epoch; absent in older specs, which have `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EarlyStop")]
    pub early_stop: Option<EarlyStop>,
}

impl Training {
    /// What random views are cut from.
    pub fn pixels(&self) -> Pixels {
        self.pixels.unwrap_or(Pixels::Original)
    }

    /// Arithmetic of the network.
    pub fn precision(&self) -> Precision {
        self.precision.unwrap_or(Precision::F32)
    }

    /// Order of the numbers of an image on a kind of device.
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

/// What random views are cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pixels {
    /// The image as it is.
    Original,
    /// The image shrunk, antialiased, to this length of its shorter side where that is longer.
    #[serde(untagged)]
    Side(u32),
}

/// Arithmetic of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE single precision.
    F32,
    /// Single precision whose products a GPU may round to TensorFloat-32.
    Tf32,
    /// bfloat16 for the operations that bear it (autocast), single precision for weights and the rest.
    Bf16,
}

/// Order of the numbers of a batch of images in memory.
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
    /// When the validation loss has not improved for so many epochs.
    #[serde(untagged)]
    Epochs(u32),
}

/// What is minimised: binary cross-entropy on logits, averaged over labels and batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Every term counts the same.
    Bce,
    /// Positives and negatives of a label count the same in sum over the training images.
    PositiveNegative,
    /// Labels are weighted inversely to their number of positives.
    ClassBalanced,
}

/// Random views of the training images.
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

/// Trained weights: the result of carrying out a spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The spec of the training.
    pub spec: Id<Spec>,
    /// Weights of the epoch with the lowest validation loss, as safetensors with torchvision's names.
    pub checkpoint: Id<Blob>,
    /// One [`EpochLog`] a line.
    pub log: Id<Blob>,
    /// Epochs that were trained.
    pub epochs: u32,
    /// The one that was selected, from 1.
    pub best_epoch: u32,
    /// Its validation loss.
    pub val_loss: f64,
    /// Trainable and frozen parameters, without buffers.
    pub parameters: u64,
}

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochLog {
    /// From 1.
    pub epoch: u32,
    /// Learning rate of this epoch.
    pub lr: f64,
    /// Mean loss over the training images as they were seen.
    pub train_loss: f64,
    /// Mean loss over the validation images.
    pub val_loss: f64,
    /// Mean AUC over the labels where it is defined on the validation images.
    pub val_auc: Option<f64>,
    /// Labels that this mean covers.
    pub val_auc_labels: u32,
    /// Whether it is the best so far.
    pub improved: bool,
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
    /// Who scored.
    pub source: ScoreSource,
    /// What tables call the model.
    pub model: String,
    /// Columns of the scores.
    pub labels: Vec<String>,
    /// What a score means.
    pub scale: Scale,
    /// Rows of the scores.
    pub images: u64,
    /// The scores.
    pub scores: Id<Scores>,
}

impl Predictions {
    /// Asserts that they are what the run that they are attributed to can have scored: the subset that they name, of its
    /// data set, split and fold.
    pub fn fit(&self, spec: &Spec, assignment: &Assignment, scores: &Scores) -> Result<(), String> {
        let of_run = (spec.dataset, Some(spec.split), Some(spec.fold));
        if (self.dataset, self.split, self.fold) != of_run {
            return Err("data set, split or fold differ from the run's".to_owned());
        }
        let Some(subset) = self.subset else { return Ok(()) };
        if assignment.folds.len() <= spec.fold as usize {
            return Err("the split has no such fold".to_owned());
        }
        if assignment.rows(spec.fold as usize, subset) != scores.rows {
            return Err(format!("their images are not the {} images", subset.name()));
        }
        Ok(())
    }
}

/// What a score means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// The network's output before the sigmoid: unlike a probability, it does not run together near 0
    /// and 1, where ties would change ranks.
    Logit,
    /// A probability.
    Probability,
}

impl Scale {
    /// The probability that a score stands for.
    pub fn probability(self, score: f64) -> f64 {
        match self {
            Scale::Logit => 1.0 / (1.0 + (-score).exp()),
            Scale::Probability => score,
        }
    }
}

/// Where scores come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScoreSource {
    /// A run's checkpoint.
    Run {
        /// The run.
        run: Id<Run>,
        /// Kind of device that computed.
        device: DeviceKind,
        /// Threads of the tensor library.
        threads: u32,
        /// By which version of the numbers.
        numerics: Numerics,
    },
    /// Another tool's scores.
    Import {
        /// The original CSV.
        file: File,
        /// Version of the rules that produced this record.
        rules: u32,
    },
}

/// Scores, a row an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Rows of the manifest, ascending.
    pub rows: Vec<u32>,
    /// Number of columns.
    pub labels: u32,
    /// `[rows, labels]`, row after row, on the scale that the predictions name.
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
            let (scores, rows, labels) = (self.scores.len(), self.rows.len(), self.labels);
            return Err(format!("{scores} scores for {rows} rows of {labels}"));
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

/// Weights from outside, or from a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The original safetensors file.
    pub file: File,
    /// The runs whose checkpoint it is, of those that were there when it was taken in, in the order of their ids: what they
    /// have seen, whoever begins with it has seen, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub runs: Vec<Id<Run>>,
    /// Tensors in it.
    pub tensors: u64,
    /// Numbers in them.
    pub parameters: u64,
}

/// When, where and how long: recorded beside a result, never inside what is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    /// The run or the predictions that it made.
    pub made: Hash,
    /// Start, in UTC.
    pub started: String,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Name of the machine.
    pub host: String,
    /// Its processor, as it names itself.
    pub cpu: String,
    /// Its GPU, where one was used.
    pub gpu: Option<String>,
    /// Cores that it showed.
    pub cores: u32,
    /// Vector instructions that the tensor library used.
    pub cpu_capability: String,
    /// Version of reg.
    pub reg: String,
    /// The program that computed, with its sources.
    pub software: Id<Software>,
    /// State of the source tree that reg was built from.
    pub git: Option<Git>,
    /// The command line, quoted as a shell takes it.
    pub command: String,
    /// Epochs that were there already from interrupted attempts; 0 if it went through.
    pub resumed: u32,
    /// Whether a GPU was held to algorithms that give the same bits at every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub deterministic: Option<bool>,
}

/// State of a source tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Git {
    /// Commit: `git:` and its hex digits.
    pub commit: String,
    /// Whether it had no changes on top of the commit.
    pub clean: bool,
}
