//! Executes a job.

use std::io::Write;
use std::time::Duration;

use reg::dataset::pixel_cache::ResizedPixels;
use reg::digits::{counted, thousands};
use reg::hash::Id;
use reg::limits;
use reg::records::{Assignment, Manifest, Precision, Subset};
use reg::store::Store;
use reg::worker::{GradcamImages, Job, JobOutcome, Numbers, PROTOCOL, Work, WorkerEvent, files};

use crate::calls;
use crate::device;
use crate::error::TensorError;
use crate::gradcam::gradcam;
use crate::images::{ImageDataset, Images};
use crate::layers::Memory;
use crate::paths::JobPaths;
use crate::predict::{Inputs, predict};
use crate::probe::{ProbeRows, probe};
use crate::reporter::Reporter;
use crate::train::{Setup, Subsets, train};

type Result<T> = std::result::Result<T, TensorError>;

/// Batch size for image files outside of a data set.
const FILES_BATCH: u32 = 16;

/// Parses a job, if it uses this version of the protocol.
pub(crate) fn parse(text: &[u8]) -> Result<Job> {
    let wrong = |e: serde_json::Error| TensorError::Job(e.to_string());
    // Parsed without a schema first: a job of another version may have another form.
    let document: serde_json::Value = serde_json::from_slice(text).map_err(wrong)?;
    match document.get("protocol").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(PROTOCOL) => Err(TensorError::Protocol { found }),
        _ => serde_json::from_value(document).map_err(wrong),
    }
}

/// Executes a job.
pub(crate) fn execute<W: Write>(job: Job, reporter: &mut Reporter<W>) -> Result<JobOutcome> {
    let numbers = match &job.work {
        Work::Train { spec, .. } => {
            Numbers { precision: spec.training.precision(), layout: spec.training.layout(spec.device) }
        }
        Work::Predict { numbers, .. }
        | Work::PredictFiles { numbers, .. }
        | Work::Probe { numbers, .. }
        | Work::Gradcam { numbers, .. } => *numbers,
    };
    let device = device::prepare(&job.device, job.threads, numbers.precision == Precision::Tf32)?;
    let memory = Memory { device, layout: numbers.layout };
    let out = job.folder(&job.out).map_err(TensorError::file("open", &job.out))?;
    let log = out.create(files::WORKER_LOG).map_err(TensorError::file("create", &job.out))?;
    calls::standard_error(&log).map_err(TensorError::file("write to", &job.out))?;
    let cache = match job.cache.as_deref().map(|cache| (cache, job.folder(cache))) {
        Some((path, Err(e))) => {
            let message = format!("nothing is cached in {}: {e}", path.display());
            reporter.send(&WorkerEvent::Note { message })?;
            None
        }
        opened => opened.and_then(|(_, opened)| opened.ok()),
    };
    let store =
        Store::open(&job.objects).map_err(|source| TensorError::Object { what: "objects", source })?;
    let Job { labels, age, threads, .. } = job;
    if !(1..=limits::DATASET_LABELS as u32).contains(&labels) {
        return Err(TensorError::Settings(format!(
            "{}; 1 to {} are possible",
            counted(labels.into(), "label"),
            limits::DATASET_LABELS
        )));
    }
    let paths = JobPaths { store, out, threads };
    let dataset = |manifest: Id<Manifest>| -> Result<ImageDataset> {
        let images = paths.unpack::<Manifest>("manifest", manifest.hash)?;
        if images.labels != labels {
            let reason = format!(
                "the job has {}, but its manifest has {}",
                counted(labels.into(), "label"),
                images.labels
            );
            return Err(TensorError::Job(reason));
        }
        Ok(ImageDataset::new(paths.store.clone(), manifest, images.rows))
    };
    let cache = cache.as_ref();
    let inputs = |images, model| Inputs {
        images,
        model,
        age,
        labels,
        memory,
        precision: numbers.precision,
        flipped: false,
    };
    match job.work {
        Work::Train { spec, manifest, assignment, weights, save_every } => {
            let dataset = dataset(manifest)?;
            let assignment: Assignment = paths.unpack("assignment", assignment.hash)?;
            let part = |subset| rows(&assignment, spec.fold, subset, dataset.len());
            let rows = Subsets { training: part(Subset::Train)?, validation: part(Subset::Val)? };
            let save_every = Duration::try_from_secs_f64(save_every)
                .map_err(|_| TensorError::Job(format!("`save_every` cannot be {save_every} seconds")))?;
            let setup = Setup { spec: &spec, rows: &rows, weights, cache, save_every };
            train(&paths, inputs(Images::Dataset(dataset), &spec.model), setup, reporter)
        }
        Work::Predict {
            model,
            checkpoint,
            numbers: _,
            batch,
            manifest,
            assignment,
            fold,
            subset,
            flipped,
        } => {
            let mut dataset = dataset(manifest)?;
            let rows = rows(&paths.unpack("assignment", assignment.hash)?, fold, subset, dataset.len())?;
            if rows.is_empty() {
                return Err(TensorError::Empty { subset, fold });
            }
            if let (Some(cache), Some(image)) = (cache, model.architecture.image()) {
                dataset.keep(cache, ResizedPixels::evaluation(image), &rows, reporter)?;
            }
            let inputs = Inputs { flipped, ..inputs(Images::Dataset(dataset), &model) };
            predict(&paths, &inputs, checkpoint.hash, rows, batch, reporter)
        }
        Work::PredictFiles { model, checkpoint, numbers: _, images, flipped } => {
            let rows = (0..images.len() as u32).collect();
            let inputs = Inputs { flipped, ..inputs(Images::Files(images), &model) };
            predict(&paths, &inputs, checkpoint.hash, rows, FILES_BATCH, reporter)
        }
        Work::Probe { model, checkpoint, numbers: _, manifest, assignment, fold, target } => {
            let mut dataset = dataset(manifest)?;
            let assignment: Assignment = paths.unpack("assignment", assignment.hash)?;
            let part = |subset| -> Result<ProbeRows> {
                let rows = rows(&assignment, fold, subset, dataset.len())?;
                let known = rows.into_iter().filter_map(|row| Some((row, target.of(dataset.row(row))?)));
                let (rows, truth): (Vec<u32>, Vec<f64>) = known.unzip();
                if rows.is_empty() {
                    Err(TensorError::Empty { subset, fold })
                } else {
                    Ok(ProbeRows { rows, truth })
                }
            };
            let parts = [part(Subset::Train)?, part(Subset::Val)?, part(Subset::Test)?];
            if let (Some(cache), Some(image)) = (cache, model.architecture.image()) {
                for part in &parts {
                    dataset.keep(cache, ResizedPixels::evaluation(image), &part.rows, reporter)?;
                }
            }
            let inputs = inputs(Images::Dataset(dataset), &model);
            let cache = cache.unwrap_or(&paths.out);
            probe(&paths, &inputs, checkpoint.hash, (parts, target), cache, reporter)
        }
        Work::Gradcam { model, checkpoint, numbers: _, images, labels } => {
            let (images, rows) = match images {
                GradcamImages::Rows(manifest, rows) => (Images::Dataset(dataset(manifest)?), rows),
                GradcamImages::Files(files) => {
                    let rows = (0..files.len() as u32).collect();
                    (Images::Files(files), rows)
                }
            };
            if rows.len() != labels.len() || rows.is_empty() {
                return Err(TensorError::Job("there must be images, each with a label".to_owned()));
            }
            gradcam(&paths, &inputs(images, &model), checkpoint.hash, (&rows, &labels), reporter)
        }
    }
}

/// Rows of a subset of a fold, after a check that split and data set belong together.
fn rows(assignment: &Assignment, fold: u32, subset: Subset, images: usize) -> Result<Vec<u32>> {
    let folds = assignment.folds.len();
    let Some(codes) = assignment.folds.get(fold as usize) else {
        return Err(TensorError::Split(format!(
            "there is no division {fold}: there are {folds}, counted from 0"
        )));
    };
    if codes.len() != images {
        let [found, expected] = [codes.len(), images].map(|images| thousands(images as u64));
        return Err(TensorError::Split(format!("it has {found} images, but the data set has {expected}")));
    }
    Ok(assignment.rows(fold as usize, subset))
}
