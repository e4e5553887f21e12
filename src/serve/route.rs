//! Maps a path to an answer.

use maud::html;

use super::answer::{Answer, Nothing, Query};
use super::site::Site;
use super::{browse, compare, graph, images, pictures, record, runs, viewer};
use crate::hash::Hash;
use crate::index::IndexError;
use crate::registry::{Registry, RegistryError};
use crate::report::page::{Page, PageError, SCRIPT, style};
use crate::store::StoreError;
use crate::training::unfinished;

/// Answers a request for a path, which starts with `/`.
pub(super) fn answer(site: &Site, path: &str, query: &str) -> Answer {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let query = Query(query);
    let id = |text: &str| hash(&site.registry, text);
    let answered = match parts[..] {
        [""] => browse::home(site, &query),
        ["live"] => browse::live(site),
        ["live.json"] => {
            let all = unfinished::all(&site.registry);
            Ok(Answer::json(serde_json::to_vec(&all).expect("texts and numbers")))
        }
        ["page.css"] => Ok(Answer::new("text/css; charset=utf-8", style())),
        ["page.js"] => Ok(Answer::new("text/javascript; charset=utf-8", SCRIPT)),
        ["runs"] => runs::list(site, &query),
        ["compare"] => compare::compare(site, &query),
        ["record", of] => id(of).and_then(|id| record::record(site, id, &query)),
        ["document", of] => id(of).and_then(|id| record::document(site, id)),
        ["json", of] => id(of).and_then(|id| record::json(site, id)),
        ["report", of] => id(of).and_then(|id| record::report(site, id)),
        ["lineage", of] => id(of).and_then(|id| graph::page(site, id, &query)),
        ["lineage", way @ ("up" | "down"), of] => {
            id(of).and_then(|id| record::lineage(site, id, way == "down"))
        }
        ["images", of] => id(of).and_then(|id| images::list(site, id, &query)),
        ["image", of, row] => id(of).and_then(|id| viewer::viewer(site, id, row, &query)),
        ["xray", of, row] => id(of).and_then(|id| pictures::xray(site, id, row)),
        ["thumb", of, row] => id(of).and_then(|id| pictures::thumbnail(site, id, row)),
        ["heat", of] => id(of).and_then(|id| pictures::heatmap(&site.registry, id)),
        _ => Err(Nothing::Unknown(path.to_owned())),
    };
    answered.unwrap_or_else(|nothing| match nothing {
        Nothing::Unknown(what) => problem(404, &format!("This registry has no {what}.")),
        Nothing::Failed(e) => match &*e {
            PageError::Registry(RegistryError::Index(IndexError::Busy { .. })) => {
                problem(503, "Another process is writing to the registry; try again.")
            }
            PageError::Registry(RegistryError::Store(StoreError::Missing { .. })) => {
                problem(404, &format!("This is not in the registry: {e}."))
            }
            _ => problem(500, &format!("This page cannot be rendered: {e}.")),
        },
    })
}

fn problem(status: u16, what: &str) -> Answer {
    let title = if status == 404 { "Not found" } else { "Not available" };
    Answer { status, ..Answer::page(&Page::new(title, html! { p { (what) } }), "") }
}

/// An id, its start as everything printed shows it, or a name.
fn hash(registry: &Registry, text: &str) -> Result<Hash, Nothing> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let found = registry.view().and_then(|view| registry.resolve(&view, text));
    found.map_err(|e| match e {
        RegistryError::Unknown { .. } => Nothing::Unknown(format!("id or name {text}")),
        e @ RegistryError::Removed { .. } => Nothing::Unknown(e.to_string()),
        RegistryError::Ambiguous { .. } => Nothing::Unknown(format!("single record for {text}: {e}")),
        e => e.into(),
    })
}
