//! Tables as text for people, in a terminal or a pipe.

use comfy_table::{
    Attribute, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width,
};
use rayon::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::layout::{Placed, Ruler, TableLayout, fit, lines};
use super::table::{Align, ReportTable};
use crate::escape::line;

/// Blank columns at both sides of each column and a rule between them.
const GAP: usize = 3;
/// A width that every table fits.
const ENDLESS: usize = usize::MAX / 4;

/// Text of which no line is wider than the terminal, unless it is one word or one command in backticks. The last line
/// ends with a newline.
pub fn paragraphs(text: &str, width: Option<u16>) -> String {
    let width = width.map_or(ENDLESS, usize::from);
    let broken = |line: &str| match line.starts_with(' ') {
        // What is indented is laid out already.
        true => line.to_owned() + "\n",
        false => paragraph(line, width),
    };
    text.lines().map(broken).collect()
}

/// A text as lines that end with a newline.
fn paragraph(text: &str, width: usize) -> String {
    lines(text, width, &|text| text.width()).into_iter().map(|line| line + "\n").collect()
}

/// The table with what is above and below it.
pub(super) fn text(table: &ReportTable, width: Option<u16>, bold: bool) -> String {
    let width = width.map_or(ENDLESS, usize::from);
    let rows: Vec<_> = table.filled_rows().collect();
    let texts: Vec<Vec<String>> =
        rows.par_iter().map(|row| row.iter().map(|cell| cell.shown()).collect()).collect();
    let measure = |text: &str, _| text.width();
    let layout =
        fit(table, &texts, &Ruler { available: width + 1, gap: GAP, spans: false, measure: &measure });
    let paragraph = |text: String| paragraph(&text, width);
    let mut out = String::new();
    out.extend(table.lines_above().map(|said| paragraph(line(&said))));
    let title = |part: String| match table.title.is_empty() {
        true => String::new(),
        false => paragraph(line(&table.title) + &part),
    };
    match layout {
        TableLayout::Rows => {
            out += &title(String::new());
            out += &one_below_the_other(table, &texts, width);
        }
        TableLayout::Blocks(blocks) => {
            let all = blocks.len();
            for (place, block) in blocks.iter().enumerate() {
                out += if place > 0 { "\n" } else { "" };
                out += &title(if all > 1 { format!(" ({} of {all})", place + 1) } else { String::new() });
                out += &drawn(table, &texts, block, bold);
                out.push('\n');
            }
        }
    }
    out.extend(table.lines_below().map(|note| paragraph(line(&note))));
    out
}

/// The rows that comfy-table draws. Of thousands, the further ones are padded to the widths that are known by then, by
/// all cores: that takes a fifth of the time.
const DRAWN: usize = 512;

/// The columns of a block side by side.
fn drawn(table: &ReportTable, texts: &[Vec<String>], block: &[Placed], bold: bool) -> String {
    let (first, further) = texts.split_at(texts.len().min(DRAWN));
    let mut out = with_heading(table, first, block, bold, !further.is_empty());
    let padded: Vec<String> = (further.par_iter().enumerate())
        .map(|(row, texts)| padded(table, texts, DRAWN + row, block, bold))
        .collect();
    padded.iter().for_each(|row| out += row);
    out
}

/// The lines of a cell.
fn of_cell(table: &ReportTable, text: &str, placed: &Placed) -> Vec<String> {
    match table.columns[placed.column].prose {
        true => lines(text, placed.width, &|text| text.width()),
        false => text.split('\n').map(str::to_owned).collect(),
    }
}

/// The heading and the first rows. Columns are as wide as further rows need, if there are any.
fn with_heading(
    table: &ReportTable,
    texts: &[Vec<String>],
    block: &[Placed],
    bold: bool,
    more: bool,
) -> String {
    const RULE: LineStyle = LineStyle::none().fill('─').junction('─');
    let mut out = comfy_table::Table::new();
    out.load_style(TableStyle::new().header_separator(RULE));
    out.set_content_arrangement(ContentArrangement::Disabled);
    if bold {
        out.enforce_styling()
    } else {
        out.force_no_tty()
    };
    let aligned = |text: String, placed: &Placed| {
        comfy_table::Cell::new(text).set_alignment(match table.columns[placed.column].align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        })
    };
    let most = block.iter().map(|placed| placed.heading.len()).max().unwrap_or(0);
    let heading = |placed: &Placed| {
        // Headings stand on the rule below them.
        let above = "\n".repeat(most - placed.heading.len());
        aligned(above + &placed.heading.iter().map(|of| line(of)).collect::<Vec<_>>().join("\n"), placed)
    };
    out.set_header(block.iter().map(heading).collect::<Vec<_>>());
    for (row, texts) in texts.iter().enumerate() {
        let cell = |placed: &Placed| {
            let cell = aligned(of_cell(table, &texts[placed.column], placed).join("\n"), placed);
            let bold = bold && table.bold.contains(&(row, placed.column));
            if bold { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        out.add_row(block.iter().map(cell).collect::<Vec<_>>());
    }
    for (place, placed) in block.iter().enumerate().filter(|_| more) {
        if let Some(column) = out.column_mut(place) {
            let width =
                u16::try_from(placed.width).unwrap_or(u16::MAX).saturating_add(column.padding_width());
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
    }
    out.trim_fmt()
}

/// A row as comfy-table draws it, each line after a line break.
fn padded(table: &ReportTable, texts: &[String], row: usize, block: &[Placed], bold: bool) -> String {
    let cells: Vec<Vec<String>> =
        block.iter().map(|placed| of_cell(table, &texts[placed.column], placed)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = String::new();
    for place in 0..height {
        let drawn = block.iter().zip(&cells).map(|(placed, lines)| {
            let text = lines.get(place).map_or("", |text| text);
            let blank = " ".repeat(placed.width.saturating_sub(text.width()));
            let cell = match table.columns[placed.column].align {
                Align::Left => format!(" {text}{blank} "),
                Align::Right => format!(" {blank}{text} "),
            };
            // Not the blank lines below a text.
            match bold && place < lines.len() && table.bold.contains(&(row, placed.column)) {
                true => format!("\u{1b}[1m{cell}\u{1b}[0m"),
                false => cell,
            }
        });
        out.push('\n');
        out += drawn.collect::<Vec<_>>().join(" ").trim_end();
    }
    out
}

/// A line for each cell: its heading and its value; a rule between rows.
fn one_below_the_other(table: &ReportTable, texts: &[Vec<String>], width: usize) -> String {
    let heading = |column: usize| line(&table.columns[column].name);
    let headings = (0..table.columns.len()).map(|column| heading(column).width()).max().unwrap_or(0);
    let room = width.saturating_sub(headings + 4);
    let rule = format!("{}\n", "─".repeat(width));
    let of_row = |texts: &Vec<String>| {
        let mut out = String::new();
        for (column, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            let mut heading = heading(column);
            let lines = match table.columns[column].prose {
                true => lines(text, room, &|text| text.width()),
                false => vec![text.clone()],
            };
            // A value that is wider than what is left beside the headings is below its own.
            let below = lines.iter().any(|line| line.width() > room);
            if below {
                out += &format!(" {heading}\n");
                heading.clear();
            }
            for line in lines {
                if below {
                    out += &format!("   {line}\n");
                    continue;
                }
                let blank = " ".repeat(headings - heading.width());
                out += &format!(" {heading}{blank}   {line}\n");
                heading.clear();
            }
        }
        out
    };
    texts.iter().map(of_row).collect::<Vec<_>>().join(&rule)
}

#[cfg(test)]
mod tests {
    use super::super::table::{Cell, Column};
    use super::*;

    #[test]
    fn padded_rows_are_drawn_as_the_first_ones_are() {
        let columns = vec![Column::left("Name"), Column::right("AUC"), Column::prose("Note")];
        let mut table = ReportTable::new("", columns);
        let notes =
            ["", "one note of several words that does not fit a line", "短い注釈 that is wide", "short"];
        for row in 0..DRAWN + 40 {
            let kind = row % 8;
            let name = ["a", "Ж", "短い", "a-longer-name", "e\u{301}", "", "b", "c"][kind];
            table.rows.push(vec![
                Cell::Text(name.to_owned()),
                Cell::Text(["0.5", "n/a", "", "0.75"][kind % 4].to_owned()),
                Cell::Text(notes[kind / 2].to_owned()),
            ]);
            table.bold.extend((kind == 3).then_some((row, 1)));
        }
        for (width, bold) in [(Some(60), false), (Some(60), true), (None, false), (None, true)] {
            let text = text(&table, width, bold);
            let lines: Vec<&str> = text.lines().skip(2).collect();
            let period = lines.len() / (table.rows.len() / 8);
            assert_eq!(lines.len(), period * (table.rows.len() / 8), "{text}");
            for (place, line) in lines.iter().enumerate().skip(period) {
                assert_eq!(*line, lines[place % period], "line {place} at width {width:?}, bold {bold}");
            }
        }
    }
}
