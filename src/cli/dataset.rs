//! `reg dataset`.

use reg::dataset::statistics::Statistics;
use reg::records::{Dataset, Record};
use reg::report::dataset::{age_histogram, ages, overview, prevalence};
use serde_json::json;

use super::Context;
use super::error::Failure;
use super::list;
use super::output::{Reply, TableFormat, width};
use super::show;

/// Look at data sets
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the data sets
    List,
    /// Show the record of a data set
    Show {
        /// Name or id
        dataset: String,
    },
    /// Count labels, genders, views and ages: tables 2 and 3 and figure 3 of the paper
    Stats {
        /// Name or id
        dataset: String,
        /// How the tables are written
        #[arg(long, value_enum, default_value = "text")]
        format: TableFormat,
    },
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Reply, Failure> {
    match command {
        Command::List => list::of_kind(context, Some(Dataset::KIND)),
        Command::Show { dataset } => show::record::<Dataset>(context, &dataset),
        Command::Stats { dataset, format } => stats(context, &dataset, format),
    }
}

fn stats(context: &Context, dataset: &str, format: TableFormat) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let id = registry.resolve_as::<Dataset>(&registry.view()?, dataset)?;
    let record = registry.get(id)?;
    let manifest = registry.get_packed(record.manifest)?;
    let statistics = Statistics::of(&record.labels, manifest.rows.iter());
    let tables = [overview(&statistics), prevalence(&statistics)];
    let text = match format {
        TableFormat::Text => {
            format!("{}\n{}", format.render(&tables), age_histogram(&statistics, width().unwrap_or(80)))
        }
        _ => format.render(&[tables[0].clone(), tables[1].clone(), ages(&statistics)]),
    };
    let mut json = json!(statistics);
    json["id"] = json!(id);
    Ok(Reply::new(text, json))
}
