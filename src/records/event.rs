//! A change of names. Names are the only thing that an index cannot recompute from other objects, so
//! each change is an object too, chained to the one before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hash::{Hash, Id};

/// One entry of the log: names that changed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Entry number, from 1.
    pub seq: u64,
    /// The entry before; null for the first.
    pub prev: Option<Id<Event>>,
    /// When, in UTC.
    pub time: String,
    /// The command that did it.
    pub command: String,
    /// The changes.
    pub names: Vec<NameChange>,
}

/// One name's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameChange {
    /// The name.
    pub name: String,
    /// What it named before; null when it is new.
    pub from: Option<Hash>,
    /// What it names now; null when it was removed.
    pub to: Option<Hash>,
}
