//! From what listed runs started, as far as it must not be overlooked: test images among those that a model has learnt
//! from, and weights of which nobody knows what they were trained on.

use std::collections::{BTreeMap, HashMap};

use crate::compare::leaks_today;
use crate::digits::several;
use crate::hash::Hash;
use crate::listing::ListedRun;
use crate::registry::{Registry, RegistryError};
use crate::usage::{UnknownAncestry, UnknownOrigin};

/// What a leak calls the model: the answer is that of several runs.
const THE_MODEL: &str = "the model";

/// Runs that start from the same and are tested on the same share an answer; a program's has its own.
type Key = (Option<Hash>, Option<Hash>, Option<Hash>, Option<u32>);

/// Fills in the leaks and the unknown ancestry of listed runs, and says them, a sentence for all runs of which it is true.
pub fn origins(registry: &Registry, runs: &mut [ListedRun]) -> Result<Vec<String>, RegistryError> {
    let mut known: HashMap<Key, (Vec<UnknownOrigin>, Vec<String>)> = HashMap::new();
    let names = registry.view()?.names_by_id()?;
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for run in runs.iter_mut().filter(|run| run.may_start_from_weights()) {
        let Some(id) = run.id else { continue };
        let key = match run.weights_id {
            Some(_) => (run.weights_id, run.dataset_id, run.split_id, run.fold),
            None => (Some(id), None, None, None),
        };
        let found = match known.get(&key) {
            Some(found) => found.clone(),
            // One damaged record must not hide the others.
            None => {
                let files = UnknownAncestry::of(registry, &[id]).ok().flatten().map(|of| of.files);
                let leaks = leaks_today(registry, id, Some(THE_MODEL)).unwrap_or_default();
                known.entry(key).or_insert((files.unwrap_or_default(), leaks)).clone()
            }
        };
        (run.unknown_ancestry, run.leaks) = found;
        let unknown = UnknownAncestry { files: run.unknown_ancestry.clone() };
        let unknown = (!unknown.files.is_empty()).then(|| unknown.said(|id| names.get(id).cloned()));
        let leaks = run.leaks.iter().map(|why| format!("LEAK: {why}"));
        for sentence in leaks.chain(unknown) {
            said.entry(sentence).or_default().push(run.called());
        }
    }
    Ok(said.into_iter().map(|(sentence, runs)| format!("{}: {sentence}.", several(&runs))).collect())
}
