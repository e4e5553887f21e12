//! Scores: what a network says of images, without changing it.

use std::io::Write;
use std::time::{Duration, Instant};

use reg::hash::Hash;
use reg::records::{AgeRange, Model, Scores, codec};
use reg::worker::{Event, Outcome, Phase, files};
use tch::{Device, Kind, Tensor};

use crate::error::TensorError;
use crate::images::{Images, View, batches};
use crate::job::Place;
use crate::layers::Start;
use crate::net::Net;
use crate::output;
use crate::reporter::{Progress, Reporter};
use crate::weights::{self, Fit};

type Result<T> = std::result::Result<T, TensorError>;

/// What turns rows into what a network takes.
pub(crate) struct Inputs<'a> {
    /// The images.
    pub(crate) images: &'a Images,
    /// The network as data.
    pub(crate) model: &'a Model,
    /// Scales the age.
    pub(crate) age: Option<AgeRange>,
    /// Outputs.
    pub(crate) labels: u32,
    /// Where tensors live.
    pub(crate) device: Device,
}

impl Inputs<'_> {
    /// Logits `[rows, labels]` of a batch whose squares are `[rows, input, input]` bytes.
    pub(crate) fn forward(
        &self,
        net: &Net,
        rows: &[u32],
        squares: Option<&[u8]>,
        training: bool,
    ) -> Result<Tensor> {
        let meta = self.images.meta(rows, self.age, self.device)?;
        let grey = match squares {
            Some(squares) => {
                let grey = Tensor::f_from_data_size(squares, &[squares.len() as i64], Kind::Uint8)?;
                Some(grey.f_to_device(self.device)?)
            }
            None => None,
        };
        net.forward(grey.as_ref(), &meta, training)
    }

    /// Logits of the evaluation views, row after row, and the time spent waiting for images.
    pub(crate) fn logits<W: Write>(
        &self,
        net: &Net,
        rows: &[u32],
        batch: u32,
        at: &Progress,
        reporter: &mut Reporter<W>,
    ) -> Result<(Vec<f64>, Duration)> {
        let _off = tch::no_grad_guard();
        let mut logits = Vec::with_capacity(rows.len() * self.labels as usize);
        let view = self.model.architecture.image().map(|image| (image, View::Evaluation));
        let mut done = 0;
        let waited = self.images.for_each_batch(&batches(rows, batch, false), view, |rows, squares| {
            let out = self.forward(net, rows, squares, false)?.f_to_device(Device::Cpu)?.f_contiguous()?;
            let mut values = vec![0f32; out.numel()];
            out.f_copy_data(&mut values, out.numel())?;
            logits.extend(values.into_iter().map(f64::from));
            done += rows.len() as u64;
            reporter.progress(at, done, None)
        })?;
        Ok((logits, waited))
    }
}

/// Scores rows by a checkpoint and writes them.
pub(crate) fn predict<W: Write>(
    place: &Place,
    inputs: &Inputs,
    checkpoint: Hash,
    rows: Vec<u32>,
    batch: u32,
    reporter: &mut Reporter<W>,
) -> Result<Outcome> {
    let start = Instant::now();
    let net = Net::build(inputs.model, inputs.labels, Start::Empty, inputs.device)?;
    weights::load(&net, &place.read("checkpoint", checkpoint)?, checkpoint, Fit::Whole)?;
    let parameters = net.parameters();
    let gpu = crate::device::gpu_name(inputs.device);
    reporter.send(&Event::Started { gpu, resumed_epochs: 0, parameters })?;

    let total = rows.len() as u64;
    let at = Progress { phase: Phase::Predict, epoch: 0, epochs: 0, kept: 0, total };
    let (logits, waited) = inputs.logits(&net, &rows, batch, &at, reporter)?;
    if let Some(index) = logits.iter().position(|x| !x.is_finite()) {
        let name = inputs.images.name(rows[index / inputs.labels as usize]);
        return Err(TensorError::Settings(format!("image {name} has a score that is no number")));
    }
    let scores = Scores { rows, labels: inputs.labels, scores: logits };
    let bytes = codec::pack(&scores).map_err(|source| TensorError::Encode { what: "scores", source })?;
    output::write(&place.out, files::SCORES, &bytes)?;
    let seconds = [("wait", waited), ("all", start.elapsed())];
    let seconds = seconds.map(|(part, time)| (part.to_owned(), time.as_secs_f64())).into();
    Ok(Outcome { parameters, seconds, ..Outcome::default() })
}
