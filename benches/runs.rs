//! What a list of many runs costs: `reg list run` over 5,000 runs, as a process with its start; and how long the pages of
//! `reg serve` take beside them and a data set of 112,120 images, as a ratio to that of its style sheet.
//!
//! `cargo bench --bench runs [-- RUNS FOLDER]`; with REG, another build of `reg` is measured. `-- chain RUNS` measures the pages of
//! runs each of which started from the checkpoint of the one before. The runs are generated: each has a spec of its own (learning rate and
//! seed), a log, a checkpoint, predictions, an AUC table, an execution and a name. They are made by the library and
//! not trained, and the registry is one that `reg verify` finds sound. With a FOLDER, the registry stays there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use reg::hash::Id;
use reg::records::{
    AucTable, Dataset, DeviceKind, EpochLog, Execution, Init, LabelAuc, NetworkSpec, Numerics, Predictions,
    Run, Scale, ScoreSource, Scores, Software, Spec, Split, Subset, Table, Weights, rules,
};
use reg::registry::{Registry, Stamp};
use reg::training::config::{Overrides, resolve};

const ROUNDS: usize = 21;
/// Runs that are registered together.
const TOGETHER: usize = 500;
const LISTS: [&[&str]; 5] = [
    &["list", "run"],
    &["list", "run", "--json"],
    &["list", "run", "--sort", "test_auc", "--limit", "10"],
    &["list", "run", "--where", "lr<0.005 and not seed in (1,2) and test_auc>0.7", "--limit", "10"],
    &["list", "run", "--format", "csv"],
];

fn main() {
    let mut arguments: Vec<String> =
        std::env::args().skip(1).filter(|text| !text.starts_with("--")).collect();
    let is_chain = arguments.first().is_some_and(|text| text == "chain");
    arguments.drain(..usize::from(is_chain));
    let count: usize = arguments.first().map_or(5_000, |text| text.parse().expect("a number of runs"));
    let scratch = tempfile::tempdir().expect("a folder for a registry");
    let folder = arguments.get(1).map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&folder).expect("a folder for a registry");
    let begin = Instant::now();
    make(&folder, count, is_chain);
    println!("{count} runs made in {:.1} s", begin.elapsed().as_secs_f64());
    if is_chain {
        let last = format!("/record/tiny-s-f{}-{}", (count - 1) % 5, count - 1);
        let run = [PAGES[0], ("the newest runs", "/runs"), ("the last run", &last)];
        return pages(&folder, &run);
    }
    let empty = scratch.path().join("empty");
    std::fs::create_dir_all(&empty).expect("a folder for a registry");
    run(&empty, &["init"]);
    let floor = median(&empty, &["list", "run"]);
    println!("{floor:>9.1} ms  floor: `reg list run` without runs");
    for arguments in LISTS {
        let usual = median(&folder, arguments);
        println!("{usual:>9.1} ms, {:>6.1} x the floor  reg {}", usual / floor, arguments.join(" "));
    }
    let begin = Instant::now();
    let images = IMAGES * count / 5_000;
    add_images(&folder, images);
    println!("{images} images ingested in {:.1} s", begin.elapsed().as_secs_f64());
    pages(&folder, &PAGES);
}

/// Images of ChestX-ray14.
const IMAGES: usize = 112_120;
/// Pages by what is measured.
const PAGES: [(&str, &str); 11] = [
    ("floor: the style sheet", "/page.css"),
    ("runs", "/runs"),
    ("runs, sorted", "/runs?sort=test_auc"),
    ("runs, filtered and searched", "/runs?where=lr%3C0.005+and+test_auc%3E0.7&q=f3&sort=lr"),
    ("two runs compared", "/compare?run=tiny-s-f0-0&run=tiny-s-f0-5"),
    ("a run", "/record/tiny-s-f0-0"),
    ("a data set", "/record/all"),
    ("images, filtered", "/images/all?label=Mass&view=PA&from=40&split=of-all&subset=test"),
    ("an image, with the scores of runs", "/image/tiny/0"),
    ("a thumbnail", "/thumb/all/7"),
    ("a lineage", "/lineage/tiny-s-f0-0"),
];

/// A data set of so many images: hard links to those of the fixture.
fn add_images(folder: &Path, count: usize) {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny");
    let mut sources: Vec<PathBuf> = std::fs::read_dir(tiny.join("images"))
        .expect("the fixture")
        .map(|entry| entry.expect("a file").path())
        .collect();
    sources.sort();
    let text = std::fs::read_to_string(tiny.join("Data_Entry_2017_v2020.csv")).expect("the fixture");
    let mut lines = text.lines();
    let mut csv = format!("{}\n", lines.next().expect("a header"));
    let rows: Vec<&str> = lines.collect();
    let images = folder.join("images");
    std::fs::create_dir_all(&images).expect("a folder");
    let copies: Vec<PathBuf> = (0..sources.len()).map(|at| folder.join(format!("{at}.png"))).collect();
    for (source, copy) in sources.iter().zip(&copies) {
        std::fs::copy(source, copy).expect("a file");
    }
    for number in 0..count {
        let name = format!("{number:08}_000.png");
        std::fs::hard_link(&copies[number % copies.len()], images.join(&name))
            .expect("a file system with links");
        let mut fields: Vec<&str> = rows[number % rows.len()].split(',').collect();
        let patient = (1 + number / 4).to_string();
        (fields[0], fields[3]) = (name.as_str(), patient.as_str());
        csv += &fields.join(",");
        csv.push('\n');
    }
    std::fs::write(folder.join("all.csv"), csv).expect("a file");
    run(folder, &["ingest", "images", "--metadata", "all.csv", "--name", "all"]);
    run(folder, &["split", "make", "all", "--folds", "5", "--name", "of-all"]);
}

/// How long pages take: the first time, and the median of the next.
fn pages(folder: &Path, pages: &[(&str, &str)]) {
    let mut command = reg();
    command.args(["--json", "serve", "--port", "0"]).current_dir(folder).env_remove("REG_REGISTRY");
    let mut server = command.stdout(Stdio::piped()).spawn().expect("reg starts");
    let mut line = String::new();
    let out = server.stdout.as_mut().expect("its output");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("its address");
    let told: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let (port, token) =
        (told["port"].as_u64().expect("a port") as u16, told["token"].as_str().expect("a token"));
    let mut floor = None;
    for (name, path) in pages {
        let mut times: Vec<f64> = (0..=ROUNDS).map(|_| fetch(port, token, path)).collect();
        let first = times.remove(0);
        times.sort_by(f64::total_cmp);
        let usual = times[ROUNDS / 2];
        let floor = *floor.get_or_insert(usual);
        println!(
            "{usual:>9.1} ms, {:>6.1} x the floor, the first time {first:.1} ms  {name}: {path}",
            usual / floor
        );
    }
    server.kill().expect("it runs");
    server.wait().expect("it ends");
}

/// Milliseconds until a page has arrived.
fn fetch(port: u16, token: &str, path: &str) -> f64 {
    use std::io::{Read, Write};
    let begin = Instant::now();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the server");
    let head = format!("Host: 127.0.0.1:{port}\r\nCookie: reg-{port}={token}\r\nConnection: close");
    write!(stream, "GET {path} HTTP/1.1\r\n{head}\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{path}: {}",
        String::from_utf8_lossy(&answer[..answer.len().min(300)])
    );
    begin.elapsed().as_secs_f64() * 1e3
}

/// Milliseconds of a command.
fn median(folder: &Path, arguments: &[&str]) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            run(folder, arguments);
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn reg() -> Command {
    Command::new(std::env::var_os("REG").unwrap_or_else(|| env!("CARGO_BIN_EXE_reg").into()))
}

fn run(folder: &Path, arguments: &[&str]) {
    let mut command = reg();
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("REG_REGISTRY")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = command.status().expect("reg starts");
    assert!(status.success(), "reg {arguments:?}");
}

/// A registry with so many runs; of a chain, each starts from the one before.
fn make(folder: &Path, count: usize, is_chain: bool) {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny");
    let path = |name: &str| tiny.join(name).to_str().expect("UTF-8").to_owned();
    run(folder, &["init"]);
    let metadata = path("Data_Entry_2017_v2020.csv");
    run(folder, &["ingest", &path("images"), "--metadata", &metadata, "--name", "tiny"]);
    run(folder, &["split", "make", "tiny", "--folds", "5", "--name", "s"]);
    let registry = Registry::load(folder).expect("the registry that was just made");
    let view = registry.view().expect("it can be read");
    let dataset = registry.resolve_as::<Dataset>(&view, "tiny").expect("it has this data set");
    let split = registry.resolve_as::<Split>(&view, "s").expect("it has this split");
    drop(view);
    let mut before = None;
    for first in (0..count).step_by(TOGETHER) {
        let numbers = first..count.min(first + TOGETHER);
        let last = add(&registry, (dataset, split), numbers, is_chain, before);
        before = last.filter(|_| is_chain);
    }
}

/// Adds runs; gives the weights that the last one of a chain left.
fn add(
    registry: &Registry,
    (dataset, split): (Id<Dataset>, Id<Split>),
    numbers: std::ops::Range<usize>,
    is_chain: bool,
    mut before: Option<Id<Weights>>,
) -> Option<Id<Weights>> {
    let record = registry.get(dataset).expect("it is there");
    let assignment = registry.assignment(&registry.get(split).expect("it is there")).expect("it is there");
    let numerics = Numerics { version: 1, libtorch: "2.11.0".to_owned(), target: "x86_64-linux".to_owned() };
    let stamp = Stamp { time: "2026-11-05T08:30:00Z".to_owned(), command: "reg train".to_owned() };
    let mut transaction = registry.transaction().expect("nobody else writes");
    let sources = transaction.put_blob(b"").expect("a file");
    let software = Software {
        worker: "1.0.0".to_owned(),
        numerics: numerics.clone(),
        tch: "0.24.0".to_owned(),
        crates: std::collections::BTreeMap::new(),
        sources,
    };
    let software = transaction.put(&software).expect("software");
    for number in numbers {
        // Values as of a search: learning rates, seeds and folds, and results that depend on them.
        let share = |of: usize| ((number * of) % 9_973) as f64 / 9_973.0;
        let (lr, seed, fold) = (0.0001 + share(31) / 100.0, 1 + number as u64 % 7, (number % 5) as u32);
        let set = vec![format!("lr={lr:?}"), format!("batch={}", 8 << (number % 3))];
        let overrides = Overrides { model: "tiny".to_owned(), set, ..Overrides::default() };
        let (model, training) = resolve(&overrides).expect("a preset");
        let name = format!("tiny-s-f{fold}-{number}");
        let spec = NetworkSpec {
            dataset,
            split,
            fold,
            model,
            init: if before.is_some() { Init::FineTune } else { Init::Scratch },
            weights: before,
            training,
            seed,
            threads: 2,
            device: DeviceKind::Cpu,
            numerics: numerics.clone(),
        };
        let spec = transaction.put(&Spec::Network(spec)).expect("a spec");
        let epochs: Vec<EpochLog> = (1..=3)
            .map(|epoch| EpochLog {
                epoch,
                lr,
                train_loss: 0.7 - f64::from(epoch) / 20.0,
                val_loss: 0.6 + share(17) / 10.0 - f64::from(epoch) / 50.0,
                val_auc: Some(0.6 + share(13) / 4.0),
                val_auc_labels: 14,
                improved: true,
            })
            .collect();
        let lines = epochs.iter().map(|epoch| serde_json::to_string(epoch).expect("numbers") + "\n");
        let log = transaction.put_blob(lines.collect::<String>().as_bytes()).expect("a file");
        let checkpoint = transaction.put_blob(name.as_bytes()).expect("a file");
        let run = Run {
            spec,
            checkpoint: Some(checkpoint),
            log: Some(log),
            epochs: Some(3),
            best_epoch: Some(3),
            val_loss: Some(epochs[2].val_loss),
            parameters: Some(9),
            files: Vec::new(),
        };
        let run = transaction.put(&run).expect("a run");
        if is_chain {
            let file = transaction.put_outside(name.as_bytes()).expect("the same file");
            let (runs, trained_on) = (vec![run], Vec::new());
            let weights = Weights { file, runs, trained_on, tensors: 1, parameters: 9 };
            before = Some(transaction.put(&weights).expect("weights"));
        }
        let rows = assignment.rows(fold as usize, Subset::Test);
        let labels = record.labels.len();
        let values = (0..rows.len() * labels).map(|at| share(at + 1)).collect();
        let scores = Scores { rows, labels: labels as u32, scores: values };
        let images = scores.rows.len() as u64;
        let predictions = Predictions {
            dataset,
            split: Some(split),
            fold: Some(fold),
            subset: Some(Subset::Test),
            source: ScoreSource::Run {
                run,
                device: DeviceKind::Cpu,
                threads: 2,
                numerics: numerics.clone(),
                flipped: false,
            },
            model: "tiny".to_owned(),
            labels: record.labels.clone(),
            scale: Scale::Logit,
            images,
            scores: transaction.put_packed(&scores).expect("scores"),
        };
        let predictions = transaction.put(&predictions).expect("predictions");
        let label = |label: &String| LabelAuc {
            label: label.clone(),
            auc: Some(0.6 + share(7) / 3.0),
            positives: 2,
            negatives: images - 2,
            positive_patients: 2,
            missing: None,
            constant: false,
            threshold: None,
        };
        let table = AucTable {
            predictions,
            dataset,
            images,
            patients: images,
            of_images: None,
            operating_point: None,
            labels: record.labels.iter().map(label).collect(),
            mean: Some(0.6 + share(7) / 3.0),
            mean_over: labels as u32,
            rules: rules::AUC,
        };
        transaction.put(&Table::Auc(table)).expect("a table");
        let execution = Execution {
            made: run.hash,
            started: format!("2026-11-05T{:02}:{:02}:00Z", number / 60 % 24, number % 60),
            seconds: 60.0 + share(3) * 3_600.0,
            host: "bench".to_owned(),
            cpu: "CPU".to_owned(),
            gpu: None,
            cores: 2,
            cpu_capability: Some("AVX2".to_owned()),
            reg: "1.0.0".to_owned(),
            software: Some(software),
            program: None,
            git: None,
            command: format!("reg train --name {name}"),
            resumed: 0,
            deterministic: None,
        };
        transaction.put(&execution).expect("an execution");
        transaction.name(&name, run.hash).expect("a name");
    }
    transaction.commit(&stamp).expect("nothing is missing");
    before
}
