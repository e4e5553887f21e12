//! Good bytes for damaged objects: from another registry, or from the folder that the images came from.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;
use walkdir::WalkDir;

use super::verify::Damage;
use crate::disk::FileError;
use crate::hash::{Hash, Hasher};
use crate::progress::{Progress, Unit};
use crate::registry::{Registry, RegistryError};
use crate::store::Store;

/// A source that cannot be used for repairs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] FileError),
    /// The registry that is being repaired.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Repairs damaged objects if `from` has their bytes, and returns which objects were repaired from which files.
///
/// `from` is another registry, or a folder with files of any name in any subfolder: only their hashes count. Bytes that
/// do not hash to the id of the object are never used.
pub fn repair(
    registry: &Registry,
    damaged: &[Damage],
    from: &Path,
    progress: &dyn Progress,
) -> Result<Vec<(Hash, PathBuf)>, RepairError> {
    let wanted: HashSet<Hash> = damaged.iter().map(|damage| damage.id).collect();
    // An object that is only exposed is intact, and so its own source.
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
        return Err(FileError::new("read", from, source).into());
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
        // The file may have been replaced meanwhile.
        if let Some(bytes) = bytes.filter(|bytes| Hash::of(bytes) == id) {
            batch.put_anew(id, &bytes).map_err(RegistryError::Store)?;
            repaired.push((id, path));
        }
    }
    batch.persist().map_err(RegistryError::Store)?;
    repaired.sort();
    Ok(repaired)
}

/// The bytes of a plain file; none of a pipe or device, or of a link to one.
fn read(path: &Path) -> Option<Vec<u8>> {
    path.is_file().then(|| std::fs::read(path).ok()).flatten()
}

/// A source of good bytes: an object of a registry, or a file of any name.
struct Source<'s> {
    path: PathBuf,
    store: Option<&'s Store>,
}

fn in_registry<'s>(store: &'s Store, wanted: &HashSet<Hash>) -> HashMap<Hash, Source<'s>> {
    let whole = wanted.par_iter().filter(|id| store.read(id).is_ok());
    whole.map(|id| (*id, Source { path: store.path(id), store: Some(store) })).collect()
}

/// Searches the files of a folder: first those with the name of a wanted image, then all.
fn in_folder(
    damaged: &[Damage],
    wanted: HashSet<Hash>,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<HashMap<Hash, PathBuf>, RepairError> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.map_err(|e| {
            let path = e.path().unwrap_or(folder).to_owned();
            let e = e.into_io_error().unwrap_or_else(|| std::io::Error::other("symbolic links form a loop"));
            FileError::new("read", &path, e)
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
            // A file that cannot be read is skipped.
            if read.is_ok() && wanted.contains(&id) {
                lock().insert(id, path.clone());
            }
        });
    }
    progress.end();
    Ok(sources.into_inner().expect("no thread panics while it holds this lock"))
}
