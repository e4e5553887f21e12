//! The file by which a remote is known, and its number.

/// Its name.
pub(super) const FORMAT_FILE: &str = "format";
/// Its bytes.
pub(super) const FORMAT: &[u8] = b"reg-remote 5\n";
/// The number in it.
pub(super) const FORMAT_NUMBER: u32 = 4;

/// Whether a remote of this format has this file.
pub(super) fn is_format(bytes: &[u8]) -> bool {
    bytes == FORMAT
}
