//! Output folders and files that are written completely or not at all.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::ExportError;
use crate::disk;
use crate::hash::Hash;
use crate::registry::Registry;
use crate::store::{LinkMode, Store};

/// An output folder in progress: it has a temporary name until it is complete, and is removed if it never is.
pub struct ExportFolder {
    part: PathBuf,
    path: PathBuf,
    done: bool,
}

impl ExportFolder {
    /// Starts a folder that does not exist or is empty.
    pub fn begin(path: &Path) -> Result<Self, ExportError> {
        Registry::refuse_output(path)?;
        match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(ExportError::Occupied(path.to_owned())),
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(ExportError::io("make", path)(e));
            }
            _ => {}
        }
        let part = disk::part_of(path);
        fs::create_dir_all(&part).map_err(ExportError::io("make", path))?;
        Ok(ExportFolder { part, path: path.to_owned(), done: false })
    }

    /// The path for a file in it, with the parent folders created.
    ///
    /// # Errors
    /// A name that leads out of the folder.
    pub fn file(&self, name: &str) -> Result<PathBuf, ExportError> {
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(ExportError::Outside { folder: self.path.clone(), name: name.to_owned() });
        }
        let path = self.part.join(name);
        let parent = path.parent().unwrap_or(&self.part);
        fs::create_dir_all(parent).map_err(ExportError::io("make", parent))?;
        Ok(path)
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        fs::write(self.file(name)?, bytes).map_err(ExportError::io("write", &self.path.join(name)))
    }

    /// Adds an object as a file.
    ///
    /// A hard link takes no space; it is the object itself and therefore read-only. A copy is an independent
    /// file, which shares its blocks with the object if the file system supports it.
    pub fn object(&self, store: &Store, id: &Hash, name: &str, how: LinkMode) -> Result<(), ExportError> {
        let (from, to) = (store.path(id), self.file(name)?);
        let shown = self.path.join(name);
        let wrong = || ExportError::io("write", &shown);
        // The content of an exported file must match its hash; a copy is hashed while it is read.
        if how != LinkMode::Copy {
            store.verify(id, 0, &mut Vec::new())?;
        }
        match how {
            LinkMode::Hardlink => disk::hard_link(&from, &to).map_err(wrong()),
            LinkMode::Reflink if disk::reflink(&from, &to).is_ok() => {
                disk::set_mode(&to, 0o644).map_err(wrong())
            }
            _ => fs::write(&to, store.read(id)?).map_err(wrong()),
        }
    }

    /// Renames the folder to its final name.
    pub fn finish(mut self) -> Result<(), ExportError> {
        fs::rename(&self.part, &self.path).map_err(ExportError::io("make", &self.path))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for ExportFolder {
    fn drop(&mut self) {
        if !self.done {
            // If it cannot be removed, its name shows that it is temporary.
            let _ = fs::remove_dir_all(&self.part);
        }
    }
}

/// Writes a file completely or not at all.
pub fn save(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    Registry::refuse_output(path)?;
    let part = disk::part_of(path);
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, path)).map_err(|e| {
        // An incomplete file is removed.
        let _ = fs::remove_file(&part);
        ExportError::io("write", path)(e)
    })
}
