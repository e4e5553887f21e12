//! Files of a job's folder: whole or not there at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::TensorError;

/// Writes a file so that a crash leaves the old one or the new one.
pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), TensorError> {
    let path = dir.join(name);
    let part = dir.join(format!("{name}.part"));
    let wrong = || TensorError::file("write", &path);
    let mut file = File::create(&part).map_err(wrong())?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(wrong())?;
    fs::rename(&part, &path).map_err(wrong())?;
    // The rename is durable once the folder is.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(wrong())
}
