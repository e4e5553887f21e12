//! What an interrupted training goes on from: one file, replaced as a whole at the end of each epoch.

use std::path::Path;

use reg::hash::Hash;
use reg::records::EpochLog;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::adam::Adam;
use crate::error::TensorError;
use crate::net::Net;
use crate::output;
use crate::weights::{Entry, encode, fill, matches};

type Result<T> = std::result::Result<T, TensorError>;

const FILE: &str = "state.safetensors";
const NOTE: &str = "reg";
const BEST: &str = "best";

/// How a training went so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Course {
    /// The epochs that are over.
    pub(crate) epochs: Vec<EpochLog>,
    /// Learning rate of the next one.
    pub(crate) lr: f64,
    /// Epochs without improvement since the last one or since the learning rate fell.
    pub(crate) stalled: u32,
}

impl Course {
    /// A training that has not begun.
    pub(crate) fn new(lr: f64) -> Self {
        Course { epochs: Vec::new(), lr, stalled: 0 }
    }

    /// The selected epoch: the first of those with the lowest validation loss.
    pub(crate) fn best(&self) -> Option<&EpochLog> {
        self.epochs.iter().rev().find(|epoch| epoch.improved)
    }

    /// Adds an epoch, marks it if it is the best so far, and lowers the learning rate when more than
    /// `patience` epochs in a row have not been.
    pub(crate) fn add(&mut self, mut epoch: EpochLog, factor: f64, patience: u32) {
        epoch.improved = self.best().is_none_or(|best| epoch.val_loss < best.val_loss);
        self.stalled = if epoch.improved { 0 } else { self.stalled + 1 };
        if self.stalled > patience {
            self.lr *= factor;
            self.stalled = 0;
        }
        self.epochs.push(epoch);
    }
}

/// What a state belongs to: another spec, or another number of threads, would not end with the same
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Hash of the spec's record.
    pub(crate) spec: Hash,
    /// Threads of libtorch.
    pub(crate) threads: u32,
}

#[derive(Serialize, Deserialize)]
struct Note {
    owner: Owner,
    course: Course,
    steps: u64,
}

/// Keeps the state at the end of an epoch: weights, running statistics, moments, and the checkpoint of
/// the selected epoch.
pub(crate) fn save(
    dir: &Path,
    owner: Owner,
    course: &Course,
    net: &Net,
    adam: &Adam,
    best: &[u8],
) -> Result<()> {
    let mut entries = Vec::new();
    for named in &net.named {
        entries.push(Entry::tensor(format!("net.{}", named.name), &named.tensor)?);
    }
    for (named, [m, v]) in net.trained().iter().zip(&adam.moments) {
        entries.push(Entry::tensor(format!("m.{}", named.name), m)?);
        entries.push(Entry::tensor(format!("v.{}", named.name), v)?);
    }
    entries.push(Entry::raw(BEST.to_owned(), best.to_vec()));
    let note = Note { owner, course: course.clone(), steps: adam.steps };
    let note = serde_json::to_string(&note).map_err(|e| TensorError::Job(e.to_string()))?;
    output::write(dir, FILE, &encode(&entries, Some((NOTE, note))))
}

/// Goes on from the state in `dir`, if there is one of the same owner: fills network and optimiser, and
/// returns how it went and the checkpoint of the selected epoch.
///
/// A state that does not fit is left alone: the training begins anew and replaces it.
pub(crate) fn resume(
    dir: &Path,
    owner: Owner,
    net: &Net,
    adam: &mut Adam,
) -> Result<Option<(Course, Vec<u8>)>> {
    let Ok(file) = std::fs::read(dir.join(FILE)) else {
        return Ok(None);
    };
    let (Ok(tensors), Some(note)) = (SafeTensors::deserialize(&file), note(&file)) else {
        return Ok(None);
    };
    let mut ours: Vec<_> = net.named.iter().map(|n| (format!("net.{}", n.name), &n.tensor)).collect();
    for (named, [m, v]) in net.trained().iter().zip(&adam.moments) {
        ours.push((format!("m.{}", named.name), m));
        ours.push((format!("v.{}", named.name), v));
    }
    let stored: Option<Vec<_>> = ours
        .iter()
        .map(|(name, tensor)| tensors.tensor(name).ok().filter(|view| matches(tensor, view)))
        .collect();
    let (Some(stored), Ok(best), true) = (stored, tensors.tensor(BEST), note.owner == owner) else {
        return Ok(None);
    };
    for ((_, tensor), view) in ours.iter().zip(&stored) {
        fill(tensor, view)?;
    }
    adam.steps = note.steps;
    Ok(Some((note.course, best.data().to_vec())))
}

fn note(file: &[u8]) -> Option<Note> {
    let (_, metadata) = SafeTensors::read_metadata(file).ok()?;
    serde_json::from_str(metadata.metadata().as_ref()?.get(NOTE)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_falls_when_patience_is_over() {
        let course = |patience, losses: &[f64]| {
            let mut course = Course::new(1.0);
            for (index, &val_loss) in losses.iter().enumerate() {
                let log = EpochLog {
                    epoch: index as u32 + 1,
                    lr: course.lr,
                    train_loss: 0.0,
                    val_loss,
                    val_auc: None,
                    val_auc_labels: 0,
                    improved: false,
                };
                course.add(log, 0.5, patience);
            }
            course
        };
        let losses = [3.0, 2.0, 2.0, 2.5, 1.0, 1.5];
        let none = course(0, &losses);
        let rates: Vec<f64> = none.epochs.iter().map(|epoch| epoch.lr).collect();
        assert_eq!((rates, none.lr), (vec![1.0, 1.0, 1.0, 0.5, 0.25, 0.25], 0.125));
        assert_eq!(none.best().map(|best| best.epoch), Some(5));
        let one = course(1, &losses);
        let rates: Vec<f64> = one.epochs.iter().map(|epoch| epoch.lr).collect();
        assert_eq!((rates, one.lr), (vec![1.0, 1.0, 1.0, 1.0, 0.5, 0.5], 0.5));
        // The first of two equal ones is selected.
        assert_eq!(course(0, &[2.0, 2.0]).best().map(|best| best.epoch), Some(1));
    }
}
