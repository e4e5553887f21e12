//! The log of a run: a line for each epoch.

use serde::{Deserialize, Serialize};

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochLog {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Learning rate of this epoch.
    pub lr: f64,
    /// Mean loss over the training images as they were processed.
    pub train_loss: f64,
    /// Mean loss over the validation images.
    pub val_loss: f64,
    /// Mean AUC over the labels where it is defined on the validation images.
    pub val_auc: Option<f64>,
    /// Number of labels that this mean covers.
    pub val_auc_labels: u32,
    /// Whether the validation loss is the lowest so far.
    pub improved: bool,
}

/// One line of a recorded log: an [`EpochLog`], or what a program said of its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedEpoch {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Learning rate of this epoch, if it is known.
    pub lr: Option<f64>,
    /// Mean loss over the training images; none of a diverged epoch.
    pub train_loss: Option<f64>,
    /// Mean loss over the validation images; none of a diverged epoch.
    pub val_loss: Option<f64>,
    /// Mean AUC over the labels where it is defined on the validation images.
    pub val_auc: Option<f64>,
    /// Number of labels that this mean covers; none where a program did not say.
    pub val_auc_labels: Option<u32>,
    /// Whether the validation loss is the lowest so far.
    pub improved: bool,
}

impl RecordedEpoch {
    /// The readable lines of a log.
    pub fn read_all(log: &[u8]) -> Vec<RecordedEpoch> {
        log.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

impl From<EpochLog> for RecordedEpoch {
    fn from(log: EpochLog) -> Self {
        let EpochLog { epoch, lr, train_loss, val_loss, val_auc, val_auc_labels, improved } = log;
        RecordedEpoch {
            epoch,
            lr: Some(lr),
            train_loss: Some(train_loss),
            val_loss: Some(val_loss),
            val_auc,
            val_auc_labels: Some(val_auc_labels),
            improved,
        }
    }
}
