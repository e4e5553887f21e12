//! Notes about runs, splits, data sets or tables, written by people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::check_time;
use super::{Content, Descriptor, ImageUse, Kind, Record, RecordClass, Role, Travels};
use crate::digits::thousands;
use crate::hash::{Hash, Id};
use crate::limits;

/// A note written by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The object that the note is about.
    pub about: Hash,
    /// Plain text of at most 16 KiB; empty if the note only removes the previous one.
    pub text: String,
    /// Time in UTC, such as `2026-11-05T08:30:00Z`.
    #[schemars(extend("pattern" = super::time::PATTERN))]
    pub time: String,
    /// The previous note, which this one replaces; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::hash::Hash")]
    pub prev: Option<Id<Note>>,
}

impl Record for Note {
    const KIND: Kind = Kind::Note;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "note",
        plural: "notes",
        called: "a note",
        inputs: &[Role::About, Role::Prev],
        outputs: &[],
        chosen: |_| true,
        class: RecordClass::Decided,
        travels: Travels::WithSubject,
        carries: false,
        recomputed: None,
        content: Content::Document,
        is_listed: false,
    };

    fn check(&self) -> Result<(), String> {
        check_time("time", &self.time)?;
        if self.text.len() > limits::NOTE {
            let [found, most] = [self.text.len(), limits::NOTE].map(|bytes| thousands(bytes as u64));
            return Err(format!("its text has {found} bytes; the maximum is {most}"));
        }
        match self.text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            Some(c) => Err(format!("its text holds the control character {c:?}")),
            None => Ok(()),
        }
    }

    fn summary(&self) -> String {
        const SHOWN: usize = 60;
        let line = self.text.lines().next().unwrap_or_default();
        let cut = line.chars().count() > SHOWN || self.text.lines().nth(1).is_some();
        let line: String = line.chars().take(SHOWN).collect();
        match line.is_empty() {
            true => format!("{} removed", self.time),
            false => format!("{} {line}{}", self.time, if cut { "…" } else { "" }),
        }
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        vec![ImageUse::Of(self.about)]
    }
}
