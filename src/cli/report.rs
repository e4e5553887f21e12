//! `reg report`.

use std::ffi::OsString;
use std::path::PathBuf;

use reg::compare::{CompareError, CompareOptions};
use reg::records::GroupBy;
use reg::report::page::{self, PageError, ReportRequest};
use serde_json::json;

use super::error::Failure;
use super::inference::InferenceArgs;
use super::output::{Reply, in_json, save};
use super::{Context, complete};

/// Write tables, figures and lineage of results into one self-contained HTML page
#[derive(clap::Args)]
pub(crate) struct ReportArgs {
    /// Names or ids of studies (or their files), runs, predictions, tables or data sets
    #[arg(value_name = "ID", required = true, add = complete::anything())]
    ids: Vec<OsString>,
    /// Output file
    #[arg(short, long, value_name = "FILE.html")]
    output: PathBuf,
    /// Heading of the page
    #[arg(long)]
    title: Option<String>,
    /// Number of bootstrap resamples (by patient), such as 2000; adds intervals where runs are compared
    #[arg(long, value_name = "RESAMPLES", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    bootstrap: Option<u32>,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 1, requires = "bootstrap")]
    seed: u64,
    #[command(flatten)]
    inference: InferenceArgs,
    /// Published numbers to show beside ours: a TOML file, `paper` (table 6 of the paper), `paper-table4`, or
    /// `literature` (AUCs by label from other publications, on other splits)
    #[arg(long, value_name = "FILE.toml")]
    published: Option<PathBuf>,
    /// Allow non-comparable inputs; every table and figure of the page is flagged
    #[arg(long)]
    allow_different_images: bool,
}

pub(crate) fn run(context: &Context, args: ReportArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let options = args.inference.in_options(CompareOptions {
        bootstrap: args.bootstrap.map(|resamples| (resamples, args.seed)),
        metrics: true,
        groups: vec![GroupBy::Gender, GroupBy::View, GroupBy::Age],
        published: args.published,
        allow_incomparable: args.allow_different_images,
        ..CompareOptions::default()
    });
    let request = ReportRequest { ids: args.ids, options, title: args.title };
    let page = page::report(&registry, &request, &context.environment.stamp).map_err(|e| match e {
        // What `reg compare` offers is no option here.
        PageError::Compare(CompareError::SameCell { .. }) => Failure::new(e.to_string(), None).hinting(
            "`reg compare --by run` gives each run its own column: record the table with --name, then report the table",
        ),
        e => e.into(),
    })?;
    save(&args.output, page.as_bytes())?;
    let text = format!("{} ({} kB)", args.output.display(), page.len().div_ceil(1000));
    Ok(Reply::new(text, json!({ "file": in_json(&args.output), "bytes": page.len() })))
}
