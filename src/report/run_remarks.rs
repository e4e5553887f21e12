//! What must not be overlooked in a list of runs: their leaks, and files of unknown origin.

use std::collections::{BTreeMap, HashMap};

use crate::compare::{FoundLeaks, LeakFinder};
use crate::digits::several;
use crate::hash::{Hash, Id};
use crate::listing::ListedRun;
use crate::registry::{Registry, RegistryError};
use crate::usage::{AncestrySteps, UnknownAncestry, UnknownOrigin};

/// What was found of leaks and ancestries; it holds as long as the index has the same state.
#[derive(Debug, Default)]
pub struct FoundRemarks {
    /// Leaks.
    pub leaks: FoundLeaks,
    /// What records were made of.
    pub ancestry: AncestrySteps,
    /// What is said of the withdrawn images in a record; none if it contains none.
    pub withdrawn: HashMap<Hash, Option<String>>,
}

/// What a leak calls the model: the answer is that of several runs.
const THE_MODEL: &str = "the model";

/// Fills in the leaks of runs and from what they started, as far as it must not be overlooked, and says it in sentences for
/// many runs.
pub fn run_remarks(registry: &Registry, runs: &mut [ListedRun]) -> Result<Vec<String>, RegistryError> {
    run_remarks_with(registry, runs, &mut FoundRemarks::default())
}

/// The same with what was found before.
pub fn run_remarks_with(
    registry: &Registry,
    runs: &mut [ListedRun],
    known: &mut FoundRemarks,
) -> Result<Vec<String>, RegistryError> {
    /// Runs that start from the same and are tested on the same share an answer; a program's has its own.
    type Key = (Option<Hash>, Option<Hash>, Option<Hash>, Option<u32>);
    let mut of_key: HashMap<Key, (Vec<UnknownOrigin>, Vec<String>)> = HashMap::new();
    let names = registry.view()?.names_by_id()?;
    let mut finder = LeakFinder::with(registry, std::mem::take(&mut known.leaks)).calling(THE_MODEL);
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for run in runs.iter_mut() {
        let Some(id) = run.id else { continue };
        // One damaged record must not hide the others.
        if !run.may_start_from_weights() {
            let (Some(split), Some(fold)) = (run.split_id, run.fold) else { continue };
            run.leaks = finder.of_division(THE_MODEL, Id::new(split), fold).unwrap_or_default();
        } else {
            let key = match run.weights_id {
                Some(_) => (run.weights_id, run.dataset_id, run.split_id, run.fold),
                None => (Some(id), None, None, None),
            };
            let found = match of_key.get(&key) {
                Some(found) => found.clone(),
                None => {
                    let files = UnknownAncestry::with(registry, &[id], &mut known.ancestry).ok().flatten();
                    let files = files.map(|of| of.files);
                    let leaks = finder.of_record(id, &run.called()).unwrap_or_default();
                    of_key.entry(key).or_insert((files.unwrap_or_default(), leaks)).clone()
                }
            };
            (run.unknown_ancestry, run.leaks) = found;
        }
        let called = run.called();
        let unknown = UnknownAncestry { files: run.unknown_ancestry.clone() };
        let unknown = (!unknown.files.is_empty()).then(|| unknown.said(|id| names.get(id).cloned()));
        let leaks = run.leaks.iter().map(|why| format!("LEAK: {why}"));
        for sentence in leaks.chain(unknown) {
            said.entry(sentence).or_default().push(called.clone());
        }
    }
    known.leaks = finder.into_found();
    Ok(said.into_iter().map(|(sentence, runs)| format!("{}: {sentence}.", several(&runs))).collect())
}
