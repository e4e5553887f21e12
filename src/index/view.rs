//! Queries to the index, all answered from one snapshot.

use std::collections::HashMap;

use redb::{ReadOnlyDatabase, ReadTransaction, ReadableTable, ReadableTableMetadata, TableError};

use super::tables::{COMMITS, KINDS, LOG, NAMES, RECORDS, REFERRERS, RUNS, STATE};
use super::{Head, Index, IndexError, RunRow};
use crate::hash::Hash;
use crate::records::{Kind, Roles, codec};

/// A record's kind, its place in the order of registration, and its id.
pub type Registration = (String, u64, Hash);

/// A snapshot of the index.
pub struct View {
    pub(super) index: Index,
    pub(super) transaction: ReadTransaction,
    pub(super) _database: ReadOnlyDatabase,
}

impl View {
    /// The target of `name`.
    pub fn name(&self, name: &str) -> Result<Option<Hash>, IndexError> {
        self.read(|t| Ok(t.open_table(NAMES)?.get(name)?.map(|id| Hash(id.value()))))
    }

    /// The number of transactions that the index has seen.
    pub(super) fn commits(&self) -> Result<u64, IndexError> {
        self.read(|t| match t.open_table(STATE) {
            Ok(table) => Ok(table.get(COMMITS)?.map_or(0, |row| row.value())),
            // Written by a version of reg that did not count.
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(e) => Err(e.into()),
        })
    }

    /// All names and their targets, sorted.
    pub fn names(&self) -> Result<Vec<(String, Hash)>, IndexError> {
        let row = |name: &str, id: [u8; 32]| (name.to_owned(), Hash(id));
        self.read(|t| collect(t.open_table(NAMES)?.iter()?, row))
    }

    /// The name of each object that has one; the first in alphabetical order if there are several.
    pub fn names_by_id(&self) -> Result<HashMap<Hash, String>, IndexError> {
        let mut names = HashMap::new();
        for (name, id) in self.names()? {
            names.entry(id).or_insert(name);
        }
        Ok(names)
    }

    /// The kind of a record; `None` for an object that is not a record or is of an unknown kind.
    pub fn kind(&self, id: &Hash) -> Result<Option<Kind>, IndexError> {
        self.read(|t| Ok(t.open_table(RECORDS)?.get(id.0)?.and_then(|row| Kind::named(row.value().1))))
    }

    /// The records of a kind, oldest first.
    pub fn of_kind(&self, kind: Kind) -> Result<Vec<Hash>, IndexError> {
        let range = (kind.name(), 0)..=(kind.name(), u64::MAX);
        self.read(|t| collect(t.open_table(KINDS)?.range(range)?, |_: (&str, u64), id: [u8; 32]| Hash(id)))
    }

    /// All records with their kinds, once from each of the two tables that hold them: order of registration,
    /// kind, record, sorted by kind and order.
    pub fn registrations(&self) -> Result<[Vec<Registration>; 2], IndexError> {
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

    /// All references: target, referrer, role.
    pub fn all_referrers(&self) -> Result<Vec<(Hash, Hash, Roles)>, IndexError> {
        let row = |(to, from): ([u8; 32], [u8; 32]), roles: &str| (Hash(to), Hash(from), Roles::read(roles));
        self.read(|t| collect(t.open_table(REFERRERS)?.iter()?, row))
    }

    /// Number of records.
    pub fn records(&self) -> Result<u64, IndexError> {
        self.read(|t| Ok(t.open_table(RECORDS)?.len()?))
    }

    /// The referrers of an object, with the roles.
    pub fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, IndexError> {
        let range = (id.0, [0; 32])..=(id.0, [255; 32]);
        let row = |(_, from): ([u8; 32], [u8; 32]), roles: &str| (Hash(from), Roles::read(roles));
        self.read(|t| collect(t.open_table(REFERRERS)?.range(range)?, row))
    }

    /// What lists say of runs. Runs may be missing: those of an older index, and those whose objects could not be
    /// read.
    pub fn run_rows(&self) -> Result<HashMap<Hash, RunRow>, IndexError> {
        let row = |id: [u8; 32], row: &[u8]| codec::unpack(row).ok().map(|row| (Hash(id), row));
        self.read(|t| match t.open_table(RUNS) {
            Ok(table) => Ok(collect(table.iter()?, row)?.into_iter().flatten().collect()),
            // Written by a version of reg that kept no rows.
            Err(TableError::TableDoesNotExist(_)) => Ok(HashMap::new()),
            Err(e) => Err(e.into()),
        })
    }

    /// What lists say of one run.
    pub fn run_row(&self, id: &Hash) -> Result<Option<RunRow>, IndexError> {
        self.read(|t| match t.open_table(RUNS) {
            Ok(table) => Ok(table.get(id.0)?.and_then(|row| codec::unpack(row.value()).ok())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(e) => Err(e.into()),
        })
    }

    /// The entry of the log with this number.
    pub fn log_entry(&self, seq: u64) -> Result<Option<Hash>, IndexError> {
        self.read(|t| Ok(t.open_table(LOG)?.get(seq)?.map(|row| Hash(row.value()))))
    }

    /// The state of the index in this snapshot: as long as it is the same, every query has the same answer.
    pub fn state(&self) -> Result<Head, IndexError> {
        let commits = self.commits()?;
        self.read(|t| {
            let log = t.open_table(LOG)?;
            let newest = log.last()?;
            Ok(Head { commits, event: newest.map(|(seq, event)| (seq.value(), Hash(event.value()))) })
        })
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
