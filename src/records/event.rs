//! A change of names. An index can recompute everything from the other objects except for names, so each change
//! of names is an object too, linked to the previous one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::check_time;
use super::{Content, Descriptor, ImageUse, Kind, Record, RecordClass, Role, Travels};
use crate::hash::{Hash, Id};

/// One entry of the log: names that were changed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Entry number, from 1.
    pub seq: u64,
    /// The previous entry; null for the first.
    pub prev: Option<Id<Event>>,
    /// Time in UTC, such as `2026-11-05T08:30:00Z`.
    #[schemars(extend("pattern" = super::time::PATTERN))]
    pub time: String,
    /// The command that changed the names.
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

    fn check(&self) -> Result<(), String> {
        check_time("time", &self.time)
    }

    fn summary(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(|change| change.name.as_str()).collect();
        format!("{} {}", self.time, names.join(", "))
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        Vec::new()
    }
}

/// The change of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameChange {
    /// The name.
    pub name: String,
    /// The previous target; null for a new name.
    pub from: Option<Hash>,
    /// The new target; null for a removed name.
    pub to: Option<Hash>,
}
