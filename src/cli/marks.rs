//! Says of results that they contain withdrawn data.

use reg::hash::Hash;
use reg::registry::Registry;
use reg::withdrawal::{Mark, Marks};

use super::Context;
use super::error::Failure;

/// The marks of some records; each is also told on standard error.
pub(super) fn warn(
    context: &Context,
    registry: &Registry,
    ids: impl IntoIterator<Item = Hash>,
) -> Result<Vec<(Hash, Mark)>, Failure> {
    warn_of(context, registry, ids.into_iter().map(|id| (id, vec![id])))
}

/// The same of records with others that go along with them.
pub(super) fn warn_of(
    context: &Context,
    registry: &Registry,
    each: impl IntoIterator<Item = (Hash, Vec<Hash>)>,
) -> Result<Vec<(Hash, Mark)>, Failure> {
    let view = registry.view()?;
    let mut marks = Marks::open(registry, &view)?;
    let mut found = Vec::new();
    for (id, all) in each {
        if let Some(mark) = marks.of_all(&all) {
            let kind = view.kind(&id).map_err(reg::registry::RegistryError::from)?;
            let kind = kind.map_or("object", reg::records::Kind::name);
            context.note(&format!("warning: {kind} {} {mark}", id.short()));
            found.push((id, mark));
        }
    }
    Ok(found)
}
