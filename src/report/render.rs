//! Tables in each of the formats.

use super::table::{Format, ReportTable};
use super::{latex, markup, terminal};

impl ReportTable {
    /// Writes the table; the last line ends with a newline.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text { width, bold } => terminal::text(self, width, bold),
            Format::Csv => self.csv(),
            Format::Markdown => markup::markdown(self),
            Format::Latex => latex::latex(self),
        }
    }
}

/// Writes tables one after the other. Of LaTeX, the first line names the packages that any of them needs.
pub fn render(tables: &[ReportTable], format: Format) -> String {
    let all = tables.iter().map(|table| table.render(format)).collect::<Vec<_>>().join("\n");
    if format == Format::Latex { latex::with_packages_once(&all) } else { all }
}
