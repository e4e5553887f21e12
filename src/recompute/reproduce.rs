//! Runs a recorded spec again in scratch space and compares every output.

use serde::Serialize;

use super::RecomputeError;
use crate::disk::Dir;
use crate::hash::{Hash, Hasher, Id};
use crate::records::{Execution, Predictions, Run, ScoreSource, Subset, Table, rules};
use crate::registry::Registry;
use crate::scores::{auc_table, subset_images};
use crate::training::process::Listener;
use crate::training::{
    Device, RunContext, RunError, TrainFolders, TrainInputs, changed_files, files_differ, predict_job,
    read_scores, train_job,
};
use crate::withdrawal::refuse;
use crate::worker::{Job, files};

/// Seconds; a training in scratch space is never resumed.
const NEVER: f64 = 1e9;

/// The result of reproducing a run.
#[derive(Debug, Clone, Serialize)]
pub struct Reproduction {
    /// Whether every output has the same bytes.
    pub identical: bool,
    /// The compared outputs.
    pub compared: Vec<&'static str>,
    /// The outputs that differ.
    pub differences: Vec<ReproductionDifference>,
    /// Differences of the environment since the run, as an explanation of different bits.
    pub environment: Vec<String>,
    /// Source files that have changed since the run, by path.
    pub sources: Vec<String>,
}

/// An output that differs.
#[derive(Debug, Clone, Serialize)]
pub struct ReproductionDifference {
    /// The name of the output.
    pub output: &'static str,
    /// The recorded output.
    pub recorded: Hash,
    /// The reproduced output.
    pub now: Hash,
}

/// Trains a run's spec again and predicts again what is recorded of the test and validation subsets. Nothing is recorded.
pub fn reproduce(
    run_context: RunContext,
    run: Id<Run>,
    device: Option<Device>,
    listener: &mut dyn Listener,
) -> Result<Reproduction, RecomputeError> {
    let RunContext { registry, worker, environment, .. } = run_context;
    let record = registry.get(run)?;
    let spec = registry.get(record.spec)?;
    let context = TrainInputs::load(registry, &spec)?;
    // Nothing is recorded, so withdrawn images are allowed; purged images are missing, though.
    refuse(run_context.allowing(true).policy(), &spec, &context.dataset, None).map_err(RunError::from)?;
    let device = device.unwrap_or_else(|| Device::of(spec.device));
    let scratch = registry.store().scratch()?;

    // With separate pixels and features: those in the cache may come from the run in question.
    let cache = scratch.path().join("cache");
    let folders = TrainFolders { out: scratch.path().to_owned(), cache: cache.clone() };
    let job = train_job(registry, &context, &spec, &device.name, folders, NEVER);
    worker.run(&job, listener).map_err(RunError::from)?;
    let mut compared = Vec::new();
    let mut differences = Vec::new();
    let mut compare = |output, recorded: Hash, now: Hash| -> Result<(), RecomputeError> {
        // The same hash does not prove that the stored bytes are intact; a damaged object must not count as
        // identical.
        registry.store().read(&recorded)?;
        compared.push(output);
        if recorded != now {
            differences.push(ReproductionDifference { output, recorded, now });
        }
        Ok(())
    };
    compare("checkpoint", record.checkpoint.hash, hash_file(scratch.dir(), files::CHECKPOINT)?)?;
    compare("log", record.log.hash, hash_file(scratch.dir(), files::LOG)?)?;

    let view = registry.view()?;
    let mut scored = registry.referring::<Predictions>(&view, &run.hash)?;
    let views = [
        (Subset::Test, false, ["predictions", "table"]),
        (Subset::Val, false, ["validation predictions", "validation table"]),
        (Subset::Test, true, ["flipped predictions", "flipped table"]),
        (Subset::Val, true, ["flipped validation predictions", "flipped validation table"]),
    ];
    for (subset, flipped, [of_scores, of_table]) in views {
        let is_of_view = |predictions: &Predictions| {
            predictions.subset == Some(subset) && predictions.is_flipped() == flipped
        };
        let Some(place) = scored.iter().position(|(_, predictions)| is_of_view(predictions)) else {
            continue;
        };
        let (id, predictions) = scored.swap_remove(place);
        // With the recorded checkpoint, so that a difference is one of predicting, not of training.
        let threads = match &predictions.source {
            ScoreSource::Run { threads, .. } => *threads,
            ScoreSource::Mean { .. } | ScoreSource::Import { .. } => spec.threads,
        };
        let out = scratch.path().to_owned();
        let job = predict_job(registry, &context, (&record, &spec), (subset, flipped), &device, threads, out);
        worker.run(&Job { cache: Some(cache.clone()), ..job }, listener).map_err(RunError::from)?;
        compare(of_scores, predictions.scores.hash, hash_file(scratch.dir(), files::SCORES)?)?;
        let tables = registry.referring::<Table>(&view, &id.hash)?.into_iter();
        let newest = tables.rev().find_map(|(table, content)| match content {
            // A table made by other rules is another table.
            Table::Auc(auc) if auc.rules == rules::AUC => Some((table, auc.operating_point)),
            _ => None,
        });
        if let Some((table, at)) = newest {
            let manifest = registry.manifest(&context.dataset)?;
            let scores = read_scores(scratch.dir(), predictions.labels.len(), manifest.rows.len())?;
            let of_images = subset_images(registry, &predictions)?;
            let now = auc_table(id, &predictions, &context.dataset, &manifest, &scores, of_images, at);
            compare(of_table, table.hash, Registry::id_of(&Table::Auc(now))?.hash)?;
        }
    }

    let mut notes = Vec::new();
    let mut differs = |what: &str, then: String, now: String| {
        if then != now {
            notes.push(format!("{what} was {then} and is {now}"));
        }
    };
    let (then, now) = (spec.numerics, worker.identity().numerics());
    differs("numerics", then.version.to_string(), now.version.to_string());
    differs("libtorch", then.libtorch, now.libtorch);
    differs("the machine", then.target, now.target);
    differs("the device", format!("{:?}", spec.device), format!("{:?}", device.kind));
    let mut sources = Vec::new();
    if let Some((_, execution)) = registry.referring::<Execution>(&view, &run.hash)?.into_iter().next() {
        differs("the processor", execution.cpu, environment.cpu.clone());
        differs(
            "the vector instructions",
            execution.cpu_capability,
            worker.identity().cpu_capability.clone(),
        );
        differs("reg", execution.reg, env!("CARGO_PKG_VERSION").to_owned());
        sources = changed_files(registry, execution.software, worker.identity())?;
        if !sources.is_empty() {
            notes.push(format!("the sources are not those that made it: {}", files_differ(&sources)));
        }
    }
    Ok(Reproduction { identical: differences.is_empty(), compared, differences, environment: notes, sources })
}

fn hash_file(dir: &Dir, name: &str) -> Result<Hash, RunError> {
    let mut hasher = Hasher::name_only();
    let read = dir.open_file(name).and_then(|(file, _)| hasher.read(file));
    read.map(|()| hasher.finish()).map_err(RunError::io("read", &dir.path_of(name)))
}
