//! Names of layers.

use std::collections::BTreeSet;

/// Whether a part of a name has letters, digits and `_`.
pub(super) fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A name like the wanted one that no layer has, nor is it the beginning of one.
pub(super) fn another_name(wanted: &str, taken: &BTreeSet<String>) -> String {
    const LONGEST: usize = 64;
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let parts = wanted.split('.').filter(|part| !part.is_empty());
    let parts: Vec<String> = parts.map(|part| part.chars().map(plain).collect()).collect();
    let mut name = parts.join(".");
    name.truncate(LONGEST);
    let name = name.trim_end_matches('.');
    let name = if name.is_empty() { "own" } else { name };
    let is_taken =
        |name: &String| taken.iter().any(|taken| taken == name || taken.starts_with(&format!("{name}.")));
    let numbered = (2u32..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !is_taken(name)).expect("there are more numbers than layers")
}
