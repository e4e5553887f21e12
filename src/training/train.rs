//! Trains a spec; a spec whose run is recorded is answered from the registry.

use std::path::PathBuf;

use super::evaluate::{Evaluated, evaluate_run};
use super::inputs::{ExecutionStart, TrainInputs, TrainedNetwork, execution};
use super::process::{Listener, WorkerError};
use super::software::{OtherSources, put_software};
use super::{Device, Environment, RunContext, RunError, unfinished};
use crate::digits::{counted, thousands};
use crate::disk::Doing;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::limits;
use crate::records::{
    Dataset, FoldSizes, Init, Model, NetworkSpec, Numerics, Run, Spec, Split, Subset, Training, Weights,
};
use crate::registry::{Registry, RegistryError, is_name};
use crate::store::{FileState, LinkMode};
use crate::withdrawal::refuse;
use crate::worker::{Job, PROTOCOL, Work, WorkerEvent, files};

/// What to train.
#[derive(Debug, Clone)]
pub struct TrainRequest {
    /// The data set.
    pub dataset: Id<Dataset>,
    /// The split.
    pub split: Id<Split>,
    /// Its fold, from 0.
    pub fold: u32,
    /// The network.
    pub model: Model,
    /// Its training settings.
    pub training: Training,
    /// How weights are initialized.
    pub init: Init,
    /// The initial weights.
    pub weights: Option<Id<Weights>>,
    /// Seed of initial weights, sample order and augmentation.
    pub seed: u64,
    /// Threads of the tensor library.
    pub threads: u32,
    /// The device.
    pub device: Device,
    /// Checkpoint interval in seconds.
    pub save_every: f64,
    /// Name of the run; default: made from model, split and fold.
    pub name: Option<String>,
}

/// A trained and evaluated run.
#[derive(Debug)]
pub struct TrainedRun {
    /// The run.
    pub run: Id<Run>,
    /// Its record.
    pub record: Run,
    /// Its name.
    pub name: String,
    /// Predictions and AUC table of the test subset.
    pub test: Evaluated,
    /// The same of the validation subset, with the thresholds chosen on it.
    pub validation: Evaluated,
    /// Whether the run already existed.
    pub cached: bool,
    /// The sources that trained an existing run, if they are other sources of the same numerics.
    pub other_sources: Option<OtherSources>,
}

/// Trains, selects on validation loss, predicts the test and validation subsets and computes their AUC tables; thresholds
/// are chosen on the validation images.
pub fn train(
    run_context: RunContext,
    request: &TrainRequest,
    listener: &mut dyn Listener,
) -> Result<TrainedRun, RunError> {
    let RunContext { registry, worker, environment, .. } = run_context;
    if let Some(name) = request.name.as_ref().filter(|name| !is_name(name)) {
        return Err(RegistryError::BadName(name.clone()).into());
    }
    let mut request = request.clone();
    let folds = registry.get(request.split)?.folds;
    let batch = request.training.batch;
    if let Some(images) = cap_batch(&mut request.training, folds.get(request.fold as usize)) {
        let (batch, all) = (thousands(batch.into()), counted(images.into(), "training image"));
        let message = format!("the batch of {batch} is reduced to all {all}");
        listener.hear(&WorkerEvent::Note { message });
    }
    let request = &request;
    let spec = spec(request, worker.identity().numerics());
    let context = TrainInputs::load(registry, &spec)?;
    let whole = Spec::Network(spec.clone());
    let spec_id: Id<Spec> = Registry::id_of(&whole)?;

    let view = registry.view()?;
    let known = registry.referring::<Run>(&view, &spec_id.hash)?.into_iter().next();
    let (trained, cached, other_sources) = match known {
        Some((id, record)) => {
            let other = OtherSources::of(registry, &view, &id.hash, worker.identity())?;
            // The answer must be what was recorded, so the objects are checked.
            for object in record.checkpoint.into_iter().chain(record.log) {
                registry.store().verify(&object.hash, 0, &mut Vec::new())?;
            }
            let existing = view.names_by_id()?.remove(&id.hash);
            drop(view);
            let name = keep_name(registry, request, id.hash, existing, environment)?;
            ((id, record, name), true, other)
        }
        None => {
            let base = base_name(&view, request, &context)?;
            if let Some(name) = &request.name {
                // Before hours of training, not behind.
                registry.check_name(&view, name, None)?;
            }
            drop(view);
            refuse(run_context.policy(), &whole, &context.dataset, None)?;
            let mut transaction = registry.transaction()?;
            transaction.put(&whole)?;
            transaction.commit(&environment.stamp)?;
            (execute(run_context, &context, (spec_id, &spec), request, &base, listener)?, false, None)
        }
    };
    let (run, record, name) = trained;
    let network = TrainedNetwork::of(registry, run)?;
    let mut of =
        |subset| evaluate_run(run_context, run, &network, subset, &request.device, request.threads, listener);
    let (test, validation) = (of(Subset::Test)?, of(Subset::Val)?);
    Ok(TrainedRun { run, record, name, test, validation, cached, other_sources })
}

/// Caps the batch at the training images of a fold, so that two requests which train alike have one spec. Gives the
/// batch if it was larger.
pub(crate) fn cap_batch(training: &mut Training, fold: Option<&FoldSizes>) -> Option<u32> {
    let images = u32::try_from(fold?.train.images).ok()?;
    let capped = images > 0 && training.batch > images;
    capped.then(|| {
        training.batch = images;
        images
    })
}

/// The spec of a request.
pub(crate) fn spec(request: &TrainRequest, numerics: Numerics) -> NetworkSpec {
    NetworkSpec {
        dataset: request.dataset,
        split: request.split,
        fold: request.fold,
        model: request.model.clone(),
        init: request.init,
        weights: request.weights,
        training: request.training.clone(),
        seed: request.seed,
        threads: request.threads,
        device: request.device.kind,
        numerics,
    }
}

/// `MODEL-SPLIT-fFOLD`, or `MODEL-SPLIT` for a split with one fold; then `-seedN` for another seed than 1.
fn base_name(view: &View, request: &TrainRequest, context: &TrainInputs) -> Result<String, RegistryError> {
    let split = view.names_by_id()?.remove(&request.split.hash).unwrap_or_else(|| request.split.hash.short());
    let fold = if context.split.folds.len() == 1 { String::new() } else { format!("-f{}", request.fold) };
    let seed = if request.seed == 1 { String::new() } else { format!("-seed{}", request.seed) };
    Ok(format!("{}-{split}{fold}{seed}", request.model.name))
}

/// The name of an existing run: the requested one, otherwise its current name.
fn keep_name(
    registry: &Registry,
    request: &TrainRequest,
    run: Hash,
    existing: Option<String>,
    environment: &Environment,
) -> Result<String, RunError> {
    let Some(wanted) = &request.name else { return Ok(existing.unwrap_or_else(|| run.short())) };
    let mut transaction = registry.transaction()?;
    transaction.name(wanted, run)?;
    transaction.commit(&environment.stamp)?;
    Ok(wanted.clone())
}

fn execute(
    run_context: RunContext,
    context: &TrainInputs,
    (spec_id, spec): (Id<Spec>, &NetworkSpec),
    request: &TrainRequest,
    base: &str,
    listener: &mut dyn Listener,
) -> Result<(Id<Run>, Run, String), RunError> {
    let RunContext { registry, worker, environment, .. } = run_context;
    let place = registry.training_folder(&spec_id.hash);
    let (folder, _locked) = unfinished::lock(registry, spec_id)?;

    let start = ExecutionStart::now(environment);
    let name = request.name.as_deref().unwrap_or(base);
    unfinished::announce(&folder, name, spec_id, &start.time, environment)?;
    let folders = TrainFolders { out: folder.path().to_owned(), cache: registry.cache() };
    let job = train_job(registry, context, spec, &request.device.name, folders, request.save_every);
    let worked = worker.run(&job, listener).map_err(|e| with_name_of_weights(registry, spec, context, e));
    let worked = worked.inspect_err(|e| {
        if !matches!(e, WorkerError::Interrupted { .. } | WorkerError::Killed) {
            unfinished::failed(&folder, &e.to_string());
        }
    })?;

    let mut transaction = registry.transaction()?;
    let checkpoint = folder.path_of(files::CHECKPOINT);
    let mut bytes = Vec::new();
    let read = folder.open_file(files::CHECKPOINT);
    let read = read.and_then(|(mut file, _)| FileState::read_file(&mut file, u64::MAX, &mut bytes));
    let state = read.doing("read", &checkpoint)?;
    let weights = Hash::of(&bytes);
    transaction.put_file(&checkpoint, &state, &bytes, weights, LinkMode::Reflink)?;
    let log_bytes =
        folder.read(files::LOG, limits::TRAINING_LOG).doing("read", &folder.path_of(files::LOG))?;
    let record = Run {
        spec: spec_id,
        checkpoint: Some(Id::new(weights)),
        log: Some(transaction.put_blob(&log_bytes)?),
        epochs: Some(worked.outcome.epochs),
        best_epoch: Some(worked.outcome.best_epoch),
        val_loss: Some(worked.outcome.val_loss),
        parameters: Some(worked.outcome.parameters),
        files: Vec::new(),
    };
    let run = transaction.put(&record)?;
    let software = put_software(&mut transaction, worker.identity())?;
    transaction.put(&execution(run.hash, (worker, software), &worked, &start, environment))?;
    match &request.name {
        Some(name) => transaction.name(name, run.hash)?,
        None => transaction.name_freely(base, run.hash)?,
    }
    let named = transaction.commit(&environment.stamp)?.names.pop().map(|change| change.name);
    match registry.dir().remove_dir_all(&place) {
        // `reg gc` has seen that the run is recorded.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        removed => removed.doing("remove", folder.path())?,
    }
    Ok((run, record, named.or(request.name.clone()).unwrap_or_else(|| run.hash.short())))
}

/// The same error with the name of the initial weights in the place of the hash of their file, which is all that the worker
/// knows of them.
fn with_name_of_weights(
    registry: &Registry,
    spec: &NetworkSpec,
    context: &TrainInputs,
    e: WorkerError,
) -> WorkerError {
    let (WorkerError::Failed { message, hint }, Some(file)) = (&e, context.weights) else { return e };
    let called = |id: Hash| {
        let names = registry.view().ok()?.names_by_id().ok()?;
        Some(names.get(&id).cloned().unwrap_or_else(|| id.short()))
    };
    let name = spec.weights.and_then(|weights| called(weights.hash)).unwrap_or_else(|| file.short());
    WorkerError::Failed { message: message.replace(&file.to_string(), &name), hint: hint.clone() }
}

/// Output folders of a training.
pub(crate) struct TrainFolders {
    /// Results and the resume checkpoint.
    pub(crate) out: PathBuf,
    /// Cached pixels and features.
    pub(crate) cache: PathBuf,
}

/// The job that trains a spec.
pub(crate) fn train_job(
    registry: &Registry,
    context: &TrainInputs,
    spec: &NetworkSpec,
    device: &str,
    folders: TrainFolders,
    save_every: f64,
) -> Job {
    Job {
        protocol: PROTOCOL,
        objects: registry.store().objects().to_owned(),
        out: folders.out,
        cache: Some(folders.cache),
        device: device.to_owned(),
        threads: spec.threads,
        labels: context.dataset.labels.len() as u32,
        age: context.dataset.age,
        work: Work::Train {
            spec: Box::new(spec.clone()),
            manifest: context.dataset.manifest,
            assignment: context.split.assignment,
            weights: context.weights,
            save_every,
        },
    }
}
