//! Pixels of image files, as a network sees them.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use reg::dataset::pixels::{self, Gray, IMAGE_SIDE};
use reg::disk::Doing;
use reg::failure::Failure;
use reg::limits;

use crate::error::{Answer, unlocked};

/// Height, width, and `[height, width]` gray values of 8 bits.
pub(crate) type Pixels = (u32, u32, Py<PyByteArray>);

/// Reads an image file as gray values: `[height, width]`, or `[size, size]` if a size is given.
#[pyfunction]
#[pyo3(signature = (path, size=None))]
pub(crate) fn decode(py: Python<'_>, path: PathBuf, size: Option<u32>) -> PyResult<Pixels> {
    let image = unlocked(py, || read(&path, size))?;
    Ok((image.height, image.width, PyByteArray::new(py, &image.data).unbind()))
}

/// Reads several image files at once, on all cores: `[images, size, size]`.
#[pyfunction]
pub(crate) fn decode_all(py: Python<'_>, paths: Vec<PathBuf>, size: u32) -> PyResult<Py<PyByteArray>> {
    let all = unlocked(py, || {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let share = paths.len().div_ceil(cores).max(1);
        // Threads that end here: a pool would not be there in a process that a DataLoader forks.
        let parts: Vec<Answer<Vec<u8>>> = std::thread::scope(|scope| {
            let read_all = |paths: &[PathBuf]| {
                let images = paths.iter().map(|path| Ok(read(path, Some(size))?.data));
                Ok(images.collect::<Answer<Vec<_>>>()?.concat())
            };
            let started: Vec<_> =
                paths.chunks(share).map(|paths| scope.spawn(move || read_all(paths))).collect();
            started
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        Ok(parts.into_iter().collect::<Answer<Vec<_>>>()?.concat())
    })?;
    Ok(PyByteArray::new(py, &all).unbind())
}

fn read(path: &Path, size: Option<u32>) -> Answer<Gray> {
    if let Some(size) = size.filter(|size| !(1..=IMAGE_SIDE).contains(size)) {
        return Err(Failure::usage(format!("size is {size}, but must be 1 to {IMAGE_SIDE} pixels")));
    }
    let bytes = limits::read(path, limits::IMAGE_FILE).doing("read", path)?;
    decoded(&bytes, size).map_err(|e| Failure::new(format!("cannot decode {}: {e}", path.display()), None))
}

/// Gray values of an image, resized by antialiased bilinear interpolation to a square if a size is given.
pub(crate) fn decoded(bytes: &[u8], size: Option<u32>) -> Result<Gray, pixels::PixelError> {
    let image = pixels::decode(bytes)?;
    Ok(match size {
        Some(size) => Gray { width: size, height: size, data: pixels::evaluation_view(&image, size, size) },
        None => image,
    })
}
