//! The main task, end to end: ingest, split, train, compare, trace, verify, reproduce.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::harness::{INGEST, MLP, Study, TINY, files, id_of};

#[test]
fn an_ingest_counts_images_patients_and_bytes() {
    let study = Study::new();
    let answer = study.json(INGEST);
    assert_eq!((&answer["images"], &answer["patients"]), (&json!(30), &json!(24)));
    let bytes: u64 = files(&study.path("images")).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!((&answer["bytes"], &answer["missing"]), (&json!(bytes), &json!(0)));
    // The images, metadata, box list, both packed, the record.
    assert_eq!(answer["new_objects"], json!(35));
    for path in files(&study.path("images")) {
        assert_eq!(fs::read(study.object(&id_of(&path))).unwrap(), fs::read(&path).unwrap());
    }
}

#[test]
fn statistics_count_what_the_metadata_says() {
    let study = Study::divided();
    let stats = study.json("dataset stats tiny");
    assert_eq!((&stats["images"], &stats["patients"]), (&json!(30), &json!(24)));
    let metadata = fs::read_to_string(study.path("data.csv")).unwrap();
    let rows: Vec<Vec<&str>> = metadata.lines().skip(1).map(|row| row.split(',').collect()).collect();
    for (label, counts) in stats["labels"].as_object().unwrap() {
        let positives = rows.iter().filter(|row| row[1].split('|').any(|l| l == label.as_str())).count();
        assert_eq!(counts["positives"], json!(positives), "{label}");
        let prevalence = counts["prevalence"].as_f64().unwrap();
        assert!((prevalence - positives as f64 / 30.0).abs() < 1e-12, "{label}");
    }
    assert_eq!(stats["labels"].as_object().unwrap().len(), 15);
    let ages: Vec<f64> = rows.iter().map(|row| row[4].parse().unwrap()).collect();
    let mean = ages.iter().sum::<f64>() / 30.0;
    assert!((stats["age"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9);
    let text = study.ok("dataset stats tiny");
    assert!(text.contains("Pleural_Thickening") && text.contains('█'), "{text}");
}

#[test]
fn a_second_training_answers_from_the_registry_with_the_same_ids() {
    let study = Study::trained();
    for (name, command) in [("tiny-s-f0", TINY), ("mlp-s-f0", MLP)] {
        let first: Value =
            serde_json::from_slice(&fs::read(study.path(&format!("answers/{name}.json"))).unwrap()).unwrap();
        assert_eq!((&first["cached"], &first["name"]), (&json!(false), &json!(name)));
        let second = study.json(command);
        assert_eq!(second["cached"], json!(true));
        for key in ["run", "name", "spec", "checkpoint", "predictions", "table", "auc"] {
            assert!(!first[key].is_null(), "{key}");
            assert_eq!(first[key], second[key], "{key}");
        }
        assert_eq!(first["auc"].as_object().unwrap().len(), 16, "fifteen labels and their mean");
    }
    study.is_sound();
    study.nothing_staged();
    assert_eq!(fs::read_dir(study.path(".reg/live")).unwrap().count(), 0);
}

#[test]
fn a_comparison_gives_aucs_over_folds_rank_correlations_and_paired_tests() {
    let study = Study::trained();
    let answer = study.json("compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1");
    assert_eq!(answer["table"].as_str(), Some(study.id("table").as_str()), "the same table again");
    assert_eq!(answer["spearman"]["models"], json!(["tiny", "mlp"]));
    let matrix = &answer["spearman"]["matrix"];
    assert_eq!((&matrix[0][0], &matrix[1][1]), (&json!(1.0), &json!(1.0)));
    assert_eq!(matrix[0][1], matrix[1][0]);
    assert!(matrix[0][1].as_f64().unwrap().abs() <= 1.0);
    for model in ["tiny", "mlp"] {
        let labels = answer["auc"][model].as_object().unwrap();
        assert_eq!(labels.len(), 16);
        for (label, spread) in labels {
            let folds: Vec<f64> =
                spread["folds"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
            assert_eq!(spread["n"], json!(folds.len()), "{label}");
            let (mean, std) = (spread["mean"].as_f64(), spread["std"].as_f64());
            match folds[..] {
                [a, b] => {
                    assert!((mean.unwrap() - (a + b) / 2.0).abs() < 1e-12, "{label}");
                    assert!((std.unwrap() - (a - b).abs() / 2f64.sqrt()).abs() < 1e-12, "{label}");
                    assert_eq!(spread["min"], json!(a.min(b)));
                    assert_eq!(spread["max"], json!(a.max(b)));
                }
                [a] => assert_eq!((mean, std), (Some(a), None), "{label}"),
                _ => assert_eq!((mean, std), (None, None), "{label}"),
            }
        }
        // The AUC of a fold is the one that its training reported.
        for fold in [0, 1] {
            let file = study.path(&format!("answers/{model}-s-f{fold}.json"));
            let trained: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            assert_eq!(labels["mean"]["folds"][fold], trained["auc"]["mean"]);
        }
    }
    for test in answer["delong"].as_array().unwrap() {
        assert_eq!((&test["a"], &test["b"]), (&json!("tiny"), &json!("mlp")));
        assert!(test["p"].is_null() || (0.0..=1.0).contains(&test["p"].as_f64().unwrap()), "{test}");
    }
    assert!(!answer["delong"].as_array().unwrap().is_empty());
}

#[test]
fn tables_are_written_as_csv_markdown_and_latex() {
    let study = Study::trained();
    for command in ["compare tiny-s-f0 mlp-s-f0", "show table", "dataset stats tiny", "split show s", MLP] {
        let csv = study.ok(&format!("{command} --format csv"));
        // Tables follow each other with an empty line between them; fields are quoted where needed.
        for table in csv.split("\n\n") {
            let rows: Result<Vec<_>, _> = csv::Reader::from_reader(table.as_bytes()).into_records().collect();
            assert!(rows.is_ok_and(|rows| !rows.is_empty()), "{csv}");
        }
        let markdown = study.ok(&format!("{command} --format markdown"));
        assert!(
            markdown.lines().any(|line| line.starts_with("| --") || line.starts_with("|--")),
            "{markdown}"
        );
        let latex = study.ok(&format!("{command} --format latex"));
        assert!(latex.contains("\\begin{tabular}") && latex.contains("\\bottomrule"), "{latex}");
    }
    // Every recorded digit, not the rounded values of the text table.
    let recorded = study.json("compare tiny-s-f0 mlp-s-f0")["auc"]["tiny"]["mean"]["mean"].to_string();
    assert!(study.ok("compare tiny-s-f0 mlp-s-f0 --format csv").contains(&recorded));
}

#[test]
fn an_incomparable_comparison_is_refused_with_the_reason() {
    let study = Study::trained();
    let before = study.json("list")["records"].clone();
    // Another fold.
    study.refused(
        3,
        "compare tiny-s-f0 mlp-s-f1",
        &["re-sampling", "tiny", "mlp", "hint: only scores of the same images"],
    );
    // A third model whose test images are others.
    study.ok("split make tiny --folds 2 --seed 7 --name other");
    study.ok("train --dataset tiny --split other --model mlp --set epochs=1 --set hidden=[4] --threads 1 --name third");
    study.refused(3, "compare tiny-s-f0 third", &["different images", "re-sampling 0", "hint:"]);
    study.refused(
        3,
        "compare tiny-s-f0 mlp-s-f0 third --by run",
        &["different images", "third", "re-sampling 0"],
    );
    // The same images of another subset.
    let validated = study.json("eval mlp-s-f0 --subset val")["predictions"].as_str().unwrap().to_owned();
    study.refused(
        3,
        &format!("compare tiny-s-f0 {validated}"),
        &["different subsets", "hint: `reg eval mlp-s-f0`"],
    );
    // A data set cannot be compared at all.
    study.refused(1, "compare tiny-s-f0 tiny", &["`tiny` is a dataset"]);
    let after = study.json("list table")["records"].as_array().unwrap().len();
    let tables = before.as_array().unwrap().iter().filter(|record| record["kind"] == "table").count();
    assert_eq!(after, tables + 2, "the third run's table and that of `eval`, and no comparison");
}

#[test]
fn an_evaluation_judges_another_subset_once() {
    let study = Study::trained();
    let first = study.json("eval tiny-s-f0 --subset train");
    assert_eq!((&first["subset"], &first["cached"]), (&json!("train"), &json!(false)));
    let second = study.json("eval tiny-s-f0 --subset train");
    assert_eq!((&second["cached"], &second["table"]), (&json!(true), &first["table"]));
    assert_eq!(first["auc"], second["auc"]);
    // The table of the test subset is the one from the training.
    let trained: Value =
        serde_json::from_slice(&fs::read(study.path("answers/tiny-s-f0.json")).unwrap()).unwrap();
    assert_eq!(study.json("eval tiny-s-f0")["table"], trained["table"]);
}

#[test]
fn a_prediction_gives_a_probability_for_each_label_and_records_nothing() {
    let study = Study::trained();
    let before = files(&study.path(".reg/objects"));
    let answer = study.json("predict tiny-s-f0 images/00000001_000.png images/00000024_001.png");
    let images = answer["images"].as_array().unwrap();
    assert_eq!(images[0]["path"], json!("images/00000001_000.png"));
    for image in images {
        let scores = image["scores"].as_object().unwrap();
        assert_eq!(scores.len(), 15);
        assert!(scores.values().all(|p| (0.0..=1.0).contains(&p.as_f64().unwrap())), "{image}");
    }
    assert_ne!(images[0]["scores"], images[1]["scores"]);
    assert_eq!(before, files(&study.path(".reg/objects")));
    study.refused(1, "predict tiny-s-f0 nowhere.png", &["nowhere.png"]);
    fs::write(study.path("text.png"), "no image").unwrap();
    study.refused(1, "predict tiny-s-f0 text.png", &["text.png"]);
}

#[test]
fn a_table_is_traced_up_to_every_image_metadata_split_code_and_weights() {
    let study = Study::trained();
    let graph = study.json("trace table");
    let nodes = graph["nodes"].as_array().unwrap();
    let ids: BTreeSet<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), nodes.len(), "each node once");
    for path in files(&study.path("images")) {
        let node = nodes.iter().find(|node| node["id"] == json!(id_of(&path))).expect("every image");
        assert_eq!(node["kind"], json!("image"));
        assert_eq!(node["name"], json!(path.file_name().unwrap().to_str().unwrap()));
        assert!(node["row"].as_u64().unwrap() >= 1, "its row in the metadata");
    }
    assert!(ids.contains(id_of(&study.path("data.csv")).as_str()) && ids.contains(study.id("s").as_str()));
    for kind in [
        "table",
        "predictions",
        "run",
        "spec",
        "software",
        "split",
        "assignment",
        "dataset",
        "manifest",
        "execution",
    ] {
        assert!(nodes.iter().any(|node| node["kind"] == json!(kind)), "{kind}");
    }
    let edges = graph["edges"].as_array().unwrap();
    let end = |edge: &Value, key: &str| edge[key].as_str().unwrap().to_owned();
    assert!(
        edges.iter().all(|e| ids.contains(end(e, "from").as_str()) && ids.contains(end(e, "to").as_str()))
    );
    for role in ["sources", "checkpoint", "scores", "metadata", "image"] {
        assert!(edges.iter().any(|edge| edge["role"] == json!(role)), "{role}");
    }
    assert_eq!(study.json("trace table --format json --up"), graph);

    let tree = study.ok("trace table");
    assert!(
        tree.starts_with("table ") && tree.contains("manifest") && tree.contains("more images"),
        "{tree}"
    );
    assert!(study.ok("trace table --all").contains("00000024_001.png"));
    let dot = study.ok("trace table --format dot");
    assert!(dot.starts_with("digraph") && dot.trim_end().ends_with('}') && dot.contains("->"), "{dot}");
}

#[test]
fn an_image_is_traced_down_to_every_table_that_it_touched() {
    let study = Study::trained();
    let image = id_of(&study.path("images/00000010_001.png"));
    let graph = study.json(&format!("trace --down {image}"));
    let nodes = graph["nodes"].as_array().unwrap();
    let table = study.id("table");
    assert!(nodes.iter().any(|node| node["id"] == json!(table)));
    for name in ["tiny", "s", "tiny-s-f0"] {
        assert!(nodes.iter().any(|node| node["name"] == json!(name)), "{name}");
    }
    // The image is a test image of the other fold: its run has not seen the image, only scored it.
    let judging = nodes.iter().find(|node| node["name"] == json!("mlp-s-f1")).unwrap();
    assert_eq!((&judging["uses"]["trained"], &judging["uses"]["scored"]), (&json!(0), &json!(1)));
    let text = study.ok(&format!("trace --down {}", &image[..8]));
    assert!(text.contains("00000010_001.png") && text.contains("run mlp-s-f1 "), "{text}");
    assert!(text.contains("scored 1, not trained on them"), "{text}");
}

#[test]
fn what_is_there_can_be_listed_shown_printed_logged_and_named() {
    let study = Study::trained();
    let listed = study.json("list");
    let kinds: Vec<&str> =
        listed["records"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
    // Of each run the AUCs of its test and validation images, and a comparison.
    assert_eq!(kinds, [&["dataset", "split"][..], &["run"; 4], &["table"; 9]].concat());
    assert_eq!(study.json("list runs")["records"].as_array().unwrap().len(), 4);
    assert_eq!(study.json("dataset list")["records"][0]["name"], json!("tiny"));
    study.refused(1, "list paintings", &["no kind `paintings`", "hint: there are dataset"]);

    let shown = study.json("show tiny-s-f0");
    assert_eq!(shown["record"]["kind"], json!("run"));
    assert_eq!(study.json("dataset show tiny")["record"]["images"], json!(30));
    let id = study.id("tiny");
    let bytes = study.reg(&format!("cat {id}")).stdout;
    assert_eq!(reg::hash::Hash::of(&bytes).to_string(), id, "the bytes are those that the id is the hash of");
    let image = study.path("images/00000001_000.png");
    assert_eq!(study.reg(&format!("cat {}", id_of(&image))).stdout, fs::read(&image).unwrap());

    let tagged = study.json("tag best mlp-s-f1");
    assert_eq!((tagged["name"].as_str(), &tagged["was"]), (Some("best"), &Value::Null));
    let moved = study.json("tag best tiny-s-f1");
    assert_eq!(moved["was"], tagged["id"]);
    assert_eq!(study.id("best"), study.id("tiny-s-f1"));
    study.ok("tag best --delete");
    study.refused(1, "show best", &["`best`"]);
    study.refused(1, "tag best --delete", &["`best`"]);
    let events = study.json("log best")["events"].clone();
    let commands: Vec<&str> =
        events.as_array().unwrap().iter().map(|event| event["command"].as_str().unwrap()).collect();
    assert_eq!(
        commands,
        ["reg tag best --delete", "reg --json tag best tiny-s-f1", "reg --json tag best mlp-s-f1"]
    );
    assert!(study.ok("log").lines().count() >= 10);
    for bad in ["-x", "a/b", "abcdef", "../x"] {
        assert_ne!(study.reg(&format!("tag -- {bad} tiny")).code, 0, "{bad}");
    }
    study.refused(1, "show tinny", &["`tinny`", "hint: did you mean tiny"]);
}

#[test]
fn a_run_is_reproduced_to_the_bit_and_nothing_is_recorded() {
    let study = Study::trained();
    let before = files(&study.path(".reg/objects"));
    for run in ["tiny-s-f0", "mlp-s-f1"] {
        let answer = study.json(&format!("reproduce {run}"));
        assert_eq!((&answer["identical"], &answer["differences"]), (&json!(true), &json!([])));
        let outputs =
            ["checkpoint", "log", "predictions", "table", "validation predictions", "validation table"];
        assert_eq!(answer["compared"], json!(outputs));
    }
    assert_eq!(before, files(&study.path(".reg/objects")));
    study.nothing_staged();
}

#[test]
fn shells_get_completions_and_people_a_manual() {
    let study = Study::bare();
    for shell in ["bash", "zsh", "fish"] {
        assert!(study.ok(&format!("completions {shell}")).contains("REG_COMPLETE"), "{shell}");
    }
    assert!(study.ok("man").contains(".TH reg"));
    assert!(study.ok("man ingest").contains("metadata"));
    assert!(study.ok("man study run").contains("\\-\\-jobs") && study.ok("man").contains("reg\\-study(1)"));
    study.ok("man -o pages");
    assert!(study.path("pages/reg-study-run.1").exists() && study.path("pages/reg.1").exists());
    study.refused(1, "man paint", &["`paint`"]);
    assert!(study.ok("--help").contains("ingest") && study.ok("--version").starts_with("reg "));
    assert!(study.ok("--version").contains(" build of ") && !study.ok("-V").contains("build"));
}
