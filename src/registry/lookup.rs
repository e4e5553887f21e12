//! From what somebody typed to a record.

use super::walk::Lineage;
use super::{Registry, RegistryError};
use crate::hash::{Hash, Id, MIN_PREFIX};
use crate::index::View;
use crate::records::{Kind, Record};
use crate::suggest::similar;

impl Registry {
    /// Asserts that a name is free, or that of `id`, or may be moved.
    pub fn check_name(&self, view: &View, name: &str, id: Option<Hash>) -> Result<(), RegistryError> {
        match view.name(name)? {
            Some(taken) if self.keeps_names && Some(taken) != id => {
                let kind = view.kind(&taken)?.map_or("object", Kind::name);
                Err(RegistryError::NameTaken { name: name.to_owned(), kind, id: taken })
            }
            _ => Ok(()),
        }
    }

    /// What a name, a full id or the beginning of one means.
    pub fn resolve(&self, view: &View, text: &str) -> Result<Hash, RegistryError> {
        if let Some(id) = view.name(text)? {
            return Ok(id);
        }
        let digits = text.len() >= MIN_PREFIX && text.len() <= 64;
        let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let found = if digits && hex { self.store.matching(text)? } else { Vec::new() };
        match found[..] {
            // In the store until `reg gc`, and in no index.
            [id] if view.kind(&id)?.is_none() => match self.removed(view)?.error(&id, self.store()) {
                Some(removed) => Err(removed),
                None => Ok(id),
            },
            [id] => Ok(id),
            [] => {
                let removed = self.removed(view)?;
                let of_id =
                    removed.ids().find(|id| digits && hex && id.to_string().starts_with(text)).copied();
                if let Some(error) =
                    removed.named(text).or(of_id).and_then(|id| removed.error(&id, self.store()))
                {
                    return Err(error);
                }
                let names = view.names()?;
                let similar = similar(text, names.iter().map(|(name, _)| name.as_str()));
                let similar = similar.into_iter().map(str::to_owned).collect();
                Err(RegistryError::Unknown { text: text.to_owned(), similar, known: None })
            }
            _ => {
                let kind = |id: &Hash| Ok(view.kind(id)?.map_or("object", Kind::name).to_owned());
                let candidates = found.iter().map(|id| kind(id).map(|kind| (*id, kind)));
                let candidates = candidates.collect::<Result<_, RegistryError>>()?;
                Err(RegistryError::Ambiguous { prefix: text.to_owned(), candidates })
            }
        }
    }

    /// What `text` means, which must be a `T`.
    pub fn resolve_as<T: Record>(&self, view: &View, text: &str) -> Result<Id<T>, RegistryError> {
        let id = self.resolve(view, text).or_else(|e| Err(self.with_known(view, T::KIND, e)?))?;
        match view.kind(&id)? {
            Some(kind) if kind == T::KIND => Ok(Id::new(id)),
            kind => Err(RegistryError::WrongKind {
                text: text.to_owned(),
                expected: T::KIND.name(),
                found: kind.map_or("file that is no record", Kind::name).to_owned(),
            }),
        }
    }

    /// An error about an unknown name, with the names of the kind that is expected.
    fn with_known(&self, view: &View, kind: Kind, e: RegistryError) -> Result<RegistryError, RegistryError> {
        let RegistryError::Unknown { text, similar, .. } = e else { return Ok(e) };
        let known = Some((kind.descriptor().plural, self.names_of(view, kind)?));
        Ok(RegistryError::Unknown { text, similar, known })
    }

    /// The names of all records of a kind, the newest record first.
    pub fn names_of(&self, view: &View, kind: Kind) -> Result<Vec<String>, RegistryError> {
        let names = view.names_by_id()?;
        Ok(view.of_kind(kind)?.into_iter().rev().filter_map(|id| names.get(&id).cloned()).collect())
    }

    /// The name of an object, or the start of its id: what messages call it.
    pub fn called(&self, id: &Hash) -> Result<String, RegistryError> {
        Ok(self.view()?.names_by_id()?.remove(id).unwrap_or_else(|| id.short()))
    }

    /// Records of kind `T` that name `id`, sorted by id.
    pub fn referring<T: Record>(
        &self,
        lineage: &dyn Lineage,
        id: &Hash,
    ) -> Result<Vec<(Id<T>, T)>, RegistryError> {
        let mut found = Vec::new();
        for (from, _) in lineage.referrers(id)? {
            if lineage.kind(&from)? == Some(T::KIND) {
                found.push((Id::new(from), self.get(Id::new(from))?));
            }
        }
        Ok(found)
    }
}
