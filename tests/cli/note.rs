//! Notes of people about runs, splits, data sets and tables.

use serde_json::{Value, json};

use crate::harness::Study;

#[test]
fn a_note_is_shown_replaced_and_removed_and_its_history_stays() {
    let study = Study::divided();
    assert_eq!(study.ok("note s"), "no note about s\n");
    assert_eq!(study.command("note s").arg("Fold 1 is easy;\nsee e-mail.").status().unwrap().code(), Some(0));
    assert_eq!(study.ok("note s"), "Fold 1 is easy;\nsee e-mail.\n");
    let first = study.json("note s");
    assert_eq!(first["note"]["text"], "Fold 1 is easy;\nsee e-mail.");
    assert!(study.ok("show s").ends_with("Fold 1 is easy;\nsee e-mail.\n"));
    assert_eq!(study.json("show s")["note"], first["note"]);
    // The same text again is the same note.
    let second = study.json("note s Better.");
    assert_eq!(study.json("note s Better."), second);
    let record: Value =
        serde_json::from_str(&study.ok(&format!("cat {}", second["note"]["id"].as_str().unwrap()))).unwrap();
    assert_eq!((&record["prev"], &record["about"]), (&first["note"]["id"], &first["about"]));
    assert_eq!(study.command("note s").arg("").status().unwrap().code(), Some(0));
    assert_eq!(study.json("note s")["note"], json!(null));
    assert!(!study.ok("show s").contains("Better."));
    assert_eq!(study.json("list note")["records"].as_array().unwrap().len(), 3);
}

#[test]
fn a_note_stays_and_travels_with_what_it_is_about() {
    let study = Study::divided();
    study.ok("note s checked");
    study.ok("gc");
    assert_eq!(study.ok("note s"), "checked\n");
    study.ok("push remote s");
    let other = Study::new();
    other.ok(&format!("pull {}", study.path("remote").display()));
    assert_eq!(other.ok("note s"), "checked\n");
    other.ok("verify");
}

#[test]
fn what_cannot_be_a_note_is_refused_and_leaves_nothing() {
    let study = Study::divided();
    let long = "x".repeat((16 << 10) + 1);
    for (text, why) in [(long.as_str(), "the maximum is 16,384"), ("a\u{1b}[2J", "control character")] {
        let answer = study.command("note s").arg(text).output().unwrap();
        assert_eq!(answer.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&answer.stderr).contains(why), "{answer:?}");
    }
    study.refused(1, "note nobody text", &["no record is named `nobody`"]);
    let note = study.json("note s fine")["note"]["id"].as_str().unwrap().to_owned();
    study.refused(1, &format!("note {note} more"), &["is not a record to write about", "hint: give a run"]);
    assert_eq!(study.json("list note")["records"].as_array().unwrap().len(), 1);
}
