//! One record: its tables and figures, its inputs and results, and its document.

use super::answer::{Answer, Nothing};
use crate::dataset::statistics::Statistics;
use crate::digits::counted;
use crate::hash::{Hash, Id};
use crate::limits;
use crate::lineage::Direction;
use crate::records::{Content, Header, Kind, Roles, Run, Table, summary};
use crate::registry::{Registry, RegistryError};
use crate::report::page::{self, HtmlWriter, TableContext, notice};
use crate::report::svg::{self, escape};
use crate::report::{Cell, Column, dataset, features, results};

/// Number of referrers that are shown; a manifest or an image can have many.
const SHOWN: usize = 200;

/// Shows an object.
pub(super) fn record(registry: &Registry, id: Hash) -> Result<Answer, Nothing> {
    let size = registry.store().size(&id).map_err(RegistryError::from)?;
    let view = registry.view()?;
    let kind = view.kind(&id)?;
    let mut names: Vec<String> =
        view.names()?.into_iter().filter(|(_, of)| *of == id).map(|(name, _)| name).collect();
    let used: Vec<(Hash, &str, Roles)> = view
        .referrers(&id)?
        .into_iter()
        .take(SHOWN)
        .map(|(from, role)| Ok((from, view.kind(&from)?.map_or("", Kind::name), role)))
        .collect::<Result<_, RegistryError>>()?;
    let note = registry.note(&view, &id)?;
    drop(view);
    let bytes = if size <= limits::RECORD {
        registry.store().read(&id).map_err(RegistryError::from)?
    } else {
        Vec::new()
    };
    let header = Header::read(&bytes).ok().filter(|_| kind.is_some());
    let called = kind.map_or("object", Kind::name);
    names.sort();
    let title = format!("{called} {}", names.first().cloned().unwrap_or_else(|| id.short()));

    let mut page = HtmlWriter::served();
    notice(&mut page, registry, header.iter().map(|_| (id, called.to_owned())))?;
    let what = header.as_ref().map_or(counted(size, "byte"), summary);
    page.push(&format!(
        "<dl class=\"facts\"><dt>Id</dt><dd><span class=\"id whole\">{id}</span></dd><dt>Names</dt><dd>{}</dd><dt>What</dt><dd>{}</dd>{}</dl>",
        escape(&names.join(", ")),
        escape(&what),
        note.map_or_else(String::new, |(_, note)| {
            format!("<dt>Note</dt><dd>{} ({})</dd>", escape(&note.text), escape(&note.time))
        })
    ));
    let mut links = vec![
        format!("<a href=\"/lineage/up/{id}\">Inputs</a>"),
        format!("<a href=\"/lineage/down/{id}\">Results</a>"),
    ];
    if header.is_some() {
        links.push(format!("<a href=\"/json/{id}\">JSON</a>"));
    }
    let shown = kind.map_or(Content::Document, |kind| kind.descriptor().content);
    content(registry, &mut page, shown, id, &mut links)?;
    let links: Vec<String> = links.iter().map(|link| format!("<li>{link}</li>")).collect();
    // The navigation links come before the tables.
    page.out = format!("<nav aria-label=\"Of this record\"><ol>{}</ol></nav>{}", links.join(""), page.out);
    if !used.is_empty() {
        let mut table =
            crate::report::ReportTable::new("Used by", ["Kind", "As its"].map(Column::left).into());
        table.rows = used
            .iter()
            .map(|(_, kind, roles)| [*kind, &roles.text()].map(|t| Cell::Text(t.to_owned())).into())
            .collect();
        page.list(&table, "Id", used.iter().map(|(from, ..)| vec![*from]).collect());
    }
    if let Some(header) = header {
        let text = serde_json::to_string_pretty(&header.document).unwrap_or_default();
        page.heading(2, "document", "Document");
        // Readers of a table look at its numbers; its document is long.
        let open = if kind == Some(Kind::Table) { "" } else { " open" };
        page.push(&format!(
            "<details{open}><summary>{} lines of JSON</summary><pre tabindex=\"0\">{}</pre></details>",
            text.lines().count(),
            linked(&text)
        ));
    }
    Ok(Answer::page(&title, &page.out))
}

/// The content of a kind besides its document.
fn content(
    registry: &Registry,
    page: &mut HtmlWriter,
    shown: Content,
    id: Hash,
    links: &mut Vec<String>,
) -> Result<(), Nothing> {
    let whole = |id: &Hash| format!("<a href=\"/report/{id}\">Report</a>");
    let plain = |page: &mut HtmlWriter, table: &crate::report::ReportTable| {
        let last = results::closing_rows(table);
        page.table(table, &TableContext { last, ..TableContext::default() });
    };
    match shown {
        Content::Dataset => {
            links.push(format!("<a href=\"/images/{id}\">Images</a>"));
            links.push(whole(&id));
        }
        Content::Run => {
            let run = registry.get::<Run>(Id::new(id))?;
            let epochs = registry.epochs(&run)?;
            if !epochs.is_empty() {
                page.figure(&svg::learning(&id.short(), &epochs), &[]);
            }
        }
        Content::Table => match registry.get::<Table>(Id::new(id))? {
            Table::Auc(auc) => plain(page, &results::auc("AUC", &auc)),
            Table::Dataset(counted) => {
                let statistics = Statistics::from(&counted);
                plain(page, &dataset::prevalence(&statistics));
                plain(page, &dataset::overview(&statistics));
                page.figure(&svg::ages(&statistics.age), &[]);
            }
            Table::Comparison(comparison) => {
                links.push(whole(&id));
                results::main_tables(&comparison).iter().for_each(|table| plain(page, table));
            }
            Table::Probe(probe) => plain(page, &features::probe(&probe, None)),
            Table::Heatmap(heatmap) => {
                plain(page, &features::heatmap(&heatmap));
                let alt = escape(&format!("{} in {}", heatmap.label, heatmap.image));
                page.push(&format!(
                    "<p><img class=\"large\" src=\"/heat/{id}\" alt=\"Heat map of {alt}\"></p>"
                ));
            }
            Table::Pointing(pointing) => plain(page, &features::pointing(&pointing)),
        },
        Content::Split | Content::Predictions | Content::Study | Content::Withdrawal | Content::Document => {}
    }
    Ok(())
}

/// The text of a document, its ids as links.
fn linked(text: &str) -> String {
    let parts = text.split('"').enumerate().map(|(place, part)| match part.parse::<Hash>() {
        // Every second part is between quotation marks.
        Ok(_) if place % 2 == 1 => format!("<a href=\"/record/{part}\">{part}</a>"),
        _ => {
            part.lines().map(escape).collect::<Vec<_>>().join("\n")
                + if part.ends_with('\n') { "\n" } else { "" }
        }
    });
    parts.collect::<Vec<_>>().join("&quot;")
}

/// The bytes of a record, as hashed.
pub(super) fn json(registry: &Registry, id: Hash) -> Result<Answer, Nothing> {
    if registry.view()?.kind(&id)?.is_none() {
        return Err(Nothing::Unknown(format!("record {id}")));
    }
    let bytes = registry.store().read(&id).map_err(RegistryError::from)?;
    Ok(Answer::json(bytes))
}

/// The report of recorded results; nothing is computed that would have to be recorded first.
pub(super) fn report(registry: &Registry, id: Hash) -> Result<Answer, Nothing> {
    let (title, body) = page::recorded(registry, &id)?;
    Ok(Answer::page(&title, &body))
}

/// The lineage of an object, upwards or downwards, as expandable boxes.
pub(super) fn lineage(registry: &Registry, id: Hash, down: bool) -> Result<Answer, Nothing> {
    let direction = if down { Direction::Down } else { Direction::Up };
    let graph = page::near(registry, &registry.view()?, id, direction)?;
    let mut page = HtmlWriter::served();
    let below = if down { "its results are below it" } else { "its inputs are below it" };
    page.paragraph(
        "",
        &format!("Each box is a record or a file; {below}. Click a box to expand it, one step at a time."),
    );
    page.push(&page::tree(&[graph], direction, true).html);
    let title = if down { "Results" } else { "Inputs" };
    let other = if down { "up" } else { "down" };
    page.push(&format!("<p class=\"bar\"><a href=\"/lineage/{other}/{id}\">Reverse direction</a></p>"));
    Ok(Answer::page(title, &page.out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_text_whose_ids_are_links() {
        let id = Hash::of(b"").to_string();
        let text = format!("{{\n  \"a<b>\": \"{id}\",\n  \"c\": \"<script>\"\n}}");
        let html = linked(&text);
        assert!(html.contains(&format!("&quot;<a href=\"/record/{id}\">{id}</a>&quot;,\n")), "{html}");
        assert!(html.contains("&quot;&lt;script&gt;&quot;\n}") && html.contains("a&lt;b&gt;"), "{html}");
    }
}
