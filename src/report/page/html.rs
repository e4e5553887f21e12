//! Formats tables, figures and ids as HTML, and the page around them.
//!
//! Every page is written with maud, which escapes each value that is put into a template. What escaping leaves, control
//! characters and those that turn the text around them, [`document`] takes out of the whole page.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use crate::escape::visible;
use crate::hash::{Hash, Hasher};
use crate::report::layout::{Placed, Ruler, TableLayout, fit};
use crate::report::svg::{self, Figure};
use crate::report::table::sort_value;
use crate::report::{Align, Cell, ReportTable};

/// Tables with more columns may be wider than the text.
const MANY_COLUMNS: usize = 7;
/// The style sheet of pages, without that of figures.
pub(super) const STYLE: &str = include_str!("page.css");
/// Sorts tables, expands lineages and keeps a served page up to date; a page is complete without it.
pub(crate) const SCRIPT: &str = include_str!("page.js");

/// The content of a page in progress.
pub(crate) struct HtmlWriter<'a> {
    out: String,
    tables: u32,
    figures: u32,
    /// Objects that have a place in the page's lineage; `None` for a page of a live registry, where every
    /// object has a page of its own.
    known: Option<&'a HashSet<Hash>>,
}

/// Additional content of a table.
#[derive(Default)]
pub(crate) struct TableContext<'t> {
    /// Second lines of cells: the cells of this table at the same position, without their first number.
    pub(crate) intervals: Option<&'t ReportTable>,
    /// The inputs of each column, shown in an additional row.
    pub(crate) made_of: Vec<Vec<Hash>>,
    /// The records that contain the numbers.
    pub(crate) source: &'t [Hash],
    /// Ids of each row, shown in an additional column with this heading.
    pub(crate) ids: Option<(&'t str, Vec<Vec<Hash>>)>,
    /// A column whose cells are links, and the address of each row; none if it is empty.
    pub(crate) links: Option<(usize, Vec<String>)>,
    /// Number of rows at the end that are not sorted, such as a mean.
    pub(crate) last: usize,
}

/// A page: what stands above, in and below its main part.
pub(crate) struct Page {
    /// The title of the window and the heading.
    pub(crate) title: String,
    /// Below the heading.
    pub(crate) intro: Markup,
    /// The main part.
    pub(crate) main: Markup,
    /// Below the main part.
    pub(crate) footer: Option<Markup>,
}

impl Page {
    /// A page without an introduction.
    pub(crate) fn new(title: impl Into<String>, main: Markup) -> Self {
        Page { title: title.into(), intro: html! {}, main, footer: None }
    }
}

impl<'a> HtmlWriter<'a> {
    pub(super) fn new(known: &'a HashSet<Hash>) -> Self {
        HtmlWriter { out: String::new(), tables: 0, figures: 0, known: Some(known) }
    }

    /// A page of a live registry.
    pub(crate) fn served() -> HtmlWriter<'static> {
        HtmlWriter { out: String::new(), tables: 0, figures: 0, known: None }
    }

    pub(crate) fn push(&mut self, html: Markup) {
        self.out += &html.0;
        self.out.push('\n');
    }

    /// What was written.
    pub(crate) fn into_markup(self) -> Markup {
        PreEscaped(self.out)
    }

    pub(crate) fn heading(&mut self, level: u8, id: &str, text: &str) {
        self.push(match level {
            2 => html! { h2 id=(id) { (text) } },
            _ => html! { h3 id=(id) { (text) } },
        });
    }

    /// A paragraph of plain text.
    pub(crate) fn paragraph(&mut self, class: &str, text: &str) {
        let class = Some(class).filter(|class| !class.is_empty());
        self.push(html! { p class=[class] { (text) } });
    }

    /// A short id that links to its place in the lineage.
    pub(crate) fn id(&self, id: &Hash) -> Markup {
        let short = id.short();
        match self.known.map(|known| known.contains(id)) {
            None => html! { a.id href={ "/record/" (id) } { (short) } },
            Some(true) => html! { a.id href={ "#o-" (short) } { (short) } },
            Some(false) => html! { span.id { (short) } },
        }
    }

    fn ids(&self, ids: &[Hash]) -> Markup {
        html! { @for (place, id) in ids.iter().enumerate() { @if place > 0 { " " } (self.id(id)) } }
    }

    /// A figure with its number and its source.
    pub(crate) fn figure(&mut self, figure: &Figure, source: &[Hash]) {
        self.figures += 1;
        self.push(html! {
            figure {
                (drawn(figure))
                figcaption { b { "Figure " (self.figures) "." } " " (figure.title) ". " (self.from(source)) }
            }
        });
    }

    /// Several figures side by side with one number.
    pub(crate) fn figures(&mut self, title: &str, figures: &[Figure], source: &[Hash]) {
        self.figures += 1;
        self.push(html! {
            figure {
                div.many { @for figure in figures { (drawn(figure)) } }
                figcaption { b { "Figure " (self.figures) "." } " " (title) " " (self.from(source)) }
            }
        });
    }

    fn from(&self, source: &[Hash]) -> Markup {
        html! { @if !source.is_empty() { span.from { "From " (self.ids(source)) } } }
    }

    /// A table with its number.
    pub(crate) fn table(&mut self, table: &ReportTable, beside: &TableContext) {
        self.tables += 1;
        let number = self.tables;
        self.any_table(table, beside, Some(number));
    }

    /// Two tables side by side, each with its number.
    pub(crate) fn side(&mut self, tables: [&ReportTable; 2], beside: &TableContext) {
        let before = std::mem::take(&mut self.out);
        let tables = tables.map(|table| {
            self.table(table, beside);
            PreEscaped(std::mem::take(&mut self.out))
        });
        self.out = before;
        self.push(html! { div.side { @for table in &tables { div { (table) } } } });
    }

    /// A list of records without a number.
    pub(crate) fn list(&mut self, table: &ReportTable, beside: &TableContext) {
        self.any_table(table, beside, None);
    }

    fn any_table(&mut self, table: &ReportTable, beside: &TableContext, number: Option<u32>) {
        let rows: Vec<Vec<&Cell>> = table.filled_rows().collect();
        let kept = match rows.len().saturating_sub(beside.last) {
            // All rows are alike.
            0 => rows.len(),
            kept => kept,
        };
        let row = |place: usize| self.row(table, &rows[place], place, beside);
        let ids = beside.ids.as_ref().map(|(heading, _)| *heading);
        let notes = table.notes.join(" ");
        let has_notes = !notes.is_empty() || !beside.source.is_empty();
        // The table may have more columns than fit the text width.
        let drawn = html! {
            div.scroll.wide[table.columns.len() > MANY_COLUMNS] role="group" tabindex="0" aria-label=(named(table)) {
                table.sortable {
                    caption {
                        @if let Some(number) = number { b { "Table " (number) "." } " " }
                        (named(table)) "."
                        @for said in table.lines_above() { " " strong.warning { (said) } }
                    }
                    (head(table, ids))
                    tbody { @for place in 0..kept { (row(place)) } }
                    @if kept < rows.len() { tbody.last { @for place in kept..rows.len() { (row(place)) } } }
                    @if !beside.made_of.is_empty() {
                        tfoot {
                            tr {
                                th scope="row" { "Inputs" }
                                @for column in 1..table.columns.len() {
                                    td.n.made { (self.ids(beside.made_of.get(column - 1).map_or(&[][..], Vec::as_slice))) }
                                }
                            }
                        }
                    }
                }
            }
            @if has_notes { p.notes { (notes) " " (self.from(beside.source)) } }
        };
        self.push(drawn);
    }

    fn row(&self, table: &ReportTable, row: &[&Cell], place: usize, beside: &TableContext) -> Markup {
        let link = |column: usize| {
            let (linked, links) = beside.links.as_ref()?;
            links.get(place).filter(|link| *linked == column && !link.is_empty())
        };
        html! {
            tr {
                @for (column, cell) in row.iter().enumerate() {
                    @let align = table.columns[column].align;
                    @let other = beside.intervals.and_then(|other| other.rows.get(place)?.get(column));
                    @let inner = html! {
                        (shown(cell, table.bold.contains(&(place, column)), link(column)))
                        // The interval is on a second line.
                        @if let Some(ends) = other.unwrap_or(cell).ends() { small { (ends) } }
                    };
                    @let value = sort_value(cell).map(|value| format!("{value:?}"));
                    @if column == 0 && align == Align::Left {
                        th scope="row" data-v=[value] { (inner) }
                    } @else {
                        td class=[right(align == Align::Right)] data-v=[value] { (inner) }
                    }
                }
                @if let Some((_, ids)) = &beside.ids {
                    td.made { (self.ids(ids.get(place).map_or(&[][..], Vec::as_slice))) }
                }
            }
        }
    }

    /// A collapsed section. When printed, it is shown if `prints` is set, otherwise only if it was expanded.
    pub(crate) fn fold(&mut self, summary: &str, prints: bool, inside: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.out);
        inside(self);
        let inside = PreEscaped(std::mem::replace(&mut self.out, before));
        self.push(html! { details.prints[prints] { summary { (summary) } (inside) } });
    }
}

/// The name of a table; one without a title has one in the browser nevertheless, where readers leap from table to table.
fn named(table: &ReportTable) -> &str {
    if table.title.is_empty() { "Table" } else { &table.title }
}

fn shown(cell: &Cell, bold: bool, link: Option<&String>) -> Markup {
    let text = cell.value().shown();
    match link {
        Some(link) => html! { a href=(link) { (text) } },
        None if bold => html! { b { (text) } },
        None => text.render(),
    }
}

/// A figure as part of a page, escaped where it is drawn.
fn drawn(figure: &Figure) -> Markup {
    PreEscaped(figure.inline())
}

/// The headings of a table, of a second line where columns have the beginning of theirs in common. Each is of the column
/// that it says, by which the script sorts.
fn head(table: &ReportTable, ids: Option<&str>) -> Markup {
    let texts: Vec<Vec<String>> =
        table.filled_rows().map(|row| row.iter().map(|cell| cell.shown()).collect()).collect();
    // A page can be as wide as the table is.
    let measure = |text: &str, _| text.chars().count();
    let ruler = Ruler { available: usize::MAX / 4, gap: 1, spans: true, measure: &measure };
    let placed: Vec<Placed> = match fit(table, &texts, &ruler) {
        TableLayout::Blocks(blocks) => blocks.into_iter().flatten().collect(),
        TableLayout::Rows => Vec::new(),
    };
    let grouped = placed.iter().any(|placed| placed.group.is_some());
    let rows = grouped.then_some("2");
    let is_right = |placed: &Placed| table.columns[placed.column].align == Align::Right;
    let heading = |placed: &Placed, rows: Option<&str>| {
        html! {
            th class=[right(is_right(placed))] scope="col" data-c=(placed.column) rowspan=[rows] { (placed.heading.join(" ")) }
        }
    };
    html! {
        thead {
            tr {
                @for run in placed.chunk_by(|a, b| a.group.is_some() && a.group == b.group) {
                    @if let Some(group) = &run[0].group {
                        th.group scope="colgroup" colspan=(run.len()) { (group) }
                    } @else {
                        @for placed in run { (heading(placed, rows)) }
                    }
                }
                @if let Some(ids) = ids {
                    th scope="col" data-c=(table.columns.len()) rowspan=[rows] { (ids) }
                }
            }
            @if grouped {
                tr { @for placed in placed.iter().filter(|placed| placed.group.is_some()) { (heading(placed, None)) } }
            }
        }
    }
}

/// The class of a cell of numbers.
fn right(is_right: bool) -> Option<&'static str> {
    is_right.then_some("n")
}

/// Bytes as a data URL.
pub(super) fn data(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", BASE64.encode(bytes))
}

/// The style sheet of pages and of the figures in them.
pub(crate) fn style() -> String {
    format!("{STYLE}{}", svg::style())
}

/// A self-contained page that may not load anything: its policy lists its one style sheet and its one script by
/// hash.
pub(super) fn alone(page: &Page) -> String {
    let style = style();
    let hash = |text: &str| {
        let mut hasher = Hasher::both();
        hasher.update(text.as_bytes());
        BASE64.encode(hasher.digest().sha256.0)
    };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(&style),
        hash(SCRIPT)
    );
    let head = html! {
        meta http-equiv="Content-Security-Policy" content=(policy);
        meta name="referrer" content="no-referrer";
        style { (PreEscaped(style)) }
    };
    document(page, &head, &html! {}, &html! { script { (PreEscaped(SCRIPT)) } })
}

/// The parts of a registry that every served page leads to, and their addresses.
const PARTS: [(&str, &str); 6] = [
    ("/", "Overview"),
    ("/runs", "Runs"),
    ("/?kind=study", "Studies"),
    ("/?kind=table", "Tables"),
    ("/?kind=dataset", "Data sets"),
    ("/?kind=split", "Splits"),
];

/// A page of a live registry, whose policy is sent as a header. `here` is the address of its part.
pub(crate) fn served(page: &Page, here: &str) -> String {
    let head = html! {
        link rel="stylesheet" href="/page.css";
        link rel="icon" href="data:,";
        script src="/page.js" defer {}
    };
    let parts = html! {
        nav.site aria-label="Registry" {
            ul {
                @for (address, name) in PARTS {
                    li { a href=(address) aria-current=[(address == here).then_some("page")] { (name) } }
                }
            }
        }
    };
    document(page, &head, &parts, &html! {})
}

fn document(page: &Page, head: &Markup, parts: &Markup, end: &Markup) -> String {
    let document = html! {
        (DOCTYPE) "\n"
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                (head)
                title { (page.title) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header { (parts) h1 { (page.title) } (page.intro) }
                "\n"
                main #main tabindex="-1" { "\n" (page.main) }
                @if let Some(footer) = &page.footer { footer { (footer) } }
                (end)
            }
        }
    };
    visible(document.0) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::svg::contrast;

    #[test]
    fn text_stands_out_from_its_ground_in_the_light_and_in_the_dark() {
        let blocks: Vec<&str> =
            STYLE.split(":root{").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        assert_eq!(blocks.len(), 2, "light and dark");
        for block in blocks {
            let colour = |name: &str| {
                let value = block.split(&format!("--{name}:")).nth(1).unwrap().split(';').next().unwrap();
                // #rgb is short for #rrggbb.
                match value.len() {
                    4 => value.chars().skip(1).fold("#".to_owned(), |hex, c| hex + &c.to_string().repeat(2)),
                    _ => value.to_owned(),
                }
            };
            for (text, ground) in [
                ("ink", "ground"),
                ("quiet", "ground"),
                ("link", "ground"),
                ("ink", "wash"),
                ("quiet", "wash"),
                ("link", "wash"),
                ("warn", "ground"),
                ("warn", "warn-ground"),
                ("ink", "warn-ground"),
            ] {
                let ratio = contrast(&colour(text), &colour(ground));
                assert!(ratio >= 4.5, "{text} on {ground}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn columns_of_one_model_stand_below_its_name() {
        let mut table = ReportTable::new("Range", vec![crate::report::Column::left("Label")]);
        for model in ["one & all", "two"] {
            let columns = ["mean", "max"].map(|what| crate::report::Column::under(model, what));
            table.columns.extend(columns);
        }
        table.rows = vec![(0..5).map(Cell::Integer).collect()];
        assert_eq!(
            head(&table, Some("Id")).0,
            "<thead><tr><th scope=\"col\" data-c=\"0\" rowspan=\"2\">Label</th>\
             <th class=\"group\" scope=\"colgroup\" colspan=\"2\">one &amp; all</th>\
             <th class=\"group\" scope=\"colgroup\" colspan=\"2\">two</th>\
             <th scope=\"col\" data-c=\"5\" rowspan=\"2\">Id</th></tr>\
             <tr><th class=\"n\" scope=\"col\" data-c=\"1\">mean</th><th class=\"n\" scope=\"col\" data-c=\"2\">max</th>\
             <th class=\"n\" scope=\"col\" data-c=\"3\">mean</th><th class=\"n\" scope=\"col\" data-c=\"4\">max</th></tr></thead>"
        );
        table.columns.truncate(2);
        assert_eq!(head(&table, None).0.matches("<tr>").count(), 1, "a single column needs no group");
    }

    #[test]
    fn what_a_record_says_is_text_and_never_markup() {
        let hostile = "</td><script>alert(1)</script>\u{1b}\"'";
        let cell = || Cell::Text(hostile.to_owned());
        let mut table = ReportTable::new(hostile, vec![crate::report::Column::left(hostile)]);
        table.rows = vec![vec![cell()]];
        table.notes = vec![hostile.to_owned()];
        table.warning = Some(hostile.to_owned());
        let known = HashSet::new();
        let mut page = HtmlWriter::new(&known);
        page.table(
            &table,
            &TableContext { ids: Some((hostile, vec![vec![Hash::of(b"")]])), ..TableContext::default() },
        );
        page.fold(hostile, true, |page| page.paragraph("", hostile));
        page.heading(2, "x", hostile);
        let html = alone(&Page::new(hostile, page.into_markup()));
        assert_eq!(html.matches("<script").count(), 1, "its own: {html}");
        assert!(!html.contains("</td><script>") && !html.contains('\u{1b}'));
        assert_eq!(html.matches("</td>").count(), 1, "of the id alone");
    }
}
