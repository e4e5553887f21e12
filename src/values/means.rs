//! The labels of a comparison, and the mean over those that are pathologies, which no record holds.

use crate::records::{ComparedModel, Comparison, Spread};
use crate::stats;

/// Names of the labels that are compared.
pub fn compared_labels(comparison: &Comparison) -> impl Iterator<Item = &str> {
    // A stranger's record may have fewer labels for one model than for another; those that all have are shown.
    let shared = comparison.models.iter().map(|model| model.labels.len()).min().unwrap_or(0);
    let first = comparison.models.first().into_iter().flat_map(|model| &model.labels);
    first.take(shared).map(|label| label.label.as_str())
}

/// The mean over the labels without the one of images without a finding, for each fold, then over the folds. `None` if the
/// comparison has no such label, or no other.
pub fn mean_over_pathologies(comparison: &Comparison, model: &ComparedModel) -> Option<Spread> {
    let all = compared_labels(comparison).count();
    let no_finding = comparison.no_finding.as_deref().filter(|_| all > 1)?;
    let pathologies = || model.labels.iter().take(all).filter(|label| label.label != no_finding);
    let of_fold = |fold: usize| {
        let aucs: Vec<Option<f64>> =
            pathologies().map(|label| label.auc.folds.get(fold).copied().flatten()).collect();
        stats::summarize(&aucs).mean
    };
    let folds: Vec<Option<f64>> = (0..model.mean.folds.len()).map(of_fold).collect();
    let summary = stats::summarize(&folds);
    Some(Spread {
        n: summary.n as u32,
        mean: summary.mean,
        std: summary.std,
        min: summary.min,
        max: summary.max,
        folds,
        seeds: Vec::new(),
        seed_std: None,
    })
}
