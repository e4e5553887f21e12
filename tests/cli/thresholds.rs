//! Operating points: thresholds chosen on validation images, and what is decided by them.

use std::fs;

use reg::hash::Id;
use reg::records::{LabelThreshold, Predictions, Subset, Table};
use reg::registry::Stamp;
use serde_json::{Value, json};

use crate::audit::python;
use crate::harness::Study;

/// The threshold of each label that has one, in the JSON of a command.
fn of(thresholds: &Value) -> Vec<(String, Value)> {
    let labels = thresholds["labels"].as_object().unwrap().clone();
    labels.into_iter().filter(|(_, threshold)| !threshold.is_null()).collect()
}

#[test]
fn every_run_has_thresholds_of_its_validation_images() {
    let study = Study::trained();
    let answer: Value =
        serde_json::from_slice(&fs::read(study.path("answers/tiny-s-f0.json")).unwrap()).unwrap();
    let own = &answer["validation"];
    let scored = study.json("eval tiny-s-f0 --subset val");
    assert_eq!(scored["cached"], json!(true), "they were scored by the training");
    for key in ["predictions", "table", "auc", "mean_over"] {
        assert_eq!(scored[key], own[key], "{key}");
    }
    assert_eq!(scored["thresholds"], own["thresholds"]);
    assert_eq!(own["thresholds"]["operating_point"], json!("youden"));
    let youden = of(&own["thresholds"]);
    assert!(!youden.is_empty(), "{own}");

    // With the counts behind them, as probabilities.
    let shown = study.ok("show tiny-s-f0");
    let table = study.ok("eval tiny-s-f0 --subset val");
    study.ok("export tiny-s-f0 -o card.md");
    let card = fs::read_to_string(study.path("card.md")).unwrap();
    for (label, threshold) in &youden {
        let probability = format!("{:.4}", threshold["probability"].as_f64().unwrap());
        for text in [&shown, &table, &card] {
            // Markdown escapes the underscore of a label.
            let text = text.replace('\\', "");
            let row = text.lines().find(|line| line.contains(label.as_str()) && line.contains(&probability));
            assert!(row.is_some(), "{label} {probability}: {text}");
        }
        assert!(threshold["positives"].as_u64() > Some(0) && threshold["negatives"].as_u64() > Some(0));
    }
    assert!(shown.contains("which has the largest Youden index on these"), "{shown}");

    // A stated sensitivity or specificity is reached, and another table records it.
    for (point, key) in [("sensitivity=0.9", "sensitivity"), ("specificity=0.75", "specificity")] {
        let command = format!("eval tiny-s-f0 --subset val --operating-point {point}");
        let found = study.json(&command);
        assert_ne!(found["table"], scored["table"]);
        assert_eq!((&found["predictions"], &found["auc"]), (&scored["predictions"], &scored["auc"]));
        let least: f64 = point.split_once('=').unwrap().1.parse().unwrap();
        assert_eq!(found["thresholds"]["operating_point"], json!({ key: least }));
        for (label, threshold) in of(&found["thresholds"]) {
            assert!(threshold[key].as_f64().unwrap() >= least, "{label}: {threshold}");
        }
        assert_eq!(study.json(&command)["table"], found["table"]);
    }
    let usage = "eval tiny-s-f0 --operating-point youden";
    study.refused(2, usage, &["--operating-point needs --subset val"]);
    study.refused(2, "eval tiny-s-f0 --subset val --operating-point 0.9", &["sensitivity=SHARE"]);
    study.is_sound();
}

#[test]
fn predict_says_yes_or_no_by_the_threshold() {
    let study = Study::trained();
    for point in ["youden", "specificity=0.5"] {
        let answer = study.json(&format!(
            "predict tiny-s-f0 images/00000001_000.png images/00000002_000.png --operating-point {point}"
        ));
        let labels = answer["thresholds"]["labels"].as_object().unwrap();
        for image in answer["images"].as_array().unwrap() {
            for (label, score) in image["scores"].as_object().unwrap() {
                let expected = match labels[label]["probability"].as_f64() {
                    Some(threshold) => json!(score.as_f64().unwrap() >= threshold),
                    None => Value::Null,
                };
                assert_eq!(image["positive"][label], expected, "{label}: {image}");
            }
        }
    }
    let text = study.ok("predict tiny-s-f0 images/00000001_000.png");
    assert!(text.contains("Threshold") && (text.contains(" yes ") || text.contains(" no ")), "{text}");
    study.ok("export tiny-s-f0 --format checkpoint -o model");
    let program = fs::read_to_string(study.path("model/model.py")).unwrap();
    let table = study.json("eval tiny-s-f0 --subset val")["thresholds"].clone();
    let score = of(&table)[0].1["score"].as_f64().unwrap();
    assert!(program.contains(&format!("    {score:?},\n")), "{score}: {program}");
}

#[test]
fn thresholds_are_reproduced_audited_and_a_forged_one_is_found() {
    let study = Study::trained();
    let reproduced = study.json("reproduce mlp-s-f0");
    let outputs = ["checkpoint", "log", "predictions", "table", "validation predictions", "validation table"];
    assert_eq!((&reproduced["identical"], &reproduced["compared"]), (&json!(true), &json!(outputs)));
    let made = study.json("eval tiny-s-f0 --subset val --operating-point sensitivity=0.8");
    let table = made["table"].as_str().unwrap();
    study.ok(&format!("audit {table} -o a.zip"));
    study.ok("audit verify a.zip");
    let (code, said) = python(&study, "a.zip");
    assert!(code == 0 && said.ends_with("everything checked is correct\n"), "{said}");

    let registry = study.registry();
    let id: Id<Table> = Id::new(table.parse().unwrap());
    let Table::Auc(mut forged) = registry.get(id).unwrap() else { panic!("an AUC table") };
    let place = forged.labels.iter().position(|label| label.threshold.is_some()).unwrap();
    forged.labels[place].threshold =
        Some(LabelThreshold { score: -9.0, probability: 0.0001, sensitivity: 1.0, specificity: 1.0 });
    let of: Predictions = registry.get(forged.predictions).unwrap();
    assert_eq!(of.subset, Some(Subset::Val));
    let mut transaction = registry.transaction().unwrap();
    let forged = transaction.put(&Table::Auc(forged)).unwrap();
    let stamp = Stamp { time: "2026-01-01T00:00:00Z".into(), command: "forge".into() };
    transaction.commit(&stamp).unwrap();
    assert_eq!(study.reg(&format!("reproduce {forged}")).code, 3);
    assert!(study.reg("verify --recompute").code == 3);
    study.ok(&format!("audit {forged} -o f.zip"));
    assert_eq!(study.reg("audit verify f.zip").code, 3);
    let (code, said) = python(&study, "f.zip");
    assert!(code != 0 && said.contains("threshold"), "{said}");
}
