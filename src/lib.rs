//! `reg`: a content-addressed registry of chest X-ray data sets, splits, models and results.
//!
//! The rooms, from below: [`hash`] names bytes, [`disk`] opens and changes files, [`recognise`] says what a file is, [`store`] keeps them, [`records`] gives them meaning,
//! [`index`] finds them, [`registry`] keeps store and index in step; [`network`] expands the layers of a model. On these
//! stand [`usage`] (which records used which images), [`withdrawal`] (what must not be used any more), [`dataset`] and
//! [`split`] (what ChestX-ray14 means), [`diff`] and [`lineage`] (what changed; trace and verify) and [`remote`] (what
//! one registry has and another lacks). With [`stats`] (pure functions on slices), [`scores`] are held to labels and
//! [`compare`]d; [`training`] makes them, from a specification to recorded results, through the [`worker`];
//! [`recompute`] makes records again, and a [`study`] is many runs of one file. [`report`] turns records into tables,
//! figures and pages, [`serve`] shows pages of a live registry; [`audit`] packs a result with all that is behind it,
//! [`attest`] signs what it was made of, [`export`] writes what other people's tools read; [`doctor`] looks at all of
//! it. `cli`, in the binary, is thin. Arrows go down only.

#![forbid(unsafe_code)]

pub mod attest;
pub mod audit;
pub mod compare;
pub mod dataset;
pub mod diff;
pub mod digits;
pub mod disk;
pub mod doctor;
pub mod escape;
pub mod export;
pub mod hash;
pub mod index;
pub mod limits;
pub mod lineage;
pub mod network;
pub mod progress;
pub mod random;
pub mod recognise;
pub mod recompute;
pub mod records;
pub mod registry;
pub mod remote;
pub mod report;
pub mod scores;
pub mod serve;
pub mod split;
pub mod stats;
pub mod store;
pub mod study;
pub mod training;
pub mod usage;
pub mod withdrawal;
pub mod worker;
