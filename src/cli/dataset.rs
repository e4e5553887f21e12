//! `reg dataset`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use reg::dataset::statistics::Statistics;
use reg::dataset::tabulate;
use reg::diff::diff_datasets;
use reg::export::{self, ExportFolder, FileFormat};
use reg::records::{Dataset, Kind, Split};
use reg::registry::Registry;
use reg::report::diff::of_data;
use reg::report::svg;
use serde_json::json;

use super::counts::counts;
use super::error::Failure;
use super::ingest::LinkArg;
use super::list;
use super::output::{Reply, TableFormat, in_json};
use super::{Context, Moving, complete, figures, marks, show};

/// Inspect and export data sets
#[derive(clap::Subcommand)]
pub(crate) enum DatasetCommand {
    /// List the data sets
    List,
    /// Show the record of a data set
    Show {
        /// Name or id
        #[arg(add = complete::datasets())]
        dataset: String,
    },
    /// List the images that were added, removed, relabelled or changed between two data sets
    Diff {
        /// Name or id
        #[arg(add = complete::datasets())]
        a: String,
        /// Name or id of the other data set
        #[arg(add = complete::datasets())]
        b: String,
    },
    /// Count labels, genders, views and ages: tables 2 and 3 and figure 3 of the paper
    Stats {
        /// Name or id
        #[arg(add = complete::datasets())]
        dataset: String,
        /// Name of the recorded tables
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        moving: Moving,
        /// Write the histogram of ages to this folder
        #[arg(long, value_name = "FOLDER")]
        svg: Option<PathBuf>,
        /// Output format of the tables
        #[arg(long, value_enum, default_value = "text")]
        format: TableFormat,
    },
    /// Export the image rows and boxes as tables, or the whole data set with its images as Croissant
    Export {
        /// Name or id
        #[arg(add = complete::datasets())]
        dataset: String,
        /// Output folder; must not exist yet
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Format of the export
        #[arg(long, value_enum)]
        format: DatasetFormat,
        /// A split of the data set; its folds or re-samplings become columns
        #[arg(long)]
        split: Option<String>,
        /// How images are copied (croissant): `reflink` falls back to a copy where the file system cannot
        /// share blocks; `hardlink` takes no space, and the files stay read-only
        #[arg(long, value_enum, default_value = "reflink")]
        link: LinkArg,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DatasetFormat {
    /// Comma-separated values
    Csv,
    /// Apache Parquet
    Parquet,
    /// Croissant 1.0: croissant.json, CSV files and the images
    Croissant,
}

pub(crate) fn run(context: &Context, command: DatasetCommand) -> Result<Reply, Failure> {
    match command {
        DatasetCommand::List => list::of_kind(context, Some(Kind::Dataset)),
        DatasetCommand::Show { dataset } => show::record::<Dataset>(context, &dataset),
        DatasetCommand::Diff { a, b } => diff(context, &a, &b),
        DatasetCommand::Stats { dataset, name, moving, svg, format } => {
            let registry = context.registry_to_name(&moving)?;
            stats(context, &registry, &dataset, name.as_deref(), svg.as_deref(), format)
        }
        DatasetCommand::Export { dataset, output, format, split, link } => {
            export(context, &dataset, &output, format, split.as_deref(), link)
        }
    }
}

fn diff(context: &Context, a: &str, b: &str) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let ids = [registry.resolve_as::<Dataset>(&view, a)?, registry.resolve_as::<Dataset>(&view, b)?];
    drop(view);
    let found = diff_datasets(&registry, ids)?;
    let mut lines = of_data(&found);
    lines.push(match found.says_the_same() {
        true => "equal: both data sets record the same for every image".to_owned(),
        false => "different".to_owned(),
    });
    Ok(Reply::new(lines.join("\n"), json!(found)))
}

fn export(
    context: &Context,
    dataset: &str,
    output: &Path,
    format: DatasetFormat,
    split: Option<&str>,
    link: LinkArg,
) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let id = registry.resolve_as::<Dataset>(&view, dataset)?;
    let split = split.map(|split| registry.resolve_as::<Split>(&view, split)).transpose()?;
    let folder = ExportFolder::begin(output)?;
    let mut files = Vec::new();
    let format = match format {
        DatasetFormat::Csv => FileFormat::Csv,
        DatasetFormat::Parquet => FileFormat::Parquet,
        DatasetFormat::Croissant => {
            export::croissant(&registry, &view, id, split, link.into(), &folder)?;
            folder.finish()?;
            let file = output.join("croissant.json");
            let json = json!({ "id": id, "folder": in_json(output), "files": [in_json(&file)] });
            return Ok(Reply::new(file.display().to_string(), json));
        }
    };
    let sheets = export::dataset_sheets(&registry, &view, id, split)?;
    drop(view);
    let marks = marks::warn(context, &registry, [id.hash])?;
    for sheet in sheets {
        let file = format!("{}.{}", sheet.name, format.extension());
        folder.write(&file, &sheet.render(format))?;
        files.push(output.join(file));
    }
    folder.finish()?;
    let lines: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let json = json!({ "id": id, "folder": in_json(output), "files": lines });
    Ok(Reply::new(lines.join("\n"), json).marked(&marks))
}

fn stats(
    context: &Context,
    registry: &Registry,
    dataset: &str,
    name: Option<&str>,
    folder: Option<&Path>,
    format: TableFormat,
) -> Result<Reply, Failure> {
    let id = registry.resolve_as::<Dataset>(&registry.view()?, dataset)?;
    let record = registry.get(id)?;
    let manifest = registry.manifest(&record)?;
    let statistics = Statistics::of(&record, manifest.rows.iter());
    let marks = marks::warn(context, registry, [id.hash])?;
    let mut text = counts(&statistics, format, &marks);
    let mut json = json!(statistics);
    json["id"] = json!(id);
    if let Some(name) = name {
        let table = tabulate(registry, id, &statistics, name, &context.environment.stamp)?;
        json["table"] = json!(table);
        if format == TableFormat::Text {
            text += &format!("table {}\n", table.hash.short());
        }
    }
    figures::write(folder, &[svg::ages(&statistics.age)], &mut text, &mut json)?;
    Ok(Reply::new(text, json).marked(&marks))
}
