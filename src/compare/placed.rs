//! Placements of scores, from which AUCs get their uncertainty, with patients or images as clusters.

use super::columns::{FoldScores, KnownLabels, SeedScores};
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

/// Places the images of a label by the mean over the seeds, so that the AUC is the mean of those of the seeds.
pub(super) fn place_seeds(cell: &SeedScores, label: usize, variance: Variance) -> Option<PatientPlacements> {
    place_seeds_of(cell, label, &(0..cell.shared().rows.len()).collect::<Vec<_>>(), variance)
}

/// The same for some of the images, given by their indices.
pub(super) fn place_seeds_of(
    cell: &SeedScores,
    label: usize,
    places: &[usize],
    variance: Variance,
) -> Option<PatientPlacements> {
    let of_seed = |seed: &FoldScores| place(seed, &seed.known_of(label, places.iter().copied()), variance);
    let placed = cell.seeds().iter().map(of_seed).collect::<Option<Vec<_>>>()?;
    PatientPlacements::mean(placed)
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
