//! Sixteen processes on one registry, some of which remove objects, and some are killed.
//!
//! REG_STORM_SECONDS sets the duration, REG_SEED repeats the random draws (not their order in time).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use reg::random::Stream;
use serde_json::{Value, json};

use crate::harness::{Answer, Study, finish};

const PROCESSES: u64 = 16;
/// Names that all processes move.
const SHARED: u64 = 2;
/// Possible targets of a name that a killed command was setting.
const ANYTHING: &str = "anything";

/// Results of one command, over all processes.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    done: u64,
    busy: u64,
    killed: u64,
    /// Number of times that its object had no name and was removed meanwhile.
    gone: u64,
    longest: Duration,
}

struct Storm<'s> {
    study: &'s Study,
    counts: Mutex<BTreeMap<&'static str, Count>>,
    /// Possible targets of each name at the end.
    named: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Results that no command may have.
    surprises: Mutex<Vec<String>>,
    end: Instant,
}

/// A sequence of processes.
struct Walk<'s> {
    storm: &'s Storm<'s>,
    number: u64,
    draw: Stream,
    /// Data sets whose ids this sequence knows, whether they still have a name or not.
    datasets: Vec<String>,
}

/// Results that a command may have, besides success and a busy registry.
#[derive(Clone, Copy, PartialEq)]
enum Grace {
    None,
    /// Its object has no name, and may be removed at any time.
    Unnamed,
}

/// Why there is no answer.
#[derive(PartialEq)]
enum End {
    /// It may have done all of its work without reporting it.
    Killed,
    /// It has done nothing.
    Refused,
}

impl Walk<'_> {
    /// Runs a command to its end, or kills it.
    fn run(&mut self, arguments: &str, grace: Grace) -> Result<Value, End> {
        let kind = arguments.split(' ').next().unwrap();
        let kind = ["ingest", "tag", "split", "train", "list", "show", "trace", "verify", "gc", "reindex"]
            .into_iter()
            .find(|known| *known == kind)
            .unwrap();
        let mut command = self.storm.study.command(&format!("--json {arguments}"));
        let start = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let kill = self.draw.below(12) == 0;
        if kill {
            thread::sleep(Duration::from_millis(self.draw.below(60)));
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let killed = kill && output.status.code().is_none();
        let answer = finish(Ok(output), arguments);
        let mut counts = self.storm.counts.lock().unwrap();
        let count = counts.entry(kind).or_default();
        count.longest = count.longest.max(start.elapsed());
        let gone = |answer: &Answer| {
            let words = ["is missing", "which is not in the registry", "no id starts with it"];
            answer.code == 1 && words.iter().any(|word| answer.stderr.contains(word))
        };
        let end = match answer.code {
            0 => {
                count.done += 1;
                return Ok(answer.json());
            }
            1 if answer.stderr.contains("registry is busy") => {
                count.busy += 1;
                End::Refused
            }
            _ if killed => {
                count.killed += 1;
                End::Killed
            }
            _ if grace == Grace::Unnamed && gone(&answer) => {
                count.gone += 1;
                End::Refused
            }
            code => {
                let out = String::from_utf8_lossy(&answer.stdout);
                let surprise = format!("{code} of reg {arguments}: {}{out}", answer.stderr);
                self.storm.surprises.lock().unwrap().push(surprise);
                End::Refused
            }
        };
        Err(end)
    }

    /// Runs a command that sets a name, and notes the possible targets.
    fn name(&mut self, name: &str, arguments: &str, key: &str, grace: Grace) -> Option<String> {
        let shared = name.starts_with("shared");
        let answer = self.run(arguments, grace);
        let answer = answer.map(|answer| answer[key].as_str().unwrap().to_owned());
        let mut named = self.storm.named.lock().unwrap();
        let may = named.entry(name.to_owned()).or_default();
        match &answer {
            // No other process moves this name.
            Ok(id) if !shared => *may = BTreeSet::from([id.clone()]),
            Ok(id) => drop(may.insert(id.clone())),
            Err(End::Killed) => drop(may.insert(ANYTHING.to_owned())),
            Err(End::Refused) => {}
        }
        answer.ok()
    }

    /// An image of each of three patients.
    fn images(&mut self) -> String {
        let mut files: Vec<String> = fs::read_dir(self.storm.study.path("images"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        self.draw.shuffle(&mut files);
        let mut patients = BTreeSet::new();
        files.retain(|file| patients.insert(file[..8].to_owned()));
        files[..3].iter().map(|file| format!(" images/{file}")).collect()
    }

    fn ingest(&mut self, named: bool) -> Option<String> {
        let link = ["copy", "hardlink"][self.draw.below(2) as usize];
        let images = self.images();
        let ingest = format!("ingest{images} --metadata data.csv --allow-missing --link {link}");
        let id = if named {
            let name = format!("d{}-{}", self.number, self.draw.below(3));
            self.name(&name, &format!("{ingest} --move --name {name}"), "id", Grace::None)
        } else {
            self.run(&ingest, Grace::None).ok().map(|answer| answer["id"].as_str().unwrap().to_owned())
        };
        self.datasets.extend(id.clone());
        id
    }

    fn any_dataset(&mut self) -> Option<String> {
        let n = self.datasets.len() as u64;
        (n > 0).then(|| self.datasets[self.draw.below(n) as usize].clone())
    }

    fn step(&mut self) {
        let number = self.number;
        match self.draw.below(16) {
            0..=2 => drop(self.ingest(true)),
            3 | 4 => drop(self.ingest(false)),
            5 | 6 => {
                let Some(id) = self.any_dataset() else { return };
                let name = match self.draw.below(2) {
                    0 => format!("shared-{}", self.draw.below(SHARED)),
                    _ => format!("t{number}"),
                };
                self.name(&name, &format!("tag {name} {id}"), "id", Grace::Unnamed);
            }
            7 => {
                let (name, seed) = (format!("s{number}"), self.draw.below(5));
                let make = format!("split make tiny --folds 1 --seed {seed} --move --name {name}");
                self.name(&name, &make, "id", Grace::None);
            }
            8 => {
                let (name, seed) = (format!("r{number}"), 100 * number + self.draw.below(3));
                let train = format!(
                    "train --dataset tiny --split s --model mlp --set epochs=1 --threads 1 --seed {seed} --move --name {name}"
                );
                self.name(&name, &train, "run", Grace::None);
            }
            9 => {
                // The object has no name: it may be removed at any step.
                let Some(dataset) = self.any_dataset() else { return };
                let make = format!("split make {dataset} --folds 1 --ratios 34/33/33");
                let Ok(split) = self.run(&make, Grace::Unnamed) else { return };
                let split = split["id"].as_str().unwrap();
                let train = format!(
                    "train --dataset {dataset} --split {split} --model mlp --set epochs=1 --threads 1"
                );
                drop(self.run(&train, Grace::Unnamed));
            }
            10 => drop(self.run("list", Grace::None)),
            11 => drop(self.run("show s", Grace::None)),
            12 => drop(self.run("trace s", Grace::None)),
            13 => drop(self.run("verify", Grace::None)),
            _ => drop(self.run("gc --keep-days 0", Grace::None)),
        }
    }
}

#[test]
fn sixteen_at_once_with_gc_and_kills_lose_nothing_that_has_a_name() {
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = number("REG_STORM_SECONDS").unwrap_or(8);
    let seed = number("REG_SEED").unwrap_or_else(|| {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos().into()
    });
    writeln!(std::io::stderr(), "storm: REG_SEED={seed} REG_STORM_SECONDS={seconds}").unwrap();
    let study = Study::divided();
    let (tiny, split) = (study.id("tiny"), study.id("s"));
    let storm = Storm {
        study: &study,
        counts: Mutex::default(),
        named: Mutex::default(),
        surprises: Mutex::default(),
        end: Instant::now() + Duration::from_secs(seconds),
    };
    thread::scope(|scope| {
        for number in 0..PROCESSES {
            let storm = &storm;
            scope.spawn(move || {
                let draw = Stream::new("storm", seed, &[number]);
                let mut walk = Walk { storm, number, draw, datasets: Vec::new() };
                while Instant::now() < storm.end {
                    walk.step();
                }
            });
        }
    });
    for (command, count) in storm.counts.lock().unwrap().iter() {
        println!("{command:8} {count:?}");
    }
    let surprises = storm.surprises.lock().unwrap().clone();
    assert!(surprises.is_empty(), "{} surprises:\n{}", surprises.len(), surprises.join("\n"));
    // The next process that adds objects removes the remains of killed ones; no repair by hand is needed.
    study.ok("tag behind tiny");
    study.nothing_staged();
    study.is_sound();
    assert_eq!((study.id("tiny"), study.id("s")), (tiny, split));
    for (name, may) in storm.named.lock().unwrap().iter() {
        let shown = study.reg(&format!("--json show {name}"));
        let id = if shown.code == 0 { shown.json()["id"].clone() } else { json!(null) };
        let told = id.as_str().is_some_and(|id| may.contains(id));
        assert!(told || may.is_empty() || may.contains(ANYTHING), "{name} names {id} and not {may:?}");
        if id.is_string() {
            assert_eq!(study.reg(&format!("verify {name}")).code, 0, "{name}");
        }
    }
    let answers = || ["list", "list dataset", "list execution", "log"].map(|command| study.json(command));
    let before = answers();
    assert_eq!(study.json("reindex")["breaks"], json!([]));
    assert_eq!(answers()[3], before[3]);
    // Names were moved, so there are objects to remove, and no lock is left that would keep them.
    study.ok("gc --keep-days 0");
    study.is_sound();
    study.nothing_staged();
}
