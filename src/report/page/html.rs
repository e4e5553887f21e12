//! Formats tables, figures and ids as HTML, and the page around them.

use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::hash::{Hash, Hasher};
use crate::report::layout::{Placed, Ruler, TableLayout, fit};
use crate::report::svg::{self, Figure, escape};
use crate::report::table::sort_value;
use crate::report::{Align, Cell, ReportTable};

/// Tables with more columns may be wider than the text.
const MANY_COLUMNS: usize = 7;
/// The style sheet of pages, without that of figures.
pub(super) const STYLE: &str = include_str!("page.css");
/// Sorts tables and expands lineages; a page is complete without it.
pub(crate) const SCRIPT: &str = include_str!("page.js");

/// A page in progress.
pub(crate) struct HtmlWriter<'a> {
    pub(crate) out: String,
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
    /// Number of rows at the end that are not sorted, such as a mean.
    pub(crate) last: usize,
}

impl<'a> HtmlWriter<'a> {
    pub(super) fn new(known: &'a HashSet<Hash>) -> Self {
        HtmlWriter { out: String::new(), tables: 0, figures: 0, known: Some(known) }
    }

    /// A page of a live registry.
    pub(crate) fn served() -> HtmlWriter<'static> {
        HtmlWriter { out: String::new(), tables: 0, figures: 0, known: None }
    }

    pub(crate) fn push(&mut self, html: &str) {
        self.out += html;
        self.out.push('\n');
    }

    pub(crate) fn heading(&mut self, level: u8, id: &str, text: &str) {
        self.push(&format!("<h{level} id=\"{id}\">{}</h{level}>", escape(text)));
    }

    /// A paragraph of plain text.
    pub(crate) fn paragraph(&mut self, class: &str, text: &str) {
        self.push(&format!("<p class=\"{class}\">{}</p>", escape(text)));
    }

    /// A short id that links to its place in the lineage.
    pub(super) fn id(&self, id: &Hash) -> String {
        let short = id.short();
        match self.known.map(|known| known.contains(id)) {
            None => format!("<a class=\"id\" href=\"/record/{id}\">{short}</a>"),
            Some(true) => format!("<a class=\"id\" href=\"#o-{short}\">{short}</a>"),
            Some(false) => format!("<span class=\"id\">{short}</span>"),
        }
    }

    fn ids(&self, ids: &[Hash]) -> String {
        ids.iter().map(|id| self.id(id)).collect::<Vec<_>>().join(" ")
    }

    /// A figure with its number and its source.
    pub(crate) fn figure(&mut self, figure: &Figure, source: &[Hash]) {
        self.figures += 1;
        let (number, title) = (self.figures, escape(&figure.title));
        let from = self.from(source);
        let svg = figure.inline();
        self.push(&format!(
            "<figure>{svg}<figcaption><b>Figure {number}.</b> {title}. {from}</figcaption></figure>"
        ));
    }

    /// Several figures side by side with one number.
    pub(super) fn figures(&mut self, title: &str, figures: &[Figure], source: &[Hash]) {
        self.figures += 1;
        let each: Vec<String> = figures.iter().map(Figure::inline).collect();
        let (number, from) = (self.figures, self.from(source));
        self.push(&format!(
            "<figure><div class=\"many\">{}</div><figcaption><b>Figure {number}.</b> {} {from}</figcaption></figure>",
            each.join("\n"),
            escape(title)
        ));
    }

    fn from(&self, source: &[Hash]) -> String {
        match source {
            [] => String::new(),
            ids => format!("<span class=\"from\">From {}</span>", self.ids(ids)),
        }
    }

    /// A table with its number.
    pub(crate) fn table(&mut self, table: &ReportTable, beside: &TableContext) {
        self.tables += 1;
        let number = format!("<b>Table {}.</b> ", self.tables);
        self.any_table(table, beside, &number, |page, place| {
            let ids = &beside.ids.as_ref()?.1;
            Some(page.ids(ids.get(place).map_or(&[][..], Vec::as_slice)))
        });
    }

    /// A list of records without a number, with ids after each row.
    pub(crate) fn list(&mut self, table: &ReportTable, heading: &'static str, ids: Vec<Vec<Hash>>) {
        let beside = TableContext { ids: Some((heading, ids)), ..TableContext::default() };
        self.any_table(table, &beside, "", |page, place| Some(page.ids(beside.ids.as_ref()?.1.get(place)?)));
    }

    /// A list whose first column has links, one per row.
    pub(crate) fn links(&mut self, table: &ReportTable, heading: &'static str, places: &[String]) {
        let beside = TableContext { ids: Some((heading, Vec::new())), ..TableContext::default() };
        self.any_table(table, &beside, "", |_, place| {
            Some(format!("<a href=\"{}\">{}</a>", escape(places.get(place)?), escape(heading)))
        });
    }

    fn any_table(
        &mut self,
        table: &ReportTable,
        beside: &TableContext,
        number: &str,
        behind: impl Fn(&Self, usize) -> Option<String>,
    ) {
        let title = escape(&table.title);
        // The table has more columns than fit the text width.
        let wide = if table.columns.len() > MANY_COLUMNS { " wide" } else { "" };
        let mut html = format!(
            "<div class=\"scroll{wide}\" role=\"region\" tabindex=\"0\" aria-label=\"{title}\"><table class=\"sortable\"><caption>{number}{title}."
        );
        for said in table.lines_above() {
            let _ = write!(html, " <strong class=\"warning\">{}</strong>", escape(&said));
        }
        html += "</caption>";
        html += &head(table, beside.ids.as_ref().map(|(heading, _)| *heading));
        html += "<tbody>";
        let rows: Vec<Vec<&Cell>> = table.filled_rows().collect();
        let kept = rows.len().saturating_sub(beside.last);
        for (place, row) in rows.iter().enumerate() {
            if place == kept && place > 0 {
                html += "</tbody><tbody class=\"last\">";
            }
            html += "<tr>";
            for (column, cell) in row.iter().enumerate() {
                let heading = column == 0 && table.columns[0].align == Align::Left;
                let tag = if heading { "th scope=\"row\"" } else { "td" };
                let value =
                    sort_value(cell).map(|value| format!(" data-v=\"{value:?}\"")).unwrap_or_default();
                // The interval is on a second line.
                let shown = escape(&cell.value().shown());
                let shown = match table.bold.contains(&(place, column)) {
                    true => format!("<b>{shown}</b>"),
                    false => shown,
                };
                let ends = beside.intervals.and_then(|other| other.rows.get(place)?.get(column));
                let ends = ends.unwrap_or(cell).ends().map(|ends| format!("<small>{ends}</small>"));
                let _ = write!(
                    html,
                    "<{tag}{}{value}>{shown}{}</{}>",
                    right(table.columns[column].align),
                    ends.unwrap_or_default(),
                    &tag[..2]
                );
            }
            if beside.ids.is_some() {
                let _ = write!(html, "<td class=\"made\">{}</td>", behind(self, place).unwrap_or_default());
            }
            html += "</tr>";
        }
        html += "</tbody>";
        if !beside.made_of.is_empty() {
            html += "<tfoot><tr><th scope=\"row\">Made of</th>";
            for column in 1..table.columns.len() {
                let ids = beside.made_of.get(column - 1).map_or(&[][..], Vec::as_slice);
                let _ = write!(html, "<td class=\"n made\">{}</td>", self.ids(ids));
            }
            html += "</tr></tfoot>";
        }
        html += "</table></div>";
        let notes: Vec<String> = table.notes.iter().map(|note| escape(note)).collect();
        let from = self.from(beside.source);
        if !notes.is_empty() || !from.is_empty() {
            let _ = write!(html, "<p class=\"notes\">{} {from}</p>", notes.join(" "));
        }
        self.push(&html);
    }

    /// A collapsed section. When printed, it is shown if `prints` is set, otherwise only if it was expanded.
    pub(super) fn fold(&mut self, summary: &str, prints: bool, inside: impl FnOnce(&mut Self)) {
        let class = if prints { " class=\"prints\"" } else { "" };
        self.push(&format!("<details{class}><summary>{}</summary>", escape(summary)));
        inside(self);
        self.push("</details>");
    }
}

/// The headings of a table, of a second line where columns have the beginning of theirs in common. Each is of the column
/// that it says, by which the script sorts.
fn head(table: &ReportTable, ids: Option<&str>) -> String {
    let texts: Vec<Vec<String>> =
        table.filled_rows().map(|row| row.iter().map(|cell| cell.shown()).collect()).collect();
    // A page can be as wide as the table is.
    let measure = |text: &str, _| text.chars().count();
    let ruler = Ruler { available: usize::MAX / 4, gap: 1, spans: true, measure: &measure };
    let placed = match fit(table, &texts, &ruler) {
        TableLayout::Blocks(blocks) => blocks.into_iter().flatten().collect(),
        TableLayout::Rows => Vec::new(),
    };
    let grouped = placed.iter().any(|placed: &Placed| placed.group.is_some());
    let rows = if grouped { " rowspan=\"2\"" } else { "" };
    let heading = |placed: &Placed| escape(&placed.heading.join(" "));
    let (mut first, mut second) = (String::new(), String::new());
    for run in placed.chunk_by(|a, b| a.group.is_some() && a.group == b.group) {
        if let Some(group) = &run[0].group {
            let (columns, group) = (run.len(), escape(group));
            let _ =
                write!(first, "<th class=\"group\" scope=\"colgroup\" colspan=\"{columns}\">{group}</th>");
        }
        for placed in run {
            let (column, align) = (placed.column, right(table.columns[placed.column].align));
            let (to, rows) = if placed.group.is_some() { (&mut second, "") } else { (&mut first, rows) };
            let _ = write!(to, "<th scope=\"col\" data-c=\"{column}\"{rows}{align}>{}</th>", heading(placed));
        }
    }
    if let Some(heading) = ids {
        let column = table.columns.len();
        let _ = write!(first, "<th scope=\"col\" data-c=\"{column}\"{rows}>{}</th>", escape(heading));
    }
    let second = if grouped { format!("<tr>{second}</tr>") } else { second };
    format!("<thead><tr>{first}</tr>{second}</thead>")
}

fn right(align: Align) -> &'static str {
    match align {
        Align::Left => "",
        Align::Right => " class=\"n\"",
    }
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
pub(super) fn alone(title: &str, body: &str) -> String {
    let style = style();
    let hash = |text: &str| {
        let mut hasher = Hasher::both();
        hasher.update(text.as_bytes());
        BASE64.encode(hasher.digest().sha256.0)
    };
    let (of_style, of_script) = (hash(&style), hash(SCRIPT));
    let policy = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{of_style}'; script-src 'sha256-{of_script}'; img-src data:; base-uri 'none'; form-action 'none'\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
    );
    let style = format!("<style>{style}</style>");
    document(title, &format!("{policy}{style}"), &format!("{body}<script>{SCRIPT}</script>"))
}

/// A page of a live registry, whose policy is sent as a header.
pub(crate) fn served(title: &str, body: &str) -> String {
    let head = "<link rel=\"stylesheet\" href=\"/page.css\"><link rel=\"icon\" href=\"data:,\"><script src=\"/page.js\" defer></script>";
    // A report has its own heading.
    let body = match body.contains("<main id=\"main\">") {
        true => body.to_owned(),
        false => format!("<header><h1>{}</h1></header>\n<main id=\"main\">\n{body}</main>", escape(title)),
    };
    let home = "<p class=\"bar\"><a href=\"/\">Registry</a></p>\n";
    document(title, head, &format!("{home}{body}"))
}

fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n{head}\n<title>{}</title>\n</head>\n<body>\n{body}\n</body>\n</html>\n",
        escape(title)
    )
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
            head(&table, Some("Id")),
            "<thead><tr><th scope=\"col\" data-c=\"0\" rowspan=\"2\">Label</th>\
             <th class=\"group\" scope=\"colgroup\" colspan=\"2\">one &amp; all</th>\
             <th class=\"group\" scope=\"colgroup\" colspan=\"2\">two</th>\
             <th scope=\"col\" data-c=\"5\" rowspan=\"2\">Id</th></tr>\
             <tr><th scope=\"col\" data-c=\"1\" class=\"n\">mean</th><th scope=\"col\" data-c=\"2\" class=\"n\">max</th>\
             <th scope=\"col\" data-c=\"3\" class=\"n\">mean</th><th scope=\"col\" data-c=\"4\" class=\"n\">max</th></tr></thead>"
        );
        table.columns.truncate(2);
        assert_eq!(head(&table, None).matches("<tr>").count(), 1, "a single column needs no group");
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
        let html = alone(hostile, &page.out);
        assert_eq!(html.matches("<script").count(), 1, "its own: {html}");
        assert!(!html.contains("</td><script>") && !html.contains('\u{1b}'));
        assert_eq!(html.matches("</td>").count(), 1, "of the id alone");
    }
}
