//! Invalid settings are refused by name, before anything is computed.

use std::fs;

use serde_json::json;

use crate::harness::Study;

fn train(arguments: &str) -> String {
    format!("train --dataset tiny --split s --threads 1 {arguments}")
}

#[test]
fn settings_with_named_values_say_which_there_are() {
    let study = Study::new();
    let text = study.ok("train --model tiny --settings --format csv");
    for choices in [
        "bce, positive-negative or class-balanced",
        "never or a whole number",
        "f32, tf32 or bf16",
        "channels-last",
    ] {
        assert!(text.contains(choices), "{choices}: {text}");
    }
    let help = study.ok("train --help").replace('\n', " ");
    for choices in ["loss: bce, positive-negative", "early_stop: never or", "precision: f32", "pixels: "] {
        let words: Vec<&str> = help.split_whitespace().collect();
        assert!(words.join(" ").contains(choices), "{choices}: {help}");
    }
    study.ok(crate::harness::INGEST);
    study.ok("split make tiny --folds 2 --name s");
    study.refused(
        1,
        "train --dataset tiny --split s --fold 7 --model mlp",
        &["split s has no fold or re-sampling 7: give --fold 0 to 1"],
    );
}

#[test]
fn a_setting_that_does_not_exist_is_named_with_the_nearest() {
    let study = Study::divided();
    study.refused(
        1,
        &train("--model tiny --set epoch=2"),
        &["--set epoch=2", "`epoch`", "hint: did you mean `epochs`?"],
    );
    fs::write(study.path("run.toml"), "epochs = 1\n[training]\nbatchsize = 4\n").unwrap();
    study.refused(
        1,
        &train("--model tiny --config run.toml"),
        &["run.toml", "`batchsize`", "hint: its settings are"],
    );
    study.refused(1, &train("--model tiny --config none.toml"), &["none.toml"]);
    fs::write(study.path("run.toml"), "epochs = = 1\n").unwrap();
    study.refused(1, &train("--model tiny --config run.toml"), &["run.toml"]);
    assert_eq!(study.json("list run")["records"], json!([]));
}

#[test]
fn an_ill_typed_or_impossible_value_is_named() {
    let study = Study::divided();
    for (setting, words) in [
        ("epochs=many", "`epochs` cannot be \"many\""),
        ("epochs=0", "`epochs` cannot be 0"),
        ("lr=-1", "`lr` cannot be -1"),
        ("epochs", "expected `key=value`"),
    ] {
        study.refused(1, &train(&format!("--model tiny --set {setting}")), &[words]);
    }
}

#[test]
fn what_is_wrong_with_a_network_s_file_is_said_with_what_to_type() {
    let study = Study::divided();
    let own = |file: &str, text: &str| {
        fs::write(study.path(file), text).unwrap();
        train(&format!("--model {file} --set epochs=1"))
    };
    let layers = "head = 'fc'\nlayers = [{ layer = 'dense', name = 'hidden', hidden = [8, 0] }]\n";
    let command = own("mlp.toml", layers);
    study.refused(1, &command, &["mlp.toml", "hint: give it another name: `mv mlp.toml my-mlp.toml`"]);
    fs::rename(study.path("mlp.toml"), study.path("my-mlp.toml")).unwrap();
    let command = command.replace("mlp.toml", "my-mlp.toml");
    study.refused(1, &command, &["my-mlp.toml: `hidden` of layer 1", "hint: write `hidden = [64]`"]);
    let misspelt = layers.replace("[8, 0]", "[64]").replace("hidden =", "hiden =");
    study.refused(
        1,
        &own("my-mlp.toml", &misspelt),
        &["unknown field `hiden`", "write `hidden` for `hiden`"],
    );
    study.refused(1, &own("my-mlp.toml", &layers.replace("head = 'fc'\n", "")), &["add `head = \"fc\"`"]);
    study.refused(1, &train("--model my-mlp.yaml"), &["hint: the name of a network's file ends in .toml"]);
    study.ok(&own("my-mlp.toml", &layers.replace("[8, 0]", "[64]")));
}

#[test]
fn an_unknown_model_device_or_fold_is_named() {
    let study = Study::divided();
    study.refused(
        1,
        &train("--model resnet5"),
        &["unknown model `resnet5`", "hint: did you mean `resnet50`?"],
    );
    study.refused(
        1,
        &train("--model mlp --device tpu"),
        &["unknown device `tpu`", "hint: possible devices: auto, cpu"],
    );
    study.refused(1, &train("--model mlp --fold 2"), &["no fold or re-sampling 2: give --fold 0 to 1"]);
    assert_eq!(study.reg(&train("--model mlp --fold minus")).code, 2);
}

#[test]
fn something_of_another_kind_is_refused_as_such() {
    let study = Study::divided();
    study.refused(
        1,
        "train --dataset s --split s --model mlp",
        &["`s` is a split, but a dataset is expected"],
    );
    study.refused(
        1,
        "train --dataset tiny --split tiny --model mlp",
        &["`tiny` is a dataset, but a split is expected"],
    );
    study.refused(1, "eval tiny", &["`tiny` is a dataset, but a run is expected"]);
    study.refused(1, &train("--model mlp --weights s"), &["`s` is a split, but a weights is expected"]);
    study.refused(1, "train --dataset tinny --split s --model mlp", &["`tinny`", "hint: did you mean tiny?"]);
    // A split of another data set.
    study.ok("ingest --metadata-only --metadata data.csv --name rows");
    study.refused(1, "train --dataset rows --split s --model mlp", &["belongs to data set"]);
}

#[test]
fn a_model_that_looks_at_images_needs_some() {
    let study = Study::new();
    study.ok("ingest --metadata-only --metadata data.csv --name tiny");
    study.ok("split make tiny --folds 1 --name s");
    study.refused(
        1,
        &train("--model tiny"),
        &["has metadata only, but tiny needs images", "hint: use the model `mlp`"],
    );
    study.ok(&train("--model mlp --set epochs=1"));
}

#[test]
fn transfer_learning_needs_weights_and_scratch_takes_none() {
    let study = Study::trained();
    study.refused(1, &train("--model tiny --init fine-tune"), &["--init fine-tune", "hint:", "--weights"]);
    study.refused(1, &train("--model tiny --init off-the-shelf"), &["--init off-the-shelf"]);
    study.ok(&format!("weights import {} --name w", checkpoint(&study)));
    study.refused(
        1,
        &train("--model tiny --weights w --init scratch"),
        &["cannot be combined with --weights", "hint:"],
    );
}

/// Writes the checkpoint of a run to a file and returns its name.
fn checkpoint(study: &Study) -> &'static str {
    let id = study.json("show tiny-s-f0")["record"]["checkpoint"].as_str().unwrap().to_owned();
    fs::copy(study.object(&id), study.path("w.safetensors")).unwrap();
    "w.safetensors"
}

#[test]
fn a_checkpoint_is_imported_and_trained_on() {
    let study = Study::trained();
    let imported = study.json(&format!("weights import {} --name w", checkpoint(&study)));
    assert!(imported["tensors"].as_u64().unwrap() > 4 && imported["parameters"].as_u64().unwrap() > 20_000);
    let tuned = study.json(&train("--model tiny --weights w --init fine-tune --set epochs=1 --name tuned"));
    let shelf = study.json(&train("--model tiny --weights w --init off-the-shelf --set epochs=1"));
    assert_ne!(tuned["checkpoint"], shelf["checkpoint"]);
    assert_eq!(study.json("show tuned")["record"]["epochs"], json!(1));
    let graph = study.json("trace tuned");
    assert!(graph["nodes"].as_array().unwrap().iter().any(|node| node["name"] == json!("w")));
    // A network that these weights do not fit.
    study.refused(1, &train("--model mlp --weights w"), &["weights"]);
    study.is_sound();
}

#[test]
fn a_pickle_is_never_loaded_and_the_hint_converts_it() {
    let study = Study::new();
    fs::write(study.path("model.pth"), b"PK\x03\x04 not really").unwrap();
    let words = [
        "model.pth is not a safetensors file: it is",
        "hint: reg loads no pickle files",
        "torch.load(sys.argv[1], map_location='cpu', weights_only=True)",
        "\" model.pth",
    ];
    study.refused(1, "weights import model.pth --name w", &words);
    fs::write(study.path("cut.safetensors"), b"\x40\0\0\0\0\0\0\0{\"a\":").unwrap();
    study.refused(1, "weights import cut.safetensors", &["cut.safetensors is not a safetensors file"]);
    study.refused(1, "weights import none.safetensors", &["none.safetensors"]);
    study.is_empty();
}
