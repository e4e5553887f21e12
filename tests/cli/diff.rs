//! What changed between two results, in the order in which it has its effect, and whether it can have mattered.

use serde_json::{Value, json};

use crate::harness::{INGEST, MLP, Study};

const IMPORT: &str = "--train-val lists/tv.txt --test lists/test.txt --val-fraction 0.25 --seed 1";

fn settings(found: &Value, section: &str) -> Vec<String> {
    found[section].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap().to_owned()).collect()
}

fn why(found: &Value) -> String {
    found["why"].to_string()
}

/// Official lists that leave out patient 24, and a training on them.
fn without_24(study: &Study, dataset: &str, split: &str, run: &str) {
    std::fs::create_dir_all(study.path("lists")).unwrap();
    for (from, to) in [("train_val.txt", "lists/tv.txt"), ("test.txt", "lists/test.txt")] {
        let text = std::fs::read_to_string(study.path(from)).unwrap();
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("00000024")).collect();
        std::fs::write(study.path(to), kept.join("\n") + "\n").unwrap();
    }
    study.ok(&format!("split import {dataset} {IMPORT} --name {split}"));
    study.ok(&format!(
        "train --dataset {dataset} --split {split} --model mlp --set epochs=2 --threads 1 --name {run}"
    ));
}

#[test]
fn a_result_beside_itself_is_one_and_runs_of_two_folds_part_at_the_fold() {
    let study = Study::trained();
    let same = study.json("diff mlp-s-f0 mlp-s-f0");
    assert_eq!((&same["equal"], &same["first"]), (&json!(true), &Value::Null));
    let found = study.json("diff mlp-s-f0 mlp-s-f1");
    assert_eq!(found["equal"], json!(false));
    assert_eq!((&found["first"]["path"], &found["first"]["fields"]), (&json!("spec"), &json!(["/fold"])));
    assert_eq!(found["parts"].as_array().unwrap().len(), 1, "what follows from it is no parting: {found}");
    assert_eq!(settings(&found, "configuration"), ["fold"]);
    assert_eq!(found["split"][0]["same"], json!(false));
    assert!(settings(&found, "numbers").contains(&"test AUC mean".to_owned()));
    let text = study.ok("diff mlp-s-f0 mlp-s-f1");
    let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word} in {text}"));
    let order = ["\ndata:", "\nsplit:", "\nconfiguration:", "\ncode:", "\nenvironment:", "\nnumbers:"];
    assert!(order.map(at).is_sorted(), "{text}");
    let models = study.json("diff mlp-s-f0 tiny-s-f0");
    assert!(settings(&models, "configuration").iter().any(|what| what.starts_with("model.")));
}

#[test]
fn another_seed_is_a_cause_and_threads_are_environment() {
    let study = Study::divided();
    study.ok(&format!("{MLP} --name one"));
    study.ok(&format!("{MLP} --seed 9 --name seeded"));
    study.ok(&format!("{} --threads 2 --name two", MLP.replace("--threads 1 ", "")));
    let seeded = study.json("diff one seeded");
    assert_eq!(seeded["first"]["fields"], json!(["/seed"]));
    assert!(why(&seeded).contains("can matter: settings: seed"), "{seeded}");
    let threads = study.json("diff one two");
    assert!(settings(&threads, "environment").contains(&"threads".to_owned()), "{threads}");
    assert!(why(&threads).contains("threads: sums are in another order"), "{threads}");
    assert_eq!(settings(&threads, "configuration"), Vec::<String>::new());
}

#[test]
fn tables_that_differ_in_what_cannot_matter_are_equal_and_it_is_said_why() {
    let study = Study::new();
    study.ok(INGEST);
    without_24(&study, "tiny", "o", "first");
    // The same rows in other bytes.
    study.edit("data.csv", |text| text.replace('\n', "\r\n"));
    study.ok(&INGEST.replace("--name tiny", "--name bytes"));
    without_24(&study, "bytes", "ob", "second");
    let data = study.json("dataset diff tiny bytes");
    assert_eq!((&data["same_images"], &data["same_metadata"]), (&json!(true), &json!(false)));
    assert!(study.ok("dataset diff tiny bytes").contains("equal: both say the same of every image"));
    let found = study.json("diff first second");
    assert_eq!(found["equal"], json!(true), "{found}");
    assert!(why(&found).contains("cannot matter: the metadata files differ in bytes"), "{found}");
    assert_eq!(found["first"]["path"], json!("spec.dataset.metadata"));
    // Another label of an image that no subset holds.
    study.edit("data.csv", |text| text.replace("00000024_000.png,Mass", "00000024_000.png,Hernia"));
    study.ok(&INGEST.replace("--name tiny", "--name outside"));
    without_24(&study, "outside", "oo", "third");
    let tables = [("tiny", "o"), ("outside", "oo")].map(|(dataset, split)| {
        let train = "--model mlp --set epochs=2 --threads 1";
        let known = study.json(&format!("train --dataset {dataset} --split {split} {train}"));
        assert_eq!(known["cached"], json!(true));
        known["table"].as_str().unwrap().to_owned()
    });
    let found = study.json(&format!("diff {} {}", tables[0], tables[1]));
    assert_eq!(found["equal"], json!(true), "{found}");
    let text = why(&found);
    assert!(
        text.contains("cannot matter: the data sets differ in 1 images, in nothing that entered"),
        "{text}"
    );
    assert!(!text.contains("could have mattered"), "{text}");
    assert_eq!(found["data"][0]["relabelled"][0]["gained"], json!(["Hernia"]));
}

#[test]
fn a_relabelled_training_image_is_a_cause() {
    let study = Study::new();
    study.ok(INGEST);
    without_24(&study, "tiny", "o", "first");
    study.edit("data.csv", |text| {
        text.replace("00000001_000.png,Atelectasis|Hernia", "00000001_000.png,Mass")
    });
    study.ok(&INGEST.replace("--name tiny", "--name other"));
    without_24(&study, "other", "oo", "second");
    let found = study.json("diff first second");
    assert!(why(&found).contains("data: 1 images relabelled"), "{found}");
    assert_eq!(found["data"][0]["relabelled"][0]["lost"], json!(["Atelectasis", "Hernia"]));
    assert!(study.ok("diff first second").contains("00000001_000.png +Mass -Atelectasis -Hernia"));
    study.ok("diff o oo");
    study.ok("diff tiny other");
    study.refused(1, "diff tiny o", &["a dataset and a split are not compared"]);
    study.refused(1, "diff first tiny", &["are not compared with each other"]);
}
