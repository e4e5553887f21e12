//! Files of a job's folder: whole or not there at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::TensorError;
use crate::weights::{Entry, write_to};

type Result<T> = std::result::Result<T, TensorError>;

/// Writes a file so that a crash leaves the old one or the new one.
pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    whole(dir, name, |part| File::create(part)?.write_all(bytes))
}

/// Writes tensors and a note as a safetensors file, likewise.
pub(crate) fn write_tensors(dir: &Path, name: &str, entries: &[Entry], note: (&str, String)) -> Result<()> {
    whole(dir, name, |part| write_to(part, entries, note))
}

fn whole(dir: &Path, name: &str, make: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    let path = dir.join(name);
    let part = dir.join(format!("{name}.part"));
    let wrong = || TensorError::file("write", &path);
    make(&part).and_then(|()| File::open(&part)?.sync_all()).map_err(wrong())?;
    fs::rename(&part, &path).map_err(wrong())?;
    // The rename is durable once the folder is.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(wrong())
}
