//! Which labels and folds a comparison's means are over, in words.

use crate::digits::{counted, thousands};
use crate::records::{ComparedModel, Comparison, LabelSpread};
pub(super) use crate::values::compared_labels as labels;
pub use crate::values::mean_over_pathologies;

/// Decimals of an AUC.
pub(super) const DECIMALS: usize = 4;

/// Heading of the mean that leaves out the label of images without a finding.
pub(super) const PATHOLOGIES: &str = "Mean over pathologies";

/// The number of labels that the means cover: for each fold if folds differ, for each model if models differ.
pub(super) fn covered(comparison: &Comparison) -> String {
    covered_without(comparison, None)
}

/// What the mean over pathologies leaves out, and how many labels it covers. `None` if there is no such mean.
pub(super) fn of_pathologies(comparison: &Comparison) -> Option<String> {
    let no_finding = comparison.no_finding.as_deref().filter(|_| labels(comparison).count() > 1)?;
    let covered = covered_without(comparison, Some(no_finding));
    Some(format!("The mean over pathologies leaves out {no_finding} and covers {covered}."))
}

/// The same for means that leave out a label.
fn covered_without(comparison: &Comparison, left_out: Option<&str>) -> String {
    let is_in = |label: &str| Some(label) != left_out;
    let all = labels(comparison).filter(|label| is_in(label)).count();
    let of_model = |model: &ComparedModel| -> String {
        let in_fold = |fold: usize| {
            let defined = |label: &&LabelSpread| {
                is_in(&label.label) && label.auc.folds.get(fold).is_some_and(Option::is_some)
            };
            (model.labels.iter().filter(defined).count(), model.images.get(fold).is_some_and(|n| *n > 0))
        };
        let folds = (0..model.mean.folds.len()).map(in_fold);
        // A fold that the model does not have covers no label.
        let mut counts: Vec<usize> =
            folds.filter(|(count, has_images)| *count > 0 || *has_images).map(|(count, _)| count).collect();
        if counts.windows(2).all(|pair| pair[0] == pair[1]) {
            counts.truncate(1);
        }
        match counts.as_slice() {
            [] => format!("0 of {}", counted(all as u64, "label")),
            [one] if *one == all => counted(all as u64, "label"),
            [one] => format!("{one} of {}", counted(all as u64, "label")),
            [first @ .., last] => {
                let first: Vec<String> = first.iter().map(usize::to_string).collect();
                format!("{} and {last} of {}", first.join(", "), counted(all as u64, "label"))
            }
        }
    };
    let each: Vec<String> = comparison.models.iter().map(of_model).collect();
    match each.split_first() {
        None => "no labels".to_owned(),
        Some((first, rest)) if rest.iter().all(|other| other == first) => first.clone(),
        _ => {
            let named =
                comparison.models.iter().zip(&each).map(|(model, of)| format!("{of} ({})", model.name));
            named.collect::<Vec<_>>().join(", ")
        }
    }
}

/// The same of other means over folds, each named, with the number of folds that it covers and that there are.
pub(super) fn fewer_folds_of(means: &[(String, usize, usize)], each: &str) -> Option<String> {
    const SHOWN: usize = 20;
    let fewer: Vec<String> = means
        .iter()
        .filter(|(_, n, folds)| n < folds && *n > 0)
        .map(|(what, n, folds)| format!("{what} ({n} of {folds})"))
        .collect();
    let more = match fewer.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {} more", thousands(more as u64)),
    };
    let shown = fewer[..fewer.len().min(SHOWN)].join(", ");
    (!fewer.is_empty()).then(|| format!("Means that do not cover all {each}s: {shown}{more}."))
}
