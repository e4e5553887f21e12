//! Means of runs and of views, seeds of a setup, and setups that are ranked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use crate::audit::python;
use crate::harness::{MLP, Study};
use crate::splits::saved_again;

/// The numbers of an exported CSV, by image and column.
fn exported(study: &Study, what: &str) -> BTreeMap<(String, String), f64> {
    let file = study.path("out.csv");
    let _ = fs::remove_file(&file);
    study.ok(&format!("export {what} -o out.csv"));
    let mut rows = csv::Reader::from_path(file).unwrap();
    let head = rows.headers().unwrap().clone();
    let mut found = BTreeMap::new();
    for row in rows.records() {
        let row = row.unwrap();
        for (column, value) in head.iter().zip(&row).skip(2) {
            found.insert((row[0].to_owned(), column.to_owned()), value.parse().unwrap());
        }
    }
    assert!(!found.is_empty());
    found
}

/// Asserts that scores are the mean of others.
fn is_mean(mean: &BTreeMap<(String, String), f64>, of: &[BTreeMap<(String, String), f64>]) {
    for (cell, value) in mean {
        let expected = of.iter().map(|scores| scores[cell]).sum::<f64>() / of.len() as f64;
        assert!((value - expected).abs() <= 1e-12, "{cell:?}: {value} and {expected}");
    }
    assert!(of.iter().all(|scores| scores.len() == mean.len()));
}

#[test]
fn an_ensemble_is_the_mean_of_its_members_with_their_lineage() {
    let study = Study::trained();
    let made = study.json("ensemble tiny-s-f0 mlp-s-f0 --name both");
    for key in ["predictions", "table", "auc"] {
        assert!(!made[key].is_null(), "{key}");
    }
    assert_eq!((&made["cached"], &made["unfair"]), (&json!(false), &json!([])));
    is_mean(&exported(&study, "both"), &["tiny-s-f0", "mlp-s-f0"].map(|run| exported(&study, run)));
    // In any order it is the same record.
    let again = study.json("ensemble mlp-s-f0 tiny-s-f0 --name both");
    assert_eq!((&again["cached"], &again["table"]), (&json!(true), &made["table"]));

    let compared = study.json("compare tiny-s-f0 mlp-s-f0 both --metrics");
    assert_eq!(compared["unfair"], json!([]));
    assert_eq!(compared["auc"]["both"]["mean"]["folds"][0], made["auc"]["mean"]);
    // Thresholds of the mean of the validation scores.
    let own = |row: &&Value| row["model"] == "both" && !row["threshold"].is_null();
    assert!(compared["metrics"].as_array().unwrap().iter().any(|row| own(&row)), "{compared}");
    assert!(!made["validation"]["thresholds"].is_null());
    let trace = study.ok("trace both");
    for run in ["tiny-s-f0", "mlp-s-f0"] {
        assert!(trace.contains(run), "{trace}");
        assert!(study.ok(&format!("trace {run} --down")).contains("both"));
    }
    for id in ["both".to_owned(), made["table"].as_str().unwrap().to_owned()] {
        study.ok(&format!("reproduce {id}"));
    }
    study.ok("compare tiny-s-f0 both --metrics --rank --name t");
    study.ok("audit t -o t.zip");
    study.ok("audit verify t.zip");
    let (code, said) = python(&study, "t.zip");
    assert!(code == 0 && said.contains("recomputed, equal to the last digit"), "{said}");
    study.is_sound();

    study.refused(
        1,
        "ensemble tiny-s-f0 tiny-s-f0 --name one",
        &["two or more different predictions", "hint:"],
    );
    study.refused(1, "ensemble tiny-s-f0 mlp-s-f1 --name odd", &["different divisions", "hint:"]);
    study.refused(2, "ensemble tiny-s-f0 --name one", &[]);
}

/// The probabilities of one image, by label.
fn predicted(study: &Study, scorer: &str, image: &str) -> (Value, BTreeMap<String, f64>) {
    let answer = study.json(&format!("predict {scorer} {image}"));
    let scores = serde_json::from_value(answer["images"][0]["scores"].clone()).unwrap();
    (answer, scores)
}

/// Asserts that probabilities are those of the mean of the logits of others.
fn is_mean_of_logits(mean: &BTreeMap<String, f64>, of: &[BTreeMap<String, f64>]) {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    for (label, value) in mean {
        let expected = of.iter().map(|scores| logit(scores[label])).sum::<f64>() / of.len() as f64;
        assert!((logit(*value) - expected).abs() < 1e-9, "{label}: {value} and {expected}");
    }
    assert!(of.iter().all(|scores| scores.len() == mean.len()));
}

/// Asserts that an image file has the scores that are recorded for the image.
fn as_recorded(study: &Study, scorer: &str) {
    let recorded = exported(study, scorer);
    let (scored, _) = recorded.keys().next().unwrap().clone();
    let of_file = predicted(study, scorer, &format!("images/{scored}")).1;
    let own: Vec<_> = recorded.iter().filter(|((image, _), _)| *image == scored).collect();
    assert_eq!(own.len(), of_file.len());
    for ((_, label), value) in own {
        let probability = 1.0 / (1.0 + (-value).exp());
        assert!((of_file[label] - probability).abs() < 1e-6, "{label}: {} and {probability}", of_file[label]);
    }
}

#[test]
fn an_ensemble_scores_new_images_with_every_member() {
    let study = Study::trained();
    study.ok(&format!("{MLP} --seed 2 --name second"));
    let made = study.json("ensemble tiny-s-f0 mlp-s-f0 --name both");
    // Of the data set, so that its age, gender and view are known to the network that sees no pixel.
    let image = "images/00000001_000.png";
    let (answer, mean) = predicted(&study, "both", image);
    let of = ["tiny-s-f0", "mlp-s-f0"].map(|run| predicted(&study, run, image).1);
    assert_ne!(of[0], of[1]);
    is_mean_of_logits(&mean, &of);
    assert_eq!((&answer["run"], &answer["predictions"]), (&Value::Null, &made["predictions"]));
    assert_eq!(answer["scale"], json!("logit"));
    let runs: BTreeSet<&str> =
        answer["members"].as_array().unwrap().iter().map(|of| of["run"].as_str().unwrap()).collect();
    let [tiny, mlp] = ["tiny-s-f0", "mlp-s-f0"].map(|run| study.id(run));
    assert_eq!(runs, BTreeSet::from([tiny.as_str(), mlp.as_str()]));
    // The thresholds are those of the mean, not of a member.
    assert_eq!(answer["thresholds"], made["validation"]["thresholds"]);
    assert!(!answer["thresholds"].is_null());
    for (label, positive) in answer["images"][0]["positive"].as_object().unwrap() {
        let threshold = answer["thresholds"]["labels"][label]["probability"].as_f64();
        assert_eq!(*positive, json!(threshold.map(|threshold| mean[label] >= threshold)), "{label}");
    }
    as_recorded(&study, "both");
    let shown = study.ok(&format!("predict both {image}"));
    assert!(shown.contains("Mean of the logits of ") && shown.contains("tiny-s-f0"), "{shown}");

    // A mean of means weighs as it was recorded, and what one member sees can be given though another does not see it.
    study.ok("ensemble both second --name nested");
    fs::write(study.path("new.png"), saved_again(&fs::read(study.path(image)).unwrap())).unwrap();
    study.refused(1, "predict nested new.png", &["needs age, gender and view"]);
    let given = "--age 50 --gender M --view PA";
    let [nested, both, second] =
        ["nested", "both", "second"].map(|of| predicted(&study, of, &format!("new.png {given}")).1);
    is_mean_of_logits(&nested, &[both, second]);

    // Mirrored images are a view of the same network.
    let flipped = study.json("eval tiny-s-f0 --tta flip")["predictions"].as_str().unwrap().to_owned();
    as_recorded(&study, &flipped);
    let (answer, _) = predicted(&study, &flipped, image);
    assert_eq!(answer["members"].as_array().unwrap().len(), 2);
    let sides: BTreeSet<bool> =
        answer["members"].as_array().unwrap().iter().map(|of| of["flipped"].as_bool().unwrap()).collect();
    assert_eq!(sides, BTreeSet::from([false, true]));

    // Scores without a network cannot score another image.
    study.ok("export tiny-s-f0 -o theirs.csv");
    study.ok("predictions import theirs.csv --dataset tiny --split s --fold 0 --logits --name theirs");
    study.ok("ensemble tiny-s-f0 theirs --name half");
    for scorer in ["theirs", "half"] {
        let words = ["were imported", "has no network", "hint: give a run of `reg train`"];
        study.refused(1, &format!("predict {scorer} {image}"), &words);
    }
    study.refused(1, &format!("predict table {image}"), &["table"]);
}

#[test]
fn mirrored_images_are_a_view_beside_the_images() {
    let study = Study::trained();
    let before = study.json("compare tiny-s-f0");
    let made = study.json("eval tiny-s-f0 --tta flip");
    assert_eq!(made["cached"], json!(false));
    let predictions = made["predictions"].as_str().unwrap();
    let record = study.json(&format!("show {predictions}"))["record"].clone();
    let members = record["source"]["predictions"].as_array().unwrap().clone();
    assert_eq!(members.len(), 2);
    let views: Vec<_> = members.iter().map(|id| exported(&study, id.as_str().unwrap())).collect();
    assert_ne!(views[0], views[1], "the mirrored images have other scores");
    is_mean(&exported(&study, predictions), &views);
    assert_eq!(study.json("eval tiny-s-f0 --tta flip")["cached"], json!(true));
    // The run stands for its plain scores as before.
    assert_eq!(study.json("compare tiny-s-f0")["table"], before["table"]);
    let both = study.json(&format!("compare tiny-s-f0 {predictions}"));
    assert_eq!(both["spearman"]["models"], json!(["tiny", "tiny+flip"]));
    let reproduced = study.json("reproduce tiny-s-f0");
    assert_eq!(reproduced["identical"], json!(true), "{reproduced}");
    assert!(reproduced["compared"].as_array().unwrap().contains(&json!("flipped predictions")));
    study.refused(1, "eval mlp-s-f0 --tta flip", &["mlp sees no images", "hint: evaluate it without --tta"]);
    study.is_sound();
}

#[test]
fn seeds_share_a_column_and_setups_have_names_of_their_own() {
    let study = Study::trained();
    for fold in ["0", "1"] {
        let train = MLP.replace("--fold 0", &format!("--fold {fold}"));
        study.ok(&format!("{train} --seed 2 --name second-{fold}"));
        study.ok(&format!("{train} --set lr=0.5 --name wild-{fold}"));
    }
    let plain = study.json("compare mlp-s-f0 mlp-s-f1");
    let seeds = study.json("compare mlp-s-f0 second-0 mlp-s-f1 second-1");
    let (mean, own) = (&seeds["auc"]["mlp"]["mean"], &plain["auc"]["mlp"]["mean"]);
    assert_eq!(seeds["images"]["mlp"]["seeds"], json!([[1, 2], [1, 2]]));
    for fold in [0, 1] {
        let of_seeds: Vec<f64> =
            mean["seeds"][fold].as_array().unwrap().iter().map(|auc| auc.as_f64().unwrap()).collect();
        assert_eq!(Some(of_seeds[0]), own["folds"][fold].as_f64());
        let expected = (of_seeds[0] + of_seeds[1]) / 2.0;
        assert!((mean["folds"][fold].as_f64().unwrap() - expected).abs() < 1e-12);
    }
    assert!(mean["seed_std"].as_f64().is_some() && own.get("seed_std").is_none());

    study.refused(1, "compare mlp-s-f0 wild-0", &["are both model mlp", "--label NAME=RUN"]);
    let text = "compare --label calm=mlp-s-f0,second-0,mlp-s-f1,second-1 --label wild=wild-0,wild-1 --rank";
    let named = study.json(&format!("{text} --metrics --bootstrap 100 --name t"));
    assert_eq!(named["spearman"]["models"], json!(["calm", "wild"]));
    let ranking = named["ranking"].as_array().unwrap();
    let validation = |place: usize| ranking[place]["validation"]["mean"].as_f64().unwrap();
    assert!(ranking.len() == 2 && validation(0) >= validation(1), "{ranking:?}");
    let shown = study.ok(&format!("{text} --table ranking,seeds"));
    for words in ["2 setups were ranked", "std over seeds", "Seeds per re-sampling: calm 2; wild 1"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    study.refused(2, "compare --label calm", &["expected NAME=RUN,RUN"]);
    study.ok("reproduce t");
    study.ok("audit t -o t.zip");
    study.ok("audit verify t.zip");
    let (code, said) = python(&study, "t.zip");
    assert!(code == 0 && said.contains("recomputed, equal to the last digit"), "{said}");
    study.ok("report t -o t.html");
    let page = fs::read_to_string(study.path("t.html")).unwrap();
    for words in ["Ranking by validation AUC", "Calibration curves, Mass", "Precision-recall curves"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_study_has_seeds_and_grids_and_ranks_its_setups() {
    let study = Study::divided();
    let text = "name = 'st'\ndataset = 'tiny'\nthreads = 1\ndevice = 'cpu'\nseeds = [1, 2]\n\
        [settings]\nepochs = 2\n[[section]]\nname = 'a'\nsplit = 's'\nmargin = 0.05\n\
        primary = 'meta-lr0.01:meta-lr0.1'\n\
        [[setup]]\nsection = 'a'\nname = 'meta'\nmodel = 'mlp'\ngrid = { lr = [0.01, 0.1] }\n";
    fs::write(study.path("st.toml"), text).unwrap();
    let ran = study.json("study run st.toml --jobs 2");
    assert_eq!(ran["done"], json!(8), "{ran}");
    assert_eq!(ran["runs"][0]["name"], json!("st-meta-lr0.01-f0-seed1"));
    // What a deviation is over is told at once: over re-samplings and over seeds apart.
    let again = study.ok("study run st.toml");
    for said in ["AUC over re-samplings and over seeds", "std over re-samplings", "std over seeds"] {
        assert!(again.contains(said), "{said}: {again}");
    }
    study.refused(
        1,
        "study compare st --primary meta-lr0.01:meta",
        &["--primary names meta, which", "meta-lr0.1"],
    );
    let compared = study.json("study compare st")["sections"][0].clone();
    assert_eq!(compared["spearman"]["models"], json!(["meta-lr0.01", "meta-lr0.1"]));
    assert_eq!(compared["images"]["meta-lr0.1"]["seeds"], json!([[1, 2], [1, 2]]));
    assert_eq!((&compared["margin"], &compared["primary"]["b"]), (&json!(0.05), &json!("meta-lr0.1")));
    assert_eq!(compared["ranking"].as_array().unwrap().len(), 2);
    let shown = study.ok("study compare st");
    assert!(shown.contains("2 setups were ranked"), "{shown}");
    // Runs by hand compare with those of the study.
    let label =
        "--label study=st-meta-lr0.01-f0-seed1,st-meta-lr0.01-f0-seed2 --label hand=st-meta-lr0.1-f0-seed1";
    study.ok(&format!("compare {label}"));
    study.refused(2, "study compare st --margin 2", &["a margin is between 0 and 1"]);
    let other = study.json("study compare st --variance delong --margin 0.01")["sections"][0].clone();
    assert_eq!((&other["variance"], &other["margin"]), (&json!("delong"), &json!(0.01)));
}
