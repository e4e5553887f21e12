//! Random damage of the index: `reg verify` reports it or no answer has changed, no command panics, crashes or hangs,
//! and `reg reindex` restores all answers.
//!
//! REG_SEED repeats the places of an earlier run, REG_PLACES sets their number.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use reg::hash::Hash;
use reg::lineage::verify;
use reg::progress::Silent;
use reg::random::Stream;
use reg::records::Roles;
use reg::registry::{Registry, RegistryError};

use crate::harness::{MLP, Study, finish};

/// Far longer than any command here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// All queries to an index.
#[derive(Debug, PartialEq)]
struct Said {
    names: Vec<(String, Hash)>,
    log: Vec<Hash>,
    registrations: [Vec<(String, u64, Hash)>; 2],
    referrers: Vec<(Hash, Hash, Roles)>,
    records: u64,
}

fn ask(registry: &Registry) -> Result<Said, RegistryError> {
    let view = registry.view()?;
    Ok(Said {
        names: view.names()?,
        log: view.log()?,
        registrations: view.registrations()?,
        referrers: view.all_referrers()?,
        records: view.records()?,
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Another `whole`: one byte or up to 64 in a row are different.
fn spoil(whole: &[u8], seed: u64, place: u64) -> (String, Vec<u8>) {
    let mut draw = Stream::new("reg noise in an index", seed, &[place]);
    let mut bytes = whole.to_vec();
    // Most of the file is empty: every other place is next to data.
    let at = loop {
        let at = draw.below(whole.len() as u64) as usize;
        let beside = &whole[at.saturating_sub(8)..whole.len().min(at + 8)];
        if place.is_multiple_of(2) || beside.iter().any(|byte| *byte != 0) {
            break at;
        }
    };
    let long = if draw.below(2) == 0 { 1 } else { 1 + draw.below(64) as usize };
    let end = whole.len().min(at + long);
    let how = draw.below(3);
    for byte in &mut bytes[at..end] {
        *byte = match how {
            0 => *byte ^ (1 << draw.below(8)),
            1 => draw.bits() as u8,
            _ if *byte == 0 => 255,
            _ => 0,
        };
    }
    (format!("place {place} of seed {seed}: bytes {at}..{end} of {}", whole.len()), bytes)
}

/// An index and the count of its transactions, to be put back again and again.
struct Saved {
    paths: [PathBuf; 2],
    index: Vec<u8>,
    commits: Vec<u8>,
}

impl Saved {
    fn of(registry: &Registry) -> Self {
        let index = registry.index().path().to_owned();
        let paths = [index.clone(), index.with_file_name("commits")];
        Saved { index: fs::read(&paths[0]).unwrap(), commits: fs::read(&paths[1]).unwrap(), paths }
    }

    /// Replaces the index by other bytes, as if it were the newest: an old index would be noticed anyway.
    fn put(&self, index: &[u8]) {
        fs::write(&self.paths[0], index).unwrap();
        fs::write(&self.paths[1], &self.commits).unwrap();
    }
}

/// Tries one place and returns whether the damage was noticed.
fn look(registry: &Registry, before: &Said, saved: &Saved, bytes: &[u8], place: &str) -> bool {
    saved.put(bytes);
    let verified = verify(registry, &Silent).unwrap_or_else(|e| panic!("{place}: verify: {e}"));
    assert!(verified.damaged.is_empty(), "{place}: {:?}", verified.damaged);
    // With the original damage: an earlier command may have repaired something.
    saved.put(bytes);
    let said = ask(registry);
    if verified.sound() {
        assert_eq!(&said.unwrap_or_else(|e| panic!("{place}: {e}")), before, "{place}");
    }
    saved.put(bytes);
    let rebuilt = registry.reindex(&Silent).unwrap_or_else(|e| panic!("{place}: reindex: {e}"));
    assert!(rebuilt.is_whole(), "{place}: {rebuilt:?}");
    assert_eq!(&ask(registry).unwrap_or_else(|e| panic!("{place}: rebuilt: {e}")), before, "{place}");
    let rebuilt = registry.index().check();
    rebuilt.unwrap_or_else(|e| panic!("{place}: rebuilt: {e}"));
    !verified.sound()
}

#[test]
fn noise_at_random_places_of_the_index_is_noticed_or_harmless_and_always_mended() {
    let seed = number("REG_SEED").unwrap_or_else(|| {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos().into()
    });
    let places = number("REG_PLACES").unwrap_or(1000);
    // Not captured: the seed must be known even if the process is killed.
    writeln!(std::io::stderr(), "noise in the index: REG_SEED={seed} REG_PLACES={places}").unwrap();
    let (tell, heard) = channel();
    const THREADS: u64 = 2;
    for first in 0..THREADS {
        let tell = tell.clone();
        thread::spawn(move || {
            let study = Study::trained();
            study.ok("tag best mlp-s-f0");
            study.ok("tag best tiny-s-f0");
            let registry = study.registry();
            // Once, because records of one moment are then in order of their ids.
            registry.reindex(&Silent).unwrap();
            let before = ask(&registry).unwrap();
            assert!(verify(&registry, &Silent).unwrap().sound());
            let saved = Saved::of(&registry);
            for place in (first..places).step_by(THREADS as usize) {
                let (described, bytes) = spoil(&saved.index, seed, place);
                let noticed = look(&registry, &before, &saved, &bytes, &described);
                tell.send(noticed).unwrap();
            }
        });
    }
    drop(tell);
    let mut noticed = Vec::new();
    loop {
        match heard.recv_timeout(PATIENCE) {
            Ok(one) => noticed.push(one),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("REG_SEED={seed}: hangs behind {}", noticed.len()),
        }
    }
    assert_eq!(noticed.len() as u64, places, "REG_SEED={seed}: a thread panicked, see above");
    let found = noticed.iter().filter(|one| **one).count();
    println!("REG_SEED={seed}: {found} of {places} noticed, {} harmless", noticed.len() - found);
}

/// Runs a command; it must end in time.
fn bounded(mut command: Command, what: &str) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{what} hangs");
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn no_command_panics_crashes_or_hangs_on_a_noisy_index() {
    let study = Study::trained();
    let saved = Saved::of(&study.registry());
    let seed = number("REG_SEED").unwrap_or(1);
    for place in 0..20 {
        let (described, bytes) = spoil(&saved.index, seed, place);
        let commands = [
            "verify",
            "verify table",
            "list",
            "log",
            "show table",
            "trace table",
            "gc --dry-run --keep-days 0",
            "gc --keep-days 0",
            "tag other tiny",
            MLP,
        ];
        for command in commands {
            // Starting a worker takes longer than all the others.
            if command == MLP && place % 5 != 0 {
                continue;
            }
            saved.put(&bytes);
            let what = format!("{described}: reg {command}");
            let answer = finish(Ok(bounded(study.command(command), &what)), &what);
            match answer.code {
                0 => {}
                1 | 3 if answer.stderr.contains("reg reindex") => {}
                3 if String::from_utf8_lossy(&answer.stdout).contains("reg reindex") => {}
                _ => panic!("{what}: {answer:?}"),
            }
        }
        saved.put(&bytes);
        study.ok("reindex");
        study.ok("verify");
    }
}

/// Where an inner page keeps the numbers of the pages below it, 8 bytes each.
fn pointers(page: &[u8]) -> Vec<usize> {
    const INNER: u8 = 2;
    if page[0] != INNER {
        return Vec::new();
    }
    let children = usize::from(u16::from_le_bytes([page[2], page[3]])) + 1;
    let checksums = 8 + 16 * children;
    (0..children).map(|child| checksums + 8 * child).collect()
}

#[test]
fn pages_that_lead_in_circles_or_nowhere_are_noticed_and_hang_nobody() {
    const PAGE: usize = 4096;
    let study = Study::trained();
    let saved = Saved::of(&study.registry());
    let whole = &saved.index;
    let commands = ["verify", "trace table", "list", "log"];
    let before = commands.map(|command| study.ok(command));
    let pages = whole.len() / PAGE;
    let (mut cases, mut noticed) = (0, 0);
    for (number, page) in whole.chunks(PAGE).enumerate() {
        for at in pointers(page).into_iter().map(|at| number * PAGE + at) {
            // To each page, including itself and its parents, and beyond the last.
            for to in 0..=pages as u32 {
                let mut bytes = whole.clone();
                bytes[at..at + 2].copy_from_slice(&(to as u16).to_le_bytes());
                if bytes == *whole {
                    continue;
                }
                cases += 1;
                let answers = commands.map(|command| {
                    saved.put(&bytes);
                    let what = format!("page {number} leads to {to}: reg {command}");
                    let answer = finish(Ok(bounded(study.command(command), &what)), &what);
                    assert!([0, 1, 3].contains(&answer.code), "{what}: {answer:?}");
                    assert!(command != "verify" || answer.code != 1, "{what}: {answer:?}");
                    answer
                });
                match answers[0].code {
                    0 => assert!(
                        answers.iter().zip(&before).all(|(now, before)| now.stdout == before.as_bytes())
                    ),
                    _ => noticed += 1,
                }
            }
        }
    }
    println!("{noticed} of {cases} noticed, the others in pages that are free");
    assert!(noticed > 0, "where have the inner pages gone?");
}
