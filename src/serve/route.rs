//! Maps a path to an answer.

use super::answer::{Answer, Nothing, Query};
use super::{browse, images, record};
use crate::hash::Hash;
use crate::index::IndexError;
use crate::registry::{Registry, RegistryError};
use crate::report::page::{HtmlWriter, PageError, SCRIPT, style};
use crate::store::StoreError;
use crate::training::unfinished;

/// Answers a request for a path, which starts with `/`.
pub(super) fn answer(registry: &Registry, path: &str, query: &str) -> Answer {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let query = Query(query);
    let answered = match parts[..] {
        [""] => browse::home(registry, &query),
        ["live.json"] => {
            Ok(Answer::json(serde_json::to_vec(&unfinished::all(registry)).expect("texts and numbers")))
        }
        ["page.css"] => Ok(Answer::new("text/css; charset=utf-8", style())),
        ["page.js"] => Ok(Answer::new("text/javascript; charset=utf-8", SCRIPT)),
        ["live.js"] => Ok(Answer::new("text/javascript; charset=utf-8", include_str!("live.js"))),
        ["record", id] => hash(registry, id).and_then(|id| record::record(registry, id)),
        ["json", id] => hash(registry, id).and_then(|id| record::json(registry, id)),
        ["report", id] => hash(registry, id).and_then(|id| record::report(registry, id)),
        ["lineage", way @ ("up" | "down"), id] => {
            hash(registry, id).and_then(|id| record::lineage(registry, id, way == "down"))
        }
        ["images", id] => hash(registry, id).and_then(|id| images::list(registry, id, &query)),
        ["image", id, row] => hash(registry, id).and_then(|id| images::viewer(registry, id, row, &query)),
        ["xray", id, row] => hash(registry, id).and_then(|id| images::xray(registry, id, row)),
        ["heat", id] => hash(registry, id).and_then(|id| images::heatmap(registry, id)),
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
    let mut page = HtmlWriter::served();
    page.paragraph("", what);
    Answer { status, ..Answer::page(if status == 404 { "Not found" } else { "Not available" }, &page.out) }
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
