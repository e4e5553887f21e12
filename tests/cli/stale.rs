//! A restored older index is noticed, and later changes are not lost.

use std::fs;

use reg::hash::{Hash, Id};
use reg::records::{Event, NameChange, codec};
use serde_json::{Value, json};

use crate::harness::Study;

/// Answers of a registry that come from the index.
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
    // The count continues from there.
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
        forget_head(&study);
    };
    let one = study.json("log");
    put_back();
    // A crash between object and index leaves the same state; a rebuild restores the name.
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

/// Removes the heads of the history, as if they had never been written.
pub(crate) fn forget_head(study: &Study) {
    for entry in fs::read_dir(study.path(".reg/objects")).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("head-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// A complete older backup, copied over a newer registry without removing anything.
#[test]
fn a_backup_that_is_copied_over_newer_objects_loses_no_name() {
    let study = Study::trained();
    let backup = Study::bare();
    crate::harness::copy(&study.path("."), &backup.path("."));
    study.ok("tag keep1 tiny");
    study.ok("tag keep2 table");
    let log = study.json("log");
    crate::harness::copy(&backup.path(".reg/."), &study.path(".reg/"));
    assert_eq!(study.reg("doctor").code, 3);
    study.refused(1, "tag after tiny", &["is older than its registry", "hint: `reg reindex`"]);
    study.ok("reindex");
    assert_eq!(study.json("log"), log);
    study.ok("tag after tiny");
    study.is_sound();
}

/// Yesterday's small files over today's objects: an interrupted copy, or a backup of the index alone.
#[test]
fn an_old_index_with_its_count_is_refused_before_anything_is_lost() {
    let study = Study::trained();
    let paths = [".reg/reg.redb", ".reg/commits"].map(|path| study.path(path));
    let old = paths.clone().map(|path| fs::read(path).unwrap());
    study.ok("tag after-backup table");
    study.ok("split make tiny --folds 1 --seed 3 --name after-split");
    let log = study.json("log");
    for (path, bytes) in paths.iter().zip(&old) {
        fs::write(path, bytes).unwrap();
    }
    for command in [
        "show table",
        "list",
        "tag something-new tiny",
        "gc --keep-days 0",
        "train --dataset tiny --split s --model mlp --set epochs=1 --threads 1 --seed 7",
    ] {
        study.refused(1, command, &["reg.redb is older than its registry", "hint: `reg reindex`"]);
    }
    assert_eq!(study.reg("verify").code, 3);
    let examined = study.reg("doctor");
    let said = String::from_utf8_lossy(&examined.stdout).into_owned();
    assert!(examined.code == 3 && said.contains("is older than its registry"), "{said}");
    study.ok("reindex");
    assert_eq!(study.json("log"), log);
    for name in ["after-backup", "after-split"] {
        study.ok(&format!("show {name}"));
    }
    study.ok("tag something-new tiny");
    study.is_sound();
}

/// A complete older backup is consistent: only a remote can tell that it is old.
#[test]
fn a_remote_knows_a_complete_older_backup() {
    let study = Study::trained();
    let other = Study::bare();
    other.ok("init");
    let asked = study.reg("doctor --remote depot");
    assert!(
        asked.code == 3 && String::from_utf8_lossy(&asked.stdout).contains("cannot read depot"),
        "{asked:?}"
    );
    for remote in [other.path("").display().to_string(), "depot".to_owned()] {
        if remote != "depot" {
            let asked = study.json(&format!("doctor --remote {remote}"));
            assert!(asked.to_string().contains("does not know this registry"), "{asked}");
        }
        study.ok(&format!("push {remote}"));
        let asked = study.json(&format!("doctor --remote {remote}"));
        assert!(asked.to_string().contains("not an older copy: it has log entry"), "{asked}");
    }
    let backup = Study::bare();
    crate::harness::copy(&study.path("."), &backup.path("."));
    study.ok("tag after-backup table");
    study.ok("push depot");
    backup.is_sound();
    let depot = study.path("depot").display().to_string();
    let asked = backup.reg(&format!("doctor --remote {depot}"));
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(asked.code == 3 && said.contains("an older copy") && said.contains(" pull "), "{said}");
    // Its own push says so, too, and does not change the head at the remote.
    let pushed = backup.reg(&format!("--json push {depot}"));
    let said = pushed.stderr.clone();
    assert!(pushed.code == 0 && said.contains("is an older copy"), "{said}");
    assert_eq!(pushed.json()["older"], json!(true));
    assert_eq!(backup.reg(&format!("doctor --remote {depot}")).code, 3);
    // To continue from the backup, the user confirms once, as the hint says.
    let id = backup.json("reindex --new-id")["new_id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 32);
    assert_eq!(backup.json(&format!("push {depot}"))["older"], json!(false));
    let asked = backup.json(&format!("doctor --remote {depot}"));
    assert!(asked.to_string().contains("not an older copy: it has log entry"), "{asked}");
    // A missing id is created anew; an existing one stays.
    fs::remove_file(backup.path(".reg/id")).unwrap();
    assert_eq!(backup.json("reindex")["new_id"].as_str().map(str::len), Some(32));
    assert_eq!(backup.json("reindex")["new_id"], Value::Null);
}

/// Writes a log entry into the store, as a stranger could.
fn forge(study: &Study, seq: u64, prev: Hash, change: (&str, Option<Hash>, Option<Hash>)) -> Hash {
    let (name, from, to) = change;
    let event = Event {
        seq,
        prev: Some(Id::new(prev)),
        time: "2099-01-01T00:00:00Z".to_owned(),
        command: "reg tag".to_owned(),
        names: vec![NameChange { name: name.to_owned(), from, to }],
    };
    let registry = study.registry();
    let batch = registry.store().batch().unwrap();
    let id = batch.put(&codec::encode(&event).unwrap()).unwrap();
    batch.persist().unwrap();
    id
}

/// Rebuilds the index from the objects alone.
fn rebuild(study: &Study) -> Value {
    forget_head(study);
    for file in [".reg/reg.redb", ".reg/commits"] {
        fs::remove_file(study.path(file)).unwrap();
    }
    let rebuilt = study.reg("--json reindex");
    assert!(rebuilt.code == 0 || rebuilt.code == 3, "{rebuilt:?}");
    rebuilt.json()["breaks"].clone()
}

#[test]
fn a_log_is_what_continues_and_not_what_has_the_greatest_number() {
    let study = Study::trained();
    let log = study.json("log");
    let tiny = study.id("tiny").parse::<Hash>().unwrap();
    let last = study.registry().view().unwrap().log().unwrap().last().copied().unwrap();
    for prev in [last, Hash::of(b"nothing")] {
        forge(&study, 1_000_000, prev, ("tiny", Some(tiny), None));
    }
    for breaks in [study.reg("--json verify").json()["names"].clone(), rebuild(&study)] {
        let breaks = breaks.as_array().unwrap().clone();
        assert_eq!(breaks.len(), 2, "{breaks:?}");
        for found in breaks {
            assert!(found.as_str().unwrap().contains("a log entry with number 1,000,000 ("), "{found}");
        }
    }
    assert_eq!(study.json("log"), log);
}

#[test]
fn a_second_history_and_a_false_previous_target_are_reported() {
    let study = Study::trained();
    let tiny = study.id("tiny").parse::<Hash>().unwrap();
    let log = study.registry().view().unwrap().log().unwrap();
    let (last, number) = (*log.last().unwrap(), log.len() as u64);
    // A crash can leave one entry outside the log, but not two that continue each other.
    let one = forge(&study, number, log[log.len() - 2], ("x", None, Some(tiny)));
    study.is_sound();
    forge(&study, number + 1, one, ("y", None, Some(tiny)));
    let verified = study.reg("--json verify");
    assert_eq!(verified.code, 3);
    let found = verified.json()["names"][0].as_str().unwrap().to_owned();
    assert!(found.contains("does not belong to the log"), "{found}");

    let lie = forge(&study, number + 1, last, ("tiny", Some(Hash::of(b"another")), Some(tiny)));
    forge(&study, number + 2, lie, ("tiny", Some(tiny), None));
    let breaks = rebuild(&study).to_string();
    assert!(breaks.contains("says that tiny pointed to") && breaks.contains("does not belong"), "{breaks}");
}

/// The file system's own times cannot be set, so `--keep-days 0` is made to mean before now.
pub(crate) fn past_this_second() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}
