//! Scores of images: another tool's taken in, means of several, and all held to the labels of their images.

mod auc;
mod check;
mod ensemble;
mod error;
mod import;
mod thresholds;

pub use auc::auc_table;
pub(crate) use auc::{choose, spread, spread_of_seeds, subset_images, truth};
pub use check::{attributed, auc_again, verify_auc};
pub use ensemble::{Averaged, Ensemble, ensemble};
pub(crate) use ensemble::{average, mean_of, members_of};
pub use error::ScoreError;
pub use import::{Foreign, Imported, ScoredSubset, import_scores, separated};
pub(crate) use import::{ToldTruth, select, truth_among};
pub(crate) use thresholds::{Validation, validation_of};
pub use thresholds::{run_thresholds, thresholds_of};
