//! Names of images in lists, boxes and scores: matched however they are written where nothing else can be meant, and
//! refused with that reason where two images can be.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{INGEST, Study};

const IMPORT: &str =
    "split import tiny --train-val train_val.txt --test test.txt --val-fraction 0.2 --name official";

/// What a way of writing is called, and how it writes.
type Spelling = (&'static str, fn(&str) -> String);

/// The ways in which other tools write a name.
const SPELLINGS: &[Spelling] = &[
    ("with a folder", |name| format!("images_001/images/{name}")),
    ("with a folder of Windows", |name| format!("C:\\nih\\{name}")),
    ("without an ending", |name| name.trim_end_matches(".png").to_owned()),
    ("in capitals", str::to_uppercase),
    ("as JPEG", |name| name.replace(".png", ".jpg")),
];

#[test]
fn lists_are_those_of_the_names_however_they_are_written() {
    let study = Study::new();
    study.ok(INGEST);
    let exact = study.json(IMPORT);
    let lists = ["train_val.txt", "test.txt"].map(|file| fs::read_to_string(study.path(file)).unwrap());
    for (what, spelling) in SPELLINGS {
        for (file, list) in ["train_val.txt", "test.txt"].iter().zip(&lists) {
            let written: Vec<String> = list.lines().map(spelling).collect();
            fs::write(study.path(file), written.join("\n")).unwrap();
        }
        let imported = study.json(&IMPORT.replace("official", "written --move"));
        assert_eq!(imported["folds"], exact["folds"], "{what}");
        let finding = imported["findings"][0].as_str().unwrap();
        assert!(finding.contains("30 images on the lists are named differently"), "{what}: {finding}");
        let assignment = |name: &str| study.json(&format!("show {name}"))["record"]["assignment"].clone();
        assert_eq!(assignment("written"), assignment("official"), "{what}");
        study.ok("verify --recompute");
        study.ok("audit written -o bundle.zip");
        study.ok("audit verify bundle.zip");
    }
}

#[test]
fn an_image_on_a_list_twice_under_two_names_is_refused() {
    let study = Study::new();
    study.ok(INGEST);
    study.edit("test.txt", |text| format!("{text}\nimages/{}", text.lines().next().unwrap()));
    study.refused(1, IMPORT, &["test.txt, line 7: \"images/", "is already on line 1"]);
    study.edit("test.txt", |text| text.lines().take(6).collect::<Vec<_>>().join("\n"));
    study.edit("train_val.txt", |text| {
        let test = fs::read_to_string(study.path("test.txt")).unwrap();
        format!("{text}\n{}", test.lines().next().unwrap().to_uppercase())
    });
    study.refused(1, IMPORT, &["is listed both for training and for test"]);
}

#[test]
fn boxes_are_those_of_the_names_however_they_are_written() {
    let study = Study::new();
    let exact = study.json(INGEST);
    let boxes = fs::read_to_string(study.path("boxes.csv")).unwrap();
    let packed =
        |id: &Value| study.json(&format!("show {}", id.as_str().unwrap()))["record"]["boxes"].clone();
    for (what, spelling) in SPELLINGS {
        let row = |line: &str| match line.split_once(',') {
            Some((name, rest)) if name.ends_with(".png") => format!("{},{rest}", spelling(name)),
            _ => line.to_owned(),
        };
        fs::write(study.path("boxes.csv"), boxes.lines().map(row).collect::<Vec<_>>().join("\n")).unwrap();
        let ingested = study.json(INGEST);
        assert_eq!(packed(&ingested["id"]), packed(&exact["id"]), "{what}");
        let findings = ingested["findings"].to_string();
        assert!(
            findings.contains("in the list of boxes") && findings.contains("are named differently"),
            "{what}: {findings}"
        );
        study.ok("verify --recompute");
    }
}

#[test]
fn a_name_that_can_be_two_images_is_refused_with_both() {
    let study = Study::new();
    // Two rows whose names differ in case only.
    let first = "00000001_000.png";
    study.edit("data.csv", |text| {
        let row = text.lines().find(|line| line.starts_with(first)).unwrap().to_owned();
        format!("{}\n{}\n", text.trim_end(), row.replace(first, "00000001_000.PNG"))
    });
    fs::copy(study.path("images/00000002_000.png"), study.path("images/00000001_000.PNG")).unwrap();
    study.ok(INGEST);
    study.edit("test.txt", |text| format!("{text}\nimages/00000001_000.png"));
    let words = [
        "test.txt, line 7",
        "matches both 00000001_000.PNG and 00000001_000.png",
        "hint: write the name as in the data set",
    ];
    study.refused(1, IMPORT, &words);
    fs::write(study.path("s.csv"), "Image Index,Mass\nx/00000001_000.png,0.5\n").unwrap();
    study.refused(
        1,
        "predictions import s.csv --dataset tiny --name a",
        &["s.csv, row 1", "matches both 00000001_000.PNG"],
    );
    study.edit("boxes.csv", |text| {
        let head = text.lines().next().unwrap().to_owned();
        format!("{head}\n00000001_000,Mass,1,1,5,5\n")
    });
    study.refused(1, &format!("{INGEST} --paranoid"), &["boxes.csv, row 1", "matches both 00000001_000.PNG"]);
    // The exact names mean what they say.
    fs::write(study.path("s.csv"), "Image Index,Mass\n00000001_000.png,0.5\n00000001_000.PNG,0.25\n")
        .unwrap();
    let imported = study.json("predictions import s.csv --dataset tiny --name a");
    assert_eq!((&imported["images"], &imported["inexact_names"]), (&json!(2), &json!([])));
}
