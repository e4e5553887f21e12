//! Damage is found, named, and followed to the results that it taints.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Study, id_of, overwrite};

/// Flips one bit in the middle of a file and returns what was there.
pub(crate) fn flip(path: &Path) -> Vec<u8> {
    let whole = fs::read(path).unwrap();
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    overwrite(path, &bytes);
    whole
}

pub(crate) fn verify(study: &Study, arguments: &str) -> (i32, Value) {
    let answer = study.reg(&format!("--json verify {arguments}"));
    (answer.code, answer.json())
}

/// Objects of every kind: id, kind in the output of verify, and name.
pub(crate) fn victims(study: &Study) -> Vec<(String, &'static str, Option<&'static str>)> {
    let link = |name: &str, key: &str| {
        let record = study.json(&format!("show {name}"))["record"].clone();
        record[key].as_str().or(record[key]["object"].as_str()).unwrap().to_owned()
    };
    let predictions = {
        let answer: Value =
            serde_json::from_slice(&fs::read(study.path("answers/tiny-s-f1.json")).unwrap()).unwrap();
        answer["predictions"].as_str().unwrap().to_owned()
    };
    vec![
        (id_of(&study.path("images/00000004_000.png")), "image", Some("00000004_000.png")),
        (link("tiny", "manifest"), "manifest", None),
        (study.id("tiny"), "dataset", Some("tiny")),
        (id_of(&study.path("data.csv")), "metadata", None),
        (study.id("s"), "split", Some("s")),
        (link("s", "assignment"), "assignment", None),
        (link("tiny-s-f0", "spec"), "spec", None),
        (study.id("tiny-s-f0"), "run", Some("tiny-s-f0")),
        (link("tiny-s-f0", "checkpoint"), "checkpoint", None),
        (link(&predictions, "scores"), "scores", None),
        (predictions, "predictions", None),
    ]
}

#[test]
fn a_flipped_bit_in_any_object_is_named_with_the_table_that_it_taints() {
    let study = Study::trained();
    let table = study.id("table");
    for (id, kind, name) in victims(&study) {
        let path = study.object(&id);
        let whole = flip(&path);
        let (code, found) = verify(&study, "");
        assert_eq!(code, 3, "{kind}: {found}");
        let damaged = found["damaged"].as_array().unwrap();
        assert_eq!(damaged.len(), 1, "{kind}: {found}");
        assert_eq!((&damaged[0]["id"], &damaged[0]["kind"]), (&json!(id), &json!(kind)));
        assert_eq!(damaged[0]["name"], json!(name));
        let first = &damaged[0]["taints"][0];
        assert_eq!(first["kind"], json!("table"), "{kind}: tables first");
        let taints = damaged[0]["taints"].as_array().unwrap();
        assert!(taints.iter().any(|taint| taint["id"] == json!(table)), "{kind}: {found}");
        let text = study.reg("verify");
        let (out, label) = (String::from_utf8(text.stdout).unwrap(), name.unwrap_or_default());
        assert!(
            out.contains(&id) && out.contains(kind) && out.contains(label) && out.contains("taints table"),
            "{out}"
        );
        // The table is tainted too, whatever is in between.
        let (code, of_table) = verify(&study, "table");
        assert_eq!(code, 3, "{kind}: {of_table}");
        assert_eq!(of_table["damaged"][0]["id"], json!(id), "{kind}");
        overwrite(&path, &whole);
    }
    study.is_sound();
    assert_eq!(verify(&study, "table").0, 0);
}

#[test]
fn a_deleted_object_is_named_as_missing() {
    let study = Study::trained();
    let table = study.id("table");
    for (id, kind, name) in victims(&study) {
        let path = study.object(&id);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        for arguments in ["", "table"] {
            let (code, found) = verify(&study, arguments);
            assert_eq!(code, 3, "{kind} {arguments}: {found}");
            let damaged = found["damaged"].as_array().unwrap();
            assert_eq!(damaged.len(), 1, "{kind} {arguments}: {found}");
            assert_eq!((&damaged[0]["id"], &damaged[0]["problem"]), (&json!(id), &json!("is missing")));
            assert_eq!((&damaged[0]["kind"], &damaged[0]["name"]), (&json!(kind), &json!(name)));
            let taints = damaged[0]["taints"].as_array().unwrap();
            assert!(taints.iter().any(|taint| taint["id"] == json!(table)), "{kind}: {found}");
        }
        fs::write(&path, whole).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    }
    study.is_sound();
}

#[test]
fn damage_to_the_table_itself_or_to_the_log_is_found() {
    let study = Study::trained();
    let table = study.object(&study.id("table"));
    let whole = flip(&table);
    let (code, found) = verify(&study, "");
    assert_eq!((code, &found["damaged"][0]["name"]), (3, &json!("table")));
    study.refused(1, "show table", &["damaged", "hint: `reg verify`"]);
    overwrite(&table, &whole);
    let event = study.json("log")["events"][0]["id"].as_str().unwrap().to_owned();
    let whole = flip(&study.object(&event));
    let (code, found) = verify(&study, "");
    assert_eq!((code, &found["damaged"][0]["id"]), (3, &json!(event)));
    overwrite(&study.object(&event), &whole);
    study.is_sound();
}

#[test]
fn only_what_an_id_depends_on_is_checked_for_it() {
    let study = Study::trained();
    let checkpoint = study.json("show tiny-s-f1")["record"]["checkpoint"].as_str().unwrap().to_owned();
    flip(&study.object(&checkpoint));
    let (code, sound) = verify(&study, "tiny-s-f0");
    assert_eq!((code, &sound["damaged"]), (0, &json!([])));
    let (code, found) = verify(&study, "tiny-s-f1");
    assert_eq!((code, &found["damaged"][0]["id"]), (3, &json!(checkpoint)));
    let (code, found) = verify(&study, "tiny-s-f0 tiny-s-f1");
    assert_eq!((code, &found["damaged"][0]["kind"]), (3, &json!("checkpoint")));
    assert!(sound["checked"].as_u64() < verify(&study, "").1["checked"].as_u64());
}

#[test]
fn damaged_input_stops_a_training_and_is_named() {
    let study = Study::divided();
    let image = id_of(&study.path("images/00000001_000.png"));
    for entry in ["00000001_000.png", "00000002_000.png", "00000003_000.png"] {
        flip(&study.object(&id_of(&study.path("images").join(entry))));
    }
    let answer = study.reg("train --dataset tiny --split s --model tiny --set epochs=1 --threads 1");
    answer.says(1, &["is damaged", "hint:"]);
    assert_eq!(study.json("list run")["records"], json!([]));
    assert_eq!(verify(&study, &image).0, 3);
}

#[test]
fn a_stray_file_among_the_objects_harms_nothing() {
    let study = Study::divided();
    fs::write(study.path(".reg/objects/README"), "hello").unwrap();
    let (code, found) = verify(&study, "");
    assert_eq!((code, found["strangers"].as_array().unwrap().len()), (0, 1));
    assert!(study.reg("verify").stderr.contains("README is not an object"));
}
