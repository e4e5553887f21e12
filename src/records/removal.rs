//! A removal of results: which records, when, by which command. It is an object of its own, so that what was removed
//! does not come back with a rebuilt index or from another registry.
//!
//! The record refers to others by text that is not a link: it must neither keep what was removed nor seem damaged
//! when that is gone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Content, Descriptor, ImageUse, Kind, Record, RecordClass, Role, Travels};
use crate::digits::counted;
use crate::hash::{Hash, Id, Mention};

/// Records that were removed, or that came back after a removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// The records.
    #[schemars(length(min = 1))]
    pub records: Vec<RemovedRecord>,
    /// Number of earlier removals in the registry, so that a repeated removal is another record.
    pub number: u64,
    /// Time in UTC.
    pub time: String,
    /// The command line, quoted for a shell.
    pub command: String,
    /// The removal after which these of its records came back: they were computed again, or a result that stays
    /// depends on them. Absent where records are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::hash::Hash")]
    pub revokes: Option<Id<Removal>>,
}

/// A record that was removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemovedRecord {
    /// Its id.
    pub id: Mention,
    /// Its kind.
    pub kind: String,
    /// The name that it had.
    pub name: Option<String>,
}

impl RemovedRecord {
    /// Its kind and its name, or the start of its id: `run tiny-s-f0`.
    pub fn called(&self) -> String {
        format!("{} {}", self.kind, self.name.clone().unwrap_or_else(|| self.id.0.short()))
    }
}

impl Record for Removal {
    const KIND: Kind = Kind::Removal;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "removal",
        plural: "removals",
        called: "a removal",
        inputs: &[Role::Revokes],
        outputs: &[],
        chosen: |_| true,
        class: RecordClass::Decided,
        travels: Travels::Always,
        carries: false,
        recomputed: None,
        content: Content::Document,
        is_listed: false,
    };

    fn check(&self) -> Result<(), String> {
        if self.records.is_empty() { Err("it lists no record".to_owned()) } else { Ok(()) }
    }

    fn summary(&self) -> String {
        let named = self.records.iter().filter(|record| record.name.is_some()).map(RemovedRecord::called);
        let mut others: BTreeMap<&str, u64> = BTreeMap::new();
        for record in self.records.iter().filter(|record| record.name.is_none()) {
            *others.entry(&record.kind).or_default() += 1;
        }
        let others = others.into_iter().map(|(kind, count)| match Kind::named(kind) {
            Some(known) => known.counted(count as usize),
            None => counted(count, kind),
        });
        let all: Vec<String> = named.chain(others).collect();
        let verb = if self.revokes.is_some() { "restored" } else { "removed" };
        format!("{verb} on {}: {}", self.time, all.join(", "))
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        Vec::new()
    }
}
