//! Withdrawn data on a page: notices, and images that are not shown.

use maud::{Markup, html};

use super::html::HtmlWriter;
use crate::hash::Hash;
use crate::registry::{Registry, RegistryError};
use crate::withdrawal::{Marks, Withdrawn};

/// Lists the records that contain withdrawn data; nothing if there are none.
pub(crate) fn notice(
    page: &mut HtmlWriter,
    registry: &Registry,
    ids: impl Iterator<Item = (Hash, String)>,
) -> Result<(), RegistryError> {
    let view = registry.view()?;
    let mut marks = Marks::open(registry, &view)?;
    let marked: Vec<Markup> = ids
        .filter_map(|(id, name)| Some((id, name, marks.of(&id)?)))
        .map(|(id, name, mark)| html! { li { (name) " " (page.id(&id)) ": " (mark.to_string()) } })
        .collect();
    if !marked.is_empty() {
        page.push(html! {
            div.box role="note" {
                p.warning { "Contains withdrawn data" }
                p { "Some images used by these results were withdrawn and must not be used any more." }
                ul { @for marked in &marked { (marked) } }
            }
        });
    }
    Ok(())
}

/// Why an image must not be shown; `None` if it may be.
pub(crate) fn withheld(registry: &Registry, object: &Hash) -> Result<Option<String>, RegistryError> {
    let withdrawn = Withdrawn::known(registry, &registry.view()?)?;
    let found = withdrawn.of_file(object).or_else(|| withdrawn.gone(object));
    Ok(found.map(|(_, record)| {
        let what = if record.purge { "withdrawn and purged" } else { "withdrawn" };
        format!("This image was {what} on {}: {}", record.time, record.reason)
    }))
}
