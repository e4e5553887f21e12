//! The index may be lost; an object may not.

use std::fs;

use serde_json::json;

use crate::harness::{MLP, Study};

/// Answers of a registry that come from the index.
fn answers(study: &Study) -> Vec<serde_json::Value> {
    let commands =
        ["list", "list spec", "list predictions", "list execution", "log", "trace table", "show best"];
    let mut answers: Vec<_> = commands.into_iter().map(|command| study.json(command)).collect();
    let image = crate::harness::id_of(&study.path("images/00000001_000.png"));
    answers.push(study.json(&format!("trace --down {image}")));
    answers
}

fn with_moved_names() -> Study {
    let study = Study::trained();
    study.ok("tag best mlp-s-f0");
    study.ok("tag worse mlp-s-f0");
    study.ok("tag best tiny-s-f0");
    study.ok("tag worse --delete");
    study
}

#[test]
fn a_lost_index_comes_back_with_names_log_kinds_and_links() {
    let study = with_moved_names();
    let before = answers(&study);
    fs::remove_file(study.path(".reg/reg.redb")).unwrap();
    let verified = study.reg("--json verify");
    assert_eq!((verified.code, &verified.json()["damaged"]), (3, &json!([])));
    for command in ["list", "show best", "log", "trace table", "tag x tiny", MLP] {
        study.refused(
            1,
            command,
            &["reg.redb is missing", "hint: `reg reindex` rebuilds the index from the objects"],
        );
    }
    let rebuilt = study.json("reindex");
    assert_eq!((&rebuilt["damaged"], rebuilt["log"].as_u64()), (&json!([]), Some(11)));
    assert_eq!(answers(&study), before);
    study.refused(1, "show worse", &["no record is named `worse`"]);
    assert_eq!(study.json(MLP)["cached"], json!(true));
    study.is_sound();
}

#[test]
fn an_intact_index_is_rebuilt_to_the_same() {
    let study = with_moved_names();
    let before = answers(&study);
    study.ok("reindex");
    study.ok("reindex");
    assert_eq!(answers(&study), before);
}

#[test]
fn a_corrupt_index_is_an_error_with_a_hint_and_is_rebuilt() {
    let study = with_moved_names();
    let before = answers(&study);
    let path = study.path(".reg/reg.redb");
    let whole = fs::read(&path).unwrap();
    let mut broken = vec![
        b"not a database".to_vec(),
        Vec::new(),
        vec![0; whole.len()],
        whole[..whole.len() / 2].to_vec(),
        whole[..100].to_vec(),
    ];
    // A page of noise at a time.
    for at in (0..whole.len()).step_by(4096) {
        let mut noisy = whole.clone();
        let end = whole.len().min(at + 4096);
        noisy[at..end].iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7 + at / 4096) as u8);
        broken.push(noisy);
    }
    for (case, bytes) in broken.iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        for command in ["list", "log", "show best", "trace table"] {
            // A page that is never read does no harm.
            let answer = study.reg(command);
            if answer.code != 0 {
                answer.says(1, &["reg.redb", "hint: `reg reindex` rebuilds the index from the objects"]);
            }
        }
        if case < 4 {
            study.refused(1, "list", &["reg.redb", "hint: `reg reindex`"]);
        }
        study.ok("reindex");
        assert_eq!(answers(&study), before, "case {case}");
    }
    study.is_sound();
}

#[test]
fn a_rebuild_leaves_out_what_is_damaged_and_names_it() {
    let study = Study::trained();
    let id = study.id("table");
    let path = study.object(&id);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    crate::harness::overwrite(&path, &bytes);
    let answer = study.reg("--json reindex");
    assert_eq!((answer.code, &answer.json()["damaged"]), (3, &json!([id])));
    assert_eq!(study.id("tiny-s-f0").len(), 64);
    assert_eq!(study.reg("verify").code, 3);
}
