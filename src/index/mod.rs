//! The redb file `reg.redb`: answers in milliseconds what would take a walk over all objects.
//!
//! Names, the log of their changes, kinds and who names whom. redb lets one process open a file for
//! writing at a time, so it is opened for one short transaction only, with a bounded wait.

mod guard;
mod tables;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, WriteTransaction,
};

use crate::hash::Hash;
use guard::guard;
use tables::{KINDS, LOG, NAMES, RECORDS, REFERRERS};

/// How long to wait for another process before giving up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An index that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another process has it open for longer than anyone wants to wait.
    #[error("registry is busy: {} is held by {}", path.display(), holder.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    Busy {
        /// The index file.
        path: PathBuf,
        /// Process id of the holder, where the system tells.
        holder: Option<u32>,
    },
    /// There is no index file.
    #[error("the index {} is missing", .0.display())]
    Missing(PathBuf),
    /// The file is not a sound redb database.
    #[error("the index {} is damaged: {reason}", path.display())]
    Damaged {
        /// The index file.
        path: PathBuf,
        /// What redb says.
        reason: String,
    },
    /// The file system says no.
    #[error("cannot use the index {}: {source}", path.display())]
    Io {
        /// The index file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The index of one registry. Holds a path, no open file.
#[derive(Debug, Clone)]
pub struct Index {
    path: PathBuf,
    patience: Duration,
}

impl Index {
    /// The index in the file `path`.
    pub fn at(path: PathBuf) -> Self {
        Index { path, patience: PATIENCE }
    }

    /// The same index with another bound on how long to wait for other processes.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The index file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes an index with empty tables.
    pub fn create(&self) -> Result<(), IndexError> {
        let database = self.wait(|| Database::create(&self.path))?;
        self.transact(&database, |_| Ok::<_, IndexError>(()))
    }

    /// Opens the index for reading. Keep the view for one command's worth of questions, no longer.
    pub fn view(&self) -> Result<View, IndexError> {
        self.must_exist()?;
        self.guarded(|| self.open_view())
    }

    fn open_view(&self) -> Result<View, IndexError> {
        let opened = match self.wait(|| ReadOnlyDatabase::open(&self.path)) {
            // What a process left that was killed inside a transaction is mended by opening the file
            // for writing once.
            Err(IndexError::Damaged { .. }) => {
                let database = self.wait(|| Database::open(&self.path))?;
                drop(database);
                self.wait(|| ReadOnlyDatabase::open(&self.path))?
            }
            other => other?,
        };
        let transaction = opened.begin_read().map_err(|e| self.error(e))?;
        Ok(View { index: self.clone(), transaction, _database: opened })
    }

    /// Changes the index in one transaction: all of what `change` does, or nothing.
    pub fn write<T, E: From<IndexError>>(
        &self,
        change: impl FnOnce(&mut Writer) -> Result<T, E>,
    ) -> Result<T, E> {
        self.must_exist()?;
        self.guarded(|| {
            let database = self.wait(|| Database::open(&self.path))?;
            self.transact(&database, change)
        })
    }

    fn guarded<T, E: From<IndexError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let damaged = |reason| IndexError::Damaged { path: self.path.clone(), reason };
        guard(work).unwrap_or_else(|reason| Err(damaged(reason).into()))
    }

    fn transact<T, E: From<IndexError>>(
        &self,
        database: &Database,
        change: impl FnOnce(&mut Writer) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = database.begin_write().map_err(|e| self.error(e))?;
        let mut writer = Writer { index: self, transaction };
        writer.open_all()?;
        let result = change(&mut writer)?;
        writer.transaction.commit().map_err(|e| self.error(e))?;
        Ok(result)
    }

    fn must_exist(&self) -> Result<(), IndexError> {
        if self.path.exists() { Ok(()) } else { Err(IndexError::Missing(self.path.clone())) }
    }

    fn wait<T>(&self, open: impl Fn() -> Result<T, DatabaseError>) -> Result<T, IndexError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            match open() {
                Ok(database) => return Ok(database),
                Err(DatabaseError::DatabaseAlreadyOpen) if start.elapsed() < self.patience => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(DatabaseError::DatabaseAlreadyOpen) => {
                    return Err(IndexError::Busy { path: self.path.clone(), holder: holder(&self.path) });
                }
                Err(e) => return Err(self.error(e)),
            }
        }
    }

    fn error(&self, e: impl Into<redb::Error>) -> IndexError {
        let path = self.path.clone();
        match e.into() {
            // Of a file that is none of its own, redb says so by way of an I/O error.
            redb::Error::Io(source)
                if matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                IndexError::Damaged { path, reason: source.to_string().trim_end().to_owned() }
            }
            redb::Error::Io(source) => IndexError::Io { path, source },
            other => IndexError::Damaged { path, reason: other.to_string() },
        }
    }
}

/// The process that holds a lock on `path`, where the system tells.
fn holder(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{}", std::fs::metadata(path).ok()?.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:393217 0 EOF`
    let mut columns = locks.lines().map(|line| line.split_whitespace().skip(4));
    columns.find_map(|mut rest| {
        let pid = rest.next()?.parse().ok()?;
        rest.next()?.ends_with(&inode).then_some(pid)
    })
}

/// The index as it was at one moment.
pub struct View {
    index: Index,
    transaction: ReadTransaction,
    _database: ReadOnlyDatabase,
}

impl View {
    /// What `name` names.
    pub fn name(&self, name: &str) -> Result<Option<Hash>, IndexError> {
        self.read(|t| Ok(t.open_table(NAMES)?.get(name)?.map(|id| Hash(id.value()))))
    }

    /// All names and what they name, sorted.
    pub fn names(&self) -> Result<Vec<(String, Hash)>, IndexError> {
        let row = |name: &str, id: [u8; 32]| (name.to_owned(), Hash(id));
        self.read(|t| collect(t.open_table(NAMES)?.iter()?, row))
    }

    /// The name of everything that has one; the first in alphabetical order where there are several.
    pub fn names_by_id(&self) -> Result<HashMap<Hash, String>, IndexError> {
        let mut names = HashMap::new();
        for (name, id) in self.names()? {
            names.entry(id).or_insert(name);
        }
        Ok(names)
    }

    /// The kind of a record; none for an object that is no record.
    pub fn kind(&self, id: &Hash) -> Result<Option<String>, IndexError> {
        self.read(|t| Ok(t.open_table(RECORDS)?.get(id.0)?.map(|row| row.value().1.to_owned())))
    }

    /// The records of a kind, oldest first.
    pub fn of_kind(&self, kind: &str) -> Result<Vec<Hash>, IndexError> {
        let range = (kind, 0)..=(kind, u64::MAX);
        self.read(|t| collect(t.open_table(KINDS)?.range(range)?, |_: (&str, u64), id: [u8; 32]| Hash(id)))
    }

    /// Number of records.
    pub fn records(&self) -> Result<u64, IndexError> {
        self.read(|t| Ok(t.open_table(RECORDS)?.len()?))
    }

    /// Who names the object, and as what (roles separated by commas).
    pub fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, String)>, IndexError> {
        let range = (id.0, [0; 32])..=(id.0, [255; 32]);
        let row = |(_, from): ([u8; 32], [u8; 32]), role: &str| (Hash(from), role.to_owned());
        self.read(|t| collect(t.open_table(REFERRERS)?.range(range)?, row))
    }

    /// The events of the log, oldest first.
    pub fn log(&self) -> Result<Vec<Hash>, IndexError> {
        self.read(|t| collect(t.open_table(LOG)?.iter()?, |_: u64, id: [u8; 32]| Hash(id)))
    }

    fn read<T>(&self, ask: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>) -> Result<T, IndexError> {
        self.index.guarded(|| ask(&self.transaction).map_err(|e| self.index.error(e)))
    }
}

fn collect<K, V, T>(
    range: redb::Range<'_, K, V>,
    row: impl Fn(K::SelfType<'_>, V::SelfType<'_>) -> T,
) -> Result<Vec<T>, redb::Error>
where
    K: redb::Key + 'static,
    V: redb::Value + 'static,
{
    range
        .map(|entry| entry.map(|(key, value)| row(key.value(), value.value())))
        .collect::<Result<_, _>>()
        .map_err(Into::into)
}

/// A transaction that changes the index.
pub struct Writer<'a> {
    index: &'a Index,
    transaction: WriteTransaction,
}

impl Writer<'_> {
    fn open_all(&self) -> Result<(), IndexError> {
        let open = || -> Result<(), redb::TableError> {
            self.transaction.open_table(RECORDS)?;
            self.transaction.open_table(KINDS)?;
            self.transaction.open_table(REFERRERS)?;
            self.transaction.open_table(NAMES)?;
            self.transaction.open_table(LOG)?;
            Ok(())
        };
        open().map_err(|e| self.index.error(e))
    }

    /// Empties all tables.
    pub fn clear(&mut self) -> Result<(), IndexError> {
        let clear = || -> Result<(), redb::TableError> {
            self.transaction.delete_table(RECORDS)?;
            self.transaction.delete_table(KINDS)?;
            self.transaction.delete_table(REFERRERS)?;
            self.transaction.delete_table(NAMES)?;
            self.transaction.delete_table(LOG)?;
            Ok(())
        };
        clear().map_err(|e| self.index.error(e))?;
        self.open_all()
    }

    /// Adds a record; one that is there already stays as it is.
    pub fn record(&mut self, id: &Hash, kind: &str) -> Result<(), IndexError> {
        let add = || -> Result<(), redb::Error> {
            let mut records = self.transaction.open_table(RECORDS)?;
            if records.get(id.0)?.is_some() {
                return Ok(());
            }
            let order = records.len()?;
            records.insert(id.0, (order, kind))?;
            self.transaction.open_table(KINDS)?.insert((kind, order), id.0)?;
            Ok(())
        };
        add().map_err(|e| self.index.error(e))
    }

    /// Notes that `from` names each of `to`, with the part it plays. Cheapest in ascending order.
    pub fn referrers<'r>(
        &mut self,
        from: &Hash,
        to: impl Iterator<Item = (Hash, &'r str)>,
    ) -> Result<(), IndexError> {
        let add = || -> Result<(), redb::Error> {
            let mut referrers = self.transaction.open_table(REFERRERS)?;
            for (id, role) in to {
                referrers.insert((id.0, from.0), role)?;
            }
            Ok(())
        };
        add().map_err(|e| self.index.error(e))
    }

    /// What `name` names.
    pub fn name(&self, name: &str) -> Result<Option<Hash>, IndexError> {
        let read = || -> Result<Option<Hash>, redb::Error> {
            let names = self.transaction.open_table(NAMES)?;
            Ok(names.get(name)?.map(|id| Hash(id.value())))
        };
        read().map_err(|e| self.index.error(e))
    }

    /// Lets `name` name `to`, or nothing any more.
    pub fn set_name(&mut self, name: &str, to: Option<Hash>) -> Result<(), IndexError> {
        let set = || -> Result<(), redb::Error> {
            let mut names = self.transaction.open_table(NAMES)?;
            match to {
                Some(to) => drop(names.insert(name, to.0)?),
                None => drop(names.remove(name)?),
            }
            Ok(())
        };
        set().map_err(|e| self.index.error(e))
    }

    /// The newest entry of the log and its number.
    pub fn log_head(&self) -> Result<Option<(u64, Hash)>, IndexError> {
        let read = || -> Result<Option<(u64, Hash)>, redb::Error> {
            let log = self.transaction.open_table(LOG)?;
            Ok(log.last()?.map(|(seq, id)| (seq.value(), Hash(id.value()))))
        };
        read().map_err(|e| self.index.error(e))
    }

    /// Adds an entry to the log.
    pub fn push_log(&mut self, seq: u64, event: &Hash) -> Result<(), IndexError> {
        let push = || -> Result<(), redb::Error> {
            self.transaction.open_table(LOG)?.insert(seq, event.0)?;
            Ok(())
        };
        push().map_err(|e| self.index.error(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> (tempfile::TempDir, Index) {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::at(dir.path().join("reg.redb"));
        index.create().unwrap();
        (dir, index)
    }

    #[test]
    fn records_are_listed_by_kind_in_order_of_registration() {
        let (_dir, index) = index();
        let (a, b, c) = (Hash([9; 32]), Hash([1; 32]), Hash([5; 32]));
        let add = |w: &mut Writer| {
            for (id, kind) in [(a, "run"), (b, "run"), (c, "split"), (a, "run")] {
                w.record(&id, kind)?;
            }
            Ok::<_, IndexError>(())
        };
        index.write(add).unwrap();
        let view = index.view().unwrap();
        assert_eq!(view.of_kind("run").unwrap(), [a, b]);
        assert_eq!(view.of_kind("ru").unwrap(), []);
        assert_eq!(view.kind(&c).unwrap().as_deref(), Some("split"));
        assert_eq!(view.records().unwrap(), 3);
    }

    #[test]
    fn a_failed_change_changes_nothing() {
        let (_dir, index) = index();
        let failed: Result<(), IndexError> = index.write(|w| {
            w.set_name("n", Some(Hash([1; 32])))?;
            Err(IndexError::Missing("test".into()))
        });
        assert!(failed.is_err());
        assert_eq!(index.view().unwrap().name("n").unwrap(), None);
    }

    #[test]
    fn who_names_an_object_is_found() {
        let (_dir, index) = index();
        let (image, a, b) = (Hash([255; 32]), Hash([0; 32]), Hash([255; 32]));
        let add = |w: &mut Writer| {
            w.referrers(&b, [(image, "x")].into_iter())?;
            w.referrers(&a, [(image, "y"), (Hash([254; 32]), "z")].into_iter())
        };
        index.write(add).unwrap();
        let found = index.view().unwrap().referrers(&image).unwrap();
        assert_eq!(found, [(a, "y".to_owned()), (b, "x".to_owned())]);
    }

    #[test]
    fn a_held_index_is_busy_and_names_the_holder() {
        let (_dir, index) = index();
        let hurried = index.clone().with_patience(Duration::from_millis(30));
        let held = Database::open(index.path()).unwrap();
        for error in [hurried.view().err(), hurried.write(|_| Ok::<_, IndexError>(())).err()] {
            let message = error.unwrap().to_string();
            assert!(message.starts_with("registry is busy"), "{message}");
            assert!(message.ends_with(&format!("process {}", std::process::id())), "{message}");
        }
        drop(held);
        hurried.view().unwrap();
    }

    #[test]
    fn a_damaged_or_missing_file_is_an_error() {
        let (_dir, index) = index();
        std::fs::write(index.path(), b"not a database").unwrap();
        assert!(matches!(index.view().err(), Some(IndexError::Damaged { .. })));
        std::fs::remove_file(index.path()).unwrap();
        assert!(matches!(index.view().err(), Some(IndexError::Missing(_))));
    }
}
