//! Training: epochs of steps, selection on the validation loss, and resuming after an interruption.
//!
//! The result depends only on the spec: order and views are drawn from random streams with seed, epoch and
//! image as key, libtorch's own generators are not used, and a resume checkpoint contains everything on which
//! the next step depends.

use std::io::Write;
use std::time::{Duration, Instant};

use reg::dataset::pixel_cache::ResizedPixels;
use reg::disk::Dir;
use reg::hash::Hash;
use reg::records::{EpochLog, Init, NetworkSpec, Pixels, Spec, Subset, Training, codec};
use reg::stats::auc;
use reg::worker::{JobOutcome, Phase, ProgressStep, WorkerEvent, files};
use tch::Tensor;

use crate::adam::Adam;
use crate::checkpoint::{Best, CheckpointWriter, EpochProgress, Owner, TrainingProgress};
use crate::error::TensorError;
use crate::features::Features;
use crate::images::{Crop, Images, batches, order};
use crate::layers::InitialValues;
use crate::loss::Criterion;
use crate::memory;
use crate::net::Net;
use crate::output;
use crate::paths::JobPaths;
use crate::predict::{Inputs, Resumed, started};
use crate::reporter::{Pace, Reporter};
use crate::weights::{self, Fit};

type Result<T> = std::result::Result<T, TensorError>;

/// The inputs of a training.
pub(crate) struct Setup<'a> {
    /// The spec.
    pub(crate) spec: &'a NetworkSpec,
    /// The training and validation images.
    pub(crate) rows: &'a Subsets,
    /// The initial weights.
    pub(crate) weights: Option<Hash>,
    /// Where pixels and features are kept.
    pub(crate) cache: Option<&'a Dir>,
    /// Time after which the state is kept anew.
    pub(crate) save_every: Duration,
}

/// Rows of the manifest by subset.
pub(crate) struct Subsets {
    /// Training images.
    pub(crate) training: Vec<u32>,
    /// Validation images.
    pub(crate) validation: Vec<u32>,
}

/// Time by part of the work, and number of images in each.
#[derive(Default)]
struct Clock {
    prepare: Duration,
    wait: Duration,
    train: Duration,
    validate: Duration,
    save: Duration,
    trained: u64,
    validated: u64,
}

/// Runs a spec and writes checkpoint and log.
pub(crate) fn train<W: Write>(
    paths: &JobPaths,
    mut inputs: Inputs,
    setup: Setup,
    reporter: &mut Reporter<W>,
) -> Result<JobOutcome> {
    let Setup { spec, rows, .. } = setup;
    let how = &spec.training;
    check(how, spec.fold, rows)?;
    for (subset, of) in [(Subset::Train, &rows.training), (Subset::Val, &rows.validation)] {
        let missing: u64 = inputs.images.counts(of, inputs.labels).missing.iter().sum();
        if missing == of.len() as u64 * u64::from(inputs.labels) {
            return Err(TensorError::NoKnownLabel { subset, fold: spec.fold });
        }
    }
    let mut net = Net::build(inputs.model, inputs.labels, InitialValues::Drawn(spec.seed), inputs.memory)?;
    match (spec.init, setup.weights) {
        (Init::Scratch, _) => {}
        (_, Some(id)) => weights::load(&net, &paths.read("weights", id)?, id, Fit::Body)?,
        (init, None) => {
            let reason = format!("`{}` needs initial weights, but none are given", init.name());
            return Err(TensorError::Settings(reason));
        }
    }
    if spec.init == Init::OffTheShelf {
        net.freeze()?;
    }
    let trained: Vec<Tensor> = net.trained().iter().map(|named| named.tensor.shallow_clone()).collect();
    let mut adam = Adam::new(how, &trained)?;
    let record = codec::encode(&Spec::Network(spec.clone()))
        .map_err(|source| TensorError::Encode { what: "spec", source })?;
    let owner = Owner { spec: Hash::of(&record), threads: paths.threads };
    let mut writer = CheckpointWriter::new(&paths.out, owner, setup.save_every);
    let (progress, best) =
        writer.resume(&net, &mut adam)?.unwrap_or_else(|| (TrainingProgress::new(how.lr), None));

    let parameters = net.parameters();
    let trainable = trained.iter().map(|tensor| tensor.numel() as u64).sum();
    let needed = memory::of_training(net.plan(), how.batch, trainable);
    let resumed = Resumed { epochs: progress.epochs.len() as u32, batches: progress.epoch_progress.batches };
    reporter.send(&started(inputs.memory.device, resumed, parameters, needed))?;
    memory::check(needed, how.batch, inputs.memory.device)?;
    reporter.report_status(&paths.out, progress.epochs.clone());

    let start = Instant::now();
    let features = match prepare(paths, &mut inputs, &setup, &net, reporter) {
        Err(TensorError::Interrupted { .. }) => {
            let (epochs, batches) = (progress.epochs.len() as u32, progress.epoch_progress.batches);
            return Err(TensorError::Interrupted { epochs, batches });
        }
        prepared => prepared?,
    };
    let clock = Clock { prepare: start.elapsed(), ..Clock::default() };
    let criterion = Criterion::new(how.loss, &inputs.images, &rows.training, inputs.labels);
    let inputs = &inputs;
    let labels = 0..inputs.labels as usize;
    let truth =
        rows.validation.iter().flat_map(|row| labels.clone().map(|label| inputs.images.label(*row, label)));
    let truth = truth.collect();
    let mut run = Run {
        inputs,
        spec,
        rows,
        net,
        features,
        trained,
        adam,
        criterion,
        truth,
        progress,
        best,
        writer,
        clock,
    };
    match run.carry_on(reporter) {
        // Not if `reg` is gone: its successor may be using the same folder.
        Err(TensorError::Interrupted { .. }) => {
            run.save()?;
            run.writer.settle()?;
            let (epochs, batches) = (run.progress.epochs.len() as u32, run.progress.epoch_progress.batches);
            return Err(TensorError::Interrupted { epochs, batches });
        }
        // From its last checkpoint it would end in the same way: nothing is lost with that.
        Err(e) if e.recurs() => {
            run.writer.discard();
            return Err(e);
        }
        other => other?,
    }
    run.finish(paths)
}

/// Fills the cache with what the training needs, and computes frozen features once.
fn prepare<W: Write>(
    paths: &JobPaths,
    inputs: &mut Inputs,
    setup: &Setup,
    net: &Net,
    reporter: &mut Reporter<W>,
) -> Result<Option<Features>> {
    let Setup { spec, rows, .. } = setup;
    let Some(image) = inputs.model.architecture.image() else { return Ok(None) };
    let evaluation = ResizedPixels::evaluation(image);
    let fixed = spec.training.augmentation.is_none();
    if let (Some(cache), Images::Dataset(dataset)) = (setup.cache, &mut inputs.images) {
        let training = if fixed { evaluation } else { resized(&spec.training) };
        dataset.keep(cache, training, &rows.training, reporter)?;
        dataset.keep(cache, evaluation, &rows.validation, reporter)?;
    }
    let (Init::OffTheShelf, true, Some(weights)) = (spec.init, fixed, setup.weights) else { return Ok(None) };
    let mut all: Vec<u32> = rows.training.iter().chain(&rows.validation).copied().collect();
    all.sort_unstable();
    let cache = setup.cache.unwrap_or(&paths.out);
    Features::compute(net, inputs, (weights, paths.threads), &all, cache, reporter).map(Some)
}

fn resized(how: &Training) -> ResizedPixels {
    match how.pixels() {
        Pixels::Original => ResizedPixels::Original,
        Pixels::Side(side) => ResizedPixels::Shrunk(side),
    }
}

fn check(how: &Training, fold: u32, rows: &Subsets) -> Result<()> {
    for (subset, of) in [(Subset::Train, &rows.training), (Subset::Val, &rows.validation)] {
        if of.is_empty() {
            return Err(TensorError::Empty { subset, fold });
        }
    }
    let positive = |value: f64| value.is_finite() && value > 0.0;
    let decay = |value: f64| (0.0..1.0).contains(&value);
    let wrong = match how {
        _ if how.epochs == 0 => "`epochs` must be at least 1",
        _ if how.batch == 0 => "`batch` must be at least 1",
        _ if !positive(how.lr) || !positive(how.eps) => "`lr` and `eps` must be positive",
        _ if !decay(how.beta1) || !decay(how.beta2) => "`beta1` and `beta2` must lie in [0, 1)",
        _ if !positive(how.lr_factor) || how.lr_factor > 1.0 => "`lr_factor` must lie in (0, 1]",
        _ => return Ok(()),
    };
    Err(TensorError::Settings(wrong.to_owned()))
}

/// The log: one line per epoch, in canonical form.
fn lines(progress: &TrainingProgress) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for epoch in &progress.epochs {
        let value = serde_json::to_value(epoch).map_err(|e| TensorError::Job(e.to_string()))?;
        lines.extend(codec::canonical(&value));
        lines.push(b'\n');
    }
    Ok(lines)
}

/// A training in progress.
struct Run<'a> {
    inputs: &'a Inputs<'a>,
    spec: &'a NetworkSpec,
    rows: &'a Subsets,
    net: Net,
    /// The features of a frozen network, which replace the images.
    features: Option<Features>,
    trained: Vec<Tensor>,
    adam: Adam,
    criterion: Criterion,
    /// The labels of the validation images, image after image; `None` if missing.
    truth: Vec<Option<bool>>,
    progress: TrainingProgress,
    best: Option<Best>,
    writer: CheckpointWriter,
    clock: Clock,
}

impl Run<'_> {
    /// Trains from the current state to the last epoch.
    fn carry_on<W: Write>(&mut self, reporter: &mut Reporter<W>) -> Result<()> {
        let how = &self.spec.training;
        let ended = |progress: &TrainingProgress| {
            progress.epochs.len() as u32 >= how.epochs || how.stops_after(progress.since_best())
        };
        while !ended(&self.progress) {
            let epoch = self.progress.epochs.len() as u32 + 1;
            let train_loss = self.epoch(epoch, reporter)?;
            let log = self.validate(epoch, train_loss, reporter)?;
            self.progress.add(log, how.lr_factor, how.patience);
            let log = self.progress.epochs.last().expect("one was added").clone();
            if log.improved {
                self.best = Some(Best::new(weights::checkpoint(&self.net)?));
            }
            reporter.send(&WorkerEvent::Epoch(log))?;
            self.keep_if_due(reporter)?;
        }
        Ok(())
    }

    /// Writes checkpoint and log.
    fn finish(mut self, paths: &JobPaths) -> Result<JobOutcome> {
        let start = Instant::now();
        if self.writer.has_saved() {
            // Otherwise, after a crash, the work since the last checkpoint would be repeated.
            self.save()?;
        }
        self.writer.settle()?;
        let best = self.best.as_ref().expect("the first epoch is the best of one");
        output::write(&paths.out, files::CHECKPOINT, best.bytes())?;
        output::write(&paths.out, files::LOG, &lines(&self.progress)?)?;
        self.clock.save += start.elapsed();
        let selected = self.progress.best().expect("the first epoch is the best of one");
        let Clock { prepare, wait, train, validate, save, .. } = self.clock;
        let seconds =
            [("prepare", prepare), ("wait", wait), ("train", train), ("validate", validate), ("save", save)];
        Ok(JobOutcome {
            epochs: self.progress.epochs.len() as u32,
            best_epoch: selected.epoch,
            val_loss: selected.val_loss,
            parameters: self.net.parameters(),
            seconds: seconds.map(|(part, time)| (part.to_owned(), time.as_secs_f64())).into(),
            penalty: None,
        })
    }

    fn save(&mut self) -> Result<()> {
        self.writer.save(&self.progress, &self.net, &self.adam, self.best.as_ref())
    }

    /// Saves a resume checkpoint if it is time. If it cannot be written, the training continues without.
    fn keep_if_due<W: Write>(&mut self, reporter: &mut Reporter<W>) -> Result<()> {
        if !self.writer.is_due() {
            return Ok(());
        }
        let start = Instant::now();
        let kept = self.save();
        self.clock.save += start.elapsed();
        match kept {
            Err(e @ TensorError::File { .. }) => {
                let message =
                    format!("{e}: without checkpoints, work from now on is lost if the training is killed");
                reporter.send(&WorkerEvent::Note { message })
            }
            kept => kept,
        }
    }

    fn step(&self, phase: Phase, epoch: u32, done: u64, rows: &[u32]) -> ProgressStep {
        let (epochs, total) = (self.spec.training.epochs, rows.len() as u64);
        ProgressStep { phase, epoch, epochs, done, total, rate: 0.0, loss: None, left: None }
    }

    /// Estimated seconds to the end, after `trained` images of an epoch and `validated` images of its
    /// validation.
    fn left(&self, epoch: u32, trained: u64, validated: u64) -> Option<f64> {
        let each = |time: Duration, images: u64| (images > 0).then(|| time.as_secs_f64() / images as f64);
        let train = each(self.clock.train, self.clock.trained)?;
        // Without the backward pass, about a third.
        let validate = each(self.clock.validate, self.clock.validated).unwrap_or(train / 3.0);
        let epochs = u64::from(self.spec.training.epochs.saturating_sub(epoch) + 1);
        let images = |rows: &[u32], done| (rows.len() as u64 * epochs).saturating_sub(done) as f64;
        Some(
            images(&self.rows.training, trained) * train
                + images(&self.rows.validation, validated) * validate,
        )
    }

    /// One pass over the training images, or the rest of it. Returns the mean loss over the images as they were
    /// processed.
    fn epoch<W: Write>(&mut self, epoch: u32, reporter: &mut Reporter<W>) -> Result<f64> {
        let (inputs, spec, how) = (self.inputs, self.spec, &self.spec.training);
        let order = order(&self.rows.training, spec.seed, epoch);
        let batches = batches(&order, how.batch, self.net.has_batch_statistics());
        let first = self.progress.epoch_progress.batches as usize;
        let pace = Pace::begin(self.step(Phase::Train, epoch, self.progress.epoch_progress.images, &order));
        let view = match &how.augmentation {
            Some(augmentation) => {
                Crop::Training { how: augmentation, from: resized(how), seed: spec.seed, epoch }
            }
            None => Crop::Evaluation,
        };
        let image = inputs.model.architecture.image().filter(|_| self.features.is_none());
        let mut last = Instant::now();
        let waited = inputs.images.for_each_batch(
            &batches[first..],
            image.map(|image| (image, view)),
            |rows, squares| {
                let logits = match &self.features {
                    Some(features) => inputs.head(&self.net, rows, features)?,
                    None => inputs.forward(&self.net, rows, squares, true)?,
                };
                let targets = inputs.images.targets(rows, inputs.labels, inputs.memory.device)?;
                let mut value = 0.0;
                // A batch without known labels has no loss.
                if targets.terms > 0 {
                    let loss = self.criterion.of_batch(&logits, &targets)?;
                    let gradients = Tensor::f_run_backward(&[&loss], &self.trained, false, false)?;
                    self.adam.step(&gradients, self.progress.lr)?;
                    // Read after the whole step has been submitted, so that a GPU has no pause.
                    value = loss.f_double_value(&[])?;
                }
                let EpochProgress { batches, images, known, loss } = &mut self.progress.epoch_progress;
                *batches += 1;
                if !value.is_finite() {
                    let names: Vec<_> = rows.iter().map(|row| inputs.images.name(*row)).collect();
                    let place = format!("batch {batches} (images {})", names.join(", "));
                    return Err(TensorError::Diverged { epoch, place });
                }
                *images += rows.len() as u64;
                // For a batch without missing labels, exactly its number of images.
                let weight = targets.terms as f64 / f64::from(inputs.labels);
                *known += weight;
                *loss += value * weight;
                let (done, mean) = (*images, (*known > 0.0).then(|| *loss / *known));
                self.clock.trained += rows.len() as u64;
                self.clock.train += last.elapsed();
                self.keep_if_due(reporter)?;
                last = Instant::now();
                reporter.progress(pace.step(done, mean, self.left(epoch, done, 0)))
            },
        )?;
        self.clock.wait += waited;
        Ok(self.progress.epoch_progress.loss / self.progress.epoch_progress.known)
    }

    /// Loss and mean AUC on the validation images.
    fn validate<W: Write>(
        &mut self,
        epoch: u32,
        train_loss: f64,
        reporter: &mut Reporter<W>,
    ) -> Result<EpochLog> {
        let start = Instant::now();
        let (inputs, rows) = (self.inputs, &self.rows.validation);
        let (batch, at) = (self.spec.training.batch, self.step(Phase::Validate, epoch, 0, rows));
        let trained = self.rows.training.len() as u64;
        let left = |done| self.left(epoch, trained, done);
        let (logits, waited) = match &self.features {
            Some(features) => {
                inputs.logits_of_features((&self.net, features), rows, (batch, at), left, reporter)?
            }
            None => inputs.logits(&self.net.folded()?, rows, (batch, at), left, reporter)?,
        };
        let truth = |image: usize, label: usize| self.truth[image * inputs.labels as usize + label];
        let val_loss = self.criterion.mean(&logits, truth);
        if !val_loss.is_finite() {
            return Err(TensorError::Diverged { epoch, place: "validation".to_owned() });
        }
        let labels = inputs.labels as usize;
        let aucs: Vec<f64> = (0..labels)
            .filter_map(|label| {
                let scores = logits.iter().skip(label).step_by(labels).copied();
                let known =
                    scores.enumerate().filter_map(|(image, score)| Some((score, truth(image, label)?)));
                let (scores, positive): (Vec<f64>, Vec<bool>) = known.unzip();
                auc(&scores, &positive)
            })
            .collect();
        let val_auc = (!aucs.is_empty()).then(|| aucs.iter().sum::<f64>() / aucs.len() as f64);
        self.clock.wait += waited;
        self.clock.validate += start.elapsed();
        self.clock.validated += rows.len() as u64;
        let (lr, val_auc_labels) = (self.progress.lr, aucs.len() as u32);
        Ok(EpochLog { epoch, lr, train_loss, val_loss, val_auc, val_auc_labels, improved: false })
    }
}
