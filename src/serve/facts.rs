//! What `reg show` says of a record in a terminal, in the browser.

use maud::html;

use crate::report::page::{HtmlWriter, TableContext};
use crate::report::show::{PageSection, RecordPage};

/// From so many rows on, rows of short values stand beside each other.
const MANY: usize = 12;
/// Most letters of such a value.
const SHORT: usize = 24;

/// The parts of the page that a terminal shows. The title of the first is that of the page.
pub(super) fn sections(page: &mut HtmlWriter, shown: &RecordPage) {
    for (place, section) in shown.sections().iter().enumerate() {
        match section {
            PageSection::Pairs(title, rows) => {
                if place > 0 {
                    page.heading(2, &format!("section-{place}"), title);
                }
                let dense = rows.len() >= MANY && rows.iter().all(|(_, value)| value.len() <= SHORT);
                page.push(html! { dl.facts.dense[dense] { @for (name, value) in rows { dt { (name) } dd { (value) } } } });
            }
            // Drawn as figures.
            PageSection::Sparklines(..) => {}
            PageSection::Table(table) => page.list(table, &TableContext::default()),
        }
    }
}
