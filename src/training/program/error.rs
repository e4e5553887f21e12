//! Why a program cannot be run, or what it left cannot be registered.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digits::{counted, thousands};
use crate::disk::Refused;
use crate::escape::shell;
use crate::hash::Hash;

/// Names in a message; the others are counted.
const NAMED: usize = 3;

/// Names of the file of scores.
pub(super) const SCORE_FILES: [&str; 2] = ["scores.csv", "scores.npy"];

/// Why a program cannot be run, or what it left cannot be registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A command that is no program.
    #[error("there is no program {}", shell(.0))]
    NotFound(String),
    /// A file that is there, but cannot be started as a program: the word of the command, and how to start it.
    #[error("{} is not executable", shell(.0))]
    NotExecutable(String),
    /// A word of the command or a path that is not UTF-8, which no record can hold.
    #[error("{} is not UTF-8, so no record can contain it", shell(.0))]
    NotText(String),
    /// A word of the command that would be taken for the id of an object.
    #[error("{} in the command looks like an object id, so a reader of the record would mistake it for a link", .0)]
    LikeId(String),
    /// A bad value of an option.
    #[error("--{option} {}: {reason}", shell(value))]
    Option {
        /// The option without its dashes.
        option: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the program, or an input, that cannot be taken.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file with the labels of test images.
    #[error(
        "the program is given {file}, which contains the labels of data set {}, including those of its test images",
        dataset.short()
    )]
    HoldsLabels {
        /// The file.
        file: String,
        /// The data set.
        dataset: Hash,
    },
    /// The list of files in a git tree.
    #[error("git cannot list the files of {}: {reason}", path.display())]
    Git {
        /// The folder.
        path: PathBuf,
        /// What git says.
        reason: String,
    },
    /// It cannot be started.
    #[error("cannot start {}: {reason}", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It ended with another status than 0.
    #[error("the program failed ({status}){}", said(last))]
    Failed {
        /// Its exit status.
        status: String,
        /// The last line that it wrote to standard error.
        last: String,
    },
    /// It took too long.
    #[error("the program was stopped: it took longer than --timeout {} seconds", .0.as_secs())]
    TimedOut(Duration),
    /// It was stopped by a signal.
    #[error("interrupted; what the program has left so far is kept")]
    Interrupted,
    /// What it left cannot be registered.
    #[error("the program left {name}, but {reason}")]
    Output {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It left no scores.
    #[error("the program left no scores: none of {} in REG_OUT", SCORE_FILES.join(", "))]
    NoScores,
}

fn said(last: &str) -> String {
    if last.is_empty() { String::new() } else { format!(": {last}") }
}

impl ProgramError {
    pub(super) fn output(name: &str, reason: impl Into<String>) -> Self {
        ProgramError::Output { name: name.to_owned(), reason: reason.into() }
    }

    pub(super) fn file(path: &Path, reason: impl Into<String>) -> Self {
        ProgramError::File { path: path.to_owned(), reason: reason.into() }
    }

    pub(super) fn io(path: &Path, e: &std::io::Error) -> Self {
        let hint = Refused::behind(e).and_then(Refused::hint).map(|hint| format!(" ({hint})"));
        ProgramError::file(path, format!("{e}{}", hint.unwrap_or_default()))
    }

    /// A hint.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ProgramError::NotFound(word) if !word.contains('/') && Path::new(word).is_file() => {
                return Some(format!("a program without folder is one of PATH; {}", start(word)));
            }
            ProgramError::NotExecutable(word) => return Some(start(word)),
            ProgramError::NotFound(_) => "name a program of PATH, or a file with its folder: ./train.sh",
            ProgramError::HoldsLabels { .. } => {
                "read the labels of training and validation images from the lists in job.json"
            }
            ProgramError::LikeId(_) => "give the file itself with --input KEY=FILE, and {KEY} in the command",
            ProgramError::Git { .. } => "fix the problem that git reports, or give a folder outside of git",
            ProgramError::Failed { last, .. } if last.contains("ModuleNotFoundError") => {
                "nothing was registered; a module that a program imports must be below --source DIR or installed in its Python"
            }
            ProgramError::Failed { .. } => {
                "nothing was registered; the same command runs the program again, with the files that it left in REG_OUT"
            }
            ProgramError::TimedOut(_) => {
                "to resume from what the program left, type the same command with a longer --timeout"
            }
            ProgramError::NoScores => {
                "write $REG_OUT/scores.csv: a column `Image Index`, then a column for each label of job.json"
            }
            ProgramError::Output { name, .. } if SCORE_FILES.contains(&name.as_str()) => {
                "a row for each image of the file `test` of job.json, a column for each of its labels; nothing was registered"
            }
            ProgramError::Output { .. } => "nothing was registered; correct the program and run it again",
            ProgramError::NotText(_)
            | ProgramError::Option { .. }
            | ProgramError::File { .. }
            | ProgramError::Start { .. }
            | ProgramError::Interrupted => return None,
        };
        Some(hint.to_owned())
    }
}

/// How to start a file that is not executable.
fn start(word: &str) -> String {
    let path = if word.contains('/') { word.to_owned() } else { format!("./{word}") };
    let interpreter = match Path::new(word).extension().and_then(|ending| ending.to_str()) {
        Some("py") => "python3",
        Some("R" | "r") => "Rscript",
        Some("jl") => "julia",
        Some("sh") => "bash",
        Some("pl") => "perl",
        Some("rb") => "ruby",
        Some("js") => "node",
        _ => return format!("type `chmod +x {0}` and name it as {0} after `--`", shell(&path)),
    };
    let (path, word) = (shell(&path), shell(word));
    format!(
        "name its interpreter, `-- {interpreter} {word}`, or type `chmod +x {path}` and name it as {path} after `--`"
    )
}

/// Some names and the number of the others: `a.png, b.png and 3 more`.
pub(super) fn named(all: &[&str], one: &str) -> String {
    let first = all.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match all.len() {
        count @ 0..=NAMED => format!("{} ({first})", counted(count as u64, one)),
        count => {
            format!("{} ({first} and {} more)", counted(count as u64, one), thousands((count - NAMED) as u64))
        }
    }
}
