//! Numbers that say nothing: one value a channel in BatchNorm, weights that no network has, trainings that diverge, columns
//! of one score. None of them becomes a result that looks like one.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Answer, Study};

const TINY: &str = "train --dataset tiny --split s --fold 0 --threads 1 --model tiny";

/// What the fixture needs for a network with BatchNorm that leaves one pixel of a small image.
const ONE_PIXEL: &str = "train --dataset tiny --split s --fold 0 --threads 1 --model resnet18-1channel --set input=32 --set epochs=1";

#[test]
fn batchnorm_of_one_value_is_refused_as_pytorch_does() {
    let study = Study::divided();
    let words =
        ["BatchNorm cannot be trained on one value per channel", "hint: give at least 2 images to a batch"];
    study.refused(1, &format!("{ONE_PIXEL} --set batch=1 --name m"), &words);
    assert_eq!(study.json("list run")["records"], json!([]));
    // A split with a single training image has no other batches either.
    let names = fs::read_to_string(study.path("train_val.txt")).unwrap();
    let two: Vec<&str> = names.lines().take(1).chain(names.lines().skip(8).take(1)).collect();
    fs::write(study.path("two.txt"), two.join("\n")).unwrap();
    study.ok("split import tiny --train-val two.txt --test test.txt --val-fraction 0.5 --name one");
    study.refused(1, &format!("{} --name n", ONE_PIXEL.replace("--split s", "--split one")), &words);
    // As the hint says.
    study.ok(&format!("{ONE_PIXEL} --set batch=16 --name m"));
    // The last batch of a training whose images leave one over is joined with the one before it.
    let images = study.json("split show s")["folds"][0]["train"]["images"].as_u64().unwrap();
    study.ok(&format!("{ONE_PIXEL} --set batch={} --name joined", images - 1));
    study.ok("verify --recompute");
}

#[test]
fn a_training_that_diverged_is_not_to_be_resumed_for_ever() {
    let study = Study::divided();
    // It is saved after each epoch, and fails in the second.
    let diverging = format!("{TINY} --set epochs=9 --set lr=1e20 --save-every 0 --name wild");
    let words = ["not finite", "hint: try a smaller learning rate (`--set lr=0.001`)"];
    for _ in 0..2 {
        study.refused(1, &diverging, &words[..0]);
    }
    let failed: Answer = study.reg(&diverging);
    failed.says(1, &["hint: try a smaller learning rate (`--set lr=0.001`)"]);
    // Nothing of it can be resumed, so nothing of it is kept for that.
    let live = fs::read_dir(study.path(".reg/live")).unwrap().next().unwrap().unwrap().path();
    assert!(!live.join("state.safetensors").exists());
    assert!(
        fs::read_dir(&live).unwrap().all(|file| !file
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("best-"))
    );
    for command in ["list", "list run", "show wild", "doctor"] {
        let said = study.ok(command);
        assert!(
            said.contains("wild failed: ") && said.contains("`reg gc` removes its files"),
            "{command}: {said}"
        );
        assert!(!said.contains("to resume") && !said.contains("to retry"), "{command}: {said}");
    }
    let listed = study.json("list run")["live"][0].clone();
    assert_eq!(listed["resumable"], json!(false));
    assert!(listed["error"].is_string(), "{listed}");
    assert!(study.ok("gc").contains("1 working folder of finished or failed trainings"));
    assert_eq!(fs::read_dir(study.path(".reg/live")).unwrap().count(), 0);
    assert!(!study.ok("list run").contains("wild"));
    // As the hint says.
    study.ok(&format!("{TINY} --set epochs=1 --set lr=0.001 --name tame"));
}

#[test]
fn weights_that_fit_no_network_are_told_at_import_with_both_shapes() {
    let study = Study::trained();
    let id = study.json("show tiny-s-f0")["record"]["checkpoint"].as_str().unwrap().to_owned();
    let bytes = fs::read(study.object(&id)).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let write = |name: &str, header: &Value| {
        let text = header.to_string();
        let file = [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &bytes[8 + length..]].concat();
        fs::write(study.path(name), file).unwrap();
    };
    write("own.safetensors", &header);
    let notes = |file: &str| {
        study.json(&format!("weights import {file} --trained-on external nothing"))["notes"].clone()
    };
    assert_eq!(
        notes("own.safetensors"),
        json!([
            "tensors of tiny; the last layer, `fc`, has 15 outputs: fine-tuning for a different number of labels replaces it"
        ])
    );
    let mut other = header.clone();
    let shape = other["features.1.conv.weight"]["shape"].as_array().unwrap().clone();
    other["features.1.conv.weight"]["shape"] = json!([shape[1], shape[0], shape[2], shape[3]]);
    write("other.safetensors", &other);
    let said = notes("other.safetensors")[0].as_str().unwrap().to_owned();
    assert_eq!(
        said,
        "warning: no built-in network of reg can start from these weights: the nearest is tiny; other shapes: \
         features.1.conv.weight is [16, 32, 3, 3], not [32, 16, 3, 3]"
    );
    let answer = study.reg("weights import other.safetensors");
    answer.says(0, &["warning: no built-in network of reg"]);
    // The last layer may have any size.
    let mut head = header.clone();
    let entry = head["fc.weight"]["shape"].as_array().unwrap().clone();
    head["fc.weight"]["shape"] = json!([entry[1], entry[0]]);
    write("head.safetensors", &head);
    assert!(notes("head.safetensors")[0].as_str().unwrap().starts_with("tensors of tiny; the last layer"));
}

#[test]
fn a_column_of_one_score_is_a_warning_in_the_table_in_every_format() {
    let study = Study::divided();
    let names = fs::read_dir(study.path("images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let rows: Vec<String> =
        names.iter().enumerate().map(|(place, name)| format!("{name},0.5,0.{}", place + 10)).collect();
    fs::write(study.path("s.csv"), format!("Image Index,Mass,Effusion\n{}\n", rows.join("\n"))).unwrap();
    let import = "predictions import s.csv --dataset tiny --name flat";
    let words = "all images have the same score for Mass; such an AUC of 0.5 says nothing about the model";
    for format in ["text", "markdown", "latex", "csv"] {
        let printed = study.ok(&format!("{import} --format {format}"));
        assert!(printed.contains(words), "{format}: {printed}");
        assert!(
            printed.contains("WARNING: ")
                || format == "csv" && printed.lines().next().unwrap().ends_with(",warning"),
            "{printed}"
        );
    }
    let imported = study.json(import);
    assert_eq!(imported["constant"], json!(["Mass"]));
    let record = study.json(&format!("show {}", imported["table"].as_str().unwrap()))["record"].clone();
    assert_eq!(
        record["labels"].as_array().unwrap().iter().filter(|label| label["constant"] == true).count(),
        1
    );
    study.ok("export flat --format csv -o sheets");
    let table = imported["table"].as_str().unwrap()[..12].to_owned();
    study.ok(&format!("export {table} -o t.csv"));
    assert!(fs::read_to_string(study.path("t.csv")).unwrap().contains(words));
    study.ok(&format!("export {table} -o t.parquet"));
    assert!(
        fs::read(study.path("t.parquet"))
            .unwrap()
            .windows(words.len())
            .any(|bytes| bytes == words.as_bytes())
    );
    study.ok("report flat -o r.html");
    let page = fs::read_to_string(study.path("r.html")).unwrap();
    assert!(
        page.contains("<strong class=\"warning\">WARNING: all images have the same score for Mass of flat"),
        "{page}"
    );
    assert!(study.ok("compare flat").contains("WARNING: all images have the same score for Mass of flat"));
    // It can be recomputed, here and without reg.
    study.ok("verify --recompute");
    study.ok(&format!("audit {table} -o b.zip"));
    study.ok("audit verify b.zip");
    let (code, said) = crate::audit::python(&study, "b.zip");
    assert_eq!(code, 0, "{said}");
    // A table without such a column says nothing of the kind.
    study.ok(&format!("{TINY} --set epochs=1"));
    assert!(!study.ok("eval tiny-s-f0").contains("WARNING"));
}
