//! Runs a recorded spec again in scratch space and compares every output.

use std::collections::BTreeSet;

use serde::Serialize;

use super::RecomputeError;
use crate::disk::{Dir, Doing};
use crate::hash::{Hash, Hasher, Id};
use crate::records::{
    AucTable, Execution, Predictions, Run, Scale, ScoreSource, Scores, Spec, Subset, Table, rules,
};
use crate::registry::Registry;
use crate::scores::{auc_table, subset_images};
use crate::training::process::Listener;
use crate::training::program::{ProgramError, run_again};
use crate::training::{
    Device, Environment, RunContext, RunError, TrainFolders, TrainInputs, TrainedNetwork, changed_files,
    files_differ, predict_job, read_scores, train_job,
};
use crate::withdrawal::{UsePolicy, refuse};
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

/// Runs the program of a run again in scratch space and compares all that it leaves. Nothing is recorded.
pub fn reproduce_program(
    registry: &Registry,
    environment: &Environment,
    run: Id<Run>,
    listener: &mut dyn Listener,
) -> Result<ProgramReproduction, RecomputeError> {
    let record = registry.get(run)?;
    let whole = registry.get(record.spec)?;
    let dataset = registry.get(whole.dataset())?;
    let policy = UsePolicy { registry, allow_withdrawn: true };
    refuse(policy, &whole, &dataset, None).map_err(RunError::from)?;
    let Spec::Program(spec) = &whole else {
        return Err(RunError::from(ProgramError::NoScores).into());
    };
    let view = registry.view()?;
    let execution = registry.referring::<Execution>(&view, &run.hash)?.into_iter().next();
    let execution = execution.map(|(_, execution)| execution);
    let mut recorded: Vec<(Subset, Scale, Scores, AucTable)> = Vec::new();
    for (id, predictions) in registry.referring::<Predictions>(&view, &run.hash)? {
        let (Some(subset), scores) = (predictions.subset, registry.scores(&predictions)?) else { continue };
        for (_, table) in registry.referring::<Table>(&view, &id.hash)? {
            if let Table::Auc(auc) = table {
                recorded.push((subset, predictions.scale, scores.clone(), auc));
            }
        }
    }
    drop(view);
    let again = run_again(registry, environment, spec, execution.as_ref(), listener)?;
    let mut then: Vec<(String, Hash)> =
        record.files.iter().map(|file| (file.name.clone(), file.object.hash)).collect();
    then.extend(record.checkpoint.map(|id| ("checkpoint".to_owned(), id.hash)));
    then.extend(record.log.map(|id| ("log".to_owned(), id.hash)));
    then.sort();
    for (_, hash) in &then {
        // The same hash does not prove that the stored bytes are intact.
        registry.store().read(hash)?;
    }
    let names: BTreeSet<&String> = then.iter().chain(&again.files).map(|(name, _)| name).collect();
    let of = |all: &[(String, Hash)], name: &String| {
        all.iter().find(|(known, _)| known == name).map(|(_, hash)| *hash)
    };
    let mut differences = Vec::new();
    for name in &names {
        let (recorded, now) = (of(&then, name), of(&again.files, name));
        if recorded != now {
            differences.push(FileDifference { output: (*name).clone(), recorded, now });
        }
    }
    let manifest = registry.manifest(&dataset)?;
    let (mut largest_score, mut largest_auc) = (0.0_f64, 0.0_f64);
    let (test, val) = again.scores;
    for (subset, scale, scores, auc) in &recorded {
        let now = match subset {
            Subset::Test => Some(&test),
            _ => val.as_ref(),
        };
        let Some(now) = now.filter(|now| now.scale == *scale && now.scores.rows == scores.rows) else {
            continue;
        };
        let pairs = scores.scores.iter().zip(&now.scores.scores);
        largest_score = pairs.map(|(a, b)| (a - b).abs()).fold(largest_score, f64::max);
        let predictions = registry.get(auc.predictions)?;
        let fresh =
            auc_table(auc.predictions, &predictions, &dataset, &manifest, &now.scores, auc.of_images, None);
        let pairs = auc.labels.iter().zip(&fresh.labels).filter_map(|(a, b)| Some((a.auc?, b.auc?)));
        largest_auc = pairs.map(|(a, b)| (a - b).abs()).fold(largest_auc, f64::max);
    }
    Ok(ProgramReproduction {
        identical: differences.is_empty(),
        compared: names.into_iter().cloned().collect(),
        differences,
        largest_score_difference: largest_score,
        largest_auc_difference: largest_auc,
        environment: again.environment,
        sources: Vec::new(),
    })
}

/// The result of running a program again.
#[derive(Debug, Clone, Serialize)]
pub struct ProgramReproduction {
    /// Whether every file has the same bytes.
    pub identical: bool,
    /// The compared files; `checkpoint` and `log` for these two.
    pub compared: Vec<String>,
    /// The files that differ.
    pub differences: Vec<FileDifference>,
    /// The largest difference between two scores of an image and a label.
    pub largest_score_difference: f64,
    /// The largest difference between two AUCs of a label.
    pub largest_auc_difference: f64,
    /// Differences of the surroundings since the run, as an explanation of other numbers.
    pub environment: Vec<String>,
    /// No sources of reg computed it.
    pub sources: Vec<String>,
}

/// A file of a program that differs; none where it is missing.
#[derive(Debug, Clone, Serialize)]
pub struct FileDifference {
    /// The name of the file.
    pub output: String,
    /// The recorded file.
    pub recorded: Option<Hash>,
    /// The file now.
    pub now: Option<Hash>,
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
    let network = TrainedNetwork::of(registry, run)?;
    let spec = network.spec.clone();
    let context = TrainInputs::load(registry, &spec)?;
    // Nothing is recorded, so withdrawn images are allowed; purged images are missing, though.
    refuse(run_context.allowing(true).policy(), &Spec::Network(spec.clone()), &context.dataset, None)
        .map_err(RunError::from)?;
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
    compare("checkpoint", network.checkpoint.hash, hash_file(scratch.dir(), files::CHECKPOINT)?)?;
    if let Some(log) = record.log {
        compare("log", log.hash, hash_file(scratch.dir(), files::LOG)?)?;
    }

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
            ScoreSource::Mean { .. } | ScoreSource::Program { .. } | ScoreSource::Import { .. } => {
                spec.threads
            }
        };
        let out = scratch.path().to_owned();
        let job = predict_job(registry, &context, &network, (subset, flipped), &device, threads, out);
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
            execution.cpu_capability.unwrap_or_default(),
            worker.identity().cpu_capability.clone(),
        );
        differs("reg", execution.reg, env!("CARGO_PKG_VERSION").to_owned());
        if let Some(software) = execution.software {
            sources = changed_files(registry, software, worker.identity())?;
        }
        if !sources.is_empty() {
            notes.push(format!("the source files have changed since then: {}", files_differ(&sources)));
        }
    }
    Ok(Reproduction { identical: differences.is_empty(), compared, differences, environment: notes, sources })
}

fn hash_file(dir: &Dir, name: &str) -> Result<Hash, RunError> {
    let mut hasher = Hasher::name_only();
    let read = dir.open_file(name).and_then(|(file, _)| hasher.read(file));
    Ok(read.map(|()| hasher.finish()).doing("read", &dir.path_of(name))?)
}
