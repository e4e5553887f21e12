//! Files in a job's folder, written completely or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::TensorError;
use crate::weights::{Entry, write_to};

type Result<T> = std::result::Result<T, TensorError>;

const PART: &str = ".part";

/// Removes incomplete files of killed processes.
pub(crate) fn remove_parts(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(PART) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a file so that a crash leaves the old one or the new one.
pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    whole(dir, name, |part| File::create(part)?.write_all(bytes))
}

/// Writes tensors and a metadata entry as a safetensors file in the same way.
pub(crate) fn write_tensors(dir: &Path, name: &str, entries: &[Entry], note: (&str, String)) -> Result<()> {
    whole(dir, name, |part| write_to(part, entries, note))
}

fn whole(dir: &Path, name: &str, make: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    let path = dir.join(name);
    // A worker whose `reg` was killed may still write while the next one runs.
    let part = dir.join(format!("{name}.{}{PART}", std::process::id()));
    let wrong = || TensorError::file("write", &path);
    make(&part).and_then(|()| File::open(&part)?.sync_all()).map_err(wrong())?;
    fs::rename(&part, &path).map_err(wrong())?;
    // The rename is durable once the folder is synced.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(wrong())
}
