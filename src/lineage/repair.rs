//! Good bytes for damaged objects: from another registry, or from the folder that the images came from.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;
use walkdir::WalkDir;

use super::verify::Damage;
use crate::hash::{Hash, Hasher};
use crate::progress::{Progress, Unit};
use crate::registry::{Registry, RegistryError};
use crate::store::Store;

/// A place that cannot be repaired from.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// It is not there, or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Source {
        /// The place.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The registry that is repaired.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Repairs damaged objects as far as `from` has their bytes, and says which, and what they came from.
///
/// `from` is another registry, or a folder, whose files may lie and be named in any way: only their hashes
/// count. Nothing is taken that does not hash to the name of the object.
pub fn repair(
    registry: &Registry,
    damaged: &[Damage],
    from: &Path,
    progress: &dyn Progress,
) -> Result<Vec<(Hash, PathBuf)>, RepairError> {
    let wanted: HashSet<Hash> = damaged.iter().map(|damage| damage.id).collect();
    // What is only exposed is whole, and so its own source.
    let mut sources = in_registry(registry.store(), &wanted);
    let rest = &wanted - &sources.keys().copied().collect();
    let other = Registry::load(from).ok();
    if other.is_none()
        && !WalkDir::new(from).into_iter().any(|entry| entry.is_ok_and(|entry| entry.path().is_file()))
    {
        let source = match std::fs::metadata(from) {
            Ok(_) => std::io::Error::other("it is no registry, and has no files"),
            Err(source) => source,
        };
        return Err(RepairError::Source { path: from.to_owned(), source });
    }
    sources.extend(match &other {
        Some(other) => in_registry(other.store(), &rest),
        None => {
            let found = in_folder(damaged, rest, from, progress)?.into_iter();
            found.map(|(id, path)| (id, Source { path, store: None })).collect()
        }
    });
    let batch = registry.store().batch().map_err(RegistryError::Store)?;
    let mut repaired = Vec::new();
    for (id, Source { path, store }) in sources {
        let bytes = match store {
            Some(store) => store.read(&id).ok(),
            None => read(&path),
        };
        // It may be another one than a moment ago.
        if let Some(bytes) = bytes.filter(|bytes| Hash::of(bytes) == id) {
            batch.put_anew(id, &bytes).map_err(RegistryError::Store)?;
            repaired.push((id, path));
        }
    }
    batch.persist().map_err(RegistryError::Store)?;
    repaired.sort();
    Ok(repaired)
}

/// The bytes of a file; nothing of a pipe, or of a link to what never ends.
fn read(path: &Path) -> Option<Vec<u8>> {
    path.is_file().then(|| std::fs::read(path).ok()).flatten()
}

/// Where good bytes lie: an object of a registry, or a file that may be called and lie anyhow.
struct Source<'s> {
    path: PathBuf,
    store: Option<&'s Store>,
}

fn in_registry<'s>(store: &'s Store, wanted: &HashSet<Hash>) -> HashMap<Hash, Source<'s>> {
    let whole = wanted.par_iter().filter(|id| store.read(id).is_ok());
    whole.map(|id| (*id, Source { path: store.path(id), store: Some(store) })).collect()
}

/// Looks among the files of a folder: first at those named like a wanted image, then at all.
fn in_folder(
    damaged: &[Damage],
    wanted: HashSet<Hash>,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<HashMap<Hash, PathBuf>, RepairError> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.map_err(|e| RepairError::Source {
            path: e.path().unwrap_or(folder).to_owned(),
            source: e.into_io_error().unwrap_or_else(|| std::io::Error::other("symbolic links form a loop")),
        })?;
        if entry.path().is_file() {
            files.push(entry.into_path());
        }
    }
    let names: HashSet<&str> = damaged.iter().filter_map(|damage| damage.name.as_deref()).collect();
    let named = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| names.contains(name))
    };
    let (likely, others): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(named);
    let sources: Mutex<HashMap<Hash, PathBuf>> = Mutex::default();
    let lock = || sources.lock().expect("no thread panics while it holds this lock");
    progress.begin("search", Unit::Items, (likely.len() + others.len()) as u64);
    for files in [likely, others] {
        files.par_iter().for_each(|path| {
            progress.advance(1);
            if lock().len() == wanted.len() {
                return;
            }
            let mut hasher = Hasher::name_only();
            let read = std::fs::File::open(path).and_then(|mut file| hasher.read(&mut file));
            let id = hasher.finish();
            // A file that cannot be read is as good as none.
            if read.is_ok() && wanted.contains(&id) {
                lock().insert(id, path.clone());
            }
        });
    }
    progress.end();
    Ok(sources.into_inner().expect("no thread panics while it holds this lock"))
}
