//! `reg`: a content-addressed registry of chest X-ray data sets, splits, models and results.
#![forbid(unsafe_code)]
pub mod dataset;
pub mod hash;
pub mod random;
pub mod records;
pub mod report;
pub mod split;
pub mod stats;
pub mod worker;
