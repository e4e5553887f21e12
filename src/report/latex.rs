//! Tables as LaTeX that stays on the page: columns are divided into blocks that fit the text of `article` (345 pt), and
//! what is higher than a page becomes a `longtable`. A comment names the packages that are needed.

use super::layout::{Placed, Ruler, TableLayout, fit};
use super::table::{Align, ReportTable};
use crate::escape::{latex as escaped, latex_sentence, line};

/// Points of the width and the height of the text of `article` at 10 pt; the page has 550 pt, of which captions and
/// estimates keep some.
const PAGE: [usize; 2] = [345, 480];

/// Thousandths of the type size that each printable ASCII character of Computer Modern takes, from the space on; those
/// that only mathematics or other fonts have, as wide as there.
const WIDTHS: [u16; 95] = [
    334, 278, 500, 834, 500, 834, 778, 278, 389, 389, 500, 778, 278, 334, 278, 500, 500, 500, 500, 500, 500,
    500, 500, 500, 500, 500, 278, 278, 778, 778, 778, 473, 778, 750, 709, 722, 764, 681, 653, 785, 750, 361,
    514, 778, 625, 917, 750, 778, 681, 778, 737, 556, 722, 750, 750, 1028, 750, 750, 611, 278, 500, 278, 500,
    500, 500, 500, 556, 445, 556, 445, 306, 500, 556, 278, 306, 528, 278, 834, 556, 500, 556, 528, 392, 395,
    389, 556, 528, 723, 528, 528, 445, 500, 278, 500, 500,
];
/// The same of any other character, at most.
const OTHER: u16 = 1028;
/// How much wider bold type is, in percent.
const BOLD: usize = 119;

/// A size of type.
struct Size {
    command: &'static str,
    /// Tenths of a point of a letter as wide as the size, with what small type is wider than its size says.
    letter: usize,
    /// Points of a line.
    line: usize,
    /// Points between a column and its neighbour, half of them for each.
    gap: usize,
}

const SIZES: [Size; 2] = [
    Size { command: "", letter: 100, line: 12, gap: 12 },
    Size { command: "\\footnotesize\\setlength{\\tabcolsep}{4pt}", letter: 85, line: 10, gap: 8 },
];

/// Points that a text takes.
fn points(text: &str, letter: usize, bold: bool) -> usize {
    let of = |c: char| {
        let place = (c as usize).checked_sub(' ' as usize);
        usize::from(place.and_then(|place| WIDTHS.get(place)).copied().unwrap_or(match c {
            '±' | '−' => 778,
            'À'..='ſ' => OTHER,
            // Its number is printed: see `escape::latex`.
            _ => 5 * OTHER,
        }))
    };
    // A minus sign is wider than a hyphen.
    let minus = if text.starts_with('-') { 450 } else { 0 };
    let thousandths = (minus + text.chars().map(of).sum::<usize>()) * letter;
    (thousandths * if bold { BOLD } else { 100 }).div_ceil(1_000_000)
}

/// The table as LaTeX; the last line ends with a newline.
pub(super) fn latex(table: &ReportTable) -> String {
    let texts: Vec<Vec<String>> =
        table.filled_rows().map(|row| row.iter().map(|cell| cell.shown()).collect()).collect();
    let fitted = |size: &'static Size| {
        let measure = |text: &str, bold| points(text, size.letter, bold);
        let ruler = Ruler { available: PAGE[0] + size.gap, gap: size.gap, spans: true, measure: &measure };
        (size, fit(table, &texts, &ruler))
    };
    let [usual, small] = &SIZES;
    let (size, layout) = match fitted(usual) {
        (size, TableLayout::Blocks(blocks)) if blocks.len() == 1 => (size, TableLayout::Blocks(blocks)),
        _ => fitted(small),
    };
    let blocks = match layout {
        TableLayout::Blocks(blocks) => {
            blocks.iter().map(|block| Block::of(table, &texts, block, size)).collect()
        }
        TableLayout::Rows => vec![Block::of_rows(table, &texts, size)],
    };
    let small = SIZES[1].letter;
    let lines_of = |text: &str, letter| points(text, letter, false) / PAGE[0] + 1;
    let notes: usize = table.lines_below().map(|note| lines_of(&note, small) * 10 + 6).sum();
    let above = table.lines_above().chain([table.title.clone()]);
    let above: usize = above.map(|text| lines_of(&text, 100) * 12).sum();
    let lines: usize = blocks.iter().map(|block| block.lines * size.line + 24).sum();
    match above + lines + notes <= PAGE[1] {
        true => float(table, &blocks, size),
        false => long(table, &blocks, size),
    }
}

/// Columns side by side, as lines of LaTeX.
struct Block {
    alignment: String,
    heading: String,
    rows: Vec<String>,
    /// Lines that it takes, the heading included.
    lines: usize,
}

impl Block {
    fn of(table: &ReportTable, texts: &[Vec<String>], block: &[Placed], size: &Size) -> Self {
        let alignment = block.iter().map(|placed| match table.columns[placed.column].align {
            Align::Left => 'l',
            Align::Right => 'r',
        });
        let mut heading = String::new();
        let mut lines = block.iter().map(|placed| placed.heading.len()).max().unwrap_or(0);
        if block.iter().any(|placed| placed.group.is_some()) {
            lines += 1;
            heading += &groups(block);
        }
        let most = block.iter().map(|placed| placed.heading.len()).max().unwrap_or(0);
        for place in 0..most {
            let cell = |placed: &Placed| {
                // Headings stand on the rule below them.
                let own = (place + placed.heading.len()).checked_sub(most);
                own.and_then(|own| placed.heading.get(own)).map(|text| escaped(text)).unwrap_or_default()
            };
            heading += &row(block.iter().map(cell));
        }
        let mut rows = Vec::new();
        for (place, texts) in texts.iter().enumerate() {
            let mut most = 1;
            let cell = |placed: &Placed| {
                let text = &texts[placed.column];
                let cell = match points(text, size.letter, false) > placed.width {
                    true => {
                        most = most.max(points(text, size.letter, false) / placed.width.max(1) + 2);
                        boxed(text, placed.width)
                    }
                    false => escaped(text),
                };
                match table.bold.contains(&(place, placed.column)) {
                    true => format!("\\textbf{{{cell}}}"),
                    false => cell,
                }
            };
            rows.push(row(block.iter().map(cell).collect::<Vec<_>>().into_iter()));
            lines += most;
        }
        Block { alignment: alignment.collect(), heading, rows, lines }
    }

    /// Each row as lines of a heading and a value.
    fn of_rows(table: &ReportTable, texts: &[Vec<String>], size: &Size) -> Self {
        let width = |column: usize| points(&line(&table.columns[column].name), size.letter, false);
        let headings = (0..table.columns.len()).map(width).max().unwrap_or(0).min(PAGE[0] / 2);
        let room = PAGE[0] - headings - size.gap;
        let mut lines = 1;
        let mut rows = Vec::new();
        for (place, texts) in texts.iter().enumerate() {
            rows.extend((place > 0).then(|| "    \\midrule\n".to_owned()));
            for (column, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
                let heading = &table.columns[column].name;
                let fits = |text: &str, room| points(text, size.letter, false) <= room;
                let of = |text: &str, room| if fits(text, room) { escaped(text) } else { boxed(text, room) };
                lines += points(text, size.letter, false) / room + 1;
                rows.push(row([of(heading, headings), of(text, room)].into_iter()));
            }
        }
        Block { alignment: "ll".to_owned(), heading: String::new(), rows, lines }
    }

    fn heading(&self) -> String {
        match self.heading.is_empty() {
            true => "    \\toprule\n".to_owned(),
            false => format!("    \\toprule\n{}    \\midrule\n", self.heading),
        }
    }
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let line = cells.collect::<Vec<_>>().join(" & ");
    // Behind the end of a row, these would belong to it.
    let apart = if line.starts_with(['[', '*']) { "{}" } else { "" };
    format!("    {apart}{line} \\\\\n")
}

/// Text that takes several lines of a cell.
fn boxed(text: &str, width: usize) -> String {
    let text = latex_sentence(text, width / 7);
    format!(
        "\\parbox[t]{{{width}pt}}{{\\raggedright\\hyphenpenalty=10000\\exhyphenpenalty=10000\\strut {text}\\strut}}"
    )
}

/// The line of a heading with what columns have in common, and rules below it.
fn groups(block: &[Placed]) -> String {
    let (mut cells, mut rules, mut column) = (Vec::new(), String::new(), 1);
    for run in block.chunk_by(|a, b| a.group.is_some() && a.group == b.group) {
        match &run[0].group {
            Some(group) => {
                cells.push(format!("\\multicolumn{{{}}}{{c}}{{{}}}", run.len(), escaped(group)));
                rules += &format!("\\cmidrule(lr){{{column}-{}}}", column + run.len() - 1);
            }
            None => cells.extend(run.iter().map(|_| String::new())),
        }
        column += run.len();
    }
    format!("{}    {rules}\n", row(cells.into_iter()))
}

/// What stands above the table.
fn caption(table: &ReportTable) -> Option<String> {
    let warning = table.lines_above().map(|said| format!("\\textbf{{{}}}", latex_sentence(&said, WORD)));
    let title = (!table.title.is_empty()).then(|| latex_sentence(&table.title, WORD));
    let parts: Vec<String> = warning.chain(title).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Letters of a word that fits a line, whatever they are.
const WORD: usize = 40;

/// Lines below the table, without hyphens that would stand in a command that is copied.
fn notes(table: &ReportTable) -> String {
    let note = |note: String| format!("  {}\\par\n", latex_sentence(&note, WORD));
    let notes: String = table.lines_below().map(note).collect();
    match notes.is_empty() {
        true => notes,
        false => format!(
            "  \\par\\smallskip\\footnotesize\\raggedright\\hyphenpenalty=10000\\exhyphenpenalty=10000\n{notes}"
        ),
    }
}

/// What begins the line that names packages.
const PACKAGES: &str = "% \\usepackage{";

/// Tables of which the first line names the packages that any of them needs, and no other line does.
pub fn with_packages_once(tables: &str) -> String {
    let is_packages = |line: &&str| line.starts_with(PACKAGES);
    // Those of a table that goes on over pages include those of others.
    let Some(most) = tables.lines().filter(is_packages).max_by_key(|line| line.len()) else {
        return tables.to_owned();
    };
    let others = tables.split_inclusive('\n').filter(|line| !line.starts_with(PACKAGES));
    std::iter::once(format!("{most}\n")).chain(others.map(str::to_owned)).collect()
}

/// A table that LaTeX moves to where it fits.
fn float(table: &ReportTable, blocks: &[Block], size: &Size) -> String {
    let mut out = String::from("% \\usepackage{booktabs}\n\\begin{table}\n  \\centering\\sloppy\n");
    out.extend(caption(table).map(|caption| format!("  \\caption{{{caption}}}\n")));
    if !size.command.is_empty() {
        out += &format!("  {}\n", size.command);
    }
    for (place, block) in blocks.iter().enumerate() {
        out += if place > 0 { "  \\par\\medskip\n" } else { "" };
        out += &format!("  \\begin{{tabular}}{{@{{}}{}@{{}}}}\n{}", block.alignment, block.heading());
        out.extend(block.rows.iter().map(String::as_str));
        out += "    \\bottomrule\n  \\end{tabular}\n";
    }
    out + &notes(table) + "\\end{table}\n"
}

/// Tables that go on over pages.
fn long(table: &ReportTable, blocks: &[Block], size: &Size) -> String {
    let mut out = format!("% \\usepackage{{booktabs,longtable}}\n{{\\sloppy{}\n", size.command);
    for (place, block) in blocks.iter().enumerate() {
        // All blocks are one table and have its number.
        out += if place > 0 { "  \\addtocounter{table}{-1}\n" } else { "" };
        out += &format!("  \\begin{{longtable}}{{@{{}}{}@{{}}}}\n", block.alignment);
        let part = match blocks.len() {
            1 => String::new(),
            all => format!(" ({} of {all})", place + 1),
        };
        let head = block.heading();
        let caption = caption(table);
        let first = caption.as_ref().map(|caption| match place {
            0 => format!("    \\caption{{{caption}{part}}}\\\\\n"),
            _ => format!("    \\caption[]{{{caption}{part}}}\\\\\n"),
        });
        let further = caption.map(|caption| format!("    \\caption[]{{{caption}{part}, continued}}\\\\\n"));
        out += &format!("{}{head}    \\endfirsthead\n", first.unwrap_or_default());
        out +=
            &format!("{}{head}    \\endhead\n    \\bottomrule\n    \\endfoot\n", further.unwrap_or_default());
        out.extend(block.rows.iter().map(String::as_str));
        out += "  \\end{longtable}\n";
    }
    out + &notes(table) + "}\n"
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::example;
    use super::super::{Cell, Column, Format};
    use super::*;

    #[test]
    fn latex_is_escaped_and_uses_booktabs() {
        insta::assert_snapshot!(example().render(Format::Latex), @r"
        % \usepackage{booktabs}
        \begin{table}
          \centering\sloppy
          \caption{Table\_4: AUC \& more, 5 folds}
          \begin{tabular}{@{}lrrrr@{}}
            \toprule
            Label & Positives & AUC & Difference & p \\
            \midrule
            Pleural\_Thickening & 3,385 & 0.765 $\pm$ 0.013 & 0.000 & $<$0.001 \\
            100 \% \textbar{} $<$odd$>$ & 1,234,567 & \textbf{0.800} & $-$0.250 & 0.046 \\
            Hernia & 0 & n/a & n/a & n/a \\
            Mean &  &  &  &  \\
            \bottomrule
          \end{tabular}
          \par\smallskip\footnotesize\raggedright\hyphenpenalty=10000\exhyphenpenalty=10000
          Means of 2 labels.\par
        \end{table}
        ");
    }

    #[test]
    fn columns_with_something_in_common_are_below_one_heading_and_in_one_block() {
        let models = ["image-only-network", "image-and-meta", "a_third"];
        let heads = models.map(|model| ["mean", "min", "max"].map(|what| Column::under(model, what)));
        let mut table = ReportTable::new("AUC", vec![Column::left("Label")]);
        table.columns.extend(heads.into_iter().flatten());
        let number = || Cell::Number { value: Some(0.12345), decimals: 4 };
        let row = std::iter::once(Cell::Text("Pleural_Thickening".to_owned()));
        table.rows = vec![row.chain((0..9).map(|_| number())).collect()];
        table.notes = vec!["Score them with `reg eval RUN_1 --subset val`.".to_owned()];
        insta::assert_snapshot!(table.render(Format::Latex), @r"
        % \usepackage{booktabs}
        \begin{table}
          \centering\sloppy
          \caption{AUC}
          \footnotesize\setlength{\tabcolsep}{4pt}
          \begin{tabular}{@{}lrrrrrr@{}}
            \toprule
             & \multicolumn{3}{c}{image-only-network} & \multicolumn{3}{c}{image-and-meta} \\
            \cmidrule(lr){2-4}\cmidrule(lr){5-7}
            Label & mean & min & max & mean & min & max \\
            \midrule
            Pleural\_Thickening & 0.1235 & 0.1235 & 0.1235 & 0.1235 & 0.1235 & 0.1235 \\
            \bottomrule
          \end{tabular}
          \par\medskip
          \begin{tabular}{@{}lrrr@{}}
            \toprule
             & \multicolumn{3}{c}{a\_third} \\
            \cmidrule(lr){2-4}
            Label & mean & min & max \\
            \midrule
            Pleural\_Thickening & 0.1235 & 0.1235 & 0.1235 \\
            \bottomrule
          \end{tabular}
          \par\smallskip\footnotesize\raggedright\hyphenpenalty=10000\exhyphenpenalty=10000
          Score them with \texttt{reg eval RUN\char95{}1 -{}-{}subset val}.\par
        \end{table}
        ");
    }

    #[test]
    fn what_is_higher_than_a_page_goes_on_over_pages() {
        let mut table = ReportTable::new("Long", vec![Column::left("A"), Column::right("B")]);
        table.rows = (0..200).map(|n| vec![Cell::Text(format!("row{n}")), Cell::Integer(n)]).collect();
        let latex = table.render(Format::Latex);
        assert!(latex.contains("\\begin{longtable}") && latex.contains("booktabs,longtable"), "{latex}");
        assert_eq!(latex.matches("row").count(), 200);
    }
}
