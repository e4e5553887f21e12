//! Notes that people wrote about records.

use std::collections::HashSet;

use super::walk::Lineage;
use super::{Registry, RegistryError};
use crate::hash::{Hash, Id};
use crate::records::Note;

impl Registry {
    /// The newest note about a record; `None` if there is none or if the newest note removes the previous one.
    ///
    /// Of several notes that no other note replaces (two people can write them and then exchange registries),
    /// the latest counts.
    pub fn note(
        &self,
        lineage: &dyn Lineage,
        about: &Hash,
    ) -> Result<Option<(Id<Note>, Note)>, RegistryError> {
        Ok(self.last_note(lineage, about)?.filter(|(_, note)| !note.text.is_empty()))
    }

    /// The newest note about a record, including one that removes the previous note.
    pub fn last_note(
        &self,
        lineage: &dyn Lineage,
        about: &Hash,
    ) -> Result<Option<(Id<Note>, Note)>, RegistryError> {
        let mut notes = self.referring::<Note>(lineage, about)?;
        notes.retain(|(_, note)| note.about == *about);
        let replaced: HashSet<Id<Note>> = notes.iter().filter_map(|(_, note)| note.prev).collect();
        notes.retain(|(id, _)| !replaced.contains(id));
        Ok(notes.into_iter().max_by(|(a, one), (b, other)| (&one.time, a.hash).cmp(&(&other.time, b.hash))))
    }
}
