//! Means of predictions: an ensemble of models, or of views of the same images.

use std::collections::BTreeSet;

use super::ScoreError;
use super::auc::{auc_table, subset_images};
use crate::digits::{counted, thousands};
use crate::hash::Id;
use crate::records::{
    AucTable, OperatingPoint, Predictions, Scale, ScoreSource, Scores, Subset, Table, rules,
};
use crate::registry::{Objects, Registry, Stamp};
use crate::stats;

/// Predictions to average.
#[derive(Debug, Clone)]
pub struct Ensemble {
    /// Its members, each with its name in messages.
    pub members: Vec<(String, Id<Predictions>)>,
    /// Name of the mean in tables.
    pub model: String,
    /// How a threshold is chosen for each label, if one is.
    pub operating_point: Option<OperatingPoint>,
    /// Name of the new predictions.
    pub name: Option<String>,
}

/// A recorded mean of predictions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Averaged {
    /// The predictions.
    pub id: Id<Predictions>,
    /// Their record.
    pub predictions: Predictions,
    /// The table.
    pub table: Id<Table>,
    /// Its content.
    pub auc: AucTable,
    /// Whether both already existed.
    pub cached: bool,
}

/// Averages the scores of several predictions, image by image and label by label, and evaluates the mean: logits if all
/// are logits, otherwise probabilities.
///
/// # Errors
/// Fewer than two different predictions; members that differ in data set, division, subset, labels or images.
pub fn ensemble(registry: &Registry, wanted: &Ensemble, stamp: &Stamp) -> Result<Averaged, ScoreError> {
    if wanted.model.trim().is_empty() || wanted.model.contains(char::is_control) {
        return Err(ScoreError::BadModelName(wanted.model.clone()));
    }
    let mut members = wanted.members.clone();
    members.sort_by_key(|(_, id)| id.hash);
    members.dedup_by_key(|(_, id)| id.hash);
    let (first, scores) = mean_of(registry, &members)?;
    let dataset = registry.get(first.dataset)?;
    let manifest = registry.manifest(&dataset)?;
    let view = registry.view()?;
    let mut transaction = registry.transaction()?;
    let predictions = Predictions {
        source: ScoreSource::Mean {
            predictions: members.iter().map(|(_, id)| *id).collect(),
            rules: rules::MEAN,
        },
        model: wanted.model.clone(),
        images: scores.rows.len() as u64,
        scores: transaction.put_packed(&scores)?,
        ..first
    };
    let id = transaction.put(&predictions)?;
    let of_images = subset_images(registry, &predictions)?;
    let at = wanted.operating_point;
    let auc = auc_table(id, &predictions, &dataset, &manifest, &scores, of_images, at);
    let table = transaction.put(&Table::Auc(auc.clone()))?;
    let cached = view.kind(&id.hash)?.is_some() && view.kind(&table.hash)?.is_some();
    drop(view);
    if let Some(name) = &wanted.name {
        transaction.name(name, id.hash)?;
    }
    transaction.commit(stamp)?;
    Ok(Averaged { id, predictions, table, auc, cached })
}

/// The mean of the scores of predictions that are given in the order of their ids, with the record of the first on the
/// scale of the mean.
pub(crate) fn mean_of(
    objects: &dyn Objects,
    members: &[(String, Id<Predictions>)],
) -> Result<(Predictions, Scores), ScoreError> {
    let [(a, first), rest @ ..] = members else { return Err(ScoreError::TooFewMembers) };
    if rest.is_empty() {
        return Err(ScoreError::TooFewMembers);
    }
    let own = objects.get(*first)?;
    let scores = objects.scores(&own)?;
    let mut all = Vec::new();
    for (b, id) in rest {
        let other = objects.get(*id)?;
        let theirs = objects.scores(&other)?;
        if let Some(reason) = difference((&own, &scores), (&other, &theirs)) {
            return Err(ScoreError::DifferentMembers { a: a.clone(), b: b.clone(), reason });
        }
        all.push((other.scale, theirs.scores));
    }
    let Scores { rows, labels, scores } = scores;
    all.insert(0, (own.scale, scores));
    let (scale, scores) = average(all);
    Ok((Predictions { scale, ..own }, Scores { rows, labels, scores }))
}

/// The mean of the scores of members, score by score: of logits if all are logits, otherwise of probabilities.
///
/// # Panics
/// If one has more scores than another.
pub(crate) fn average(mut members: Vec<(Scale, Vec<f64>)>) -> (Scale, Vec<f64>) {
    let all_logits = members.iter().all(|(scale, _)| *scale == Scale::Logit);
    let scale = if all_logits { Scale::Logit } else { Scale::Probability };
    for (own, scores) in members.iter_mut().filter(|(own, _)| *own != scale) {
        scores.iter_mut().for_each(|score| *score = own.probability(*score));
    }
    let all: Vec<&[f64]> = members.iter().map(|(_, scores)| scores.as_slice()).collect();
    (scale, stats::mean_scores(&all))
}

/// Why two predictions cannot be averaged.
fn difference((a, x): (&Predictions, &Scores), (b, y): (&Predictions, &Scores)) -> Option<String> {
    if a.dataset != b.dataset {
        return Some("they score images of different data sets".to_owned());
    }
    if (a.split, a.fold) != (b.split, b.fold) {
        return Some(
            "they belong to different divisions, so each may have been trained on test images of the other"
                .to_owned(),
        );
    }
    if a.subset != b.subset {
        let of = |subset: Option<Subset>| subset.map_or("no subset", Subset::name);
        return Some(format!("one scores {}, the other {}", of(a.subset), of(b.subset)));
    }
    if a.labels != b.labels {
        let [ours, theirs] = [a, b].map(|of| of.labels.iter().collect::<BTreeSet<_>>());
        let only: Vec<&str> = ours.symmetric_difference(&theirs).map(|label| label.as_str()).collect();
        return Some(match only.is_empty() {
            true => "they score the same labels in different orders".to_owned(),
            false => format!("only one of them scores {}", only.join(", ")),
        });
    }
    (x.rows != y.rows).then(|| {
        let ours: BTreeSet<u32> = x.rows.iter().copied().collect();
        let shared = y.rows.iter().filter(|row| ours.contains(row)).count() as u64;
        format!(
            "they score different images: {} and {}, {} of them the same",
            thousands(x.rows.len() as u64),
            counted(y.rows.len() as u64, "image"),
            thousands(shared)
        )
    })
}

/// The members of a mean, each called by its id.
pub(crate) fn members_of(predictions: &[Id<Predictions>]) -> Vec<(String, Id<Predictions>)> {
    predictions.iter().map(|id| (format!("predictions {}", id.hash.short()), *id)).collect()
}
