//! From tables, figures and ids to HTML, and the page around them.

use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::hash::{Hash, Hasher};
use crate::report::svg::{self, Figure, escape};
use crate::report::table::{NOT_COMPARABLE, sort_value};
use crate::report::{Align, Cell, Table};

/// The style sheet of pages, that of figures left out.
pub(super) const STYLE: &str = include_str!("page.css");
/// What sorts tables and opens lineages: a page is complete without it.
pub(super) const SCRIPT: &str = include_str!("page.js");

/// A page as it grows.
pub(super) struct Writer<'a> {
    pub(super) out: String,
    tables: u32,
    figures: u32,
    /// Objects that have a place in the page's lineage.
    known: &'a HashSet<Hash>,
}

/// What a table is shown with.
#[derive(Default)]
pub(super) struct Beside<'t> {
    /// Second lines of cells: those of this table in the same place, its first number left out.
    pub(super) intervals: Option<&'t Table>,
    /// What each column is made of; a row below the table.
    pub(super) made_of: Vec<Vec<Hash>>,
    /// The records that the numbers are from.
    pub(super) source: &'t [Hash],
    /// Ids of each row, as one more column of this heading.
    pub(super) ids: Option<(&'t str, Vec<Vec<Hash>>)>,
    /// Rows at the end that keep their place when others are sorted, such as a mean.
    pub(super) last: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(known: &'a HashSet<Hash>) -> Self {
        Writer { out: String::new(), tables: 0, figures: 0, known }
    }

    pub(super) fn push(&mut self, html: &str) {
        self.out += html;
        self.out.push('\n');
    }

    pub(super) fn heading(&mut self, level: u8, id: &str, text: &str) {
        self.push(&format!("<h{level} id=\"{id}\">{}</h{level}>", escape(text)));
    }

    /// A paragraph of plain text.
    pub(super) fn paragraph(&mut self, class: &str, text: &str) {
        self.push(&format!("<p class=\"{class}\">{}</p>", escape(text)));
    }

    /// A short id that leads to its place in the lineage.
    pub(super) fn id(&self, id: &Hash) -> String {
        let short = id.short();
        match self.known.contains(id) {
            true => format!("<a class=\"id\" href=\"#o-{short}\">{short}</a>"),
            false => format!("<span class=\"id\">{short}</span>"),
        }
    }

    fn ids(&self, ids: &[Hash]) -> String {
        ids.iter().map(|id| self.id(id)).collect::<Vec<_>>().join(" ")
    }

    /// A figure with its number, and what it was drawn from.
    pub(super) fn figure(&mut self, figure: &Figure, source: &[Hash]) {
        self.figures += 1;
        let (number, title) = (self.figures, escape(&figure.title));
        let from = self.from(source);
        let svg = figure.inline();
        self.push(&format!(
            "<figure>{svg}<figcaption><b>Figure {number}.</b> {title}. {from}</figcaption></figure>"
        ));
    }

    /// Several figures side by side under one number.
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
    pub(super) fn table(&mut self, table: &Table, beside: &Beside) {
        self.tables += 1;
        let mut html = format!(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Table {}: {}\"><table class=\"sortable\"><caption><b>Table {}.</b> {}.",
            self.tables,
            escape(&table.title),
            self.tables,
            escape(&table.title)
        );
        if let Some(why) = &table.warning {
            let _ = write!(html, " <strong class=\"warning\">{NOT_COMPARABLE}: {}</strong>", escape(why));
        }
        html += "</caption><thead><tr>";
        for column in &table.columns {
            let _ = write!(html, "<th scope=\"col\"{}>{}</th>", right(column.align), escape(&column.name));
        }
        if let Some((heading, _)) = &beside.ids {
            let _ = write!(html, "<th scope=\"col\">{}</th>", escape(heading));
        }
        html += "</tr></thead><tbody>";
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
                let shown = escape(&cell.shown());
                let shown = match table.bold.contains(&(place, column)) {
                    true => format!("<b>{shown}</b>"),
                    false => shown,
                };
                let ends = beside.intervals.and_then(|other| other.rows.get(place)?.get(column));
                let ends = ends.and_then(interval).map(|ends| format!("<small>{ends}</small>"));
                let _ = write!(
                    html,
                    "<{tag}{}{value}>{shown}{}</{}>",
                    right(table.columns[column].align),
                    ends.unwrap_or_default(),
                    &tag[..2]
                );
            }
            if let Some((_, ids)) = &beside.ids {
                let ids = ids.get(place).map_or(&[][..], Vec::as_slice);
                let _ = write!(html, "<td class=\"made\">{}</td>", self.ids(ids));
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
        let _ = write!(html, "<p class=\"notes\">{} {from}</p>", notes.join(" "));
        self.push(&html);
    }

    /// What is folded away until it is asked for.
    pub(super) fn fold(&mut self, summary: &str, inside: impl FnOnce(&mut Self)) {
        self.push(&format!("<details><summary>{}</summary>", escape(summary)));
        inside(self);
        self.push("</details>");
    }
}

fn right(align: Align) -> &'static str {
    match align {
        Align::Left => "",
        Align::Right => " class=\"n\"",
    }
}

/// The ends of an interval, in brackets.
fn interval(cell: &Cell) -> Option<String> {
    let shown = cell.shown();
    shown.find('[').map(|at| escape(&shown[at..]))
}

/// Bytes as a source that needs no network.
pub(super) fn data(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", BASE64.encode(bytes))
}

/// A page that needs nothing but itself, and may fetch nothing: its policy names its one style sheet and its one
/// script by their hashes.
pub(super) fn alone(title: &str, body: &str) -> String {
    let style = format!("{STYLE}{}", svg::style());
    let hash = |text: &str| {
        let mut hasher = Hasher::both();
        hasher.update(text.as_bytes());
        BASE64.encode(hasher.digest().sha256.0)
    };
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}<script>{SCRIPT}</script>\n</body>\n</html>\n",
        hash(&style),
        hash(SCRIPT)
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
    fn what_a_record_says_is_text_and_never_markup() {
        let hostile = "</td><script>alert(1)</script>\u{1b}\"'";
        let cell = || Cell::Text(hostile.to_owned());
        let mut table = Table::new(hostile, vec![crate::report::Column::left(hostile)]);
        table.rows = vec![vec![cell()]];
        table.notes = vec![hostile.to_owned()];
        table.warning = Some(hostile.to_owned());
        let known = HashSet::new();
        let mut page = Writer::new(&known);
        page.table(&table, &Beside { ids: Some((hostile, vec![vec![Hash::of(b"")]])), ..Beside::default() });
        page.fold(hostile, |page| page.paragraph("", hostile));
        page.heading(2, "x", hostile);
        let html = alone(hostile, &page.out);
        assert_eq!(html.matches("<script").count(), 1, "its own: {html}");
        assert!(!html.contains("</td><script>") && !html.contains('\u{1b}'));
        assert_eq!(html.matches("</td>").count(), 1, "of the id alone");
    }
}
