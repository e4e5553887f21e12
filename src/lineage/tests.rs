//! Lineage over records in memory: both directions, taint, usage.

mod chains;

use super::verify::DamageGraph;

use crate::hash::{Hash, Id};
use crate::records::codec::{self, Header};
use crate::records::{
    Assignment, Dataset, Execution, Init, Kind, Manifest, NetworkSpec, Predictions, Run, ScoreSource, Scores,
    Spec, Split, Subset, Weights, Withdrawal,
};
use crate::registry::MemoryStore;
use crate::registry::walk::{Lineage, Walk, inputs, learnt_files, results};
use crate::registry::{Objects, RegistryError};
use crate::usage::{UsageCounts, UsageQuery};
use crate::withdrawal::{Marks, Withdrawn};

macro_rules! golden {
    ($type:ty, $file:literal) => {
        codec::decode::<$type>(include_bytes!(concat!("../../fixtures/golden/", $file))).unwrap()
    };
}

/// A data set whose rows train, validate and test in turn; in the next fold, one further.
struct Study {
    memory: MemoryStore,
    dataset: Id<Dataset>,
    split: Id<Split>,
}

/// The first and the last run of a chain.
#[derive(Clone, Copy)]
struct Chain {
    first: Id<Run>,
    last: Id<Run>,
}

impl Study {
    fn new() -> Self {
        let mut memory = MemoryStore::default();
        let manifest: Manifest = codec::unpack(include_bytes!("../../fixtures/golden/manifest.bin")).unwrap();
        let rows = manifest.rows.len() as u8;
        let manifest = memory.put_packed(&manifest);
        let dataset = memory.put(&Dataset { manifest, ..golden!(Dataset, "dataset.json") });
        let fold = |first: u8| (0..rows).map(|row| (row + first) % 3).collect();
        let assignment = memory.put_packed(&Assignment { folds: vec![fold(0), fold(1), fold(2)] });
        let golden = golden!(Split, "split-resample.json");
        let folds = vec![golden.folds[0].clone(); 3];
        let split = memory.put(&Split { dataset, assignment, folds, ..golden });
        Study { memory, dataset, split }
    }

    /// A run of a fold, from weights if there are any.
    fn run(&mut self, fold: u32, weights: Option<Id<Weights>>, checkpoint: &str) -> Id<Run> {
        let init = if weights.is_some() { Init::FineTune } else { Init::Scratch };
        let (dataset, split) = (self.dataset, self.split);
        let golden = golden!(Spec, "spec-mlp.json").network().unwrap().clone();
        let spec = NetworkSpec { dataset, split, fold, init, weights, ..golden };
        let spec = self.memory.put(&Spec::Network(spec));
        let checkpoint = Id::new(self.memory.put_blob(checkpoint));
        self.memory.put(&Run { spec, checkpoint: Some(checkpoint), ..golden!(Run, "run.json") })
    }

    /// A checkpoint as weights; `runs` are those that were known when they were imported.
    fn weights(&mut self, checkpoint: &str, runs: Vec<Id<Run>>) -> Id<Weights> {
        let mut weights = golden!(Weights, "weights.json");
        (weights.file.object, weights.runs) = (Id::new(Hash::of(checkpoint.as_bytes())), runs);
        weights.trained_on.clear();
        self.memory.put(&weights)
    }

    /// Runs that each began with the weights that the one before ended with, the first of this fold: three records and a
    /// checkpoint a step.
    fn chain(&mut self, fold: u32, called: &str, steps: usize) -> Chain {
        let checkpoint = |step: usize| format!("{called} {step}");
        let first = self.run(fold, None, &checkpoint(0));
        let mut last = first;
        for step in 1..=steps {
            let weights = self.weights(&checkpoint(step - 1), vec![last]);
            last = self.run(2, Some(weights), &checkpoint(step));
        }
        Chain { first, last }
    }

    fn predictions(&mut self, of: Id<Run>, fold: u32) -> Id<Predictions> {
        let mut predictions = golden!(Predictions, "predictions-run.json");
        let scores = Scores { rows: vec![0], labels: 1, scores: vec![0.5] };
        if let ScoreSource::Run { run, .. } = &mut predictions.source {
            *run = of;
        }
        let (dataset, split) = (self.dataset, Some(self.split));
        let scores = self.memory.put_packed(&scores);
        let (fold, subset) = (Some(fold), Some(Subset::Test));
        self.memory.put(&Predictions { dataset, split, fold, subset, scores, ..predictions })
    }

    /// How the first image was used.
    fn counts(&self, id: Hash) -> UsageCounts {
        let mut usage = UsageQuery::new(&self.memory, Box::new(|_, _| Ok(vec![0])));
        let used = usage.of(&id);
        assert!(usage.unread.is_empty(), "{:?}", usage.unread);
        usage.counts(&used)
    }
}

/// Everything that is reached from a record.
fn reached(memory: &MemoryStore, root: Hash, up: bool) -> Result<Vec<Hash>, RegistryError> {
    Ok(walked(memory, root, up)?.0)
}

/// The same, and how many objects waited at most.
fn walked(memory: &MemoryStore, root: Hash, up: bool) -> Result<(Vec<Hash>, usize), RegistryError> {
    let mut walk = Walk::from([(root, ())]);
    let mut all = Vec::new();
    while let Some((id, ())) = walk.step() {
        all.push(id);
        let Some(kind) = memory.kind(&id)? else {
            let naming = if up { Vec::new() } else { results(memory, id, &[])? };
            naming.iter().for_each(|edge| _ = walk.reach(edge.from, ()));
            continue;
        };
        let links = Header::read(&memory.bytes(&id)?).unwrap().links();
        let edges = match up {
            true => inputs(memory, id, kind, &links, id == root)?,
            false => results(memory, id, &learnt_files(kind, &links))?,
        };
        edges.iter().for_each(|edge| _ = walk.reach(edge.other(&id), ()));
    }
    assert_eq!(walk.reached(), all.len(), "of each its hash is held, and of nothing else");
    Ok((all, walk.widest()))
}

#[test]
fn a_lineage_leads_to_inputs_and_to_results_with_executions_beside() {
    let mut study = Study::new();
    let run = study.run(0, None, "a");
    let other = study.run(1, None, "b");
    let predictions = study.predictions(run, 0);
    let execution = study.memory.put(&Execution { made: run.hash, ..golden!(Execution, "execution.json") });
    let up = reached(&study.memory, predictions.hash, true).unwrap();
    for id in [run.hash, execution.hash, study.dataset.hash, study.split.hash, Hash::of(b"a")] {
        assert!(up.contains(&id));
    }
    assert!(
        !up.contains(&other.hash) && up.len() == up.iter().collect::<std::collections::HashSet<_>>().len()
    );
    let down = reached(&study.memory, study.split.hash, false).unwrap();
    for id in [run.hash, other.hash, predictions.hash, execution.hash] {
        assert!(down.contains(&id));
    }
    assert!(!down.contains(&study.dataset.hash));
    // An execution that is asked about leads to what it made.
    assert!(reached(&study.memory, execution.hash, true).unwrap().contains(&study.split.hash));
}

#[test]
fn weights_lead_to_the_runs_whose_checkpoint_they_are_whichever_came_first() {
    let mut study = Study::new();
    let run = study.run(0, None, "a");
    for runs in [Vec::new(), vec![run]] {
        let weights = study.weights("a", runs);
        assert!(reached(&study.memory, weights.hash, true).unwrap().contains(&run.hash));
        assert!(reached(&study.memory, run.hash, false).unwrap().contains(&weights.hash));
        assert_eq!(study.counts(weights.hash).trained, 1, "what the run has seen, they have seen");
    }
    let strange = study.weights("of nobody", Vec::new());
    assert!(!reached(&study.memory, strange.hash, true).unwrap().contains(&run.hash));
}

#[test]
fn usage_is_told_fold_by_fold() {
    let mut study = Study::new();
    let runs: Vec<Id<Run>> = (0..3).map(|fold| study.run(fold, None, &format!("f{fold}"))).collect();
    let of = |counts: UsageCounts| [counts.trained, counts.validated, counts.scored];
    // The first image trains in fold 0, validates in fold 1 and tests in fold 2.
    let found: Vec<_> = runs.iter().map(|run| of(study.counts(run.hash))).collect();
    assert_eq!(found, [[1, 0, 0], [0, 1, 0], [0, 0, 0]]);
    let tested = study.predictions(runs[2], 2);
    assert_eq!(of(study.counts(tested.hash)), [0, 0, 1]);
    let weights = study.weights("f0", vec![runs[0]]);
    let tuned = study.run(2, Some(weights), "tuned");
    assert_eq!(of(study.counts(tuned.hash)), [1, 0, 0], "seen through the weights that it began with");
    assert_eq!(study.counts(study.split.hash).holds, 1);
}

#[test]
fn a_run_that_changed_nothing_of_its_weights_is_no_endless_lineage() {
    let mut study = Study::new();
    let weights = study.weights("same", Vec::new());
    let run = study.run(0, Some(weights), "same");
    assert_eq!(study.counts(run.hash).trained, 1);
    assert!(reached(&study.memory, run.hash, true).unwrap().contains(&weights.hash));
}

#[test]
fn damage_taints_what_was_made_of_it_and_no_execution() {
    let mut study = Study::new();
    let run = study.run(0, None, "a");
    let weights = study.weights("a", Vec::new());
    let tuned = study.run(1, Some(weights), "b");
    let untouched = study.run(2, None, "c");
    let execution = study.memory.put(&Execution { made: run.hash, ..golden!(Execution, "execution.json") });
    let spec = codec::decode::<Run>(&study.memory.bytes(&run.hash).unwrap()).unwrap().spec;
    let graph = DamageGraph::of(study.memory.survey(), None);
    let tainted: Vec<Hash> = graph.taints(&spec.hash).into_iter().map(|tainted| tainted.id).collect();
    for id in [run.hash, weights.hash, tuned.hash] {
        assert!(tainted.contains(&id));
    }
    assert!(!tainted.contains(&untouched.hash) && !tainted.contains(&execution.hash));
}

#[test]
fn what_has_seen_a_withdrawn_image_is_marked() {
    let mut study = Study::new();
    let seen = study.run(0, None, "a");
    let tested = study.run(2, None, "b");
    let objects: &dyn Objects = &study.memory;
    let manifest: Manifest = objects.manifest(&objects.get(study.dataset).unwrap()).unwrap();
    let name = manifest.rows[0].name.clone();
    let mut withdrawal = golden!(Withdrawal, "withdrawal.json");
    withdrawal.subject = crate::records::Subject::Image { name: name.to_string() };
    withdrawal.images.clear();
    let id = Id::new(Hash::of(&codec::encode(&withdrawal).unwrap()));
    let mut marks = Marks::among(objects, Withdrawn::of(vec![(id, withdrawal)]));
    assert_eq!(marks.of(&seen.hash).map(|mark| mark.images), Some(1));
    assert!(marks.of(&tested.hash).is_none());
}
