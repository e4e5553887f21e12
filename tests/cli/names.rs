//! Names: taken ones are not taken away by accident, and things can be renamed.

use serde_json::json;

use crate::harness::{INGEST, MLP, Study};

#[test]
fn a_name_that_is_taken_is_an_error_with_the_way_out_and_nothing_is_left() {
    let study = Study::divided();
    let before = study.id("s");
    let make = "split make tiny --folds 2 --seed 3 --name s";
    study.refused(1, make, &["the name s is in use by split", "hint:", "--move", "reg mv"]);
    assert_eq!(study.id("s"), before);
    assert_eq!(study.json("verify")["unregistered"], json!([]), "nothing is on the disk that nobody knows");
    assert_eq!(study.json("list split")["records"].as_array().unwrap().len(), 1);
    // Before hours of training.
    study.refused(1, &format!("{MLP} --name tiny"), &["the name tiny is in use by dataset"]);
    assert_eq!(study.json("list run")["runs"], json!([]));
    study.ok(&format!("{make} --move"));
    assert_ne!(study.id("s"), before);
    // The same thing again keeps its name.
    study.ok(INGEST);
    study.ok(make);
    study.refused(2, "split make tiny --folds 2 --move", &["--name"]);
}

#[test]
fn names_of_runs_carry_the_seed_and_can_be_changed() {
    let study = Study::divided();
    assert_eq!(study.json(MLP)["name"], json!("mlp-s-f0"));
    assert_eq!(study.json(&format!("{MLP} --seed 2"))["name"], json!("mlp-s-f0-seed2"));
    let run = study.id("mlp-s-f0");
    let moved = study.json("mv mlp-s-f0 baseline");
    assert_eq!((&moved["id"], &moved["was"]), (&json!(run), &json!("mlp-s-f0")));
    assert_eq!(study.id("baseline"), run);
    study.refused(1, "show mlp-s-f0", &["no record is named `mlp-s-f0`", "hint:"]);
    study.refused(1, "mv baseline mlp-s-f0-seed2", &["the name mlp-s-f0-seed2 is in use", "--move"]);
    study.refused(1, "mv nobody x", &["no record is named `nobody`"]);
    study.refused(1, "mv baseline a/b", &["`a/b` is not a valid name"]);
    let answer = study.reg("mv baseline mlp-s-f0-seed2 --move");
    answer.says(0, &["warning: mlp-s-f0-seed2 now points to"]);
    assert_eq!(study.id("mlp-s-f0-seed2"), run);
    // The log has it, and so has a rebuilt index.
    study.ok("reindex");
    assert_eq!(study.id("mlp-s-f0-seed2"), run);
    assert_eq!(study.json("log baseline")["events"].as_array().unwrap().len(), 2);
    study.ok("verify");
}

#[test]
fn notes_are_in_lists_pages_and_the_log() {
    let study = Study::divided();
    study.ok("note tiny first");
    study.ok("note tiny second");
    assert!(study.ok("list dataset").contains("second"));
    assert_eq!(study.json("list dataset")["records"][0]["note"], json!("second"));
    let log = study.json("log tiny");
    let texts: Vec<&str> =
        log["notes"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap()).collect();
    assert!(texts.contains(&"first") && texts.contains(&"second"), "{texts:?}");
    study.ok(MLP);
    study.ok("note mlp-s-f0 overfits");
    study.ok("report mlp-s-f0 -o report.html");
    let page = std::fs::read_to_string(study.path("report.html")).unwrap();
    assert!(page.contains("mlp-s-f0: overfits") && page.contains("tiny: second"));
    assert!(study.ok("show mlp-s-f0").contains("overfits"));
}
