//! Resume checkpoints of a training, written in parallel with the training.
//!
//! Two files: the resume checkpoint, which is replaced as a whole, and the weights of the selected epoch, to
//! which it refers. The weights are written before the resume checkpoint that refers to them, and the previous
//! ones are removed after it, so that a kill at any moment leaves a complete resume checkpoint.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reg::disk::Dir;
use reg::hash::Hash;
use reg::limits;
use reg::records::EpochLog;
use reg::worker::files;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::adam::Adam;
use crate::error::TensorError;
use crate::net::Net;
use crate::output;
use crate::weights::{Entry, fill, matching};

type Result<T> = std::result::Result<T, TensorError>;

const FILE: &str = files::STATE;
const NOTE: &str = "reg";

/// The progress of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainingProgress {
    /// The completed epochs.
    pub(crate) epochs: Vec<EpochLog>,
    /// The progress in the next epoch.
    pub(crate) epoch_progress: EpochProgress,
    /// Learning rate of the next epoch.
    pub(crate) lr: f64,
    /// Number of epochs without improvement since the last improvement or reduction of the learning rate.
    pub(crate) stalled: u32,
}

/// Progress in an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochProgress {
    /// Number of completed batches.
    pub(crate) batches: u64,
    /// Number of their images.
    pub(crate) images: u64,
    /// Sum over these images of the share of their labels that are known: the number of images if no label is
    /// missing.
    pub(crate) known: f64,
    /// Sum of their losses.
    pub(crate) loss: f64,
}

impl TrainingProgress {
    /// The progress of a training that has not started.
    pub(crate) fn new(lr: f64) -> Self {
        TrainingProgress { epochs: Vec::new(), epoch_progress: EpochProgress::default(), lr, stalled: 0 }
    }

    /// The selected epoch: the first of those with the lowest validation loss.
    pub(crate) fn best(&self) -> Option<&EpochLog> {
        self.epochs.iter().rev().find(|epoch| epoch.improved)
    }

    /// Epochs since the selected one.
    pub(crate) fn since_best(&self) -> u32 {
        self.epochs.iter().rev().take_while(|epoch| !epoch.improved).count() as u32
    }

    /// Adds an epoch, marks it if it is the best so far, and lowers the learning rate after more than
    /// `patience` epochs in a row without improvement.
    pub(crate) fn add(&mut self, mut epoch: EpochLog, factor: f64, patience: u32) {
        epoch.improved = self.best().is_none_or(|best| epoch.val_loss < best.val_loss);
        self.stalled = if epoch.improved { 0 } else { self.stalled + 1 };
        if self.stalled > patience {
            self.lr *= factor;
            self.stalled = 0;
        }
        self.epochs.push(epoch);
        self.epoch_progress = EpochProgress::default();
    }
}

/// What a resume checkpoint belongs to: with another spec or another number of threads, the training would not
/// end with the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Hash of the spec's record.
    pub(crate) spec: Hash,
    /// Threads of libtorch.
    pub(crate) threads: u32,
}

/// The weights of the selected epoch.
#[derive(Clone)]
pub(crate) struct Best {
    bytes: Arc<Vec<u8>>,
    id: Hash,
}

impl Best {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Best { id: Hash::of(&bytes), bytes: Arc::new(bytes) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    owner: Owner,
    progress: TrainingProgress,
    steps: u64,
    best: Option<Hash>,
}

/// Saves the resume checkpoint of a training: weights, running statistics, moments, and a reference to the
/// weights of the selected epoch.
pub(crate) struct CheckpointWriter {
    dir: Dir,
    owner: Owner,
    every: Duration,
    last: Instant,
    writing: Option<JoinHandle<Result<()>>>,
    /// The weights of the selected epoch whose file exists or is being written.
    best: Option<Hash>,
    saved: bool,
}

impl CheckpointWriter {
    /// Keeps the state in `dir`, at most once in the time `every`.
    pub(crate) fn new(dir: &Dir, owner: Owner, every: Duration) -> Self {
        output::remove_parts(dir, &[FILE]);
        CheckpointWriter {
            dir: dir.clone(),
            owner,
            every,
            last: Instant::now(),
            writing: None,
            best: None,
            saved: false,
        }
    }

    /// Whether it is time to save again, and the previous save is complete.
    pub(crate) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.every && self.writing.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Whether a resume checkpoint was saved.
    pub(crate) fn has_saved(&self) -> bool {
        self.saved
    }

    /// Copies the current state and writes it on another thread. An error is that of the previous save.
    pub(crate) fn save(
        &mut self,
        progress: &TrainingProgress,
        net: &Net,
        adam: &Adam,
        best: Option<&Best>,
    ) -> Result<()> {
        let before = self.settle();
        self.last = Instant::now();
        self.saved = true;
        let mut entries = Vec::new();
        for (name, tensor) in tensors(net, adam) {
            entries.push(Entry::tensor(name, tensor)?);
        }
        let note = Note {
            owner: self.owner,
            progress: progress.clone(),
            steps: adam.steps,
            best: best.map(|best| best.id),
        };
        let note = serde_json::to_string(&note).map_err(|e| TensorError::Job(e.to_string()))?;
        let new = best.filter(|best| before.is_err() || self.best != Some(best.id)).cloned();
        self.best = best.map(|best| best.id);
        let dir = self.dir.clone();
        self.writing = Some(std::thread::spawn(move || {
            if let Some(best) = &new {
                output::write(&dir, &best_file(&best.id), &best.bytes)?;
            }
            output::write_tensors(&dir, FILE, &entries, (NOTE, note))?;
            if let Some(best) = &new {
                remove_others(&dir, &best_file(&best.id));
            }
            Ok(())
        }));
        before
    }

    /// Removes the resume checkpoint.
    pub(crate) fn discard(&mut self) {
        let _ = self.settle();
        let _ = self.dir.remove_file(FILE);
        remove_others(&self.dir, "");
        self.saved = false;
    }

    /// Waits until the resume checkpoint is written.
    pub(crate) fn settle(&mut self) -> Result<()> {
        match self.writing.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(_)) => Err(TensorError::Job("the thread that writes the state has panicked".into())),
        }
    }

    /// Resumes from the checkpoint in the folder, if there is one with the same owner: loads network and
    /// optimiser, and returns the progress and the weights of the selected epoch.
    ///
    /// A checkpoint that does not match is ignored: the training starts from the beginning and replaces it.
    pub(crate) fn resume(
        &mut self,
        net: &Net,
        adam: &mut Adam,
    ) -> Result<Option<(TrainingProgress, Option<Best>)>> {
        let Ok(file) = self.dir.read(FILE, limits::TRAINING_STATE) else {
            return Ok(None);
        };
        let (Ok(stored), Some(note)) = (SafeTensors::deserialize(&file), note(&file)) else {
            return Ok(None);
        };
        let ours = tensors(net, adam);
        let views: Option<Vec<_>> =
            ours.iter().map(|(name, tensor)| matching(tensor, &stored.tensor(name).ok()?)).collect();
        let (Some(views), true) = (views, note.owner == self.owner) else {
            return Ok(None);
        };
        let best = match note.best {
            None => None,
            Some(id) => match self.dir.read(best_file(&id), limits::TRAINING_STATE).map(Best::new) {
                Ok(best) if best.id == id => Some(best),
                _ => return Ok(None),
            },
        };
        for ((_, tensor), view) in ours.iter().zip(&views) {
            fill(tensor, view)?;
        }
        adam.steps = note.steps;
        (self.best, self.saved) = (note.best, true);
        Ok(Some((note.progress, best)))
    }
}

/// Every tensor of a resume checkpoint with its name.
fn tensors<'a>(net: &'a Net, adam: &'a Adam) -> Vec<(String, &'a tch::Tensor)> {
    let mut all: Vec<_> = net.named.iter().map(|n| (format!("net.{}", n.name), &n.tensor)).collect();
    for (named, [m, v]) in net.trained().iter().zip(&adam.moments) {
        all.push((format!("m.{}", named.name), m));
        all.push((format!("v.{}", named.name), v));
    }
    all
}

fn best_file(id: &Hash) -> String {
    format!("best-{}.safetensors", id.short())
}

/// Removes the weights of epochs that are no longer selected. If that fails, the file takes space until the
/// training ends.
fn remove_others(dir: &Dir, current: &str) {
    for (name, _) in dir.entries().unwrap_or_default() {
        let name = name.to_string_lossy();
        let ours = is_best_file(&name) && dir.stat(&*name).is_ok_and(|stat| dir.is_ours(&stat));
        if ours && name != current {
            let _ = dir.remove_file(&*name);
        }
    }
}

/// Whether a name is one that [`best_file`] gives, or that of such a file on its way.
fn is_best_file(name: &str) -> bool {
    let name = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part")).unwrap_or(name);
    name.strip_prefix("best-").is_some_and(|rest| rest.contains(".safetensors"))
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
        let progress = |patience, losses: &[f64]| {
            let mut progress = TrainingProgress::new(1.0);
            for (index, &val_loss) in losses.iter().enumerate() {
                let log = EpochLog {
                    epoch: index as u32 + 1,
                    lr: progress.lr,
                    train_loss: 0.0,
                    val_loss,
                    val_auc: None,
                    val_auc_labels: 0,
                    improved: false,
                };
                progress.add(log, 0.5, patience);
            }
            progress
        };
        let losses = [3.0, 2.0, 2.0, 2.5, 1.0, 1.5];
        let none = progress(0, &losses);
        let rates: Vec<f64> = none.epochs.iter().map(|epoch| epoch.lr).collect();
        assert_eq!((rates, none.lr), (vec![1.0, 1.0, 1.0, 0.5, 0.25, 0.25], 0.125));
        assert_eq!(none.best().map(|best| best.epoch), Some(5));
        let one = progress(1, &losses);
        let rates: Vec<f64> = one.epochs.iter().map(|epoch| epoch.lr).collect();
        assert_eq!((rates, one.lr), (vec![1.0, 1.0, 1.0, 1.0, 0.5, 0.5], 0.5));
        // The first of two equal ones is selected.
        let equal = progress(0, &[2.0, 2.0]);
        assert_eq!((equal.best().map(|best| best.epoch), equal.since_best()), (Some(1), 1));
        assert_eq!((none.since_best(), progress(0, &[]).since_best()), (1, 0));
    }
}
