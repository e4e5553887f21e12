//! Comparisons, with the options of `reg compare`.

use std::path::PathBuf;

use pyo3::prelude::*;
use reg::Stamp;
use reg::compare::{CompareOptions, Grouping, Labels};
use reg::failure::Failure;
use reg::records::{GroupBy, Pooling, Primary, Variance};
use reg::suggest::similar_or_all;

use crate::error::Answer;

/// Options of a comparison: a dictionary with all of these keys.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    /// When, in UTC, and by what call, for the log.
    time: String,
    command: String,
    name: Option<String>,
    move_name: bool,
    by: String,
    groups: Vec<String>,
    labels: Option<Vec<String>>,
    shared_labels: bool,
    shared_images: bool,
    pool: String,
    variance: String,
    primary: Option<(String, String)>,
    margin: Option<f64>,
    bootstrap: Option<u32>,
    seed: u64,
    metrics: bool,
    prevalence: Option<f64>,
    published: Option<PathBuf>,
    allow_different_images: bool,
}

/// Compares and records; gives the id of the table.
pub(crate) fn compare(registry: &reg::Registry, names: &[String], options: Options) -> Answer<String> {
    let stamp = Stamp { time: options.time.clone(), command: options.command.clone() };
    let registry = if options.move_name { registry.clone() } else { registry.clone().keeping_names() };
    let name = options.name.clone();
    let options = options.checked()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = registry.compare(&names, &options, name.as_deref(), &stamp)?;
    Ok(id.hash.to_string())
}

impl Options {
    fn checked(self) -> Answer<CompareOptions> {
        let share = |name: &str, value: Option<f64>, such: &str| match value {
            Some(value) if !(value > 0.0 && value < 1.0) => {
                Err(Failure::usage(format!("{name} is {value}, but must be between 0 and 1, such as {such}")))
            }
            value => Ok(value),
        };
        let bootstrap = match self.bootstrap {
            Some(resamples @ (0..100 | 1_000_001..)) => {
                return Err(Failure::usage(format!(
                    "bootstrap is {resamples}, but must be 100 to 1,000,000 resamples, such as 2000"
                )));
            }
            resamples => resamples.map(|resamples| (resamples, self.seed)),
        };
        Ok(CompareOptions {
            grouping: one_of("by", &self.by, &[("model", Grouping::Model), ("run", Grouping::Run)])?,
            labels: match self.labels {
                _ if self.shared_labels => Labels::Shared,
                Some(labels) => Labels::These(labels),
                None => Labels::All,
            },
            shared_images: self.shared_images,
            pooling: one_of(
                "pool",
                &self.pool,
                &[("label", Pooling::PerLabel), ("all", Pooling::AllScores)],
            )?,
            variance: one_of(
                "variance",
                &self.variance,
                &[("clustered", Variance::Clustered), ("delong", Variance::Delong)],
            )?,
            primary: match self.primary {
                Some((a, b)) if a == b => {
                    return Err(Failure::usage(format!("primary names {a} twice; it compares two columns")));
                }
                primary => primary.map(|(a, b)| Primary { a, b }.into()),
            },
            margin: share("margin", self.margin, "0.01")?,
            bootstrap,
            metrics: self.metrics,
            prevalence: share("prevalence", self.prevalence, "0.05")?,
            groups: self
                .groups
                .iter()
                .map(|group| one_of("groups", group, &GROUPS))
                .collect::<Answer<_>>()?,
            published: self.published,
            allow_incomparable: self.allow_different_images,
            ..CompareOptions::default()
        })
    }
}

/// Groups by name.
const GROUPS: [(&str, GroupBy); 3] =
    [("gender", GroupBy::Gender), ("view", GroupBy::View), ("age", GroupBy::Age)];

/// The value of a word.
fn one_of<T: Clone>(option: &str, word: &str, all: &[(&str, T)]) -> Answer<T> {
    let found = all.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| value.clone()).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let meant = similar_or_all(word, &names).join(", ");
        Failure::usage(format!("{option} is `{word}`")).hinting(format!("there is {meant}"))
    })
}
