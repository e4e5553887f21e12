//! Checks scores against their run, the file of another tool or the members of their mean; checks runs against their log.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::RecomputeError;
use crate::hash::{Digest, Id};
use crate::records::tensors::{parameters, sizes as tensors};
use crate::records::{
    File, MAX_REPORTED, Mismatch, Predictions, ProgramSpec, Run, Scale, ScoreSource, Spec, Subset, compared,
};
use crate::registry::{Objects, Registry};
use crate::scores::{Foreign, ScoredSubset, attributed, mean_of, members_of, select};
use crate::training::RunError;
use crate::training::program::{outputs, scores};

/// A line of a run's log. A diverged epoch has no loss.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    epoch: u32,
    lr: f64,
    #[expect(dead_code, reason = "nothing else may stand in a line")]
    train_loss: Option<f64>,
    val_loss: Option<f64>,
    val_auc: Option<f64>,
    #[expect(dead_code, reason = "nothing else may stand in a line")]
    val_auc_labels: u32,
    improved: bool,
}

/// Checks a run against its log and checkpoint. Whether training gives them again is checked by `reg
/// reproduce`.
pub(super) fn run(objects: &dyn Objects, id: Id<Run>) -> Result<Vec<Mismatch>, RecomputeError> {
    let recorded = objects.get(id)?;
    let spec = objects.get(recorded.spec)?;
    let mut now = recorded.clone();
    let mut found = Vec::new();
    let spec = match spec {
        Spec::Network(spec) => spec,
        Spec::Program(spec) => return program_run(objects, &recorded, &spec),
    };
    let (Some(log), Some(checkpoint)) = (recorded.log, recorded.checkpoint) else {
        found.extend(Mismatch::of("log and checkpoint", Value::Null, "those of a trained network"));
        return Ok(found);
    };
    let log = objects.bytes(&log.hash)?;
    let how = &spec.training;
    let (mut best, mut epochs) = (f64::INFINITY, 0);
    // The learning rate, and the epochs without improvement since it changed and since the best one.
    let (mut lr, mut stalled, mut since_best) = (how.lr, 0, 0);
    for line in log.strip_suffix(b"\n").unwrap_or(&log).split(|byte| *byte == b'\n') {
        epochs += 1;
        let Ok(epoch) = serde_json::from_slice::<Epoch>(line) else {
            let line = String::from_utf8_lossy(line).into_owned();
            found.extend(Mismatch::of(&format!("log line {epochs}"), line, "an epoch"));
            continue;
        };
        let loss = epoch.val_loss.unwrap_or(f64::INFINITY);
        let improved = loss < best;
        if improved {
            (best, now.best_epoch, now.val_loss) = (loss, Some(epochs), Some(loss));
        }
        if epochs > 1 && how.stops_after(since_best) {
            found.extend(Mismatch::of(
                &format!("log line {epochs}"),
                "an epoch",
                "none: `early_stop` ends before",
            ));
        }
        found.extend(Mismatch::of(&format!("log line {epochs} lr"), epoch.lr, lr));
        (stalled, since_best) = if improved { (0, 0) } else { (stalled + 1, since_best + 1) };
        if stalled > how.patience {
            (lr, stalled) = (lr * how.lr_factor, 0);
        }
        let auc = epoch.val_auc.filter(|auc| (0.0..=1.0).contains(auc));
        found.extend(Mismatch::of(&format!("log line {epochs} epoch"), epoch.epoch, epochs));
        found.extend(Mismatch::of(&format!("log line {epochs} improved"), epoch.improved, improved));
        found.extend(Mismatch::of(&format!("log line {epochs} val_auc"), epoch.val_auc, auc));
    }
    now.epochs = Some(epochs);
    if epochs > how.epochs {
        found.extend(Mismatch::of("epochs", epochs, format!("at most {}", how.epochs)));
    } else if epochs < how.epochs && !how.stops_after(since_best) {
        found.extend(Mismatch::of("epochs", epochs, format!("{}, as in the spec", how.epochs)));
    }
    if !objects.lacks(&checkpoint.hash) {
        let held = tensors(&objects.bytes(&checkpoint.hash)?).unwrap_or_default();
        now.parameters = Some(parameters(&held));
    }
    found.extend(compared(&recorded, &now));
    found.truncate(MAX_REPORTED);
    Ok(found)
}

/// Checks a program's run against its log: what it says of epochs must follow from that.
fn program_run(
    objects: &dyn Objects,
    recorded: &Run,
    spec: &ProgramSpec,
) -> Result<Vec<Mismatch>, RecomputeError> {
    let mut found = Vec::new();
    for input in spec.program.inputs.iter().filter(|input| !objects.lacks(&input.object.hash)) {
        let file = File::from(Digest::of(&objects.bytes(&input.object.hash)?));
        let what = |what: &str| format!("input {} {what}", input.name);
        found.extend(Mismatch::of(&what("sha256"), input.sha256, file.sha256));
        found.extend(Mismatch::of(&what("bytes"), input.bytes, file.bytes));
    }
    let log = recorded.log.map(|log| objects.bytes(&log.hash)).transpose()?;
    let epochs = log.map(|log| outputs::parse_log(&log)).transpose();
    let epochs = match epochs {
        Ok(epochs) => epochs,
        Err(reason) => {
            found.extend(Mismatch::of("log", reason, "a line of JSON an epoch"));
            return Ok(found);
        }
    };
    let best = epochs.as_deref().and_then(outputs::best_epoch);
    let now = Run {
        epochs: epochs.as_ref().map(|epochs| epochs.len() as u32),
        best_epoch: best.map(|best| best.epoch),
        val_loss: best.and_then(|best| best.val_loss),
        parameters: None,
        ..recorded.clone()
    };
    found.extend(compared(recorded, &now));
    Ok(found)
}

/// Checks that a run can have produced the scores; another tool's scores are recomputed from their file.
pub(super) fn predictions(
    objects: &dyn Objects,
    id: Id<Predictions>,
) -> Result<Vec<Mismatch>, RecomputeError> {
    let recorded = objects.get(id)?;
    let now = match &recorded.source {
        ScoreSource::Run { run, .. } => {
            attributed(objects, id, &recorded)?;
            let spec = objects.get(objects.get(*run)?.spec)?;
            Predictions {
                model: spec.model_name().to_owned(),
                labels: objects.get(spec.dataset())?.labels,
                scale: Scale::Logit,
                images: objects.scores(&recorded)?.rows.len() as u64,
                ..recorded.clone()
            }
        }
        ScoreSource::Program { run, .. } => {
            attributed(objects, id, &recorded)?;
            let run = objects.get(*run)?;
            let spec = objects.get(run.spec)?;
            let (file, object) = scores::file_of(&run).map_err(RunError::from)?;
            let bytes = objects.bytes(&object.hash)?;
            let (test, val) = scores::read(objects, &spec, file, &bytes).map_err(RunError::from)?;
            let of_subset = if recorded.subset == Some(Subset::Test) { Some(test) } else { val };
            let Some(read) = of_subset else {
                return Ok(Mismatch::of("subset", recorded.subset, "one that the program scored")
                    .into_iter()
                    .collect());
            };
            Predictions {
                model: spec.model_name().to_owned(),
                labels: read.labels,
                scale: read.scale,
                images: read.scores.rows.len() as u64,
                scores: Registry::id_of_packed(&read.scores)?,
                ..recorded.clone()
            }
        }
        ScoreSource::Mean { predictions: members, .. } => {
            let (first, scores) = mean_of(objects, &members_of(members))?;
            Predictions {
                source: recorded.source.clone(),
                model: recorded.model.clone(),
                images: scores.rows.len() as u64,
                scores: Registry::id_of_packed(&scores)?,
                ..first
            }
        }
        ScoreSource::Import { file, columns, rules } => {
            let bytes = objects.bytes(&file.object.hash)?;
            let subset = recorded.split.zip(recorded.fold).zip(recorded.subset);
            let foreign = Foreign {
                file: PathBuf::from(format!("the file of predictions {}", id.hash.short())),
                dataset: recorded.dataset,
                columns: columns.clone(),
                subset: subset.map(|((split, fold), subset)| ScoredSubset { split, fold, subset }),
                scale: recorded.scale,
                model: recorded.model.clone(),
                name: String::new(),
            };
            let selected = select(objects, &foreign, &bytes)?;
            Predictions {
                split: foreign.subset.map(|of| of.split),
                fold: foreign.subset.map(|of| of.fold),
                subset: foreign.subset.map(|of| of.subset),
                source: ScoreSource::Import {
                    file: Digest::of(&bytes).into(),
                    columns: columns.clone(),
                    rules: *rules,
                },
                images: selected.scores.rows.len() as u64,
                scores: Registry::id_of_packed(&selected.scores)?,
                labels: selected.labels,
                ..recorded.clone()
            }
        }
    };
    Ok(compared(&recorded, &now))
}
