//! Statistics of scores: pure functions on slices.
//!
//! Nothing here knows of records, files, clocks or random streams, so every number can be checked
//! against a reference (`tests/stats_reference.rs`). A quantity that is not defined is `None`, never
//! NaN and never a conventional value.

mod auc;
mod delong;
mod ranks;
mod roc;
mod summary;

pub use auc::auc;
pub use delong::{Delong, DelongPaired, Placements, delong, delong_paired};
pub use ranks::{average_ranks, spearman, spearman_matrix};
pub use roc::{Roc, Youden, roc, youden};
pub use summary::{Summary, summarize};
