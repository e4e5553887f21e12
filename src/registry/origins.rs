//! Where files of weights come from, as far as a registry has looked it up since it was opened.
//!
//! A long ancestry is asked for again and again: by each page that shows one of its runs, for each run of a list. What is
//! found at one file follows from records, which never change, and from which records there are. So it holds as long as the index
//! has the same state.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::hash::{Hash, Id};
use crate::index::Head;
use crate::records::{Run, TrainingData};

/// Files that are remembered at most; then all are forgotten.
const MOST: usize = 100_000;

/// What is known of where a file of weights comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// The runs whose checkpoint it is, sorted by id: those known when it was imported, and those added since; without runs
    /// that started from it.
    pub runs: Vec<Id<Run>>,
    /// What it was trained on by what was declared, sorted.
    pub trained_on: Vec<TrainingData>,
}

impl Origins {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        self.runs.is_empty() && self.trained_on.is_empty()
    }
}

/// Where a file comes from, and where the runs that left it had started.
#[derive(Debug, Default)]
pub struct FileOrigins {
    /// The runs, and what was declared.
    pub(super) origins: Origins,
    /// The training of each of the runs.
    pub(super) trainings: Vec<PriorTraining>,
}

/// What a run has learnt from.
#[derive(Debug)]
pub(super) struct PriorTraining {
    /// Its spec.
    pub(super) spec: Hash,
    /// Its own images.
    pub(super) data: TrainingData,
    /// The files from which it started.
    pub(super) starts_from: Vec<Hash>,
}

/// A state of an index, and the origins by file that were found in it.
type OriginsOfState = (Head, HashMap<Hash, Arc<FileOrigins>>);

/// Origins by file, of one state of an index. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownOrigins(Arc<Mutex<OriginsOfState>>);

impl KnownOrigins {
    fn lock(&self) -> MutexGuard<'_, OriginsOfState> {
        // Nothing is done under the lock that could leave the two out of step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a file comes from, if that was looked up in this state.
    pub(super) fn get(&self, state: Head, file: &Hash) -> Option<Arc<FileOrigins>> {
        let known = self.lock();
        known.1.get(file).filter(|_| known.0 == state).cloned()
    }

    /// Remembers what was found in a state; whatever is known of another one is forgotten.
    pub(super) fn insert(&self, state: Head, file: Hash, found: Arc<FileOrigins>) {
        let mut known = self.lock();
        if known.0 != state || known.1.len() >= MOST {
            *known = (state, HashMap::new());
        }
        known.1.insert(file, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_counts_in_its_state_of_the_index_only() {
        let (known, file) = (KnownOrigins::default(), Hash::of(b"file"));
        let [before, after] = [1, 2].map(|commits| Head { commits, event: None });
        known.insert(before, file, Arc::default());
        assert!(known.get(before, &file).is_some() && known.get(after, &file).is_none());
        let other = Hash::of(b"other");
        known.clone().insert(after, other, Arc::default());
        assert!(known.get(after, &other).is_some() && known.get(after, &file).is_none());
        assert!(known.get(before, &file).is_none(), "one state is remembered");
    }
}
