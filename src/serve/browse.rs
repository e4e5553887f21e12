//! The first page: running trainings, a search, and a list of the records.

use maud::html;

use super::answer::{Answer, Nothing, Query, encoded, leaves};
use super::images;
use super::site::Site;
use super::study::trainings;
use crate::digits::counted;
use crate::hash::Hash;
use crate::listing::described;
use crate::records::{Header, Kind, summary};
use crate::registry::RegistryError;
use crate::report::page::{HtmlWriter, Page, TableContext};
use crate::report::{Cell, Column, ReportTable};

/// Records per page.
const LEAF: usize = 100;

/// Lists records, the newest of a kind first, by kind and by words.
pub(super) fn home(site: &Site, query: &Query) -> Result<Answer, Nothing> {
    let registry = &site.registry;
    let (words, wanted) = (query.get("q"), query.get("kind"));
    let words = words.trim();
    let view = registry.view()?;
    // An exact name or an id prefix redirects to the object.
    match registry.resolve(&view, words) {
        Ok(id) if !words.is_empty() => return Ok(Answer::see(format!("/record/{id}"))),
        Ok(_)
        | Err(
            RegistryError::Unknown { .. } | RegistryError::Removed { .. } | RegistryError::Ambiguous { .. },
        ) => {}
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
    let name = |id: &Hash| names.get(id).cloned();
    if !words.is_empty() {
        let words = words.to_lowercase();
        let holds = |text: &str| text.to_lowercase().contains(&words);
        let is_named = |id: &Hash| name(id).is_some_and(|name| holds(&name));
        ids.retain(|(_, id)| id.to_string().starts_with(&words) || is_named(id) || holds(&what(id)));
    }
    let (page, pages) = (query.page(), ids.len().div_ceil(LEAF));
    let shown: Vec<(Kind, Hash)> = ids.iter().skip(page * LEAF).take(LEAF).copied().collect();

    let title = match words {
        "" => counted(ids.len() as u64, "record"),
        words => format!("{} with “{words}”", counted(ids.len() as u64, "record")),
    };
    let mut table = ReportTable::new(title, ["Name", "Kind", "What"].map(Column::left).into());
    // Of a table without a name, one looks for whose it is.
    let whose = |id: &Hash| {
        let header = registry.store().read(id).ok().and_then(|bytes| Header::read(&bytes).ok());
        header.map_or_else(|| what(id), |header| described(registry, &names, &header).0)
    };
    for (kind, id) in &shown {
        let texts = [name(id).unwrap_or_else(|| id.short()), kind.name().to_owned(), whose(id)];
        table.rows.push(texts.map(Cell::Text).into());
    }
    let links = shown.iter().map(|(_, id)| format!("/record/{}", id.short())).collect();
    let mut out = HtmlWriter::served();
    let images = images::meant(site, words)?;
    if !images.is_empty() {
        let columns = vec![Column::left("Data set"), Column::right("Images")];
        let mut sets = ReportTable::new("Images", columns);
        let called = |id: &Hash| names.get(id).cloned().unwrap_or_else(|| id.short());
        sets.rows =
            images.iter().map(|(id, count)| vec![Cell::Text(called(id)), Cell::Integer(*count)]).collect();
        let links: Vec<String> =
            images.iter().map(|(id, _)| format!("/images/{id}?q={}", encoded(words))).collect();
        out.list(&sets, &TableContext { links: Some((0, links)), ..TableContext::default() });
    }
    out.list(&table, &TableContext { links: Some((0, links)), ..TableContext::default() });
    let list = out.into_markup();
    let main = html! {
        (trainings(site))
        form.bar role="search" {
            label { "Name, id, words, image or patient:N " input type="search" name="q" value=(words); }
            label {
                "Kind "
                select name="kind" {
                    option value="" { "results and inputs" }
                    @for kind in Kind::ALL.iter() { option selected[Some(*kind) == wanted_kind] { (kind.name()) } }
                }
            }
            button { "Search" }
        }
        (list)
        (leaves(page, pages, query))
    };
    let (title, here) = match wanted_kind {
        Some(kind) => (capital(kind.descriptor().plural), format!("/?kind={kind}")),
        None => ("Registry".to_owned(), "/".to_owned()),
    };
    Ok(Answer::page(&Page::new(title, main), &here))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// The trainings alone, which the first page fetches again.
pub(super) fn live(site: &Site) -> Result<Answer, Nothing> {
    Ok(Answer::page(&Page::new("In training", trainings(site)), ""))
}
