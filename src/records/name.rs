//! Names and other short text from outside.

use crate::hash::Hash;
use crate::limits;

/// Whether `name` is the name of a file in any folder, cannot lead out of the folder, and looks different from
/// any other name.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let is_name = !matches!(name, "" | "." | "..") && name.len() <= limits::FILE_NAME;
    is_name && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control() || is_unseen(c))
}

/// Whether `text` has 1 to `most` bytes, only visible characters, and no white space at either end. A hash is
/// refused: in a record it would be a link.
pub(crate) fn is_plain_text(text: &str, most: usize) -> bool {
    let fits = (1..=most).contains(&text.len()) && text.trim() == text && !is_hash(text);
    fits && !text.contains(|c: char| c.is_control() || is_unseen(c))
}

fn is_hash(text: &str) -> bool {
    text.len() == 2 * size_of::<Hash>() && text.parse::<Hash>().is_ok()
}

/// Whether a character is invisible or changes the direction of the following text.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_not_plain() {
        for name in
            ["", ".", "..", "/a", "a/b", "../a", "a\\b", "a\0", "a\n", "\u{85}", "\u{feff}a", "a\u{202e}gnp."]
        {
            assert!(!is_plain_name(name), "{name:?}");
        }
        assert!(!is_plain_name(&"a".repeat(256)) && is_plain_name(&"a".repeat(255)));
        assert!(is_plain_name("00000001_000.png"));
    }
}
