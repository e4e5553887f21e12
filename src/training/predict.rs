//! Probabilities for image files outside of a data set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::evaluate::{numbers, read_scores};
use super::files::{self, GivenMeta, KnownImages};
use super::inputs::{TrainInputs, TrainedNetwork};
use super::process::{Listener, Worker};
use super::{Device, RunError};
use crate::dataset::pixels;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{
    AucTable, ImageName, MetaFeatures, OperatingPoint, Predictions, Record, Run, Scale, ScoreSource,
    Withdrawal,
};
use crate::registry::{Registry, RegistryError};
use crate::scores::{ScoreError, average, run_thresholds, thresholds_of};
use crate::withdrawal::Withdrawn;
use crate::worker::{Job, JobFile, PROTOCOL, Work};

/// What scores image files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileScorer {
    /// The checkpoint of a run.
    Run(Id<Run>),
    /// The checkpoints behind predictions: those of an ensemble, whose scores are averaged as theirs were.
    Predictions(Id<Predictions>),
}

impl FileScorer {
    /// The run or the predictions that `text` means.
    ///
    /// # Errors
    /// Nothing has that name; it is of another kind.
    pub fn resolve(registry: &Registry, view: &View, text: &str) -> Result<Self, RegistryError> {
        let is_predictions = match registry.resolve(view, text) {
            Ok(id) => view.kind(&id)? == Some(Predictions::KIND),
            // With the names of runs that are similar.
            Err(_) => false,
        };
        match is_predictions {
            true => registry.resolve_as(view, text).map(FileScorer::Predictions),
            false => registry.resolve_as(view, text).map(FileScorer::Run),
        }
    }
}

/// A network that scored image files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberNetwork {
    /// Its run.
    pub run: Id<Run>,
    /// Whether it saw the images mirrored left to right.
    pub flipped: bool,
}

/// The probabilities of one image file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileScores {
    /// The file.
    pub path: PathBuf,
    /// Hash of its bytes.
    pub hash: Hash,
    /// The image of the run's data set that has these bytes, if there is one.
    pub image: Option<ImageName>,
    /// The age, gender and view that the networks saw; `None` if none sees any.
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
    /// The networks that scored them, each once: several of a mean.
    pub members: Vec<MemberNetwork>,
    /// The scale on which the scores of several networks were averaged.
    pub scale: Scale,
    /// The validation images of the run or mean, with a threshold for each label; `None` if they are not scored.
    pub thresholds: Option<AucTable>,
}

/// Scores image files with a run's checkpoint, or with those of all members of a mean, and holds the scores to thresholds
/// chosen on its validation images by `at`. Nothing is recorded.
///
/// The members of a mean compute on the devices and with the threads of their predictions; `device` overrides the device.
/// If a model uses age, gender and view, a file with the bytes of an image of the run's data set has those of the
/// image; for any other file they must be `given`.
///
/// # Errors
/// A run of a program, or scores of another tool, also as members of a mean; a file that is no image; damage.
pub fn predict(
    registry: &Registry,
    worker: &Worker,
    (scorer, at): (FileScorer, OperatingPoint),
    images: &[PathBuf],
    given: &GivenMeta,
    device: Option<Device>,
    listener: &mut dyn Listener,
) -> Result<Predicted, RunError> {
    let view = registry.view()?;
    let (mean, thresholds) = match scorer {
        FileScorer::Run(run) => (Mean::of_run(registry, run)?, run_thresholds(registry, &view, run, at)?),
        FileScorer::Predictions(id) => {
            let own = registry.get(id)?;
            (Mean::of(registry, id)?, thresholds_of(registry, &view, (id, &own), at)?)
        }
    };
    let withdrawn = Withdrawn::known(registry, &view)?;
    drop(view);
    let of_meta = |network: &Network| network.trained.spec.model.architecture.meta();
    let sees_meta = mean.networks.iter().any(of_meta);
    let first = mean.networks.first().ok_or(RunError::Nothing)?;
    let context = TrainInputs::load(registry, &first.trained.spec)?;
    let (labels, manifest) = (&context.dataset.labels, registry.manifest(&context.dataset)?);
    let known = KnownImages::of(&manifest);
    let scratch = registry.store().scratch()?;
    let mut found = Vec::new();
    // `[networks, images]`.
    let mut for_worker: Vec<Vec<JobFile>> = vec![Vec::new(); mean.networks.len()];
    for (number, path) in images.iter().enumerate() {
        let bytes = files::read(path)?;
        let hash = Hash::of(&bytes);
        if !path.is_file() || bytes.is_empty() {
            // The worker would name a copy.
            let wrong = |source| RunError::NotAnImage { name: path.display().to_string(), source };
            pixels::decode(&bytes).map_err(wrong)?;
        }
        let read_at = files::for_worker(path, &bytes, &scratch, number)?;
        let (mut row, mut meta) = (None, None);
        for (network, files) in mean.networks.iter().zip(&mut for_worker) {
            // What one member sees is not refused because another does not.
            let given = if sees_meta && !of_meta(network) { &GivenMeta::default() } else { given };
            let file = known
                .identify(path, hash, &network.trained.spec.model, given)
                .map_err(|e| with_others(e, &known, images))?;
            (row, meta) = (file.row.map(|row| known.row(row)), meta.or(file.meta));
            files.push(JobFile { path: read_at.clone(), hash, meta: file.meta });
        }
        let covering = row.and_then(|row| withdrawn.of_row(row)).or_else(|| withdrawn.of_file(&hash));
        found.push(FileScores {
            path: path.clone(),
            hash,
            image: row.map(|row| row.name.clone()),
            meta,
            withdrawn: covering.map(|(_, record)| record.clone()),
            scores: Vec::new(),
            positive: Vec::new(),
        });
    }
    let mut computed = Vec::new();
    for (network, images) in mean.networks.iter().zip(for_worker) {
        let device = device.clone().unwrap_or_else(|| network.device.clone());
        computed.push(network.score(registry, worker, &context, images, device, listener)?);
    }
    let (scale, scores) = mean.scores(computed)?;
    for (file, row) in found.iter_mut().zip(scores.chunks_exact(labels.len())) {
        let probabilities = row.iter().map(|score| scale.probability(*score));
        file.scores = labels.iter().cloned().zip(probabilities).collect();
        // Logits are compared: unlike probabilities, they do not become equal near 0 and 1.
        let threshold = |label: usize| thresholds.as_ref()?.labels.get(label)?.threshold;
        let reaches = |(label, score): (usize, &f64)| Some(*score >= threshold(label)?.score);
        file.positive = row.iter().enumerate().map(reaches).collect();
    }
    let members = mean.networks.iter().map(|of| MemberNetwork { run: of.run, flipped: of.flipped });
    let mut once = Vec::new();
    members.for_each(|member| {
        if !once.contains(&member) {
            once.push(member)
        }
    });
    Ok(Predicted { files: found, members: once, scale, thresholds })
}

/// An error about age, gender and view that also says that other files need the opposite.
fn with_others(e: RunError, known: &KnownImages<'_>, images: &[PathBuf]) -> RunError {
    let is_known = |path: &PathBuf| Some(known.has(Hash::of(&files::read(path).ok()?)));
    let others = |wanted: bool| images.iter().any(|path| is_known(path) == Some(wanted));
    match e {
        RunError::MetaUnknown { path, model, named, missing, .. } => {
            RunError::MetaUnknown { path, model, named, missing, mixed: others(true) }
        }
        RunError::MetaContradicts { path, image, meta, .. } => {
            RunError::MetaContradicts { path, image, meta, mixed: others(false) }
        }
        e => e,
    }
}

/// A trained network, and how it computes.
struct Network {
    run: Id<Run>,
    trained: TrainedNetwork,
    flipped: bool,
    device: Device,
    threads: u32,
}

impl Network {
    /// The logits of image files: `[images, labels]`.
    fn score(
        &self,
        registry: &Registry,
        worker: &Worker,
        context: &TrainInputs,
        images: Vec<JobFile>,
        device: Device,
        listener: &mut dyn Listener,
    ) -> Result<Vec<f64>, RunError> {
        let TrainedNetwork { spec, checkpoint } = &self.trained;
        let (out, labels, count) = (registry.store().scratch()?, context.dataset.labels.len(), images.len());
        let job = Job {
            protocol: PROTOCOL,
            objects: registry.store().objects().to_owned(),
            out: out.path().to_owned(),
            cache: None,
            device: device.name,
            threads: self.threads,
            labels: labels as u32,
            age: context.dataset.age,
            work: Work::PredictFiles {
                model: spec.model.clone(),
                checkpoint: *checkpoint,
                numbers: numbers(spec, device.kind),
                images,
                flipped: self.flipped,
            },
        };
        worker.run(&job, listener)?;
        let scores = read_scores(out.dir(), labels, count)?;
        match scores.scores.len() == labels * count {
            true => Ok(scores.scores),
            false => {
                let reason = "not a row for each file".to_owned();
                Err(RunError::BadScores { path: out.path().to_owned(), reason })
            }
        }
    }
}

/// How scores are averaged: the networks, and in the order of computing the members of each mean.
struct Mean {
    networks: Vec<Network>,
    /// The last one is the result.
    steps: Vec<Step>,
}

/// A step of averaging.
enum Step {
    /// The scores of a network, given by its place.
    Network(usize),
    /// The mean of earlier steps.
    Of(Vec<usize>),
}

impl Mean {
    fn of_run(registry: &Registry, run: Id<Run>) -> Result<Self, RunError> {
        let trained = TrainedNetwork::of(registry, run)?;
        let (device, threads) = (Device::of(trained.spec.device), trained.spec.threads);
        let network = Network { run, trained, flipped: false, device, threads };
        Ok(Mean { networks: vec![network], steps: vec![Step::Network(0)] })
    }

    /// The networks behind predictions; a mean can be a member of another one.
    fn of(registry: &Registry, id: Id<Predictions>) -> Result<Self, RunError> {
        let mut mean = Mean { networks: Vec::new(), steps: Vec::new() };
        let lies = |id: Id<Predictions>, reason: &str| RegistryError::Contradiction {
            id: id.hash,
            kind: "predictions",
            reason: reason.to_owned(),
        };
        // A mean is met twice: before its members and after them.
        let (mut open, mut done) = (vec![(id, false)], BTreeMap::new());
        let mut datasets = BTreeSet::new();
        while let Some((id, is_after)) = open.pop() {
            if done.contains_key(&id.hash) {
                continue;
            }
            let own = registry.get(id)?;
            let step = match own.source {
                ScoreSource::Mean { predictions, .. } if !is_after => {
                    open.push((id, true));
                    open.extend(predictions.into_iter().map(|member| (member, false)));
                    continue;
                }
                ScoreSource::Mean { predictions, .. } => {
                    let places = predictions.iter().filter_map(|member| done.get(&member.hash).copied());
                    Step::Of(places.collect())
                }
                ScoreSource::Run { run, device, threads, flipped, .. } => {
                    let trained = TrainedNetwork::of(registry, run)?;
                    if own.labels != registry.get(trained.spec.dataset)?.labels {
                        return Err(lies(id, "its labels are not those of its run's data set").into());
                    }
                    datasets.insert(trained.spec.dataset.hash);
                    mean.networks.push(Network {
                        run,
                        trained,
                        flipped,
                        device: Device::of(device),
                        threads,
                    });
                    Step::Network(mean.networks.len() - 1)
                }
                ScoreSource::Program { run, .. } => return Err(RunError::OfProgram(run.hash.short())),
                ScoreSource::Import { .. } => return Err(RunError::OfAnotherTool(id.hash.short())),
            };
            done.insert(id.hash, mean.steps.len());
            mean.steps.push(step);
        }
        match datasets.len() {
            1 => Ok(mean),
            _ => Err(lies(id, "its members score images of different data sets").into()),
        }
    }

    /// The mean of the logits of each network.
    fn scores(&self, computed: Vec<Vec<f64>>) -> Result<(Scale, Vec<f64>), RunError> {
        let mut found: Vec<(Scale, Vec<f64>)> = Vec::new();
        for step in &self.steps {
            let next = match step {
                Step::Network(place) => (Scale::Logit, computed[*place].clone()),
                Step::Of(members) if members.is_empty() => return Err(ScoreError::TooFewMembers.into()),
                Step::Of(members) => average(members.iter().map(|member| found[*member].clone()).collect()),
            };
            found.push(next);
        }
        found.pop().ok_or(RunError::Nothing)
    }
}
