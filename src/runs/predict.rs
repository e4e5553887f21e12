//! Probabilities for image files outside of a data set.

use std::path::PathBuf;

use super::evaluate::{numbers, read_scores};
use super::process::{Listener, Worker};
use super::train::TrainInputs;
use super::{Device, RunError};
use crate::hash::Id;
use crate::records::{ImageRow, Run, Scale};
use crate::registry::Registry;
use crate::worker::{Job, PROTOCOL, Work};

/// The probabilities of one image file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileScores {
    /// The file.
    pub path: PathBuf,
    /// Labels with their probabilities, in the order of the data set's labels.
    pub scores: Vec<(String, f64)>,
}

/// Scores image files with a run's checkpoint. Nothing is recorded.
///
/// If the model uses age, gender and view, a file whose name is in the run's data set gets these from there;
/// any other file gets the values for "unknown".
pub fn predict(
    registry: &Registry,
    worker: &Worker,
    run: Id<Run>,
    images: &[PathBuf],
    device: Option<Device>,
    listener: &mut dyn Listener,
) -> Result<Vec<FileScores>, RunError> {
    let record = registry.get(run)?;
    let spec = registry.get(record.spec)?;
    let context = TrainInputs::load(registry, &spec)?;
    let manifest = registry.manifest(&context.dataset)?;
    let row = |path: &PathBuf| -> Option<ImageRow> {
        let name = path.file_name()?.to_str()?;
        manifest.row_named(name).map(|place| manifest.rows[place].clone())
    };
    let out = registry.store().scratch()?;
    let device = device.unwrap_or_else(|| Device::of(spec.device));
    let job = Job {
        protocol: PROTOCOL,
        objects: registry.store().objects().to_owned(),
        out: out.path().to_owned(),
        cache: None,
        device: device.name,
        threads: spec.threads,
        labels: context.dataset.labels.len() as u32,
        age: context.dataset.age,
        work: Work::PredictFiles {
            model: spec.model.clone(),
            checkpoint: record.checkpoint,
            numbers: numbers(&spec, device.kind),
            images: images.iter().map(|path| (path.clone(), row(path))).collect(),
        },
    };
    worker.run(&job, listener)?;
    let scores = read_scores(out.dir(), context.dataset.labels.len(), images.len())?;
    let probabilities =
        |row: &[f64]| row.iter().map(|logit| Scale::Logit.probability(*logit)).collect::<Vec<_>>();
    let of = |row: &[f64]| context.dataset.labels.iter().cloned().zip(probabilities(row)).collect();
    let rows = scores.scores.chunks_exact(context.dataset.labels.len());
    Ok(images
        .iter()
        .zip(rows)
        .map(|(path, row)| FileScores { path: path.clone(), scores: of(row) })
        .collect())
}
