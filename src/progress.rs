//! Progress of operations. The library counts, the command line draws.

/// Receives the progress of an operation. Called from several threads.
pub trait Progress: Sync {
    /// `total` units of `what` begin (bytes, files, images).
    fn begin(&self, what: &str, unit: Unit, total: u64);
    /// `n` more units are done.
    fn advance(&self, n: u64);
    /// All units are done.
    fn end(&self);
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things other than bytes.
    Items,
    /// Bytes.
    Bytes,
}

/// Ignores all progress.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Unit, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}
