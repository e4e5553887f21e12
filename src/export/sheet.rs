//! A table of typed columns, for tools that compute with it.

use std::path::Path;

/// A table whose columns have types and equal lengths.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// What it is called beside other tables of one record; part of a file's name.
    pub name: String,
    /// What it is and where it comes from: keys and values that Parquet files carry.
    pub about: Vec<(String, String)>,
    /// The columns.
    pub columns: Vec<SheetColumn>,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct SheetColumn {
    /// Its heading.
    pub name: String,
    /// Its rows.
    pub values: ColumnValues,
}

/// Values of one type; what is undefined is `None`, never a number that stands for it.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValues {
    /// Words.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Integer(Vec<Option<i64>>),
    /// Finite numbers.
    Number(Vec<Option<f64>>),
    /// Yes or no.
    Truth(Vec<Option<bool>>),
}

/// How a sheet is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Comma-separated values: every digit, `true` and `false`, an empty field where nothing is defined.
    Csv,
    /// Apache Parquet, not compressed.
    Parquet,
}

impl FileFormat {
    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            FileFormat::Csv => "csv",
            FileFormat::Parquet => "parquet",
        }
    }

    /// The format that a file's name asks for.
    pub fn of(path: &Path) -> Option<Self> {
        let end = path.extension()?.to_str()?.to_ascii_lowercase();
        [FileFormat::Csv, FileFormat::Parquet].into_iter().find(|format| format.extension() == end)
    }
}

impl ColumnValues {
    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            ColumnValues::Text(values) => values.len(),
            ColumnValues::Integer(values) => values.len(),
            ColumnValues::Number(values) => values.len(),
            ColumnValues::Truth(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Words that are all there.
    pub fn words(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        ColumnValues::Text(words.into_iter().map(|word| Some(word.into())).collect())
    }

    /// Whole numbers that are all there.
    pub fn integers(numbers: impl IntoIterator<Item = impl Into<i64>>) -> Self {
        ColumnValues::Integer(numbers.into_iter().map(|number| Some(number.into())).collect())
    }
}

impl SheetColumn {
    /// A column.
    pub fn new(name: impl Into<String>, values: ColumnValues) -> Self {
        SheetColumn { name: name.into(), values }
    }
}

impl Sheet {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// The bytes of a file: the same ones every time.
    pub fn render(&self, format: FileFormat) -> Vec<u8> {
        match format {
            FileFormat::Csv => super::csv::write(self),
            FileFormat::Parquet => super::parquet::write(self),
        }
    }
}
