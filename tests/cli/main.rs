//! The promises of `reg`, tested on the program itself: each test runs the binary in a folder of its own and checks
//! exit code, standard output and standard error.
//!
//! Trainings need the worker `reg-torch` next to `reg`: `cargo test --workspace` builds both.

mod accounts;
mod ancestry;
mod attacks;
mod attest;
mod audit;
mod bad_input;
mod bad_numbers;
#[cfg(feature = "s3")]
mod bad_store;
mod browser;
#[cfg(feature = "s3")]
mod bucket;
mod comparability;
mod confined;
mod damage;
mod diff;
mod documents;
mod downloads;
mod ensemble;
mod features;
mod figures;
mod foreign;
mod forgery;
mod full_device;
mod gc;
mod harness;
mod help;
mod hints;
mod history;
mod identity;
mod image_names;
mod index;
mod ingest;
mod journey;
mod lies;
mod limits;
mod links;
mod machine;
mod mixed;
mod names;
mod noise;
mod note;
mod odd_paths;
mod other_sets;
mod output;
mod pages;
mod programs;
mod published;
mod reingest;
mod remote;
mod repair;
mod report;
mod rm;
mod runs;
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
mod thresholds;
mod together;
mod training;
mod values;
mod withdraw;
