//! The scores that a program left, held to the labels and the images that it was given.
//!
//! A column is `LABEL` or `prob_LABEL` for probabilities, or `logit_LABEL`, one form in a file. All test images must be
//! scored; the validation images all or not at all; any other image is an error.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::error::SCORE_FILES;
use super::error::{ProgramError, named};
use crate::dataset::score_table::{ScoreTable, read_csv, read_npy};
use crate::hash::Id;
use crate::records::{Blob, Dataset, Manifest, Run, Scale, Scores, Spec, Subset};
use crate::registry::{Objects, RegistryError};

/// The scores of one subset.
#[derive(Debug, Clone, PartialEq)]
pub struct SubsetScores {
    /// Labels of the columns: all of the data set.
    pub labels: Vec<String>,
    /// The scale.
    pub scale: Scale,
    /// The scores.
    pub scores: Scores,
}

/// The file of scores among those that a run left.
pub fn file_of(run: &Run) -> Result<(&str, Id<Blob>), ProgramError> {
    let file = run.files.iter().find(|file| SCORE_FILES.contains(&file.name.as_str()));
    file.map(|file| (file.name.as_str(), file.object)).ok_or(ProgramError::NoScores)
}

/// An error of reading a program's scores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The file.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// Reads a file of scores: those of the test images, and those of the validation images if it has them.
///
/// # Errors
/// A missing, extra, unknown or repeated image or column, or a score that is not finite or not a probability, by name.
pub fn read(
    objects: &dyn Objects,
    spec: &Spec,
    name: &str,
    bytes: &[u8],
) -> Result<(SubsetScores, Option<SubsetScores>), ReadError> {
    let dataset = objects.get(spec.dataset())?;
    let manifest = objects.manifest(&dataset)?;
    let test = objects.members(spec, Subset::Test)?;
    let val = objects.members(spec, Subset::Val)?;
    Ok(hold(name, &table(name, bytes)?, &dataset, &manifest, [&test, &val])?)
}

fn table(name: &str, bytes: &[u8]) -> Result<ScoreTable, ProgramError> {
    let wrong = |reason: String| ProgramError::output(name, reason);
    if name.ends_with(".npy") {
        return read_npy(bytes).map_err(wrong);
    }
    let read = read_csv(bytes, Path::new(name));
    read.map_err(|e| {
        let text = e.to_string();
        let reason = text.strip_prefix(name).unwrap_or(&text).trim_start_matches([',', ':', ' ']).to_owned();
        wrong(if reason.starts_with("has ") || reason.starts_with("is ") {
            format!("it {reason}")
        } else {
            reason
        })
    })
}

/// The columns by label, and their scale.
fn columns(name: &str, table: &ScoreTable, labels: &[String]) -> Result<(Vec<usize>, Scale), ProgramError> {
    let wrong = |reason: String| ProgramError::output(name, reason);
    let mut found: HashMap<usize, usize> = HashMap::new();
    let mut scales: Vec<(Scale, &str)> = Vec::new();
    let mut unknown: Vec<&str> = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        let label = |text: &str| labels.iter().position(|label| label == text);
        let of = |prefix: &str, scale| Some((label(column.strip_prefix(prefix)?)?, scale));
        let meant = of("", Scale::Probability);
        let meant = meant.or_else(|| of("prob_", Scale::Probability)).or_else(|| of("logit_", Scale::Logit));
        let Some((label, scale)) = meant else {
            unknown.push(column);
            continue;
        };
        if found.insert(label, place).is_some() {
            return Err(wrong(format!("it has two columns for {}", labels[label])));
        }
        scales.push((scale, column));
    }
    if !unknown.is_empty() {
        return Err(wrong(format!("it has {} not named after a label", named(&unknown, "column"))));
    }
    let missing: Vec<&str> = (0..labels.len())
        .filter(|label| !found.contains_key(label))
        .map(|label| labels[label].as_str())
        .collect();
    if !missing.is_empty() {
        return Err(wrong(format!("it has no column for {}", named(&missing, "label"))));
    }
    let scale = scales.first().map_or(Scale::Probability, |(scale, _)| *scale);
    match scales.iter().find(|(other, _)| *other != scale) {
        Some((_, column)) => {
            let (logit, probability) = match scale {
                Scale::Logit => (scales[0].1, *column),
                _ => (*column, scales[0].1),
            };
            Err(wrong(format!(
                "its column {logit} has logits and its column {probability} has probabilities"
            )))
        }
        None => Ok(((0..labels.len()).map(|label| found[&label]).collect(), scale)),
    }
}

/// Holds a table to the labels and the images.
fn hold(
    name: &str,
    table: &ScoreTable,
    dataset: &Dataset,
    manifest: &Manifest,
    [test, val]: [&[u32]; 2],
) -> Result<(SubsetScores, Option<SubsetScores>), ProgramError> {
    let wrong = |reason: String| ProgramError::output(name, reason);
    let (columns, scale) = columns(name, table, &dataset.labels)?;
    let width = table.columns.len();
    if scale == Scale::Probability
        && let Some(place) = table.scores.iter().position(|score| !(0.0..=1.0).contains(score))
    {
        let (image, column) = (&table.images[place / width], &table.columns[place % width]);
        return Err(wrong(format!(
            "image {image:?} has {} for {column}, which is not a probability; logits are columns logit_LABEL",
            table.scores[place]
        )));
    }
    let rows: HashMap<&str, u32> =
        (0..).zip(&manifest.rows).map(|(at, row)| (row.name.as_str(), at)).collect();
    let [of_test, of_val] = [test, val].map(|rows| rows.iter().copied().collect::<HashSet<u32>>());
    let (mut places, mut unknown, mut extra) = (HashMap::new(), Vec::new(), Vec::new());
    for (place, image) in table.images.iter().enumerate() {
        match rows.get(image.as_str()) {
            None => unknown.push(image.as_str()),
            Some(row) if !of_test.contains(row) && !of_val.contains(row) => extra.push(image.as_str()),
            Some(row) => {
                if places.insert(*row, place).is_some() {
                    return Err(wrong(format!("it has two rows for image {image:?}")));
                }
            }
        }
    }
    if !unknown.is_empty() {
        return Err(wrong(format!("it has {} not in the data set", named(&unknown, "image"))));
    }
    if !extra.is_empty() {
        let extra = named(&extra, "image");
        return Err(wrong(format!("it has {extra} of neither the test nor the validation images")));
    }
    let of_subset = |subset: &[u32], called: &str| {
        let lacking = subset.iter().filter(|row| !places.contains_key(row));
        let lacking: Vec<&str> = lacking.map(|row| manifest.rows[*row as usize].name.as_str()).collect();
        if !lacking.is_empty() {
            return Err(wrong(format!("it has no scores of {}", named(&lacking, called))));
        }
        let values = subset.iter().flat_map(|row| {
            let start = places[row] * width;
            columns.iter().map(move |column| table.scores[start + column])
        });
        let scores = Scores { rows: subset.to_vec(), labels: columns.len() as u32, scores: values.collect() };
        Ok(SubsetScores { labels: dataset.labels.clone(), scale, scores })
    };
    let scored = val.iter().any(|row| places.contains_key(row));
    let val = scored.then(|| of_subset(val, "validation image")).transpose()?;
    Ok((of_subset(test, "test image")?, val))
}
