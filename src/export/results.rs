//! Recorded evaluations of a run.

use super::ExportError;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{AucTable, Kind, Predictions, RecordedEpoch, Run, Subset, Table};
use crate::registry::Registry;

/// Predictions of a run and the AUCs computed from them.
pub(super) struct EvaluatedRun {
    pub(super) predictions: Id<Predictions>,
    pub(super) record: Predictions,
    pub(super) table: Id<Table>,
    pub(super) auc: AucTable,
}

/// The evaluated predictions of a subset; the oldest, if there are several.
pub(super) fn evaluated(
    registry: &Registry,
    view: &View,
    run: Id<Run>,
    subset: Subset,
) -> Result<Option<EvaluatedRun>, ExportError> {
    for (predictions, record) in registry.referring::<Predictions>(view, &run.hash)? {
        if !record.is_plain(subset) {
            continue;
        }
        for (table, content) in registry.referring::<Table>(view, &predictions.hash)? {
            if let Table::Auc(auc) = content {
                return Ok(Some(EvaluatedRun { predictions, record, table, auc }));
            }
        }
    }
    Ok(None)
}

/// The records whose content is included in an export of a record: itself and, for a run, its scores (all, or
/// those of a subset). A run has not seen its test patients, but its scores come from them.
pub fn leaving(
    registry: &Registry,
    view: &View,
    id: Hash,
    only: Option<Subset>,
) -> Result<Vec<Hash>, ExportError> {
    let mut leaving = vec![id];
    if view.kind(&id)? == Some(Kind::Run) {
        let scores = registry.referring::<Predictions>(view, &id)?.into_iter();
        let asked = scores.filter(|(_, scores)| only.is_none() || scores.subset == only);
        leaving.extend(asked.map(|(id, _)| id.hash));
    }
    Ok(leaving)
}

/// The epochs of a run.
pub(super) fn epochs(registry: &Registry, id: Id<Run>, run: &Run) -> Result<Vec<RecordedEpoch>, ExportError> {
    let wrong =
        |reason: String| ExportError::Inconsistent { id: id.hash, reason: format!("its log: {reason}") };
    let Some(log) = run.log else { return Ok(Vec::new()) };
    let bytes = registry.store().read(&log.hash)?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|e| wrong(e.to_string()))).collect()
}
