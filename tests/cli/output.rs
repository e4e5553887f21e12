//! The contract with programs: one JSON document, exit codes, quiet pipes.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{INGEST, MLP, Study, finish};

#[test]
fn every_command_prints_exactly_one_document() {
    let study = Study::trained();
    for command in [
        "init other",
        INGEST,
        "dataset list",
        "dataset show tiny",
        "dataset stats tiny",
        "split make tiny",
        "split import tiny --train-val train_val.txt --test test.txt --val-fraction 0.2",
        "split show s",
        "split check s",
        MLP,
        "eval mlp-s-f0",
        "predict mlp-s-f0 images/00000001_000.png",
        "compare mlp-s-f0",
        "compare mlp-s-f0 mlp-s-f1 --full --metrics --roc --bootstrap 100 --by age",
        "reproduce mlp-s-f0",
        "list",
        "show table",
        "show tiny",
        "log",
        "tag it tiny",
        "tag it --delete",
        "trace table",
        "trace table --format dot",
        "verify",
        "reindex",
        "completions bash",
        "man",
        "dataset stats tiny --format latex",
    ] {
        let document = study.json(command);
        assert!(document.is_object() && document.get("error").is_none(), "{command}: {document}");
    }
}

#[test]
fn every_failure_is_one_document_too() {
    let study = Study::divided();
    for (code, command) in [
        (1, "init"),
        (1, "ingest nowhere --metadata data.csv"),
        (1, "dataset stats nothing"),
        (1, "dataset show s"),
        (1, "split make nothing"),
        (1, "split check nothing"),
        (1, "train --dataset tiny --split s --model nothing"),
        (1, "eval nothing"),
        (1, "predict nothing x.png"),
        (1, "compare nothing"),
        (1, "predictions import nothing.csv --dataset tiny --name x"),
        (1, "reproduce nothing"),
        (1, "list nothing"),
        (1, "show nothing"),
        (2, "cat tiny"),
        (1, "tag x nothing"),
        (1, "trace nothing"),
        (1, "verify nothing"),
        (1, "man nothing"),
        // Errors of the argument parser itself.
        (2, "paint"),
        (2, "train"),
        (2, "tag x tiny --delete"),
        (2, "list --color"),
        (2, "completions tcsh"),
        (2, ""),
        (2, "split"),
    ] {
        let answer = study.reg(&format!("--json {command}"));
        // A command without its subcommand prints its help instead.
        answer.says(code, if command == "split" { &["Usage: reg split"] } else { &["error: "] });
        let document = answer.json();
        assert!(document["error"].is_string() && document.get("hint").is_some(), "{command}: {document}");
    }
    // Without --json, only errors are printed, on standard error.
    for command in ["show nothing", "paint"] {
        assert_eq!(study.reg(command).stdout, b"");
    }
}

#[test]
fn a_mistake_on_the_command_line_is_told_whole() {
    let study = Study::divided();
    // The longest message that clap has: all possible values, a tip, the usage.
    let answer = study.reg("--json train --dataset tiny --split s --model tiny --init scratchy --fold minus");
    let document = answer.says(2, &[]).json();
    let (error, hint) = (document["error"].as_str().unwrap(), document["hint"].as_str().unwrap());
    assert!(error.contains("[possible values: scratch, fine-tune, off-the-shelf]"), "{document}");
    assert!(hint.contains("scratch") || hint.contains("usage: reg train"), "{document}");
    let document = study.reg("--json compare").says(2, &[]).json();
    assert!(document["error"].as_str().unwrap().contains("<ID>..."), "{document}");
    assert_eq!(document["hint"], json!("the names here are s, tiny; usage: reg compare <ID>..."));
    let document = study.reg("--json").says(2, &[]).json();
    assert_eq!(
        document,
        json!({ "error": "a command is missing", "hint": "usage: reg [OPTIONS] <COMMAND>" })
    );
}

#[test]
fn a_name_that_is_moved_is_told_in_text_and_in_json() {
    let study = Study::trained();
    let [first, second] = ["mlp-s-f0", "mlp-s-f1"].map(|run| study.id(run));
    assert_eq!(study.json(&format!("tag best {first}")).get("moved"), None);
    let moved = study.reg(&format!("tag best {second}"));
    let [from, to] = [&first, &second].map(|id| &id[..12]);
    moved.says(0, &[&format!("warning: best now points to {to} (was {from})")]);
    let moved = study.json(&format!("tag best {first}"));
    assert_eq!(moved["moved"], json!([{ "name": "best", "from": second, "to": first }]));
    // So it is for every command that gives a name.
    let moved = study.json("compare mlp-s-f0 --name best --move");
    assert_eq!((&moved["moved"][0]["name"], &moved["moved"][0]["from"]), (&json!("best"), &json!(first)));
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let study = Study::trained();
    for command in
        ["list", "log", "trace table --all", "--json list", "cat tiny", "completions bash", "man", "--help"]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = study.command(command).stdout(writer).stderr(Stdio::piped()).output();
        let answer = finish(output, command);
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{command}");
    }
    // An error message that nobody reads must not cause a panic either.
    for command in ["show nothing", "--json show nothing", "--json paint", "paint", INGEST] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let again = writer.try_clone().unwrap();
        let status = study.command(command).stdout(writer).stderr(again).status().unwrap();
        assert!(matches!(status.code(), Some(0..=2)), "{command}: {status}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = study.command("--json show nothing").stdout(writer).stderr(Stdio::piped()).output();
    finish(output, "show nothing").says(1, &["no record is named"]);
}

#[test]
fn quiet_means_results_and_errors_only() {
    let study = Study::trained();
    let answer = study.reg(&format!("-q {}", MLP.replace("epochs=4", "epochs=1")));
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    assert!(!answer.stdout.is_empty());
    assert!(study.reg("-q show nothing").stderr.starts_with("error: "));
}

#[test]
fn an_error_is_a_sentence_and_a_hint() {
    let study = Study::new();
    let answer = study.reg("show nothing");
    let lines: Vec<&str> = answer.stderr.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("error: ") && lines[1].starts_with("hint: "), "{lines:?}");
    let document: Value = study.reg("--json show nothing").json();
    assert_eq!(document, json!({ "error": &lines[0][7..], "hint": &lines[1][6..] }));
}
