//! Grad-CAM of the last convolutional layer, for one label per image.

use std::io::Write;
use std::time::Instant;

use reg::hash::Hash;
use reg::records::Scores;
use reg::worker::{JobOutcome, Phase, ProgressStep, files};
use tch::{Device, Kind, Tensor};

use crate::error::TensorError;
use crate::images::Crop;
use crate::paths::JobPaths;
use crate::predict::{Inputs, frozen, write};
use crate::reporter::{Pace, Reporter};

type Result<T> = std::result::Result<T, TensorError>;

/// Number of images that the network processes at once.
const BATCH: usize = 16;

/// Writes the logit of `labels[i]` and its heat map for image `rows[i]` as row `i` of the scores.
pub(crate) fn gradcam<W: Write>(
    paths: &JobPaths,
    inputs: &Inputs,
    checkpoint: Hash,
    (rows, labels): (&[u32], &[u32]),
    reporter: &mut Reporter<W>,
) -> Result<JobOutcome> {
    if let Some(label) = labels.iter().find(|label| **label >= inputs.labels) {
        return Err(TensorError::Settings(format!(
            "label {label} of {}, which are counted from 0",
            inputs.labels
        )));
    }
    let start = Instant::now();
    let (net, parameters) = frozen(paths, inputs, checkpoint, BATCH.min(rows.len()) as u32, reporter)?;
    let total = rows.len() as u64;
    let phase = Phase::Predict;
    let step = ProgressStep { phase, epoch: 0, epochs: 0, done: 0, total, rate: 0.0, loss: None, left: None };
    let pace = Pace::begin(step);
    let view = inputs.model.architecture.image().map(|image| (image, Crop::Evaluation));
    let batches: Vec<Vec<u32>> = rows.chunks(BATCH).map(<[u32]>::to_vec).collect();
    let (mut values, mut done) = (Vec::new(), 0);
    let _off = tch::no_grad_guard();
    inputs.images.for_each_batch(&batches, view, |rows, squares| {
        let labels: Vec<i64> =
            labels[done..done + rows.len()].iter().map(|label| i64::from(*label)).collect();
        let [logits, heatmap] = inputs.heatmap(&net, rows, squares, &labels)?;
        let both = Tensor::f_cat(&[logits.f_unsqueeze(1)?, heatmap.f_flatten(1, 2)?], 1)?;
        let both = both.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?;
        values.extend(Vec::<f64>::try_from(both.f_reshape([-1])?)?);
        done += rows.len();
        reporter.progress(pace.step(done as u64, None, None))
    })?;
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        let name = inputs.images.name(rows[index * rows.len() / values.len()]);
        return Err(TensorError::Settings(format!("image {name} has a heat map that is not finite")));
    }
    let columns = (values.len() / rows.len().max(1)) as u32;
    write(
        paths,
        files::SCORES,
        Scores { rows: (0..rows.len() as u32).collect(), labels: columns, scores: values },
    )?;
    let seconds = [("all".to_owned(), start.elapsed().as_secs_f64())].into();
    Ok(JobOutcome { parameters, seconds, ..JobOutcome::default() })
}
