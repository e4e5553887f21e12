//! What must not be overlooked on a page: withdrawn data, leaks, models of unknown ancestry, and images that are not shown.

use maud::{Markup, html};

use super::super::FoundRemarks;
use super::html::HtmlWriter;
use crate::compare::LeakFinder;
use crate::escape::shell;
use crate::hash::Hash;
use crate::registry::{Registry, RegistryError};
use crate::usage::unknown_ancestry_with;
use crate::withdrawal::{Marks, Withdrawn};

/// Lists the records that contain withdrawn data, those with a leak that they do not name themselves, and those whose models started from files of unknown origin; nothing if
/// there are none.
pub(crate) fn notice(
    page: &mut HtmlWriter,
    registry: &Registry,
    ids: impl Iterator<Item = (Hash, String)>,
) -> Result<(), RegistryError> {
    notice_with(page, registry, ids, &mut FoundRemarks::default())
}

/// The same with what was found before.
pub(crate) fn notice_with(
    page: &mut HtmlWriter,
    registry: &Registry,
    ids: impl Iterator<Item = (Hash, String)>,
    known: &mut FoundRemarks,
) -> Result<(), RegistryError> {
    let view = registry.view()?;
    let mut marks = Marks::open(registry, &view)?;
    let names = view.names_by_id()?;
    let mut finder = LeakFinder::with(registry, std::mem::take(&mut known.leaks));
    let (mut marked, mut leaking, mut unknown): (Vec<Markup>, Vec<Markup>, Vec<Markup>) = Default::default();
    for (id, name) in ids {
        let item = |said: &str| html! { li { (name) " " (page.id(&id)) ": " (said) } };
        let mark = known.withdrawn.entry(id).or_insert_with(|| marks.of(&id).map(|mark| mark.to_string()));
        marked.extend(mark.as_deref().map(item));
        // What cannot be read is for `reg verify` to report.
        let called = names.get(&id).map_or_else(|| id.short(), |name| shell(name));
        let leaks = finder.of_record(id, &called).unwrap_or_default();
        leaking.extend(leaks.iter().map(|why| item(why)));
        let ancestry = unknown_ancestry_with(registry, &view, &[id], &mut known.ancestry)?;
        unknown.extend(ancestry.map(|said| item(&said)));
    }
    known.leaks = finder.into_found();
    let boxes = [
        (
            "Contains withdrawn data",
            "Some images used by these results were withdrawn and must not be used any more.",
            marked,
        ),
        (
            "Leak",
            "Some of these results are of images or patients that a model was trained or selected on.",
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
