//! One record: what it is, by kind; what it was made of and what was made of it, by name; its document.

use maud::{Markup, html};

use super::answer::{Answer, Nothing, Query};
use super::site::Site;
use super::{facts, run, study};
use crate::dataset::statistics::Statistics;
use crate::digits::counted;
use crate::hash::{Hash, Id};
use crate::limits;
use crate::lineage::Direction;
use crate::records::{Content, Header, Kind, Table, summary};
use crate::registry::RegistryError;
use crate::report::page::{self, HtmlWriter, Page, TableContext, notice_with};
use crate::report::show::{RelatedRecord, of_dataset, of_split, origin};
use crate::report::{Cell, Column, ReportTable, dataset, features, results, svg};

/// Number of referrers that are shown of an object that is no record; an image can have many.
const SHOWN: usize = 200;

/// Shows an object.
pub(super) fn record(site: &Site, id: Hash, query: &Query) -> Result<Answer, Nothing> {
    let registry = &site.registry;
    let size = registry.store().size(&id).map_err(RegistryError::from)?;
    let view = registry.view()?;
    let kind = view.kind(&id)?;
    let mut names: Vec<String> =
        view.names()?.into_iter().filter(|(_, of)| *of == id).map(|(name, _)| name).collect();
    names.sort();
    let note = registry.note(&view, &id)?;
    drop(view);
    let called = kind.map_or("object", Kind::noun);
    let header = match kind {
        Some(_) if size <= limits::RECORD => {
            Header::read(&registry.store().read(&id).map_err(RegistryError::from)?).ok()
        }
        _ => None,
    };
    let title = format!("{} {}", capital(called), names.first().cloned().unwrap_or_else(|| id.short()));
    let shown = kind.map_or(Content::Document, |kind| kind.descriptor().content);
    let links = html! {
        nav aria-label="Of this record" {
            ol {
                @if matches!(shown, Content::Dataset) { li { a href={ "/images/" (id.short()) } { "Images" } } }
                @if matches!(shown, Content::Dataset | Content::Study) { li { a href={ "/report/" (id.short()) } { "Report" } } }
                li { a href={ "/lineage/" (id.short()) } { "Lineage" } }
                @if header.is_some() { li { a href={ "/document/" (id.short()) } { "Record" } } }
            }
        }
    };
    let mut page = HtmlWriter::served();
    let named = header.iter().map(|_| (id, called.to_owned()));
    site.found(|found| notice_with(&mut page, registry, named, found))?;
    let what = header.as_ref().map_or(counted(size, "byte"), summary);
    page.push(html! {
        dl.facts {
            dt { "What" } dd { (what) }
            @if names.len() > 1 { dt { "Names" } dd { (names.join(", ")) } }
            @if let Some((_, note)) = &note { dt { "Note" } dd { (note.text) " (" (note.time) ")" } }
            dt { "Id" } dd { span.id.whole { (id) } }
        }
    });
    match shown {
        Content::Run => run::content(site, &mut page, id, query)?,
        Content::Study => study::content(site, &mut page, id)?,
        _ => content(site, &mut page, shown, id, names.first().map(String::as_str))?,
    }
    match header.is_some() {
        true => related(site, &mut page, id)?,
        false => used(site, &mut page, id)?,
    }
    let here = match shown {
        Content::Run | Content::Predictions => "/runs",
        Content::Study => "/?kind=study",
        Content::Table => "/?kind=table",
        Content::Dataset => "/?kind=dataset",
        Content::Split => "/?kind=split",
        Content::Withdrawal | Content::Document => "",
    };
    Ok(Answer::page(&Page { intro: links, ..Page::new(title, page.into_markup()) }, here))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// The content of a kind.
fn content(
    site: &Site,
    page: &mut HtmlWriter,
    shown: Content,
    id: Hash,
    name: Option<&str>,
) -> Result<(), Nothing> {
    let registry = &site.registry;
    let plain = |page: &mut HtmlWriter, table: &ReportTable| {
        let last = results::closing_rows(table);
        page.table(table, &TableContext { last, ..TableContext::default() });
    };
    let counts = |page: &mut HtmlWriter, statistics: &Statistics| {
        page.figure(&svg::labels(statistics), &[]);
        page.figure(&svg::ages(&statistics.age), &[]);
        page.figures("Images by view and by gender.", &svg::groups(statistics), &[]);
        page.fold("The same in numbers", false, |page| {
            let tables = [&dataset::prevalence(statistics), &dataset::overview(statistics)];
            page.side(tables, &TableContext::default());
        });
    };
    match shown {
        Content::Dataset => {
            facts::sections(page, &of_dataset(registry, name, Id::new(id))?);
            let images = site.images(id)?;
            counts(page, &Statistics::of(&images.dataset, images.manifest.rows.iter()));
        }
        Content::Split => facts::sections(page, &of_split(registry, name, Id::new(id))?),
        Content::Table => match registry.get::<Table>(Id::new(id))? {
            Table::Auc(auc) => plain(page, &results::auc("AUC", &auc)),
            Table::Dataset(counted) => counts(page, &Statistics::from(&counted)),
            Table::Comparison(comparison) => {
                let title = name.map_or_else(|| id.short(), str::to_owned);
                page::comparison(page, registry, title, Id::new(id), *comparison, 0)?;
            }
            Table::Probe(probe) => plain(page, &features::probe(&probe, None)),
            Table::Heatmap(heatmap) => {
                plain(page, &features::heatmap(&heatmap));
                let alt = format!("Heat map of {} in {}", heatmap.label, heatmap.image);
                page.push(html! { p { img.large src={ "/heat/" (id) } alt=(alt); } });
            }
            Table::Pointing(pointing) => plain(page, &features::pointing(&pointing)),
        },
        Content::Run | Content::Study | Content::Predictions | Content::Withdrawal | Content::Document => {}
    }
    Ok(())
}

/// What a record was made of, what was made of it, and the command that made it.
fn related(site: &Site, page: &mut HtmlWriter, id: Hash) -> Result<(), Nothing> {
    let view = site.registry.view()?;
    let names = view.names_by_id()?;
    let origin = origin(&site.registry, &view, &names, id)?;
    drop(view);
    let list = |title: &str, all: &[RelatedRecord], more: usize| -> Markup {
        html! {
            @if !all.is_empty() {
                h3 { (title) }
                ul.plain {
                    @for one in all {
                        li {
                            (one.kind.name()) " "
                            a href={ "/record/" (one.id.short()) } { (one.name.clone().unwrap_or_else(|| one.id.short())) }
                            ": " (one.summary)
                        }
                    }
                    @if more > 0 { li { a href={ "/lineage/down/" (id.short()) } { (more) " more" } } }
                }
            }
        }
    };
    page.heading(2, "origin", "Origin");
    page.push(html! {
        (list("Inputs", &origin.inputs, 0))
        (list("Dependent results", &origin.results, origin.more_results))
        @if origin.command.is_some() || origin.machine.is_some() {
            h3 { "Made by" }
            dl.facts {
                @if let Some(command) = &origin.command { dt { "Command" } dd { code { (command) } } }
                @if let Some(machine) = &origin.machine { dt { "Machine" } dd { (machine) } }
            }
        }
    });
    Ok(())
}

/// What uses an object that is no record.
fn used(site: &Site, page: &mut HtmlWriter, id: Hash) -> Result<(), Nothing> {
    let view = site.registry.view()?;
    let names = view.names_by_id()?;
    let columns = ["Name", "Kind", "Role"].map(Column::left);
    let mut table = ReportTable::new("Used by", columns.into());
    let mut links = Vec::new();
    for (from, roles) in view.referrers(&id)?.into_iter().take(SHOWN) {
        let kind = view.kind(&from)?.map_or("", Kind::name).to_owned();
        let name = names.get(&from).cloned().unwrap_or_else(|| from.short());
        table.rows.push([name, kind, roles.text().into_owned()].map(Cell::Text).into());
        links.push(format!("/record/{}", from.short()));
    }
    if !table.rows.is_empty() {
        page.list(&table, &TableContext { links: Some((0, links)), ..TableContext::default() });
    }
    Ok(())
}

/// The document of a record, its ids as links.
pub(super) fn document(site: &Site, id: Hash) -> Result<Answer, Nothing> {
    let view = site.registry.view()?;
    let Some(kind) = view.kind(&id)? else { return Err(Nothing::Unknown(format!("record {id}"))) };
    let name = view.names_by_id()?.remove(&id).unwrap_or_else(|| id.short());
    drop(view);
    let bytes = site.registry.store().read(&id).map_err(RegistryError::from)?;
    let header = Header::read(&bytes).map_err(|source| RegistryError::Codec { id, source })?;
    let text = serde_json::to_string_pretty(&header.document).unwrap_or_default();
    let main = html! {
        dl.facts { dt { "Id" } dd { span.id.whole { (id) } } }
        p { a href={ "/json/" (id) } { "The bytes that are hashed" } }
        pre tabindex="0" role="group" aria-label="Document" { (linked(&text)) }
    };
    let intro = html! { p { a href={ "/record/" (id.short()) } { (capital(kind.name())) " " (name) } } };
    Ok(Answer::page(&Page { intro, ..Page::new(format!("Record of {} {name}", kind.name()), main) }, ""))
}

/// The text of a document, its ids as links.
fn linked(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('"').enumerate() {
            @if place > 0 { "\"" }
            // Every second part is between quotation marks.
            @if place % 2 == 1 && part.parse::<Hash>().is_ok() {
                a href={ "/record/" (part) } { (part) }
            } @else { (part) }
        }
    }
}

/// The bytes of a record, as hashed.
pub(super) fn json(site: &Site, id: Hash) -> Result<Answer, Nothing> {
    if site.registry.view()?.kind(&id)?.is_none() {
        return Err(Nothing::Unknown(format!("record {id}")));
    }
    let bytes = site.registry.store().read(&id).map_err(RegistryError::from)?;
    Ok(Answer::json(bytes))
}

/// The report of recorded results; nothing is computed that would have to be recorded first.
pub(super) fn report(site: &Site, id: Hash) -> Result<Answer, Nothing> {
    Ok(Answer::page(&page::recorded(&site.registry, &id)?, ""))
}

/// The lineage of an object, upwards or downwards, as expandable boxes.
pub(super) fn lineage(site: &Site, id: Hash, down: bool) -> Result<Answer, Nothing> {
    let direction = if down { Direction::Down } else { Direction::Up };
    let graph = page::near(&site.registry, &site.registry.view()?, id, direction)?;
    let below = if down { "its results are below it" } else { "its inputs are below it" };
    let title = if down { "Results" } else { "Inputs" };
    let other = if down { "up" } else { "down" };
    let main = html! {
        p { "Each box is a record or a file; " (below) ". Click a box to expand it, one step at a time." }
        (page::tree(&[graph], direction, true).html)
        p.bar {
            a href={ "/lineage/" (other) "/" (id) } { "Reverse direction" }
            a href={ "/lineage/" (id.short()) } { "As a drawing" }
        }
    };
    Ok(Answer::page(&Page::new(title, main), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_text_whose_ids_are_links() {
        let id = Hash::of(b"").to_string();
        let text = format!("{{\n  \"a<b>\": \"{id}\",\n  \"c\": \"<script>\"\n}}");
        let html = linked(&text).0;
        assert!(html.contains(&format!("&quot;<a href=\"/record/{id}\">{id}</a>&quot;,\n")), "{html}");
        assert!(html.contains("&quot;&lt;script&gt;&quot;\n}") && html.contains("a&lt;b&gt;"), "{html}");
    }
}
