//! Recomputes recorded AUC tables, and checks that scores come from where they are said to come from.

use std::collections::HashSet;

use super::ScoreError;
use super::auc::{auc_table, subset_images};
use super::ensemble::{mean_of, members_of};
use crate::hash::Id;
use crate::records::{AucTable, FalseRecord, Kind, Predictions, ScoreSource, Table};
use crate::registry::{Objects, Registry};
use crate::values::mismatches;

/// The same table again, from the scores that it is about.
pub fn auc_again(objects: &dyn Objects, recorded: &AucTable) -> Result<AucTable, ScoreError> {
    let predictions = objects.get(recorded.predictions)?;
    let dataset = objects.get(predictions.dataset)?;
    let manifest = objects.manifest(&dataset)?;
    let scores = objects.scores(&predictions)?;
    attributed(objects, recorded.predictions, &predictions)?;
    let of_images = subset_images(objects, &predictions)?;
    let at = recorded.operating_point;
    Ok(auc_table(recorded.predictions, &predictions, &dataset, &manifest, &scores, of_images, at))
}

/// Asserts that a recorded table follows from the scores that it is about.
pub fn verify_auc(objects: &dyn Objects, id: Id<Table>, recorded: &AucTable) -> Result<(), ScoreError> {
    let found = mismatches(&Table::Auc(recorded.clone()), &Table::Auc(auc_again(objects, recorded)?));
    Ok(FalseRecord::check(id.hash, Kind::Table, found)?)
}

/// Asserts that the run to which predictions are attributed can have produced them, and that a mean is that of its
/// members, which their runs can have produced.
pub fn attributed(
    objects: &dyn Objects,
    id: Id<Predictions>,
    predictions: &Predictions,
) -> Result<(), ScoreError> {
    let mut seen = HashSet::from([id.hash]);
    let mut open = vec![(id, predictions.clone())];
    while let Some((id, predictions)) = open.pop() {
        match &predictions.source {
            ScoreSource::Import { .. } => {}
            ScoreSource::Run { run, .. } | ScoreSource::Program { run, .. } => {
                let spec = objects.get(objects.get(*run)?.spec)?;
                let assignment = objects.assignment(&objects.get(spec.split())?)?;
                let fit = predictions.fit(&spec, &assignment, &objects.scores(&predictions)?);
                fit.map_err(|reason| ScoreError::Misattributed { predictions: id.hash, reason })?;
            }
            ScoreSource::Mean { predictions: members, .. } => {
                let (_, mean) = mean_of(objects, &members_of(members))?;
                if Registry::id_of_packed(&mean)? != predictions.scores {
                    let reason = "their scores are not the mean of their members'".to_owned();
                    return Err(ScoreError::Misattributed { predictions: id.hash, reason });
                }
                for member in members.iter().filter(|member| seen.insert(member.hash)) {
                    open.push((*member, objects.get(*member)?));
                }
            }
        }
    }
    Ok(())
}
