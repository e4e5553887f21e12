//! Ranks the columns by their AUCs on validation images. Who picks the best of many setups by their test images reports a
//! number that is too good; picked by validation images, the test AUC is that of one model.

use super::CompareError;
use super::columns::ModelColumn;
use super::metrics::validation;
use crate::hash::Id;
use crate::records::{Predictions, RankedModel};
use crate::registry::Objects;
use crate::scores::{Validation, spread_of_seeds};
use crate::stats;

/// Columns ranked by their AUCs on validation images.
pub(super) struct Ranking {
    /// By descending mean AUC over the labels, those without such scores last.
    pub(super) ranked: Vec<RankedModel>,
    /// The validation predictions of each column, in the order of the columns.
    pub(super) used: Vec<Vec<Id<Predictions>>>,
}

/// Ranks columns.
pub(super) fn ranking(
    objects: &dyn Objects,
    columns: &[ModelColumn],
    labels: &[String],
    known: Validation<'_>,
) -> Result<Ranking, CompareError> {
    let (mut ranked, mut used) = (Vec::new(), Vec::new());
    for column in columns {
        let (mut means, mut covered, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for seeds in column.folds.values() {
            let (mut of_seeds, mut of_labels) = (Vec::new(), 0);
            for cell in seeds.seeds() {
                let Some(scored) = validation(objects, cell, known)? else { continue };
                own.push(scored.id);
                let auc = |label: &String| {
                    let place = scored.labels.iter().position(|name| name == label)?;
                    let known = scored.known(place);
                    stats::auc(&known.scores, &known.truth)
                };
                let summary = stats::summarize(&labels.iter().map(auc).collect::<Vec<_>>());
                of_labels = summary.n as u32;
                of_seeds.extend(summary.mean);
            }
            means.push(of_seeds);
            covered.push(of_labels);
        }
        let validation = spread_of_seeds(means);
        ranked.push(RankedModel { model: column.name.clone(), validation, labels: covered });
        used.push(own);
    }
    // Equal ones stay in the order of the columns.
    ranked.sort_by(|a, b| {
        let value = |of: &RankedModel| of.validation.mean.unwrap_or(f64::NEG_INFINITY);
        value(b).total_cmp(&value(a))
    });
    Ok(Ranking { ranked, used })
}
