//! The descriptors of the kinds of record around a training: software, spec, run, predictions, weights,
//! execution.

use super::kind::Purpose;
use super::program::is_file_name;
use super::time::check_time;
use super::{
    Content, Descriptor, DeviceKind, Execution, ImageUse, Kind, Predictions, Recomputed, Record, RecordClass,
    Role, Run, ScoreSource, Software, Spec, Subset, TrainingData, Travels, Weights,
};
use crate::digits::{counted, thousands};
use crate::hash::Hash;
use crate::limits;

impl Record for Software {
    const KIND: Kind = Kind::Software;
    const VERSION: u32 = 2;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "software",
        plural: "software",
        called: "software",
        inputs: &[Role::Sources],
        outputs: &[],
        chosen: |_| true,
        class: RecordClass::Input,
        travels: Travels::Named,
        carries: false,
        recomputed: Some(Recomputed::Software),
        content: Content::Document,
        is_listed: false,
    };

    fn summary(&self) -> String {
        format!("reg-torch {}, {}", self.worker, self.numerics)
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        Vec::new()
    }
}

impl Record for Spec {
    const KIND: Kind = Kind::Spec;
    const VERSION: u32 = 2;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "spec",
        plural: "specs",
        called: "a spec",
        inputs: &[Role::Dataset, Role::Files, Role::Inputs, Role::Split, Role::Weights],
        outputs: &[],
        chosen: |_| true,
        class: RecordClass::Input,
        travels: Travels::Named,
        // A study refers to the specs of its runs, not to the runs.
        carries: true,
        recomputed: Some(Recomputed::Spec),
        content: Content::Document,
        is_listed: false,
    };

    fn check(&self) -> Result<(), String> {
        match self {
            Spec::Network(_) => Ok(()),
            Spec::Program(spec) => spec.check(),
        }
    }

    fn summary(&self) -> String {
        let Spec::Network(spec) = self else {
            return format!(
                "{}, a program of {}, division {}, seed {}",
                self.model_name(),
                counted(self.program().map_or(0, |program| program.files.len()) as u64, "file"),
                self.fold(),
                self.seed()
            );
        };
        format!(
            "{}, {}, division {}, seed {}, {}, {}, {}",
            spec.model.name,
            spec.init.name(),
            spec.fold,
            spec.seed,
            counted(spec.training.epochs.into(), "epoch"),
            counted(spec.threads.into(), "thread"),
            match spec.device {
                DeviceKind::Cpu => "cpu",
                DeviceKind::Cuda => "cuda",
            },
        )
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        let (dataset, split, fold) = (self.dataset(), self.split(), self.fold());
        let of = |subset, purpose| ImageUse::Subset { dataset, split, fold, subset, purpose };
        let own = [of(Subset::Train, Purpose::Training), of(Subset::Val, Purpose::Validation)];
        let weights = self.weights().map(|weights| ImageUse::Of(weights.hash));
        own.into_iter().chain(weights).chain(self.given().map(ImageUse::Learnt)).collect()
    }
}

impl Record for Run {
    const KIND: Kind = Kind::Run;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "run",
        plural: "runs",
        called: "a run",
        inputs: &[Role::Spec],
        outputs: &[Role::Checkpoint, Role::Files, Role::Log],
        chosen: |at| at == "/kind",
        class: RecordClass::Computed,
        travels: Travels::WithInputs,
        carries: true,
        recomputed: Some(Recomputed::Run),
        content: Content::Run,
        is_listed: true,
    };

    fn check(&self) -> Result<(), String> {
        if self.log.is_some() != self.epochs.is_some() {
            return Err("it has a log or a number of epochs, but not both".to_owned());
        }
        if self.files.windows(2).any(|pair| pair[0].name >= pair[1].name) {
            return Err("its files are not sorted by name".to_owned());
        }
        match self.files.iter().find(|file| !is_file_name(&file.name)) {
            Some(file) => Err(format!("{:?} is not a plain file name", file.name)),
            None => Ok(()),
        }
    }

    fn summary(&self) -> String {
        match (self.best_epoch, self.epochs) {
            (Some(best), Some(epochs)) => run_summary(best, epochs, self.val_loss),
            _ => format!("of a program, {}", counted(self.files.len() as u64, "file")),
        }
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        vec![ImageUse::Of(self.spec.hash)]
    }
}

/// A run in one line: the epoch whose weights were kept, and its validation loss.
pub fn run_summary(best_epoch: u32, epochs: u32, val_loss: Option<f64>) -> String {
    format!("epoch {best_epoch} of {epochs}, validation loss {}", rounded(val_loss))
}

impl Record for Predictions {
    const KIND: Kind = Kind::Predictions;
    const VERSION: u32 = 2;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "predictions",
        plural: "predictions",
        called: "predictions",
        inputs: &[Role::Dataset, Role::File, Role::Predictions, Role::Run, Role::Split],
        outputs: &[Role::Scores],
        chosen: |at| at == "/kind",
        class: RecordClass::Computed,
        travels: Travels::WithInputs,
        carries: true,
        recomputed: Some(Recomputed::Predictions),
        content: Content::Predictions,
        is_listed: false,
    };

    fn check(&self) -> Result<(), String> {
        match &self.source {
            ScoreSource::Mean { predictions, .. } if predictions.len() < 2 => {
                Err("it is a mean of fewer than two predictions".to_owned())
            }
            ScoreSource::Mean { predictions, .. } if !predictions.is_sorted_by(|a, b| a.hash < b.hash) => {
                Err("the members of its mean are not sorted, or one is listed twice".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn summary(&self) -> String {
        let fold = self.fold.map(|fold| format!(", division {fold}")).unwrap_or_default();
        let subset = self.subset.map(|subset| format!(", {}", subset.name())).unwrap_or_default();
        format!("{}{fold}{subset}, {}", self.model, counted(self.images, "image"))
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        let Predictions { dataset, split, fold, subset, scores, .. } = *self;
        let of_scores = ImageUse::Scores { dataset, scores };
        match (self.source.run(), split, fold, subset) {
            // The subset determines the scored images; without a subset, the scores do.
            (Some(run), Some(split), Some(fold), Some(subset)) => {
                let purpose = Purpose::Scoring;
                vec![ImageUse::Of(run.hash), ImageUse::Subset { dataset, split, fold, subset, purpose }]
            }
            (Some(run), ..) => vec![ImageUse::Of(run.hash), of_scores],
            (None, ..) => match &self.source {
                ScoreSource::Mean { predictions, .. } => {
                    predictions.iter().map(|id| ImageUse::Of(id.hash)).chain([of_scores]).collect()
                }
                _ => vec![of_scores],
            },
        }
    }
}

impl Record for Weights {
    const KIND: Kind = Kind::Weights;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "weights",
        plural: "weights",
        called: "weights",
        inputs: &[Role::Dataset, Role::File, Role::Runs, Role::Split],
        outputs: &[],
        chosen: |_| true,
        class: RecordClass::Input,
        travels: Travels::WithSubject,
        carries: false,
        recomputed: Some(Recomputed::Weights),
        content: Content::Document,
        is_listed: true,
    };

    fn check(&self) -> Result<(), String> {
        match self.trained_on.is_sorted_by(|a, b| a < b) {
            true => Ok(()),
            false => Err("its list of training data is not sorted, or has an entry twice".to_owned()),
        }
    }

    fn summary(&self) -> String {
        format!("{}, {}", counted(self.tensors, "tensor"), counted(self.parameters, "parameter"))
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        let runs = self.runs.iter().map(|run| ImageUse::Of(run.hash));
        let declared = self.trained_on.iter().flat_map(TrainingData::uses);
        runs.chain(declared).chain([ImageUse::Learnt(self.file.object.hash)]).collect()
    }
}

impl TrainingData {
    /// How a record that has learnt from them uses images.
    pub fn uses(&self) -> Vec<ImageUse> {
        match *self {
            TrainingData::Dataset { dataset } => vec![ImageUse::TrainedOnAll(dataset)],
            TrainingData::Division { dataset, split, fold } => {
                let of = |subset, purpose| ImageUse::Subset { dataset, split, fold, subset, purpose };
                vec![of(Subset::Train, Purpose::Training), of(Subset::Val, Purpose::Validation)]
            }
            TrainingData::External { .. } => Vec::new(),
        }
    }
}

impl Record for Execution {
    const KIND: Kind = Kind::Execution;
    const VERSION: u32 = 2;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "execution",
        plural: "executions",
        called: "an execution",
        inputs: &[Role::Packages, Role::Software],
        outputs: &[Role::Made, Role::Stderr, Role::Stdout],
        chosen: |_| true,
        class: RecordClass::Execution,
        travels: Travels::WithInputs,
        carries: false,
        recomputed: None,
        content: Content::Document,
        is_listed: false,
    };

    fn check(&self) -> Result<(), String> {
        check_time("started", &self.started)?;
        let most = limits::EXECUTION.as_secs();
        match (0.0..=most as f64).contains(&self.seconds) {
            true => Ok(()),
            false => {
                Err(format!("its `seconds` are {:e}, but must be 0 to {}", self.seconds, thousands(most)))
            }
        }
    }

    fn summary(&self) -> String {
        format!("{} on {}, {:.1} s", self.started, self.host, self.seconds)
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        Vec::new()
    }
}

/// A number, shortened for a single line.
pub(super) fn rounded(value: Option<f64>) -> String {
    value.map_or("n/a".to_owned(), |number| {
        if number.abs() < 1e4 { format!("{number:.4}") } else { format!("{number:.2e}") }
    })
}
