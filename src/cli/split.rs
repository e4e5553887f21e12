//! `reg split`.

use std::path::PathBuf;

use reg::dataset::pixel_hashes::{self, KnownPixels};
use reg::digits::{counted, thousands};
use reg::records::{Dataset, ImageRow, Split, Subset};
use reg::registry::Registry;
use reg::report::dataset::{split_prevalence, split_sizes};
use reg::report::{Column, ReportTable};
use reg::split::{self, Lists, Registered, Scheme};
use serde_json::{Value, json};

use super::error::Failure;
use super::output::{NO, Reply, TableFormat};
use super::{Context, Moving, complete, marks};

/// Split a data set into training, validation and test images
#[derive(clap::Subcommand)]
pub(crate) enum SplitCommand {
    /// Draw random train/val/test subsets by patient: re-samplings, which may overlap, or true folds
    ///
    /// With --scheme resample, the re-samplings are drawn independently, so their test images overlap. With --scheme
    /// k-fold, every patient is a test patient in exactly one fold. The numbers of test images of two folds differ by
    /// at most the images of one patient. The validation images of a fold are drawn from the patients that the fold
    /// does not test.
    Make {
        /// Name or id of the data set
        #[arg(add = complete::datasets())]
        dataset: String,
        /// How the images are divided
        #[arg(long, value_enum, default_value = "resample")]
        scheme: SchemeArg,
        /// Number of re-samplings, or of folds with --scheme k-fold
        #[arg(long, default_value_t = 5)]
        folds: u32,
        /// Percentages of the images: training/validation/test (default 70/10/20). With --scheme k-fold, the number of
        /// folds determines the test share: give only training/validation, as parts of the rest (default 70/10)
        #[arg(long)]
        ratios: Option<String>,
        /// Seed of the random draw
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Name of the split
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        moving: Moving,
    },
    /// Import a split from lists of image names
    Import {
        /// Name or id of the data set
        #[arg(add = complete::datasets())]
        dataset: String,
        /// Names for training and validation (train_val_list.txt), plain or .gz
        #[arg(long, value_name = "FILE")]
        train_val: PathBuf,
        /// Names for test (test_list.txt), plain or .gz
        #[arg(long, value_name = "FILE")]
        test: PathBuf,
        /// Share of the listed training images to use for validation, split by patient
        #[arg(long, default_value_t = 0.125, value_name = "F")]
        val_fraction: f64,
        /// Seed of the draw of validation images
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Name of the split
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        moving: Moving,
    },
    /// Show images, patients and prevalence of every subset
    Show {
        /// Name or id of the split
        #[arg(add = complete::splits())]
        split: String,
        /// Output format of the tables
        #[arg(long, value_enum, default_value = "text")]
        format: TableFormat,
    },
    /// Check that no patient and no image is in two subsets; exit code 3 if any is
    ///
    /// Patients are compared by their numbers, images by their bytes, and by their pixels if pixel hashes are recorded
    /// (`reg ingest --check full`, or --pixels).
    Check {
        /// Name or id of the split
        #[arg(add = complete::splits())]
        split: String,
        /// Record the pixel hashes of all images; each image that has not been decoded before takes about 5 ms
        #[arg(long)]
        pixels: bool,
    },
}

/// The scheme of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SchemeArg {
    /// Independent random draws, whose test images overlap
    Resample,
    /// Cross-validation: every patient is in exactly one test fold
    KFold,
}

impl From<SchemeArg> for Scheme {
    fn from(scheme: SchemeArg) -> Self {
        match scheme {
            SchemeArg::Resample => Scheme::Resample,
            SchemeArg::KFold => Scheme::KFold,
        }
    }
}

pub(crate) fn run(context: &Context, command: SplitCommand) -> Result<Reply, Failure> {
    let stamp = &context.environment.stamp;
    let dataset = |registry: &Registry, text: &str| registry.resolve_as::<Dataset>(&registry.view()?, text);
    match command {
        SplitCommand::Make { dataset: text, scheme, folds, ratios, seed, name, moving } => {
            let registry = context.registry_to_name(&moving)?;
            let method = Scheme::from(scheme).method(ratios.as_deref(), folds, seed)?;
            let made =
                split::make(&registry, dataset(&registry, &text)?, method, folds, name.as_deref(), stamp)?;
            Ok(registered(context, &made, name.as_deref()))
        }
        SplitCommand::Import { dataset: text, train_val, test, val_fraction, seed, name, moving } => {
            let registry = context.registry_to_name(&moving)?;
            let lists = Lists { train_val, test, val_fraction, seed };
            let made = split::import(&registry, dataset(&registry, &text)?, &lists, name.as_deref(), stamp)?;
            Ok(registered(context, &made, name.as_deref()))
        }
        SplitCommand::Show { split, format } => show(context, &split, format),
        SplitCommand::Check { split, pixels } => check(context, &split, pixels),
    }
}

fn registered(context: &Context, made: &Registered, name: Option<&str>) -> Reply {
    for finding in &made.findings {
        context.note(&format!("note: {finding}"));
    }
    let name = name.map(|name| format!(" {name}")).unwrap_or_default();
    let sizes = TableFormat::Text.render(&[split_sizes(&made.split)]);
    let text = format!("split {}{name}\n{sizes}", made.id.hash.short());
    Reply::new(
        text,
        json!({ "id": made.id, "method": made.split.method, "folds": made.split.folds, "findings": made.findings }),
    )
}

fn show(context: &Context, text: &str, format: TableFormat) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let id = registry.resolve_as::<Split>(&registry.view()?, text)?;
    let record = registry.get(id)?;
    let dataset = registry.get(record.dataset)?;
    let manifest = registry.manifest(&dataset)?;
    let assignment = registry.assignment(&record)?;
    let prevalence = split::prevalence(&manifest.rows, &dataset.labels, &assignment);
    // The prevalence of a subset is shown next to its sizes.
    let folds: Vec<Value> = record
        .folds
        .iter()
        .zip(&prevalence)
        .map(|(sizes, subsets)| {
            let mut fold = json!(sizes);
            for subset in subsets {
                let labels = subset.labels.iter().map(|label| {
                    let counts = json!({ "positives": label.positives, "prevalence": label.prevalence });
                    (label.label.clone(), counts)
                });
                fold[subset.subset.name()]["labels"] = Value::Object(labels.collect());
            }
            fold
        })
        .collect();
    let division = record.method.division();
    let mut tables = vec![split_sizes(&record)];
    match format {
        // One below the other: a terminal is too narrow for all of them side by side.
        TableFormat::Text => tables.extend(prevalence.chunks(1).enumerate().map(|(number, fold)| {
            let mut table = split_prevalence(fold, division);
            table.title = format!("Prevalence in {} {number} [%]", division.name());
            for (column, subset) in table.columns.iter_mut().skip(1).zip(&fold[0]) {
                *column = Column::right(subset.subset.name());
            }
            table
        })),
        _ => tables.push(split_prevalence(&prevalence, division)),
    }
    let json = json!({ "id": id, "dataset": record.dataset, "method": record.method, "folds": folds });
    let marks = marks::warn_of_leaks_too(context, &registry, id.hash)?;
    let leaks: Vec<&str> = marks.iter().flat_map(|remark| &remark.leaks).map(String::as_str).collect();
    let caution = (!leaks.is_empty()).then(|| leaks.join("; "));
    let tables = tables.into_iter().map(|table| ReportTable { caution: caution.clone(), ..table }).collect();
    Ok(Reply::new(format.marked(tables, &marks), json).marked(&marks))
}

/// The lines of a check, and the leaks as JSON.
struct Leaks {
    /// What one division of the split is called.
    division: &'static str,
    lines: Vec<String>,
    json: Vec<Value>,
}

impl Leaks {
    fn of(division: &'static str) -> Self {
        Leaks { division, lines: Vec::new(), json: Vec::new() }
    }

    fn add(&mut self, kind: &str, fold: u32, subsets: &[Subset], images: Vec<&ImageRow>, leaking: &str) {
        let named: Vec<&str> = subsets.iter().map(|subset| subset.name()).collect();
        self.lines.push(format!("{} {fold}: {leaking} is in {}", self.division, named.join(" and ")));
        let names: Vec<&str> = images.iter().map(|row| row.name.as_str()).collect();
        let patient = images.first().map(|row| &row.patient).filter(|_| kind == "patient");
        self.json.push(json!({
            "kind": kind, "fold": fold, "patient": patient, "subsets": subsets, "images": names,
        }));
    }
}

fn check(context: &Context, text: &str, decode: bool) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let id = registry.resolve_as::<Split>(&registry.view()?, text)?;
    let record = registry.get(id)?;
    let manifest = registry.manifest(&registry.get(record.dataset)?)?;
    let assignment = registry.assignment(&record)?;
    let division = record.method.division();
    let rows = &manifest.rows;
    let images = |numbers: &[u32]| numbers.iter().map(|row| &rows[*row as usize]).collect::<Vec<_>>();
    let mut leaks = Leaks::of(division.name());
    for leak in split::leaks(rows, &assignment) {
        let patient = format!("patient {}", leak.patient);
        leaks.add("patient", leak.fold, &leak.subsets, images(&leak.images), &patient);
    }
    if decode {
        let mut pixels = KnownPixels::at_hand(&registry, record.dataset, rows)?;
        pixels.complete(&registry, rows, &context.progress());
        let mut transaction = registry.transaction()?;
        pixel_hashes::record(&mut transaction, record.dataset, &pixels.digests(rows))?;
        transaction.commit(&context.environment.stamp)?;
    }
    let pixels = KnownPixels::recorded(&registry, record.dataset, rows)?;
    let recorded = registry.pixel_hashes(&registry.view()?, record.dataset)?.map(|(id, _)| id);
    let by_bytes = split::shared_images(rows, &assignment, |row| row.object);
    let by_pixels = split::shared_images(rows, &assignment, |row| pixels.get(row));
    // Equal bytes have equal pixels.
    let new = by_pixels.iter().filter(|one| !by_bytes.contains(one));
    for (kind, shared) in by_bytes.iter().map(|one| ("bytes", one)).chain(new.map(|one| ("pixels", one))) {
        let images = images(&shared.images);
        let names: Vec<String> =
            images.iter().map(|row| format!("{} (patient {})", row.name, row.patient)).collect();
        let what = if kind == "bytes" { "the same file" } else { "the same pixels in a different file" };
        leaks.add(kind, shared.fold, &shared.subsets, images, &format!("{what}, {},", names.join(" = ")));
    }
    let with_bytes = rows.iter().filter(|row| row.object.is_some()).count() as u64;
    let with_pixels = rows.iter().filter(|row| pixels.get(row).is_some()).count() as u64;
    let Leaks { mut lines, json: each, .. } = leaks;
    let clean = each.is_empty();
    let divisions = division.counted(record.folds.len());
    lines.push(match clean {
        true => {
            format!("no leak: in each of {divisions}, every patient and every image is in exactly one subset")
        }
        false => counted(each.len() as u64, "leak"),
    });
    let unknown = match with_bytes - with_pixels {
        0 => "",
        _ => " (`--pixels` records the others)",
    };
    lines.push(format!(
        "compared: patients of {}, files of {}, pixels of {}{unknown}",
        counted(rows.len() as u64, "image"),
        thousands(with_bytes),
        thousands(with_pixels)
    ));
    let json = json!({
        "id": id, "leaks": each, "pixel_hashes": recorded,
        "compared": { "patients": rows.len(), "bytes": with_bytes, "pixels": with_pixels },
    });
    let reply = Reply::new(lines.join("\n"), json);
    Ok(if clean { reply } else { reply.with_code(NO) })
}
