//! What must not be overlooked on a page: withdrawn data, models that have learnt from what they are tested on or from
//! nobody knows what, and images that are not shown.

use maud::{Markup, html};

use super::html::HtmlWriter;
use crate::compare::leaks_today;
use crate::hash::Hash;
use crate::registry::{Registry, RegistryError};
use crate::usage::unknown_ancestry;
use crate::withdrawal::{Marks, Withdrawn};

/// Lists the records that contain withdrawn data, those whose models started from what they are tested on, as far as is
/// known today and the records do not say it, and those whose models started from files of unknown origin; nothing if there
/// are none.
pub(crate) fn notice(
    page: &mut HtmlWriter,
    registry: &Registry,
    ids: impl Iterator<Item = (Hash, String)>,
) -> Result<(), RegistryError> {
    let view = registry.view()?;
    let mut marks = Marks::open(registry, &view)?;
    let (mut marked, mut leaking, mut unknown): (Vec<Markup>, Vec<Markup>, Vec<Markup>) = Default::default();
    for (id, name) in ids {
        let item = |said: &str| html! { li { (name) " " (page.id(&id)) ": " (said) } };
        marked.extend(marks.of(&id).map(|mark| item(&mark.to_string())));
        // What cannot be read is said where it is shown.
        let leaks = leaks_today(registry, id, None).unwrap_or_default();
        leaking.extend(leaks.iter().map(|why| item(why)));
        unknown.extend(unknown_ancestry(registry, &view, &[id])?.map(|said| item(&said)));
    }
    let boxes = [
        (
            "Contains withdrawn data",
            "Some images used by these results were withdrawn and must not be used any more.",
            marked,
        ),
        (
            "Leak",
            "Some of these models have learnt from patients or images that they are tested on: their results are not those on new patients.",
            leaking,
        ),
        (
            "Unknown ancestry",
            "Some of these models started from weights that may have been trained on test images.",
            unknown,
        ),
    ];
    for (title, about, items) in boxes.iter().filter(|(.., items)| !items.is_empty()) {
        page.push(html! {
            div.box role="note" {
                p.warning { (title) }
                p { (about) }
                ul { @for item in items { (item) } }
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
