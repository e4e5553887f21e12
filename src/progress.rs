//! How long operations tell how far they are. The library counts, the command line draws.

/// Hears how far an operation is. Called from several threads.
pub trait Progress: Sync {
    /// `total` units of `what` begin (bytes, files, images).
    fn begin(&self, what: &str, unit: Unit, total: u64);
    /// `n` more are done.
    fn advance(&self, n: u64);
    /// They are all done.
    fn end(&self);
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Items,
    /// Bytes.
    Bytes,
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Unit, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}
