//! One page about a run, a split, a data set or a table, for people in a terminal: what it is, what it was made of,
//! what was made of it, and the command that made it. The record itself is in `--json` and `reg cat`.

mod origin;
mod run;

use std::collections::HashMap;

use super::layout::lines;
use super::{Format, ReportTable};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{Dataset, Kind, Split, SplitMethod};
use crate::registry::{Registry, RegistryError};
pub use origin::{Origin, RelatedRecord, origin};

/// A page: sections one below the other.
#[derive(Debug, Default)]
pub struct RecordPage {
    sections: Vec<PageSection>,
}

/// A part of a page.
#[derive(Debug)]
pub(crate) enum PageSection {
    /// Names and values, under a heading if that is not empty.
    Pairs(String, Vec<(String, String)>),
    /// The same with curves in letters, which the browser draws.
    Sparklines(String, Vec<(String, String)>),
    /// A table.
    Table(ReportTable),
}

impl RecordPage {
    /// The parts of the page from top to bottom; the first says what the record is.
    pub(crate) fn sections(&self) -> &[PageSection] {
        &self.sections
    }

    /// Adds curves in letters.
    fn sparklines(&mut self, title: &str, rows: Vec<(String, String)>) {
        if !rows.is_empty() {
            self.sections.push(PageSection::Sparklines(title.to_owned(), rows));
        }
    }

    /// Adds names and values, if there are any.
    fn pairs(&mut self, title: &str, rows: Vec<(String, String)>) {
        if !rows.is_empty() {
            self.sections.push(PageSection::Pairs(title.to_owned(), rows));
        }
    }

    /// Adds what a record was made of, what was made of it, and the command that made it.
    pub fn with_origin(mut self, origin: &Origin) -> Self {
        for (title, all, more) in
            [("Inputs", &origin.inputs, 0), ("Dependent results", &origin.results, origin.more_results)]
        {
            let mut rows: Vec<(String, String)> =
                all.iter().map(|one| (one.kind.name().to_owned(), one.told())).collect();
            rows.extend(
                (more > 0).then(|| ("…".to_owned(), format!("{more} more; `reg trace --down` lists all"))),
            );
            self.pairs(title, rows);
        }
        let command = origin.command.as_ref().map(|command| ("Command".to_owned(), format!("`{command}`")));
        let on = origin.machine.as_ref().map(|machine| ("Machine".to_owned(), machine.clone()));
        self.pairs("Command and machine", command.into_iter().chain(on).collect());
        self
    }

    /// The page as text that fits a width.
    pub fn render(&self, width: Option<u16>, bold: bool) -> String {
        let parts = self.sections.iter().map(|section| match section {
            PageSection::Pairs(title, rows) | PageSection::Sparklines(title, rows) => {
                pairs(title, rows, width.map_or(usize::MAX / 4, usize::from))
            }
            PageSection::Table(table) => table.render(Format::Text { width, bold }),
        });
        parts.collect::<Vec<_>>().join("\n")
    }
}

/// Letters of a text. Names and values have no wide ones but in notes, which take lines of their own.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Names and values; a value that does not fit beside its name goes on in lines below each other.
fn pairs(title: &str, rows: &[(String, String)], available: usize) -> String {
    /// The least width of a value beside its name.
    const BESIDE: usize = 24;
    let names = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let mut out = if title.is_empty() { String::new() } else { format!("{title}\n") };
    let beside = available >= names + 4 + BESIDE;
    let indent = if beside { names + 4 } else { 4 };
    for (name, value) in rows {
        let value: Vec<String> = value
            .lines()
            .flat_map(|line| lines(line, available.saturating_sub(indent), &|text| width(text)))
            .collect();
        let blank = " ".repeat(if beside { names - width(name) + 2 } else { 0 });
        match beside {
            true => out += format!("  {name}{blank}{}", value.first().map_or("", String::as_str)).trim_end(),
            false => out += &format!("  {name}"),
        }
        out.push('\n');
        for line in value.iter().skip(usize::from(beside)) {
            out += &format!("{}{line}\n", " ".repeat(indent));
        }
    }
    out
}

/// A run as a page, and what programs may want of it besides the record.
pub fn of_run(
    registry: &Registry,
    view: &View,
    names: &HashMap<Hash, String>,
    id: Id<crate::records::Run>,
) -> Result<RecordPage, RegistryError> {
    run::page(registry, view, names, id)
}

/// A split as a page: method and sizes.
pub fn of_split(registry: &Registry, name: Option<&str>, id: Id<Split>) -> Result<RecordPage, RegistryError> {
    let split = registry.get(id)?;
    let method = match &split.method {
        SplitMethod::Resample { seed, ratios: [train, val, test] } => {
            format!("random subsets by patient, {train}/{val}/{test} % of the images, seed {seed}")
        }
        SplitMethod::KFold { seed, ratios: [train, val] } => {
            format!(
                "folds of patients; the rest is divided {train}:{val} for training and validation, seed {seed}"
            )
        }
        SplitMethod::Official { val_fraction, seed, .. } => {
            format!("published lists, {val_fraction} of the training images for validation, seed {seed}")
        }
    };
    let mut page = RecordPage::default();
    page.pairs(&heading(Kind::Split, name, &id.hash), vec![("Method".to_owned(), method)]);
    page.sections.push(PageSection::Table(super::dataset::split_sizes(&split)));
    Ok(page)
}

/// A data set as a page: its size and its labels.
pub fn of_dataset(
    registry: &Registry,
    name: Option<&str>,
    id: Id<Dataset>,
) -> Result<RecordPage, RegistryError> {
    use crate::digits::{counted, size};
    let dataset = registry.get(id)?;
    let (images, patients) = (counted(dataset.images, "image"), counted(dataset.patients, "patient"));
    let mut rows = vec![("Images".to_owned(), format!("{images} of {patients}"))];
    let mut add = |name: &str, value: String| rows.push((name.to_owned(), value));
    match dataset.metadata_only {
        true => add("Files", "metadata only".to_owned()),
        false => add("Files", size(dataset.bytes)),
    }
    add("Format", dataset.source.clone());
    if dataset.missing > 0 {
        add("Missing", format!("{} of the metadata without a file", counted(dataset.missing, "row")));
    }
    if let Some(withdrawn) = dataset.withdrawn {
        add("Withdrawn", format!("{} left out", counted(withdrawn, "row")));
    }
    add("Boxes", if dataset.boxes.is_some() { "yes" } else { "none" }.to_owned());
    if let Some(age) = &dataset.age {
        add("Ages", format!("{} to {} years", age.min, age.max));
    }
    add("Labels", format!("{}: {}", dataset.labels.len(), dataset.labels.join(", ")));
    let mut page = RecordPage::default();
    page.pairs(&heading(Kind::Dataset, name, &id.hash), rows);
    Ok(page)
}

/// The first line of a page: kind, name and id.
fn heading(kind: Kind, name: Option<&str>, id: &Hash) -> String {
    let mut letters = kind.noun().chars();
    let noun: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    match name {
        Some(name) => format!("{noun} {name} ({})", id.short()),
        None => format!("{noun} {}", id.short()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_on_beside_their_names_or_below_them() {
        let rows =
            [("Model", "tiny"), ("Command", "`reg train --model tiny` and what follows in more words")];
        let rows = rows.map(|(name, value)| (name.to_owned(), value.to_owned()));
        insta::assert_snapshot!(pairs("Run x", &rows, 40), @"
        Run x
          Model    tiny
          Command  `reg train --model tiny` and
                   what follows in more words
        ");
        insta::assert_snapshot!(pairs("", &rows, 30), @"
          Model
            tiny
          Command
            `reg train --model tiny`
            and what follows in more
            words
        ");
    }
}
