//! The images that a model has seen, and those that it is evaluated on: weights of another run, versions of a data set.

use std::fs;

use reg::hash::Id;
use reg::records::{Run, Weights};
use reg::registry::Stamp;
use serde_json::{Value, json};

use crate::audit::python;
use crate::harness::Study;

#[test]
fn weights_lead_to_the_run_that_they_are_of_and_that_cannot_be_forged() {
    let study = Study::trained();
    study.ok("key new -o k");
    study.ok("export tiny-s-f1 --format checkpoint -o model");
    study.ok("weights import model/checkpoint.safetensors --name begun");
    let begun = study.json("show begun")["record"].clone();
    assert_eq!(begun["runs"], json!([study.id("tiny-s-f1")]));
    let tune =
        "train --dataset tiny --split s --fold 0 --model tiny --weights begun --set epochs=1 --threads 1";
    study.ok(&format!("{tune} --name tuned"));
    // The second run has seen the images of the first.
    study.refused(
        3,
        "compare tuned mlp-s-f0",
        &["tiny (re-sampling 0) was trained or selected on", "mlp is tested on"],
    );
    study.ok("compare tuned mlp-s-f0 --allow-different-images --name leak");
    study.ok("audit leak -o leak.zip");
    study.ok("audit verify leak.zip");
    let (code, said) = python(&study, "leak.zip");
    assert_eq!(code, 0, "{said}");
    let seen = |patient: &u32| {
        let folds =
            study.json(&format!("trace --down patient:{patient}"))["datasets"][0]["splits"][0]["folds"]
                .clone();
        folds[1]["train"].as_u64() > Some(0) && folds[0]["test"].as_u64() > Some(0)
    };
    let patient = (1..24).find(|patient| seen(patient)).unwrap();
    study.ok(&format!("withdraw patient:{patient} --reason consent"));
    study.ok("ingest images --metadata data.csv --name clean");
    study.ok("split make clean --folds 2 --name c");
    let again =
        "train --dataset clean --split c --fold 0 --model tiny --weights begun --set epochs=1 --threads 1";
    study.refused(
        3,
        again,
        &[&format!("patient {patient}: consent; its initial weights or inputs were trained on them")],
    );
    study.ok(&format!("{again} --allow-withdrawn --name marked"));
    study.reg("show marked").says(0, &["contains withdrawn data", "trained on"]);
    let down = study.ok(&format!("trace --down patient:{patient}"));
    assert!(down.contains("run marked"), "{down}");
    // A run whose checkpoint the weights are not.
    let registry = study.registry();
    let weights = registry.get(Id::<Weights>::new(study.id("begun").parse().unwrap())).unwrap();
    let other = Id::<Run>::new(study.id("tiny-s-f0").parse().unwrap());
    let mut transaction = registry.transaction().unwrap();
    let forged = transaction.put(&Weights { runs: vec![other], ..weights }).unwrap();
    let stamp = Stamp { time: "2026-01-01T00:00:00Z".into(), command: "forge".into() };
    transaction.commit(&stamp).unwrap();
    study.refused(3, &format!("attest {forged} --key k -o a.json"), &["is false: runs"]);
    study.ok(&format!("audit {forged} -o forged.zip"));
    let answer = study.reg("audit verify forged.zip");
    assert!(answer.code == 3 && String::from_utf8_lossy(&answer.stdout).contains("runs"), "{answer:?}");
    let (code, said) = python(&study, "forged.zip");
    assert!(code == 3 && said.contains("the runs that it lists did not leave it"), "{said}");
}

#[test]
fn weights_that_were_here_before_their_run_lead_to_it_all_the_same() {
    let (trained, study) = (Study::trained(), Study::divided());
    trained.ok("export tiny-s-f1 --format checkpoint -o model");
    let file = trained.path("model/checkpoint.safetensors");
    study.ok(&format!("weights import {} --name begun", file.display()));
    assert_eq!(study.json("show begun")["record"]["runs"], Value::Null);
    let tune = "train --dataset tiny --split s --fold 0 --model tiny --weights begun --set epochs=1 --threads 1 --name tuned";
    assert_eq!(study.json(tune)["unfair"], json!([]));
    study.ok(&format!("pull {}", trained.path(".reg").display()));
    let run = trained.id("tiny-s-f1");
    assert!(study.ok("trace tuned").contains(&run[..12]));
    assert!(study.ok(&format!("trace --down {run}")).contains("weights"));
    let said = "tiny (re-sampling 0) was trained or selected on";
    study.refused(3, "compare tuned mlp-s-f0", &[said]);
    let said = "tuned (re-sampling 0) was trained or selected on";
    for command in [tune, "eval tuned"] {
        let again = study.reg(&format!("--json {command}"));
        again.says(0, &[said]);
        assert_eq!(again.json()["unfair"][0]["kind"], json!("leak"), "{command}");
    }
    study.ok("export tuned -o card.md");
    assert!(fs::read_to_string(study.path("card.md")).unwrap().contains(said));
    study.ok("compare tuned mlp-s-f0 --allow-different-images --name leak");
    study.ok("audit leak -o leak.zip");
    study.ok("audit verify leak.zip");
    let (code, told) = python(&study, "leak.zip");
    assert!(code == 0 && told.contains(&format!("run {}", &run[..12])), "{told}");
    study.ok("withdraw patient:2 --reason consent");
    let listed = study.json("list weights")["records"][0].clone();
    let seen = study.json("list run")["records"].clone();
    let first = seen.as_array().unwrap().iter().find(|record| record["id"] == json!(run)).unwrap().clone();
    assert_eq!(listed["withdrawn"], first["withdrawn"]);
}

#[test]
fn scores_on_two_versions_of_a_data_set_are_compared_by_the_images_that_both_have() {
    let study = Study::new();
    let trained = |dataset: &str, model: &str| {
        study.ok(&format!(
            "split import {dataset} --train-val train_val.txt --test test.txt --val-fraction 0.2 --name of-{dataset}"
        ));
        study.ok(&format!(
            "train --dataset {dataset} --split of-{dataset} --model mlp --set epochs=2 --set hidden={model} --threads 1 --name {dataset} --move"
        ));
    };
    for dataset in ["first", "crlf"] {
        study.ok(&format!("ingest images --metadata data.csv --name {dataset}"));
        trained(dataset, "[4]");
        let text = fs::read_to_string(study.path("data.csv")).unwrap();
        fs::write(study.path("data.csv"), text.replace('\n', "\r\n")).unwrap();
    }
    // The same images, from whichever file.
    let same = study.json("compare first crlf --by run --name same");
    assert_eq!(same["unfair"], json!([]), "{same}");
    study.ok("withdraw 00000004_000.png --reason blurred");
    study.ok("ingest images --metadata data.csv --name clean");
    trained("clean", "[4]");
    let refused = study.reg("compare first clean --by run");
    refused.says(3, &["6 and 5 images, 5 of them the same", "--images shared"]);
    let shared = "compare first clean --by run --images shared --metrics --bootstrap 100 --name shared";
    assert_eq!(study.json(shared)["unfair"], json!([]));
    let record = study.json("show shared")["record"].clone();
    for model in 0..2 {
        assert_eq!(record["models"][model]["images"], json!([5]), "{record}");
    }
    for table in ["same", "shared"] {
        study.ok(&format!("audit {table} -o {table}.zip"));
        study.reg(&format!("audit verify {table}.zip")).says(0, &[]);
        let (code, said) = python(&study, &format!("{table}.zip"));
        assert_eq!(code, 0, "{said}");
    }
    study.ok("verify --recompute");
    // An image of only the first version is not counted, and an image of both versions is counted once.
    study.ok("verify --recompute");
    assert_eq!(study.json("show shared")["withdrawn"], Value::Null);
    study.ok("withdraw 00000002_000.png --reason blurred");
    assert_eq!(study.json("show shared")["withdrawn"][0]["uses"]["scored"], json!(1));
    assert_eq!(study.json("show same")["withdrawn"][0]["uses"]["scored"], json!(2));
    study.ok("withdraw 00000002_000.png --revoke --reason mistake");
    // In another order, the first data set is another one, which makes no difference.
    study.ok(&shared.replace("first clean", "clean first").replace("--name shared", "--name turned"));
    let found = study.json("diff shared turned");
    assert_eq!((&found["equal"], &found["first"]["fields"]), (&json!(true), &json!(["/models"])), "{found}");
    // An image with another label counts as another image.
    study.edit("data.csv", |text| text.replace("00000002_000.png,No Finding", "00000002_000.png,Mass"));
    study.ok("ingest images --metadata data.csv --name relabelled");
    trained("relabelled", "[4]");
    study.refused(3, "compare clean relabelled --by run", &["5 and 5 images, 4 of them the same"]);
}
