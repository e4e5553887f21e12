//! Training: epochs of steps, selection on the validation loss, and going on where it stopped.
//!
//! What comes out depends on the spec alone: order and views are drawn from streams keyed by seed,
//! epoch and image, libtorch's own generators are not used, and an interrupted training repeats the
//! epoch that it was in from the state at its start.

use std::io::Write;
use std::time::{Duration, Instant};

use reg::hash::Hash;
use reg::records::{EpochLog, Init, Spec, Subset, Training, codec};
use reg::stats::auc;
use reg::worker::{Event, Outcome, Phase, files};
use tch::Tensor;

use crate::adam::Adam;
use crate::error::TensorError;
use crate::images::{View, batches, order};
use crate::job::Place;
use crate::layers::Start;
use crate::loss::Criterion;
use crate::net::Net;
use crate::output;
use crate::predict::Inputs;
use crate::reporter::{Progress, Reporter};
use crate::state::{self, Course, Owner};
use crate::weights::{self, Fit};

type Result<T> = std::result::Result<T, TensorError>;

/// Names of images that a message about a diverged loss lists.
const NAMED_IMAGES: usize = 3;

/// Rows of the manifest by the part that they play.
pub(crate) struct Rows {
    /// Trained on.
    pub(crate) training: Vec<u32>,
    /// Selected on.
    pub(crate) validation: Vec<u32>,
}

/// Seconds by part of the work.
#[derive(Default)]
struct Clock {
    wait: Duration,
    train: Duration,
    validate: Duration,
    save: Duration,
}

/// Carries out a spec and leaves checkpoint and log.
pub(crate) fn train<W: Write>(
    place: &Place,
    inputs: &Inputs,
    spec: &Spec,
    rows: &Rows,
    given: Option<Hash>,
    reporter: &mut Reporter<W>,
) -> Result<Outcome> {
    let how = &spec.training;
    check(how, spec.fold, rows)?;
    let mut net = Net::build(inputs.model, inputs.labels, Start::Drawn(spec.seed), inputs.device)?;
    match (spec.init, given) {
        (Init::Scratch, _) => {}
        (_, Some(id)) => weights::load(&net, &place.read("weights", id)?, id, Fit::Body)?,
        (init, None) => {
            let reason = format!("`{}` begins with given weights, and there are none", init.name());
            return Err(TensorError::Settings(reason));
        }
    }
    if spec.init == Init::OffTheShelf {
        net.freeze()?;
    }
    let trained: Vec<Tensor> = net.trained().iter().map(|named| named.tensor.shallow_clone()).collect();
    let mut adam = Adam::new(how, &trained)?;
    let record = codec::encode(spec).map_err(|source| TensorError::Encode { what: "spec", source })?;
    let owner = Owner { spec: Hash::of(&record), threads: place.threads };
    let (mut course, mut best) = state::resume(&place.out, owner, &net, &mut adam)?
        .unwrap_or_else(|| (Course::new(how.lr), Vec::new()));
    let done = course.epochs.len() as u32;
    let (gpu, parameters) = (crate::device::gpu_name(inputs.device), net.parameters());
    reporter.send(&Event::Started { gpu, resumed_epochs: done, parameters })?;

    let criterion = Criterion::new(how.loss, inputs.images, &rows.training, inputs.labels);
    let mut run = Run { inputs, spec, rows, net, trained, adam, criterion, clock: Clock::default() };
    for epoch in done + 1..=how.epochs {
        let train_loss = run.epoch(epoch, course.lr, reporter)?;
        let log = run.validate(epoch, course.lr, train_loss, reporter)?;
        course.add(log, how.lr_factor, how.patience);
        let start = Instant::now();
        let log = course.epochs.last().expect("one was added");
        if log.improved {
            best = weights::checkpoint(&run.net)?;
        }
        state::save(&place.out, owner, &course, &run.net, &run.adam, &best)?;
        run.clock.save += start.elapsed();
        reporter.send(&Event::Epoch(log.clone()))?;
    }

    output::write(&place.out, files::CHECKPOINT, &best)?;
    output::write(&place.out, files::LOG, &lines(&course)?)?;
    let selected = course.best().expect("the first epoch is the best of one");
    let Clock { wait, train, validate, save } = run.clock;
    let seconds = [("wait", wait), ("train", train), ("validate", validate), ("save", save)];
    Ok(Outcome {
        epochs: how.epochs,
        best_epoch: selected.epoch,
        val_loss: selected.val_loss,
        parameters,
        seconds: seconds.map(|(part, time)| (part.to_owned(), time.as_secs_f64())).into(),
    })
}

fn check(how: &Training, fold: u32, rows: &Rows) -> Result<()> {
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

/// The log: an epoch a line, in canonical form.
fn lines(course: &Course) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for epoch in &course.epochs {
        let value = serde_json::to_value(epoch).map_err(|e| TensorError::Job(e.to_string()))?;
        lines.extend(codec::canonical(&value));
        lines.push(b'\n');
    }
    Ok(lines)
}

/// A training under way.
struct Run<'a> {
    inputs: &'a Inputs<'a>,
    spec: &'a Spec,
    rows: &'a Rows,
    net: Net,
    trained: Vec<Tensor>,
    adam: Adam,
    criterion: Criterion,
    clock: Clock,
}

impl Run<'_> {
    fn progress(&self, phase: Phase, epoch: u32, rows: &[u32]) -> Progress {
        let epochs = self.spec.training.epochs;
        Progress { phase, epoch, epochs, kept: epoch - 1, total: rows.len() as u64 }
    }

    /// One pass over the training images. Returns the mean loss over them as they were seen.
    fn epoch<W: Write>(&mut self, epoch: u32, lr: f64, reporter: &mut Reporter<W>) -> Result<f64> {
        let start = Instant::now();
        let (inputs, how) = (self.inputs, &self.spec.training);
        let order = order(&self.rows.training, self.spec.seed, epoch);
        let batches = batches(&order, how.batch, self.net.has_batch_statistics());
        let at = self.progress(Phase::Train, epoch, &order);
        let view = how.augmentation.as_ref().map_or(View::Evaluation, |how| View::Training {
            how,
            seed: self.spec.seed,
            epoch,
        });
        let view = inputs.model.architecture.image().map(|image| (image, view));
        let (mut done, mut batch, mut sum) = (0, 0, 0.0);
        let waited = inputs.images.for_each_batch(&batches, view, |rows, squares| {
            batch += 1;
            let logits = inputs.forward(&self.net, rows, squares, true)?;
            let targets = inputs.images.targets(rows, inputs.labels, inputs.device)?;
            let loss = self.criterion.of_batch(&logits, &targets)?;
            let value = loss.f_double_value(&[])?;
            if !value.is_finite() {
                let names: Vec<_> =
                    rows.iter().take(NAMED_IMAGES).map(|row| inputs.images.name(*row)).collect();
                let place = format!("batch {batch} (its first images: {})", names.join(", "));
                return Err(TensorError::Diverged { epoch, place });
            }
            let gradients = Tensor::f_run_backward(&[&loss], &self.trained, false, false)?;
            self.adam.step(&self.trained, &gradients, lr)?;
            done += rows.len() as u64;
            sum += value * rows.len() as f64;
            reporter.progress(&at, done, Some(sum / done as f64))
        })?;
        self.clock.wait += waited;
        self.clock.train += start.elapsed();
        Ok(sum / done as f64)
    }

    /// Loss and mean AUC on the validation images.
    fn validate<W: Write>(
        &mut self,
        epoch: u32,
        lr: f64,
        train_loss: f64,
        reporter: &mut Reporter<W>,
    ) -> Result<EpochLog> {
        let start = Instant::now();
        let (inputs, rows) = (self.inputs, &self.rows.validation);
        let at = self.progress(Phase::Validate, epoch, rows);
        let (logits, waited) = inputs.logits(&self.net, rows, self.spec.training.batch, &at, reporter)?;
        let has = |image: usize, label| inputs.images.has(rows[image], label);
        let val_loss = self.criterion.mean(&logits, has);
        if !val_loss.is_finite() {
            return Err(TensorError::Diverged { epoch, place: "validation".to_owned() });
        }
        let labels = inputs.labels as usize;
        let aucs: Vec<f64> = (0..labels)
            .filter_map(|label| {
                let scores: Vec<f64> = logits.iter().skip(label).step_by(labels).copied().collect();
                let positive: Vec<bool> = (0..rows.len()).map(|image| has(image, label)).collect();
                auc(&scores, &positive)
            })
            .collect();
        let val_auc = (!aucs.is_empty()).then(|| aucs.iter().sum::<f64>() / aucs.len() as f64);
        self.clock.wait += waited;
        self.clock.validate += start.elapsed();
        let val_auc_labels = aucs.len() as u32;
        Ok(EpochLog { epoch, lr, train_loss, val_loss, val_auc, val_auc_labels, improved: false })
    }
}
