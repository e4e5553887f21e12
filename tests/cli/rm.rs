//! Removed runs: gone with what was made of them alone, and they do not come back by themselves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{MLP, Study};

fn kinds(answer: &Value) -> Vec<&str> {
    let mut kinds: Vec<&str> =
        answer["removed"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds
}

fn ids(study: &Study, kind: &str) -> BTreeSet<String> {
    let listed = study.json(&format!("list {kind}"));
    listed["records"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// A study with one run and no table of several.
fn one_run() -> Study {
    let study = Study::divided();
    study.ok(MLP);
    study
}

#[test]
fn a_run_goes_with_what_was_made_of_it_alone_and_its_space_comes_free() {
    let study = one_run();
    study.ok("note mlp-s-f0 mistaken");
    study.ok("eval mlp-s-f0 --subset val");
    let before = study.json("list");
    let planned = study.json("rm mlp-s-f0 --dry-run");
    assert_eq!(study.json("list"), before, "nothing is removed");
    let run = study.id("mlp-s-f0");
    let removed = study.json("rm mlp-s-f0");
    assert_eq!((&removed["removed"], &removed["bytes"]), (&planned["removed"], &planned["bytes"]));
    assert_eq!(
        kinds(&removed),
        [
            "execution",
            "execution",
            "execution",
            "note",
            "predictions",
            "predictions",
            "run",
            "spec",
            "table",
            "table"
        ]
    );
    for kind in ["run", "predictions", "table", "execution", "note"] {
        assert_eq!(ids(&study, kind), BTreeSet::new(), "{kind}");
    }
    assert_eq!(ids(&study, "removal").len(), 1);
    // What it was made of stays, and what was removed is no damage.
    assert_eq!(study.json("list")["records"].as_array().unwrap().len(), 2);
    let verified = study.json("verify");
    assert_eq!((&verified["damaged"], verified["removed"].as_array().unwrap().len()), (&json!([]), 10));
    assert_eq!(verified["unregistered"], json!([]));
    for name in ["mlp-s-f0", &run[..12]] {
        for command in ["show", "trace", "verify", "reproduce", "eval"] {
            study.refused(
                1,
                &format!("{command} {name}"),
                &["run mlp-s-f0", "was removed on", "hint:", "--undo"],
            );
        }
    }
    // Young as it is, its space comes free, and as much as was said.
    let swept = study.json("gc");
    assert_eq!(swept["removed"]["bytes"], planned["bytes"], "{swept}");
    assert_eq!(swept["removed"]["objects"], planned["objects"]);
    let verified = study.json("verify");
    assert_eq!((&verified["damaged"], &verified["removed"]), (&json!([]), &json!([])));
    study.refused(1, "show mlp-s-f0", &["was removed on"]);
    study.refused(1, &format!("trace {}", &run[..12]), &["was removed on"]);
}

#[test]
fn what_another_result_depends_on_is_not_removed_and_that_result_is_named() {
    let study = Study::trained();
    let before = study.json("list");
    study.refused(1, "rm mlp-s-f0", &["1 result depends on", "table table", "hint: --with-tables"]);
    assert_eq!(study.json("list"), before);
    // All that it was made of goes, and then it goes, too.
    let all = study.json("rm mlp-s-f0 mlp-s-f1 tiny-s-f0 tiny-s-f1 --dry-run");
    assert_eq!(kinds(&all).iter().filter(|kind| **kind == "table").count(), 9);
    let removed = study.json("rm mlp-s-f0 --with-tables");
    let named: Vec<&Value> = removed["removed"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert!(named.contains(&&json!("mlp-s-f0")) && named.contains(&&json!("table")), "{removed}");
    assert_eq!(study.json("list run")["runs"].as_array().unwrap().len(), 3);
    study.refused(1, "show table", &["table table", "was removed"]);
    // The other runs are as they were.
    assert!(study.json("list run")["runs"].as_array().unwrap().iter().all(|run| run["test_auc"].is_f64()));
    study.ok("gc --keep-days 0");
    study.ok("verify --recompute");
    study.refused(1, "rm tiny", &["`tiny` is a data set", "only runs"]);
    study.refused(1, "rm s", &["`s` is a split"]);
}

#[test]
fn weights_and_what_was_fine_tuned_from_them_keep_a_run() {
    let study = Study::trained();
    study.ok("rm --with-tables mlp-s-f0 mlp-s-f1 tiny-s-f1");
    study.ok("export tiny-s-f0 -o out --format checkpoint");
    study.ok("weights import out/checkpoint.safetensors --name w");
    study.refused(
        1,
        "rm tiny-s-f0",
        &[
            "depends on the records that would be removed",
            "weights w",
            "hint: to remove them, too, add them to the command",
            "w",
        ],
    );
    study.ok(
        "train --dataset tiny --split s --model tiny --weights w --set epochs=1 --threads 1 --name tuned",
    );
    study.refused(1, "rm tiny-s-f0 w", &["run tuned"]);
    study.ok("rm tiny-s-f0 w tuned");
    assert_eq!(ids(&study, "run"), BTreeSet::new());
    study.ok("gc --keep-days 0");
    study.ok("verify");
}

#[test]
fn a_removal_survives_a_rebuilt_index_and_nothing_comes_back_from_a_remote() {
    let study = one_run();
    let run = study.id("mlp-s-f0");
    study.ok("push remote");
    let other = Study::bare();
    other.ok("init");
    other.ok(&format!("pull {}", study.path("remote").display()));
    study.ok("rm mlp-s-f0");
    study.ok("reindex");
    assert_eq!(ids(&study, "run"), BTreeSet::new());
    study.ok("verify");
    let pulled = study.json("pull remote");
    assert_eq!((&pulled["objects"], ids(&study, "run")), (&json!(0), BTreeSet::new()), "{pulled}");
    study.ok("gc");
    study.ok("pull remote");
    assert_eq!(ids(&study, "run"), BTreeSet::new());
    study.ok("verify");
    study.refused(1, &format!("pull remote {run}"), &["was removed"]);
    // Whoever pulls after the removal was pushed does not get it, and whoever had it no longer has it.
    study.ok("push remote");
    let third = Study::bare();
    third.ok("init");
    third.ok(&format!("pull {}", study.path("remote").display()));
    assert_eq!((ids(&third, "run"), ids(&third, "removal").len()), (BTreeSet::new(), 1));
    assert_eq!(third.json("verify")["damaged"], json!([]));
    // But what somebody else removed is not removed here without a word: it is asked.
    let pull = format!("pull {}", study.path("remote").display());
    for _ in 0..2 {
        let asked = other.reg(&pull);
        assert_eq!(asked.code, 3, "{asked:?}");
        let shown = String::from_utf8_lossy(&asked.stdout);
        assert!(shown.contains("removed on the sending side, not here: run mlp-s-f0"), "{asked:?}");
        assert!(asked.stderr.contains("hint: --accept-removals"), "{asked:?}");
        assert_eq!((ids(&other, "run").len(), ids(&other, "removal").len()), (1, 0));
    }
    other.ok("verify --recompute");
    let heard = other.json(&format!("{pull} --accept-removals"));
    assert!(heard["removed"].as_u64().unwrap() > 0, "{heard}");
    assert_eq!(heard["not_removed"], json!([]));
    assert_eq!(ids(&other, "run"), BTreeSet::new());
    other.ok("gc");
    other.ok("verify");
    other.ok("reindex");
    assert_eq!(ids(&other, "run"), BTreeSet::new());
    // A registry as a remote.
    let fourth = Study::bare();
    fourth.ok("init");
    study.ok(MLP);
    study.ok(&format!("push {}", fourth.path("").display()));
    assert_eq!(ids(&fourth, "run").len(), 1);
    study.ok("rm mlp-s-f0");
    let pushed = study.json(&format!("push {}", fourth.path("").display()));
    assert!(pushed["removed"].as_u64().unwrap() > 0, "{pushed}");
    assert_eq!(ids(&fourth, "run"), BTreeSet::new());
    fourth.ok("verify");
}

#[test]
fn the_same_training_restores_a_run_and_an_undo_does_until_its_space_is_freed() {
    let study = one_run();
    let (run, tables) = (study.id("mlp-s-f0"), ids(&study, "table"));
    study.ok("rm mlp-s-f0");
    let undone = study.json("rm --undo mlp-s-f0");
    assert!(undone["restored"].as_array().unwrap().iter().any(|one| one["name"] == json!("mlp-s-f0")));
    assert_eq!((study.id("mlp-s-f0"), ids(&study, "table")), (run.clone(), tables.clone()));
    study.ok("verify --recompute");
    study.ok("reindex");
    assert_eq!(study.id("mlp-s-f0"), run);
    study.ok("rm mlp-s-f0");
    study.ok("gc");
    study.refused(1, "rm --undo mlp-s-f0", &["`reg gc` has freed its objects"]);
    study.refused(1, "rm --undo nobody", &["nothing named `nobody` was removed"]);
    let again = study.json(MLP);
    assert_eq!((&again["cached"], &again["run"]), (&json!(false), &json!(run)), "trained anew, the same run");
    assert_eq!(ids(&study, "table"), tables);
    study.ok("reindex");
    assert_eq!(study.id("mlp-s-f0"), run);
    study.ok("verify");
    assert_eq!(study.json("gc")["removed"]["objects"], json!(0));
}

#[test]
fn a_run_that_is_needed_elsewhere_stays_there_and_comes_with_what_needs_it() {
    let study = Study::trained();
    let other = Study::bare();
    other.ok("init");
    let at = |study: &Study| study.path("").display().to_string();
    other.ok(&format!("pull {} mlp-s-f0", at(&study)));
    let run = other.id("mlp-s-f0");
    other.ok("rm mlp-s-f0");
    // The comparison of the other registry depends on it.
    let pushed = other.json(&format!("push {}", at(&study)));
    assert_eq!(pushed["removed"], json!(0), "{pushed}");
    assert_eq!(study.id("mlp-s-f0"), run);
    study.ok("verify --recompute");
    study.ok("reindex");
    assert_eq!(study.id("mlp-s-f0"), run);
    other.ok(&format!("pull {} table", at(&study)));
    assert_eq!(other.json(&format!("show {run}"))["record"]["kind"], json!("run"));
    other.ok("verify --recompute");
    other.ok("gc --keep-days 0");
    other.ok("verify");
}

#[test]
fn a_removed_run_of_a_study_is_pending_again_and_a_table_alone_can_go() {
    let study = one_run();
    let table = study.json("list run")["runs"][0]["table"].as_str().unwrap().to_owned();
    let removed = study.json(&format!("rm {table}"));
    assert_eq!(kinds(&removed), ["table"]);
    assert_eq!(study.json("list run")["runs"][0]["test_auc"], Value::Null);
    study.ok("verify");
    // The same evaluation makes the same table.
    assert_eq!(study.json("eval mlp-s-f0")["table"], json!(table));
    assert!(study.json("list run")["runs"][0]["test_auc"].is_f64());
    study.ok("verify");
}
