//! Statistics of scores: pure functions on slices.
//!
//! This module knows no records, files, clocks or random streams, so every number can be checked against a
//! reference (`tests/stats_reference.rs`). An undefined quantity is `None`, never NaN and never a conventional
//! value.

mod auc;
mod calibration;
mod calibration_line;
mod clustered;
mod delong;
mod heatmap;
mod mean_roc;
mod mean_scores;
mod multiple;
mod order;
mod precision;
mod ranks;
mod resampled;
mod roc;
mod strata;
mod summary;
mod weighted;

pub use auc::auc;
pub use calibration::{Calibration, ReliabilityBin, bin_of, brier, calibration};
pub use calibration_line::{CalibrationLine, calibration_line};
pub use clustered::{
    Estimate, FEWEST_PATIENTS, FEWEST_RESAMPLED, PatientPlacements, mean_auc, mean_difference,
};
pub use delong::{Delong, DelongPaired, Placements, delong, delong_paired, interval};
pub use heatmap::{HeatmapGrid, Rect};
pub use mean_roc::mean_roc;
pub use mean_scores::mean_scores;
pub use multiple::{benjamini_hochberg, holm};
pub use precision::{PrecisionRecall, average_precision, precision_recall};
pub use ranks::{RankCorrelations, average_ranks, spearman, spearman_matrix};
pub use resampled::{ResampledT, resampled_t};
pub use roc::{
    AtThreshold, Roc, ThresholdChoice, at_sensitivity, at_specificity, at_threshold, predictive_values, roc,
    youden,
};
pub use strata::draw_within;
pub use summary::{Summary, pooled_std, quantile, summarize};
pub use weighted::InOrder;
