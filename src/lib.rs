//! `reg`: a content-addressed registry of chest X-ray data sets, splits, models and results.
//!
//! The modules, from low to high: [`hash`] computes ids, `disk` changes files, [`store`] stores objects,
//! [`digits`] writes numbers for people, [`records`] defines their content, [`index`] finds them, and
//! [`registry`] keeps store and index consistent. On top of these are [`dataset`] and [`split`] (knowledge
//! about ChestX-ray14), [`stats`] (pure functions on slices), [`runs`] (from a spec to recorded results,
//! through the [`worker`]), [`lineage`] (trace and verify), [`remote`] (copies missing objects between
//! registries), [`report`] (records as tables, figures and pages), [`serve`] (pages of a live registry),
//! [`audit`] (a result and its lineage in one file), [`attest`] (signs the lineage of a result), [`export`]
//! (formats of other tools) and [`doctor`] (diagnosis). `cli`, in the binary, is thin. Dependencies only point
//! downwards.

#![forbid(unsafe_code)]

pub mod attest;
pub mod audit;
pub mod dataset;
pub mod digits;
mod disk;
pub mod doctor;
pub mod escape;
pub mod export;
pub mod hash;
pub mod index;
pub mod limits;
pub mod lineage;
pub mod progress;
pub mod random;
pub mod records;
pub mod registry;
pub mod remote;
pub mod report;
pub mod runs;
pub mod serve;
pub mod split;
pub mod stats;
pub mod store;
pub mod worker;
