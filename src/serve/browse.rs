//! The first page: running trainings, a search, and a list of the records.

use super::answer::{Answer, Nothing, Query, encoded, leaves};
use super::images;
use crate::hash::Hash;
use crate::records::{Header, Kind, summary};
use crate::registry::{Registry, RegistryError};
use crate::report::page::HtmlWriter;
use crate::report::svg::escape;
use crate::report::{Cell, Column, ReportTable, thousands};

/// Records per page.
const LEAF: usize = 100;

/// Lists records, the newest of a kind first, by kind and by words.
pub(super) fn home(registry: &Registry, query: &Query) -> Result<Answer, Nothing> {
    let (words, wanted) = (query.get("q"), query.get("kind"));
    let words = words.trim();
    let view = registry.view()?;
    // An exact name or an id prefix redirects to the object.
    match registry.resolve(&view, words) {
        Ok(id) if !words.is_empty() => return Ok(Answer::see(format!("/record/{id}"))),
        Ok(_) | Err(RegistryError::Unknown { .. } | RegistryError::Ambiguous { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let wanted_kind = Kind::named(&wanted);
    let kinds: Vec<Kind> = match wanted_kind {
        Some(kind) => vec![kind],
        // Results come before their inputs.
        None => Kind::which(|kind| kind.is_listed).collect::<Vec<_>>().into_iter().rev().collect(),
    };
    let names = view.names_by_id()?;
    let mut ids: Vec<(Kind, Hash)> = Vec::new();
    for kind in kinds {
        ids.extend(view.of_kind(kind)?.into_iter().rev().map(|id| (kind, id)));
    }
    // Closed, so that no writer waits while records are read.
    drop(view);
    let what = |id: &Hash| match registry.store().read(id).map(|bytes| Header::read(&bytes)) {
        Ok(Ok(header)) => summary(&header),
        Ok(Err(e)) => e.to_string(),
        Err(e) => e.to_string(),
    };
    let name = |id: &Hash| names.get(id).cloned().unwrap_or_default();
    if !words.is_empty() {
        let words = words.to_lowercase();
        let holds = |text: &str| text.to_lowercase().contains(&words);
        ids.retain(|(_, id)| id.to_string().starts_with(&words) || holds(&name(id)) || holds(&what(id)));
    }
    let (page, pages) = (query.page(), ids.len().div_ceil(LEAF));
    let shown: Vec<(Kind, Hash)> = ids.iter().skip(page * LEAF).take(LEAF).copied().collect();

    let mut out = HtmlWriter::served();
    out.push("<section id=\"live\" aria-live=\"polite\" hidden><h2>In training</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"In training\"><table><thead><tr><th scope=\"col\">Run</th><th scope=\"col\">State</th><th scope=\"col\" class=\"n\">Epoch</th><th scope=\"col\" class=\"n\">Images</th><th scope=\"col\" class=\"n\">Images/s</th><th scope=\"col\" class=\"n\">Loss</th><th scope=\"col\" class=\"n\">Best validation loss</th><th scope=\"col\" class=\"n\">Left</th></tr></thead><tbody></tbody></table></div></section>");
    let options: Vec<String> = std::iter::once("<option value=\"\">results and inputs</option>".to_owned())
        .chain(Kind::ALL.iter().map(|kind| {
            let chosen = if Some(*kind) == wanted_kind { " selected" } else { "" };
            format!("<option{chosen}>{kind}</option>")
        }))
        .collect();
    out.push(&format!(
        "<form class=\"bar\" role=\"search\"><label>Name, id, words, image or patient:N <input type=\"search\" name=\"q\" value=\"{}\"></label> <label>Kind <select name=\"kind\">{}</select></label> <button>Search</button></form>",
        escape(words),
        options.join("")
    ));
    let columns = ["Kind", "Name", "What"].map(Column::left);
    let title = match words {
        "" => format!("{} records", thousands(ids.len() as u64)),
        words => format!("{} records with “{words}”", thousands(ids.len() as u64)),
    };
    let mut table = ReportTable::new(title, columns.into());
    for (kind, id) in &shown {
        let texts = [kind.name().to_owned(), name(id), what(id)];
        table.rows.push(texts.map(Cell::Text).into());
    }
    let images = images::meant(registry, words)?;
    if !images.is_empty() {
        let mut sets = ReportTable::new("Images", vec![Column::left("Data set"), Column::right("Images")]);
        let called = |id: &Hash| names.get(id).cloned().unwrap_or_else(|| id.short());
        sets.rows =
            images.iter().map(|(id, count)| vec![Cell::Text(called(id)), Cell::Integer(*count)]).collect();
        let links: Vec<String> =
            images.iter().map(|(id, _)| format!("/images/{id}?q={}", encoded(words))).collect();
        out.links(&sets, "Look", &links);
    }
    out.list(&table, "Id", shown.iter().map(|(_, id)| vec![*id]).collect());
    out.push(&leaves(page, pages, |n| format!("/?q={}&kind={}&page={n}", encoded(words), encoded(&wanted))));
    out.push("<script src=\"/live.js\" defer></script>");
    Ok(Answer::page("Registry", &out.out))
}
