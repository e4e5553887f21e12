//! Names and the log of their changes.

use std::sync::{Arc, Mutex};

use super::{Registry, RegistryError, Stamp};
use crate::hash::{Hash, Id, MIN_PREFIX};
use crate::index::IndexWriter;
use crate::records::codec;
use crate::records::{Event, Kind, NameChange};
use crate::suggest::similar;

/// Whether `name` is valid: letters, digits and `._-+`, starting with a letter or digit, and not mistakable for
/// the start of an id.
pub fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
    let hex = name.len() >= MIN_PREFIX && name.bytes().all(|b| b.is_ascii_hexdigit());
    first && plain && !hex && name.len() <= 128
}

/// A requested name for an object.
#[derive(Debug)]
pub(super) enum NameRequest {
    /// This name, whatever its target is now.
    Exact(String),
    /// This name; it is an error if it has another target.
    Own(String),
    /// This name, with a number appended if it is in use.
    Free(String),
    /// This name, unless it has another target.
    Untaken(String),
}

/// A requested name that has another target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameConflict {
    /// The name.
    pub name: String,
    /// Its current target.
    pub current: Hash,
    /// The requested target.
    pub wanted: Hash,
}

/// Names whose target has changed. Clones share the same list.
#[derive(Debug, Clone, Default)]
pub struct Moves(Arc<Mutex<Vec<NameChange>>>);

impl Moves {
    pub(super) fn note(&self, changes: &[NameChange]) {
        let moved = changes.iter().filter(|change| change.from.is_some() && change.to.is_some()).cloned();
        self.0.lock().expect("no thread panics while it holds this lock").extend(moved);
    }

    /// Empties the list and returns its entries.
    pub fn take(&self) -> Vec<NameChange> {
        std::mem::take(&mut *self.0.lock().expect("no thread panics while it holds this lock"))
    }
}

fn free_name(writer: &IndexWriter, base: &str) -> Result<String, RegistryError> {
    let mut name = base.to_owned();
    let mut number = 2;
    while writer.name(&name)?.is_some() {
        name = format!("{base}-{number}");
        number += 1;
    }
    Ok(name)
}

impl Registry {
    /// Changes names inside an index transaction. The event is durable before the commit; if the commit then
    /// fails, the event belongs to no log, and `reindex` prefers the longer chain.
    pub(super) fn change_names(
        &self,
        writer: &mut IndexWriter,
        names: &[(NameRequest, Hash)],
        stamp: &Stamp,
    ) -> Result<(Vec<NameChange>, Vec<NameConflict>), RegistryError> {
        let (mut changes, mut conflicts) = (Vec::new(), Vec::new());
        for (request, to) in names {
            let name = match request {
                NameRequest::Exact(name) | NameRequest::Own(name) | NameRequest::Untaken(name) => {
                    name.clone()
                }
                NameRequest::Free(base) => free_name(writer, base)?,
            };
            let from = writer.name(&name)?;
            if let (NameRequest::Own(_), Some(taken)) = (request, from.filter(|from| from != to)) {
                let kind = writer.kind(&taken)?.map_or("object", Kind::name);
                return Err(RegistryError::NameTaken { name, kind, id: taken });
            }
            if let (NameRequest::Untaken(_), Some(from)) = (request, from.filter(|from| from != to)) {
                conflicts.push(NameConflict { name, current: from, wanted: *to });
            } else if from != Some(*to) {
                // An object without a name may have been removed between its lookup and the lease.
                self.store.size(to)?;
                writer.set_name(&name, Some(*to))?;
                changes.push(NameChange { name, from, to: Some(*to) });
            }
        }
        if !changes.is_empty() {
            self.log(writer, changes.clone(), stamp)?;
        }
        Ok((changes, conflicts))
    }

    pub(super) fn log(
        &self,
        writer: &mut IndexWriter,
        names: Vec<NameChange>,
        stamp: &Stamp,
    ) -> Result<(), RegistryError> {
        let head = writer.log_head()?;
        let full = || RegistryError::Unsound {
            doing: "another change of names",
            problem: "the log ends with the largest number there is, so somebody has tampered with it"
                .to_owned(),
        };
        let event = Event {
            seq: head.map_or(Some(1), |(seq, _)| seq.checked_add(1)).ok_or_else(full)?,
            prev: head.map(|(_, id)| Id::new(id)),
            time: stamp.time.clone(),
            command: stamp.command.clone(),
            names,
        };
        let bytes = codec::encode(&event).map_err(RegistryError::Unwritable)?;
        let batch = self.store.batch()?;
        let id = batch.put(&bytes)?;
        batch.persist()?;
        Ok(writer.push_log(event.seq, &id)?)
    }

    /// Renames what has a name. A new name that something else has is moved only if `move_taken`.
    ///
    /// # Errors
    /// Also an old name that nothing has.
    pub fn rename(
        &self,
        old: &str,
        new: &str,
        move_taken: bool,
        stamp: &Stamp,
    ) -> Result<Hash, RegistryError> {
        if !is_name(new) {
            return Err(RegistryError::BadName(new.to_owned()));
        }
        let _lease = self.lease_to_add()?;
        let (id, changes) = self.index.write(|writer| {
            let Some(id) = writer.name(old)? else {
                let names = writer.names()?;
                let similar = similar(old, names.iter().map(|(name, _)| name.as_str()));
                let similar = similar.into_iter().map(str::to_owned).collect();
                return Err(RegistryError::Unknown { text: old.to_owned(), similar, known: None });
            };
            let taken = writer.name(new)?.filter(|taken| *taken != id);
            if let (Some(taken), false) = (taken, move_taken) {
                let kind = writer.kind(&taken)?.map_or("object", Kind::name);
                return Err(RegistryError::NameTaken { name: new.to_owned(), kind, id: taken });
            }
            let changes = vec![
                NameChange { name: old.to_owned(), from: Some(id), to: None },
                NameChange { name: new.to_owned(), from: taken, to: Some(id) },
            ];
            if old != new {
                writer.set_name(old, None)?;
                writer.set_name(new, Some(id))?;
                self.log(writer, changes.clone(), stamp)?;
            }
            Ok((id, changes))
        })?;
        self.moves.note(&changes);
        Ok(id)
    }

    /// Removes a name; its target stays.
    pub fn remove_name(&self, name: &str, stamp: &Stamp) -> Result<(), RegistryError> {
        let _lease = self.lease_to_add()?;
        self.index.write(|writer| {
            let Some(from) = writer.name(name)? else {
                return Err(RegistryError::Unknown {
                    text: name.to_owned(),
                    similar: Vec::new(),
                    known: None,
                });
            };
            writer.set_name(name, None)?;
            self.log(writer, vec![NameChange { name: name.to_owned(), from: Some(from), to: None }], stamp)
        })
    }
}
