//! Invalid input is refused with file, row or id, and leaves nothing in the registry.

use std::fs;

use crate::harness::{INGEST, Study};

/// Runs an ingest that must be refused for these reasons and leave the registry empty.
fn refused(study: &Study, words: &[&str]) {
    refused_as(study, INGEST, words);
}

fn refused_as(study: &Study, command: &str, words: &[&str]) {
    study.refused(1, command, words);
    study.is_empty();
}

/// An image of a patient in the training subset.
const IMAGE: &str = "images/00000018_000.png";

/// The position of the first chunk of a kind in a PNG.
fn chunk(bytes: &[u8], kind: &[u8]) -> usize {
    bytes.windows(4).position(|window| window == kind).unwrap()
}

#[test]
fn a_truncated_image() {
    let study = Study::new();
    let whole = fs::read(study.path(IMAGE)).unwrap();
    for keep in [whole.len() / 2, whole.len() - 1, 20] {
        fs::write(study.path(IMAGE), &whole[..keep]).unwrap();
        refused(&study, &["1 image is not intact", IMAGE, "is cut off", "hint: nothing was registered"]);
    }
    fs::write(study.path(IMAGE), b"").unwrap();
    refused(&study, &[IMAGE, "is empty"]);
}

#[test]
fn an_image_with_a_wrong_checksum() {
    let study = Study::new();
    let mut bytes = fs::read(study.path(IMAGE)).unwrap();
    let at = chunk(&bytes, b"IDAT") + 40;
    bytes[at] ^= 1;
    fs::write(study.path(IMAGE), bytes).unwrap();
    refused(&study, &[IMAGE, "has a wrong checksum in chunk IDAT", "hint:"]);
}

#[test]
fn pixels_that_do_not_decode_are_found_by_the_full_check() {
    let study = Study::new();
    let mut bytes = fs::read(study.path(IMAGE)).unwrap();
    let kind = chunk(&bytes, b"IDAT");
    let length = u32::from_be_bytes(bytes[kind - 4..kind].try_into().unwrap()) as usize;
    bytes[kind + 4..kind + 4 + length].fill(0xaa);
    let checksum = crc32fast::hash(&bytes[kind..kind + 4 + length]);
    bytes[kind + 4 + length..kind + 8 + length].copy_from_slice(&checksum.to_be_bytes());
    fs::write(study.path(IMAGE), bytes).unwrap();
    refused_as(&study, &format!("{INGEST} --check full"), &[IMAGE, "has damaged image data"]);
    // The quick check accepts the file; the training that reads it names the file.
    study.ok(INGEST);
    study.ok("split make tiny --folds 1 --name s");
    study.refused(
        1,
        "train --dataset tiny --split s --model tiny --set epochs=1 --threads 1",
        &["00000018_000.png"],
    );
    assert_eq!(study.json("list run")["records"], serde_json::json!([]));
}

#[test]
fn a_text_file_that_is_called_an_image() {
    let study = Study::new();
    fs::write(study.path(IMAGE), "<html>404 not found</html>").unwrap();
    refused(
        &study,
        &[IMAGE, "is neither a PNG nor a JPEG but a web page (HTML)", "hint: the server sent a page"],
    );
}

#[test]
fn many_bad_images_are_counted_and_the_first_five_named() {
    let study = Study::new();
    for number in 11..=17 {
        fs::write(study.path(&format!("images/000000{number}_000.png")), "x").unwrap();
    }
    refused(&study, &["7 images are not intact", "00000011_000.png", "00000015_000.png", "; …"]);
    assert!(!study.reg(INGEST).stderr.contains("00000016_000.png"));
}

#[test]
fn a_folder_without_images_and_a_path_that_is_not_there() {
    let study = Study::new();
    fs::create_dir(study.path("empty")).unwrap();
    let with = |path: &str| format!("ingest {path} --metadata data.csv");
    refused_as(&study, &with("empty"), &["empty contains no images (PNG, JPEG)", "hint:"]);
    refused_as(&study, &with("nowhere"), &["nowhere does not exist"]);
    refused_as(&study, &with("data.csv"), &["data.csv is text, not a folder, an image"]);
    refused_as(&study, "ingest images --metadata none.csv", &["cannot read none.csv"]);
    refused_as(&study, "ingest images --metadata images", &["cannot read images"]);
}

#[test]
fn metadata_without_a_column() {
    let study = Study::new();
    study.edit("data.csv", |text| text.replace("Patient ID", "Patient"));
    refused(&study, &["data.csv has no column \"Patient ID\"", "it has \"Image Index\"", "hint:"]);
    fs::write(study.path("data.csv"), "").unwrap();
    refused(&study, &["data.csv", "no columns at all"]);
}

#[test]
fn metadata_with_an_unknown_label() {
    let study = Study::new();
    study.edit("data.csv", |text| text.replacen("Infiltration|Mass", "Infiltration|Mas", 1));
    refused(&study, &["data.csv, row 4", "\"00000004_000.png\"", "\"Mas\"", "hint: did you mean `Mass`?"]);
}

#[test]
fn metadata_that_leads_out_of_the_folder() {
    let study = Study::new();
    study.edit("data.csv", |text| text.replace("00000004_000.png", "../00000004_000.png"));
    refused(&study, &["data.csv, row 4: \"../00000004_000.png\" is not a plain file name", "hint:"]);
    let study = Study::new();
    study.edit("boxes.csv", |text| text.replace("00000006_000.png", "../../etc/passwd"));
    // A name in the list is only looked for among the images, so it leads nowhere.
    let found = study.json(INGEST);
    assert!(found["findings"].to_string().contains("images that are not in this data set"), "{found}");
}

#[test]
fn metadata_that_contradicts_itself_or_belongs_to_other_images() {
    let study = Study::new();
    study.edit("data.csv", |text| text + "00000001_000.png,Mass,0,1,69,F,AP,2500,2048,0.171,0.171\n");
    refused(
        &study,
        &["data.csv, rows 1 and 31 contradict each other about image \"00000001_000.png\"", "hint:"],
    );
    let study = Study::new();
    study.edit("data.csv", |text| text.replace("_000.png", "_777.png").replace("_00", "_88"));
    refused(&study, &["none of the 30 images found has a row in data.csv", "hint:"]);
}

#[test]
fn metadata_cut_off_in_the_middle() {
    let study = Study::new();
    study.edit("data.csv", |text| text[..text.len() / 2 - 7].to_owned());
    study.refused(1, INGEST, &["data.csv"]);
    study.is_empty();
    fs::write(study.path("data.csv.gz"), b"\x1f\x8b\x08\x00\x00\x00").unwrap();
    refused_as(
        &study,
        "ingest images --metadata data.csv.gz",
        &["data.csv.gz is a damaged or cut-off gzip file", "hint: download it again"],
    );
}

#[test]
fn boxes_with_an_unknown_label_or_no_number() {
    let study = Study::new();
    study.edit("boxes.csv", |text| text.replacen("Cardiomegaly", "Cardiomegali", 1));
    refused(&study, &["boxes.csv, row 3", "hint: did you mean `Cardiomegaly`?"]);
    let study = Study::new();
    study.edit("boxes.csv", |text| text.replacen(".png,Atelectasis,", ".png,Atelectasis,left", 1));
    refused(&study, &["boxes.csv, row 1", "\"left"]);
}

#[test]
fn a_file_that_is_not_there_is_named_with_what_to_do() {
    let study = Study::divided();
    for command in [
        "ingest images --metadata none.csv --name other",
        "ingest images --metadata data.csv --boxes none.csv --name other",
        "split import tiny --train-val none.txt --test test.txt",
        "predictions import none.csv --dataset tiny --name theirs",
        "weights import none.safetensors",
        "train --dataset tiny --split s --model tiny --config none.toml",
        "verify --repair-from none",
        "audit verify none.zip",
    ] {
        let refused = study.reg(command);
        refused.says(1, &["cannot read none", "hint: check the path"]);
    }
    let trained = Study::trained();
    for command in ["predict tiny-s-f0 none.png", "compare tiny-s-f0 --published none.toml"] {
        trained.refused(1, command, &["cannot read", "none.", "hint: check the path"]);
    }
}
