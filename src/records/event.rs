//! A change of names. Names are the only thing that an index cannot recompute from other objects, so
//! each change is an object too, chained to the one before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Content, Descriptor, ImageUse, Kind, Record, RecordClass, Role, Travels};
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

impl Record for Event {
    const KIND: Kind = Kind::Event;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "event",
        plural: "events",
        called: "a log entry",
        inputs: &[Role::From, Role::Prev],
        outputs: &[Role::To],
        chosen: |_| true,
        class: RecordClass::Input,
        travels: Travels::Never,
        carries: false,
        recomputed: None,
        content: Content::Document,
        is_listed: false,
    };

    fn summary(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(|change| change.name.as_str()).collect();
        format!("{} {}", self.time, names.join(", "))
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        Vec::new()
    }
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
