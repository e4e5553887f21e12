//! What every command says in the same way: lines on standard error, the exit code of a check that says no.

use std::io::{self, Write};

use reg::escape::turns;

/// Exit code of a failed check.
pub(crate) const NO: u8 = 3;

/// Writes a line to standard error. An error is ignored, because it must not stop a training.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless(line));
}

/// Untrusted text without control sequences for the terminal. Bold type written by reg itself stays.
pub(super) fn harmless(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t' || turns(c);
    let mut out = String::with_capacity(text.len());
    for (place, c) in text.char_indices() {
        let bold = || ["\u{1b}[1m", "\u{1b}[0m"].iter().any(|code| text[place..].starts_with(code));
        if steers(c) && !bold() {
            out.extend(c.escape_debug());
        } else {
            out.push(c);
        }
    }
    out
}
