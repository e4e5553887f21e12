//! Thresholds of a run: they are chosen on its validation images.

use super::ScoreError;
use super::auc::{auc_table, subset_images};
use crate::hash::Id;
use crate::index::View;
use crate::records::{AucTable, OperatingPoint, Predictions, Run, ScoreSource, Spec, Subset};
use crate::registry::Registry;

/// The AUCs of a run's validation images with a threshold for each label, computed from their scores; `None` if these
/// images are not scored. Of several predictions, those of the device and threads of the training are used.
///
/// # Errors
/// Damage.
pub fn run_thresholds(
    registry: &Registry,
    view: &View,
    run: Id<Run>,
    at: OperatingPoint,
) -> Result<Option<AucTable>, ScoreError> {
    let spec = registry.get(registry.get(run)?.spec)?;
    let mut found = registry.referring::<Predictions>(view, &run.hash)?;
    found.retain(|(_, predictions)| predictions.is_plain(Subset::Val));
    let own = found.iter().position(|(_, predictions)| is_of_training(predictions, &spec));
    let Some(place) = own.or(found.len().checked_sub(1)) else { return Ok(None) };
    let (id, predictions) = found.swap_remove(place);
    let dataset = registry.get(predictions.dataset)?;
    let manifest = registry.manifest(&dataset)?;
    let scores = registry.scores(&predictions)?;
    let of_images = subset_images(registry, &predictions)?;
    Ok(Some(auc_table(id, &predictions, &dataset, &manifest, &scores, of_images, Some(at))))
}

fn is_of_training(predictions: &Predictions, spec: &Spec) -> bool {
    match (&predictions.source, spec) {
        (ScoreSource::Run { device, threads, numerics, .. }, Spec::Network(spec)) => {
            (*device, *threads, numerics) == (spec.device, spec.threads, &spec.numerics)
        }
        // A program scores as it runs.
        (ScoreSource::Program { .. }, _) => true,
        _ => false,
    }
}
