//! Scores of images: another tool's taken in, and all held to the labels of their images.

mod auc;
mod error;
mod import;

pub use auc::{attributed, auc_again, auc_table, verify_auc};
pub(crate) use auc::{spread, truth};
pub use error::ScoreError;
pub(crate) use import::select;
pub use import::{Foreign, Imported, ScoredSubset, import_scores};
