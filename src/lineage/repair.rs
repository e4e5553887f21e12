//! Good bytes for damaged objects: from another registry, or from the folder that the images came from.

use std::collections::HashMap;
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
    let wanted: Vec<Hash> = damaged.iter().map(|damage| damage.id).collect();
    let mut sources = match Registry::load(from) {
        Ok(other) => in_registry(other.store(), &wanted),
        Err(_) => in_folder(damaged, from, progress)?,
    };
    // What is only exposed is whole, and so its own source.
    for id in &wanted {
        sources.entry(*id).or_insert_with(|| registry.store().path(id));
    }
    let mut repaired = Vec::new();
    for damage in damaged {
        let path = &sources[&damage.id];
        // A pipe may lie there, or a link to what never ends.
        let Some(bytes) = path.is_file().then(|| std::fs::read(path).ok()).flatten() else { continue };
        // It may be another one than a moment ago.
        if Hash::of(&bytes) == damage.id {
            registry.store().restore(&bytes).map_err(RegistryError::Store)?;
            repaired.push((damage.id, path.clone()));
        }
    }
    Ok(repaired)
}

fn in_registry(other: &Store, wanted: &[Hash]) -> HashMap<Hash, PathBuf> {
    wanted.iter().filter(|id| other.read(id).is_ok()).map(|id| (*id, other.path(id))).collect()
}

/// Looks among the files of a folder: first at those named like a wanted image, then at all.
fn in_folder(
    damaged: &[Damage],
    folder: &Path,
    progress: &dyn Progress,
) -> Result<HashMap<Hash, PathBuf>, RepairError> {
    let unreadable = |path: &Path, source| RepairError::Source { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in WalkDir::new(folder) {
        let entry = entry
            .map_err(|e| unreadable(e.path().map(Path::to_owned).as_deref().unwrap_or(folder), e.into()))?;
        if entry.path().is_file() {
            files.push(entry.into_path());
        }
    }
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        damaged.iter().any(|damage| damage.name.as_deref() == name)
    };
    let (likely, others): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(named);
    let sources: Mutex<HashMap<Hash, PathBuf>> = Mutex::default();
    let lock = || sources.lock().expect("no thread panics while it holds this lock");
    progress.begin("search", Unit::Items, (likely.len() + others.len()) as u64);
    for files in [likely, others] {
        files.par_iter().for_each(|path| {
            progress.advance(1);
            if lock().len() == damaged.len() {
                return;
            }
            let mut hasher = Hasher::name_only();
            let read = std::fs::File::open(path).and_then(|mut file| hasher.read(&mut file));
            // A file that cannot be read is as good as none.
            if read.is_ok() {
                let id = hasher.finish();
                if damaged.iter().any(|damage| damage.id == id) {
                    lock().insert(id, path.clone());
                }
            }
        });
    }
    progress.end();
    Ok(sources.into_inner().expect("no thread panics while it holds this lock"))
}
