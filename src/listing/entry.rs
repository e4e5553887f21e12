//! A run in a list, and its values by name.

use std::borrow::Cow;
use std::collections::HashMap;

use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::filter::FieldValue;
use crate::hash::Hash;
use crate::index::{RunRow, RunSettings};
use crate::network::spec_settings;
use crate::records::Spec;
use crate::training::unfinished::UnfinishedTraining;
use crate::usage::UnknownOrigin;

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It is recorded.
    Done,
    /// A process trains it.
    Running,
    /// Its training was stopped and can be resumed.
    Interrupted,
    /// Its training ended in an error.
    Failed,
    /// It is recorded, and an object that it depends on cannot be read.
    Damaged,
}

impl RunState {
    /// The names of all.
    pub(super) const NAMES: [&'static str; 5] = ["done", "running", "interrupted", "failed", "damaged"];

    /// The name in lists and expressions.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Done => "done",
            RunState::Running => "running",
            RunState::Interrupted => "interrupted",
            RunState::Failed => "failed",
            RunState::Damaged => "damaged",
        }
    }
}

/// A run in a list: recorded, or an unfinished training.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListedRun {
    /// Its name; null for a run without one.
    pub name: Option<String>,
    /// Its id; null for an unfinished training.
    pub id: Option<Hash>,
    /// Its spec.
    pub spec: Option<Hash>,
    /// Name of the network.
    pub model: Option<String>,
    /// Name of the data set, or the start of its id.
    pub dataset: Option<String>,
    /// Id of the data set.
    pub dataset_id: Option<Hash>,
    /// Name of the split, or the start of its id.
    pub split: Option<String>,
    /// Id of the split.
    pub split_id: Option<Hash>,
    /// Fold of the split, from 0.
    pub fold: Option<u32>,
    /// Seed of the training.
    pub seed: Option<u64>,
    /// Name of the initial weights, or the start of their id; null from scratch.
    pub weights: Option<String>,
    /// All settings by name.
    #[serde(serialize_with = "map")]
    #[schemars(with = "std::collections::BTreeMap<String, Value>")]
    pub settings: RunSettings,
    /// The epoch whose weights were kept, from 1.
    pub epoch: Option<u32>,
    /// Number of trained epochs.
    pub epochs: Option<u32>,
    /// Validation loss of the kept epoch.
    pub val_loss: Option<f64>,
    /// Validation AUC of the kept epoch: the mean over the labels where it is defined.
    pub val_auc: Option<f64>,
    /// Number of labels that this mean covers.
    pub val_auc_labels: Option<u32>,
    /// AUC of the test images: the mean over the labels where it is defined.
    pub test_auc: Option<f64>,
    /// Number of labels that this mean covers.
    pub test_auc_labels: Option<u32>,
    /// Number of labels of the data set; null before the test images are scored.
    pub labels: Option<u32>,
    /// The table of the AUCs of the test images.
    pub table: Option<Hash>,
    /// Start of the training in UTC.
    pub date: Option<String>,
    /// Seconds that the training took, the last part of it if it was resumed.
    pub seconds: Option<f64>,
    /// Its state.
    pub state: RunState,
    /// The newest note about it.
    pub note: Option<String>,
    /// Why the training failed, or what cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Id of the initial weights.
    #[serde(skip)]
    pub weights_id: Option<Hash>,
    /// Its known leaks, a sentence each; filled in when the run is shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub leaks: Vec<String>,
    /// Files of unknown origin from which it started; filled in likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub unknown_ancestry: Vec<UnknownOrigin>,
}

/// Settings as a map of JSON.
fn map<S: Serializer>(settings: &RunSettings, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (name, value) in settings.iter() {
        // Numbers are written again without a tree of values, because lists of thousands of runs hold many.
        match (value.parse::<i64>(), value.parse::<f64>()) {
            (Ok(number), _) => map.serialize_entry(name, &number)?,
            (_, Ok(number)) => map.serialize_entry(name, &number)?,
            _ => map.serialize_entry(name, &serde_json::from_str::<Value>(value).unwrap_or(Value::Null))?,
        }
    }
    map.end()
}

fn called(names: &HashMap<Hash, String>, id: &Hash) -> String {
    names.get(id).cloned().unwrap_or_else(|| id.short())
}

impl ListedRun {
    fn empty(state: RunState) -> Self {
        ListedRun {
            name: None,
            id: None,
            spec: None,
            model: None,
            dataset: None,
            dataset_id: None,
            split: None,
            split_id: None,
            fold: None,
            seed: None,
            weights: None,
            settings: RunSettings::default(),
            epoch: None,
            epochs: None,
            val_loss: None,
            val_auc: None,
            val_auc_labels: None,
            test_auc: None,
            test_auc_labels: None,
            labels: None,
            table: None,
            date: None,
            seconds: None,
            state,
            note: None,
            error: None,
            weights_id: None,
            leaks: Vec::new(),
            unknown_ancestry: Vec::new(),
        }
    }

    /// A recorded run.
    pub fn recorded(id: Hash, name: Option<String>, row: RunRow, names: &HashMap<Hash, String>) -> Self {
        let test = row.test.as_ref();
        ListedRun {
            name,
            id: Some(id),
            spec: Some(row.spec),
            dataset: Some(called(names, &row.dataset)),
            dataset_id: Some(row.dataset),
            split: Some(called(names, &row.split)),
            split_id: Some(row.split),
            fold: Some(row.fold),
            seed: Some(row.seed),
            weights: row.weights.map(|weights| called(names, &weights)),
            weights_id: row.weights,
            epoch: row.best_epoch,
            epochs: row.epochs,
            val_loss: row.val_loss,
            val_auc: row.val_auc,
            val_auc_labels: row.val_auc_labels,
            test_auc: test.and_then(|test| test.mean),
            test_auc_labels: test.map(|test| test.mean_over),
            labels: test.map(|test| test.labels),
            table: test.map(|test| test.table),
            model: Some(row.model),
            settings: row.settings,
            date: row.started,
            seconds: row.seconds,
            note: row.note,
            ..ListedRun::empty(RunState::Done)
        }
    }

    /// A recorded run whose objects cannot be read, and why.
    pub(super) fn damaged(id: Hash, name: Option<String>, error: String) -> Self {
        ListedRun { name, id: Some(id), error: Some(error), ..ListedRun::empty(RunState::Damaged) }
    }

    /// An unfinished training; without its spec, which may be damaged, little is known.
    pub(super) fn unfinished(
        training: &UnfinishedTraining,
        spec: Option<&Spec>,
        names: &HashMap<Hash, String>,
    ) -> Self {
        let state = match (training.pid, &training.error) {
            (Some(_), _) => RunState::Running,
            (None, Some(_)) => RunState::Failed,
            (None, None) => RunState::Interrupted,
        };
        let epochs = training.status.as_ref().map(|status| &status.epochs[..]).unwrap_or_default();
        let kept = epochs.iter().rfind(|epoch| epoch.improved);
        ListedRun {
            name: Some(training.announcement.name.clone()),
            spec: Some(training.announcement.spec.hash),
            model: spec.map(|spec| spec.model_name().to_owned()),
            dataset: spec.map(|spec| called(names, &spec.dataset().hash)),
            dataset_id: spec.map(|spec| spec.dataset().hash),
            split: spec.map(|spec| called(names, &spec.split().hash)),
            split_id: spec.map(|spec| spec.split().hash),
            fold: spec.map(Spec::fold),
            seed: spec.map(Spec::seed),
            weights: spec.and_then(Spec::weights).map(|weights| called(names, &weights.hash)),
            settings: spec.map(|spec| RunSettings::of(&spec_settings(spec))).unwrap_or_default(),
            epoch: kept.map(|epoch| epoch.epoch),
            epochs: Some(epochs.len() as u32),
            val_loss: kept.map(|epoch| epoch.val_loss),
            val_auc: kept.and_then(|epoch| epoch.val_auc),
            val_auc_labels: kept.map(|epoch| epoch.val_auc_labels),
            date: Some(training.announcement.started.clone()),
            error: training.error.clone(),
            ..ListedRun::empty(state)
        }
    }

    /// Whether it may have learnt from other images than those of its division: it started from weights, or is a
    /// program, whose files may hold some.
    pub fn may_start_from_weights(&self) -> bool {
        self.weights_id.is_some() || self.settings.get("command").is_some()
    }

    /// What it is called: its name, or the start of its id.
    pub fn called(&self) -> String {
        let short = || self.id.or(self.spec).map_or_else(String::new, |id| id.short());
        self.name.clone().unwrap_or_else(short)
    }

    /// The value of a name in expressions: a column or a setting.
    pub fn value(&self, name: &str) -> FieldValue<'_> {
        fn of(text: &Option<String>) -> FieldValue<'_> {
            text.as_deref().map_or(FieldValue::Missing, FieldValue::text)
        }
        fn id(id: &Option<Hash>) -> FieldValue<'_> {
            id.map_or(FieldValue::Missing, |id| FieldValue::text(id.to_string()))
        }
        let number = |number: Option<u32>| FieldValue::number(number.map(f64::from));
        match name {
            "name" => of(&self.name),
            "id" => id(&self.id),
            "spec" => id(&self.spec),
            "model" => of(&self.model),
            "dataset" => of(&self.dataset),
            "split" => of(&self.split),
            "fold" => number(self.fold),
            "seed" => FieldValue::number(self.seed.map(|seed| seed as f64)),
            "weights" => of(&self.weights),
            "epoch" => number(self.epoch),
            "val_loss" => FieldValue::number(self.val_loss),
            "val_auc" => FieldValue::number(self.val_auc),
            "val_auc_labels" => number(self.val_auc_labels),
            "test_auc" => FieldValue::number(self.test_auc),
            "test_auc_labels" => number(self.test_auc_labels),
            "date" => of(&self.date),
            "seconds" => FieldValue::number(self.seconds),
            "state" => FieldValue::text(self.state.name()),
            "note" => of(&self.note),
            "error" => of(&self.error),
            "leaks" if self.leaks.is_empty() => FieldValue::Missing,
            "leaks" => FieldValue::text(self.leaks.join("; ")),
            setting => self.settings.get(setting).map_or(FieldValue::Missing, setting_value),
        }
    }
}

/// The value of a setting: a number, a text, or anything else in JSON.
pub(super) fn setting_value(json: &str) -> FieldValue<'_> {
    if let Ok(number) = json.parse::<f64>() {
        return FieldValue::Number(number);
    }
    match json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if !text.contains('\\') => FieldValue::Text(Cow::Borrowed(text)),
        _ => FieldValue::Text(match serde_json::from_str(json) {
            Ok(Value::String(text)) => Cow::Owned(text),
            _ => Cow::Borrowed(json),
        }),
    }
}
