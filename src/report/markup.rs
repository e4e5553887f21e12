//! Tables as Markdown.

use super::table::{Align, ReportTable};
use crate::escape::markdown as markdown_text;

/// A GitHub-flavoured Markdown table with aligned pipes.
pub(super) fn markdown(table: &ReportTable) -> String {
    let mut rows = vec![table.columns.iter().map(|column| markdown_text(&column.name)).collect()];
    rows.extend(cells(table, markdown_text, |text| format!("**{text}**")));
    // The rule below the header needs at least three dashes.
    let width = |column: usize| rows.iter().map(|row: &Vec<String>| row[column].chars().count()).max();
    let widths: Vec<usize> =
        (0..table.columns.len()).map(|column| width(column).unwrap_or(0).max(3)).collect();
    let columns = || table.columns.iter().zip(&widths);
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(columns()).map(|(cell, (column, width))| match column.align {
            Align::Left => format!(" {cell:<width$} |"),
            Align::Right => format!(" {cell:>width$} |"),
        });
        format!("|{}\n", padded.collect::<String>())
    };
    let rule = columns().map(|(column, width)| match column.align {
        Align::Left => format!(" {} |", "-".repeat(*width)),
        Align::Right => format!(" {}: |", "-".repeat(width - 1)),
    });
    let rule = format!("|{}\n", rule.collect::<String>());
    let title = (!table.title.is_empty()).then(|| format!("**{}**\n\n", markdown_text(&table.title)));
    let notes = table.lines_below().map(|note| format!("\n{}\n", markdown_text(&note)));
    let warning = table.lines_above().map(|said| format!("**{}**\n\n", markdown_text(&said)));
    let above = warning.chain(title);
    above.chain([line(&rows[0]), rule]).chain(rows[1..].iter().map(line)).chain(notes).collect()
}

fn cells(
    table: &ReportTable,
    escape: fn(&str) -> String,
    bold: fn(String) -> String,
) -> impl Iterator<Item = Vec<String>> {
    table.filled_rows().enumerate().map(move |(i, row)| {
        let cell = |(j, cell): (usize, &&super::Cell)| {
            let text = escape(&cell.shown());
            if table.bold.contains(&(i, j)) { bold(text) } else { text }
        };
        row.iter().enumerate().map(cell).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::example;
    use super::*;
    use crate::report::Format;

    #[test]
    fn markdown_is_aligned_and_escaped() {
        insta::assert_snapshot!(example().render(Format::Markdown), @r"
        **Table\_4: AUC & more, 5 folds**

        | Label               | Positives |           AUC | Difference |       p |
        | ------------------- | --------: | ------------: | ---------: | ------: |
        | Pleural\_Thickening |     3,385 | 0.765 ± 0.013 |      0.000 | \<0.001 |
        | 100 % \| \<odd>     | 1,234,567 |     **0.800** |     -0.250 |   0.046 |
        | Hernia              |         0 |           n/a |        n/a |     n/a |
        | Mean                |           |               |            |         |

        Means of 2 labels.
        ");
    }

    #[test]
    fn a_table_without_columns_or_rows_is_still_written() {
        let table = ReportTable::default();
        for format in
            [Format::Text { width: Some(80), bold: true }, Format::Csv, Format::Markdown, Format::Latex]
        {
            assert!(table.render(format).ends_with('\n'), "{format:?}");
        }
    }
}
