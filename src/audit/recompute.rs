//! The AUCs of a table, computed again from scores and labels.

use std::collections::BTreeMap;

use super::AuditError;
use super::views::{packed, record};
use super::walk::{Objects, Part};
use crate::hash::{Hash, Id};
use crate::records::{Comparison, Dataset, Manifest, Predictions, Record, ScoreSource, Scores, Table};
use crate::stats::{auc, summarize};

/// What a table says and its scores do not; and how many AUCs were computed again.
pub(super) fn recompute(
    objects: &mut dyn Objects,
    parts: &BTreeMap<Hash, Part>,
) -> Result<(Vec<String>, u64), AuditError> {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (id, _) in parts.iter().filter(|(_, part)| part.kind == Table::KIND) {
        let Some(table) = record::<Table>(objects, Id::new(*id))? else { continue };
        match table {
            Table::Auc(table) => {
                let Some(judged) = Judged::read(objects, table.predictions)? else { continue };
                wrong.extend(judged.misattributed(objects)?);
                let mut found = Vec::new();
                for label in &table.labels {
                    let now = judged.auc(&label.label);
                    count += 1;
                    if now != label.auc {
                        wrong.push(difference(id, &label.label, label.auc, now));
                    }
                    found.push(now);
                }
                let mean = summarize(&found).mean;
                if mean != table.mean {
                    wrong.push(difference(id, "the mean", table.mean, mean));
                }
            }
            Table::Comparison(comparison) if !comparison.shared_images => {
                compared(objects, id, &comparison, &mut wrong, &mut count)?;
            }
            _ => {}
        }
    }
    Ok((wrong, count))
}

fn compared(
    objects: &mut dyn Objects,
    id: &Hash,
    comparison: &Comparison,
    wrong: &mut Vec<String>,
    count: &mut u64,
) -> Result<(), AuditError> {
    for model in &comparison.models {
        let mut cells = Vec::new();
        for predictions in &model.predictions {
            let Some(judged) = Judged::read(objects, *predictions)? else { return Ok(()) };
            wrong.extend(judged.misattributed(objects)?);
            cells.push(judged);
        }
        // A model may lack folds that others have; then which is which stands in its predictions.
        let place = |fold: &u32| cells.iter().position(|cell| cell.predictions.fold == Some(*fold));
        let columns: Vec<Option<usize>> = match comparison.folds.as_slice() {
            [] => (0..cells.len()).map(Some).collect(),
            folds => folds.iter().map(place).collect(),
        };
        let mut each = vec![Vec::new(); columns.len()];
        for label in &model.labels {
            let now: Vec<Option<f64>> =
                columns.iter().map(|cell| cells[(*cell)?].auc(&label.label)).collect();
            *count += now.len() as u64;
            let what = format!("{} of {}", label.label, model.name);
            for (then, now) in label.auc.folds.iter().zip(&now) {
                if then != now {
                    wrong.push(difference(id, &what, *then, *now));
                }
            }
            let summary = summarize(&now);
            if (label.auc.mean, label.auc.std) != (summary.mean, summary.std)
                || label.auc.folds.len() != now.len()
            {
                wrong.push(difference(id, &format!("the mean {what}"), label.auc.mean, summary.mean));
            }
            each.iter_mut().zip(now).for_each(|(fold, now)| fold.push(now));
        }
        let means: Vec<Option<f64>> = each.iter().map(|fold| summarize(fold).mean).collect();
        let summary = summarize(&means);
        if (&means, summary.mean, summary.std) != (&model.mean.folds, model.mean.mean, model.mean.std) {
            wrong.push(difference(id, &format!("the mean of {}", model.name), model.mean.mean, summary.mean));
        }
    }
    Ok(())
}

fn difference(id: &Hash, what: &str, then: Option<f64>, now: Option<f64>) -> String {
    let shown = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| value.to_string());
    format!("table {}: {what} is {}, and scores and labels give {}", id.short(), shown(then), shown(now))
}

/// Predictions beside the truth.
struct Judged {
    id: Hash,
    predictions: Predictions,
    scores: Scores,
    dataset: Dataset,
    manifest: Manifest,
}

impl Judged {
    fn read(objects: &mut dyn Objects, id: Id<Predictions>) -> Result<Option<Self>, AuditError> {
        let Some(predictions) = record(objects, id)? else { return Ok(None) };
        let Some(scores) = packed(objects, predictions.scores)? else { return Ok(None) };
        let Some(dataset) = record(objects, predictions.dataset)? else { return Ok(None) };
        let Some(manifest) = packed(objects, dataset.manifest)? else { return Ok(None) };
        Ok(Some(Judged { id: id.hash, predictions, scores, dataset, manifest }))
    }

    /// What is wrong with the run that they are attributed to.
    fn misattributed(&self, objects: &mut dyn Objects) -> Result<Option<String>, AuditError> {
        let ScoreSource::Run { run, .. } = &self.predictions.source else { return Ok(None) };
        let Some(run) = record(objects, *run)? else { return Ok(None) };
        let Some(spec) = record(objects, run.spec)? else { return Ok(None) };
        let Some(split) = record(objects, spec.split)? else { return Ok(None) };
        let Some(assignment) = packed(objects, split.assignment)? else { return Ok(None) };
        let fit = self.predictions.fit(&spec, &assignment, &self.scores);
        Ok(fit.err().map(|why| format!("predictions {}: {why}", self.id.short())))
    }

    /// `None` where it is undefined, and where there are no such scores.
    fn auc(&self, label: &str) -> Option<f64> {
        let column = self.predictions.labels.iter().position(|own| own == label)?;
        let bit = self.dataset.labels.iter().position(|own| own == label);
        let has =
            |row: &u32| bit.zip(self.manifest.rows.get(*row as usize)).is_some_and(|(bit, row)| row.has(bit));
        let truth: Vec<bool> = self.scores.rows.iter().map(has).collect();
        if column >= self.scores.labels as usize {
            return None;
        }
        auc(&self.scores.column(column), &truth)
    }
}
