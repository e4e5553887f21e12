//! Scores images with a network, without changing it.

use std::io::Write;
use std::time::{Duration, Instant};

use reg::hash::Hash;
use reg::records::{AgeRange, ImageInput, Model, Precision, Scores, codec};
use reg::worker::{JobOutcome, Phase, ProgressStep, WorkerEvent, files};
use tch::{Device, Kind, Tensor};

use crate::calls::Autocast;

use crate::error::TensorError;
use crate::feature_rows::Features;
use crate::images::{Crop, Images, batches};
use crate::layers::{InitialValues, Memory};
use crate::memory;
use crate::net::Net;
use crate::output;
use crate::paths::JobPaths;
use crate::reporter::{Pace, Reporter};
use crate::weights::{self, Fit};

type Result<T> = std::result::Result<T, TensorError>;

/// Converts rows to the inputs of a network.
pub(crate) struct Inputs<'a> {
    /// The images.
    pub(crate) images: Images,
    /// The definition of the network.
    pub(crate) model: &'a Model,
    /// Age range for scaling.
    pub(crate) age: Option<AgeRange>,
    /// Number of outputs.
    pub(crate) labels: u32,
    /// Device and memory layout.
    pub(crate) memory: Memory,
    /// Precision.
    pub(crate) precision: Precision,
    /// Whether images are mirrored left to right.
    pub(crate) flipped: bool,
}

impl Inputs<'_> {
    /// Logits `[rows, labels]` for a batch whose squares are `[rows, input, input]` bytes.
    pub(crate) fn forward(
        &self,
        net: &Net,
        rows: &[u32],
        squares: Option<&[u8]>,
        training: bool,
    ) -> Result<Tensor> {
        let (meta, gray) = (self.meta(rows)?, self.gray(squares)?);
        let _cast = self.cast()?;
        Ok(net.forward(gray.as_ref(), &meta, training)?.f_to_kind(Kind::Float)?)
    }

    /// Grad-CAM of one label per image: logits `[rows]` and heat maps `[rows, side, side]`.
    pub(crate) fn heatmap(
        &self,
        net: &Net,
        rows: &[u32],
        squares: Option<&[u8]>,
        labels: &[i64],
    ) -> Result<[Tensor; 2]> {
        let (meta, gray) = (self.meta(rows)?, self.gray(squares)?);
        let _cast = self.cast()?;
        net.heatmap(gray.as_ref(), &meta, labels)
    }

    /// The inputs of the last layer for a batch: `[rows, features]`.
    pub(crate) fn body(&self, net: &Net, rows: &[u32], squares: Option<&[u8]>) -> Result<Tensor> {
        let (meta, gray) = (self.meta(rows)?, self.gray(squares)?);
        let _cast = self.cast()?;
        Ok(net.body(gray.as_ref(), &meta, false)?.f_to_kind(Kind::Float)?)
    }

    /// Logits `[rows, labels]` from the inputs of the last layer.
    pub(crate) fn head(&self, net: &Net, rows: &[u32], features: &Features) -> Result<Tensor> {
        net.head(&features.of(rows)?, &self.meta(rows)?)
    }

    fn cast(&self) -> Result<Option<Autocast>> {
        (self.precision == Precision::Bf16).then(|| Autocast::on(self.memory.device)).transpose()
    }

    fn meta(&self, rows: &[u32]) -> Result<Tensor> {
        self.images.meta(rows, self.age, self.memory.device)
    }

    fn gray(&self, squares: Option<&[u8]>) -> Result<Option<Tensor>> {
        let Some(squares) = squares else { return Ok(None) };
        let mut gray = Tensor::f_from_data_size(squares, &[squares.len() as i64], Kind::Uint8)?;
        if let (true, Some(image)) = (self.flipped, self.model.architecture.image()) {
            // A row of pixels after the other.
            gray = gray.f_view([-1, i64::from(image.input)])?.f_flip([1])?.f_view([-1])?;
        }
        Ok(Some(gray.f_to_device(self.memory.device)?))
    }

    /// Logits of the evaluation views, row after row, and the time spent waiting for images. `left` estimates
    /// the remaining time of the whole work from the number of completed images.
    pub(crate) fn logits<W: Write>(
        &self,
        net: &Net,
        rows: &[u32],
        (batch, at): (u32, ProgressStep),
        left: impl Fn(u64) -> Option<f64>,
        reporter: &mut Reporter<W>,
    ) -> Result<(Vec<f64>, Duration)> {
        let view = self.model.architecture.image().map(|image| (image, Crop::Evaluation));
        self.collect(rows, (batch, at), view, left, reporter, |rows, squares| {
            self.forward(net, rows, squares, false)
        })
    }

    /// The same for the features of a frozen network.
    pub(crate) fn logits_of_features<W: Write>(
        &self,
        (net, features): (&Net, &Features),
        rows: &[u32],
        batch_at: (u32, ProgressStep),
        left: impl Fn(u64) -> Option<f64>,
        reporter: &mut Reporter<W>,
    ) -> Result<(Vec<f64>, Duration)> {
        self.collect(rows, batch_at, None, left, reporter, |rows, _| self.head(net, rows, features))
    }

    fn collect<W: Write>(
        &self,
        rows: &[u32],
        (batch, at): (u32, ProgressStep),
        view: Option<(&ImageInput, Crop)>,
        left: impl Fn(u64) -> Option<f64>,
        reporter: &mut Reporter<W>,
        logits: impl Fn(&[u32], Option<&[u8]>) -> Result<Tensor>,
    ) -> Result<(Vec<f64>, Duration)> {
        let _off = tch::no_grad_guard();
        let pace = Pace::begin(at);
        let (mut done, mut parts) = (0, Vec::new());
        let waited = self.images.for_each_batch(&batches(rows, batch, false), view, |rows, squares| {
            // Transferred all at once, so that a GPU can continue with the next batch meanwhile.
            parts.push(logits(rows, squares)?);
            done += rows.len() as u64;
            reporter.progress(pace.step(done, None, left(done)))
        })?;
        let all = Tensor::f_cat(&parts, 0)?.f_to_device(Device::Cpu)?.f_contiguous()?;
        let mut values = vec![0f32; all.numel()];
        all.f_copy_data(&mut values, all.numel())?;
        Ok((values.into_iter().map(f64::from).collect(), waited))
    }
}

/// Scores rows with a checkpoint and writes the scores.
pub(crate) fn predict<W: Write>(
    paths: &JobPaths,
    inputs: &Inputs,
    checkpoint: Hash,
    rows: Vec<u32>,
    batch: u32,
    reporter: &mut Reporter<W>,
) -> Result<JobOutcome> {
    let start = Instant::now();
    let (net, parameters) = frozen(paths, inputs, checkpoint, batch.min(rows.len() as u32), reporter)?;
    let total = rows.len() as u64;
    let at = ProgressStep {
        phase: Phase::Predict,
        epoch: 0,
        epochs: 0,
        done: 0,
        total,
        rate: 0.0,
        loss: None,
        left: None,
    };
    let (logits, waited) = inputs.logits(&net, &rows, (batch, at), |_| None, reporter)?;
    if let Some(index) = logits.iter().position(|x| !x.is_finite()) {
        let name = inputs.images.name(rows[index / inputs.labels as usize]);
        return Err(TensorError::Settings(format!("image {name} has a score that is not finite")));
    }
    write(paths, files::SCORES, Scores { rows, labels: inputs.labels, scores: logits })?;
    let seconds = [("wait", waited), ("all", start.elapsed())];
    let seconds = seconds.map(|(part, time)| (part.to_owned(), time.as_secs_f64())).into();
    Ok(JobOutcome { parameters, seconds, ..JobOutcome::default() })
}

/// A checkpoint's network for evaluation, and its number of parameters; reports the start of the work if there
/// is enough memory.
pub(crate) fn frozen<W: Write>(
    paths: &JobPaths,
    inputs: &Inputs,
    checkpoint: Hash,
    batch: u32,
    reporter: &mut Reporter<W>,
) -> Result<(Net, u64)> {
    let net = Net::build(inputs.model, inputs.labels, InitialValues::Empty, inputs.memory)?;
    weights::load(&net, &paths.read("checkpoint", checkpoint)?, checkpoint, Fit::Whole)?;
    let parameters = net.parameters();
    let needed = memory::of_scoring(net.plan(), batch);
    reporter.send(&started(inputs.memory.device, Resumed::default(), parameters, needed))?;
    memory::check(needed, batch, inputs.memory.device)?;
    Ok((net.folded()?, parameters))
}

/// Writes scores to a job's folder.
pub(crate) fn write(paths: &JobPaths, name: &str, scores: Scores) -> Result<()> {
    let bytes = codec::pack(&scores).map_err(|source| TensorError::Encode { what: "scores", source })?;
    output::write(&paths.out, name, &bytes)
}

/// The progress of an interrupted training.
#[derive(Clone, Copy, Default)]
pub(crate) struct Resumed {
    /// Whole epochs.
    pub(crate) epochs: u32,
    /// Batches of the next epoch.
    pub(crate) batches: u64,
}

/// The event for the start of the work, with GPU, progress and estimated memory.
pub(crate) fn started(device: Device, resumed: Resumed, parameters: u64, memory: u64) -> WorkerEvent {
    WorkerEvent::Started {
        gpu: crate::device::gpu_name(device),
        deterministic: (device != Device::Cpu).then(crate::calls::cuda_reproducible),
        resumed_epochs: resumed.epochs,
        resumed_batches: resumed.batches,
        parameters,
        memory,
    }
}
