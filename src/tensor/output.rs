//! Files in a job's folder, written completely or not at all.

use std::io::Write;
use std::time::Duration;

use reg::disk::Dir;
use reg::worker::files;

use crate::error::TensorError;
use crate::weights::{Entry, write_to};

type Result<T> = std::result::Result<T, TensorError>;

/// Removes what processes that were killed have left half written.
pub(crate) fn remove_parts(dir: &Dir, names: &[&str]) {
    let all = [files::CHECKPOINT, files::LOG, files::STATUS, files::SCORES, files::VALIDATION];
    names.iter().chain(&all).for_each(|name| dir.remove_abandoned(name, Duration::ZERO));
}

/// Writes a file so that a crash leaves the old one or the new one.
pub(crate) fn write(dir: &Dir, name: &str, bytes: &[u8]) -> Result<()> {
    let wrote = dir.replace_durably(name, |file| file.write_all(bytes));
    wrote.map_err(TensorError::file("write", &dir.path_of(name)))
}

/// Writes tensors and a note as a safetensors file, likewise.
pub(crate) fn write_tensors(dir: &Dir, name: &str, entries: &[Entry], note: (&str, String)) -> Result<()> {
    let wrote = dir.replace_durably(name, |file| write_to(file, entries, note));
    wrote.map_err(TensorError::file("write", &dir.path_of(name)))
}
