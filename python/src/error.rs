//! Errors of the library as exceptions of Python.

use pyo3::prelude::*;
use reg::failure::{Failure, FailureKind};

/// Module of the exceptions, which are written in Python.
const MODULE: &str = "regcxr.errors";

/// What a call returns: an error is anything that the library knows a message and a hint of.
pub(crate) type Answer<T> = Result<T, Failure>;

/// Does work without the interpreter lock.
pub(crate) fn unlocked<T: Send>(py: Python<'_>, work: impl FnOnce() -> Answer<T> + Send) -> PyResult<T> {
    py.detach(work).map_err(|failure| raised(py, &failure))
}

/// The exception for a failure.
fn raised(py: Python<'_>, failure: &Failure) -> PyErr {
    let class = match failure.kind {
        FailureKind::Error => "Error",
        FailureKind::Usage => "UsageError",
        FailureKind::Refused => "RefusedError",
        FailureKind::Interrupted => "InterruptedError",
    };
    let made = || {
        let class = py.import(MODULE)?.getattr(class)?;
        class.call1((&failure.message, failure.hint.as_deref()))
    };
    made().map_or_else(|e| e, PyErr::from_value)
}
