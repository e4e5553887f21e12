//! SIGKILL: the steps so far are on the disk, the next one is not.

use std::thread;
use std::time::{Duration, Instant};

use reg::attest::{PublicKey, SigningKey};

use crate::cases::{Case, cases, steps, stride, training};
use crate::workspace::{Draw, Workspace, each, seed};

fn kill_at(case: &Case, step: u64) {
    let workspace = case.before.copy();
    let answer = workspace.strike(&case.command, format!("kill:{step}"));
    // Two threads may take the last steps at the same time.
    assert!(answer.was_killed() || answer.status.success(), "{} at {step}: {answer:?}", case.what);
    case.survives(&workspace, &format!("killed at step {step}"));
}

#[test]
fn a_command_killed_at_any_step_leaves_the_registry_sound_and_succeeds_when_repeated() {
    for case in cases() {
        let steps = steps(case);
        assert!(steps >= 5, "{}: {steps} steps", case.what);
        each(&(1..=steps).collect::<Vec<_>>(), |step| kill_at(case, *step));
        println!("{}: killed at each of {steps} steps", case.what);
    }
}

#[test]
fn a_training_killed_at_any_step_of_its_bookkeeping_goes_on_when_repeated() {
    let case = training();
    let steps = steps(&case);
    let stride = stride();
    let first = 1 + Draw::new(seed()).below(stride);
    let struck: Vec<u64> = (first..=steps).step_by(stride as usize).collect();
    each(&struck, |step| kill_at(&case, *step));
    println!("train: killed at {} of {steps} steps", struck.len());
}

#[test]
fn two_hundred_kills_from_outside_at_random_moments_lose_nothing() {
    let mut draw = Draw::new(seed());
    let cases: Vec<&Case> = cases().iter().filter(|case| case.what != "init").collect();
    let (mut killed, mut rounds) = (0, 0);
    while killed < 200 {
        rounds += 1;
        assert!(rounds < 2000, "most kills should strike");
        let case = cases[draw.below(cases.len() as u64) as usize];
        let workspace = case.before.copy();
        let moment = Duration::from_micros(draw.below(case.took.as_micros() as u64));
        let mut child = workspace.command(&case.command).spawn().unwrap();
        let start = Instant::now();
        while start.elapsed() < moment && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(100));
        }
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        case.survives(&workspace, &format!("killed in round {rounds} after {moment:?}"));
    }
    println!("killed 200 times in {rounds} rounds");
}

#[test]
fn a_killed_key_new_leaves_nothing_a_private_key_that_can_be_completed_or_both() {
    let workspace = Workspace::empty();
    let count = Workspace::empty();
    let count = count.path().join("count");
    assert!(workspace.strike("key new -o k", format!("count:{}", count.display())).status.success());
    let steps: u64 = std::fs::read_to_string(count).unwrap().parse().unwrap();
    let mut left = [0; 3];
    for step in 1..=steps {
        let workspace = Workspace::empty();
        let at = |name: &str| workspace.path().join(name);
        assert!(workspace.strike("key new -o k", format!("kill:{step}")).was_killed(), "{step}");
        let found = [at("k"), at("k.pub")].map(|path| path.exists());
        let again = workspace.reg("key new -o k");
        match found {
            [false, false] => assert!(again.status.success(), "{step}: {again:?}"),
            [true, false] => {
                assert!(again.stderr.contains("hint: `reg key public k` writes it"), "{step}: {again:?}");
                workspace.ok("key public k");
            }
            [true, true] => assert!(again.stderr.contains("k already exists"), "{step}: {again:?}"),
            [false, true] => panic!("{step}: a public key without its private key"),
        }
        left[found.iter().filter(|found| **found).count()] += 1;
        // A complete pair, and no file of the killed attempt, which would contain a private key too.
        let private = SigningKey::read(&at("k")).unwrap();
        assert_eq!(private.public(), PublicKey::read(&at("k.pub")).unwrap(), "{step}");
        let names = std::fs::read_dir(workspace.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let parts = names.filter(|name| name != "k" && name != "k.pub").count();
        assert_eq!(parts, 0, "{step}: files are left");
    }
    assert!(left.iter().all(|count| *count > 0), "{left:?}");
    println!("key new: killed at each of {steps} steps: left {left:?}");
}

#[test]
fn a_killed_process_leaves_no_lock_and_nothing_on_the_way() {
    let workspace = Workspace::new();
    workspace.ok("init");
    let ingest = "ingest images --metadata Data_Entry_2017_v2020.csv --name tiny --move";
    for step in [20, 40] {
        assert!(workspace.strike(ingest, format!("kill:{step}")).was_killed());
    }
    let start = Instant::now();
    workspace.ok("gc --keep-days 0");
    workspace.ok(ingest);
    // The bounded wait for a lock is 20 seconds.
    assert!(start.elapsed() < Duration::from_secs(15));
    workspace.nothing_is_staged("behind the next ingest");
}
