//! Withdrawn data on a page: notices, and images that are not shown.

use super::html::HtmlWriter;
use crate::hash::Hash;
use crate::registry::{Registry, RegistryError};
use crate::report::svg::escape;
use crate::withdrawal::{Marks, Withdrawn};

/// Lists the records that contain withdrawn data; nothing if there are none.
pub(crate) fn notice(
    page: &mut HtmlWriter,
    registry: &Registry,
    ids: impl Iterator<Item = (Hash, String)>,
) -> Result<(), RegistryError> {
    let view = registry.view()?;
    let mut marks = Marks::open(registry, &view)?;
    let marked: Vec<String> = ids
        .filter_map(|(id, name)| Some((id, name, marks.of(&id)?)))
        .map(|(id, name, mark)| format!("<li>{} {}: {mark}</li>", escape(&name), page.id(&id)))
        .collect();
    if !marked.is_empty() {
        page.push("<div class=\"box\" role=\"note\">");
        page.paragraph("warning", "Contains withdrawn data");
        page.paragraph("", "Some images used by these results were withdrawn and must not be used any more.");
        page.push(&format!("<ul>{}</ul></div>", marked.join("\n")));
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
