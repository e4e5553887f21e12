//! An index that is put back to what it was is noticed, and what came since is not lost.

use std::fs;

use serde_json::{Value, json};

use crate::harness::Study;

/// What a registry answers that comes out of the index.
fn answers(study: &Study) -> Vec<Value> {
    let commands = ["list", "list dataset", "list spec", "list execution", "log", "trace table"];
    commands.map(|command| study.json(command)).into()
}

#[test]
fn an_old_index_is_refused_and_brought_up_to_date() {
    let study = Study::trained();
    let index = study.path(".reg/reg.redb");
    let image = "images/00000001_000.png";
    study.ok(&format!("ingest {image} --metadata data.csv --allow-missing --name gone"));
    study.ok("tag gone tiny");
    for change in [
        "tag best mlp-s-f0",
        "tag best --delete",
        "split make tiny --folds 1 --seed 9 --name other",
        "train --dataset tiny --split s --model mlp --set epochs=1 --threads 1 --seed 7 --name late",
        "gc --keep-days 0",
    ] {
        if change.starts_with("gc") {
            past_this_second();
        }
        let old = fs::read(&index).unwrap();
        study.ok(change);
        let after = answers(&study);
        fs::write(&index, &old).unwrap();
        let commands =
            ["list", "log", "show table", "trace table", "tag x tiny", "verify table", "gc", "gc --dry-run"];
        for command in commands {
            let words = ["reg.redb is older than its registry", "hint: `reg reindex`"];
            study.refused(1, command, &words);
        }
        let verified = study.reg("--json verify");
        let said = verified.json()["index"][0].as_str().unwrap().to_owned();
        assert_eq!(verified.code, 3, "{change}: {verified:?}");
        assert!(said.contains("is older than its registry"), "{change}: {said}");
        assert_eq!(study.json("reindex")["missing"], json!([]), "{change}");
        assert_eq!(answers(&study), after, "{change}");
        study.is_sound();
    }
    assert_eq!(study.id("late").len(), 64);
    // Counting goes on behind it.
    let old = fs::read(&index).unwrap();
    study.ok("tag best mlp-s-f0");
    fs::write(&index, &old).unwrap();
    study.refused(1, "list", &["is older than its registry"]);
}

#[test]
fn an_old_index_with_its_count_is_found_by_the_log() {
    let study = Study::trained();
    let paths = [".reg/reg.redb", ".reg/commits"].map(|path| study.path(path));
    let old = paths.clone().map(|path| fs::read(path).unwrap());
    study.ok("tag best mlp-s-f0");
    let put_back = || {
        for (path, bytes) in paths.iter().zip(&old) {
            fs::write(path, bytes).unwrap();
        }
    };
    let one = study.json("log");
    put_back();
    // What a crash between object and index leaves looks the same; a rebuild brings it back.
    study.is_sound();
    study.ok("reindex");
    assert_eq!(study.json("log"), one);
    study.ok("tag best tiny-s-f0");
    let two = (study.json("log"), study.json("list"));
    put_back();
    let verified = study.reg("--json verify");
    assert_eq!((verified.code, &verified.json()["damaged"]), (3, &json!([])));
    assert_eq!(verified.json()["names"], json!(["the index is missing 2 log entries"]));
    verified.says(3, &[]);
    assert!(String::from_utf8(study.reg("verify").stdout).unwrap().contains("`reg reindex`"));
    study.refused(1, "gc --dry-run", &["is missing 2 log entries"]);
    study.ok("reindex");
    assert_eq!((study.json("log"), study.json("list")), two);
    study.is_sound();
}

/// The file system's own times cannot be set, so `--keep-days 0` is made to mean before now.
pub(crate) fn past_this_second() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}
