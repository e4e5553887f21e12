//! `reg compare`: refusals, flags, and uncertainties.

use std::fs;

use reg::records::Subset;
use serde_json::{Value, json};

use crate::harness::Study;

const PAIR: &str = "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1";

/// Every output form of a command.
fn in_every_form(study: &Study, command: &str) -> Vec<String> {
    let forms =
        ["text", "csv", "markdown", "latex"].map(|form| study.ok(&format!("{command} --format {form}")));
    forms.into_iter().chain([study.json(command).to_string()]).collect()
}

/// A CSV with scores for a subset of `mlp-s-f0`'s fold; the score is the label itself.
pub(crate) fn theirs(study: &Study, labels: &[&str], subset: Subset) -> String {
    let test = study.json("show mlp-s-f0")["record"]["spec"].as_str().unwrap().to_owned();
    let split = study.json(&format!("show {test}"))["record"]["split"].as_str().unwrap().to_owned();
    let registry = study.registry();
    let split: reg::records::Split = registry.get(reg::hash::Id::new(split.parse().unwrap())).unwrap();
    let dataset = registry.get(split.dataset).unwrap();
    let manifest = registry.manifest(&dataset).unwrap();
    let rows = registry.assignment(&split).unwrap().rows(0, subset);
    let mut csv = format!("Image Index,{}\n", labels.join(","));
    for row in rows {
        let row = &manifest.rows[row as usize];
        let bit = |label: &&str| reg::dataset::labels::index(label).unwrap();
        // The labels themselves would be refused.
        let scores =
            labels.iter().map(|label| if row.label(bit(label)) == Some(true) { "0.9" } else { "0.1" });
        csv += &format!("{},{}\n", row.name, scores.collect::<Vec<_>>().join(","));
    }
    csv
}

#[test]
fn runs_of_a_label_that_differ_in_a_setting_are_refused_with_the_setting() {
    let study = Study::trained();
    study.ok(&format!("{} --set lr=0.5 --name fast", crate::harness::MLP));
    study.refused(
        1,
        "compare --label four=mlp-s-f0,fast",
        &[
            "mlp-s-f0 and fast are both in column four on re-sampling 0, but they differ in lr: ",
            " and 0.5",
            "its own --label",
        ],
    );
    study.refused(1, "compare mlp-s-f0 fast", &["both model mlp", "but they differ in lr: ", "--by run"]);
}

#[test]
fn scores_that_are_given_twice_count_once_and_that_is_said() {
    let study = Study::trained();
    let id = study.json("show mlp-s-f0")["id"].as_str().unwrap()[..12].to_owned();
    let once = study.json("compare mlp-s-f0 tiny-s-f0");
    let twice = study.reg(&format!("--json compare mlp-s-f0 tiny-s-f0 {id} mlp-s-f0"));
    twice.says(0, &["note: mlp-s-f0 was given 3 times and is compared once"]);
    assert_eq!(twice.json()["table"], once["table"], "the same table");
    let both = study.reg("compare mlp-s-f0 mlp-s-f0");
    both.says(0, &["note: mlp-s-f0 was given twice and is compared once"]);
    let labelled = study.reg("compare --label four=mlp-s-f0,mlp-s-f0 tiny-s-f0");
    labelled.says(0, &["note: mlp-s-f0 was given twice for four and is compared once"]);
    assert!(!study.reg("compare mlp-s-f0 --label four=mlp-s-f0").stderr.contains("note:"), "two columns");
}

#[test]
fn scores_of_another_subset_are_refused_with_the_subset_and_the_command() {
    let study = Study::trained();
    let validation =
        study.json("eval mlp-s-f0 --subset val")["predictions"].as_str().unwrap()[..12].to_owned();
    study.refused(
        3,
        &format!("compare {validation} tiny-s-f0"),
        &[
            "mlp and tiny have scores of different subsets of re-sampling 0: mlp of the validation images, tiny of the test images\n",
            "hint: `reg eval mlp-s-f0` scores the test images; then `reg compare mlp-s-f0 tiny-s-f0`",
        ],
    );
    study.ok("eval mlp-s-f0");
    study.ok("compare mlp-s-f0 tiny-s-f0");
    // In one column, too, it is the subset that differs.
    study.refused(
        1,
        &format!("compare {validation} mlp-s-f0 --by run"),
        &[
            "column mlp-s-f0 was given scores of both the validation and the test images of re-sampling 0",
            "hint:",
        ],
    );
    study.refused(3, &format!("compare {validation} mlp-s-f1"), &["subset val", "hint: `reg eval mlp-s-f0`"]);
}

#[test]
fn names_with_colons_can_be_the_primary_comparison() {
    let study = Study::trained();
    let columns = "compare --label lr:1=mlp-s-f0 --label lr:2=tiny-s-f0";
    let named = study.json(&format!("{columns} --primary lr:1:lr:2"))["primary"].clone();
    assert_eq!(named, json!({ "a": "lr:1", "b": "lr:2" }));
    study.refused(
        1,
        &format!("{columns} --primary lr:1:lr:3"),
        &["--primary names lr:3", "hint:", "lr:1:lr:2"],
    );
    let columns = "compare --label a=mlp-s-f0 --label b:c=mlp-s-f0 --label a:b=tiny-s-f0 --label c=tiny-s-f0";
    study.refused(
        1,
        &format!("{columns} --primary a:b:c"),
        &[
            "--primary a:b:c has two readings: `a` and `b:c`, `a:b` and `c`",
            "hint: give a column a name without a colon",
        ],
    );
}

#[test]
fn labels_of_published_numbers_that_the_data_set_lacks_are_named() {
    let study = Study::trained();
    let file = "[[model]]\nname = 'theirs'\nsource = 'a paper'\nsplit = 'their own'\n[model.auc]\nMas = 0.8\nMass = 0.7\n\
        Fracture = 0.6\n[model.std]\nMass = 0.01\n";
    std::fs::write(study.path("theirs.toml"), file).unwrap();
    let compared = study.reg("compare mlp-s-f0 --published theirs.toml --allow-different-images");
    compared.says(
        0,
        &[
            "AUC of Mas (theirs) is not shown: the data set has no such label; did you mean `Mass`?",
            "AUC of Fracture",
        ],
    );
    assert!(!compared.stderr.contains("AUC of Mass"), "{compared:?}");
}

#[test]
fn exported_scores_say_that_they_are_logits_and_come_back_as_such() {
    let study = Study::trained();
    study.reg("export mlp-s-f0 -o scores.csv").says(0, &["the scores are logits", "--logits"]);
    let import = "predictions import scores.csv --dataset tiny --split s --fold 0 --name back";
    study.refused(1, import, &["is not a probability", "hint: give --logits", "reg export"]);
    study.ok(&format!("{import} --logits"));
    assert!(!study.reg("export table -o table.csv --format csv").stderr.contains("logits"));
}

#[test]
fn different_labels_are_refused_and_the_shared_ones_compared() {
    let study = Study::trained();
    fs::write(study.path("theirs.csv"), theirs(&study, &["Mass", "Atelectasis"], Subset::Test)).unwrap();
    study.ok("predictions import theirs.csv --dataset tiny --split s --fold 0 --name theirs");
    study.refused(
        3,
        "compare mlp-s-f0 theirs",
        &["different labels", "No Finding", "hint: give --labels shared"],
    );
    let shared = study.json("compare mlp-s-f0 theirs --labels shared");
    assert_eq!(shared["auc"]["mlp"].as_object().unwrap().len(), 3, "two labels and their mean");
    assert_eq!(shared["unfair"], json!([]));
    let alone = study.json("compare mlp-s-f0");
    assert_eq!(shared["auc"]["mlp"]["Mass"], alone["auc"]["mlp"]["Mass"]);
    study.refused(1, "compare mlp-s-f0 theirs --labels Edema", &["Edema", "Atelectasis, Mass"]);
    let told = study.ok("compare theirs mlp-s-f0 --labels Mass");
    assert!(told.contains("Imported: theirs"), "{told}");
    let marked = study.json("compare mlp-s-f0 theirs --allow-different-images");
    assert_eq!(marked["unfair"][0]["kind"], json!("different-labels"));
}

#[test]
fn models_can_be_compared_on_the_images_that_all_scored() {
    let study = Study::trained();
    let csv = theirs(&study, &reg::dataset::labels::LABELS, Subset::Test);
    let rows = csv.lines().count() - 1;
    let cut: Vec<&str> = csv.lines().take(rows).collect();
    fs::write(study.path("theirs.csv"), cut.join("\n")).unwrap();
    study.ok("predictions import theirs.csv --dataset tiny --split s --fold 0 --name theirs");
    study.refused(3, "compare mlp-s-f0 theirs", &["different images", "hint:", "--images shared"]);
    let command = "compare mlp-s-f0 theirs --images shared --name shared";
    let answer = study.json(command);
    assert_eq!(answer["unfair"], json!([]));
    let record = &study.json("show shared")["record"];
    let images = json!([rows - 1]);
    assert_eq!((&record["models"][0]["images"], &record["models"][1]["images"]), (&images, &images));
    assert!(study.ok(command).contains("every model scored"), "the table says so");
    let part = format!("PART OF THE IMAGES ONLY: theirs scored {} of {rows}", rows - 1);
    assert!(study.ok("compare theirs").contains(&part), "{part}");
    assert!(study.ok("show theirs").contains("theirs") && !study.ok("compare mlp-s-f0").contains("PART OF"));
    let all = study.json("compare mlp-s-f0");
    assert_ne!(answer["auc"]["mlp"]["mean"], all["auc"]["mlp"]["mean"]);
    study.refused(
        1,
        "compare mlp-s-f0 tiny-s-f1 --images shared",
        &["no image was scored by every model", "hint: images of two data sets are the same if"],
    );
}

#[test]
fn a_model_that_has_seen_the_test_patients_is_found_through_its_lineage() {
    let study = Study::trained();
    // Its own training images: the model has seen every patient.
    let train = study.json("eval mlp-s-f0 --subset train")["predictions"].as_str().unwrap().to_owned();
    let refused =
        study.refused(3, &format!("compare {train}"), &["was trained or selected on", "re-sampling 0"]);
    assert!(refused.stderr.contains("--allow-different-images"), "{refused:?}");
    // Another model's scores of these images.
    let theirs = study.json("eval tiny-s-f0 --subset train")["predictions"].as_str().unwrap().to_owned();
    study.refused(3, &format!("compare {train} {theirs}"), &["mlp (re-sampling 0)", "patients"]);
    // Validation images are used for model selection by all models alike.
    let validated = study.json("eval mlp-s-f0 --subset val")["predictions"].as_str().unwrap().to_owned();
    study.ok(&format!("compare {validated}"));
    // A model of other folds was trained on the test patients of this one.
    let across = study.json("compare tiny-s-f0 mlp-s-f1 --allow-different-images");
    let kinds: Vec<&str> = across["unfair"]
        .as_array()
        .unwrap()
        .iter()
        .map(|incomparable| incomparable["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"different-folds") && kinds.contains(&"leak"), "{across}");
}

/// The metadata with other numbers for the same patients.
fn renumbered(study: &Study) {
    let text = fs::read_to_string(study.path("data.csv")).unwrap();
    let head = text.lines().next().unwrap();
    let column = head.split(',').position(|name| name == "Patient ID").unwrap();
    let row = |line: &str| {
        let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        fields[column] = (fields[column].parse::<u32>().unwrap() + 1000).to_string();
        fields.join(",")
    };
    let rows = text.lines().skip(1).map(row).collect::<Vec<_>>().join("\n");
    fs::write(study.path("renumbered.csv"), format!("{head}\n{rows}\n")).unwrap();
}

#[test]
fn a_model_that_has_seen_the_test_images_of_renumbered_patients_is_found_by_bytes_and_pixels() {
    let study = Study::trained();
    renumbered(&study);
    study.ok("ingest images --metadata renumbered.csv --name copied");
    fs::create_dir(study.path("resaved")).unwrap();
    for entry in fs::read_dir(study.path("images")).unwrap() {
        let entry = entry.unwrap();
        let saved = crate::splits::saved_again(&fs::read(entry.path()).unwrap());
        fs::write(study.path("resaved").join(entry.file_name()), saved).unwrap();
    }
    study.ok("ingest resaved --metadata renumbered.csv --name resaved");
    for set in ["copied", "resaved"] {
        study.ok(&format!("split make {set} --folds 1 --seed 5 --name of-{set}"));
        let train = "--model mlp --set epochs=1 --threads 1";
        study.ok(&format!("train --dataset {set} --split of-{set} {train} --name on-{set}"));
    }
    let leaks = |set: &str| {
        let compared = study
            .json(&format!("compare mlp-s-f0 on-{set} --by run --allow-different-images --name odd --move"));
        let unfair = compared["unfair"].as_array().unwrap().clone();
        let leaks =
            unfair.iter().filter(|of| of["kind"] == "leak").map(|of| of["why"].as_str().unwrap().to_owned());
        (leaks.collect::<Vec<_>>(), compared["leak_check"].clone())
    };
    let (by_bytes, check) = leaks("copied");
    assert!(
        by_bytes.iter().any(|why| why.contains("where they belong to other patients (identical files: ")),
        "{by_bytes:?}"
    );
    assert_eq!((&check["images"], &check["pixels"]), (&check["bytes"], &json!(0)));
    assert_eq!(leaks("resaved").0, Vec::<String>::new(), "no pixels are known");
    for split in ["s", "of-resaved"] {
        study.ok(&format!("split check {split} --pixels"));
    }
    let (by_pixels, check) = leaks("resaved");
    let words = "(identical files: 0, identical pixels in another file: ";
    assert!(!by_pixels.is_empty() && by_pixels.iter().all(|why| why.contains(words)), "{by_pixels:?}");
    assert_eq!((&check["images"], check["pixel_hashes"].as_array().unwrap().len()), (&check["pixels"], 2));
    // The verdict can be recomputed from what it names, without the images.
    study.ok("verify --recompute");
    study.ok("audit odd -o odd.zip");
    study.ok("audit verify odd.zip");
    let (code, said) = crate::audit::python(&study, "odd.zip");
    assert!(code == 0 && said.contains("everything checked is correct"), "{said}");
    let told = study.ok("show odd");
    assert!(told.contains("Leak check of training and test images: patients of all "), "{told}");
}

#[test]
fn an_incomparable_table_says_so_in_every_form_and_for_ever() {
    let study = Study::trained();
    let incomparable = "compare tiny-s-f0 mlp-s-f1 --allow-different-images --name odd";
    for form in in_every_form(&study, incomparable).into_iter().chain(in_every_form(&study, "show odd")) {
        let said = form.to_lowercase();
        assert!(said.contains("not comparable") || said.contains("\"unfair\":[{"), "{form}");
        assert!(form.contains("has re-sampling 0, and mlp has re-sampling 1"), "{form}");
        assert!(!form.contains("**0.") && !form.contains("\\textbf{0."), "nothing is best: {form}");
    }
    assert!(!study.ok(PAIR).contains("COMPARABLE"));
    study.is_sound();
}

#[test]
fn a_bootstrap_draws_patients_and_is_the_same_on_any_number_of_threads() {
    let study = Study::trained();
    let command = format!("{PAIR} --bootstrap 300 --seed 7");
    let first = study.json(&command);
    let bootstrap = &first["bootstrap"];
    assert_eq!((&bootstrap["draws"], &bootstrap["seed"]), (&json!(300), &json!(7)));
    let one = study.reg_with("RAYON_NUM_THREADS", "1", &format!("--json {command}")).json();
    assert_eq!(one, first);
    assert_ne!(study.json(&format!("{PAIR} --bootstrap 300 --seed 8"))["bootstrap"], *bootstrap);
    let rows = bootstrap["rows"].as_array().unwrap();
    for row in rows {
        let [value, low, high] = ["value", "low", "high"].map(|key| row[key].as_f64());
        assert!(value.is_some_and(|value| (-1.0..=1.0).contains(&value)), "{row}");
        // With so few patients there is no interval.
        assert_eq!((low, high), (None, None), "{row}");
        // Of a label, a resample lacks a class only where one of the two re-samplings does.
        let draws = row["draws"].as_u64().unwrap();
        assert!(draws <= 300 && (row["label"].is_null() || draws > 100), "{row}");
    }
    let mean = |less: Value| {
        rows.iter().find(|row| row["less"] == less && row["label"].is_null()).unwrap()["value"]
            .as_f64()
            .unwrap()
    };
    let recorded = |model: &str| first["auc"][model]["mean"]["mean"].as_f64().unwrap();
    assert!((mean(Value::Null) - recorded("tiny")).abs() < 1e-12);
    assert!((mean(json!("mlp")) - (recorded("tiny") - recorded("mlp"))).abs() < 1e-12);
    assert!(
        study.ok(&format!("{command} --table bootstrap")).contains("300 bootstrap resamples (by patient)")
    );
    assert!(study.ok(&format!("{command} --table bootstrap")).contains("No interval: "));
}

#[test]
fn tests_over_folds_and_labels_are_corrected() {
    let study = Study::trained();
    let answer = study.json(PAIR);
    let rows = answer["resampled"].as_array().unwrap();
    let mean = rows.iter().find(|row| row["label"].is_null()).unwrap();
    let folds = |model: &str| -> Vec<f64> {
        let folds = answer["auc"][model]["mean"]["folds"].as_array().unwrap();
        folds.iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let differences: Vec<f64> = folds("tiny").iter().zip(folds("mlp")).map(|(a, b)| a - b).collect();
    let ratio = mean["test_to_train"].as_f64().unwrap();
    let sizes = study.json("split show s")["folds"].clone();
    let images =
        |subset: &str| -> f64 { [0, 1].iter().map(|k| sizes[k][subset]["images"].as_f64().unwrap()).sum() };
    assert!((ratio - images("test") / images("train")).abs() < 1e-15);
    let expected = reg::stats::resampled_t(&differences, ratio).unwrap();
    assert_eq!(mean["p"].as_f64(), expected.p);
    for row in answer["delong"].as_array().unwrap() {
        let [p, bh, holm] = ["p", "p_bh", "p_holm"].map(|key| row[key].as_f64());
        if let (Some(p), Some(bh), Some(holm)) = (p, bh, holm) {
            assert!(p <= bh + 1e-15 && bh <= holm + 1e-15, "{row}");
        }
    }
    let told = study.ok(&format!("{PAIR} --full"));
    for words in [
        "sample standard deviation over 2 re-samplings",
        "Holm",
        "Nadeau and Bengio",
        "Obuchowski",
        "smallest",
        "Family of tests",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(study.json("compare tiny-s-f0 mlp-s-f0")["resampled"].as_array().unwrap().is_empty(), "one fold");
}

#[test]
fn groups_of_patients_add_up_to_all() {
    let study = Study::trained();
    let answer = study.json("compare tiny-s-f0 mlp-s-f0 --by gender,view,age");
    let positives = answer["auc"]["tiny"]["Mass"]["positives"][0].as_u64().unwrap();
    for by in ["gender", "view", "age"] {
        let rows: Vec<&Value> = answer["groups"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["by"] == by && row["label"] == "Mass" && row["model"] == "tiny")
            .collect();
        assert!(rows.len() > 1, "{by}");
        assert_eq!(rows.iter().map(|row| row["positives"].as_u64().unwrap()).sum::<u64>(), positives, "{by}");
        let images: u64 = rows.iter().map(|row| row["images"].as_u64().unwrap()).sum();
        assert_eq!(Some(images), study.json("split show s")["folds"][0]["test"]["images"].as_u64(), "{by}");
    }
    let told = study.ok("compare tiny-s-f0 mlp-s-f0 --by gender --table groups");
    assert!(
        told.contains("AUC by gender") && told.contains("Positives") && told.contains("Images"),
        "{told}"
    );
}

#[test]
fn thresholds_are_chosen_on_validation_images_or_not_at_all() {
    let study = Study::trained();
    // Scores of another tool, whose validation images are not scored.
    fs::write(study.path("theirs.csv"), theirs(&study, &reg::dataset::labels::LABELS, Subset::Test)).unwrap();
    study.ok("predictions import theirs.csv --dataset tiny --split s --fold 0 --name theirs");
    let told = study.ok("compare theirs --metrics");
    assert!(told.contains("Validation predictions are missing") && told.contains("reg eval"), "{told}");
    let validated = study.json("eval mlp-s-f0 --subset val")["predictions"].clone();
    let with = study.json("compare theirs mlp-s-f0 --metrics --name judged");
    let chosen = |model: &str| {
        let rows = with["metrics"].as_array().unwrap().iter().filter(|row| row["model"] == model);
        rows.filter(|row| !row["threshold"].is_null()).count()
    };
    assert!(chosen("mlp") > 0 && chosen("theirs") == 0);
    // The table names the subset that its thresholds were chosen on.
    let trace = study.json("trace judged");
    assert!(trace["nodes"].as_array().unwrap().iter().any(|node| node["id"] == validated), "{trace}");
    for row in with["metrics"].as_array().unwrap() {
        let bins = row["bins"].as_array().unwrap();
        assert_eq!(bins.len(), 10);
        for key in ["brier", "ece", "prevalence"] {
            assert!((0.0..=1.0).contains(&row[key].as_f64().unwrap()), "{row}");
        }
    }
}

#[test]
fn another_tools_threshold_is_chosen_on_its_own_validation_scores() {
    let study = Study::trained();
    for (subset, name) in [(Subset::Test, "test"), (Subset::Val, "val")] {
        fs::write(study.path("theirs.csv"), theirs(&study, &reg::dataset::labels::LABELS, subset)).unwrap();
        let import = "predictions import theirs.csv --dataset tiny --split s --fold 0 --model theirs";
        study.ok(&format!("{import} --subset {name} --name theirs-{name}"));
    }
    let answer = study.json("compare theirs-test --metrics");
    let rows = answer["metrics"].as_array().unwrap();
    // A label that all validation images have, or none has, has no threshold.
    let judged: Vec<&Value> = rows.iter().filter(|row| !row["threshold"].is_null()).collect();
    assert!(!judged.is_empty(), "{rows:?}");
    for row in judged {
        assert_eq!(row["threshold"], json!(0.9), "{row}");
        for share in ["sensitivity", "specificity"] {
            assert!(row[share].is_null() || row[share] == json!(1.0), "{row}");
        }
        let near = |key: &str, expected: f64| (row[key].as_f64().unwrap() - expected).abs() < 1e-9;
        assert!(near("brier", 0.01) && near("ece", 0.1), "{row}");
    }
}

#[test]
fn published_numbers_stand_beside_on_the_same_test_images_only() {
    let study = Study::trained();
    study.refused(3, "compare mlp-s-f0 --published paper", &["was published", "test images", "hint:"]);
    // A split that is called official is not: its names are not those of the published lists.
    study
        .ok("split import tiny --train-val train_val.txt --test test.txt --val-fraction 0.2 --name official");
    let train = "train --dataset tiny --split official --model mlp --set epochs=1 --set hidden=[4] --threads 1 --name o";
    study.ok(train);
    study.refused(3, "compare o --published paper", &["25,596 test images"]);
    let images = study.json("show o")["record"].clone();
    assert!(images.is_object());
    let toml = "[[model]]\nname = \"They\"\nsource = \"Their paper, table 1\"\nsplit = \"official\"\nmean = 0.75\n\
        [model.auc]\nMass = 0.5\n";
    fs::write(study.path("them.toml"), toml).unwrap();
    study.refused(
        3,
        "compare o --published them.toml",
        &["official test images, but other images are scored here"],
    );
    let beside = "compare o --published them.toml --allow-different-images --name beside";
    for form in in_every_form(&study, beside) {
        assert!(form.contains("They") && form.contains("0.75"), "{form}");
    }
    assert!(study.ok("show beside").contains("They (Their paper, table 1"));
    for (wrong, words) in [
        ("[[model]]\nname = \"x\"\n", "missing field"),
        ("", "missing field"),
        ("model = []", "no [[model]]"),
        (
            "[[model]]\nname = \"x\"\nsource = \"s\"\nsplit = \"official\"\nmean = 81.0",
            "81 of x is not an AUC",
        ),
    ] {
        fs::write(study.path("them.toml"), wrong).unwrap();
        study.refused(1, "compare o --published them.toml", &["them.toml", words, "hint:"]);
    }
}

#[test]
fn counts_of_a_data_set_are_a_record_that_leads_back_to_the_metadata() {
    let study = Study::divided();
    let answer = study.json("dataset stats tiny --name counted");
    assert_eq!(answer["table"], json!(study.id("counted")));
    let metadata = study.json("dataset show tiny")["record"]["metadata"]["object"].clone();
    let trace = study.json("trace counted");
    assert!(trace["nodes"].as_array().unwrap().iter().any(|node| node["id"] == metadata), "{trace}");
    for format in ["text", "csv", "markdown", "latex"] {
        let shown = study.ok(&format!("show counted --format {format}"));
        assert!(
            shown.contains(study.ok(&format!("dataset stats tiny --format {format}")).trim_end()),
            "{format}"
        );
    }
    assert!(study.json("dataset stats tiny").get("table").is_none(), "nothing is recorded unasked");
}

#[test]
fn roc_curves_enclose_the_auc() {
    let study = Study::trained();
    let answer = study.json("compare tiny-s-f0 mlp-s-f0 --roc");
    let curves = answer["roc"].as_array().unwrap();
    assert!(!curves.is_empty());
    for curve in curves {
        let numbers = |key: &str| -> Vec<f64> {
            curve[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let (fpr, tpr) = (numbers("fpr"), numbers("tpr"));
        let strips = fpr.windows(2).zip(tpr.windows(2)).map(|(x, y)| (x[1] - x[0]) * (y[0] + y[1]) / 2.0);
        let label = &answer["auc"][curve["model"].as_str().unwrap()][curve["label"].as_str().unwrap()];
        assert!((strips.sum::<f64>() - label["mean"].as_f64().unwrap()).abs() < 1e-12, "{curve}");
    }
    let csv = study.ok("compare tiny-s-f0 mlp-s-f0 --table roc --format csv");
    assert!(
        csv.starts_with("Model,Label,Division,False positive rate,True positive rate,Threshold\n"),
        "{csv}"
    );
}

#[test]
fn precision_recall_curves_end_at_full_recall() {
    let study = Study::trained();
    let answer = study.json("compare tiny-s-f0 mlp-s-f0 --precision-recall");
    let curves = answer["precision_recall"].as_array().unwrap();
    assert!(!curves.is_empty());
    for curve in curves {
        assert_eq!(curve["recall"].as_array().unwrap().last(), Some(&json!(1.0)), "{curve}");
    }
    let csv = study.ok("compare tiny-s-f0 --table precision-recall --format csv");
    assert!(csv.starts_with("Model,Label,Division,Recall,Precision,Threshold\n"), "{csv}");
}

#[test]
fn rank_correlations_are_pooled_as_asked_and_say_so() {
    let study = Study::trained();
    let (each, all) = (study.json(PAIR), study.json(&format!("{PAIR} --pool all")));
    assert_eq!(
        (&each["spearman"]["pooling"], &all["spearman"]["pooling"]),
        (&json!("per-label"), &json!("all-scores"))
    );
    assert_ne!(each["spearman"]["matrix"], all["spearman"]["matrix"]);
    assert!(study.ok(&format!("{PAIR} --table spearman")).contains("Computed per label"));
    let told = study.ok(&format!("{PAIR} --pool all --table spearman"));
    assert!(told.contains("Computed over all scores of all labels") && !told.contains("AUC"), "{told}");
}

#[test]
fn both_means_have_intervals() {
    let study = Study::trained();
    let pair = "compare tiny-s-f0 mlp-s-f0 --bootstrap 100 --name both-means";
    let answer = study.json(pair);
    assert_eq!(answer["no_finding"], json!("No Finding"));
    let paired = answer["delong"].as_array().unwrap().iter().find(|row| row["pathologies"] == json!(true));
    let difference = paired.unwrap()["difference"].as_f64().unwrap();
    let mean = |model: &str| answer["mean_over_pathologies"][model].clone();
    let value = |model: &str| mean(model)["mean"].as_f64().unwrap();
    let apart = value("tiny") - value("mlp");
    assert!((difference.abs() - apart.abs()).abs() < 1e-12, "{difference} and {apart}");
    for model in ["tiny", "mlp"] {
        let labels = answer["auc"][model].as_object().unwrap();
        let aucs: Vec<f64> = labels
            .iter()
            .filter(|(label, _)| !["mean", "No Finding"].contains(&label.as_str()))
            .filter_map(|(_, spread)| spread["mean"].as_f64())
            .collect();
        let expected = aucs.iter().sum::<f64>() / aucs.len() as f64;
        assert!((value(model) - expected).abs() < 1e-12, "{model}");
        for key in ["std_errors", "intervals", "no_interval"] {
            assert_eq!(mean(model)[key].as_array().map(Vec::len), Some(1), "{key}: {}", mean(model));
        }
    }
    let rows = answer["bootstrap"]["rows"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["pathologies"] == json!(true)).count(), 3);
    for table in ["intervals", "bootstrap"] {
        let text = study.ok(&format!("compare tiny-s-f0 mlp-s-f0 --bootstrap 100 --table {table}"));
        let line = text.lines().find(|line| line.trim_start().starts_with("Mean over pathologies"));
        assert!(line.is_some_and(|line| line.contains('[')), "{table}: {text}");
        assert!(
            text.contains("The mean over pathologies leaves out No Finding and covers "),
            "{table}: {text}"
        );
    }
    study.ok("verify --recompute");
    study.ok("audit both-means -o means.zip");
    let (code, said) = crate::audit::python(&study, "means.zip");
    assert!(code == 0 && said.contains("recomputed, equal to the last digit"), "{said}");
}
