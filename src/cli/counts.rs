//! The tables of what a data set holds.

use reg::dataset::statistics::Statistics;
use reg::report::dataset::{age_histogram, ages, overview, prevalence};

use super::marks::ResultRemark;
use super::output::{TableFormat, width};

/// Tables 2 and 3 and figure 3: as bars in text, as a table in the other formats.
pub(super) fn counts(statistics: &Statistics, format: TableFormat, marks: &[ResultRemark]) -> String {
    let mut tables = vec![overview(statistics), prevalence(statistics)];
    match format {
        TableFormat::Text => {
            let text = format.marked(tables, marks);
            format!("{text}\n{}", age_histogram(statistics, width().unwrap_or(80)))
        }
        _ => {
            tables.push(ages(statistics));
            format.marked(tables, marks)
        }
    }
}
