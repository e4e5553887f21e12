//! Sheets as files.

use std::path::Path;

use super::sheet::Sheet;

/// Output format of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Comma-separated values: all digits, `true` and `false`, an empty field for an undefined value.
    Csv,
    /// Apache Parquet, not compressed.
    Parquet,
    /// A JSON array of rows, null for an undefined value.
    Json,
}

impl FileFormat {
    /// The file extension.
    pub fn extension(self) -> &'static str {
        match self {
            FileFormat::Csv => "csv",
            FileFormat::Parquet => "parquet",
            FileFormat::Json => "json",
        }
    }

    /// The format that belongs to a file's extension.
    pub fn of(path: &Path) -> Option<Self> {
        let end = path.extension()?.to_str()?.to_ascii_lowercase();
        [FileFormat::Csv, FileFormat::Parquet, FileFormat::Json]
            .into_iter()
            .find(|format| format.extension() == end)
    }
}

impl Sheet {
    /// The bytes of a file; always the same for the same sheet.
    pub fn render(&self, format: FileFormat) -> Vec<u8> {
        match format {
            FileFormat::Csv => super::csv::write(self),
            FileFormat::Parquet => super::parquet::write(self),
            FileFormat::Json => super::json::write(self),
        }
    }
}
