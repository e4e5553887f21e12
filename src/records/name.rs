//! Names and other short text that came from outside.

use crate::hash::Hash;

/// Most bytes of a file name, as file systems have it.
pub(super) const MAX_NAME: usize = 255;

/// Whether `name` names a file in whatever folder it is looked up in, and nothing outside it, and looks
/// like no other name.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let is_name = !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME;
    is_name && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control() || is_unseen(c))
}

/// Whether `text` has 1 to `most` bytes, all of them seen, and neither begins nor ends with white space. A hash is
/// none: in a record it would be a link.
pub(crate) fn is_plain_text(text: &str, most: usize) -> bool {
    let fits = (1..=most).contains(&text.len()) && text.trim() == text && !is_hash(text);
    fits && !text.contains(|c: char| c.is_control() || is_unseen(c))
}

fn is_hash(text: &str) -> bool {
    text.len() == 2 * size_of::<Hash>() && text.parse::<Hash>().is_ok()
}

/// Whether a character is not seen or turns the text behind it around.
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
