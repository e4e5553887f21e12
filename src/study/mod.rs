//! Studies: many runs from one file, planned, executed in parallel, monitored and compared.
//!
//! A run of a study is a `reg train` with the settings of its setup, so it has the same spec, and either finds
//! what the other has trained. Each run is a process of its own: if one crashes, the others continue, and a
//! killed study resumes with the missing runs.

mod batch;
mod compare;
mod cost;
mod execute;
mod file;
mod gradcams;
pub mod kubernetes;
mod plan;
mod probes;
pub mod slurm;
mod status;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::compare::CompareError;
use crate::digits::counted;
use crate::disk::FileError;
use crate::escape::shell_os;
use crate::index::IndexError;
use crate::registry::RegistryError;
use crate::store::StoreError;
use crate::training::RunError;

pub use batch::missing_splits;
pub use compare::{ComparedSection, compare_sections, preview_sections, recorded_sections};
pub use cost::{Basis, Cost, Disk};
pub use execute::{ActiveRun, Ended, RunOutcome, StudyRequest, Watcher, execute};
pub use file::{PAPER, SMALL, StudyFile, never_run};
pub use gradcams::{SetupHeatmaps, execute_gradcams};
pub use plan::{Planned, StudyPlan, StudySource, load, of_file, plan};
pub use probes::{Probe, ProbeState, execute_probes, probes};
pub use status::{State, StudyRunStatus, status};

/// Why a study cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The registry.
    #[error(transparent)]
    Registry(RegistryError),
    /// A run or a probe.
    #[error(transparent)]
    Run(RunError),
    /// A comparison.
    #[error(transparent)]
    Compare(CompareError),
    /// Neither a file nor the name of a study.
    #[error("no study `{0}`: neither a file nor the name of a study")]
    Unknown(String),
    /// A file.
    #[error(transparent)]
    Io(#[from] FileError),
    /// A file that is not TOML, or not a study.
    #[error("{}: {reason}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The parser's message with the line.
        reason: String,
    },
    /// An inconsistent file.
    #[error("{}: {reason}", path.display())]
    Senseless {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Invalid settings of a setup.
    #[error("setup `{setup}`: {source}")]
    Settings {
        /// The setup.
        setup: String,
        /// What is wrong.
        source: Box<crate::training::config::ConfigError>,
    },
    /// No data set of this name.
    #[error("the study needs data set `{0}`, which is not in the registry")]
    NoDataset(String),
    /// Devices of both kinds, between which a run cannot choose because they give different specs.
    #[error("the devices {0} are of different kinds")]
    MixedDevices(String),
    /// No setup can be compared yet.
    #[error("no setup of study `{name}` has all its runs")]
    NothingDone {
        /// The study.
        name: String,
        /// As it was given: a file, or the name of a recorded study.
        given: OsString,
    },
    /// Something that would not stay one word, or one line, of a script.
    #[error("{what} has characters that are not allowed in the script: \"{value}\"")]
    NotInScript {
        /// What it is.
        what: String,
        /// What it says, escaped.
        value: String,
    },
    /// A program of Slurm that is not there or says no.
    #[error("{program} failed: {reason}")]
    Slurm {
        /// The program.
        program: &'static str,
        /// Its message.
        reason: String,
    },
    /// A study that was never run.
    #[error("study `{name}` of {} has no finished run", path.display())]
    NeverRun {
        /// Its file.
        path: PathBuf,
        /// Its name.
        name: String,
    },
    /// Stopped by a signal.
    #[error("interrupted; {done} of {} done, checkpoints of the others are saved", counted(*all as u64, "run"))]
    Interrupted {
        /// Number of finished runs.
        done: usize,
        /// Number of planned runs.
        all: usize,
    },
}

impl From<RegistryError> for StudyError {
    fn from(e: RegistryError) -> Self {
        StudyError::Registry(e)
    }
}

impl From<StoreError> for StudyError {
    fn from(e: StoreError) -> Self {
        StudyError::Registry(e.into())
    }
}

impl From<IndexError> for StudyError {
    fn from(e: IndexError) -> Self {
        StudyError::Registry(e.into())
    }
}

impl From<RunError> for StudyError {
    fn from(e: RunError) -> Self {
        match e {
            RunError::Registry(e) => StudyError::Registry(e),
            e => StudyError::Run(e),
        }
    }
}

impl From<CompareError> for StudyError {
    fn from(e: CompareError) -> Self {
        match e {
            CompareError::Registry(e) => StudyError::Registry(e),
            e => StudyError::Compare(e),
        }
    }
}

impl StudyError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            StudyError::Run(e) => return e.hint(),
            StudyError::Compare(e) => return e.hint(),
            StudyError::Unknown(_) => {
                "create a file with `reg study init`; `reg list study` shows recorded studies"
            }
            StudyError::NoDataset(name) => {
                return Some(format!(
                    "import it with `reg ingest images --metadata CSV --name {name}`, or change `dataset` in the file"
                ));
            }
            StudyError::Settings { source, .. } => return source.hint(),
            StudyError::MixedDevices(_) => "give GPUs only (cuda:0,cuda:1), or cpu",
            StudyError::Slurm { .. } => {
                "with --plan the script is printed, to be submitted by hand; this works without Slurm"
            }
            StudyError::NotInScript { what, .. } if what.starts_with("--") => {
                "the options of Slurm take letters, digits and -_.,:+@/=()*[]&|!%, no blanks, quotes or semicolons"
            }
            StudyError::NotInScript { .. } => "rename it without line breaks, quotes and backslashes",
            StudyError::NothingDone { given, .. } => {
                let given = shell_os(given);
                return Some(format!(
                    "`reg study status {given}` lists pending runs, `reg study run {given}` trains them"
                ));
            }
            StudyError::NeverRun { path, .. } => {
                let file = shell_os(path);
                return Some(format!(
                    "`reg study run {file}` trains its runs, `reg study run {file} --plan` says how long that takes"
                ));
            }
            StudyError::Interrupted { .. } => "run the same command again to resume",
            StudyError::Registry(_)
            | StudyError::Io(_)
            | StudyError::Toml { .. }
            | StudyError::Senseless { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the error is the negative result of a check rather than a failure.
    pub fn is_refusal(&self) -> bool {
        match self {
            StudyError::Run(e) => e.is_refusal(),
            StudyError::Compare(e) => e.is_refusal(),
            _ => false,
        }
    }
}
