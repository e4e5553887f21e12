//! Placements of scores, from which AUCs get their uncertainty, with patients or images as clusters.

use super::columns::{FoldScores, KnownLabels};
use crate::records::{StdError, Variance};
use crate::stats::{Estimate, PatientPlacements};

/// Places the images of a label; `None` where a class is missing.
pub(super) fn place(cell: &FoldScores, known: &KnownLabels, variance: Variance) -> Option<PatientPlacements> {
    let (clusters, count): (Vec<u32>, usize) = match variance {
        Variance::Clustered => {
            (known.places.iter().map(|place| cell.patients[*place]).collect(), cell.patient_count())
        }
        // Each image is a cluster of its own.
        Variance::Delong => (known.places.iter().map(|place| *place as u32).collect(), cell.rows.len()),
    };
    PatientPlacements::new(&known.scores, &known.truth, &clusters, count)
}

/// A standard error as it is recorded.
pub(super) fn std_error(variance: Variance, estimate: Option<Estimate>) -> StdError {
    let df = |estimate: Estimate| match variance {
        Variance::Clustered => Some(estimate.df),
        Variance::Delong => None,
    };
    StdError { value: estimate.map(|estimate| estimate.std_error), df: estimate.and_then(df) }
}

/// The numbers of patients with a positive and with a negative image.
pub(super) fn patients_of(cell: &FoldScores, known: &KnownLabels) -> [u64; 2] {
    let mut seen = vec![[false; 2]; cell.patient_count()];
    for (place, positive) in known.places.iter().zip(&known.truth) {
        seen[cell.patients[*place] as usize][usize::from(!positive)] = true;
    }
    [0, 1].map(|class| seen.iter().filter(|seen| seen[class]).count() as u64)
}
