//! Splits: by patient, deterministic, checked for leaks.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::harness::{INGEST, Study};

#[test]
fn a_split_follows_from_its_seed_and_is_checked() {
    let study = Study::divided();
    let again = study.json("split make tiny --folds 2 --seed 1");
    assert_eq!(again["id"].as_str(), Some(study.id("s").as_str()));
    assert_ne!(study.json("split make tiny --folds 2 --seed 2")["id"], again["id"]);
    for fold in again["folds"].as_array().unwrap() {
        let total: u64 = ["train", "val", "test"].iter().map(|s| fold[s]["images"].as_u64().unwrap()).sum();
        assert_eq!(total, 30);
    }
    let checked = study.json("split check s");
    assert_eq!(checked["leaks"], json!([]));
    let shown = study.json("split show s");
    for (fold, sizes) in shown["folds"].as_array().unwrap().iter().zip(again["folds"].as_array().unwrap()) {
        assert_eq!(fold["test"]["images"], sizes["test"]["images"]);
        assert_eq!(fold["test"]["labels"].as_object().unwrap().len(), 15);
    }
    assert!(study.ok("split show s").contains("Pneumothorax"));
}

#[test]
fn ratios_and_folds_that_cannot_be_are_refused() {
    let study = Study::divided();
    for (arguments, words) in [
        ("--ratios 70/10/10", "70/10/10"),
        ("--ratios 0.7/0.1/0.2", "0.7/0.1/0.2"),
        ("--ratios 100/0/0", "0"),
        ("--folds 0", "0"),
    ] {
        study.refused(1, &format!("split make tiny {arguments}"), &[words]);
    }
    assert_eq!(study.json("list split")["records"].as_array().unwrap().len(), 1);
}

const IMPORT: &str =
    "split import tiny --train-val train_val.txt --test test.txt --val-fraction 0.2 --name official";

#[test]
fn published_lists_are_kept_and_validation_is_cut_by_patient() {
    let study = Study::new();
    study.ok(INGEST);
    let answer = study.json(IMPORT);
    let listed = |file: &str| fs::read_to_string(study.path(file)).unwrap().lines().count();
    assert_eq!(answer["folds"][0]["test"]["images"], json!(listed("test.txt")));
    assert_eq!(study.json("split check official")["leaks"], json!([]));
    let record = study.json("show official")["record"].clone();
    let kept = record["method"]["test"]["object"].as_str().unwrap();
    assert_eq!(study.reg(&format!("cat {kept}")).stdout, fs::read(study.path("test.txt")).unwrap());
    study.is_sound();
}

#[test]
fn lists_that_share_a_patient_are_a_leak_that_names_the_patient() {
    let study = Study::new();
    study.ok(INGEST);
    // Patient 24 has two images: one of them goes to the other list.
    let lists = ["train_val.txt", "test.txt"].map(|file| fs::read_to_string(study.path(file)).unwrap());
    let all: BTreeSet<&str> = lists.iter().flat_map(|list| list.lines()).collect();
    let write = |file: &str, names: Vec<&str>| fs::write(study.path(file), names.join("\n")).unwrap();
    let test = |name: &&str| lists[1].lines().any(|listed| listed == *name) && !name.starts_with("00000024");
    let mut testing: Vec<&str> = all.iter().copied().filter(test).collect();
    testing.push("00000024_001.png");
    write("train_val.txt", all.iter().copied().filter(|name| !testing.contains(name)).collect());
    write("test.txt", testing);
    let imported = study.json(IMPORT);
    assert!(imported["findings"][0].as_str().unwrap().contains("more than one subset"), "{imported}");
    let answer = study.reg("split check official");
    assert_eq!(answer.code, 3);
    let text = String::from_utf8(answer.stdout).unwrap();
    assert!(text.contains("division 0: patient 24 is in") && text.contains("test"), "{text}");
    let answer = study.reg("--json split check official");
    assert_eq!(answer.code, 3);
    let leaks: Value = answer.json()["leaks"].clone();
    assert_eq!((leaks.as_array().unwrap().len(), &leaks[0]["patient"]), (1, &json!("24")));
    assert_eq!(leaks[0]["images"], json!(["00000024_000.png", "00000024_001.png"]));
}

#[test]
fn lists_that_make_no_split_are_refused_by_file_and_line() {
    let study = Study::new();
    study.ok(INGEST);
    let refused = |words: &[&str]| {
        study.refused(1, IMPORT, words);
        assert_eq!(study.json("list split")["records"], json!([]));
    };
    let whole = fs::read_to_string(study.path("test.txt")).unwrap();
    fs::write(study.path("test.txt"), format!("{whole}\n{}", whole.lines().next().unwrap())).unwrap();
    refused(&["test.txt, line 7", "already on line 1"]);
    fs::write(study.path("test.txt"), "../x.png").unwrap();
    refused(&["none of the 1 image listed for test"]);
    fs::write(study.path("test.txt"), "elsewhere.png\n").unwrap();
    refused(&["test"]);
    fs::remove_file(study.path("test.txt")).unwrap();
    refused(&["cannot read test.txt"]);
}

/// The same picture with other bytes: a chunk of text before the end.
pub(crate) fn saved_again(png: &[u8]) -> Vec<u8> {
    let (before, end) = png.split_at(png.len() - 12);
    let body = [&b"tEXt"[..], b"Software\0another"].concat();
    let length = (body.len() as u32 - 4).to_be_bytes();
    [before, &length, &body, &crc32fast::hash(&body).to_be_bytes(), end].concat()
}

#[test]
fn the_same_picture_under_two_patients_is_a_leak() {
    let study = Study::new();
    let listed = |file: &str| -> Vec<String> {
        fs::read_to_string(study.path(file)).unwrap().lines().map(str::to_owned).collect()
    };
    let (learnt, tested) = (listed("train_val.txt"), listed("test.txt"));
    let image = |name: &str| study.path("images").join(name);
    // One test image is the file of a training image, another one is its picture saved again.
    fs::copy(image(&learnt[0]), image(&tested[0])).unwrap();
    fs::write(image(&tested[1]), saved_again(&fs::read(image(&learnt[1])).unwrap())).unwrap();
    study.ok(INGEST);
    let imported = study.reg(IMPORT);
    assert!(
        imported.stderr.contains("1 image is in more than one subset under different patients"),
        "{imported:?}"
    );
    let leaks = |arguments: &str| {
        let checked = study.reg(&format!("--json split check official{arguments}"));
        assert_eq!(checked.code, 3);
        checked.json()
    };
    let by_bytes = leaks("");
    assert_eq!(by_bytes["compared"], json!({ "patients": 30, "bytes": 30, "pixels": 0 }));
    let pairs = |found: &Value| -> Vec<(Value, BTreeSet<String>)> {
        let names = |leak: &Value| {
            leak["images"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let leaks = found["leaks"].as_array().unwrap();
        leaks.iter().map(|leak| (leak["kind"].clone(), names(leak))).collect()
    };
    let pair = |a: &String, b: &String| BTreeSet::from([a.clone(), b.clone()]);
    let bytes = (json!("bytes"), pair(&learnt[0], &tested[0]));
    assert_eq!(pairs(&by_bytes), std::slice::from_ref(&bytes));
    let both = [bytes, (json!("pixels"), pair(&learnt[1], &tested[1]))];
    assert_eq!(pairs(&leaks(" --pixels")), both);
    // Computed hashes of pixels are cached, also those of an ingest.
    let kept = leaks("");
    assert_eq!(pairs(&kept), both);
    assert_eq!(kept["compared"]["pixels"], json!(30));
    // They are an object of their own, which the cache may be deleted without.
    let id = kept["pixel_hashes"].as_str().unwrap().to_owned();
    let recorded = study.json(&format!("show {id}"))["record"].clone();
    assert_eq!((&recorded["kind"], &recorded["known"]), (&json!("pixel-hashes"), &json!(30)));
    fs::remove_dir_all(study.path(".reg/cache/pixel-hashes")).unwrap();
    assert_eq!(pairs(&leaks("")), both);
    // `--check full` makes the same record.
    let other = Study::bare();
    crate::harness::copy(&study.path("."), &other.path("."));
    fs::remove_dir_all(other.path(".reg")).unwrap();
    other.ok("init");
    other.ok(&format!("{INGEST} --check full"));
    other.ok(IMPORT);
    assert_eq!(other.json("list pixel-hashes")["records"][0]["id"], json!(id));
    let checked = other.reg("--json split check official");
    assert_eq!((checked.code, pairs(&checked.json())), (3, both.to_vec()));
    study.ok("verify --recompute");
    // `reg gc` keeps it as long as its data set, and it travels with that.
    study.ok("gc --keep-days 0");
    assert_eq!(study.id(&id), id);
    study.ok("push depot official");
    let far = Study::bare();
    far.ok("init");
    far.ok(&format!("pull {}", study.path("depot").display()));
    let pulled = far.reg("--json split check official");
    assert_eq!((pulled.code, pairs(&pulled.json())), (3, both.to_vec()));
    for name in ["official", "tiny"] {
        far.ok(&format!("tag --delete {name}"));
    }
    far.ok("gc --keep-days 0");
    assert_eq!(far.json("list pixel-hashes")["records"], json!([]));
    let said = String::from_utf8(study.reg("split check official").stdout).unwrap();
    assert!(said.contains("compared: patients of 30 images, files of 30, pixels of 30"), "{said}");
    // A run on such a split has learnt from images that it is tested on.
    let trained = study
        .reg("--json train --dataset tiny --split official --model mlp --set epochs=1 --threads 1 --name m");
    assert_eq!(trained.code, 0, "{trained:?}");
    let words = "images that it is tested on, where they belong to other patients (identical files: 1, identical pixels in another file: 1)";
    assert!(
        trained.stderr.contains("warning: m (division 0) was trained or selected on 2 of the 6"),
        "{trained:?}"
    );
    assert!(trained.stderr.contains(words), "{trained:?}");
    assert_eq!(trained.json()["unfair"][0]["kind"], json!("leak"));
    study.refused(3, "compare m", &[words, "hint: compare models that have not seen these patients"]);
    // Every list and page says so, from what is remembered as well as from what is counted.
    let split = "division 0: 2 images under different patients are in more than one subset: `reg split check official` lists them";
    let of_run = "m (division 0) was trained or selected on 2 of the 6 images that it is tested on";
    let of_all = "the model (division 0) was trained or selected on 2 of the 6 images that it is tested on";
    for _ in 0..2 {
        for (command, why) in [
            ("show official", split),
            ("split show official", split),
            ("list split", split),
            ("show m", of_run),
            ("list run --sort test_auc", of_all),
            ("list table", of_run),
        ] {
            let shown = study.reg(command);
            let text = String::from_utf8_lossy(&shown.stdout).replace('\n', " ") + &shown.stderr;
            assert!(shown.code == 0 && text.contains(why), "{command}: {shown:?}");
        }
        let leaks = |command: &str, pointer: &str| study.json(command).pointer(pointer).unwrap().to_string();
        assert!(leaks("show official", "/leaks/0/why/0").contains(split));
        assert!(leaks("split show official", "/leaks/0/why/0").contains(split));
        assert!(leaks("list split", "/records/0/leaks/0").contains(split));
        assert!(leaks("list run", "/runs/0/leaks/0").contains(of_all));
        assert!(leaks("list table", "/records/0/leaks/0").contains(of_run));
        let csv = study.ok("list run --format csv --columns name,test_auc");
        assert!(csv.starts_with("name,test_auc,test_auc_labels,leaks\n") && csv.contains(of_all), "{csv}");
        fs::remove_dir_all(study.path(".reg/cache/leaks")).unwrap();
    }
    // Without leaks nothing is said, and nothing has to be counted.
    let clean = Study::divided();
    for command in ["show s", "split show s", "list split", "list run --format csv"] {
        assert!(!clean.ok(command).to_lowercase().contains("leak"), "{command}");
    }
}
