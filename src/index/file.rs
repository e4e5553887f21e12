//! Opens the index file for writing. With the feature `faults`, every write to it is a step of
//! [`crate::disk`].

use std::path::Path;

use redb::{Builder, Database, DatabaseError};

#[cfg(feature = "faults")]
use traced::{create as create_with, open as open_with};

/// Opens a database, or creates one.
pub(super) fn create(path: &Path) -> Result<Database, DatabaseError> {
    create_with(&Builder::new(), path)
}

/// Opens an existing database.
pub(super) fn open(path: &Path) -> Result<Database, DatabaseError> {
    open_with(&Builder::new(), path)
}

/// Opens an existing database after checking all of it.
pub(super) fn open_intact(path: &Path) -> Result<Database, DatabaseError> {
    let mut builder = Builder::new();
    builder.set_check_integrity_on_open(true);
    open_with(&builder, path)
}

#[cfg(not(feature = "faults"))]
fn create_with(builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
    builder.create(path)
}

#[cfg(not(feature = "faults"))]
fn open_with(builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
    builder.open(path)
}

#[cfg(feature = "faults")]
mod traced {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::ops::Bound;
    use std::path::{Path, PathBuf};

    use redb::backends::FileBackend;
    use redb::{BackendError, Builder, Database, DatabaseError, StorageBackend};

    use crate::disk::{WriteStep, step};

    pub(super) fn create(builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
        let exists = path.exists();
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = if exists { open() } else { step(WriteStep::Write { path, bytes: &[] }, open) };
        with(builder, path, file)
    }

    pub(super) fn open(builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
        with(builder, path, OpenOptions::new().read(true).write(true).open(path))
    }

    fn with(builder: &Builder, path: &Path, file: io::Result<File>) -> Result<Database, DatabaseError> {
        let file = FileBackend::new(file?)?;
        builder.create_with_backend(Traced { file, path: path.to_owned() })
    }

    #[derive(Debug)]
    struct Traced {
        file: FileBackend,
        path: PathBuf,
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
