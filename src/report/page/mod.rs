//! A report: one self-contained page that shows the source of every number.
//!
//! The same records give the same bytes: all times are recorded ones.

mod gallery;
mod gather;
mod html;
mod lineage;
mod sections;
mod withdrawn;

use maud::html;

use crate::compare::{CompareError, CompareOptions, precision_recall_curves, roc_curves};
use crate::hash::{Hash, Id};
use crate::index::IndexError;
use crate::lineage::Direction;
use crate::recompute::RecomputeError;
use crate::records::{Comparison, Table};
use crate::registry::{Registry, RegistryError, Stamp};
use crate::study::StudyError;
pub use gather::ReportRequest;
use gather::{Material, ReportSection};
pub(crate) use html::{HtmlWriter, Page, SCRIPT, TableContext, served, style};
pub(crate) use lineage::{near, tree};
pub(crate) use withdrawn::{notice_with, withheld};

/// Why a report cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Models that are not comparable, and similar errors.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// A record that is not what it should be.
    #[error(transparent)]
    Recompute(Box<RecomputeError>),
    /// A study.
    #[error(transparent)]
    Study(Box<StudyError>),
    /// A run or predictions that no recorded comparison contains.
    #[error("`{0}` is not part of any comparison yet; compute one with `reg report` or `reg compare`")]
    NotCompared(String),
    /// A record that a report cannot show.
    #[error("`{text}` is a {kind}; a report shows studies, runs, predictions, tables and data sets")]
    NotReported {
        /// The user's text.
        text: String,
        /// Its kind.
        kind: String,
    },
}

impl From<StudyError> for PageError {
    fn from(e: StudyError) -> Self {
        PageError::Study(Box::new(e))
    }
}

impl From<RecomputeError> for PageError {
    fn from(e: RecomputeError) -> Self {
        PageError::Recompute(Box::new(e))
    }
}

impl From<IndexError> for PageError {
    fn from(e: IndexError) -> Self {
        PageError::Registry(e.into())
    }
}

/// Makes the report.
///
/// Requested runs and predictions are compared, and the comparison is recorded as by `reg compare`.
pub fn report(registry: &Registry, request: &ReportRequest, stamp: &Stamp) -> Result<String, PageError> {
    let material = gather::gather(registry, request, Some(stamp))?;
    Ok(html::alone(&composed(registry, request, &material, false)?))
}

/// A page about one study, table or data set that is recorded already: nothing is written.
pub(crate) fn recorded(registry: &Registry, id: &Hash) -> Result<Page, PageError> {
    let request =
        ReportRequest { ids: vec![id.to_string().into()], options: CompareOptions::default(), title: None };
    let material = gather::gather(registry, &request, None)?;
    composed(registry, &request, &material, true)
}

/// Shows a recorded comparison as a report does, as part of a page; `place` is its number on the page, from 0.
pub(crate) fn comparison(
    page: &mut HtmlWriter,
    registry: &Registry,
    title: String,
    id: Id<Table>,
    comparison: Comparison,
    place: usize,
) -> Result<(), PageError> {
    let curves = roc_curves(registry, &comparison)?;
    let precision = match comparison.metrics.is_empty() {
        true => Vec::new(),
        false => precision_recall_curves(registry, &comparison)?,
    };
    let section = ReportSection { title, id, comparison, curves, precision, left_out: Vec::new() };
    sections::results(page, &section, &key(place));
    Ok(())
}

/// The place of a comparison on a page.
fn key(place: usize) -> String {
    if place == 0 { "results".to_owned() } else { format!("results-{}", place + 1) }
}

fn composed(
    registry: &Registry,
    request: &ReportRequest,
    material: &Material,
    served: bool,
) -> Result<Page, PageError> {
    let lineage = tree(&material.graphs, Direction::Up, served);
    let mut page = if served { HtmlWriter::served() } else { HtmlWriter::new(&lineage.places) };
    let titles: Vec<&str> = material.sections.iter().map(|section| section.title.as_str()).collect();
    let names: Vec<&str> = material.datasets.iter().map(|counted| counted.name.as_str()).collect();
    let studies: Vec<&str> = material.studies.iter().map(|of| of.study.name.as_str()).collect();
    let title = request.title.clone().unwrap_or_else(|| match titles.as_slice() {
        _ if !studies.is_empty() => format!("{} on {}", studies.join("; "), names.join(", ")),
        [] => names.join(", "),
        titles => format!("{} on {}", titles.join("; "), names.join(", ")),
    });

    let mut contents =
        vec![("asked".to_owned(), "Request".to_owned()), ("data".to_owned(), "Data".to_owned())];
    for (place, section) in material.sections.iter().enumerate() {
        let name = if material.sections.len() == 1 { "Results" } else { &section.title };
        contents.push((key(place), name.to_owned()));
    }
    let has = |present: bool, id: &str, name: &str| present.then(|| (id.to_owned(), name.to_owned()));
    contents.extend(has(!material.runs.is_empty(), "training", "Training"));
    let looks = !material.probes.is_empty() || !material.pointings.is_empty();
    contents.extend(has(looks, "features", "Features"));
    contents.extend(has(true, "gallery", "Grad-CAM heat maps"));
    contents.extend(has(true, "cautions", "Limitations"));
    contents.extend(has(true, "lineage", "Lineage"));

    let intro = html! {
        p {
            "Every table and figure shows the short id of its record. The id links to the lineage at the end of this page, which expands step by step to images, labels, split, code and weights."
        }
        nav aria-label="Contents" { ol { @for (id, name) in &contents { li { a href={ "#" (id) } { (name) } } } } }
    };
    let named = |id: Hash, name: &str| (id, name.to_owned());
    let tables = material.sections.iter().map(|section| named(section.id.hash, &section.title));
    let ids = tables
        .chain(material.datasets.iter().map(|counted| named(counted.id.hash, &counted.name)))
        .chain(material.runs.iter().map(|run| named(run.id.hash, &run.name)))
        .chain(material.probes.iter().map(|(id, name, _)| named(*id, name)))
        .chain(material.pointings.iter().map(|(id, _)| named(*id, "pointing game")))
        .chain(material.heatmaps.iter().map(|(id, heatmap)| named(*id, &heatmap.image)));
    withdrawn::notice(&mut page, registry, ids)?;
    sections::asked(&mut page, material, registry)?;
    sections::data(&mut page, material);
    for (place, section) in material.sections.iter().enumerate() {
        sections::results(&mut page, section, &key(place));
    }
    sections::training(&mut page, material);
    sections::features(&mut page, material);
    gallery::gallery(&mut page, material, registry);
    sections::cautions(&mut page, material, registry)?;
    page.heading(2, "lineage", "Lineage");
    page.paragraph("", "Each box is a record or a file, identified by the hash of its bytes; its inputs are below it. Click a box to expand it, one step at a time.");
    page.push(lineage.html);
    let footer = html! {
        p {
            "Made by reg " (env!("CARGO_PKG_VERSION")) " from the records named above. Records, scores, labels and splits were hashed when this page was made; checkpoints and images were not: `reg verify ID` hashes everything. `reg trace ID` prints the lineage, `reg reproduce ID` recomputes a table or trains a run again."
        }
    };
    Ok(Page { title, intro, main: page.into_markup(), footer: Some(footer) })
}
