//! Opens the file of the index, in an open folder and without following a link. With the feature `faults`, every write to
//! it is a step of [`crate::disk`].

use std::fs::File;
use std::io;
use std::path::PathBuf;

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, ReadOnlyDatabase};

use crate::disk::Dir;

/// Opens a database, or makes one.
pub(super) fn create(dir: &Dir, name: &str) -> Result<Database, DatabaseError> {
    with(&Builder::new(), dir.open_to_change(name, true)?, dir.path_of(name))
}

/// Opens a database that is there.
pub(super) fn open(dir: &Dir, name: &str) -> Result<Database, DatabaseError> {
    with(&Builder::new(), there(dir, name)?, dir.path_of(name))
}

/// An empty file would be made a database.
fn there(dir: &Dir, name: &str) -> io::Result<File> {
    let file = dir.open_to_change(name, false)?;
    match file.metadata()?.len() {
        0 => Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty")),
        _ => Ok(file),
    }
}

/// Opens a database that is there, after a check of all of it.
pub(super) fn open_intact(dir: &Dir, name: &str) -> Result<Database, DatabaseError> {
    let mut builder = Builder::new();
    builder.set_check_integrity_on_open(true);
    with(&builder, there(dir, name)?, dir.path_of(name))
}

/// Opens a database that is there for reading.
pub(super) fn open_read_only(dir: &Dir, name: &str) -> Result<ReadOnlyDatabase, DatabaseError> {
    Builder::new().open_read_only_with_backend(FileBackend::new(dir.open_file(name)?.0)?)
}

#[cfg(not(feature = "faults"))]
fn with(builder: &Builder, file: File, _: PathBuf) -> Result<Database, DatabaseError> {
    builder.create_with_backend(FileBackend::new(file)?)
}

#[cfg(feature = "faults")]
fn with(builder: &Builder, file: File, path: PathBuf) -> Result<Database, DatabaseError> {
    builder.create_with_backend(traced::Traced { file: FileBackend::new(file)?, path })
}

#[cfg(feature = "faults")]
mod traced {
    use std::io;
    use std::ops::Bound;
    use std::path::PathBuf;

    use redb::backends::FileBackend;
    use redb::{BackendError, StorageBackend};

    use crate::disk::{WriteStep, step};

    #[derive(Debug)]
    pub(super) struct Traced {
        pub(super) file: FileBackend,
        pub(super) path: PathBuf,
    }

    impl StorageBackend for Traced {
        fn len(&self) -> Result<u64, io::Error> {
            self.file.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
            self.file.read(offset, out)
        }

        fn set_len(&self, len: u64) -> Result<(), io::Error> {
            step(WriteStep::SetLen { path: &self.path, len }, || self.file.set_len(len))
        }

        fn sync_data(&self) -> Result<(), io::Error> {
            step(WriteStep::Sync { path: &self.path }, || self.file.sync_data())
        }

        fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
            let write = WriteStep::WriteAt { path: &self.path, offset, bytes: data };
            step(write, || self.file.write(offset, data))
        }

        fn close(&self) -> Result<(), io::Error> {
            self.file.close()
        }

        fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
            self.file.try_lock_range(start, end)
        }

        fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
            self.file.try_lock_shared_range(start, end)
        }

        fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
            self.file.unlock_range(start, end)
        }
    }
}
