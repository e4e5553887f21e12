//! The promises of `reg`, tested on the program itself: each test runs the binary in a folder of its own and checks
//! exit code, standard output and standard error.
//!
//! Trainings need the worker `reg-torch` next to `reg`: `cargo test --workspace` builds both.

mod accounts;
mod attacks;
mod attest;
mod audit;
mod bad_input;
#[cfg(feature = "s3")]
mod bad_store;
mod browser;
#[cfg(feature = "s3")]
mod bucket;
mod comparability;
mod damage;
mod diff;
mod downloads;
mod features;
mod figures;
mod foreign;
mod forgery;
mod gc;
mod harness;
mod history;
mod identity;
mod index;
mod ingest;
mod journey;
mod lies;
mod limits;
mod links;
mod machine;
mod mixed;
mod noise;
mod note;
mod other_sets;
mod output;
mod published;
mod reingest;
mod remote;
mod repair;
mod report;
#[cfg(feature = "s3")]
mod s3;
mod seen;
mod serve;
mod settings;
mod splits;
mod stale;
mod storm;
mod study;
#[path = "../support/mod.rs"]
mod support;
mod tables;
mod together;
mod training;
mod withdraw;
