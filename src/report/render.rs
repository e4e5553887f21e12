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
