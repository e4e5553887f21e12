//! Other tools read the exports of reg and find the contents of the registry in them.
//!
//! `make peers` installs the tools into a virtual environment. Without it, these tests say so and do nothing, or fail
//! if REG_STRICT=1. PyTorch is not among the tools; if REG_PYTHON names a Python with torch and torchvision, it runs
//! `model.py`, and with timm, torchxrayvision and scikit-learn the example programs and the weights of these packages.

#[allow(dead_code)]
#[path = "../cli/harness.rs"]
mod harness;
mod python;
mod pytorch;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Study, TINY, files, id_of};
use reg::dataset::pixels;
use reg::hash::{Digest, Id};
use reg::records::{Dataset, Predictions, Run};
use reg::registry::Registry;
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a script of this folder, which prints one JSON document; `None` without the virtual environment.
fn peer(script: &str, study: &Study, arguments: &[&str]) -> Option<Value> {
    let python = Path::new(ROOT).join("peers/bin/python");
    if !python.exists() {
        support::absent("peers/bin/python", "`make peers` installs the tools of others");
        return None;
    }
    Some(printed(
        Command::new(python).arg(Path::new(ROOT).join("tests/peers").join(script)),
        study,
        arguments,
    ))
}

fn printed(command: &mut Command, study: &Study, arguments: &[&str]) -> Value {
    let output = command.args(arguments).current_dir(study.path(".")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{command:?}: {e}\n{said}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn read(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let name = |file: &PathBuf| file.strip_prefix(path).unwrap().to_owned();
    files(path).into_iter().map(|file| (name(&file), fs::read(&file).unwrap())).collect()
}

#[test]
fn securesystemslib_and_in_toto_believe_a_statement_and_none_that_was_changed() {
    let study = Study::trained();
    let made = study.json("key new -o k");
    study.ok("attest tiny --key k -o s.json");
    let Some(found) = peer("attest.py", &study, &["s.json", "k.pub"]) else { return };
    assert_eq!(found["keyid"], made["keyid"]);
    assert_eq!(found["statement"]["subject"][0]["digest"]["blake3"], study.id("tiny"));
    assert_eq!(found["believed"], json!([]));
    assert!(found["tried"].as_u64().unwrap() > 8_000);
}

#[test]
fn the_prov_package_reads_the_graph_of_the_trace() {
    let study = Study::trained();
    for traced in ["table", "--down 00000001_000.png", "mlp-s-f0", "--up table", "--down 00000005_000.png"] {
        // A withdrawal is mentioned, and adds nothing to the graph.
        if traced == "--up table" {
            study.ok("withdraw patient:5 --reason consent");
        }
        let document = study.ok(&format!("trace {traced} --format prov"));
        assert_eq!(document, study.ok(&format!("trace {traced} --format prov")));
        assert_eq!(study.json(&format!("trace {traced} --format prov")), document.parse::<Value>().unwrap());
        fs::write(study.path("prov.json"), document).unwrap();
        let Some(found) = peer("prov_graph.py", &study, &["prov.json"]) else { return };
        let graph = study.json(&format!("trace {traced}"));
        let expected: BTreeSet<&str> =
            graph["nodes"].as_array().unwrap().iter().map(|node| text(&node["id"])).collect();
        let nodes: BTreeSet<&str> = found["nodes"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(nodes, expected);
        let invalidated: BTreeSet<&str> = found["invalidated"].as_array().unwrap().iter().map(text).collect();
        let withdrawn = ["00000005_000.png", "00000005_001.png"];
        let expected: BTreeSet<String> = match traced {
            "--up table" => withdrawn.map(|name| id_of(&study.path(&format!("images/{name}")))).into(),
            "--down 00000005_000.png" => [id_of(&study.path("images/00000005_000.png"))].into(),
            _ => BTreeSet::new(),
        };
        assert_eq!(invalidated, expected.iter().map(String::as_str).collect());
        let edges = |graph: &Value| -> BTreeSet<[String; 3]> {
            let edge = |edge: &Value| ["from", "to", "role"].map(|key| text(&edge[key]).to_owned());
            graph["edges"].as_array().unwrap().iter().map(edge).collect()
        };
        assert_eq!(edges(&found), edges(&graph));
        if traced == "mlp-s-f0" {
            let [activity] = found["activities"].as_array().unwrap().as_slice() else { panic!("{found}") };
            assert!(text(&activity["start"]) <= text(&activity["end"]));
            let spec = study.json("show mlp-s-f0")["record"]["spec"].clone();
            let used: Vec<&Value> = activity["used"].as_array().unwrap().iter().collect();
            let inputs = study.json(&format!("show {}", text(&spec)))["record"].clone();
            for input in [&spec, &inputs["dataset"], &inputs["split"]] {
                assert!(used.contains(&input), "{input} is not among {used:?}");
            }
            let edges = graph["edges"].as_array().unwrap();
            let software = edges.iter().find(|edge| edge["role"] == "software").unwrap();
            assert_eq!(activity["agents"], json!([format!("agent-{}", text(&software["to"]))]));
        }
    }
}

#[test]
fn a_crate_passes_the_validator_of_workflow_run_crates() {
    let (study, other) = (Study::trained(), Study::trained());
    for study in [&study, &other] {
        study.ok("trace table --format ro-crate -o crate");
        assert!(study.json("trace tiny-s-f0 --format ro-crate -o of-run")["files"].as_u64().unwrap() > 10);
    }
    let written = read(&study.path("crate"));
    assert!(written == read(&other.path("crate")), "the same bytes every time");
    let metadata = String::from_utf8_lossy(&written[Path::new("ro-crate-metadata.json")]).into_owned();
    for path in written.keys().map(|path| path.to_str().unwrap()) {
        assert!(path == "ro-crate-metadata.json" || metadata.contains(path), "{path} is not described");
    }
    study.refused(1, "trace table --format ro-crate -o crate", &["not empty"]);
    study.refused(2, "trace table --format ro-crate", &["--output"]);
    study.ok("withdraw patient:5 --reason consent");
    study.ok("trace table --format ro-crate -o marked");
    // A heat map's picture is not an input, and after its purge the rest stays complete.
    let heatmap = "gradcam tiny-s-f0 00000005_000.png --allow-withdrawn --label Hernia -o heat.png";
    let heatmap = study.json(heatmap);
    let (heatmap, picture) = (text(&heatmap["id"]).to_owned(), heatmap["picture"].clone());
    study.ok(&format!("trace {heatmap} --format ro-crate -o heat"));
    study.ok("withdraw patient:5 --reason consent --purge");
    study.ok(&format!("trace {heatmap} --format ro-crate -o purged"));
    let entities = |folder: &str| -> Vec<Value> {
        let file = fs::read(study.path(folder).join("ro-crate-metadata.json")).unwrap();
        let found: Value = serde_json::from_slice(&file).unwrap();
        found["@graph"].as_array().unwrap().clone()
    };
    let of_run = |folder: &str| entities(folder).into_iter().find(|entity| entity["@id"] == "#run").unwrap();
    assert!(!of_run("heat")["object"].to_string().contains(&text(&picture)[2..]));
    let gone = entities("purged").into_iter().find(|entity| {
        entity["@type"] == "CreativeWork" && entity["identifier"] == format!("blake3:{}", text(&picture))
    });
    assert!(text(&gone.unwrap()["description"]).starts_with("Purged with withdrawn data"));
    for folder in ["crate", "of-run", "marked", "heat", "purged"] {
        let Some(found) = peer("ro_crate.py", &study, &[folder]) else { return };
        assert!(found["profiles"].as_array().unwrap().contains(&json!("workflow-run-crate-0.5")), "{found}");
        let required: Vec<&Value> = found["issues"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|issue| issue["severity"] == "REQUIRED")
            .collect();
        assert!(required.is_empty(), "{required:#?}");
        // Recommended, but not recorded: an author, a publisher, an agent, a page of reg-torch.
        let known = [
            "ro-crate-1.1_22",
            "process-run-crate-0.5_8.6",
            "process-run-crate-0.5_3.2",
            "process-run-crate-0.5_5.1",
            "workflow-ro-crate-1.0_8.1",
        ];
        let unknown: Vec<&Value> = found["issues"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|issue| !known.iter().any(|check| text(&issue["check"]).starts_with(check)))
            .collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
    }
}

#[test]
fn mlcroissant_iterates_the_images_and_labels_of_the_registry() {
    let (study, other) = (Study::trained(), Study::trained());
    for study in [&study, &other] {
        study.ok("dataset export tiny --format croissant --split s -o croissant");
    }
    assert!(read(&study.path("croissant")) == read(&other.path("croissant")), "the same bytes every time");
    let linked = study.json("dataset export tiny --format croissant -o linked --link hardlink");
    assert_eq!(linked["folder"], "linked");
    study.is_sound();

    let Some(found) = peer("croissant.py", &study, &["croissant/croissant.json"]) else { return };
    let registry = study.registry();
    let (dataset, manifest) = manifest(&registry, &study);
    let records = found["images"].as_array().unwrap();
    assert_eq!(
        (records.len(), found["errors"].as_array().unwrap().len()),
        (manifest.rows.len(), 0),
        "{found}"
    );
    for (record, row) in records.iter().zip(&manifest.rows) {
        let labels: BTreeMap<&str, bool> = dataset
            .labels
            .iter()
            .enumerate()
            .map(|(bit, label)| (label.as_str(), row.label(bit).unwrap()))
            .collect();
        let bytes = registry.store().read(&row.object.unwrap()).unwrap();
        let gray = pixels::decode(&bytes).unwrap();
        let expected = json!({
            "name": row.name, "file": row.name, "patient": row.patient.number(), "age": row.age,
            "sha256": row.sha256.to_string().trim_start_matches("sha256:"),
            "pixels": Digest::of(&gray.data).sha256.to_string().trim_start_matches("sha256:"),
            "labels": labels,
        });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&record[key], value, "{key} of {}", row.name);
        }
        assert!(["train", "val", "test"].contains(&text(&record["fold"])));
    }
    assert_eq!(found["boxes"], 7);
}

fn manifest(registry: &Registry, study: &Study) -> (Dataset, reg::records::Manifest) {
    let id: Id<Dataset> = Id::new(study.id("tiny").parse().unwrap());
    let dataset = registry.get(id).unwrap();
    let manifest = registry.manifest(&dataset).unwrap();
    (dataset, manifest)
}

#[test]
fn pandas_polars_and_duckdb_read_the_same_values_with_the_right_types() {
    let (study, other) = (Study::trained(), Study::trained());
    // Missing ages, genders and views, and an impossible age.
    study.edit("data.csv", |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let change = |line: &mut String, age: &str, gender: &str, view: &str| {
            let mut fields: Vec<&str> = line.split(',').collect();
            (fields[4], fields[5], fields[6]) = (age, gender, view);
            *line = fields.join(",");
        };
        change(&mut lines[1], "", "", "");
        change(&mut lines[2], "414", "M", "PA");
        lines.join("\n") + "\n"
    });
    study.ok("ingest images --metadata data.csv --name gaps");
    for study in [&study, &other] {
        study.ok("export mlp-s-f0 -o scores.csv");
        // Models with the name of a column.
        for (name, model) in [("label", "Label"), ("std", "tiny-std")] {
            study.ok(&format!(
                "predictions import scores.csv --logits --dataset tiny --split s --fold 0 --name {name} --model {model}"
            ));
        }
        study.ok("compare tiny-s-f0 label std --name odd");
        study.ok("export tiny s mlp-s-f0 table odd --format parquet -o parquet");
        study.ok("export tiny s mlp-s-f0 table odd --format csv -o csv");
    }
    for folder in ["parquet", "csv"] {
        assert!(read(&study.path(folder)) == read(&other.path(folder)), "the same bytes every time");
    }
    study.ok("export gaps --format csv -o gaps-csv");
    study.ok("export gaps -o gaps.parquet");
    study.ok("export mlp-s-f0 -o scores.csv");
    study.refused(1, "export table -o table.csv", &["spearman", "--format"]);
    study.refused(1, "export tiny -o tiny.csv", &["images, boxes"]);
    study.refused(2, "export tiny -o somewhere", &["--format"]);
    let spec = text(&study.json("show mlp-s-f0")["record"]["spec"]).to_owned();
    study.refused(1, &format!("export {spec} -o spec.csv"), &["spec", "cannot be exported as a table"]);
    // Exported scores can be imported again, with the same evaluation.
    let again =
        study.json("predictions import scores.csv --logits --dataset tiny --split s --fold 0 --name again");
    let run = fs::read_to_string(study.path("answers/mlp-s-f0.json")).unwrap().parse::<Value>().unwrap();
    assert_eq!(again["auc"], run["auc"]);

    let arguments = ["parquet", "csv", "gaps.parquet", "gaps-csv/gaps-images.csv"];
    let Some(found) = peer("tables.py", &study, &arguments) else { return };
    let registry = study.registry();
    let predictions: Id<Predictions> = Id::new(text(&run["predictions"]).parse().unwrap());
    let predictions = (predictions, registry.get(predictions).unwrap());
    let scores = registry.scores(&predictions.1).unwrap();
    let read = &found["mlp-s-f0-test"];
    let about = &read["about"];
    assert_eq!((&about["reg.id"], &about["reg.scale"]), (&json!(predictions.0), &json!("logit")));
    for (place, label) in predictions.1.labels.iter().enumerate() {
        assert_eq!(read["columns"][label], json!(scores.column(place)), "{label}");
    }
    let (_, manifest) = manifest(&registry, &study);
    let images = &found["tiny-images"]["columns"];
    assert_eq!(images["Image Index"], json!(manifest.rows.iter().map(|row| &row.name).collect::<Vec<_>>()));
    assert_eq!(images["Patient Age"], json!(manifest.rows.iter().map(|row| row.age).collect::<Vec<_>>()));
    let types = &found["tiny-images"]["types"];
    let expected = [
        ("Image Index", "text"),
        ("Patient ID", "integer"),
        ("Hernia", "truth"),
        ("blake3", "text"),
        ("width", "integer"),
    ];
    for (column, kind) in expected {
        assert_eq!(types[column], kind, "{column}");
    }
    let gaps = &found["gaps-images"]["columns"];
    assert_eq!(
        [&gaps["Patient Age"][0], &gaps["Patient Gender"][0], &gaps["View Position"][0]],
        [&Value::Null; 3]
    );
    assert_eq!(gaps["Patient Age"][1], 414);
    assert_eq!(found["table-auc"]["types"]["tiny std"], "number");
    assert_eq!(found["odd-auc"]["types"]["Label (2)"], "number");
    assert!(
        found["table-auc"]["columns"]["tiny"].as_array().unwrap().contains(&Value::Null),
        "undefined is null"
    );
}

#[test]
fn mlflow_opens_the_store_with_runs_settings_epochs_and_files() {
    let (study, other) = (Study::trained(), Study::trained());
    for study in [&study, &other] {
        assert_eq!(study.json("export mlflow store")["runs"], 4);
    }
    assert!(read(&study.path("store")) == read(&other.path("store")), "the same bytes every time");
    study.ok("export mlflow some mlp-s-f0 --link hardlink");
    study.is_sound();
    study.refused(1, "export mlflow some", &["not empty"]);
    // Moved, as a folder that is sent to a colleague.
    fs::rename(study.path("store"), study.path("elsewhere")).unwrap();
    let Some(found) = peer("mlflow_store.py", &study, &["elsewhere"]) else { return };
    let runs = found["runs"].as_object().unwrap();
    assert_eq!(
        runs.keys().map(String::as_str).collect::<Vec<_>>(),
        ["mlp-s-f0", "mlp-s-f1", "tiny-s-f0", "tiny-s-f1"]
    );
    assert_eq!(found["experiments"], json!(["tiny, s"]));
    let registry = study.registry();
    for (name, run) in runs {
        let id: Id<Run> = Id::new(study.id(name).parse().unwrap());
        let record = registry.get(id).unwrap();
        let log = registry.store().read(&record.log.unwrap().hash).unwrap();
        let losses: Vec<Value> = String::from_utf8(log)
            .unwrap()
            .lines()
            .map(|line| line.parse::<Value>().unwrap())
            .map(|epoch| json!([epoch["epoch"], epoch["val_loss"]]))
            .collect();
        assert_eq!(run["val loss"], json!(losses), "{name}");
        // The metrics that MLflow shows for a run are those of the epoch whose weights were kept.
        assert_eq!(run["metrics"]["val loss"], json!(record.val_loss), "{name}");
        assert_eq!(run["tags"]["reg.run"], json!(id));
        let answer: Value =
            fs::read_to_string(study.path(&format!("answers/{name}.json"))).unwrap().parse().unwrap();
        assert_eq!(run["metrics"]["test AUC/mean"], answer["auc"]["mean"]);
        assert_eq!(run["metrics"]["test AUC/labels in the mean"].as_f64(), answer["mean_over"].as_f64());
        assert_eq!(run["params"]["fold"], name[name.len() - 1..]);
        assert_eq!(
            run["checkpoint"],
            json!(registry.store().read(&record.checkpoint.unwrap().hash).unwrap().len())
        );
        assert_eq!(
            run["artifacts"],
            json!([
                "README.md",
                "checkpoint.safetensors",
                "log.jsonl",
                "model.py",
                "spec.json",
                "test-auc.csv"
            ])
        );
        assert!(run["start"].as_i64().unwrap() <= run["end"].as_i64().unwrap());
        assert_eq!(run["tags"]["reg.withdrawn"], Value::Null);
    }
    study.ok("withdraw patient:5 --reason consent");
    study.ok("export mlflow marked");
    let Some(found) = peer("mlflow_store.py", &study, &["marked"]) else { return };
    let tags = found["runs"].as_object().unwrap().values().map(|run| text(&run["tags"]["reg.withdrawn"]));
    assert!(tags.into_iter().all(|tag| tag.starts_with("contains withdrawn data: ")), "{found}");
}

#[test]
fn a_card_says_what_is_recorded_and_its_metadata_is_what_hubs_read() {
    let study = Study::trained();
    study.ok("compare tiny-s-f0 --by gender --name groups");
    study.ok("export tiny-s-f0 -o card.md");
    let card = fs::read_to_string(study.path("card.md")).unwrap();
    assert!(
        card.contains("## Groups of patients") && card.contains("n/a") && !card.contains("license"),
        "{card}"
    );
    for id in [study.id("tiny-s-f0"), study.id("tiny"), study.id("s")] {
        assert!(card.contains(&id), "{id}");
    }
    study.refused(2, "export tiny-s-f0 tiny-s-f1 -o cards.md", &["exactly one run"]);
    study.refused(1, "export tiny -o card.md", &["a run is expected"]);
    let Some(found) = peer("card.py", &study, &["card.md"]) else { return };
    let answer: Value = fs::read_to_string(study.path("answers/tiny-s-f0.json")).unwrap().parse().unwrap();
    let result = &found["model-index"][0]["results"][0];
    let metrics = result["metrics"].as_array().unwrap();
    let auc = |name: &str| metrics.iter().find(|m| text(&m["name"]).starts_with(name)).map(|m| &m["value"]);
    assert_eq!(auc("AUC, mean over"), Some(&answer["auc"]["mean"]));
    for (label, value) in answer["auc"].as_object().unwrap().iter().filter(|(label, _)| *label != "mean") {
        assert_eq!(auc(&format!("AUC {label}")), Some(value).filter(|value| !value.is_null()), "{label}");
    }
    assert_eq!(
        [&result["dataset"]["split"], &result["dataset"]["revision"]],
        [&json!("test"), &json!(study.id("tiny"))]
    );
}

#[test]
fn model_py_gives_the_scores_of_reg_predict() {
    let study = Study::trained();
    let made = study.json("export tiny-s-f0 --format checkpoint -o plain");
    assert_eq!(made["files"], json!(["checkpoint.safetensors", "model.py"]));
    let id = text(&study.json("show tiny-s-f0")["record"]["checkpoint"]).to_owned();
    assert_eq!(
        fs::read(study.path("plain/checkpoint.safetensors")).unwrap(),
        fs::read(study.object(&id)).unwrap()
    );
    let Some(python) = support::torch() else { return };
    // Small networks with every option: with REG_PYTHON this test takes minutes.
    let train = TINY.replace("epochs=2", "epochs=1");
    let small = "--set input=40 --set resize=48 --set batch=8 --set lr=0.0001";
    let mut runs = vec![("tiny-s-f0".to_owned(), true), ("mlp-s-f0".to_owned(), false)];
    for (model, settings) in [
        ("tiny-meta", ""),
        ("resnet50", small),
        ("resnet50-1channel", small),
        ("densenet121", small),
        ("resnet38-large-meta", "--set input=64 --set resize=72 --set batch=8 --set lr=0.0001"),
    ] {
        study.ok(&format!("{} {settings}", train.replace("--model tiny", &format!("--model {model}"))));
        runs.push((format!("{model}-s-f0"), true));
    }
    let (_, manifest) = manifest(&study.registry(), &study);
    let (known, new) = (&manifest.rows[3], "new.png");
    // A mere copy would be known by its bytes, and with it age, gender and view position.
    let turned = "import sys; from PIL import Image; Image.open(sys.argv[1]).rotate(180).save(sys.argv[2])";
    let from = study.path("images").join(manifest.rows[5].name.as_str());
    let status = Command::new(&python).args(["-c", turned]).arg(from).arg(study.path(new)).status();
    assert!(status.unwrap().success());
    for (run, sees_images) in &runs {
        let folder = format!("{run}-torch");
        study.ok(&format!("export {run} --format checkpoint -o {folder}"));
        for (image, row) in [(format!("images/{}", known.name), Some(known)), (new.to_owned(), None)] {
            let needs_meta = run.contains("meta") || run.starts_with("mlp");
            let unknown = if row.is_none() && needs_meta {
                "--age unknown --gender unknown --view unknown"
            } else {
                ""
            };
            let answer = study.json(&format!("predict {run} {image} {unknown}"));
            let expected = answer["images"][0]["scores"].clone();
            let (program, weights) =
                (format!("{folder}/model.py"), format!("{folder}/checkpoint.safetensors"));
            let mut arguments = vec![program, weights];
            if *sees_images {
                arguments.push(image.clone());
            }
            if let (Some(row), true) = (row, needs_meta) {
                let gender = if row.gender == reg::records::Gender::Male { "M" } else { "F" };
                let view = if row.view == reg::records::ViewPosition::PA { "PA" } else { "AP" };
                let age = row.age.unwrap().to_string();
                arguments.extend(["--age", &age, "--gender", gender, "--view", view].map(str::to_owned));
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let found = printed(&mut Command::new(&python), &study, &arguments);
            let mut worst = 0f64;
            let saturated = |score: &Value| !(1e-3..0.999).contains(&score.as_f64().unwrap());
            assert!(!expected.as_object().unwrap().values().all(saturated), "{run} says nothing: {expected}");
            for (label, score) in expected.as_object().unwrap() {
                let theirs = &found[label];
                worst = worst.max((score.as_f64().unwrap() - theirs["score"].as_f64().unwrap()).abs());
                assert_eq!(theirs["positive"], answer["images"][0]["positive"][label], "{run} {label}");
                let threshold = &answer["thresholds"]["labels"][label]["probability"];
                assert_eq!(theirs["threshold"].is_null(), threshold.is_null(), "{run} {label}");
                if let (Some(a), Some(b)) = (theirs["threshold"].as_f64(), threshold.as_f64()) {
                    assert!((a - b).abs() < 1e-12, "{run} {label}: {a} and {b}");
                }
            }
            println!("{run}, {image}: within {worst:.1e}");
            assert!(worst < 1e-5, "{run} on {image}: {found} and {expected}");
        }
    }
    // A plain ResNet or DenseNet is torchvision's own.
    let strict = "import sys, torchvision, safetensors.torch as s\n\
         m = getattr(torchvision.models, sys.argv[1])(num_classes=15)\n\
         print(len(m.load_state_dict(s.load_file(sys.argv[2]), strict=True).missing_keys))";
    for model in ["resnet50", "densenet121"] {
        let weights = format!("{model}-s-f0-torch/checkpoint.safetensors");
        let loaded = printed(Command::new(&python).args(["-c", strict, model]), &study, &[&weights]);
        assert_eq!(loaded, 0, "{model}");
    }
}

#[test]
fn what_contains_withdrawn_data_is_exported_with_a_warning() {
    let study = Study::trained();
    study.ok("withdraw patient:1 --reason consent");
    for command in ["export mlp-s-f0 -o scores.csv", "export mlflow store"] {
        let answer = study.reg(&format!("--json {command}"));
        answer.says(0, &["warning", "withdrawn"]);
        assert!(!answer.json()["withdrawn"].as_array().unwrap().is_empty(), "{command}");
    }
}

#[test]
fn nothing_half_written_stays() {
    let study = Study::trained();
    let run = study.json("show mlp-s-f0")["record"].clone();
    harness::overwrite(&study.object(text(&run["checkpoint"])), b"not these bytes");
    for command in [
        "export mlp-s-f0 --format checkpoint -o out",
        "export mlflow out",
        "export mlflow out --link hardlink",
        "trace mlp-s-f0 --format ro-crate -o out",
    ] {
        study.refused(1, command, &[text(&run["checkpoint"])]);
        let left: Vec<PathBuf> =
            fs::read_dir(study.path(".")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(
            !left.iter().any(|path| path.ends_with("out") || path.to_string_lossy().ends_with(".part")),
            "{left:?}"
        );
    }
}
