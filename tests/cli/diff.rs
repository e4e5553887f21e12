//! The differences between two results, in the order of their effect, and whether each can have mattered.

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
    assert!(why(&seeded).contains("possible cause: settings: seed"), "{seeded}");
    let threads = study.json("diff one two");
    assert!(settings(&threads, "environment").contains(&"threads".to_owned()), "{threads}");
    assert!(why(&threads).contains("threads: sums are in a different order"), "{threads}");
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
    assert!(
        study.ok("dataset diff tiny bytes").contains("equal: both data sets record the same for every image")
    );
    let found = study.json("diff first second");
    assert_eq!(found["equal"], json!(true), "{found}");
    assert!(why(&found).contains("no effect: the metadata files differ in bytes"), "{found}");
    assert_eq!(found["first"]["path"], json!("spec.dataset.metadata"));
    // Another label of an image that is in no subset.
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
    assert!(text.contains("no effect: the data sets differ in 1 image, but in no field"), "{text}");
    assert!(!text.contains("possible cause without effect"), "{text}");
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
    assert!(why(&found).contains("data: 1 image relabelled"), "{found}");
    assert_eq!(found["data"][0]["relabelled"][0]["lost"], json!(["Atelectasis", "Hernia"]));
    assert!(study.ok("diff first second").contains("00000001_000.png +Mass -Atelectasis -Hernia"));
    // For comparisons of two folds each, the differences of the data sets are shown once.
    for (dataset, split) in [("tiny", "two"), ("other", "others")] {
        study.ok(&format!("split make {dataset} --folds 2 --name {split}"));
        for fold in ["0", "1"] {
            let command = format!("train --dataset {dataset} --split {split} --fold {fold}");
            study.ok(&format!("{command} --model mlp --set epochs=1 --threads 1 --name {split}-f{fold}"));
        }
        study.ok(&format!("compare {split}-f0 {split}-f1 --name {split}-table"));
    }
    let folds = study.json("diff two-table others-table");
    assert_eq!(folds["data"].as_array().unwrap().len(), 1, "{folds}");
    assert_eq!(why(&folds).matches("1 image relabelled").count(), 1, "{folds}");
    let paths = |found: &Value| {
        found["parts"].as_array().unwrap().iter().map(|at| at["path"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(paths(&found), ["spec.dataset.metadata"], "the rest follows from the file: {found}");
    assert_eq!(paths(&study.json("diff o oo")), ["dataset.metadata"]);
    assert_eq!(paths(&study.json("diff tiny other")), ["metadata"]);
    let text = study.ok("diff tiny other");
    assert!(!text.contains("numbers") && !text.contains("environment"), "a data set has none: {text}");
    study.refused(1, "diff tiny o", &["a data set and a split cannot be compared"]);
    study.refused(1, "diff first tiny", &["cannot be compared"]);
}

#[test]
fn the_first_part_is_the_file_that_changed_and_an_image_only_where_it_did() {
    let study = Study::new();
    study.ok(INGEST);
    // Rows in another order.
    study.edit("data.csv", |text| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1..].reverse();
        lines.join("\n") + "\n"
    });
    study.ok(&INGEST.replace("--name tiny", "--name order"));
    let found = study.json("diff tiny order");
    assert_eq!((&found["equal"], &found["first"]["path"]), (&json!(true), &json!("metadata")));
    assert_eq!(found["parts"].as_array().unwrap().len(), 1, "{found}");
    // Another image of the same name.
    std::fs::copy(study.path("images/00000003_000.png"), study.path("images/00000001_000.png")).unwrap();
    study.ok(&INGEST.replace("--name tiny", "--name pixels"));
    let found = study.json("diff order pixels");
    let first = &found["first"];
    assert_eq!((&first["path"], &first["fields"]), (&json!("manifest"), &json!(["00000001_000.png"])));
    assert_eq!(found["parts"].as_array().unwrap().len(), 1, "{found}");
    assert!(study.ok("diff order pixels").contains("in 00000001_000.png"));
    let both = study.json("diff tiny pixels");
    let paths: Vec<&str> =
        both["parts"].as_array().unwrap().iter().map(|at| at["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["manifest", "metadata"]);
    // A split of it with another seed diverges at the seed.
    study.ok("split make tiny --seed 1 --folds 2 --name one");
    study.ok("split make tiny --seed 2 --folds 2 --name two");
    let found = study.json("diff one two");
    assert_eq!(found["first"]["fields"], json!(["/method/seed"]));
    assert_eq!(found["parts"].as_array().unwrap().len(), 1, "{found}");
}

#[test]
fn comparisons_of_the_same_models_and_labels_in_another_order_are_equal() {
    let study = Study::trained();
    let asked = "--bootstrap 100 --metrics --by model,gender";
    let (tiny, mlp) = ("tiny-s-f0 tiny-s-f1", "mlp-s-f0 mlp-s-f1");
    study.ok(&format!("compare {tiny} {mlp} {asked} --name one"));
    study.ok(&format!("compare {mlp} {tiny} {asked} --name two"));
    let found = study.json("diff one two");
    assert_eq!((&found["equal"], &found["numbers"]), (&json!(true), &json!([])), "{found}");
    assert!(why(&found).contains("the same models in a different order"), "{found}");
    assert!(!why(&found).contains("matter"), "{found}");
    assert_eq!(found["first"]["fields"], json!(["/models"]));
    let record = study.json("show one");
    let labels = record["record"]["models"][0]["labels"].as_array().unwrap();
    let names: Vec<&str> = labels.iter().rev().map(|label| label["label"].as_str().unwrap()).collect();
    let reversed = names.join(",").replace("No Finding,", "").replace(",No Finding", "");
    let straight = reversed.split(',').rev().collect::<Vec<_>>().join(",");
    study.ok(&format!("compare {tiny} {mlp} {asked} --labels {straight} --name straight"));
    study.ok(&format!("compare {mlp} {tiny} {asked} --labels {reversed} --name reversed"));
    let found = study.json("diff straight reversed");
    assert_eq!(found["equal"], json!(true), "{found}");
    assert!(why(&found).contains("the same labels in a different order"), "{found}");
    // Scores of more labels are the same for the shared labels.
    study.ok(&format!("compare {tiny} {mlp} --name plain"));
    let found = study.json("diff plain one");
    assert_eq!(settings(&found, "numbers"), ["bootstrap", "group tests", "groups", "metrics"]);
    assert!(why(&found).contains("the numbers of both sides are equal to the last digit"), "{found}");
    // A ranking is a part of a table, too.
    study.ok(&format!("compare {mlp} {tiny} --rank --name ranked"));
    let found = study.json("diff plain ranked");
    assert_eq!(found["numbers"], json!([{ "what": "ranking", "a": null, "b": "there" }]), "{found}");
    // Values of the same subject are told by it.
    study.ok(&format!("compare {tiny} {mlp} --variance delong --name delong"));
    let numbers = settings(&study.json("diff plain delong"), "numbers");
    let differs = |what: &str| numbers.iter().any(|own| own == what);
    assert!(differs("paired tiny - mlp No Finding std error division 1"), "{numbers:?}");
    assert!(
        differs("AUC mlp No Finding df division 1") && !differs("AUC mlp No Finding division 1"),
        "{numbers:?}"
    );
    // Another seed of the bootstrap is not.
    study.ok(&format!("compare {mlp} {tiny} {asked} --seed 2 --name seeded"));
    let found = study.json("diff one seeded");
    assert_eq!(found["equal"], json!(false));
    assert_eq!(settings(&found, "configuration"), ["resamples and seed"]);
    let numbers = settings(&found, "numbers");
    assert!(numbers.iter().all(|what| what.starts_with("bootstrap")), "{numbers:?}");
    // The same columns under other names.
    study.ok("compare tiny-s-f0 mlp-s-f0 --name models");
    study.ok("compare tiny-s-f0 mlp-s-f0 --by run --name runs");
    let found = study.json("diff models runs");
    assert_eq!(found["equal"], json!(true), "{found}");
    assert!(why(&found).contains("the model tiny under the name tiny-s-f0"), "{found}");
}

#[test]
fn a_name_that_a_model_is_given_cannot_matter() {
    let study = Study::trained();
    let all = study.json("list predictions")["records"].clone();
    let of_tiny = |record: &&Value| record["summary"].as_str().unwrap().starts_with("tiny, division 0, test");
    let scores = all.as_array().unwrap().iter().find(of_tiny).unwrap()["id"].as_str().unwrap().to_owned();
    study.ok(&format!("export {scores} -o scores.csv"));
    for name in ["ours", "theirs"] {
        study.ok(&format!(
            "predictions import scores.csv --logits --dataset tiny --split s --fold 0 --name {name} --model {name}"
        ));
        study.ok(&format!("compare {name} mlp-s-f0 --name with-{name}"));
    }
    for (one, other) in [("ours", "theirs"), ("with-ours", "with-theirs")] {
        let found = study.json(&format!("diff {one} {other}"));
        assert_eq!((&found["equal"], &found["numbers"]), (&json!(true), &json!([])), "{found}");
        let said = "no effect: the same scores belong to ours in a and to theirs in b";
        assert!(why(&found).contains(said), "{found}");
        assert_eq!(found["first"]["fields"], json!(["/model"]), "{found}");
    }
    // Scores that were exported and imported are the same.
    study.ok("compare tiny-s-f0 mlp-s-f0 --name own");
    let found = study.json("diff own with-ours");
    assert_eq!(found["equal"], json!(true), "{found}");
    assert!(why(&found).contains("possible cause without effect: settings: imported file"), "{found}");
    // The origin of another tool's scores is unknown.
    assert_eq!(settings(&found, "code"), ["numerics"]);
    assert!(found["code"][0]["a"].is_object() && found["code"][0]["b"].is_null(), "{found}");
    assert_eq!(settings(&found, "environment"), ["threads", "device"]);
    // Logits and their probabilities.
    study.edit("scores.csv", |text| {
        let mut lines = text.lines();
        let mut out = lines.next().unwrap().to_owned() + "\n";
        for line in lines {
            let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            for cell in &mut cells[2..] {
                *cell = (1.0 / (1.0 + (-cell.parse::<f64>().unwrap()).exp())).to_string();
            }
            out += &(cells.join(",") + "\n");
        }
        out
    });
    study.ok("predictions import scores.csv --dataset tiny --split s --fold 0 --name likely --model likely");
    let found = study.json("diff ours likely");
    assert!(!settings(&found, "numbers").contains(&"largest difference of a score".to_owned()), "{found}");
    let apart = found["numbers"].as_array().unwrap().iter();
    let apart: Vec<f64> = apart
        .filter(|change| change["what"].as_str().unwrap().starts_with("largest"))
        .map(|change| change["b"].as_f64().unwrap())
        .collect();
    assert!(apart.iter().all(|apart| *apart < 1e-12), "{apart:?}");
    // A model of only one table is one line, and the other models are compared.
    study.ok("compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1 --name both");
    study.ok("compare tiny-s-f0 tiny-s-f1 --name alone");
    let found = study.json("diff alone both");
    assert_eq!(found["numbers"], json!([{ "what": "model", "a": null, "b": "mlp" }]), "{found}");
}

#[test]
fn what_a_split_was_drawn_of_and_what_groups_look_at_can_matter_and_nothing_else() {
    let study = Study::divided();
    let train = |dataset: &str, split: &str, name: &str| {
        study.ok(&format!(
            "train --dataset {dataset} --split {split} --model tiny --set epochs=1 --threads 1 --name {name}"
        ))
    };
    train("tiny", "s", "one");
    // Only ages differ, which neither this network nor a table by gender uses.
    study.edit("data.csv", |text| text.replace(",57,M,PA,", ",58,M,PA,"));
    study.ok("ingest images --metadata data.csv --boxes boxes.csv --name older");
    study.ok("split make older --folds 2 --name o");
    train("older", "o", "two");
    for name in ["one", "two"] {
        study.ok(&format!("compare {name} --by model,gender --name {name}-table"));
        study.ok(&format!("compare {name} --by model,age --name {name}-by-age"));
    }
    let found = study.json("diff one-table two-table");
    assert!(
        found["equal"] == json!(true) && why(&found).contains("no effect: the data sets differ in"),
        "{found}"
    );
    assert!(!why(&found).contains("possible cause without effect: data"), "{found}");
    assert!(why(&study.json("diff one-by-age two-by-age")).contains("data: "));
    // Two patients that are one now, and are resampled as one.
    study.edit("data.csv", |text| text.replace(",0,2,", ",0,3,"));
    study.ok("ingest images --metadata data.csv --boxes boxes.csv --name merged");
    study.ok("split make merged --folds 2 --name m");
    train("merged", "m", "three");
    let found = study.json("diff two three");
    assert_eq!(found["equal"], json!(false), "{found}");
    assert!(
        why(&found).contains("possible cause: data: the images from which the split was drawn"),
        "{found}"
    );
    assert!(!why(&found).contains("no effect: the data sets"), "{found}");
}

#[test]
fn folds_that_only_one_of_two_has_are_told() {
    let study = Study::trained();
    study.ok("split make tiny --folds 2 --name few");
    study.ok("split make tiny --folds 3 --name many");
    let found = study.json("diff few many");
    assert_eq!((&found["equal"], &found["folds"][0]), (&json!(false), &json!([])), "{found}");
    assert_eq!(found["first"]["fields"], json!(["/folds"]), "{found}");
    assert_eq!(found["folds"][1], json!([{ "split": study.id("many"), "fold": 2 }]));
    assert!(why(&found).contains("a has 2 divisions, b has 3"), "{found}");
    let text = study.ok("diff few many");
    assert!(text.contains("division 2: only in b") && !text.contains("split: the same"), "{text}");
    // Comparisons of two models, of another fold each.
    for fold in ["0", "1"] {
        study.ok(&format!("compare tiny-s-f{fold} mlp-s-f{fold} --name of-{fold}"));
    }
    let found = study.json("diff of-0 of-1");
    assert!(why(&found).contains("split: only a has division 0, only b has division 1"), "{found}");
    assert!(why(&found).contains("scores: 2 only in a, 2 only in b"), "{found}");
    let text = study.ok("diff of-0 of-1");
    assert!(text.contains("division 0: only in a") && text.contains("division 1: only in b"), "{text}");
    study.ok("compare tiny-s-f0 mlp-s-f0 tiny-s-f1 --allow-different-images --name more");
    assert!(why(&study.json("diff of-0 more")).contains("scores: 1 only in b"));
    let predictions = study.json("list predictions")["records"][0]["id"].as_str().unwrap().to_owned();
    study.refused(1, &format!("diff few {predictions}"), &["a split and predictions cannot be compared"]);
}

#[test]
fn results_of_other_things_are_never_the_same() {
    let study = Study::trained();
    let table = |answer: &str| study.json(answer)["table"].as_str().unwrap().to_owned();
    let of_run = |run: &str| -> String {
        let text = std::fs::read_to_string(study.path(&format!("answers/{run}.json"))).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["table"].as_str().unwrap().to_owned()
    };
    // An AUC table and a comparison of the same predictions.
    let found = study.json(&format!("diff table {}", of_run("mlp-s-f0")));
    assert_eq!(found["equal"], json!(false));
    let parts = found["configuration"].as_array().unwrap().iter().filter(|change| change["what"] == "part");
    let parts: Vec<&Value> = parts.collect();
    assert_eq!(parts.len(), 3, "the fourth is in both: {found}");
    assert!(parts.iter().all(|part| part["b"].is_null()), "{found}");
    assert_eq!(settings(&found, "numbers"), ["kind of table"]);
    assert!(why(&found).contains("the numbers of both sides are equal"), "{found}");
    assert_eq!(found["first"]["fields"], json!(["/rules", "/type", "/variance"]));
    // Folds have other test images, models other scores, comparisons other labels.
    let found = study.json(&format!("diff {} {}", of_run("mlp-s-f0"), of_run("mlp-s-f1")));
    assert!(settings(&found, "numbers")[0].starts_with("evaluated images"), "{found}");
    let found = study.json(&format!("diff {} {}", of_run("mlp-s-f0"), of_run("tiny-s-f0")));
    assert!(settings(&found, "numbers").contains(&"model".to_owned()), "{found}");
    let labels =
        ["Infiltration", "Effusion"].map(|label| table(&format!("compare mlp-s-f0 --labels {label}")));
    let found = study.json(&format!("diff {} {}", labels[0], labels[1]));
    assert_eq!(
        (&found["equal"], settings(&found, "configuration")),
        (&json!(false), vec!["labels".to_owned()])
    );
    // Counts of different images.
    let counts = |name: &str| table(&format!("dataset stats {name} --name {name}-counts"));
    let all = counts("tiny");
    study.edit("data.csv", |text| text.replace("00000001_000.png", "00000001_900.png"));
    std::fs::rename(study.path("images/00000001_000.png"), study.path("images/00000001_900.png")).unwrap();
    study.ok("ingest images --metadata data.csv --name renamed");
    let found = study.json(&format!("diff {all} {}", counts("renamed")));
    assert_eq!(found["equal"], json!(false), "{found}");
    assert_eq!(found["numbers"], json!([{ "what": "images counted on one side only", "a": 1, "b": 1 }]));
    let kinds = study.json(&format!("diff {all} {}", of_run("mlp-s-f0")));
    assert_eq!(
        (&kinds["equal"], settings(&kinds, "numbers")),
        (&json!(false), vec!["kind of table".to_owned()])
    );
    // Probes of two targets.
    study.ok("probe tiny-s-f0 --target view --name view");
    study.ok("probe tiny-s-f0 --target gender --name gender");
    let found = study.json("diff view gender");
    assert_eq!(
        (&found["equal"], settings(&found, "configuration")),
        (&json!(false), vec!["target".to_owned()])
    );
    study.ok("probe tiny-s-f1 --target view --name other");
    let numbers = settings(&study.json("diff view other"), "numbers");
    assert!(numbers.contains(&"probe threshold mean".to_owned()), "{numbers:?}");
    assert!(numbers.contains(&"probe threshold division 1".to_owned()), "{numbers:?}");
}
