//! Exports for other tools: tables as CSV, Parquet and JSON, data sets as Croissant, lineages as PROV and RO-Crate,
//! checkpoints with a program for PyTorch, model cards, a store for MLflow.
//!
//! Every export is a function of the records: the same records give the same bytes, and nothing is added that
//! they do not contain. The registry is only read. An output is written completely or not at all.

mod activities;
mod card;
mod checkpoint;
mod crates;
mod croissant;
mod csv;
mod error;
mod file_format;
mod folder;
mod json;
mod long;
mod mlflow;
mod parquet;
mod prov;
mod results;
mod runs;
mod settings;
mod sheet;
mod tables;
mod time;

pub use card::card;
pub use checkpoint::{CHECKPOINT, PROGRAM, checkpoint};
pub use crates::{Crate, ro_crate};
pub use croissant::croissant;
pub use error::ExportError;
pub use file_format::FileFormat;
pub use folder::{ExportFolder, save};
pub use long::long_sheet;
pub use mlflow::{Written, mlflow};
pub use prov::prov;
pub use results::leaving;
pub use runs::run_sheet;
pub use sheet::{ColumnValues, Sheet, SheetColumn};
pub use tables::{dataset_sheets, main_sheets, sheets};
