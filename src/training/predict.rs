//! Probabilities for image files outside of a data set.

use std::path::PathBuf;

use super::evaluate::{numbers, read_scores};
use super::files::{self, GivenMeta, KnownImages};
use super::inputs::{TrainInputs, TrainedNetwork};
use super::process::{Listener, Worker};
use super::{Device, RunError};
use crate::hash::{Hash, Id};
use crate::records::{AucTable, ImageName, MetaFeatures, OperatingPoint, Run, Scale, Withdrawal};
use crate::registry::Registry;
use crate::scores::run_thresholds;
use crate::withdrawal::Withdrawn;
use crate::worker::{Job, PROTOCOL, Work};

/// The probabilities of one image file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileScores {
    /// The file.
    pub path: PathBuf,
    /// Hash of its bytes.
    pub hash: Hash,
    /// The image of the run's data set that has these bytes, if there is one.
    pub image: Option<ImageName>,
    /// The age, gender and view that the network saw; `None` if it sees none.
    pub meta: Option<MetaFeatures>,
    /// The withdrawal of this image.
    pub withdrawn: Option<Withdrawal>,
    /// Labels with their probabilities, in the order of the data set's labels.
    pub scores: Vec<(String, f64)>,
    /// For each label whether the score reaches the threshold; `None` for a label without one.
    pub positive: Vec<Option<bool>>,
}

/// Scored image files, and the thresholds that they are held to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Predicted {
    /// The files, in the order given.
    pub files: Vec<FileScores>,
    /// The validation images of the run, with a threshold for each label; `None` if they are not scored.
    pub thresholds: Option<AucTable>,
}

/// Scores image files with a run's checkpoint, and holds the scores to thresholds chosen on its validation images by
/// `at`. Nothing is recorded.
///
/// If the model uses age, gender and view, a file with the bytes of an image of the run's data set has those of the
/// image; for any other file they must be `given`.
pub fn predict(
    registry: &Registry,
    worker: &Worker,
    (run, at): (Id<Run>, OperatingPoint),
    images: &[PathBuf],
    given: &GivenMeta,
    device: Option<Device>,
    listener: &mut dyn Listener,
) -> Result<Predicted, RunError> {
    let TrainedNetwork { spec, checkpoint } = TrainedNetwork::of(registry, run)?;
    let context = TrainInputs::load(registry, &spec)?;
    let manifest = registry.manifest(&context.dataset)?;
    let known = KnownImages::of(&manifest);
    let view = registry.view()?;
    let withdrawn = Withdrawn::known(registry, &view)?;
    let thresholds = run_thresholds(registry, &view, run, at)?;
    drop(view);
    let out = registry.store().scratch()?;
    let (mut found, mut for_worker) = (Vec::new(), Vec::new());
    for (number, path) in images.iter().enumerate() {
        let bytes = files::read(path)?;
        let file = known.identify(path, Hash::of(&bytes), &spec.model, given)?;
        for_worker.push(file.for_worker(path, &bytes, &out, number)?);
        let row = file.row.map(|row| known.row(row));
        let covering = row.and_then(|row| withdrawn.of_row(row)).or_else(|| withdrawn.of_file(&file.hash));
        found.push(FileScores {
            path: path.clone(),
            hash: file.hash,
            image: row.map(|row| row.name.clone()),
            meta: file.meta,
            withdrawn: covering.map(|(_, record)| record.clone()),
            scores: Vec::new(),
            positive: Vec::new(),
        });
    }
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
            checkpoint,
            numbers: numbers(&spec, device.kind),
            images: for_worker,
        },
    };
    worker.run(&job, listener)?;
    let labels = &context.dataset.labels;
    let scores = read_scores(out.dir(), labels.len(), images.len())?;
    for (file, row) in found.iter_mut().zip(scores.scores.chunks_exact(labels.len())) {
        let probabilities = row.iter().map(|logit| Scale::Logit.probability(*logit));
        file.scores = labels.iter().cloned().zip(probabilities).collect();
        // Logits are compared: unlike probabilities, they do not become equal near 0 and 1.
        let threshold = |label: usize| thresholds.as_ref()?.labels.get(label)?.threshold;
        let reaches = |(label, logit): (usize, &f64)| Some(*logit >= threshold(label)?.score);
        file.positive = row.iter().enumerate().map(reaches).collect();
    }
    Ok(Predicted { files: found, thresholds })
}
