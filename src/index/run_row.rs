//! What the index keeps of a run, so that a list of thousands of runs reads no object.
//!
//! All of it follows from objects; [`crate::registry`] puts it together whenever one of these objects is added, and
//! `reg reindex` does for all runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hash::Hash;
use crate::records::Packed;

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its spec.
    pub spec: Hash,
    /// The data set.
    pub dataset: Hash,
    /// The split.
    pub split: Hash,
    /// Fold of the split, from 0.
    pub fold: u32,
    /// Name of the model.
    pub model: String,
    /// The initial weights, unless from scratch.
    pub weights: Option<Hash>,
    /// Seed of the training.
    pub seed: u64,
    /// All settings.
    pub settings: RunSettings,
    /// Number of trained epochs; none where a program left no log.
    pub epochs: Option<u32>,
    /// The epoch with the lowest validation loss, from 1.
    pub best_epoch: Option<u32>,
    /// Its validation loss.
    pub val_loss: Option<f64>,
    /// Its validation AUC, a mean over labels; of a program, that of its validation scores. None if it is undefined for all
    /// labels, or if there are no such scores.
    pub val_auc: Option<f64>,
    /// Number of labels that this mean covers; none without such scores.
    pub val_auc_labels: Option<u32>,
    /// The AUC of the test images; none if they were not scored.
    pub test: Option<TestAuc>,
    /// Start of its first execution, in UTC; none without a record of one.
    pub started: Option<String>,
    /// Seconds that this execution took.
    pub seconds: Option<f64>,
    /// The newest note about it.
    pub note: Option<String>,
}

/// The mean AUC of the test images of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestAuc {
    /// The table.
    pub table: Hash,
    /// The mean of the defined AUCs.
    pub mean: Option<f64>,
    /// Number of labels that this mean covers.
    pub mean_over: u32,
    /// Number of labels of the data set.
    pub labels: u32,
}

/// Names and values of settings, sorted by name. One text, because a list of thousands of runs holds many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunSettings(String);

impl RunSettings {
    /// Keeps names and values; a name holds neither tabulator nor line feed.
    pub fn of<'s>(settings: impl IntoIterator<Item = &'s (String, Value)>) -> Self {
        let lines = settings.into_iter().map(|(name, value)| format!("{name}\t{value}\n"));
        RunSettings(lines.collect())
    }

    /// Each name with its value in JSON.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter_map(|line| line.split_once('\t'))
    }

    /// The value of a setting in JSON.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All of them as one text: equal texts are equal settings.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Packed for RunRow {
    const KIND: &'static str = "row of a run";
    const MAGIC: &'static [u8; 8] = b"regrunro";
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::records::codec;

    #[test]
    fn settings_are_found_by_name() {
        let settings = [("lr".to_owned(), json!(0.01)), ("pixels".to_owned(), json!("original"))];
        let settings = RunSettings::of(&settings);
        assert_eq!(settings.get("lr"), Some("0.01"));
        assert_eq!(settings.get("pixels"), Some("\"original\""));
        assert_eq!(settings.get("l"), None);
        assert_eq!(settings.iter().count(), 2);
    }

    #[test]
    fn a_row_is_read_back() {
        let row = RunRow {
            spec: Hash([1; 32]),
            dataset: Hash([2; 32]),
            split: Hash([3; 32]),
            fold: 1,
            model: "tiny".to_owned(),
            weights: None,
            seed: 7,
            settings: RunSettings::of(&[("lr".to_owned(), json!(0.01))]),
            epochs: Some(3),
            best_epoch: Some(2),
            val_loss: Some(0.25),
            val_auc: None,
            val_auc_labels: Some(0),
            test: Some(TestAuc { table: Hash([4; 32]), mean: Some(0.5), mean_over: 1, labels: 2 }),
            started: Some("2026-11-05T08:30:00Z".to_owned()),
            seconds: Some(1.5),
            note: None,
        };
        assert_eq!(codec::unpack::<RunRow>(&codec::pack(&row).unwrap()).unwrap(), row);
    }
}
