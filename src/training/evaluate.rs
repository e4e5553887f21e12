//! Predictions of a run's checkpoint, and their AUC table.

use super::inputs::{ExecutionStart, TrainInputs, TrainedNetwork, execution};
use super::process::Listener;
use super::software::{OtherSources, put_software};
use super::{Device, Environment, RunContext, RunError};
use crate::digits::counted;
use crate::disk::{Dir, Doing};
use crate::hash::Id;
use crate::index::View;
use crate::limits;
use crate::records::{
    AucTable, DeviceKind, NetworkSpec, OperatingPoint, Predictions, Run, Scale, ScoreSource, Scores, Spec,
    Subset, Table, codec, rules,
};
use crate::registry::Registry;
use crate::scores::{Ensemble, auc_table, ensemble, subset_images, verify_auc};
use crate::withdrawal::refuse;
use crate::worker::{Job, Numbers, PROTOCOL, Work, files};

/// Evaluated predictions.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The predictions.
    pub predictions: Id<Predictions>,
    /// The table.
    pub table: Id<Table>,
    /// Its content.
    pub auc: AucTable,
    /// Whether both already existed.
    pub cached: bool,
    /// The sources that scored, if existing predictions were scored from different source files with the same numerics.
    pub other_sources: Option<OtherSources>,
}

/// What is evaluated of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// The scored subset.
    pub subset: Subset,
    /// How a threshold is chosen for each label, if one is.
    pub operating_point: Option<OperatingPoint>,
    /// Whether the mean of the images and of the mirrored images is taken.
    pub flip: bool,
}

impl Evaluation {
    /// A subset as it is, with the usual thresholds.
    pub fn of(subset: Subset) -> Self {
        Evaluation { subset, operating_point: OperatingPoint::usual(Some(subset)), flip: false }
    }
}

/// Predicts a subset with a run's checkpoint and computes the AUC table. Existing results of the same numerics,
/// device kind and number of threads are returned from the registry.
///
/// `device` and `threads` default to those of the run's spec.
pub fn evaluate(
    run_context: RunContext,
    run: Id<Run>,
    evaluation: Evaluation,
    device: Option<Device>,
    threads: Option<u32>,
    listener: &mut dyn Listener,
) -> Result<Evaluated, RunError> {
    let network = TrainedNetwork::of(run_context.registry, run)?;
    let spec = &network.spec;
    if evaluation.flip && spec.model.architecture.image().is_none() {
        return Err(RunError::NothingToFlip(spec.model.name.clone()));
    }
    let device = device.unwrap_or_else(|| Device::of(spec.device));
    let threads = threads.unwrap_or(spec.threads);
    let mut of_view = |flipped| {
        let view =
            ImageView { subset: evaluation.subset, flipped, operating_point: evaluation.operating_point };
        evaluate_view(run_context, (run, &network), view, &device, threads, listener)
    };
    let plain = of_view(false)?;
    if !evaluation.flip {
        return Ok(plain);
    }
    let flipped = of_view(true)?;
    let mean = Ensemble {
        members: vec![
            ("the images".to_owned(), plain.predictions),
            ("the mirrored images".to_owned(), flipped.predictions),
        ],
        model: format!("{}+flip", spec.model.name),
        operating_point: evaluation.operating_point,
        name: None,
    };
    let averaged = ensemble(run_context.registry, &mean, &run_context.environment.stamp)?;
    Ok(Evaluated {
        predictions: averaged.id,
        table: averaged.table,
        auc: averaged.auc,
        cached: plain.cached && flipped.cached,
        other_sources: plain.other_sources.or(flipped.other_sources),
    })
}

/// A view of a subset's images.
#[derive(Clone, Copy)]
pub(super) struct ImageView {
    subset: Subset,
    flipped: bool,
    operating_point: Option<OperatingPoint>,
}

/// Evaluates a subset as it is, with the usual thresholds.
pub(super) fn evaluate_run(
    run_context: RunContext,
    run: Id<Run>,
    network: &TrainedNetwork,
    subset: Subset,
    device: &Device,
    threads: u32,
    listener: &mut dyn Listener,
) -> Result<Evaluated, RunError> {
    let Evaluation { subset, operating_point, flip: flipped } = Evaluation::of(subset);
    let view = ImageView { subset, flipped, operating_point };
    evaluate_view(run_context, (run, network), view, device, threads, listener)
}

fn evaluate_view(
    run_context: RunContext,
    (run, network): (Id<Run>, &TrainedNetwork),
    view: ImageView,
    device: &Device,
    threads: u32,
    listener: &mut dyn Listener,
) -> Result<Evaluated, RunError> {
    let RunContext { registry, worker, environment, .. } = run_context;
    let spec = &network.spec;
    let ImageView { subset, flipped, operating_point } = view;
    let numerics = worker.identity().numerics();
    let source = ScoreSource::Run { run, device: device.kind, threads, numerics, flipped };
    if let Some(existing) = existing(run_context, run, view, &source)? {
        return Ok(existing);
    }

    let context = TrainInputs::load(registry, spec)?;
    refuse(run_context.policy(), &Spec::Network(spec.clone()), &context.dataset, Some(subset))?;
    let out = registry.store().scratch()?;
    let start = ExecutionStart::now(environment);
    let job =
        predict_job(registry, &context, network, (subset, flipped), device, threads, out.path().to_owned());
    let worked = worker.run(&job, listener)?;
    let manifest = registry.manifest(&context.dataset)?;
    let scores = read_scores(out.dir(), context.dataset.labels.len(), manifest.rows.len())?;
    let mut transaction = registry.transaction()?;
    let software = put_software(&mut transaction, worker.identity())?;
    let predictions = Predictions {
        dataset: spec.dataset,
        split: Some(spec.split),
        fold: Some(spec.fold),
        subset: Some(subset),
        source,
        model: spec.model.name.clone(),
        labels: context.dataset.labels.clone(),
        scale: Scale::Logit,
        images: scores.rows.len() as u64,
        scores: transaction.put_packed(&scores)?,
    };
    let id = transaction.put(&predictions)?;
    let auc = auc_table(
        id,
        &predictions,
        &context.dataset,
        &manifest,
        &scores,
        subset_images(registry, &predictions)?,
        operating_point,
    );
    let table = transaction.put(&Table::Auc(auc.clone()))?;
    transaction.put(&execution(id.hash, (worker, software), &worked, &start, environment))?;
    transaction.commit(&environment.stamp)?;
    Ok(Evaluated { predictions: id, table, auc, cached: false, other_sources: None })
}

/// Precision and memory layout of a spec on a kind of device.
pub(super) fn numbers(spec: &NetworkSpec, device: DeviceKind) -> Numbers {
    Numbers { precision: spec.training.precision(), layout: spec.training.layout(device) }
}

/// Reads the scores that the worker left in its folder: a column a label, rows below `rows`.
pub(crate) fn read_scores(dir: &Dir, labels: usize, rows: usize) -> Result<Scores, RunError> {
    let scores = read_columns(dir, files::SCORES, rows)?;
    if scores.labels as usize != labels {
        let path = dir.path_of(files::SCORES);
        let reason = format!("{} for {labels}", counted(scores.labels.into(), "column"));
        return Err(RunError::BadScores { path, reason });
    }
    Ok(scores)
}

/// Reads a file of scores of the worker: any number of columns, rows below `rows`.
pub(super) fn read_columns(dir: &Dir, name: &str, rows: usize) -> Result<Scores, RunError> {
    let path = dir.path_of(name);
    let bytes = dir.read(name, limits::WORKER_SCORES).doing("read", &path)?;
    let wrong = |reason: String| RunError::BadScores { path: path.clone(), reason };
    let scores: Scores = codec::unpack(&bytes).map_err(|e| wrong(e.to_string()))?;
    match scores.rows.last() {
        Some(last) if *last as usize >= rows => Err(wrong(format!("there is no image {last}"))),
        _ => Ok(scores),
    }
}

/// The job that predicts a subset with a run's checkpoint.
pub(crate) fn predict_job(
    registry: &Registry,
    context: &TrainInputs,
    TrainedNetwork { spec, checkpoint }: &TrainedNetwork,
    (subset, flipped): (Subset, bool),
    device: &Device,
    threads: u32,
    out: std::path::PathBuf,
) -> Job {
    Job {
        protocol: PROTOCOL,
        objects: registry.store().objects().to_owned(),
        out,
        cache: Some(registry.cache()),
        device: device.name.clone(),
        threads,
        labels: context.dataset.labels.len() as u32,
        age: context.dataset.age,
        work: Work::Predict {
            model: spec.model.clone(),
            checkpoint: *checkpoint,
            numbers: numbers(spec, device.kind),
            batch: spec.training.batch,
            manifest: context.dataset.manifest,
            assignment: context.split.assignment,
            fold: spec.fold,
            subset,
            flipped,
        },
    }
}

/// Existing results. A table made by other rules, or with other thresholds, is not used: another one is computed from the
/// same scores.
fn existing(
    run_context: RunContext,
    run: Id<Run>,
    ImageView { subset, operating_point, .. }: ImageView,
    source: &ScoreSource,
) -> Result<Option<Evaluated>, RunError> {
    let RunContext { registry, worker, environment, .. } = run_context;
    let view = registry.view()?;
    let known = registry.referring::<Predictions>(&view, &run.hash)?.into_iter();
    let mut known = known.filter(|(_, known)| known.subset == Some(subset) && known.source == *source);
    let Some((id, predictions)) = known.next() else { return Ok(None) };
    let other_sources = OtherSources::of(registry, &view, &id.hash, worker.identity())?;
    existing_table(registry, environment, view, (id, predictions), operating_point, other_sources).map(Some)
}

/// The AUC table of existing predictions.
pub(super) fn existing_table(
    registry: &Registry,
    environment: &Environment,
    view: View,
    (id, predictions): (Id<Predictions>, Predictions),
    operating_point: Option<OperatingPoint>,
    other_sources: Option<OtherSources>,
) -> Result<Evaluated, RunError> {
    for (table, content) in registry.referring::<Table>(&view, &id.hash)? {
        if let Table::Auc(auc) = content
            && auc.rules == rules::AUC
            && auc.operating_point == operating_point
        {
            verify_auc(registry, table, &auc)?;
            return Ok(Evaluated { predictions: id, table, auc, cached: true, other_sources });
        }
    }
    drop(view);
    let dataset = registry.get(predictions.dataset)?;
    let manifest = registry.manifest(&dataset)?;
    let scores = registry.scores(&predictions)?;
    let of_images = subset_images(registry, &predictions)?;
    let auc = auc_table(id, &predictions, &dataset, &manifest, &scores, of_images, operating_point);
    let mut transaction = registry.transaction()?;
    let table = transaction.put(&Table::Auc(auc.clone()))?;
    transaction.commit(&environment.stamp)?;
    Ok(Evaluated { predictions: id, table, auc, cached: true, other_sources })
}
