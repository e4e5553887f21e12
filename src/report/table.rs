//! A table of typed cells, and its form as CSV. `terminal.rs` adds text, `markup.rs` Markdown and `latex.rs` LaTeX;
//! `render.rs` chooses.

use std::collections::BTreeSet;

use crate::digits::thousands;
use crate::escape::{self, line};

/// The start of a warning.
pub(super) const NOT_COMPARABLE: &str = "NOT COMPARABLE";
/// The start of a caution.
const CAUTION: &str = "WARNING";
/// The text for an undefined quantity.
const UNDEFINED: &str = "n/a";
/// Heading of the column for withdrawn data in CSV.
const WITHDRAWN: &str = "withdrawn data";
/// Heading of the column for files of unknown origin in CSV.
const UNKNOWN: &str = "unknown ancestry";

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportTable {
    /// One line above the table; none if empty.
    pub title: String,
    /// Why its numbers are not comparable. Every format shows it, CSV as an additional column.
    pub warning: Option<String>,
    /// Why some of its numbers say nothing, as a sentence. Every format shows it, CSV as an additional column.
    pub caution: Option<String>,
    /// The withdrawn data that it contains, as a sentence without subject. Every format shows it, CSV as an
    /// additional column.
    pub withdrawn: Option<String>,
    /// The files of unknown origin from which its models started, as a sentence without subject. Every format shows it,
    /// CSV as an additional column.
    pub unknown: Option<String>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows; missing cells at the end of a row are empty.
    pub rows: Vec<Vec<Cell>>,
    /// Lines below the table.
    pub notes: Vec<String>,
    /// Cells in bold type, as row and column; [`ReportTable::mark_best`] adds to them.
    pub bold: BTreeSet<(usize, usize)>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Alignment of its cells.
    pub align: Align,
    /// Whether lines may break between the words of its cells.
    pub prose: bool,
    /// Whether it tells rows apart, so that each block of a divided table has it. The columns of text at the left
    /// do, too.
    pub key: bool,
    /// Bytes at the beginning of the heading that are one name: no line breaks in it, and columns with the same one
    /// stay together.
    pub(super) kept: usize,
}

/// Alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Left, for text.
    Left,
    /// Right, for numbers.
    Right,
}

/// A cell of a table. CSV shows all its digits, the other formats the rounded value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A count, with separators between thousands.
    Integer(u64),
    /// A quantity, rounded to `decimals`; `n/a` if undefined.
    Number {
        /// The quantity.
        value: Option<f64>,
        /// Digits after the point.
        decimals: usize,
    },
    /// A mean and its standard deviation, for which CSV has a second column.
    MeanStd {
        /// The mean.
        mean: Option<f64>,
        /// The standard deviation; left out if undefined.
        std: Option<f64>,
        /// Digits after the point.
        decimals: usize,
    },
    /// A quantity and the ends of its interval, for which CSV has two more columns.
    Interval {
        /// The quantity.
        value: Option<f64>,
        /// The ends; `[n/a]` if undefined.
        ends: Option<[f64; 2]>,
        /// Digits after the point.
        decimals: usize,
    },
    /// A p-value: three decimals, and `<0.001` below that.
    PValue(Option<f64>),
    /// Nothing.
    Empty,
}

/// Output format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: aligned columns.
    Text {
        /// Width that the table is fitted to; `None` if lines may have any length.
        width: Option<u16>,
        /// Whether bold type is shown, as terminals do.
        bold: bool,
    },
    /// For programs: a header, all digits, an empty field for an undefined quantity.
    Csv,
    /// A GitHub-flavoured Markdown table.
    Markdown,
    /// LaTeX tables that fit the text of `article`; a comment names the packages that they need.
    Latex,
}

impl Column {
    /// A column of text or names, no longer than a few words.
    pub fn left(name: impl Into<String>) -> Self {
        Column { name: name.into(), align: Align::Left, prose: false, key: false, kept: 0 }
    }

    /// A column of sentences, which may take several lines.
    pub fn prose(name: impl Into<String>) -> Self {
        Column { prose: true, ..Column::left(name) }
    }

    /// A column of numbers.
    pub fn right(name: impl Into<String>) -> Self {
        Column { align: Align::Right, ..Column::left(name) }
    }

    /// A column of numbers of something with a name, such as a model.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        Column { kept: name.len(), ..Column::right(name) }
    }

    /// A column of one of the numbers of something with a name.
    pub fn under(name: &str, what: &str) -> Self {
        Column { kept: name.len(), ..Column::right(format!("{name} {what}")) }
    }

    /// The same column, which tells rows apart.
    pub fn key(self) -> Self {
        Column { key: true, ..self }
    }

    /// What its numbers and those of other columns belong to.
    pub(super) fn group(&self) -> Option<&str> {
        (0 < self.kept && self.kept < self.name.len()).then(|| &self.name[..self.kept])
    }
}

impl Cell {
    /// The displayed text: without control characters, on one line.
    pub fn shown(&self) -> String {
        match self {
            Cell::Text(text) => line(text),
            Cell::Integer(count) => thousands(*count),
            Cell::Number { value, decimals } => value.map_or(UNDEFINED.into(), |v| rounded(v, *decimals)),
            Cell::MeanStd { mean: None, .. } => UNDEFINED.into(),
            Cell::MeanStd { mean: Some(mean), std: None, decimals } => rounded(*mean, *decimals),
            Cell::MeanStd { mean: Some(mean), std: Some(std), decimals } => {
                format!("{} ± {}", rounded(*mean, *decimals), rounded(*std, *decimals))
            }
            Cell::Interval { value: None, .. } => UNDEFINED.into(),
            Cell::Interval { value: Some(value), ends: None, decimals } => {
                format!("{} [{UNDEFINED}]", rounded(*value, *decimals))
            }
            Cell::Interval { value: Some(value), ends: Some([low, high]), decimals } => {
                format!(
                    "{} [{}, {}]",
                    rounded(*value, *decimals),
                    rounded(*low, *decimals),
                    rounded(*high, *decimals)
                )
            }
            Cell::PValue(None) => UNDEFINED.into(),
            Cell::PValue(Some(p)) if *p < 0.001 => "<0.001".into(),
            Cell::PValue(Some(p)) => rounded(*p, 3),
            Cell::Empty => String::new(),
        }
    }

    /// The quantity without its interval.
    pub(crate) fn value(&self) -> Cell {
        match self {
            Cell::Interval { value, decimals, .. } => Cell::Number { value: *value, decimals: *decimals },
            other => other.clone(),
        }
    }

    /// The ends of its interval, in brackets.
    pub(crate) fn ends(&self) -> Option<String> {
        match self {
            Cell::Interval { value: Some(_), ends: Some(ends), decimals } => {
                let [low, high] = ends.map(|end| rounded(end, *decimals));
                Some(format!("[{low}, {high}]"))
            }
            Cell::Interval { value: Some(_), ends: None, .. } => Some(format!("[{UNDEFINED}]")),
            _ => None,
        }
    }

    /// The quantity that competes with others, and its displayed decimals.
    fn competing(&self) -> Option<(f64, usize)> {
        match self {
            Cell::Integer(count) => Some((*count as f64, 0)),
            Cell::Number { value, decimals } | Cell::Interval { value, decimals, .. } => {
                value.map(|value| (value, *decimals))
            }
            Cell::MeanStd { mean, decimals, .. } => mean.map(|mean| (mean, *decimals)),
            Cell::Text(_) | Cell::PValue(_) | Cell::Empty => None,
        }
    }
}

impl ReportTable {
    /// A table without rows.
    pub fn new(title: impl Into<String>, columns: Vec<Column>) -> Self {
        ReportTable { title: title.into(), columns, ..ReportTable::default() }
    }

    /// Marks the largest of some cells, given as row and column, in bold.
    ///
    /// All cells that are displayed with the same value are marked, so that rounding does not hide a tie. If values have
    /// different numbers of decimals and the largest equals another at the fewer decimals, none is marked: which is larger
    /// is not known. Text, p-values and undefined quantities are ignored.
    pub fn mark_best(&mut self, cells: impl IntoIterator<Item = (usize, usize)>) {
        let value = |(row, column): (usize, usize)| self.rows.get(row)?.get(column)?.competing();
        let competing: Vec<_> = cells.into_iter().filter_map(|at| Some((at, value(at)?))).collect();
        let shown = |(value, decimals): (f64, usize)| displayed(value, decimals);
        let best = competing.iter().map(|(_, of)| shown(*of)).max_by(f64::total_cmp);
        let (best_cells, others): (Vec<_>, Vec<_>) =
            competing.iter().partition(|(_, of)| Some(shown(*of)) == best);
        let equal = |a: (f64, usize), b: (f64, usize)| {
            let fewer = a.1.min(b.1);
            // What is printed is what can be compared: a published value has no more digits.
            let [a, b] = [a, b].map(|of| displayed(if of.1 == fewer { of.0 } else { shown(of) }, fewer));
            a == b
        };
        let unknown = best_cells.iter().any(|(_, best)| {
            let all = best_cells.iter().chain(&others);
            all.into_iter().any(|(_, other)| best.1 != other.1 && equal(*best, *other))
        });
        if !unknown {
            self.bold.extend(best_cells.iter().map(|(at, _)| *at));
        }
    }

    /// Says what bold type means, if there is any.
    pub(super) fn explain_bold(&mut self) {
        if !self.bold.is_empty() {
            self.notes.push(
                "Bold: the largest value as displayed, which is not a test of the difference.".to_owned(),
            );
        }
    }

    /// The sentences above the table, and above its title: what must not be overlooked.
    pub(super) fn lines_above(&self) -> impl Iterator<Item = String> {
        let warning = self.warning.iter().map(|why| format!("{NOT_COMPARABLE}: {why}"));
        warning.chain(self.caution.iter().map(|why| format!("{CAUTION}: {why}")))
    }

    /// The lines below the table; the last ones tell of files of unknown origin and of withdrawn data.
    pub(super) fn lines_below(&self) -> impl Iterator<Item = String> {
        let remarks = self.unknown.iter().chain(&self.withdrawn);
        self.notes.iter().cloned().chain(remarks.map(|remark| format!("This {remark}.")))
    }

    /// Each row, padded to the number of columns.
    pub(super) fn filled_rows(&self) -> impl Iterator<Item = Vec<&Cell>> {
        let columns = self.columns.len();
        self.rows
            .iter()
            .map(move |row| row.iter().chain(std::iter::repeat(&Cell::Empty)).take(columns).collect())
    }

    /// The number of columns at the left that tell rows apart.
    pub(super) fn keys(&self) -> usize {
        // Where the first of them is named as such, text beside it is none.
        let told = self.columns.first().is_some_and(|column| column.key && column.align == Align::Left);
        let is_key = |column: &&Column| column.key || !told && column.align == Align::Left;
        let keys = self.columns.iter().take_while(is_key).count();
        keys.max(1).min(self.columns.len().saturating_sub(1))
    }

    pub(super) fn csv(&self) -> String {
        let more = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(further_fields).find(|names| !names.is_empty()).unwrap_or_default()
        };
        let more: Vec<&[&str]> = (0..self.columns.len()).map(more).collect();
        let mut header = Vec::new();
        for (column, more) in self.columns.iter().zip(&more) {
            header.push(escape::csv(&column.name).into_owned());
            let further = more.iter().map(|name| format!("{} {name}", column.name));
            header.extend(further.map(|name| escape::csv(&name).into_owned()));
        }
        header.extend(self.warning.iter().map(|_| NOT_COMPARABLE.to_lowercase()));
        header.extend(self.caution.iter().map(|_| CAUTION.to_lowercase()));
        header.extend(self.unknown.iter().map(|_| UNKNOWN.to_owned()));
        header.extend(self.withdrawn.iter().map(|_| WITHDRAWN.to_owned()));
        let mut writer = csv::Writer::from_writer(Vec::new());
        let in_memory = "writing to memory does not fail";
        writer.write_record(header).expect(in_memory);
        for row in self.filled_rows() {
            let mut fields = Vec::new();
            for (cell, more) in row.iter().zip(&more) {
                let own = fields_of(cell);
                let missing = (1 + more.len()).saturating_sub(own.len());
                fields.extend(own);
                fields.extend(std::iter::repeat_n(String::new(), missing));
            }
            let beside = self.warning.iter().chain(&self.caution).chain(&self.unknown).chain(&self.withdrawn);
            fields.extend(beside.map(|text| escape::csv(text).into_owned()));
            writer.write_record(fields).expect(in_memory);
        }
        let bytes = writer.into_inner().expect(in_memory);
        String::from_utf8(bytes).expect("fields are UTF-8")
    }
}

/// The names of the additional CSV fields of a cell.
fn further_fields(cell: &Cell) -> &'static [&'static str] {
    match cell {
        Cell::MeanStd { .. } => &["std"],
        Cell::Interval { .. } => &["low", "high"],
        _ => &[],
    }
}

/// A cell with all its digits, and its additional fields.
fn fields_of(cell: &Cell) -> Vec<String> {
    // `Debug` and not `Display`, which writes 1e-300 with 300 zeros. Both round-trip.
    let digits = |value: Option<f64>| value.map(|v| format!("{v:?}")).unwrap_or_default();
    match cell {
        Cell::Text(text) => vec![escape::csv(text).into_owned()],
        Cell::Integer(count) => vec![count.to_string()],
        Cell::Number { value, .. } | Cell::PValue(value) => vec![digits(*value)],
        Cell::MeanStd { mean, std, .. } => vec![digits(*mean), digits(*std)],
        Cell::Interval { value, ends, .. } => {
            vec![digits(*value), digits(ends.map(|[low, _]| low)), digits(ends.map(|[_, high]| high))]
        }
        Cell::Empty => vec![String::new()],
    }
}

/// The value by which a cell is sorted, with all digits; `None` for text and undefined quantities.
pub(super) fn sort_value(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Integer(count) => Some(*count as f64),
        Cell::Number { value, .. } | Cell::PValue(value) | Cell::Interval { value, .. } => *value,
        Cell::MeanStd { mean, .. } => *mean,
        Cell::Text(_) | Cell::Empty => None,
    }
}

/// The number with this many decimals; zero has no sign. A number below 1 is not shown as 1: an AUC of 0.99998 has pairs
/// in the wrong order, one of 1 has none.
fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().all(|c| matches!(c, '0' | '.')) => digits.to_owned(),
        None if value < 1.0 && decimals > 0 && text.starts_with('1') => {
            format!(">0.{}", "9".repeat(decimals))
        }
        _ => text,
    }
}

/// The value that a number is displayed as; of one that is shown as above 0.9999, a value between that and 1.
fn displayed(value: f64, decimals: usize) -> f64 {
    let text = rounded(value, decimals);
    match text.strip_prefix('>') {
        Some(_) => 1.0 - 0.5 * 10f64.powi(-(decimals as i32)),
        None => text.parse().unwrap_or(value),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::report) fn example() -> ReportTable {
        let columns = vec![
            Column::left("Label"),
            Column::right("Positives"),
            Column::right("AUC"),
            Column::right("Difference"),
            Column::right("p"),
        ];
        let mut table = ReportTable::new("Table_4: AUC & more, 5 folds", columns);
        let row = |label: &str, positives, mean, std, difference, p| {
            let decimals = 3;
            vec![
                Cell::Text(label.into()),
                Cell::Integer(positives),
                Cell::MeanStd { mean, std, decimals },
                Cell::Number { value: difference, decimals },
                Cell::PValue(p),
            ]
        };
        table.rows = vec![
            row("Pleural_Thickening", 3385, Some(0.76512), Some(0.0125), Some(-0.0001), Some(1e-299)),
            row("100 % | <odd>", 1_234_567, Some(0.8), None, Some(-0.25), Some(0.04567)),
            row("Hernia", 0, None, None, None, None),
            vec![Cell::Text("Mean".into())],
        ];
        table.notes = vec!["Means of 2 labels.".into()];
        table.mark_best([(0, 2), (1, 2), (2, 2)]);
        table
    }

    #[test]
    fn text_aligns_numbers_and_shows_undefined_ones() {
        insta::assert_snapshot!(example().render(Format::Text { width: None, bold: false }), @r"
        Table_4: AUC & more, 5 folds
         Label                Positives             AUC   Difference        p
        ──────────────────────────────────────────────────────────────────────
         Pleural_Thickening       3,385   0.765 ± 0.013        0.000   <0.001
         100 % | <odd>        1,234,567           0.800       -0.250    0.046
         Hernia                       0             n/a          n/a      n/a
         Mean
        Means of 2 labels.
        ");
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns_at_a_time() {
        insta::assert_snapshot!(example().render(Format::Text { width: Some(50), bold: false }), @r"
        Table_4: AUC & more, 5 folds (1 of 2)
         Label                Positives             AUC
        ────────────────────────────────────────────────
         Pleural_Thickening       3,385   0.765 ± 0.013
         100 % | <odd>        1,234,567           0.800
         Hernia                       0             n/a
         Mean

        Table_4: AUC & more, 5 folds (2 of 2)
         Label                Difference        p
        ──────────────────────────────────────────
         Pleural_Thickening        0.000   <0.001
         100 % | <odd>            -0.250    0.046
         Hernia                      n/a      n/a
         Mean
        Means of 2 labels.
        ");
        let text = example().render(Format::Text { width: Some(30), bold: false });
        let rows = " Label        Hernia\n Positives    0\n AUC          n/a\n Difference   n/a\n p            n/a\n────";
        assert!(text.contains(rows) && text.ends_with(" Label        Mean\nMeans of 2 labels.\n"), "{text}");
        let text = example().render(Format::Text { width: Some(50), bold: true });
        assert!(text.contains("\u{1b}[1m"), "{text:?}");
    }

    #[test]
    fn csv_keeps_every_digit_and_leaves_undefined_fields_empty() {
        insta::assert_snapshot!(example().render(Format::Csv), @r"
        Label,Positives,AUC,AUC std,Difference,p
        Pleural_Thickening,3385,0.76512,0.0125,-0.0001,1e-299
        100 % | <odd>,1234567,0.8,,-0.25,0.04567
        Hernia,0,,,,
        Mean,,,,,
        ");
    }

    #[test]
    fn all_that_look_best_are_marked_best() {
        let mut table = ReportTable::new("", vec![Column::right("AUC")]);
        let cell = |value| vec![Cell::Number { value, decimals: 3 }];
        table.rows = vec![cell(Some(0.8221)), cell(Some(0.8219)), cell(None), cell(Some(0.8212))];
        table.mark_best((0..9).map(|row| (row, 0)));
        assert_eq!(table.bold, [(0, 0), (1, 0)].into());
    }

    #[test]
    fn a_published_value_that_is_equal_at_its_precision_leaves_none_the_best() {
        let best = |values: &[(f64, usize)]| {
            let mut table = ReportTable::new("", vec![Column::right("AUC"); values.len()]);
            table.rows = vec![
                values
                    .iter()
                    .map(|(value, decimals)| Cell::Number { value: Some(*value), decimals: *decimals })
                    .collect(),
            ];
            table.mark_best((0..values.len()).map(|column| (0, column)));
            table.bold.into_iter().map(|(_, column)| column).collect::<Vec<_>>()
        };
        assert_eq!(best(&[(0.8414, 4), (0.841, 3)]), [0; 0], "0.8414 may be what was published as 0.841");
        assert_eq!(best(&[(0.8416, 4), (0.841, 3)]), [0]);
        assert_eq!(best(&[(0.8416, 4), (0.842, 3)]), [0; 0]);
        assert_eq!(best(&[(0.8410, 4), (0.841, 3), (0.7, 4)]), [0; 0]);
        assert_eq!(best(&[(0.84141, 4), (0.84139, 4), (0.7, 3)]), [0, 1], "both print 0.8414");
        assert_eq!(best(&[(0.84996, 4), (0.8312, 4)]), [0]);
        assert_eq!(
            best(&[(0.99998, 4), (1.0, 4)]),
            [1],
            "a perfect AUC is better than one that is nearly perfect"
        );
    }

    #[test]
    fn an_auc_below_one_is_not_shown_as_one() {
        let shown = |value| Cell::Number { value: Some(value), decimals: 4 }.shown();
        assert_eq!([0.99998, 0.99994, 1.0, 1.00001].map(shown), [">0.9999", "0.9999", "1.0000", "1.0000"]);
        let interval = Cell::Interval { value: Some(0.99998), ends: Some([0.9, 0.999999]), decimals: 3 };
        assert_eq!(interval.shown(), ">0.999 [0.900, >0.999]");
    }

    #[test]
    fn escape_codes_of_a_file_do_not_reach_the_terminal() {
        let cell = Cell::Text("a\u{1b}[31m\nb".into());
        assert_eq!(cell.shown(), "a\u{fffd}[31m b");
    }

    #[test]
    fn a_warning_and_an_interval_are_in_every_format() {
        let mut table = ReportTable::new("AUC", vec![Column::left("Label"), Column::right("a")]);
        let cell = |ends| Cell::Interval { value: Some(0.5), ends, decimals: 2 };
        table.rows = vec![
            vec![Cell::Text("Mass".into()), cell(Some([0.25, 0.75]))],
            vec![Cell::Text("Edema".into()), cell(None)],
        ];
        table.warning = Some("other images".into());
        let csv = "Label,a,a low,a high,not comparable\nMass,0.5,0.25,0.75,other images\nEdema,0.5,,,other images\n";
        assert_eq!(table.render(Format::Csv), csv);
        for format in [Format::Text { width: None, bold: false }, Format::Markdown, Format::Latex] {
            // Markdown would interpret brackets as a link.
            let text = table.render(format).replace("\\[", "[");
            assert!(
                text.contains("NOT COMPARABLE: other images")
                    && text.contains("0.50 [0.25, 0.75]")
                    && text.contains("0.50 [n/a]"),
                "{text}"
            );
        }
    }

    #[test]
    fn withdrawn_data_and_unknown_ancestry_are_told_of_in_every_format_and_csv_keeps_its_form() {
        let mut table = ReportTable::new("AUC", vec![Column::left("Label")]);
        table.rows = vec![vec![Cell::Text("Mass".into())], vec![Cell::Text("Edema".into())]];
        table.withdrawn = Some("contains withdrawn data: 2 images (scored 2)".into());
        table.unknown = Some("starts from the weights w".into());
        let csv = table.render(Format::Csv);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        assert_eq!(reader.headers().unwrap(), vec!["Label", "unknown ancestry", "withdrawn data"]);
        for row in reader.records() {
            let row = row.unwrap();
            assert_eq!(&row[1], "starts from the weights w");
            assert_eq!(&row[2], "contains withdrawn data: 2 images (scored 2)");
        }
        for format in [Format::Text { width: None, bold: false }, Format::Markdown, Format::Latex] {
            let text = table.render(format);
            for line in
                ["This starts from the weights w.", "This contains withdrawn data: 2 images (scored 2)."]
            {
                assert!(text.contains(line), "{text}");
            }
        }
    }
}
