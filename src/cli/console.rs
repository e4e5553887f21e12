//! What every command says in the same way: lines on standard error, failures, exit codes.

use std::io::{self, Write};
use std::process::ExitCode;

use reg::escape::turns;
use reg::failure::{Failure, FailureKind};
use serde_json::json;

use super::environment::command;

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

/// Prints why a command failed; gives its exit code.
pub(super) fn print_failure(failure: Failure, json: bool) -> ExitCode {
    let code = match failure.kind {
        FailureKind::Error => 1,
        FailureKind::Usage => 2,
        FailureKind::Refused => NO,
        // As in shells.
        FailureKind::Interrupted => 130,
    };
    // Running an interrupted command again resumes its work.
    let resume = || (failure.kind == FailureKind::Interrupted).then(|| format!("to resume: `{}`", command()));
    let hint = failure.hint.clone().or_else(resume);
    if json {
        document(&failure.message, hint.as_deref());
    }
    tell(&format!("error: {}", failure.message));
    if let Some(hint) = hint {
        tell(&format!("hint: {hint}"));
    }
    ExitCode::from(code)
}

/// The single JSON document of a failed command. If nobody reads it, the exit code remains.
pub(super) fn document(message: &str, hint: Option<&str>) {
    let _ = writeln!(io::stdout(), "{}", json!({ "error": message, "hint": hint }));
}

/// Message and hint of a mistake on the command line, which clap reports on several lines.
pub(super) fn usage(e: &clap::Error) -> (String, String) {
    let text = e.to_string();
    let (said, usage) = text.split_once("\nUsage: ").unwrap_or((&text, ""));
    let usage = usage.lines().next().map(|usage| format!("usage: {}", usage.trim()));
    use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
    if [DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand].contains(&e.kind()) {
        return ("a command is missing".to_owned(), usage.unwrap_or_default());
    }
    let said = said.split("\n\nFor more information, try").next().unwrap_or(said);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let (tips, said): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("tip: "));
    let said = said.join(" ");
    let hints: Vec<String> = tips.iter().map(|tip| tip["tip: ".len()..].to_owned()).chain(usage).collect();
    (said.strip_prefix("error: ").unwrap_or(&said).to_owned(), hints.join("; "))
}
