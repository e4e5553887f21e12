//! From a specification to recorded results: settle the settings, start the worker, register what it made.

pub mod config;
pub mod presets;
pub mod process;
