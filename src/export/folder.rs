//! Output folders and files that are written completely or not at all.

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use super::ExportError;
use crate::disk::{self, Doing, FileError, OutputFolder, PLAIN};
use crate::hash::Hash;
use crate::registry::Registry;
use crate::store::{LinkMode, Store};

/// An output folder in progress: it has a temporary name until it is complete, and is removed if it never is.
pub struct ExportFolder {
    output: OutputFolder,
    path: PathBuf,
}

impl ExportFolder {
    /// Starts a folder that does not exist or is empty.
    pub fn begin(path: &Path) -> Result<Self, ExportError> {
        Registry::refuse_output(path)?;
        match std::fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(ExportError::Occupied(path.to_owned())),
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::new("make", path, e).into());
            }
            _ => {}
        }
        let output = OutputFolder::begin(path).doing("make", path)?;
        Ok(ExportFolder { output, path: path.to_owned() })
    }

    /// The path for a file in it, with the parent folders created.
    ///
    /// # Errors
    /// A name that leads out of the folder.
    pub fn file(&self, name: &str) -> Result<PathBuf, ExportError> {
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(ExportError::Outside { folder: self.path.clone(), name: name.to_owned() });
        }
        let dir = self.output.dir();
        if let Some(above) = Path::new(name).parent().filter(|above| !above.as_os_str().is_empty()) {
            dir.create_dir_all(above).doing("make", &self.path.join(above))?;
        }
        Ok(dir.path_of(name))
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        self.file(name)?;
        let written = self.output.dir().create(name).and_then(|mut file| file.write_all(bytes));
        Ok(written.doing("write", &self.path.join(name))?)
    }

    /// Adds an object as a file.
    ///
    /// A hard link takes no space; it is the object itself and therefore read-only. A copy is an independent
    /// file, which shares its blocks with the object if the file system supports it.
    pub fn object(&self, store: &Store, id: &Hash, name: &str, how: LinkMode) -> Result<(), ExportError> {
        self.file(name)?;
        let dir = self.output.dir();
        let shown = self.path.join(name);
        // The content of an exported file must match its hash; a copy is hashed while it is read.
        if how != LinkMode::Copy {
            store.verify(id, 0, &mut Vec::new())?;
        }
        match how {
            LinkMode::Hardlink => store.link_to(id, dir, name).doing("write", &shown)?,
            LinkMode::Reflink if dir.reflink(&store.open_object(id)?.0, name, PLAIN).is_ok() => {}
            LinkMode::Reflink | LinkMode::Copy => {
                dir.write_new(name, &store.read(id)?, PLAIN).doing("write", &shown)?;
            }
        }
        Ok(())
    }

    /// Gives the folder its name.
    pub fn finish(self) -> Result<(), ExportError> {
        Ok(self.output.finish().doing("make", &self.path)?)
    }
}

/// Writes a file completely or not at all.
pub fn save(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    Registry::refuse_output(path)?;
    Ok(disk::save(path, bytes).doing("write", path)?)
}
