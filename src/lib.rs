//! `reg`: a content-addressed registry of chest X-ray data sets, splits, models and results.
#![forbid(unsafe_code)]
pub mod dataset;
pub mod hash;
pub mod index;
pub mod lineage;
pub mod progress;
pub mod random;
pub mod records;
pub mod registry;
pub mod runs;
pub mod store;
pub mod worker;
