//! `reg compare` and `reg probe`: results that must not share a column, and notes about names and numbers.

use std::fs;

use reg::records::Subset;
use serde_json::{Value, json};

use crate::comparability::theirs;
use crate::damage::flip;
use crate::harness::{INGEST, MLP, Study, TINY};

fn fold_one(command: &str) -> String {
    command.replace("--fold 0", "--fold 1")
}

#[test]
fn the_folds_of_a_column_are_of_one_experiment() {
    let study = Study::trained();
    let mixed = |runs: &str, words: &str| {
        let what = ["do not belong to one experiment", words, "hint: "];
        study.refused(3, &format!("compare {runs}"), &what);
    };
    study.ok(&format!("{} --name short", fold_one(MLP).replace("epochs=4", "epochs=1")));
    mixed("mlp-s-f0 short", "training.epochs 4 on re-sampling 0, and 1 on re-sampling 1");
    study.ok("split make tiny --folds 2 --seed 9 --name t");
    study.ok(&format!("{} --name of-t", fold_one(MLP).replace("--split s", "--split t")));
    mixed("mlp-s-f0 of-t", "do not belong to one experiment: split ");
    let csv = theirs(&study, &reg::dataset::labels::LABELS, Subset::Test);
    fs::write(study.path("theirs.csv"), csv).unwrap();
    study.ok("predictions import theirs.csv --dataset tiny --split s --fold 0 --model mlp --name theirs");
    mixed("theirs mlp-s-f1", "source another tool on re-sampling 0, and a run on re-sampling 1");
    let validated = study.json("eval mlp-s-f1 --subset val")["predictions"].as_str().unwrap().to_owned();
    mixed(&format!("mlp-s-f0 {validated}"), "subset test on re-sampling 0, and val on re-sampling 1");
    // The same images with another label: another ground truth.
    study.edit("data.csv", |text| text.replacen(",No Finding,", ",Mass,", 1));
    study.ok(&INGEST.replace("--name tiny", "--name other"));
    study.ok("split make other --folds 2 --name o");
    let other = fold_one(MLP).replace("--dataset tiny --split s", "--dataset other --split o");
    study.ok(&format!("{other} --name of-other"));
    mixed("mlp-s-f0 of-other", "do not belong to one experiment: data set ");

    // With the override, the table is flagged, also in lists, and has no test over such folds.
    let allowed = "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 short --allow-different-images --name odd";
    let answer = study.json(allowed);
    assert_eq!(answer["unfair"][0]["kind"], json!("mixed-folds"));
    assert_eq!(answer["resampled"], json!([]), "a variance over them would be of nothing");
    for command in ["list table", "trace odd"] {
        assert!(study.ok(command).contains("NOT COMPARABLE: comparison of tiny, mlp"), "{command}");
    }
    // Another seed is another fold of the same experiment.
    study.ok(&format!("{} --seed 5 --name seeded", fold_one(MLP)));
    assert_eq!(study.json("compare mlp-s-f0 seeded")["unfair"], json!([]));
}

#[test]
fn a_probe_takes_folds_that_were_trained_alike() {
    let study = Study::trained();
    study.ok(&format!("{} --name short", fold_one(TINY).replace("epochs=2", "epochs=1")));
    let words =
        ["of training.epochs 2", "of training.epochs 1", "hint: give the runs of one model at a time"];
    study.refused(1, "probe tiny-s-f0 short --target view", &words);
}

#[test]
fn a_name_that_is_moved_is_said_to_be() {
    let study = Study::trained();
    let csv = theirs(&study, &reg::dataset::labels::LABELS, Subset::Test);
    fs::write(study.path("theirs.csv"), csv).unwrap();
    let import = "predictions import theirs.csv --dataset tiny --split s --fold 0";
    let mut before = study.id("tiny-s-f0");
    for command in [
        "compare mlp-s-f0 --move --name tiny-s-f0".to_owned(),
        format!("{import} --move --name tiny-s-f0"),
        format!("{MLP} --move --name tiny-s-f0"),
        "dataset stats tiny --move --name tiny-s-f0".to_owned(),
        "split make tiny --folds 2 --seed 3 --move --name tiny-s-f0".to_owned(),
    ] {
        let answer = study.reg(&format!("--json {command}"));
        answer.says(0, &["warning: tiny-s-f0 now points to", &format!("(was {})", &before[..12])]);
        let moved = answer.json()["moved"][0].clone();
        assert_eq!((&moved["name"], &moved["from"]), (&json!("tiny-s-f0"), &json!(before)), "{command}");
        before = study.id("tiny-s-f0");
        assert_eq!(moved["to"], json!(before), "{command}");
        let again = study.reg(&format!("--json {command}"));
        assert!(again.json().get("moved").is_none() && !again.stderr.contains("no longer"), "{again:?}");
    }
}

#[test]
fn a_mean_says_how_many_labels_it_covers_in_each_fold() {
    let study = Study::trained();
    let answer = study.json("compare mlp-s-f0 mlp-s-f1");
    let labels = answer["auc"]["mlp"].as_object().unwrap();
    let covered = [0, 1].map(|fold| {
        let defined = |(name, label): &(&String, &Value)| *name != "mean" && !label["folds"][fold].is_null();
        labels.iter().filter(defined).count()
    });
    assert!(covered[0] < 15, "the fixture has labels without a positive test image");
    let said = match covered {
        [a, b] if a == b => format!("The mean over {a} of 15 labels is computed"),
        [a, b] => format!("The mean over {a} and {b} of 15 labels is computed"),
    };
    let told = study.ok("compare mlp-s-f0 mlp-s-f1");
    assert!(told.contains(&said), "{said}: {told}");
    let one = study.ok("compare mlp-s-f0 tiny-s-f0");
    assert!(one.contains(&format!("The mean is over {} of 15 labels.", covered[0])), "{one}");
    let apart = study.ok("compare mlp-s-f0 tiny-s-f1 --by run --allow-different-images");
    assert!(
        apart.contains("Only one re-sampling per model: no standard deviation")
            && !apart.contains("(0 of 1)"),
        "{apart}"
    );
}

#[test]
fn numbers_of_validation_images_say_so() {
    let study = Study::trained();
    let ids = ["mlp-s-f0", "tiny-s-f0"].map(|run| {
        study.json(&format!("eval {run} --subset val"))["predictions"].as_str().unwrap().to_owned()
    });
    let told = study.ok(&format!("compare {} --full", ids.join(" ")));
    assert!(told.contains("AUC on validation images"), "{told}");
    let tables = told.matches("On validation images, which were used to select the epoch").count();
    assert!(tables > 3, "each table says so: {told}");
    assert!(!study.ok("compare mlp-s-f0 tiny-s-f0").contains("validation"));
}

#[test]
fn a_record_that_is_made_again_is_sound_again() {
    let study = Study::divided();
    study.ok("dataset stats tiny --name counted");
    flip(&study.object(&study.id("counted")));
    study.refused(1, "show counted", &["damaged"]);
    study.ok("dataset stats tiny --name counted");
    study.ok("show counted");
    study.is_sound();
}

#[test]
fn a_run_is_not_identical_to_scores_that_are_damaged() {
    let study = Study::trained();
    let predictions = study.json("show table")["record"]["models"][1]["predictions"][0].clone();
    let scores = study.json(&format!("show {}", predictions.as_str().unwrap()))["record"]["scores"].clone();
    flip(&study.object(scores.as_str().unwrap()));
    study.refused(1, "reproduce mlp-s-f0", &["damaged", &scores.as_str().unwrap()[..12]]);
}

#[test]
fn what_is_asked_for_without_its_means_is_a_usage_error() {
    let study = Study::trained();
    study.refused(2, "compare mlp-s-f0 --table bootstrap", &["--bootstrap"]);
    study.refused(2, "compare mlp-s-f0 --table groups", &["--by"]);
    study.refused(2, "compare mlp-s-f0 --bootstrap 99", &["100"]);
    assert!(!study.ok("compare mlp-s-f0 --full").contains("Paired tests"), "there is no pair");
    study.refused(2, "compare mlp-s-f0 --primary mlp", &["two different columns"]);
    study.refused(2, "compare mlp-s-f0 --margin 1.5", &["between 0 and 1"]);
    study.refused(2, "compare mlp-s-f0 --prevalence 0.1", &["--metrics"]);
    study.refused(
        1,
        "compare mlp-s-f0 tiny-s-f0 --primary mlp:cnn",
        &["--primary names cnn", "the columns are mlp, tiny"],
    );
    let rows = study.json("compare mlp-s-f0 --by view")["groups"].clone();
    let rows = rows.as_array().unwrap();
    assert!(rows.iter().all(|row| row.get("interval").is_some()));
    // Groups of a few patients have no interval, and say why.
    for row in rows.iter().filter(|row| row["interval"].is_null()) {
        assert!(row["no_interval"].is_string(), "{row}");
    }
    fs::write(study.path("theirs.csv"), theirs(&study, &["Mass"], Subset::Test)).unwrap();
    let import = "predictions import theirs.csv --dataset tiny --split s --fold 0 --name theirs --model";
    study.refused(1, &format!("{import} a\u{1b}[31mb"), &["is not a valid model name", "hint: give --model"]);
}
