//! The columns of a list of runs: fields that each run has, and settings.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::entry::setting_value;
use super::{ListError, ListedRun, RunState, type_of};
use crate::filter::{FieldType, FieldValue};
use crate::network::OF_THE_NETWORK;
use crate::suggest::similar_or_all;

/// A field that every run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name in expressions and in JSON.
    pub name: &'static str,
    /// The heading of its column.
    pub head: &'static str,
    /// What its values are.
    pub kind: FieldKind,
    /// Whether it is in the table unless other columns are asked for.
    pub shown: bool,
}

/// What values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Names and words.
    Text,
    /// Sentences.
    Prose,
    /// A whole number.
    Integer,
    /// A number with decimals.
    Number,
    /// A time in UTC.
    Time,
    /// A number of seconds.
    Seconds,
}

const FIELDS: &[Field] = &[
    of("name", "Name", FieldKind::Text, true),
    of("id", "Id", FieldKind::Text, false),
    of("spec", "Spec", FieldKind::Text, false),
    of("model", "Model", FieldKind::Text, true),
    of("dataset", "Data set", FieldKind::Text, true),
    of("split", "Split", FieldKind::Text, true),
    of("fold", "Division", FieldKind::Integer, true),
    of("seed", "Seed", FieldKind::Integer, true),
    of("weights", "Weights", FieldKind::Text, false),
    of("epoch", "Epoch", FieldKind::Integer, true),
    of("val_loss", "Validation loss", FieldKind::Number, true),
    of("val_auc", "Validation AUC", FieldKind::Number, true),
    of("val_auc_labels", "Labels", FieldKind::Integer, false),
    of("test_auc", "Test AUC", FieldKind::Number, true),
    of("test_auc_labels", "Labels", FieldKind::Integer, false),
    of("date", "Date (UTC)", FieldKind::Time, true),
    of("seconds", "Duration", FieldKind::Seconds, true),
    of("state", "State", FieldKind::Text, true),
    of("note", "Note", FieldKind::Prose, true),
    of("error", "Error", FieldKind::Prose, false),
];
/// The field behind which settings stand.
const BEFORE_SETTINGS: &str = "weights";

const fn of(name: &'static str, head: &'static str, kind: FieldKind, shown: bool) -> Field {
    Field { name, head, kind, shown }
}

/// All fields, in the order of their columns.
pub fn fields() -> &'static [Field] {
    FIELDS
}

/// The field with this name; none for a setting.
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// The type of a field or setting of some runs; none if no run has a setting of this name.
pub(super) fn field_type(name: &str, runs: &[ListedRun]) -> Option<FieldType> {
    match (name, field(name).map(|field| field.kind)) {
        ("id" | "spec", _) => Some(FieldType::Id),
        ("state", _) => Some(FieldType::Word(&RunState::NAMES)),
        (_, kind) => match kind {
            Some(FieldKind::Time) => Some(FieldType::Time),
            Some(FieldKind::Text | FieldKind::Prose) => Some(FieldType::Text),
            Some(FieldKind::Integer | FieldKind::Number | FieldKind::Seconds) => Some(FieldType::Number),
            None => {
                // Each distinct text of settings is looked at once.
                let mut seen = HashSet::new();
                let texts = runs.iter().filter(|run| seen.insert(run.settings.text()));
                let mut values = texts.filter_map(|run| run.settings.get(name)).peekable();
                values.peek()?;
                Some(type_of(values.map(setting_value)))
            }
        },
    }
}

/// All names: fields, then settings of some runs.
fn names(runs: &[ListedRun]) -> Vec<String> {
    let mut seen = HashSet::new();
    let texts = runs.iter().filter(|run| seen.insert(run.settings.text()));
    let settings: BTreeSet<&str> = texts.flat_map(|run| run.settings.iter().map(|(name, _)| name)).collect();
    FIELDS.iter().map(|field| field.name).chain(settings).map(str::to_owned).collect()
}

/// What an unknown name may be meant to be: the names that are close to it, or all.
pub(super) fn meant(name: &str, runs: &[ListedRun]) -> Vec<String> {
    let names = names(runs);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    similar_or_all(name, &names).into_iter().map(str::to_owned).collect()
}

/// The names of the columns that are asked for, or of those that are shown otherwise: all fields but those that are
/// empty, and the settings in which the runs differ; in both cases with what means of AUCs cover, where that differs.
///
/// # Errors
/// A name that no run has.
pub fn of_columns(asked: Option<&[String]>, runs: &[ListedRun]) -> Result<Vec<String>, ListError> {
    if let Some(asked) = asked {
        for name in asked {
            if field(name).is_none() && field_type(name, runs).is_none() {
                return Err(ListError::UnknownField {
                    of: "runs",
                    name: name.clone(),
                    known: meant(name, runs),
                });
            }
        }
        return Ok(with_coverage(asked.to_vec(), runs, false));
    }
    let mut columns = Vec::new();
    for field in FIELDS {
        let is_empty = || runs.iter().all(|run| run.value(field.name).is_missing());
        if field.shown && !(field.name == "note" && is_empty()) {
            columns.push(field.name.to_owned());
        }
        if field.name == BEFORE_SETTINGS {
            let weights = runs.iter().any(|run| run.weights.is_some());
            columns.extend(weights.then(|| BEFORE_SETTINGS.to_owned()));
            columns.extend(differing(runs));
        }
    }
    Ok(with_coverage(columns, runs, false))
}

/// Means of AUCs, each with the column that says how many labels it covers.
const MEANS: [(&str, &str); 2] = [("val_auc", "val_auc_labels"), ("test_auc", "test_auc_labels")];

/// The columns with, behind each mean of AUCs, the one of the labels that it covers: `always`, or where these differ
/// between the runs, so that their means are not comparable.
pub fn with_coverage(columns: Vec<String>, runs: &[ListedRun], always: bool) -> Vec<String> {
    let mut all = Vec::with_capacity(columns.len());
    for column in &columns {
        all.push(column.clone());
        let Some((_, labels)) = MEANS.iter().find(|(mean, _)| mean == column) else { continue };
        let differs = || {
            let number = |run: &ListedRun| match run.value(labels) {
                FieldValue::Number(number) => Some(number as u32),
                FieldValue::Text(_) | FieldValue::Missing => None,
            };
            runs.iter().filter_map(number).collect::<HashSet<u32>>().len() > 1
        };
        if !columns.iter().any(|other| other == labels) && (always || differs()) {
            all.push((*labels).to_owned());
        }
    }
    all
}

/// The settings in which some runs differ, by name.
///
/// A run that has no such setting differs from none. What follows from the network, such as the size of its input,
/// counts only where runs of one network differ in it.
pub fn differing(runs: &[ListedRun]) -> Vec<String> {
    let mut seen = HashSet::new();
    let distinct: Vec<&ListedRun> =
        runs.iter().filter(|run| seen.insert((run.settings.text(), run.model.as_deref()))).collect();
    let mut values: BTreeMap<(&str, &str), HashSet<&str>> = BTreeMap::new();
    let mut before: (Option<&str>, Vec<(&str, &str)>) = Default::default();
    for run in distinct {
        let model = run.model.as_deref();
        let settings: Vec<(&str, &str)> = run.settings.iter().collect();
        for (place, (name, value)) in settings.iter().copied().enumerate() {
            // Most of thousands of runs repeat what the one before has.
            if before.0 == model && before.1.get(place) == Some(&(name, value)) {
                continue;
            }
            let network = if OF_THE_NETWORK.contains(&name) { model } else { None };
            values.entry((name, network.unwrap_or_default())).or_default().insert(value);
        }
        before = (model, settings);
    }
    let several = values.into_iter().filter(|(_, values)| values.len() > 1);
    let mut names: Vec<String> = several.map(|((name, _), _)| name.to_owned()).collect();
    names.dedup();
    names
}
