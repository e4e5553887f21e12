//! The redb file `reg.redb`: answers in milliseconds what would take a walk over all objects.
//!
//! Names, the log of their changes, kinds and who names whom. redb lets one process open a file for
//! writing at a time, so it is opened for one short transaction only, with a bounded wait.

mod file;
mod guard;
mod tables;

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, StorageBackend, TableError, WriteTransaction,
};

use crate::disk;
use crate::hash::Hash;
use guard::guard;
use tables::{KINDS, LOG, NAMES, RECORDS, REFERRERS, STATE};

/// How long to wait for another process before giving up.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The file beside the index that holds the number of its transactions.
const COMMITS_FILE: &str = "commits";
/// The key of that number within it.
const COMMITS: &str = "commits";
/// The key of the place of the next record in the order of registration.
const ORDER: &str = "order";

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
    /// It was put back to what it was: somebody copied an old one here.
    #[error("the index {} is older than its registry: it has seen {seen} changes of {known}", path.display())]
    Stale {
        /// The index file.
        path: PathBuf,
        /// Transactions that it has seen.
        seen: u64,
        /// Transactions that there were.
        known: u64,
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
        let database = self.wait(|| file::create(&self.path))?;
        self.transact(&database, None, |_| Ok(()))
    }

    /// Opens the index for reading. Keep the view for one command's worth of questions, no longer.
    pub fn view(&self) -> Result<View, IndexError> {
        // Asked for first: what is opened then has seen that much or more.
        let known = self.commits();
        let view = self.view_of_any_age()?;
        let seen = view.commits()?;
        if seen < known { Err(self.stale(seen, known)) } else { Ok(view) }
    }

    /// Opens the index for reading even if it is not the newest.
    pub fn view_of_any_age(&self) -> Result<View, IndexError> {
        self.must_exist()?;
        self.guarded(|| self.open_view())
    }

    fn open_view(&self) -> Result<View, IndexError> {
        let opened = match self.wait(|| ReadOnlyDatabase::open(&self.path)) {
            // What a process left that was killed inside a transaction is mended by opening the file
            // for writing once.
            Err(IndexError::Damaged { .. }) => {
                let database = self.wait(|| file::open(&self.path))?;
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
        let known = self.commits();
        self.guarded(|| {
            let database = self.wait(|| file::open(&self.path))?;
            self.transact(&database, Some(known), change)
        })
    }

    /// Fills an emptied index in one transaction, whatever it was before: damaged, old or gone.
    pub fn rebuild<T, E: From<IndexError>>(
        &self,
        fill: impl Fn(&mut Writer) -> Result<T, E>,
    ) -> Result<T, E> {
        let fill = |writer: &mut Writer| {
            writer.clear()?;
            fill(writer).map_err(Attempt::Fill)
        };
        let attempt = self.guarded(|| {
            let database = self.wait(|| file::open_intact(&self.path))?;
            self.transact(&database, None, fill)
        });
        let again = match attempt {
            Err(Attempt::Index(
                IndexError::Missing(_) | IndexError::Damaged { .. } | IndexError::Io { .. },
            )) => {
                match disk::remove_file(&self.path) {
                    Err(source) if source.kind() != ErrorKind::NotFound => {
                        return Err(IndexError::Io { path: self.path.clone(), source }.into());
                    }
                    _ => {}
                }
                self.guarded(|| {
                    let database = self.wait(|| file::create(&self.path))?;
                    self.transact(&database, None, fill)
                })
            }
            other => other,
        };
        again.map_err(|e| match e {
            Attempt::Index(e) => e.into(),
            Attempt::Fill(e) => e,
        })
    }

    /// Checks the sums that redb keeps of every page, on a copy in memory: nothing is mended, and an
    /// index that cannot be written to can be checked.
    pub fn check(&self) -> Result<(), IndexError> {
        self.must_exist()?;
        self.guarded(|| {
            // Held while the file is read, so that nobody writes to it.
            let held = self.open_view()?;
            let bytes =
                fs::read(&self.path).map_err(|source| IndexError::Io { path: self.path.clone(), source })?;
            drop(held);
            let copy = InMemoryBackend::new();
            copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, &bytes)).map_err(|e| {
                IndexError::Io { path: self.path.clone(), source: std::io::Error::other(e.to_string()) }
            })?;
            drop(bytes);
            let open = Builder::new().create_with_backend(copy).and_then(|mut copy| copy.check_integrity());
            let damaged = |reason| Err(IndexError::Damaged { path: self.path.clone(), reason });
            match open.map_err(|e| self.error(e)) {
                Ok(true) => Ok(()),
                Ok(false) => damaged("a page does not have the checksum that is noted for it".to_owned()),
                // Memory does not fail: a page leads to where there is none.
                Err(IndexError::Io { source, .. }) => damaged(source.to_string()),
                Err(e) => Err(e),
            }
        })
    }

    fn guarded<T, E: From<IndexError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let damaged = |reason| IndexError::Damaged { path: self.path.clone(), reason };
        guard(work).unwrap_or_else(|reason| Err(damaged(reason).into()))
    }

    /// One transaction. If it is `known` how many there were, an index that has seen fewer is refused.
    fn transact<T, E: From<IndexError>>(
        &self,
        database: &Database,
        known: Option<u64>,
        change: impl FnOnce(&mut Writer) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = database.begin_write().map_err(|e| self.error(e))?;
        let mut writer = Writer { index: self, transaction };
        writer.open_all()?;
        let seen = writer.commits()?;
        if let Some(known) = known.filter(|known| seen < *known) {
            return Err(self.stale(seen, known).into());
        }
        let result = change(&mut writer)?;
        let commits = seen.max(self.commits()) + 1;
        writer.set_commits(commits)?;
        writer.transaction.commit().map_err(|e| self.error(e))?;
        self.note_commits(commits);
        Ok(result)
    }

    /// The number of transactions as it is noted beside the index. It may lag behind, never run ahead:
    /// it is written behind each commit, while the index is still locked, and never waited for.
    fn commits(&self) -> u64 {
        let text = fs::read_to_string(self.path.with_file_name(COMMITS_FILE)).ok();
        text.and_then(|text| text.strip_suffix('\n')?.parse().ok()).unwrap_or(0)
    }

    /// That it cannot be noted harms nothing but the notice of an old index.
    fn note_commits(&self, commits: u64) {
        let path = self.path.with_file_name(COMMITS_FILE);
        let new = path.with_extension("new");
        let _ = disk::write_over(&new, format!("{commits}\n").as_bytes())
            .and_then(|()| disk::rename(&new, &path));
    }

    fn stale(&self, seen: u64, known: u64) -> IndexError {
        IndexError::Stale { path: self.path.clone(), seen, known }
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
                    return Err(IndexError::Busy {
                        path: self.path.clone(),
                        holder: disk::lock_holder(&self.path),
                    });
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

/// Why a rebuild did not come to its end: the file, or what should be written to it.
enum Attempt<E> {
    Index(IndexError),
    Fill(E),
}

impl<E> From<IndexError> for Attempt<E> {
    fn from(e: IndexError) -> Self {
        Attempt::Index(e)
    }
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

    /// The number of transactions that the index has seen.
    fn commits(&self) -> Result<u64, IndexError> {
        self.read(|t| match t.open_table(STATE) {
            Ok(table) => Ok(table.get(COMMITS)?.map_or(0, |row| row.value())),
            // Made by a reg that did not count.
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(e) => Err(e.into()),
        })
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

    /// All records with their kinds, as the one of two tables and as the other has them: order of
    /// registration, kind, record, sorted by kind and order.
    pub fn registrations(&self) -> Result<[Vec<(String, u64, Hash)>; 2], IndexError> {
        let mut by_id = self.read(|t| {
            let row = |id: [u8; 32], (order, kind): (u64, &str)| (kind.to_owned(), order, Hash(id));
            collect(t.open_table(RECORDS)?.iter()?, row)
        })?;
        by_id.sort_unstable();
        let by_kind = self.read(|t| {
            let row = |(kind, order): (&str, u64), id: [u8; 32]| (kind.to_owned(), order, Hash(id));
            collect(t.open_table(KINDS)?.iter()?, row)
        })?;
        Ok([by_id, by_kind])
    }

    /// Everything that is named by anything: object, who names it, as what.
    pub fn all_referrers(&self) -> Result<Vec<(Hash, Hash, String)>, IndexError> {
        let row = |(to, from): ([u8; 32], [u8; 32]), role: &str| (Hash(to), Hash(from), role.to_owned());
        self.read(|t| collect(t.open_table(REFERRERS)?.iter()?, row))
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
            self.transaction.open_table(STATE)?;
            Ok(())
        };
        open().map_err(|e| self.index.error(e))
    }

    fn commits(&self) -> Result<u64, IndexError> {
        let read = || -> Result<u64, redb::Error> {
            Ok(self.transaction.open_table(STATE)?.get(COMMITS)?.map_or(0, |row| row.value()))
        };
        read().map_err(|e| self.index.error(e))
    }

    fn set_commits(&mut self, commits: u64) -> Result<(), IndexError> {
        let set = || -> Result<(), redb::Error> {
            self.transaction.open_table(STATE)?.insert(COMMITS, commits)?;
            Ok(())
        };
        set().map_err(|e| self.index.error(e))
    }

    /// Forgets a record: its kind, and that it names others.
    pub fn forget(&mut self, id: &Hash, links: impl Iterator<Item = Hash>) -> Result<(), IndexError> {
        let forget = || -> Result<(), redb::Error> {
            let row = self.transaction.open_table(RECORDS)?.remove(id.0)?.map(|row| {
                let (order, kind) = row.value();
                (order, kind.to_owned())
            });
            if let Some((order, kind)) = row {
                self.transaction.open_table(KINDS)?.remove((kind.as_str(), order))?;
            }
            let mut referrers = self.transaction.open_table(REFERRERS)?;
            for to in links {
                referrers.remove((to.0, id.0))?;
            }
            Ok(())
        };
        forget().map_err(|e| self.index.error(e))
    }

    /// Empties all tables but the number of transactions.
    pub fn clear(&mut self) -> Result<(), IndexError> {
        let clear = || -> Result<(), redb::Error> {
            self.transaction.delete_table(RECORDS)?;
            self.transaction.delete_table(KINDS)?;
            self.transaction.delete_table(REFERRERS)?;
            self.transaction.delete_table(NAMES)?;
            self.transaction.delete_table(LOG)?;
            self.transaction.open_table(STATE)?.remove(ORDER)?;
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
            // Not their number: some may have been forgotten.
            let order = self.transaction.open_table(STATE)?.get(ORDER)?.map(|row| row.value());
            let order = order.unwrap_or(records.len()?);
            self.transaction.open_table(STATE)?.insert(ORDER, order + 1)?;
            records.insert(id.0, (order, kind))?;
            self.transaction.open_table(KINDS)?.insert((kind, order), id.0)?;
            Ok(())
        };
        add().map_err(|e| self.index.error(e))
    }

    /// Notes who is named, by whom, as what. Cheapest in ascending order.
    pub fn mentions<'r>(
        &mut self,
        mentions: impl Iterator<Item = (Hash, Hash, &'r str)>,
    ) -> Result<(), IndexError> {
        let add = || -> Result<(), redb::Error> {
            let mut referrers = self.transaction.open_table(REFERRERS)?;
            for (to, from, role) in mentions {
                referrers.insert((to.0, from.0), role)?;
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
            w.mentions([(image, b, "x")].into_iter())?;
            w.mentions([(image, a, "y"), (Hash([254; 32]), a, "z")].into_iter())
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
