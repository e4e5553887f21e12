//! Compares the trained runs of a study: the setups of each section, with the code of `reg compare`.

use super::StudyError;
use super::status::{State, StudyRunStatus};
use crate::compare::{ColumnPair, CompareOptions, Input, compare, comparisons_of, preview};
use crate::hash::Id;
use crate::index::View;
use crate::records::{Comparison, Predictions, Study, StudySection, Table};
use crate::registry::{Registry, Stamp};

/// A compared section.
#[derive(Debug)]
pub struct ComparedSection {
    /// The section.
    pub section: StudySection,
    /// Name of its table.
    pub name: String,
    /// Its table.
    pub table: Id<Table>,
    /// Its content.
    pub comparison: Comparison,
    /// Setups that were left out because some of their folds are not done.
    pub left_out: Vec<String>,
}

/// Compares, for each section, the setups whose folds are all done, and records each comparison, with the name
/// `STUDY-SECTION` if `named` is set. A section without such a setup is left out.
pub fn compare_sections(
    registry: &Registry,
    study: &Study,
    runs: &[StudyRunStatus],
    options: &CompareOptions,
    named: bool,
    stamp: &Stamp,
) -> Result<Vec<ComparedSection>, StudyError> {
    if let Some(primary) = &options.primary {
        let mut setups: Vec<&str> = runs.iter().map(|run| run.row.setup.as_str()).collect();
        setups.dedup();
        primary.among(&setups)?;
    }
    let mut sections = Vec::new();
    for section in &study.sections {
        let (inputs, left_out) = inputs(registry, section, runs)?;
        if inputs.is_empty() {
            continue;
        }
        let name = format!("{}-{}", study.name, section.name);
        let options = of_section(section, &inputs, options);
        let (table, comparison) = compare(registry, inputs, &options, named.then_some(&name), stamp)?;
        sections.push(ComparedSection { section: section.clone(), name, table, comparison, left_out });
    }
    if sections.is_empty() {
        return Err(StudyError::NothingDone { name: study.name.clone(), given: study.name.clone().into() });
    }
    Ok(sections)
}

/// What is asked of the comparison of a section.
fn of_section(section: &StudySection, inputs: &[Input], options: &CompareOptions) -> CompareOptions {
    let setups: Vec<&str> = inputs.iter().filter_map(|input| input.label.as_deref()).collect();
    let named_in_advance = options.primary.clone().or(section.primary.clone().map(ColumnPair::Named));
    CompareOptions {
        published: section.published.as_ref().map(Into::into),
        // A setup whose runs are pending is not compared yet.
        primary: named_in_advance.filter(|primary| primary.among(&setups).is_ok()),
        margin: options.margin.or(section.margin),
        variance: section.variance.unwrap_or(options.variance),
        ..options.clone()
    }
}

/// The comparison of each section as [`compare_sections`] would record it; nothing is recorded. A section without a setup
/// whose folds are all done is left out.
pub fn preview_sections(
    registry: &Registry,
    study: &Study,
    runs: &[StudyRunStatus],
) -> Result<Vec<(StudySection, Comparison)>, StudyError> {
    let mut sections = Vec::new();
    for section in &study.sections {
        let (inputs, _) = inputs(registry, section, runs)?;
        if !inputs.is_empty() {
            let options = of_section(section, &inputs, &CompareOptions::default());
            sections.push((section.clone(), preview(registry, inputs, &options)?));
        }
    }
    Ok(sections)
}

/// The newest recorded comparison of each section, of the setups whose folds are all done. A section without one is left
/// out; nothing is computed.
pub fn recorded_sections(
    registry: &Registry,
    view: &View,
    study: &Study,
    runs: &[StudyRunStatus],
) -> Result<Vec<ComparedSection>, StudyError> {
    let mut sections = Vec::new();
    for section in &study.sections {
        let (inputs, left_out) = inputs(registry, section, runs)?;
        let predictions: Vec<Id<Predictions>> = inputs.iter().map(|input| input.id).collect();
        if let Some((table, comparison)) = comparisons_of(registry, view, &predictions)?.pop() {
            let name = format!("{}-{}", study.name, section.name);
            sections.push(ComparedSection { section: section.clone(), name, table, comparison, left_out });
        }
    }
    Ok(sections)
}

/// What a section compares, and the setups that are left out because some of their folds are not done.
fn inputs(
    registry: &Registry,
    section: &StudySection,
    runs: &[StudyRunStatus],
) -> Result<(Vec<Input>, Vec<String>), StudyError> {
    let mut inputs = Vec::new();
    let mut left_out = Vec::new();
    let own: Vec<&StudyRunStatus> = runs.iter().filter(|run| run.row.section == section.name).collect();
    for setup in own.chunk_by(|a, b| a.row.setup == b.row.setup) {
        match setup.iter().map(|run| input(registry, run)).collect::<Result<Option<Vec<_>>, _>>()? {
            Some(folds) => inputs.extend(folds),
            None => left_out.push(setup[0].row.setup.clone()),
        }
    }
    Ok((inputs, left_out))
}

/// The predictions of a finished run, for the column of its setup.
fn input(registry: &Registry, run: &StudyRunStatus) -> Result<Option<Input>, StudyError> {
    let State::Done { predictions: id, .. } = &run.state else { return Ok(None) };
    let predictions = registry.get(*id)?;
    // Two setups may have the same model, for example frozen and fine-tuned.
    let label = Some(run.row.setup.clone());
    Ok(Some(Input { name: run.row.name.clone(), label, id: *id, predictions }))
}
