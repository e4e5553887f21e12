//! Changes of the index, all made in one transaction.

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::tables::{COMMITS, KINDS, LOG, NAMES, ORDER, RECORDS, REFERRERS, RUNS, STATE};
use super::{Index, IndexError, RunRow};
use crate::hash::Hash;
use crate::records::{Kind, Roles, codec};

/// A transaction that changes the index.
pub struct IndexWriter<'a> {
    pub(super) index: &'a Index,
    pub(super) transaction: WriteTransaction,
}

impl IndexWriter<'_> {
    pub(super) fn open_all(&self) -> Result<(), IndexError> {
        let open = || -> Result<(), redb::TableError> {
            self.transaction.open_table(RECORDS)?;
            self.transaction.open_table(KINDS)?;
            self.transaction.open_table(REFERRERS)?;
            self.transaction.open_table(RUNS)?;
            self.transaction.open_table(NAMES)?;
            self.transaction.open_table(LOG)?;
            self.transaction.open_table(STATE)?;
            Ok(())
        };
        open().map_err(|e| self.index.error(e))
    }

    pub(super) fn commits(&self) -> Result<u64, IndexError> {
        let read = || -> Result<u64, redb::Error> {
            Ok(self.transaction.open_table(STATE)?.get(COMMITS)?.map_or(0, |row| row.value()))
        };
        read().map_err(|e| self.index.error(e))
    }

    pub(super) fn set_commits(&mut self, commits: u64) -> Result<(), IndexError> {
        let set = || -> Result<(), redb::Error> {
            self.transaction.open_table(STATE)?.insert(COMMITS, commits)?;
            Ok(())
        };
        set().map_err(|e| self.index.error(e))
    }

    /// Removes a record: its kind and its references to others.
    pub fn forget(&mut self, id: &Hash, links: impl Iterator<Item = Hash>) -> Result<(), IndexError> {
        let forget = || -> Result<(), redb::Error> {
            let row = self.transaction.open_table(RECORDS)?.remove(id.0)?.map(|row| {
                let (order, kind) = row.value();
                (order, kind.to_owned())
            });
            if let Some((order, kind)) = row {
                self.transaction.open_table(KINDS)?.remove((kind.as_str(), order))?;
            }
            self.transaction.open_table(RUNS)?.remove(id.0)?;
            let mut referrers = self.transaction.open_table(REFERRERS)?;
            for to in links {
                referrers.remove((to.0, id.0))?;
            }
            Ok(())
        };
        forget().map_err(|e| self.index.error(e))
    }

    /// Removes a record that cannot be read, so that what it named is unknown: all references are looked through.
    pub fn forget_all_of(&mut self, id: &Hash) -> Result<(), IndexError> {
        let named = || -> Result<Vec<Hash>, redb::Error> {
            let referrers = self.transaction.open_table(REFERRERS)?;
            let mut named = Vec::new();
            for entry in referrers.iter()? {
                let (to, from) = entry?.0.value();
                named.extend((from == id.0).then_some(Hash(to)));
            }
            Ok(named)
        };
        let named = named().map_err(|e| self.index.error(e))?;
        self.forget(id, named.into_iter())
    }

    /// Empties all tables except for the number of transactions.
    pub fn clear(&mut self) -> Result<(), IndexError> {
        let clear = || -> Result<(), redb::Error> {
            self.transaction.delete_table(RECORDS)?;
            self.transaction.delete_table(KINDS)?;
            self.transaction.delete_table(REFERRERS)?;
            self.transaction.delete_table(RUNS)?;
            self.transaction.delete_table(NAMES)?;
            self.transaction.delete_table(LOG)?;
            self.transaction.open_table(STATE)?.remove(ORDER)?;
            Ok(())
        };
        clear().map_err(|e| self.index.error(e))?;
        self.open_all()
    }

    /// Adds a record; an existing one is left unchanged.
    pub fn record(&mut self, id: &Hash, kind: Kind) -> Result<(), IndexError> {
        let add = || -> Result<(), redb::Error> {
            let mut records = self.transaction.open_table(RECORDS)?;
            if records.get(id.0)?.is_some() {
                return Ok(());
            }
            // Not the number of records: some may have been removed.
            let order = self.transaction.open_table(STATE)?.get(ORDER)?.map(|row| row.value());
            let order = order.unwrap_or(records.len()?);
            self.transaction.open_table(STATE)?.insert(ORDER, order + 1)?;
            records.insert(id.0, (order, kind.name()))?;
            self.transaction.open_table(KINDS)?.insert((kind.name(), order), id.0)?;
            Ok(())
        };
        add().map_err(|e| self.index.error(e))
    }

    /// Adds references: target, referrer, role. Cheapest in ascending order.
    pub fn mentions(
        &mut self,
        mentions: impl Iterator<Item = (Hash, Hash, Roles)>,
    ) -> Result<(), IndexError> {
        let add = || -> Result<(), redb::Error> {
            let mut referrers = self.transaction.open_table(REFERRERS)?;
            for (to, from, roles) in mentions {
                referrers.insert((to.0, from.0), &*roles.text())?;
            }
            Ok(())
        };
        add().map_err(|e| self.index.error(e))
    }

    /// Whether the reference from `from` to `to` is in the index.
    pub fn is_mentioned(&self, to: &Hash, from: &Hash) -> Result<bool, IndexError> {
        let read = || -> Result<bool, redb::Error> {
            Ok(self.transaction.open_table(REFERRERS)?.get((to.0, from.0))?.is_some())
        };
        read().map_err(|e| self.index.error(e))
    }

    /// Keeps what lists say of a run, or no longer.
    pub fn set_run_row(&mut self, id: &Hash, row: Option<&RunRow>) -> Result<(), IndexError> {
        // What cannot be packed is looked up in the objects.
        let packed = row.and_then(|row| codec::pack(row).ok());
        let set = || -> Result<(), redb::Error> {
            let mut runs = self.transaction.open_table(RUNS)?;
            match packed {
                Some(packed) => drop(runs.insert(id.0, packed.as_slice())?),
                None => drop(runs.remove(id.0)?),
            }
            Ok(())
        };
        set().map_err(|e| self.index.error(e))
    }

    /// The kind of a record; `None` for other objects.
    pub fn kind(&self, id: &Hash) -> Result<Option<Kind>, IndexError> {
        let read = || -> Result<Option<Kind>, redb::Error> {
            let records = self.transaction.open_table(RECORDS)?;
            Ok(records.get(id.0)?.and_then(|row| Kind::named(row.value().1)))
        };
        read().map_err(|e| self.index.error(e))
    }

    /// The records of a kind, oldest first.
    pub fn of_kind(&self, kind: Kind) -> Result<Vec<Hash>, IndexError> {
        let read = || -> Result<Vec<Hash>, redb::Error> {
            let kinds = self.transaction.open_table(KINDS)?;
            let range = (kind.name(), 0)..=(kind.name(), u64::MAX);
            kinds.range(range)?.map(|entry| Ok(Hash(entry?.1.value()))).collect()
        };
        read().map_err(|e| self.index.error(e))
    }

    /// Who names the object, and as what.
    pub fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, IndexError> {
        let read = || -> Result<Vec<(Hash, Roles)>, redb::Error> {
            let referrers = self.transaction.open_table(REFERRERS)?;
            let range = (id.0, [0; 32])..=(id.0, [255; 32]);
            let row = |entry: redb::Range<'_, ([u8; 32], [u8; 32]), &str>| {
                entry
                    .map(|entry| entry.map(|(key, roles)| (Hash(key.value().1), Roles::read(roles.value()))))
                    .collect::<Result<Vec<_>, _>>()
            };
            Ok(row(referrers.range(range)?)?)
        };
        read().map_err(|e| self.index.error(e))
    }

    /// The target of `name`.
    pub fn name(&self, name: &str) -> Result<Option<Hash>, IndexError> {
        let read = || -> Result<Option<Hash>, redb::Error> {
            let names = self.transaction.open_table(NAMES)?;
            Ok(names.get(name)?.map(|id| Hash(id.value())))
        };
        read().map_err(|e| self.index.error(e))
    }

    /// All names and their targets, sorted.
    pub fn names(&self) -> Result<Vec<(String, Hash)>, IndexError> {
        let read = || -> Result<Vec<(String, Hash)>, redb::Error> {
            let names = self.transaction.open_table(NAMES)?;
            let mut all = Vec::new();
            for entry in names.iter()? {
                let (name, id) = entry?;
                all.push((name.value().to_owned(), Hash(id.value())));
            }
            Ok(all)
        };
        read().map_err(|e| self.index.error(e))
    }

    /// Points `name` to `to`, or removes the name.
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

    /// The entry of the log with this number.
    pub fn log_entry(&self, seq: u64) -> Result<Option<Hash>, IndexError> {
        let read = || -> Result<Option<Hash>, redb::Error> {
            Ok(self.transaction.open_table(LOG)?.get(seq)?.map(|row| Hash(row.value())))
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
