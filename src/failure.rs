//! Every error becomes a message, a hint and a kind here: what the command line prints, and what Python raises.

use std::io;
use std::path::Path;

use crate::attest::AttestError;
use crate::audit::AuditError;
use crate::compare::CompareError;
use crate::dataset::DatasetError;
use crate::dataset::ingest::IngestError;
use crate::dataset::synthetic::SyntheticError;
use crate::diff::DiffError;
use crate::disk::{FileError, Refused, why_denied};
use crate::escape::{shell, shell_os};
use crate::export::ExportError;
use crate::filter::FilterError;
use crate::index::IndexError;
use crate::lineage::{RemoveError, RepairError};
use crate::listing::ListError;
use crate::recognise::{FileKind, is_annexed};
use crate::recompute::RecomputeError;
use crate::records::CodecError;
use crate::registry::{FORMAT_LINE, RegistryError};
use crate::remote::{RemoteError, is_pack_store};
use crate::report::page::PageError;
use crate::scores::ScoreError;
use crate::serve::ServeError;
use crate::split::{RegisterError, SplitError};
use crate::store::StoreError;
use crate::study::StudyError;
use crate::training::RunError;
use crate::training::config::ConfigError;
use crate::training::process::WorkerError;
use crate::training::program::ProgramError;
use crate::withdrawal::WithdrawError;

/// Why something failed that somebody asked for, and what to try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Failure {
    /// One sentence that names the thing and the file, row or id.
    pub message: String,
    /// What to try, with commands that can be typed.
    pub hint: Option<String>,
    /// What sort of failure it is.
    pub kind: FailureKind,
}

/// What sort of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It could not be done.
    Error,
    /// It was asked for in a way that has no meaning.
    Usage,
    /// A check said no, or reg refuses to do it.
    Refused,
    /// It was interrupted; asking again resumes it.
    Interrupted,
}

/// The hint for an older format, which no release of reg wrote.
const OLDER: &str = "no release of reg wrote that format: create a new registry with `reg init DIR` and ingest the data again";

impl Failure {
    /// A failure, and what to try.
    pub fn new(message: impl Into<String>, hint: Option<String>) -> Self {
        Failure { message: message.into(), hint, kind: FailureKind::Error }
    }

    /// Arguments that cannot be combined.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure { kind: FailureKind::Usage, ..Failure::new(message, None) }
    }

    /// The same failure with something to try.
    #[must_use]
    pub fn hinting(self, hint: impl Into<String>) -> Self {
        Failure { hint: Some(hint.into()), ..self }
    }

    /// An error of the file system.
    pub fn of_io(message: String, source: &io::Error) -> Self {
        Failure::new(message, io_hint(source))
    }

    /// An interrupt. Asking again resumes the work; how that is asked only the caller knows.
    pub fn interrupted(message: String) -> Self {
        Failure { kind: FailureKind::Interrupted, ..Failure::new(message, None) }
    }

    /// A check that says no, or something that reg refuses to do.
    fn refused(message: String, hint: Option<String>) -> Self {
        Failure { kind: FailureKind::Refused, ..Failure::new(message, hint) }
    }
}

/// Which records of a kind there are.
pub fn there_is(plural: &str, names: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match (names.len(), names.len().saturating_sub(SHOWN)) {
        (0, _) => format!("there are no {plural} with a name here; `reg list` shows all records"),
        (_, 0) => format!("the {plural} here are {shown}"),
        (_, more) => format!("the {plural} here are {shown} and {more} more; `reg list {plural}` shows all"),
    }
}

/// A file that was given by the user, outside of the registry.
impl From<FileError> for Failure {
    fn from(e: FileError) -> Self {
        let hint = match why_denied(&e.path, &e.source) {
            Some(why) if e.source.kind() != io::ErrorKind::CrossesDevices => {
                Some(format!("{why}: use a path that you may read and write"))
            }
            _ if e.source.kind() == io::ErrorKind::NotFound => {
                broken_link(&e.path).or_else(|| file_hint(&e.source))
            }
            _ => file_hint(&e.source),
        };
        Failure::new(e.to_string(), hint)
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        let hint = match &e {
            StoreError::Missing { .. } => Some(
                "`reg verify` lists damaged objects and the results they taint; `reg list withdrawal` lists purged data"
                    .to_owned(),
            ),
            StoreError::Damaged { .. } => {
                Some("`reg verify` lists damaged objects and the results they taint".to_owned())
            }
            StoreError::Exposed { path, found, .. } if found.contains("link") => {
                Some(format!("replace the link by a copy of its target: `cp --remove-destination \"$(readlink -f {0})\" {0}`", shell_os(path)))
            }
            StoreError::Exposed { path, .. } => {
                Some(format!("`chmod 444 {}` makes it read-only", shell_os(path)))
            }
            StoreError::Changed(_) => Some("run the same command again when no other program writes to the file".to_owned()),
            StoreError::NotLinked { .. } => {
                Some("give `--link copy`, which leaves the file as it is".to_owned())
            }
            StoreError::Io(FileError { path, source, .. }) => registry_hint(path, source),
        };
        Failure::new(e.to_string(), hint)
    }
}

/// The hint of an error about a file of a registry, by what is there.
fn registry_hint(path: &Path, e: &io::Error) -> Option<String> {
    match why_denied(path, e) {
        Some(why) if e.kind() == io::ErrorKind::CrossesDevices => {
            Some(format!("{why}: move the whole registry to one file system"))
        }
        Some(why) => Some(format!("{why}; reading commands still work")),
        None => io_hint(e),
    }
}

fn io_hint(e: &std::io::Error) -> Option<String> {
    if let Some(refused) = Refused::behind(e) {
        return refused.hint();
    }
    match e.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Some("nothing was registered; free some disk space and run the same command again".to_owned())
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Some("the system does not permit this to your account; reading commands still work".to_owned())
        }
        std::io::ErrorKind::NotFound => Some("check the path".to_owned()),
        _ => None,
    }
}

/// What to do with a link that leads nowhere; none if it is none.
fn broken_link(path: &Path) -> Option<String> {
    let target = std::fs::read_link(path).ok()?;
    let annexed = if is_annexed(&target) { FileKind::AnnexPointer.remedy(path) } else { None };
    Some(annexed.unwrap_or_else(|| "mount the disk that it leads to, or give another path".to_owned()))
}

/// The same for a file given by the user, outside of the registry.
fn file_hint(e: &std::io::Error) -> Option<String> {
    match e.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Some("no partial file was left; free some disk space and run the same command again".to_owned())
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Some("use a path that you may read and write".to_owned())
        }
        std::io::ErrorKind::CrossesDevices => {
            Some("a hard link needs one file system: give `--link copy`".to_owned())
        }
        std::io::ErrorKind::NotFound => Some("check the path".to_owned()),
        std::io::ErrorKind::IsADirectory => Some("give a file in it".to_owned()),
        _ => io_hint(e),
    }
}

/// The hint of an error, or one that follows from the system's error about a given file.
fn hint_of(e: &dyn std::error::Error, own: Option<String>) -> Option<String> {
    let io = || {
        let mut behind = std::iter::successors(e.source(), |e| e.source());
        behind.find_map(|e| e.downcast_ref::<io::Error>())
    };
    own.or_else(|| match io()? {
        e if e.kind() == io::ErrorKind::NotFound => io_hint(e),
        e => file_hint(e),
    })
}

impl From<AttestError> for Failure {
    fn from(e: AttestError) -> Self {
        let message = e.to_string();
        let hint = match e {
            AttestError::Registry(e) => return e.into(),
            AttestError::Io(e) => return e.into(),
            AttestError::Refused { .. } => return Failure::refused(message, None),
            AttestError::Random(_) => return Failure::new(message, None),
            AttestError::NotARecord(id) => {
                format!(
                    "`reg trace --down {}` shows the records that use the file: a run, a data set",
                    id.short()
                )
            }
            AttestError::Exists(_) => "use that key, or give another file with --output".to_owned(),
            AttestError::NoPublicKey { private, .. } => {
                format!("`reg key public {}` writes it", shell(&private.display().to_string()))
            }
            AttestError::InRegistry { .. } => "keep the key in a private folder, such as ~/.ssh".to_owned(),
            AttestError::Exposed { path, .. } => format!("`chmod 600 {}`", shell_os(path)),
            AttestError::NoFile(_) => "give files, not folders".to_owned(),
            AttestError::SameName(_) => {
                "a statement lists files without their folders: sign them one by one".to_owned()
            }
            AttestError::NotAKey { expected, .. } if expected.starts_with("public") => {
                "give the public key of the signer in PEM (Ed25519); `reg key new --output KEY` writes it as KEY.pub"
                    .to_owned()
            }
            AttestError::NotAKey { .. } => {
                "give a private key in PEM (Ed25519); `reg key new --output KEY` creates a pair".to_owned()
            }
            AttestError::Unsound { .. } => "`reg verify` lists damaged objects".to_owned(),
        };
        Failure::new(message, Some(hint))
    }
}

impl From<AuditError> for Failure {
    fn from(e: AuditError) -> Self {
        match e {
            AuditError::Registry(e) => e.into(),
            AuditError::Io(e) => e.into(),
            AuditError::Plan(_) => {
                let hint = "audit the tables that the command prints: the ids are printed below them";
                Failure::new(e.to_string(), Some(hint.to_owned()))
            }
            AuditError::NotARecord { .. } => {
                let hint = "give a table, a run, predictions, a data set or a split";
                Failure::new(e.to_string(), Some(hint.to_owned()))
            }
            AuditError::NotABundle { .. } => Failure::new(e.to_string(), None),
        }
    }
}

impl From<ExportError> for Failure {
    fn from(e: ExportError) -> Self {
        match e {
            ExportError::Registry(e) => e.into(),
            ExportError::Withdrawn { .. } => Failure::refused(e.to_string(), e.hint()),
            ExportError::Io(e) => e.into(),
            e => Failure::new(e.to_string(), e.hint()),
        }
    }
}

impl From<IndexError> for Failure {
    fn from(e: IndexError) -> Self {
        let hint = match &e {
            IndexError::Busy { .. } => Some("try again when that process has finished".to_owned()),
            IndexError::Missing(_)
            | IndexError::Damaged { .. }
            | IndexError::Stale { .. }
            | IndexError::Behind { .. } => {
                Some("`reg reindex` rebuilds the index from the objects".to_owned())
            }
            IndexError::Io(e) => io_hint(&e.source),
        };
        Failure::new(e.to_string(), hint)
    }
}

impl From<RegistryError> for Failure {
    fn from(e: RegistryError) -> Self {
        let message = e.to_string();
        let hint = match e {
            RegistryError::Store(e) => return e.into(),
            RegistryError::Index(e) => return e.into(),
            RegistryError::NotFound { .. } => {
                "create one here with `reg init`, or name another with --registry DIR or REG_REGISTRY"
                    .to_owned()
            }
            RegistryError::OtherOwner { path, .. } => {
                let path = shell_os(&path);
                format!(
                    "`reg trust {path}` if you trust that account; to use the registry only once: `--registry {path}`"
                )
            }
            RegistryError::NoFormat(path) => {
                let path = shell_os(path.join("format"));
                format!(
                    "copy this file from a backup, or, if this version of reg made the registry: `echo '{FORMAT_LINE}' > {path}`, then `reg verify`"
                )
            }
            RegistryError::NotARegistry(folder) if is_pack_store(&folder) => format!(
                "it is a remote, not a registry: `reg pull {}`, run in a registry, copies its content",
                shell_os(folder)
            ),
            RegistryError::NotARegistry(_) => "create one with `reg init DIR`".to_owned(),
            RegistryError::Exists(_) => "use it, or create one in another folder".to_owned(),
            RegistryError::Key(_) => "give another file with --output".to_owned(),
            RegistryError::Within { .. } => "write outside the registry".to_owned(),
            RegistryError::NewerFormat { .. } => "install a newer reg".to_owned(),
            RegistryError::OlderFormat { .. } => OLDER.to_owned(),
            RegistryError::Unknown { similar, .. } if !similar.is_empty() => {
                format!("did you mean {}?", similar.join(", "))
            }
            RegistryError::Unknown { known: Some((plural, known)), .. } => there_is(plural, &known),
            RegistryError::Unknown { .. } => {
                "`reg list` shows all records; an id can be abbreviated to 6 or more digits".to_owned()
            }
            RegistryError::Removed { called, restorable, .. } => {
                let name = called.rsplit(' ').next().unwrap_or_default();
                match restorable {
                    true => format!(
                        "`reg rm --undo {name}` restores it until `reg gc`; training it again restores it, too"
                    ),
                    false => "`reg gc` has removed its objects: train it again to restore it".to_owned(),
                }
            }
            RegistryError::Ambiguous { .. } => "give more digits".to_owned(),
            RegistryError::NameTaken { name, .. } => format!(
                "choose another name, move this one to the new record with --move, or rename the old record first: `reg mv {name} NEW`"
            ),
            RegistryError::BadName(_) => {
                "a name has up to 128 letters, digits and . _ - + and does not consist of hex digits only"
                    .to_owned()
            }
            RegistryError::Io(e) => return Failure::new(message, registry_hint(&e.path, &e.source)),
            RegistryError::Linked(refused) => return Failure::new(message, refused.hint()),
            RegistryError::Unsound { .. } => {
                "`reg verify` lists damaged objects, `reg verify --repair-from PATH` repairs them".to_owned()
            }
            RegistryError::InUse(_) => {
                "stop it (`reg list` shows running trainings), then run the same command again".to_owned()
            }
            RegistryError::Codec { source: CodecError::OlderFormat { .. }, .. } => OLDER.to_owned(),
            RegistryError::Codec { source: CodecError::Version { .. }, .. } => {
                "install a newer reg".to_owned()
            }
            RegistryError::Codec { .. } => "`reg verify` lists what is damaged".to_owned(),
            RegistryError::Contradiction { id, .. } => {
                let hint = format!(
                    "its hash is correct, so it was written with this error: `reg trace --down {}` shows what depends on it",
                    id.short()
                );
                return Failure::refused(message, Some(hint));
            }
            RegistryError::WrongKind { .. }
            | RegistryError::Dangling { .. }
            | RegistryError::Unwritable(_) => return Failure::new(message, None),
        };
        Failure::new(message, Some(hint))
    }
}

impl From<ServeError> for Failure {
    fn from(e: ServeError) -> Self {
        let hint = match e {
            ServeError::Port { .. } => {
                Some("choose another port with --port N; 0 picks a free one".to_owned())
            }
            ServeError::Socket { .. } => {
                Some("name a file that does not exist, in a folder that you can write to".to_owned())
            }
            ServeError::Output(_) | ServeError::System(_) => None,
        };
        Failure::new(e.to_string(), hint)
    }
}

impl From<PageError> for Failure {
    fn from(e: PageError) -> Self {
        match e {
            PageError::Registry(e) => e.into(),
            PageError::Compare(e) => e.into(),
            PageError::Recompute(e) => (*e).into(),
            PageError::Study(e) => (*e).into(),
            PageError::NotCompared(_) => Failure::new(e.to_string(), None),
            PageError::NotReported { .. } => {
                let hint = "`reg list` shows studies, runs and tables; `reg show ID` shows anything else";
                Failure::new(e.to_string(), Some(hint.to_owned()))
            }
        }
    }
}

impl From<ScoreError> for Failure {
    fn from(e: ScoreError) -> Self {
        match e {
            ScoreError::Registry(e) => e.into(),
            e => of_error(&e, e.hint(), e.is_refusal()),
        }
    }
}

impl From<CompareError> for Failure {
    fn from(e: CompareError) -> Self {
        match e {
            CompareError::Registry(e) => e.into(),
            CompareError::Score(e) => e.into(),
            CompareError::Io(e) => Failure::of_io(e.to_string(), &e.source),
            e => of_error(&e, e.hint(), e.is_refusal()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(e: RunError) -> Self {
        match e {
            RunError::Worker(WorkerError::Interrupted { .. } | WorkerError::Killed)
            | RunError::Program(ProgramError::Interrupted) => Failure::interrupted(e.to_string()),
            RunError::Registry(e) => e.into(),
            RunError::Score(e) => e.into(),
            // Of a file that was given, and is a folder or a link that leads nowhere.
            RunError::Io(e) if e.path.is_dir() || e.path.is_symlink() => e.into(),
            RunError::Io(e) => Failure::of_io(e.to_string(), &e.source),
            e => of_error(&e, e.hint(), e.is_refusal()),
        }
    }
}

impl From<RecomputeError> for Failure {
    fn from(e: RecomputeError) -> Self {
        match e {
            RecomputeError::Registry(e) => e.into(),
            RecomputeError::Score(e) => e.into(),
            RecomputeError::Compare(e) => e.into(),
            RecomputeError::Run(e) => e.into(),
            e => of_error(&e, e.hint(), e.is_refusal()),
        }
    }
}

impl From<StudyError> for Failure {
    fn from(e: StudyError) -> Self {
        match e {
            StudyError::Registry(e) => e.into(),
            StudyError::Run(e) => e.into(),
            StudyError::Compare(e) => e.into(),
            StudyError::Interrupted { .. } => Failure::interrupted(e.to_string()),
            e => Failure::new(e.to_string(), hint_of(&e, e.hint())),
        }
    }
}

/// An error of a check, or one that may be the negative result of it.
fn of_error(e: &dyn std::error::Error, own: Option<String>, is_refusal: bool) -> Failure {
    let kind = if is_refusal { FailureKind::Refused } else { FailureKind::Error };
    Failure { kind, ..Failure::new(e.to_string(), hint_of(e, own)) }
}

impl From<RepairError> for Failure {
    fn from(e: RepairError) -> Self {
        match e {
            RepairError::Registry(e) => e.into(),
            RepairError::Source(e) => Failure::of_io(e.to_string(), &e.source),
        }
    }
}

impl From<DiffError> for Failure {
    fn from(e: DiffError) -> Self {
        match e {
            DiffError::Registry(e) => e.into(),
            e => Failure::new(
                e.to_string(),
                Some(
                    "give two objects of one kind; `reg list` shows runs, predictions, tables, data sets and splits"
                        .to_owned(),
                ),
            ),
        }
    }
}

impl From<WithdrawError> for Failure {
    fn from(e: WithdrawError) -> Self {
        match e {
            WithdrawError::Registry(e) => e.into(),
            e => Failure::new(e.to_string(), e.hint().map(str::to_owned)),
        }
    }
}

impl From<WorkerError> for Failure {
    fn from(e: WorkerError) -> Self {
        RunError::Worker(e).into()
    }
}

impl From<ConfigError> for Failure {
    fn from(e: ConfigError) -> Self {
        RunError::Config(e).into()
    }
}

impl From<IngestError> for Failure {
    fn from(e: IngestError) -> Self {
        match e {
            IngestError::Registry(e) => e.into(),
            e => Failure::new(e.to_string(), hint_of(&e, e.hint())),
        }
    }
}

impl From<DatasetError> for Failure {
    fn from(e: DatasetError) -> Self {
        Failure::new(e.to_string(), hint_of(&e, e.hint()))
    }
}

impl From<SplitError> for Failure {
    fn from(e: SplitError) -> Self {
        Failure::new(e.to_string(), hint_of(&e, e.hint().map(str::to_owned)))
    }
}

impl From<RegisterError> for Failure {
    fn from(e: RegisterError) -> Self {
        match e {
            RegisterError::Registry(e) => e.into(),
            e => Failure::new(e.to_string(), hint_of(&e, e.hint())),
        }
    }
}

impl From<SyntheticError> for Failure {
    fn from(e: SyntheticError) -> Self {
        Failure::new(e.to_string(), None)
    }
}

impl From<RemoveError> for Failure {
    fn from(e: RemoveError) -> Self {
        match e {
            RemoveError::Registry(e) => e.into(),
            e => Failure::new(e.to_string(), e.hint()),
        }
    }
}

impl From<RemoteError> for Failure {
    fn from(e: RemoteError) -> Self {
        match e {
            RemoteError::Registry(e) => e.into(),
            RemoteError::Io(e) => Failure::of_io(e.to_string(), &e.source),
            RemoteError::Interrupted => Failure::interrupted(e.to_string()),
            e => Failure::new(e.to_string(), e.hint()),
        }
    }
}

impl From<FilterError> for Failure {
    fn from(e: FilterError) -> Self {
        Failure::usage(format!("--where: {e}"))
    }
}

impl From<ListError> for Failure {
    fn from(e: ListError) -> Self {
        match e {
            ListError::Registry(e) => e.into(),
            ListError::Filter(e) => e.into(),
            ListError::UnknownField { ref known, .. } => {
                // The few that are close to the name, or all.
                Failure::usage(e.to_string()).hinting(match &known[..] {
                    [one] => format!("did you mean `{one}`? `reg list --help` lists all values"),
                    many => format!("choose from {}", many.join(", ")),
                })
            }
        }
    }
}
