//! Says of results what must not be overlooked: that they contain withdrawn data, or that nobody knows from which images
//! their models have learnt.

use reg::compare::LeakFinder;
use reg::escape::shell;
use reg::hash::Hash;
use reg::records::{Kind, RecordClass};
use reg::registry::{Objects, Registry, RegistryError};
use reg::usage::{UnknownAncestry, UnknownOrigin};
use reg::withdrawal::{Mark, Marks};

use super::Context;
use super::error::Failure;

/// What must be said of a record wherever it is shown.
pub(crate) struct ResultRemark {
    /// The record.
    pub(crate) id: Hash,
    /// The withdrawn data in it.
    pub(crate) withdrawn: Option<Mark>,
    /// The files of unknown origin behind it, with the sentence about them.
    unknown: Option<(UnknownAncestry, String)>,
    /// What its models have learnt from that they are tested on, as far as its record does not say so: a single result says
    /// nothing, and a comparison what was known when it was made.
    pub(crate) leaks: Vec<String>,
}

impl ResultRemark {
    /// Sentences without subject: `contains withdrawn data: …`, `starts from …`.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = String> {
        let unknown = self.unknown.iter().map(|(_, said)| said.clone());
        let leaks = self.leaks.iter().map(|why| format!("has a leak: {why}"));
        self.withdrawn.iter().map(Mark::to_string).chain(unknown).chain(leaks)
    }

    /// The sentence about files of unknown origin.
    pub(crate) fn unknown(&self) -> Option<&str> {
        self.unknown.as_ref().map(|(_, said)| said.as_str())
    }

    /// The files of unknown origin.
    pub(crate) fn files(&self) -> &[UnknownOrigin] {
        self.unknown.as_ref().map_or(&[], |(ancestry, _)| &ancestry.files)
    }
}

/// The remarks about some records; each is also told on standard error.
pub(super) fn warn(
    context: &Context,
    registry: &Registry,
    ids: impl IntoIterator<Item = Hash>,
) -> Result<Vec<ResultRemark>, Failure> {
    warn_of(context, registry, ids.into_iter().map(|id| (id, vec![id])))
}

/// The same of one record, with the leaks that are known today.
pub(super) fn warn_of_leaks_too(
    context: &Context,
    registry: &Registry,
    id: Hash,
) -> Result<Vec<ResultRemark>, Failure> {
    let mut remarks = warn(context, registry, [id])?;
    let name = registry.view()?.names_by_id().map_err(RegistryError::from)?.remove(&id);
    let name = name.map_or_else(|| id.short(), |name| shell(&name));
    // A damaged input must not hide the record itself.
    let leaks = LeakFinder::of(registry).of_record(id, &name).unwrap_or_else(|e| {
        context.note(&format!("warning: leaks were not checked: {e}"));
        Vec::new()
    });
    if leaks.is_empty() {
        return Ok(remarks);
    }
    for why in &leaks {
        context.note(&format!("warning: {why}"));
    }
    match remarks.last_mut() {
        Some(remark) => remark.leaks = leaks,
        None => remarks.push(ResultRemark { id, withdrawn: None, unknown: None, leaks }),
    }
    Ok(remarks)
}

/// The same of records with others that go along with them.
pub(super) fn warn_of(
    context: &Context,
    registry: &Registry,
    each: impl IntoIterator<Item = (Hash, Vec<Hash>)>,
) -> Result<Vec<ResultRemark>, Failure> {
    let view = registry.view()?;
    let mut marks = Marks::open(registry, &view)?;
    let names = view.names_by_id().map_err(RegistryError::from)?;
    let mut found: Vec<ResultRemark> = Vec::new();
    for (id, all) in each {
        let kind = view.kind(&id).map_err(RegistryError::from)?;
        let is_result = |kind: Kind| kind.descriptor().class == RecordClass::Computed;
        let unknown = match kind.is_some_and(is_result) {
            true => UnknownAncestry::of(registry as &dyn Objects, &all)?,
            false => None,
        };
        let name_of = |id: &Hash| names.get(id).cloned();
        let unknown = unknown.map(|ancestry| (ancestry.clone(), ancestry.said(name_of)));
        let remark = ResultRemark { id, withdrawn: marks.of_all(&all), unknown, leaks: Vec::new() };
        let what = kind.map_or("object", Kind::name);
        if let Some(mark) = &remark.withdrawn {
            context.note(&format!("warning: {what} {} {mark}", id.short()));
        }
        // A run and its table start from the same.
        if let Some(said) = remark.unknown()
            && !found.iter().any(|other| other.files() == remark.files())
        {
            context.note(&format!("note: {what} {} {said}", id.short()));
        }
        if remark.withdrawn.is_some() || remark.unknown.is_some() {
            found.push(remark);
        }
    }
    Ok(found)
}
