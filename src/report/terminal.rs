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

/// Rows that are drawn together: thousands are drawn by all cores.
const TOGETHER: usize = 512;

/// The columns of a block side by side.
fn drawn(table: &ReportTable, texts: &[Vec<String>], block: &[Placed], bold: bool) -> String {
    let parts = texts.par_chunks(TOGETHER).enumerate();
    let parts = parts.map(|(part, texts)| drawn_rows(table, texts, part * TOGETHER, block, bold));
    let parts: Vec<String> = parts.collect();
    match parts.is_empty() {
        true => drawn_rows(table, &[], 0, block, bold),
        false => parts.join("\n"),
    }
}

/// Some rows, the first of which is number `first` of the table: with the heading only if it is the first of all.
fn drawn_rows(
    table: &ReportTable,
    texts: &[Vec<String>],
    first: usize,
    block: &[Placed],
    bold: bool,
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
    if first == 0 {
        out.set_header(block.iter().map(heading).collect::<Vec<_>>());
    }
    for (row, texts) in (first..).zip(texts) {
        let cell = |placed: &Placed| {
            let text = &texts[placed.column];
            let text = match table.columns[placed.column].prose {
                true => lines(text, placed.width, &|text| text.width()).join("\n"),
                false => text.clone(),
            };
            let cell = aligned(text, placed);
            let bold = bold && table.bold.contains(&(row, placed.column));
            if bold { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        out.add_row(block.iter().map(cell).collect::<Vec<_>>());
    }
    // As wide as the rows that are drawn by themselves.
    let is_part = table.rows.len() > TOGETHER;
    for (place, placed) in block.iter().enumerate().filter(|_| is_part) {
        if let Some(column) = out.column_mut(place) {
            let width =
                u16::try_from(placed.width).unwrap_or(u16::MAX).saturating_add(column.padding_width());
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
    }
    out.trim_fmt()
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
            for line in lines {
                let blank = " ".repeat(headings - heading.width());
                out += &format!(" {heading}{blank}   {line}\n");
                heading.clear();
            }
        }
        out
    };
    texts.iter().map(of_row).collect::<Vec<_>>().join(&rule)
}
