//! What a shell completes: names of runs, data sets, splits, weights and tables of the registry, and of models.
//!
//! A shell asks the program itself, so that names are those of now. Nothing is printed to a terminal here, and
//! whatever goes wrong only means that nothing is suggested.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use reg::network;
use reg::records::{Header, Kind, summary};
use reg::registry::{Registry, Search};
use reg::training::unfinished;

/// Suggestions; more would not be read.
const MOST: usize = 200;

/// Names of data sets.
pub(super) fn datasets() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| names(begin, &[Kind::Dataset]))
}

/// Names of splits.
pub(super) fn splits() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| names(begin, &[Kind::Split]))
}

/// Names of weights.
pub(super) fn weights() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| names(begin, &[Kind::Weights]))
}

/// Names of runs, and of unfinished trainings.
pub(super) fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| names(begin, &[Kind::Run]))
}

/// Names of runs and predictions.
pub(super) fn scored() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| names(begin, &[Kind::Run, Kind::Predictions]))
}

/// All names.
pub(super) fn anything() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| names(begin, Kind::ALL))
}

/// Names of the kinds of records that are listed.
pub(super) fn kinds() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| {
        let begin = begin.to_string_lossy();
        let kinds = Kind::ALL.iter().filter(|kind| kind.name().starts_with(&*begin));
        kinds.map(|kind| CompletionCandidate::new(kind.name())).collect()
    })
}

/// Names of models.
pub(super) fn models() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| {
        let begin = begin.to_string_lossy();
        let models = network::names().into_iter().filter(|name| name.starts_with(&*begin));
        models.map(CompletionCandidate::new).collect()
    })
}

/// Names in the registry that the command line would use.
fn names(begin: &OsStr, kinds: &[Kind]) -> Vec<CompletionCandidate> {
    let begin = begin.to_string_lossy();
    let Some(registry) = registry() else { return Vec::new() };
    let Ok(view) = registry.view() else { return Vec::new() };
    let all = view.names().unwrap_or_default().into_iter().filter(|(name, _)| name.starts_with(&*begin));
    let of_kind =
        all.filter(|(_, id)| view.kind(id).ok().flatten().is_some_and(|kind| kinds.contains(&kind)));
    let what = |id: &reg::hash::Hash| {
        let bytes = registry.store().read(id).ok()?;
        Some(summary(&Header::read(&bytes).ok()?))
    };
    let mut found: Vec<CompletionCandidate> = of_kind
        .take(MOST)
        .map(|(name, id)| CompletionCandidate::new(name).help(what(&id).map(Into::into)))
        .collect();
    if kinds.contains(&Kind::Run) {
        let trainings = unfinished::all(&registry).into_iter().map(|one| one.announcement.name);
        found.extend(trainings.filter(|name| name.starts_with(&*begin)).map(CompletionCandidate::new));
    }
    found
}

/// The registry of the command line that is being typed, as far as it names one; otherwise the one of this folder.
pub(super) fn registry() -> Option<Registry> {
    let mut words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let mut named = None;
    while let Some(word) = words.next() {
        if word == "--registry" {
            named = words.next().map(PathBuf::from);
        } else if let Some(path) = after(&word, "--registry=") {
            named = Some(PathBuf::from(path));
        }
    }
    open(named)
}

/// The rest of a word that has this beginning.
pub(super) fn after(word: &OsStr, begin: &str) -> Option<OsString> {
    word.as_bytes().strip_prefix(begin.as_bytes()).map(|rest| OsStr::from_bytes(rest).to_owned())
}

/// The registry in a folder, or the one that commands without `--registry` use.
pub(super) fn open(named: Option<PathBuf>) -> Option<Registry> {
    let variable = || std::env::var_os("REG_REGISTRY").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    match named.or_else(variable) {
        Some(dir) => Registry::load(&dir).ok(),
        None => {
            let here = std::env::current_dir().ok()?;
            let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
            let trusted = super::trust::list();
            let search = Search { from: &here, home: home.as_deref(), trusted: trusted.as_ref() };
            Registry::find(&search).ok()
        }
    }
}
