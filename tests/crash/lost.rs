//! A machine that stops: what was not synced may be lost.

use std::fs;

use rayon::prelude::*;

use crate::cases::{Case, cases};
use crate::disk::{Disk, Step};
use crate::place::{Draw, Place, seed};

/// Ways in which each step is lost.
const WAYS: u64 = 4;

/// The disk before a command, and the steps that the command takes.
fn traced(case: &Case) -> (Disk, Vec<Step>) {
    let (place, outside) = (case.before.copy(), Place::empty());
    let disk = Disk::read(place.path());
    let file = outside.path().join("trace");
    let answer = place.strike(&case.command, format!("trace:{}", file.display()));
    assert!(answer.status.success(), "{}: {}", case.what, answer.stderr);
    let text = fs::read_to_string(file).unwrap();
    (disk, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn a_machine_that_stops_at_any_step_loses_nothing_but_what_was_on_its_way() {
    let seed = seed();
    for case in cases() {
        let (disk, steps) = traced(case);
        let ways = (0..=steps.len() as u64).flat_map(|end| (0..WAYS).map(move |way| (end, way)));
        let ways: Vec<(u64, u64)> = ways.collect();
        ways.par_iter().for_each(|(end, way)| {
            let mut draw = Draw::new(seed ^ (end << 32 | way << 16));
            let found = disk.after(&steps[..*end as usize], &mut draw);
            let place = Place::empty();
            found.write(place.path());
            case.survives(&place, &format!("REG_SEED={seed}, stopped behind step {end}, way {way}"));
        });
        println!("{}: stopped behind each of {} steps, {WAYS} ways each", case.what, steps.len());
    }
}

#[test]
fn a_command_that_has_ended_has_made_its_names_durable() {
    let seed = seed();
    for case in cases() {
        let (disk, steps) = traced(case);
        for way in 0..12 {
            let place = Place::empty();
            disk.after(&steps, &mut Draw::new(seed ^ (way << 16))).write(place.path());
            assert_eq!(place.names(), case.names[1], "{}: REG_SEED={seed}, way {way}", case.what);
            place.is_sound(case.what);
        }
    }
}
