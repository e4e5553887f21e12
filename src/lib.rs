//! `reg`: a content-addressed registry of chest X-ray data sets, splits, models and results.
//!
//! The rooms, from below: [`hash`] names bytes, [`disk`] opens and changes files, [`recognise`] says what a file is,
//! [`store`] keeps them, [`records`] gives them meaning, [`index`] finds them, [`registry`] keeps store and index in
//! step; [`network`] expands the layers of a model. On these stand [`dataset`] and [`split`] (what ChestX-ray14
//! means), [`stats`] (pure functions on slices), [`runs`] (from a specification to recorded results, through the
//! [`worker`]), [`lineage`] (trace and verify), [`remote`] (what one registry has and another lacks), [`report`]
//! (records to tables, figures and pages) and [`serve`] (pages of a live registry); [`audit`] packs a result with all
//! that is behind it, [`attest`] signs what it was made of, [`export`] writes what other people's tools read;
//! [`listing`] lists runs, chosen by the expressions of [`filter`]; [`doctor`] looks at all of it; [`documents`]
//! describes the JSON of each command. `cli`, in the binary, is thin. Arrows go down only.

#![forbid(unsafe_code)]

pub mod attest;
pub mod audit;
pub mod dataset;
pub mod digits;
pub mod disk;
pub mod doctor;
pub mod documents;
pub mod escape;
pub mod export;
pub mod filter;
pub mod hash;
pub mod index;
pub mod limits;
pub mod lineage;
pub mod listing;
pub mod network;
pub mod progress;
pub mod random;
pub mod recognise;
pub mod records;
pub mod registry;
pub mod remote;
pub mod report;
pub mod runs;
pub mod serve;
pub mod split;
pub mod stats;
pub mod store;
pub mod suggest;
pub mod worker;
