//! Lineages longer than any stack, as strangers can make them.

use std::sync::atomic::Ordering;
use std::thread;

use super::*;
use crate::diff::diff;
use crate::lineage::{Direction, trace, trace_near, verify_some};
use crate::progress::Silent;
use crate::registry::Registry;

/// Runs something where a call for each record of a chain would end the process.
fn on_a_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap()
}

/// What waits at most while a chain of so many steps is walked, towards the inputs and towards the results.
fn widest(steps: usize) -> [usize; 2] {
    let mut study = Study::new();
    let Chain { first, last } = study.chain(0, "c", steps);
    let up = walked(&study.memory, last.hash, true).unwrap();
    let down = walked(&study.memory, first.hash, false).unwrap();
    assert!(up.0.len() > 3 * steps && down.0.len() > 3 * steps);
    [up.1, down.1]
}

#[test]
fn what_waits_in_a_walk_does_not_grow_with_the_chain() {
    let few = widest(10);
    assert!(few.iter().all(|waiting| *waiting < 10), "{few:?}");
    assert_eq!(widest(1000), few);
}

#[test]
fn a_chain_of_100_000_records_is_walked_on_a_small_stack() {
    let mut study = Study::new();
    let Chain { first, last } = study.chain(0, "c", 33_333);
    on_a_small_stack(move || {
        let memory = &study.memory;
        let (up, widest) = walked(memory, last.hash, true).unwrap();
        assert!(up.len() > 100_000 && widest < 10, "{} reached, {widest} at once", up.len());
        let (down, widest) = walked(memory, first.hash, false).unwrap();
        assert!(down.len() == 100_000 && widest < 10, "{} reached, {widest} at once", down.len());
        assert_eq!(DamageGraph::of(memory.survey(), None).taints(&first.hash).len(), 99_999);
        memory.reads.store(0, Ordering::Relaxed);
        assert_eq!(study.counts(last.hash).trained, 1, "by the first run of the chain");
        // Each record once; weights twice, and the run that they are of with its spec and what that began with once more,
        // because a run that was given the file has not made it; the data set and its split for the answer.
        let reads = memory.reads.load(Ordering::Relaxed);
        assert!(reads < 240_000, "{reads} reads");
    });
}

#[test]
fn a_registry_traces_verifies_and_compares_long_chains_on_a_small_stack() {
    const STEPS: usize = 1700;
    let mut study = Study::new();
    let chains = [study.chain(0, "a", STEPS), study.chain(1, "b", STEPS)];
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::init(dir.path()).unwrap();
    study.memory.write_to(&registry);
    on_a_small_stack(move || {
        let view = registry.view().unwrap();
        let [one, other] = chains;
        let up = trace(&registry, &view, one.last.hash, Direction::Up).unwrap();
        assert_eq!(up.kind(&one.first.hash), Some(Kind::Run));
        assert!(up.nodes().len() > 4 * STEPS && up.node(&other.last.hash).is_none());
        let down = trace(&registry, &view, one.first.hash, Direction::Down).unwrap();
        assert_eq!(down.nodes().len(), 3 * STEPS + 1);
        let near = trace_near(&registry, &view, one.last.hash, Direction::Up, 30).unwrap();
        assert_eq!(
            up.nodes()[..near.nodes().len()],
            *near.nodes(),
            "the same, and no more than was asked for"
        );
        assert!(near.nodes().len() < 60);

        let found = verify_some(&registry, &[one.last.hash], &Silent).unwrap();
        assert!(found.checked > 4 * STEPS as u64);

        let found = diff(&registry, &view, one.last.hash, other.last.hash).unwrap();
        let first = found.first.unwrap();
        assert_eq!((&*first.kind, &*first.fields), ("spec", &["/fold".to_owned()][..]), "at the far end");
        assert!(
            first.path.starts_with("spec.weights.runs.spec.") && first.path.ends_with(".weights.runs.spec")
        );
        assert!(first.path.contains(".….") && first.path.len() < 1000);
        // The weights of each step, and the spec of the first run.
        assert_eq!(found.parts.len() as u64 + found.more_parts, STEPS as u64 + 1);
        assert_eq!(found.parts.len(), 1000);
    });
}
