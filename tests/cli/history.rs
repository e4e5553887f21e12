//! The use of an image, a patient, a row: what was done with them, not everything that depends on their data set.

use std::collections::BTreeSet;

use reg::hash::Id;
use reg::records::{Split, Subset};
use serde_json::{Value, json};

use crate::harness::{INGEST, Study, id_of};

/// The subset of a patient's images in each fold, from the split itself.
fn subsets(study: &Study, patient: u32) -> Vec<Subset> {
    let registry = study.registry();
    let view = registry.view().unwrap();
    let split: Split = registry.get(registry.resolve_as(&view, "s").unwrap()).unwrap();
    let manifest = registry.manifest(&registry.get(split.dataset).unwrap()).unwrap();
    let row = manifest.rows.iter().position(|row| row.patient == patient.into()).unwrap();
    let folds = registry.assignment(&split).unwrap().folds;
    folds.iter().map(|codes| Subset::ALL[codes[row] as usize]).collect()
}

fn uses<'v>(traced: &'v Value, name: &str) -> Option<&'v Value> {
    let nodes = traced["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["name"] == name).map(|node| &node["uses"])
}

#[test]
fn a_patient_is_traced_to_what_was_trained_selected_or_judged_on_him() {
    let study = Study::trained();
    let mut seen = BTreeSet::new();
    for patient in 1..=24 {
        let traced = study.json(&format!("trace --down patient:{patient}"));
        let images = traced["images"].as_array().unwrap().len() as u64;
        for (fold, subset) in subsets(&study, patient).into_iter().enumerate() {
            seen.insert(subset);
            for model in ["mlp", "tiny"] {
                let run = format!("{model}-s-f{fold}");
                let how = match subset {
                    Subset::Train => "trained",
                    Subset::Val => "validated",
                    Subset::Test => "scored",
                };
                let uses = uses(&traced, &run).unwrap_or_else(|| panic!("{run} and patient {patient}"));
                for other in ["trained", "validated", "scored", "holds"] {
                    let expected = if other == how { images } else { 0 };
                    assert_eq!(uses[other], json!(expected), "{run} and patient {patient}");
                }
            }
            // The run that is tested on these images is listed in the fold, and has not seen them.
            let place = &traced["datasets"][0]["splits"][0]["folds"][fold];
            assert_eq!(place[subset.name()], json!(images));
            assert_eq!(place["used_by"].as_array().unwrap().len(), 2, "{place}");
        }
        assert!(uses(&traced, "table").is_some(), "the comparison of all folds");
    }
    assert_eq!(seen.len(), 3, "the fixture has patients in each subset");
    let text = study.ok("trace --down patient:5");
    assert!(text.starts_with("patient:5: 2 images in 1 data set: 00000005_000.png (patient 5,"), "{text}");
    assert!(text.contains("split s ") && text.contains("run mlp-s-f0 "), "{text}");
}

#[test]
fn an_image_a_file_and_a_row_lead_to_the_same() {
    let study = Study::trained();
    let id = id_of(&study.path("images/00000013_000.png"));
    let by_id = study.json(&format!("trace --down {id}"));
    assert_eq!(by_id["root"], json!(id));
    assert_eq!(by_id["nodes"][0]["kind"], json!("image"));
    let row = by_id["images"][0]["row"].as_u64().unwrap();
    assert_eq!(row, 16);
    for other in ["00000013_000.png", &id[..8], "patient:13", "tiny:16", "data.csv:16"] {
        let found = study.json(&format!("trace --down {other}"));
        assert_eq!((&found["nodes"], &found["edges"]), (&by_id["nodes"], &by_id["edges"]), "{other}");
    }
    let ids: BTreeSet<&str> =
        by_id["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    for edge in by_id["edges"].as_array().unwrap() {
        for end in ["from", "to"] {
            assert!(ids.contains(edge[end].as_str().unwrap()), "{edge}");
        }
    }
    assert!(study.ok("trace --down 00000013_000.png --format dot").starts_with("digraph"));
    study.refused(1, "trace --down tiny:31", &["no data set contains"]);
    study.refused(1, "trace --down patient:99", &["no data set contains patient:99"]);
    study.refused(1, "trace --down nowhere.csv:1", &["no record is named"]);
    assert_eq!(study.reg("trace patient:13").code, 2);
}

#[test]
fn a_row_of_a_data_set_that_lacks_it_is_not_answered_for_others_in_silence() {
    let study = Study::divided();
    study.ok("withdraw patient:13 --reason consent");
    study.ok(&INGEST.replace("--name tiny", "--name less"));
    let answer = study.reg("trace --down less:16");
    answer.says(0, &["less does not contain data row 16"]);
    let text = study.ok("trace --down less:16");
    assert!(text.starts_with("less does not contain data row 16 of its metadata. Elsewhere:\n"), "{text}");
    assert!(!study.reg("trace --down tiny:16").stderr.contains("does not contain"));
    // Of several names, the typed one is shown.
    study.ok("tag also tiny");
    study.ok("tag one tiny");
    assert!(study.ok("trace --down tiny:16").contains("data set tiny "));
    let found = study.json("trace --down one:16");
    assert_eq!(found["datasets"][0]["name"], json!("one"));
    assert!(uses(&found, "one").is_some() && uses(&found, "also").is_none());
    assert!(study.ok("trace --down tiny").lines().next().unwrap().contains(" tiny (30 images"));
    let found = study.json("diff tiny less");
    assert_eq!((&found["a"]["name"], &found["b"]["name"]), (&json!("tiny"), &json!("less")));
}

#[test]
fn each_version_of_a_data_set_is_told_apart_and_a_row_is_of_one_file() {
    let study = Study::divided();
    study.edit("data.csv", |text| text.replace("00000013_000.png,No Finding", "00000013_000.png,Hernia"));
    study.ok(&INGEST.replace("--name tiny", "--name second"));
    let traced = study.json("trace --down patient:13");
    let names: Vec<&str> =
        traced["datasets"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tiny", "second"]);
    assert_eq!(traced["datasets"][1]["splits"], json!([]));
    let row = study.json("trace --down data.csv:16");
    assert_eq!(row["datasets"].as_array().unwrap().len(), 1);
    assert_eq!(row["datasets"][0]["name"], json!("second"));
    // The use by an unreadable record is reported as unknown; everything else is still found.
    let registry = study.registry();
    let split = registry.view().unwrap().name("s").unwrap().unwrap();
    let assignment = registry.get::<Split>(Id::new(split)).unwrap().assignment;
    std::fs::remove_file(registry.store().path(&assignment.hash)).unwrap();
    assert_eq!(study.json("trace --down tiny:16")["datasets"][0]["images"], json!(1));
}
