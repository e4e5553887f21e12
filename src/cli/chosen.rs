//! What is listed, in which order and where to: the same for runs and for records of any kind.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use reg::export::{FileFormat, Sheet};
use reg::filter::Filter;
use reg::listing::SortOrder;
use reg::withdrawal::Marks;
use serde_json::json;

use super::Context;
use super::error::Failure;
use super::output::{self, Reply};

/// What is listed, and in which order.
#[derive(clap::Args, Default)]
pub(super) struct Chosen {
    /// Show only records for which an expression holds, such as `model=tiny and lr<0.01`
    #[arg(long = "where", value_name = "EXPR")]
    filter: Option<String>,
    /// Sort by a value or setting. AUCs are sorted from the largest, everything else from the smallest;
    /// KEY:asc and KEY:desc set the order
    #[arg(long, value_name = "KEY")]
    sort: Option<String>,
    /// Show at most N records
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<NonZeroUsize>,
}

fn limit(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a number of records, 1 or more, is needed".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// For reading
    Text,
    /// Comma-separated values
    Csv,
    /// Apache Parquet
    Parquet,
}

impl ListFormat {
    pub(super) fn of_file(self) -> Option<FileFormat> {
        match self {
            ListFormat::Text => None,
            ListFormat::Csv => Some(FileFormat::Csv),
            ListFormat::Parquet => Some(FileFormat::Parquet),
        }
    }
}

impl Chosen {
    pub(super) fn filter(&self) -> Result<Option<Filter>, Failure> {
        Ok(self.filter.as_deref().map(Filter::parse).transpose()?)
    }

    pub(super) fn order(&self) -> Result<Option<SortOrder>, Failure> {
        let order = self.sort.as_deref().map(SortOrder::parse).transpose();
        order.map_err(|e| Failure::usage(e.to_string()))
    }

    pub(super) fn limit(&self) -> Option<usize> {
        self.limit.map(NonZeroUsize::get)
    }
}

/// A list must not depend on one damaged record.
pub(super) fn marks<'r>(
    context: &Context,
    registry: &'r reg::registry::Registry,
    view: &reg::index::View,
) -> Option<Marks<'r>> {
    match Marks::open(registry, view) {
        Ok(marks) => Some(marks),
        Err(e) => {
            context.note(&format!("warning: withdrawn data is not flagged: {e}"));
            None
        }
    }
}

/// A sheet in a file or on standard output.
pub(super) fn as_file(
    sheet: &Sheet,
    format: FileFormat,
    output: Option<PathBuf>,
    json: bool,
) -> Result<Reply, Failure> {
    let bytes = sheet.render(format);
    match output {
        Some(path) => saved(&path, &bytes),
        None if format == FileFormat::Parquet && std::io::stdout().is_terminal() => {
            Err(Failure::usage("Parquet is not text: give --output FILE"))
        }
        None if json => {
            Err(Failure::usage("--json gives the whole document: leave --format out, or give --output FILE"))
        }
        None => Ok(Reply::raw(bytes, json!({ "rows": sheet.rows() }))),
    }
}

pub(super) fn saved(path: &std::path::Path, bytes: &[u8]) -> Result<Reply, Failure> {
    output::save(path, bytes)?;
    Ok(Reply::new(format!("wrote {}", path.display()), json!({ "file": path })))
}
