//! A machine that stops: unsynced changes may be lost.

use std::fs;

use crate::cases::{Case, cases, stride, training};
use crate::disk::{Disk, Step};
use crate::workspace::{Draw, Workspace, each, seed};

/// Number of random losses for each step.
const WAYS: u64 = 4;

/// The disk before a command, and the steps that the command takes.
fn traced(case: &Case) -> (Disk, Vec<Step>) {
    let (workspace, outside) = (case.before.copy(), Workspace::empty());
    let disk = Disk::read(workspace.path());
    let file = outside.path().join("trace");
    let answer = workspace.strike(&case.command, format!("trace:{}", file.display()));
    assert!(answer.status.success(), "{}: {}", case.what, answer.stderr);
    let text = fs::read_to_string(file).unwrap();
    (disk, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Stops a command after each of `ends`, with each of `ways`.
fn stop(case: &Case, disk: &Disk, steps: &[Step], ends: impl Iterator<Item = usize>, ways: u64, seed: u64) {
    let ends: Vec<(usize, u64)> = ends.flat_map(|end| (0..ways).map(move |way| (end, way))).collect();
    each(&ends, |(end, way)| {
        let mut draw = Draw::new(seed ^ ((*end as u64) << 32 | way << 16));
        let workspace = Workspace::empty();
        disk.after(&steps[..*end], &mut draw).write(workspace.path());
        case.survives(&workspace, &format!("REG_SEED={seed}, stopped behind step {end}, way {way}"));
    });
    println!("{}: stopped {} times on the way of {} steps", case.what, ends.len(), steps.len());
}

#[test]
fn a_machine_that_stops_at_any_step_loses_nothing_but_what_was_on_its_way() {
    let seed = seed();
    for case in cases() {
        let (disk, steps) = traced(case);
        stop(case, &disk, &steps, 0..=steps.len(), WAYS, seed);
    }
}

#[test]
fn a_machine_that_stops_in_the_bookkeeping_of_a_training_loses_nothing_else() {
    let (case, seed) = (training(), seed());
    let (disk, steps) = traced(&case);
    let first = Draw::new(seed).below(stride()) as usize;
    stop(&case, &disk, &steps, (first..=steps.len()).step_by(stride() as usize), 1, seed);
}

#[test]
fn a_command_that_has_ended_has_made_its_names_durable() {
    let seed = seed();
    for case in cases() {
        let (disk, steps) = traced(case);
        for way in 0..12 {
            let workspace = Workspace::empty();
            disk.after(&steps, &mut Draw::new(seed ^ (way << 16))).write(workspace.path());
            assert_eq!(workspace.names(), case.names[1], "{}: REG_SEED={seed}, way {way}", case.what);
            workspace.is_sound(case.what);
        }
    }
}
