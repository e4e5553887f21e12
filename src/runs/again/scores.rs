//! Scores held to the run that they name, or read again from the file of another tool; runs held to their log.

use std::path::PathBuf;

use serde_json::Value;

use super::{Mismatch, compared};
use crate::hash::{Digest, Id};
use crate::records::{Predictions, Run, Scale, ScoreSource};
use crate::registry::{Objects, Registry};
use crate::runs::RunError;
use crate::runs::import::{Foreign, select};
use crate::runs::weights::tensors;

/// Buffers of BatchNorm, which are no parameters.
const BUFFERS: [&str; 3] = ["running_mean", "running_var", "num_batches_tracked"];

/// What the log and the checkpoint say of a run, and that its split is one of its data set. That they come out again
/// takes the worker: `reg reproduce`.
pub(super) fn run(objects: &dyn Objects, id: Id<Run>) -> Result<Vec<Mismatch>, RunError> {
    let recorded = objects.get(id)?;
    let spec = objects.get(recorded.spec)?;
    let split = objects.get(spec.split)?;
    let mut now = recorded.clone();
    let log = objects.bytes(&recorded.log.hash)?;
    let epochs =
        String::from_utf8_lossy(&log).lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    let epochs = epochs.unwrap_or_default();
    // An epoch that diverged has no loss.
    let losses: Vec<f64> =
        epochs.iter().map(|epoch| epoch["val_loss"].as_f64().unwrap_or(f64::INFINITY)).collect();
    let best = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
    now.epochs = losses.len() as u32;
    (now.best_epoch, now.val_loss) = best.map_or((0, f64::NAN), |(place, loss)| (place as u32 + 1, *loss));
    if !objects.lacks(&recorded.checkpoint.hash) {
        let checkpoint = objects.bytes(&recorded.checkpoint.hash)?;
        let held = tensors(&checkpoint).unwrap_or_default();
        let learnt = held.iter().filter(|(name, _)| !BUFFERS.iter().any(|buffer| name.ends_with(buffer)));
        now.parameters = learnt.map(|(_, numbers)| numbers).sum();
    }
    let mut found = compared(&recorded, &now);
    found.extend(
        compared(&spec.dataset, &split.dataset)
            .into_iter()
            .map(|m| Mismatch { place: "spec.dataset".to_owned(), ..m }),
    );
    let folds = split.folds.len() as u32;
    if spec.fold >= folds {
        let (recorded, now) = (spec.fold.into(), format!("below {folds}").into());
        found.push(Mismatch { place: "spec.fold".to_owned(), recorded, now });
    }
    Ok(found)
}

/// What a run can have scored; of another tool, the scores themselves.
pub(super) fn predictions(objects: &dyn Objects, id: Id<Predictions>) -> Result<Vec<Mismatch>, RunError> {
    let recorded = objects.get(id)?;
    let now = match &recorded.source {
        ScoreSource::Run { run, .. } => {
            attributed(objects, id, &recorded)?;
            let spec = objects.get(objects.get(*run)?.spec)?;
            Predictions {
                model: spec.model.name,
                labels: objects.get(spec.dataset)?.labels,
                scale: Scale::Logit,
                images: objects.get_packed(recorded.scores)?.rows.len() as u64,
                ..recorded.clone()
            }
        }
        ScoreSource::Import { file } => {
            let bytes = objects.bytes(&file.object.hash)?;
            let subset = recorded.split.zip(recorded.fold).zip(recorded.subset);
            let foreign = Foreign {
                file: PathBuf::from(format!("the file of predictions {}", id.hash.short())),
                dataset: recorded.dataset,
                subset: subset.map(|((split, fold), subset)| (split, fold, subset)),
                scale: recorded.scale,
                model: recorded.model.clone(),
                name: String::new(),
            };
            let selected = select(objects, &foreign, &bytes)?;
            Predictions {
                split: foreign.subset.map(|(split, ..)| split),
                fold: foreign.subset.map(|(_, fold, _)| fold),
                subset: foreign.subset.map(|(.., subset)| subset),
                source: ScoreSource::Import { file: Digest::of(&bytes).into() },
                images: selected.scores.rows.len() as u64,
                scores: Registry::id_of_packed(&selected.scores)?,
                labels: selected.labels,
                ..recorded.clone()
            }
        }
    };
    Ok(compared(&recorded, &now))
}

/// Asserts that predictions are what the run that they are attributed to can have scored.
pub(in crate::runs) fn attributed(
    objects: &dyn Objects,
    id: Id<Predictions>,
    predictions: &Predictions,
) -> Result<(), RunError> {
    let ScoreSource::Run { run, .. } = &predictions.source else { return Ok(()) };
    let spec = objects.get(objects.get(*run)?.spec)?;
    let assignment = objects.get_packed(objects.get(spec.split)?.assignment)?;
    let fit = predictions.fit(&spec, &assignment, &objects.get_packed(predictions.scores)?);
    fit.map_err(|reason| RunError::Misattributed { predictions: id.hash, reason })
}
