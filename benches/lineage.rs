//! What long lineages cost: time and memory of walks over chains of 1,000, 10,000 and 100,000 records.
//!
//! `cargo bench --bench lineage [-- RECORDS…]`. Each record names the one before, as notes do. Every walk is a process of
//! its own, whose peak the system knows; what is told is what it has beyond a process that only opens the registry.
//! A chain ten times as long should take ten times as long, not more, and what a walk alone holds of a record should be
//! the same few bytes, however long its records are.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use reg::hash::Hash;
use reg::lineage::{Direction, behind, trace};
use reg::progress::Silent;
use reg::records::codec::{self, Header};
use reg::records::{Note, Weights};
use reg::registry::walk::{Walk, inputs, results};
use reg::registry::{Objects, Registry, Stamp};
use reg::report::lineage::tree;
use reg::usage::UsageQuery;

const ROUNDS: usize = 3;
/// Bytes of the text of each record.
const TEXT: usize = 1000;
/// What is measured, and what it is.
const WALKS: [(&str, &str); 6] = [
    ("up", "the walk alone, towards the inputs, each record read"),
    ("down", "the walk alone, towards the results, by the index"),
    ("usage", "what a record did with the images of a patient"),
    ("behind", "ids of all that a record depends on, as `reg verify ID` needs them"),
    ("trace", "nodes and edges, as `reg trace --json` has them"),
    ("tree", "the same as text"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with("--")).collect();
    if let [what, registry, first, last] = &arguments[..] {
        let [first, last] = [first, last].map(|id| id.parse().expect("an id"));
        return walk(what, Path::new(registry), first, last);
    }
    let lengths: Vec<usize> = match arguments.is_empty() {
        true => vec![1000, 10_000, 100_000],
        false => arguments.iter().map(|text| text.parse().expect("a number of records")).collect(),
    };
    let scratch = tempfile::tempdir().expect("a folder for registries");
    let mut before: Vec<Option<(usize, f64)>> = vec![None; WALKS.len()];
    println!("records  walk        seconds   peak MB  bytes a record  against the chain before");
    for length in lengths {
        let dir = scratch.path().join(length.to_string());
        let [first, last] = make(&dir, length);
        let measure = |what: &str| {
            let rounds: Vec<(f64, u64)> = (0..ROUNDS).map(|_| measured(what, &dir, first, last)).collect();
            let mut seconds: Vec<f64> = rounds.iter().map(|(seconds, _)| *seconds).collect();
            seconds.sort_by(f64::total_cmp);
            (seconds[ROUNDS / 2], rounds.iter().map(|(_, bytes)| *bytes).max().expect("a round"))
        };
        for ((what, _), before) in WALKS.iter().zip(&mut before) {
            let (seconds, bytes) = measure(what);
            let ratio = before.map(|(fewer, then)| {
                format!(
                    "{:.1} x the time of {:.0} x fewer records",
                    seconds / then,
                    length as f64 / fewer as f64
                )
            });
            println!(
                "{length:>7}  {what:<8}  {seconds:>9.3}  {:>8.1}  {:>14}  {}",
                bytes as f64 / 1e6,
                bytes / length as u64,
                ratio.unwrap_or_default()
            );
            *before = Some((length, seconds));
        }
    }
    WALKS.iter().for_each(|(what, means)| println!("{what:<8}  {means}"));
}

/// Makes a registry with a chain of notes; gives the first and the last.
fn make(dir: &Path, length: usize) -> [Hash; 2] {
    let registry = Registry::init(dir).expect("a registry");
    let mut transaction = registry.transaction().expect("a transaction");
    let file = transaction.put_outside(b"weights").expect("bytes");
    let weights = Weights { file, runs: Vec::new(), trained_on: Vec::new(), tensors: 1, parameters: 1 };
    let mut about = transaction.put(&weights).expect("weights").hash;
    let stamp = || Stamp { time: "2026-11-01T00:00:00Z".to_owned(), command: "bench".to_owned() };
    transaction.commit(&stamp()).expect("a commit");
    // Written at once and then found: in a transaction, each would wait until the one before is on the disk.
    let batch = registry.store().batch().expect("a batch");
    let mut first = None;
    for _ in 0..length {
        let (text, time) = ("x".repeat(TEXT), stamp().time);
        let note = codec::encode(&Note { about, text, time, prev: None }).expect("a note");
        about = batch.put(&note).expect("an object");
        first.get_or_insert(about);
    }
    batch.persist().expect("objects on the disk");
    let found = registry.reindex(&Silent).expect("an index");
    assert_eq!(found.records as usize, length + 1);
    [first.expect("a note"), about]
}

/// Seconds and bytes of one walk, in a process of its own.
fn measured(what: &str, dir: &Path, first: Hash, last: Hash) -> (f64, u64) {
    let program = std::env::current_exe().expect("this program");
    let ids = [first, last].map(|id| id.to_string());
    let out = Command::new(program).arg(what).arg(dir).args(ids).output().expect("a process");
    let text = String::from_utf8(out.stdout).expect("text");
    let numbers: Vec<&str> = text.split_whitespace().collect();
    let [seconds, bytes] = numbers[..] else { panic!("{what}: {}", String::from_utf8_lossy(&out.stderr)) };
    (seconds.parse().expect("seconds"), bytes.parse().expect("bytes"))
}

/// Walks, and prints seconds and the bytes beyond those of the opened registry.
fn walk(what: &str, dir: &Path, first: Hash, last: Hash) {
    let registry = Registry::load(dir).expect("a registry");
    let view = registry.view().expect("a view");
    view.referrers(&first).expect("an index that was opened");
    let before = peak();
    let start = Instant::now();
    let found = match what {
        "up" => walked(last, |id| {
            let header = Header::read(&registry.bytes(&id).expect("an object")).ok();
            header.map_or(Vec::new(), |of| inputs(&view, id, of.kind, &of.links(), false).expect("edges"))
        }),
        "down" => walked(first, |id| results(&view, id, &[]).expect("edges")),
        "usage" => {
            let mut usage = UsageQuery::new(&registry, Box::new(|_, _| Ok(Vec::new())));
            usize::from(usage.of(&last).is_empty())
        }
        "behind" => behind(&registry, &view, &[last]).expect("ids").len(),
        "trace" => trace(&registry, &view, last, Direction::Up).expect("a graph").nodes().len(),
        "tree" => {
            let graph = trace(&registry, &view, last, Direction::Up).expect("a graph");
            tree(&graph, Direction::Up, false).len()
        }
        other => panic!("no walk is called {other}"),
    };
    assert!(found > 0);
    println!("{} {}", start.elapsed().as_secs_f64(), peak() - before);
}

fn walked(root: Hash, edges: impl Fn(Hash) -> Vec<reg::lineage::Edge>) -> usize {
    let mut walk = Walk::from([(root, ())]);
    while let Some((id, ())) = walk.step() {
        edges(id).iter().for_each(|edge| _ = walk.reach(edge.other(&id), ()));
    }
    walk.reached()
}

/// The most memory that this process has had so far, in bytes; 0 where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() << 10
}
