//! A table of typed columns, for tools that compute with it.

/// A table whose columns have types and equal lengths.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Its name among the tables of one record; part of a file's name.
    pub name: String,
    /// Keys and values about content and origin, which Parquet files contain.
    pub about: Vec<(String, String)>,
    /// The columns.
    pub columns: Vec<SheetColumn>,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct SheetColumn {
    /// Its heading.
    pub name: String,
    /// Its values.
    pub values: ColumnValues,
}

/// Values of one type; an undefined value is `None`, never a placeholder number.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValues {
    /// Text.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Integer(Vec<Option<i64>>),
    /// Finite numbers.
    Number(Vec<Option<f64>>),
    /// True or false.
    Truth(Vec<Option<bool>>),
}

impl ColumnValues {
    /// Number of rows.
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

    /// Text without undefined values.
    pub fn words(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        ColumnValues::Text(words.into_iter().map(|word| Some(word.into())).collect())
    }

    /// Whole numbers without undefined values.
    pub fn integers(numbers: impl IntoIterator<Item = impl Into<i64>>) -> Self {
        ColumnValues::Integer(numbers.into_iter().map(|number| Some(number.into())).collect())
    }
}

impl SheetColumn {
    /// Creates a column.
    pub fn new(name: impl Into<String>, values: ColumnValues) -> Self {
        SheetColumn { name: name.into(), values }
    }
}

impl Sheet {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }
}
