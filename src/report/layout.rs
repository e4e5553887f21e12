//! How a table is fitted to a width, in a terminal and on a page: first text between whose words a line may break,
//! then headings, take several lines; then columns are divided into blocks, each with the key columns; at last, rows
//! are written one below the other. Nothing ever breaks inside a number or a name.

use super::table::ReportTable;

/// The least width of text that takes several lines, in letters.
const PROSE: usize = 20;

/// Measures text in the units of an output: columns of a terminal, points of a page.
pub(super) struct Ruler<'r> {
    /// The width that all columns have together, including a gap for each.
    pub(super) available: usize,
    /// The space that each column takes besides its text.
    pub(super) gap: usize,
    /// Whether one heading may stand above several columns.
    pub(super) spans: bool,
    /// Width of a text, and whether it is in bold type.
    pub(super) measure: &'r dyn Fn(&str, bool) -> usize,
}

/// A table that fits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TableLayout {
    /// Columns side by side, in one block or several.
    Blocks(Vec<Vec<Placed>>),
    /// Each row as lines of a heading and a value, because not even one column fits beside the keys.
    Rows,
}

/// A column of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its place in the table.
    pub(super) column: usize,
    /// Its width without the gap.
    pub(super) width: usize,
    /// The lines of its heading.
    pub(super) heading: Vec<String>,
    /// What it has in common with the columns beside it, shown above them.
    pub(super) group: Option<String>,
}

/// The widths of a column.
struct Extent {
    least: usize,
    most: usize,
}

/// Fits a table whose cells are shown as `texts`.
pub(super) fn fit(table: &ReportTable, texts: &[Vec<String>], ruler: &Ruler) -> TableLayout {
    let Ruler { available, gap, spans, measure } = *ruler;
    let count = table.columns.len();
    let groups = groups(table);
    let group_of = |column: usize| groups.iter().find(|run| spans && run.contains(&column));
    let pieces = |column: usize| {
        let of = &table.columns[column];
        let (group, rest) = of.name.split_at(of.kept);
        let group = (!group.is_empty() && group_of(column).is_none()).then(|| group.to_owned());
        group.into_iter().chain(words(rest).into_iter().map(str::to_owned)).collect::<Vec<_>>()
    };
    let extent = |column: usize| {
        let pieces = pieces(column);
        let heading = measure(&pieces.join(" "), false);
        let longest = pieces.iter().map(|piece| measure(piece, false)).max().unwrap_or(0);
        let (mut cells, mut word) = (0, 0);
        for (row, texts) in texts.iter().enumerate() {
            let text = &texts[column];
            let bold = table.bold.contains(&(row, column));
            cells = cells.max(measure(text, bold));
            if table.columns[column].prose {
                word = words(text).into_iter().map(|word| measure(word, bold)).max().unwrap_or(0).max(word);
            }
        }
        let least = match table.columns[column].prose {
            true => word.max(cells.min(PROSE * measure("n", false))),
            false => cells,
        };
        Extent { least: least.max(longest), most: cells.max(heading) }
    };
    let mut extents: Vec<Extent> = (0..count).map(extent).collect();
    let total = |columns: &[usize], extents: &[Extent]| -> usize {
        columns.iter().map(|column| extents[*column].least + gap).sum()
    };
    let name_of = |run: &std::ops::Range<usize>| table.columns[run.start].group().unwrap_or_default();
    for run in groups.iter().filter(|_| spans) {
        // The columns below a common heading are together as wide as it is.
        let columns: Vec<usize> = run.clone().collect();
        let lack = (measure(name_of(run), false) + gap).saturating_sub(total(&columns, &extents));
        let last = &mut extents[run.end - 1];
        last.least += lack;
        last.most = last.most.max(last.least);
    }
    let place = |columns: Vec<usize>, extents: &[Extent]| -> Vec<Placed> {
        let mut spare = available.saturating_sub(total(&columns, extents));
        let mut widths: Vec<usize> = columns.iter().map(|column| extents[*column].least).collect();
        let prose = |at: usize| table.columns[columns[at]].prose;
        for wants_prose in [true, false] {
            for (at, column) in columns.iter().enumerate().filter(|(at, _)| prose(*at) == wants_prose) {
                let more = (extents[*column].most - widths[at]).min(spare);
                widths[at] += more;
                spare -= more;
            }
        }
        let of = |(column, width): (usize, usize)| Placed {
            column,
            width,
            heading: filled(pieces(column), width, &|text| measure(text, false)),
            group: group_of(column).map(|run| name_of(run).to_owned()),
        };
        columns.into_iter().zip(widths).map(of).collect()
    };
    let all: Vec<usize> = (0..count).collect();
    if total(&all, &extents) <= available {
        return TableLayout::Blocks(vec![place(all, &extents)]);
    }
    let keys: Vec<usize> = (0..table.keys()).collect();
    let room = available.saturating_sub(total(&keys, &extents));
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut left = 0;
    let mut column = keys.len();
    while column < count {
        let run = groups.iter().find(|run| run.start == column);
        let mut unit: Vec<usize> = run.cloned().unwrap_or(column..column + 1).collect();
        if total(&unit, &extents) > room {
            // A group that does not fit is divided; then each of its columns is below the common heading.
            unit.truncate(1);
            if let Some(run) = group_of(column) {
                let least = extents[column].least.max(measure(name_of(run), false));
                extents[column] = Extent { least, most: extents[column].most.max(least) };
            }
        }
        let width = total(&unit, &extents);
        if width > room {
            return TableLayout::Rows;
        }
        if blocks.is_empty() || width > left {
            blocks.push(keys.clone());
            left = room;
        }
        left -= width;
        column += unit.len();
        if let Some(block) = blocks.last_mut() {
            block.extend(unit);
        }
    }
    TableLayout::Blocks(blocks.into_iter().map(|columns| place(columns, &extents)).collect())
}

/// The runs of columns, besides keys, that have the beginning of their headings in common.
fn groups(table: &ReportTable) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for column in table.keys()..table.columns.len() {
        let Some(group) = table.columns[column].group() else { continue };
        match runs.last_mut() {
            Some(run) if run.end == column && table.columns[run.start].group() == Some(group) => run.end += 1,
            _ => runs.push(column..column + 1),
        }
    }
    runs.retain(|run| run.len() > 1);
    runs
}

/// The words of a text: what is between spaces; a command in backticks is one word.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let between = |c: char| {
        quoted ^= c == '`';
        c == ' ' && !quoted
    };
    text.split(between).filter(|word| !word.is_empty()).collect()
}

/// The lines of a text; each is as wide as `width`, or one word.
pub(super) fn lines(text: &str, width: usize, measure: &dyn Fn(&str) -> usize) -> Vec<String> {
    match measure(text) <= width {
        true => vec![text.to_owned()],
        false => filled(words(text).into_iter().map(str::to_owned).collect(), width, measure),
    }
}

fn filled(pieces: Vec<String>, width: usize, measure: &dyn Fn(&str) -> usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if measure(line) + measure(" ") + measure(&piece) <= width => {
                line.push(' ');
                *line += &piece;
            }
            _ => lines.push(piece),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Column};
    use super::*;

    fn fitted(columns: Vec<Column>, row: &[&str], available: usize) -> TableLayout {
        let mut table = ReportTable::new("", columns);
        table.rows = vec![row.iter().map(|text| Cell::Text((*text).to_owned())).collect()];
        let texts = vec![row.iter().map(|text| (*text).to_owned()).collect()];
        let measure = |text: &str, _| text.chars().count();
        fit(&table, &texts, &Ruler { available, gap: 3, spans: false, measure: &measure })
    }

    fn columns(layout: &TableLayout) -> Vec<Vec<usize>> {
        match layout {
            TableLayout::Blocks(blocks) => {
                let of = |block: &Vec<Placed>| block.iter().map(|placed| placed.column).collect();
                blocks.iter().map(of).collect()
            }
            TableLayout::Rows => Vec::new(),
        }
    }

    #[test]
    fn what_fits_is_one_block_and_headings_break_before_columns_are_divided() {
        let heads = || vec![Column::left("Label"), Column::right("Average precision"), Column::right("AUC")];
        let row = ["Mass", "0.1234", "0.5678"];
        assert_eq!(columns(&fitted(heads(), &row, 99)), [[0, 1, 2]]);
        let TableLayout::Blocks(blocks) = fitted(heads(), &row, 29) else { panic!() };
        assert_eq!(blocks[0][1].heading, ["Average", "precision"]);
        assert_eq!(columns(&fitted(heads(), &row, 28)), [[0, 1], [0, 2]], "each with its key");
        assert_eq!(fitted(heads(), &row, 19), TableLayout::Rows);
    }

    #[test]
    fn a_group_stays_together_as_long_as_it_fits() {
        let of = |model: &str| ["mean", "min", "max"].map(|what| Column::under(model, what));
        let heads = || {
            let models = [of("one"), of("two")].concat();
            [vec![Column::left("Label")], models].concat()
        };
        let row = ["Mass", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6"];
        assert_eq!(columns(&fitted(heads(), &row, 41)), [vec![0, 1, 2, 3], vec![0, 4, 5, 6]]);
        assert_eq!(columns(&fitted(heads(), &row, 22)), [[0, 1, 2], [0, 3, 4], [0, 5, 6]]);
    }

    #[test]
    fn a_name_in_a_heading_and_a_command_in_a_text_are_one_word() {
        let heads = vec![Column::left("Label"), Column::named("our own model")];
        assert_eq!(fitted(heads, &["Mass", "0.1"], 20), TableLayout::Rows);
        let text = "Score them with `reg eval RUN --subset val` or import others.";
        let measure = |text: &str| text.chars().count();
        let broken = lines(text, 20, &measure);
        assert!(broken.contains(&"`reg eval RUN --subset val`".to_owned()), "{broken:?}");
        assert_eq!(broken.join(" "), text);
    }

    #[test]
    fn text_gives_way_before_anything_else() {
        let heads = || vec![Column::left("Name"), Column::prose("What")];
        let row = ["tiny-s-f0", "a run of the tiny network on the split s of 24 images"];
        let TableLayout::Blocks(blocks) = fitted(heads(), &row, 40) else { panic!() };
        assert_eq!((blocks.len(), blocks[0][0].width, blocks[0][1].width), (1, 9, 25));
    }
}
