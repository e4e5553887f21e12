//! What a person has to say of a run, a split, a data set or a table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Content, Descriptor, ImageUse, Kind, Record, RecordClass, Role, Travels};
use crate::hash::{Hash, Id};

/// A note that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// What it is about.
    pub about: Hash,
    /// Plain text of at most 16 KiB; empty where it takes the one before away.
    pub text: String,
    /// When, in UTC.
    pub time: String,
    /// The note that it replaces; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::hash::Hash")]
    pub prev: Option<Id<Note>>,
}

/// Most bytes of a note.
pub const MAX_NOTE: usize = 16 << 10;

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
        if self.text.len() > MAX_NOTE {
            return Err(format!("its text has {} bytes, and {MAX_NOTE} are the most", self.text.len()));
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
