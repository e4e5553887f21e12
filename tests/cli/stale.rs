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
        forget_head(&study);
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

/// Removes what is noted of the history beside the objects, as if it had never been written.
pub(crate) fn forget_head(study: &Study) {
    for entry in fs::read_dir(study.path(".reg/objects")).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("head-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// A whole older backup, copied over what came since without removing anything.
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

/// A backup that is complete and older fits together: only what was left elsewhere tells.
#[test]
fn a_remote_knows_a_complete_older_backup() {
    let study = Study::trained();
    let other = Study::bare();
    other.ok("init");
    let asked = study.reg("doctor --remote depot");
    assert!(
        asked.code == 3 && String::from_utf8_lossy(&asked.stdout).contains("cannot ask depot"),
        "{asked:?}"
    );
    for remote in [other.path("").display().to_string(), "depot".to_owned()] {
        if remote != "depot" {
            let asked = study.json(&format!("doctor --remote {remote}"));
            assert!(asked.to_string().contains("does not know this registry"), "{asked}");
        }
        study.ok(&format!("push {remote}"));
        let asked = study.json(&format!("doctor --remote {remote}"));
        assert!(asked.to_string().contains("not older than at the last push"), "{asked}");
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
    // Its own push does not make the remote forget.
    backup.ok(&format!("push {depot}"));
    assert_eq!(backup.reg(&format!("doctor --remote {depot}")).code, 3);
}

/// The file system's own times cannot be set, so `--keep-days 0` is made to mean before now.
pub(crate) fn past_this_second() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}
