//! The extension module `regcxr._native`: what the Python package asks of the library, in few calls.
//!
//! Records cross as their JSON documents, sheets as columns of bytes, so that Python needs numpy alone and makes of
//! them what its callers want. Work is done without the interpreter lock; errors become the exceptions of
//! `regcxr.errors`, with the hints of the command line.

mod columns;
mod compare;
mod error;
mod images;
mod registry;

use pyo3::prelude::*;

/// What the Python package asks of the library; use `regcxr` instead.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::images::{decode, decode_all};
    #[pymodule_export]
    use crate::registry::Registry;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
