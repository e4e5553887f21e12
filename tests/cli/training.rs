//! Training with a worker that may be missing, wrong, killed, interrupted or busy.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};

use crate::harness::{MLP, Study, TINY, finish, worker};

/// A program for REG_TORCH that runs a shell script.
fn script(study: &Study, text: &str) -> std::path::PathBuf {
    let path = study.path("reg-torch.sh");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Asserts that there is no run, no prediction and no table, and that the registry is sound.
fn nothing_was_made(study: &Study) {
    for kind in ["run", "predictions", "table", "execution"] {
        assert_eq!(study.json(&format!("list {kind}"))["records"], json!([]));
    }
    study.is_sound();
    study.nothing_staged();
}

#[test]
fn without_a_worker_everything_but_computing_works() {
    let study = Study::divided();
    let nowhere = study.path("nowhere/reg-torch");
    for command in [TINY, MLP] {
        let answer = study.reg_with("REG_TORCH", &nowhere, command);
        answer.says(1, &["nowhere/reg-torch, which is not installed", "hint: install it", "REG_TORCH"]);
    }
    for command in ["list", "dataset stats tiny", "split check s", "verify", "trace s"] {
        assert_eq!(study.reg_with("REG_TORCH", &nowhere, command).code, 0, "{command}");
    }
    nothing_was_made(&study);
}

#[test]
fn a_worker_of_another_version_is_refused() {
    let study = Study::divided();
    let identity = Command::new(worker()).arg("identity").output().unwrap();
    let mut identity: Value = serde_json::from_slice(&identity.stdout).unwrap();
    identity["worker"] = json!("9.9.9");
    fs::write(study.path("identity.json"), identity.to_string()).unwrap();
    let other = script(&study, &format!("cat {}", study.path("identity.json").display()));
    let answer = study.reg_with("REG_TORCH", &other, TINY);
    answer.says(
        1,
        &["reg-torch.sh is version 9.9.9, but this reg is", "hint: build both from the same source"],
    );
    // A worker of a future protocol may print its identity in another form.
    let future = script(&study, r#"echo '{"worker":"10.0.0","protocol":99,"whoami":[]}'"#);
    study.reg_with("REG_TORCH", &future, TINY).says(1, &["is version 10.0.0", "hint:"]);
    nothing_was_made(&study);
}

#[test]
fn freed_tensors_stay_with_the_worker() {
    let study = Study::divided();
    let told = study.path("environment");
    let program = script(&study, &format!("env > {}\nexec {} \"$@\"", told.display(), worker().display()));
    let environment = || {
        let text = fs::read_to_string(&told).unwrap();
        text.lines().filter(|line| line.starts_with("GLIBC_TUNABLES=")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(study.reg_with("REG_TORCH", &program, TINY).code, 0);
    let settings = environment();
    assert!(settings[0].contains("malloc.mmap_threshold=8589934592"), "{settings:?}");
    // Whoever has set how malloc works knows better.
    for (name, value, kept) in [
        ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", vec!["GLIBC_TUNABLES=glibc.malloc.hugetlb=1"]),
        ("MALLOC_ARENA_MAX", "2", vec![]),
    ] {
        let arguments = format!("{TINY} --seed 2 --name {}", name.to_lowercase());
        let answer = study.command(&arguments).env("REG_TORCH", &program).env(name, value).output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        assert_eq!(environment(), kept);
    }
}

#[test]
fn a_program_that_is_no_worker_is_refused() {
    let study = Study::divided();
    let mute = script(&study, "echo libtorch_cpu.so is missing >&2; exit 127");
    study
        .reg_with("REG_TORCH", &mute, TINY)
        .says(1, &["does not identify itself: libtorch_cpu.so is missing", "hint:"]);
    let text = study.path("data.csv");
    study.reg_with("REG_TORCH", text, TINY).says(1, &["cannot start the worker"]);
    nothing_was_made(&study);
}

#[test]
fn a_worker_that_dies_hurts_no_record_and_the_run_goes_on() {
    let study = Study::divided();
    let real = worker();
    let dies = |how: &str| script(&study, &format!("{} </dev/null\n{how}", real.display()));
    for (how, words) in [
        ("echo out of luck >&2; exit 1", &["the worker ended early", "exit status: 1", "out of luck"][..]),
        ("read job; exit 0", &["the worker ended early"]),
        ("kill -9 $$", &["the worker ended early", "signal: 9", "hint: signal 9", "memory", "`batch`"]),
        ("read job; kill -9 $$", &["signal: 9", "hint:"]),
        ("echo hello; read job", &["the worker sent `hello`, which is not part of the protocol"]),
    ] {
        let answer = study.reg_with("REG_TORCH", dies(how), &format!("--json {TINY}"));
        answer.says(1, words).json();
        nothing_was_made(&study);
    }
    assert_eq!(study.json(TINY)["cached"], json!(false));
    study.is_sound();
}

#[test]
fn a_worker_that_leaves_no_files_makes_no_run() {
    let study = Study::divided();
    let done = r#"{"event":"done","epochs":2,"best_epoch":1,"val_loss":0.5,"parameters":3,"seconds":{}}"#;
    let liar = script(&study, &format!("{} </dev/null; read job; echo '{done}'", worker().display()));
    study.reg_with("REG_TORCH", liar, TINY).says(1, &["cannot read", "checkpoint.safetensors"]);
    nothing_was_made(&study);
}

const LONG: &str = "train --dataset tiny --split s --model tiny --set epochs=40 --threads 1";

/// A training that has completed its first epochs.
pub(crate) fn begun(study: &Study, command: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = study
        .command(command)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("epoch 2:") {
        line.clear();
        assert_ne!(errors.read_line(&mut line).unwrap(), 0, "it ended before its second epoch");
    }
    (child, errors)
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn an_interrupted_or_killed_training_goes_on_and_ends_with_the_same_bits() {
    let whole = Study::divided();
    let uninterrupted = whole.json(LONG);

    let study = Study::divided();
    let (mut child, mut errors) = begun(&study, LONG);
    // As with Ctrl-C: to the worker too.
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(
        rest.contains("error: interrupted; ")
            && rest.contains("checkpoint saved after ")
            && rest.contains(" epochs"),
        "{rest}"
    );
    assert!(rest.contains("hint: to resume: `reg train --dataset ") && !rest.contains("panicked"), "{rest}");
    nothing_was_made(&study);

    // Now without any warning.
    let (mut child, _) = begun_again(&study);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    nothing_was_made(&study);

    let answer = study.reg(&format!("--json {LONG}"));
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stderr.contains("resuming after epoch"), "{}", answer.stderr);
    let resumed = answer.json();
    for key in ["spec", "checkpoint", "run", "predictions", "table"] {
        assert_eq!(resumed[key], uninterrupted[key], "{key}");
    }
    study.is_sound();
    study.nothing_staged();
    assert_eq!(fs::read_dir(study.path(".reg/live")).unwrap().count(), 0);
}

/// The same training, until it has completed another epoch.
fn begun_again(study: &Study) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = study.command(LONG).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("epoch ") {
        line.clear();
        assert_ne!(errors.read_line(&mut line).unwrap(), 0, "it ended before an epoch");
    }
    (child, errors)
}

#[test]
fn a_second_interrupt_ends_a_worker_that_does_not_listen() {
    let study = Study::divided();
    let started = r#"{"event":"started","gpu":null,"deterministic":null,"resumed_epochs":0,"resumed_batches":0,"parameters":3,"memory":2000000000}"#;
    let deaf = script(
        &study,
        &format!(
            "{} </dev/null; trap '' INT TERM; read job; echo '{started}'; exec sleep 60",
            worker().display()
        ),
    );
    let mut child = study
        .command(TINY)
        .env("REG_TORCH", deaf)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    errors.read_line(&mut text).unwrap();
    assert_eq!(text, "tiny on tiny, split s, re-sampling 0, seed 1, 2 epochs on cpu\n");
    text.clear();
    errors.read_line(&mut text).unwrap();
    assert_eq!(text, "3 parameters, at most about 2.0 GB of memory\n");
    signal(&child, Signal::INT);
    // Two of them that are pending at once would count as one.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None, "the first one leaves the worker its time");
    signal(&child, Signal::INT);
    errors.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.contains("stopped at once") && text.contains("hint: to resume: `reg "), "{text}");
    nothing_was_made(&study);
}

#[test]
fn a_training_can_be_watched_from_elsewhere() {
    let study = Study::divided();
    let command = "train --dataset tiny --split s --model tiny --set epochs=5000 --threads 1 --name watched";
    let (child, errors) = begun(&study, command);
    let mut follower = study.command("log watched --follow").stdout(Stdio::piped()).spawn().unwrap();
    let mut followed = BufReader::new(follower.stdout.take().unwrap());
    let mut first = String::new();
    followed.read_line(&mut first).unwrap();
    assert!(first.starts_with("watched: epoch 1: loss ") && first.contains("AUC"), "{first}");

    let shown = study.ok("show watched");
    assert!(shown.contains("watched is training (pid ") && shown.contains("left in total"), "{shown}");
    assert!(shown.contains("Validation loss") && shown.contains("\nspec "), "{shown}");
    let live = study.json("show watched")["live"].clone();
    assert!(live["standing"]["epochs"][0]["val_loss"].is_number() && live["pid"].is_number(), "{live}");
    let spec = live["spec"].as_str().unwrap();
    assert!(study.ok(&format!("show {}", &spec[..12])).contains("watched is training"));
    assert!(study.ok("list").contains("watched is training"));
    assert_eq!(study.json("list")["live"][0]["name"], "watched");
    assert!(study.json("log watched")["epochs"][0]["epoch"] == 1);
    let answer = study.reg("--json log watched --follow");
    assert!(answer.code == 2 && answer.stderr.contains("one JSON document"), "{answer:?}");

    signal(&child, Signal::HUP);
    drop(errors);
    assert_eq!(finish(child.wait_with_output(), command).code, 130);
    assert!(follower.wait().unwrap().success(), "it ends with the training");
    assert!(study.ok("show watched").contains("watched was interrupted; to resume: `reg "));
    study.ok(TINY);
    assert_eq!(study.json("log tiny-s-f0")["epochs"].as_array().unwrap().len(), 2);
}

#[test]
fn two_processes_do_not_train_the_same_run() {
    let study = Study::divided();
    let command = "train --dataset tiny --split s --model tiny --set epochs=5000 --threads 1";
    let (child, errors) = begun(&study, command);
    study.refused(1, command, &["another process is already training", "lock"]);
    // Another run is independent.
    assert_eq!(study.json(MLP)["cached"], json!(false));
    signal(&child, Signal::TERM);
    drop(errors);
    assert_eq!(finish(child.wait_with_output(), command).code, 130);
    study.is_sound();
}
