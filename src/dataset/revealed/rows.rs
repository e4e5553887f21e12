//! What the tables of all forms have in common.

/// Takes a row, as cells with their columns; false ends the reading.
pub(super) type OnRow<'a> = dyn FnMut(&[(u32, &str)]) -> bool + 'a;

/// Rows of cells, each with its column. They are passed on one by one, since all of them can take far more memory than
/// the file.
pub(super) trait Rows {
    /// Passes each row to `row` until it returns false.
    fn each(&self, row: &mut OnRow<'_>);
}
