//! Every table of the index. If the meaning of a table changes, the number in its name is raised.
//!
//! All tables except names and log are derived from the objects; names and log are stored as `event` objects.
//! The types are plain, so decoding cannot fail.

use redb::TableDefinition;

/// Record id -> (order of registration, kind).
pub(super) const RECORDS: TableDefinition<[u8; 32], (u64, &str)> = TableDefinition::new("records_v1");

/// (kind, order of registration) -> record id.
pub(super) const KINDS: TableDefinition<(&str, u64), [u8; 32]> = TableDefinition::new("kinds_v1");

/// (object, record or manifest that refers to it) -> the roles, separated by commas.
///
/// Only this direction is stored: the objects to which an object refers are in the object itself.
pub(super) const REFERRERS: TableDefinition<([u8; 32], [u8; 32]), &str> =
    TableDefinition::new("referrers_v1");

/// Run -> what a list says of it, packed; see [`super::RunRow`]. A run without a row is looked up in the objects.
pub(super) const RUNS: TableDefinition<[u8; 32], &[u8]> = TableDefinition::new("runs_v2");

/// Name -> its target.
pub(super) const NAMES: TableDefinition<&str, [u8; 32]> = TableDefinition::new("names_v1");

/// Number of a log entry -> its event.
pub(super) const LOG: TableDefinition<u64, [u8; 32]> = TableDefinition::new("log_v1");

/// State of the index itself.
pub(super) const STATE: TableDefinition<&str, u64> = TableDefinition::new("state_v1");
/// Key of [`STATE`]: the number of transactions that the index has seen.
pub(super) const COMMITS: &str = "commits";
/// Key of [`STATE`]: the place of the next record in the order of registration.
pub(super) const ORDER: &str = "order";
