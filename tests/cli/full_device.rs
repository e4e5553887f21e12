//! Standard output on a full device: whatever prints a result fails with exit code 1 and says why, so that no script takes
//! an empty file for an answer.

use std::fs::OpenOptions;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{INGEST, MLP, Study, finish};

/// Every command that prints, once in a trained study; the test fails for a command of the help that is not here.
const PRINTING: &[&str] = &[
    "--version",
    "--help",
    "train --help",
    "init other",
    "demo made --patients 12",
    INGEST,
    "dataset list",
    "dataset show tiny",
    "dataset stats tiny",
    "dataset diff tiny tiny",
    "dataset export tiny --format parquet -o sheets",
    "split make tiny",
    "split import tiny --train-val train_val.txt --test test.txt --val-fraction 0.2",
    "split show s",
    "split check s",
    "weights import w.safetensors",
    MLP,
    "eval mlp-s-f0",
    "ensemble mlp-s-f0 tiny-s-f0 --name both",
    "predict mlp-s-f0 images/00000001_000.png",
    "predictions import scores.csv --logits --dataset tiny --name theirs",
    "compare mlp-s-f0",
    "study init small.toml --small",
    "study run own.toml --plan",
    "study status own.toml",
    "probe tiny-s-f0 --target gender",
    "gradcam tiny-s-f0 images/00000001_000.png --label Mass -o map.png",
    "report table -o report.html",
    "reproduce mlp-s-f0",
    "list",
    "show table",
    "cat tiny",
    "log",
    "tag it tiny",
    "note tiny seen",
    "trace table",
    "trust",
    "diff mlp-s-f0 mlp-s-f1",
    "withdraw patient:5 --reason consent",
    "verify",
    "audit table -o bundle.zip",
    "attest table --key k -o statement.json",
    "key new -o key",
    "export mlp-s-f0 -o scores-again.csv",
    "push elsewhere",
    "pull elsewhere",
    "gc",
    "doctor",
    "reindex",
    "completions bash",
    "man",
    "mv mlp-s-f1 moved",
    "rm mlp-s-f1 --with-tables",
];

/// Commands without an end, which have tests of their own below, and those that only group others.
// `run` takes a program, and prints as `train` does.
const ELSEWHERE: &[&str] = &["serve", "help", "run"];

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// What another program needs that some commands take.
fn prepared() -> Study {
    let study = Study::trained();
    let id = study.json("show tiny-s-f0")["record"]["checkpoint"].as_str().unwrap().to_owned();
    std::fs::copy(study.object(&id), study.path("w.safetensors")).unwrap();
    study.ok("export mlp-s-f0 --format csv -o scores");
    let scores = std::fs::read_dir(study.path("scores")).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(scores, study.path("scores.csv")).unwrap();
    study.ok("key new -o k");
    study.ok("study init own.toml --small --dataset tiny");
    study.ok("push elsewhere");
    study
}

/// The commands in the help.
fn commands(study: &Study) -> Vec<String> {
    let help = study.ok("--help");
    let (listed, _) = help.split_once("Global options:").unwrap();
    let lines = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_fails_on_a_full_device() {
    let original = prepared();
    let mut wrong = Vec::new();
    for command in commands(&original) {
        let here = |line: &&str| line.split(' ').next() == Some(command.as_str());
        assert!(PRINTING.iter().any(here) || ELSEWHERE.contains(&command.as_str()), "{command}");
    }
    for command in PRINTING {
        let name = command.split(' ').next().unwrap();
        if !name.starts_with("--") && !commands(&original).contains(&name.to_owned()) {
            continue;
        }
        for json in ["", "--json "] {
            if json.len() > 1
                && (command.starts_with("--") || *command == "cat tiny" || command.ends_with("--help"))
            {
                continue;
            }
            let study = Study::bare();
            crate::harness::copy(&original.path("."), &study.path("."));
            let line = format!("{json}{command}");
            let home = study.path("home");
            let output =
                study.command(&line).env("HOME", home).stdout(full()).stderr(Stdio::piped()).output();
            let answer = finish(output, &line);
            // What failed before it printed says that instead.
            let told = answer.stderr.contains("cannot write to standard output: No space left on device");
            if answer.code != 1 || !told {
                wrong.push(format!("{line}: {} {}", answer.code, answer.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Waits until a process ends, and stops it after a while.
fn ended(mut child: Child) -> std::process::Output {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.wait_with_output().unwrap()
}

fn on_full(study: &Study, line: &str) -> Command {
    let mut command = study.command(line);
    command.stdout(full()).stderr(Stdio::piped());
    command
}

#[test]
fn what_has_no_end_ends_on_a_full_device() {
    let study = Study::trained();
    let served = on_full(&study, "--json serve --port 0").spawn().unwrap();
    finish(Ok(ended(served)), "serve").says(1, &["cannot write to standard output"]);
    let followed = on_full(&study, "log --follow").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    study.ok("tag new tiny");
    finish(Ok(ended(followed)), "log --follow").says(1, &["cannot write to standard output"]);
    // With a name, what has happened is printed at once.
    let named = on_full(&study, "log table --follow").spawn().unwrap();
    finish(Ok(ended(named)), "log table --follow").says(1, &["cannot write to standard output"]);
}
