//! The redb file `reg.redb`, which answers queries in milliseconds that would otherwise read all objects.
//!
//! Holds names, the log of their changes, kinds and referrers. redb lets only one process open a file for
//! writing at a time, so the index is opened for one short transaction only, with a bounded wait.

mod file;
mod guard;
mod head;
mod run_row;
mod tables;
mod view;
mod writer;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageBackend};

use crate::digits::{counted, thousands};
use crate::disk::{self, Dir, Doing, FileError};
use crate::hash::Hash;
use crate::limits;
use guard::guard;
pub use head::Head;
pub use run_row::{RunRow, RunSettings, TestAuc};
pub use view::{Registration, View};
pub use writer::IndexWriter;

/// How long to wait for another process before giving up.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What fails when the file system returns an error.
const USE: &str = "use the index";
/// The file beside the index that holds the number of its transactions.
const COMMITS_FILE: &str = "commits";

/// An index that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Another process has had the index open for longer than the bounded wait.
    #[error("registry is busy: {} is held by {}", path.display(), holder.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    Busy {
        /// The index file.
        path: PathBuf,
        /// Process id of the holder, if the system provides it.
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
    /// The file is an old copy of the index.
    #[error("the index {} is older than its registry: it has {} of {}", path.display(), thousands(*seen), counted(*known, "change"))]
    Stale {
        /// The index file.
        path: PathBuf,
        /// Number of transactions that the index has seen.
        seen: u64,
        /// Number of transactions that the registry has recorded.
        known: u64,
    },
    /// The index does not know the newest entry of the log that the registry has seen.
    #[error("the index {} is older than its registry: it does not have log entry {}, {}", path.display(), thousands(*seq), event.short())]
    Behind {
        /// The index file.
        path: PathBuf,
        /// Number of the entry.
        seq: u64,
        /// The entry.
        event: Hash,
    },
    /// The file system returned an error.
    #[error(transparent)]
    Io(#[from] FileError),
}

/// The index of one registry. Holds the folder open, not the file.
#[derive(Debug, Clone)]
pub struct Index {
    dir: Dir,
    name: &'static str,
    path: PathBuf,
    patience: Duration,
}

impl Index {
    /// The index in the file `name` of a folder.
    pub fn within(dir: &Dir, name: &'static str) -> Self {
        Index { dir: dir.clone(), name, path: dir.path_of(name), patience: PATIENCE }
    }

    /// The same index with another bound on the wait for other processes.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The index file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates an index with empty tables.
    pub fn create(&self) -> Result<(), IndexError> {
        let database = self.wait(|| file::create(&self.dir, self.name))?;
        self.transact(&database, None, |_| Ok::<_, IndexError>(()))?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> Result<(), IndexError> {
        Ok(self.dir.sync_dir().doing(USE, self.dir.path())?)
    }

    /// Opens the index for reading. Keep the view only as long as one command needs it.
    pub fn view(&self) -> Result<View, IndexError> {
        // Read before opening, so that the opened index has seen at least that much.
        let known = self.known();
        let view = self.view_of_any_age()?;
        self.check_age(view.commits()?, known, |seq| view.log_entry(seq))?;
        Ok(view)
    }

    /// Asserts that an index with this number of transactions and this log is not older than the head of the registry.
    fn check_age(
        &self,
        seen: u64,
        known: Head,
        entry: impl FnOnce(u64) -> Result<Option<Hash>, IndexError>,
    ) -> Result<(), IndexError> {
        if seen < known.commits {
            return Err(IndexError::Stale { path: self.path.clone(), seen, known: known.commits });
        }
        match known.event {
            Some((seq, event)) if entry(seq)? != Some(event) => {
                Err(IndexError::Behind { path: self.path.clone(), seq, event })
            }
            _ => Ok(()),
        }
    }

    /// The newest change that the registry has seen, as far as it is noted outside of the index.
    fn known(&self) -> Head {
        let head = Head::read(&self.dir).unwrap_or_default();
        Head { commits: head.commits.max(self.noted_commits()), ..head }
    }

    /// The newest entry of the log that is noted outside of the index.
    pub fn head(&self) -> Option<Head> {
        Head::read(&self.dir)
    }

    /// Opens the index for reading even if it is an old copy.
    pub fn view_of_any_age(&self) -> Result<View, IndexError> {
        self.must_exist()?;
        self.guarded(|| self.open_view())
    }

    fn open_view(&self) -> Result<View, IndexError> {
        let opened = match self.wait(|| file::open_read_only(&self.dir, self.name)) {
            // Opening the file for writing once repairs it after a process was killed inside a transaction.
            Err(IndexError::Damaged { .. }) => {
                let database = self.wait(|| file::open(&self.dir, self.name))?;
                drop(database);
                self.wait(|| file::open_read_only(&self.dir, self.name))?
            }
            other => other?,
        };
        let transaction = opened.begin_read().map_err(|e| self.error(e))?;
        Ok(View { index: self.clone(), transaction, _database: opened })
    }

    /// Changes the index in one transaction: all changes of `change`, or none.
    pub fn write<T, E: From<IndexError>>(
        &self,
        change: impl FnOnce(&mut IndexWriter) -> Result<T, E>,
    ) -> Result<T, E> {
        self.must_exist()?;
        let known = self.known();
        self.guarded(|| {
            let database = self.wait(|| file::open(&self.dir, self.name))?;
            self.transact(&database, Some(known), change)
        })
    }

    /// Fills an emptied index in one transaction, whether the old index is intact, damaged or missing.
    pub fn rebuild<T, E: From<IndexError>>(
        &self,
        fill: impl Fn(&mut IndexWriter) -> Result<T, E>,
    ) -> Result<T, E> {
        let fill = |writer: &mut IndexWriter| {
            writer.clear()?;
            fill(writer).map_err(Attempt::Fill)
        };
        let attempt = self.guarded(|| {
            self.must_exist()?;
            let database = self.wait(|| file::open_intact(&self.dir, self.name))?;
            self.transact(&database, None, fill)
        });
        let again = match attempt {
            // Created next to the old file, which stays until the new one is complete.
            Err(Attempt::Index(IndexError::Missing(_) | IndexError::Damaged { .. })) => {
                self.dir.remove_abandoned(self.name, Duration::ZERO);
                let new = disk::part_name(self.name).doing(USE, &self.path).map_err(IndexError::Io)?;
                let shown = self.dir.path_of(&new);
                let filled = self.guarded(|| {
                    let database = self.wait(|| file::create(&self.dir, &new))?;
                    self.transact(&database, None, fill)
                });
                let moved = || {
                    self.dir.rename(&new, &self.dir, self.name).doing(USE, &shown)?;
                    self.sync_folder()
                };
                filled.and_then(|filled| moved().map(|()| filled).map_err(Attempt::Index))
            }
            other => other,
        };
        again.map_err(|e| match e {
            Attempt::Index(e) => e.into(),
            Attempt::Fill(e) => e,
        })
    }

    /// Checks redb's checksums of every page on a copy in memory: nothing is repaired, and an index without
    /// write permission can be checked.
    pub fn check(&self) -> Result<(), IndexError> {
        self.must_exist()?;
        self.guarded(|| {
            // Held while the file is read, so that no process writes to it.
            let held = self.open_view()?;
            let bytes = self.dir.read(self.name, limits::INDEX);
            let bytes = bytes.doing(USE, &self.path)?;
            drop(held);
            let copy = InMemoryBackend::new();
            let copied = copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, &bytes));
            copied.doing(USE, &self.path)?;
            drop(bytes);
            let open = Builder::new().create_with_backend(copy).and_then(|mut copy| copy.check_integrity());
            let damaged = |reason| Err(IndexError::Damaged { path: self.path.clone(), reason });
            match open.map_err(|e| self.error(e)) {
                Ok(true) => Ok(()),
                Ok(false) => damaged("a page does not match its recorded checksum".to_owned()),
                // The copy is in memory, so an I/O error means that a page points outside the file.
                Err(IndexError::Io(e)) => damaged(e.source.to_string()),
                Err(e) => Err(e),
            }
        })
    }

    fn guarded<T, E: From<IndexError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let damaged = |reason| IndexError::Damaged { path: self.path.clone(), reason };
        guard(work).unwrap_or_else(|reason| Err(damaged(reason).into()))
    }

    /// One transaction. If the newest change is `known`, an index that has not seen it is refused.
    fn transact<T, E: From<IndexError>>(
        &self,
        database: &Database,
        known: Option<Head>,
        change: impl FnOnce(&mut IndexWriter) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = database.begin_write().map_err(|e| self.error(e))?;
        let mut writer = IndexWriter { index: self, transaction };
        writer.open_all()?;
        let seen = writer.commits()?;
        if let Some(known) = known {
            self.check_age(seen, known, |seq| writer.log_entry(seq))?;
        }
        let result = change(&mut writer)?;
        let commits = seen.max(self.commits()).saturating_add(1);
        writer.set_commits(commits)?;
        let event = writer.log_head()?;
        writer.transaction.commit().map_err(|e| self.error(e))?;
        self.note_commits(commits);
        Head { commits, event }.write(&self.dir);
        Ok(result)
    }

    /// The number of transactions recorded next to the index. The number may lag behind the index but is never
    /// ahead: it is written after each commit, while the index is still locked, and is not synced.
    pub fn commits(&self) -> u64 {
        self.known().commits
    }

    fn noted_commits(&self) -> u64 {
        let text = self
            .dir
            .read(COMMITS_FILE, limits::SMALL_FILE)
            .ok()
            .and_then(|text| String::from_utf8(text).ok());
        text.and_then(|text| text.strip_suffix('\n')?.parse().ok()).unwrap_or(0)
    }

    /// If the number cannot be written, only the detection of an old index suffers.
    fn note_commits(&self, commits: u64) {
        let _ = self.dir.replace(COMMITS_FILE, format!("{commits}\n").as_bytes());
    }

    fn must_exist(&self) -> Result<(), IndexError> {
        match self.dir.stat(self.name) {
            Err(e) if e.kind() == ErrorKind::NotFound => Err(IndexError::Missing(self.path.clone())),
            // For anything else, opening it gives the error.
            _ => Ok(()),
        }
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
                        holder: self
                            .dir
                            .open_file(self.name)
                            .ok()
                            .and_then(|(file, _)| disk::lock_holder(&file)),
                    });
                }
                Err(e) => return Err(self.error(e)),
            }
        }
    }

    fn error(&self, e: impl Into<redb::Error>) -> IndexError {
        let path = self.path.clone();
        match e.into() {
            // redb reports a file that is not a redb file as an I/O error.
            redb::Error::Io(source)
                if matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                IndexError::Damaged { path, reason: source.to_string().trim_end().to_owned() }
            }
            redb::Error::Io(source) => FileError::new(USE, &path, source).into(),
            other => IndexError::Damaged { path, reason: other.to_string() },
        }
    }
}

/// Why a rebuild failed: an error of the index file or of the caller's changes.
enum Attempt<E> {
    Index(IndexError),
    Fill(E),
}

impl<E> From<IndexError> for Attempt<E> {
    fn from(e: IndexError) -> Self {
        Attempt::Index(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Kind, Role, Roles};

    fn index() -> (tempfile::TempDir, Index) {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::within(&Dir::open(dir.path()).unwrap(), "reg.redb");
        index.create().unwrap();
        (dir, index)
    }

    #[test]
    fn records_are_listed_by_kind_in_order_of_registration() {
        let (_dir, index) = index();
        let (a, b, c) = (Hash([9; 32]), Hash([1; 32]), Hash([5; 32]));
        let add = |w: &mut IndexWriter| {
            for (id, kind) in [(a, Kind::Run), (b, Kind::Run), (c, Kind::Split), (a, Kind::Run)] {
                w.record(&id, kind)?;
            }
            Ok::<_, IndexError>(())
        };
        index.write(add).unwrap();
        let view = index.view().unwrap();
        assert_eq!(view.of_kind(Kind::Run).unwrap(), [a, b]);
        assert_eq!(view.of_kind(Kind::Study).unwrap(), []);
        assert_eq!(view.kind(&c).unwrap(), Some(Kind::Split));
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
        let add = |w: &mut IndexWriter| {
            w.mentions([(image, b, Roles::read("run,spec"))].into_iter())?;
            let other = (Hash([254; 32]), a, Role::Log.into());
            w.mentions([(image, a, Role::named("y").into()), other].into_iter())
        };
        index.write(add).unwrap();
        let found = index.view().unwrap().referrers(&image).unwrap();
        assert_eq!(found, [(a, Roles::read("y")), (b, Roles::read("run,spec"))]);
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
