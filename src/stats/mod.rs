//! Statistics of scores: pure functions on slices.
//!
//! Nothing here knows of records, files, clocks or random streams, so every number can be checked
//! against a reference by hand (`tests/stats_reference.rs`). A quantity that is not defined is
//! `None`, never NaN and never a conventional value.

mod auc;

pub use auc::auc;
