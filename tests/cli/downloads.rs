//! Files as people download them: archives of every kind, JPEGs, links to folders, names that differ a little, and
//! files that a failed download leaves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use reg::hash::Id;
use reg::records::Dataset;
use serde_json::{Value, json};

use crate::harness::{INGEST, Study, id_of};
use crate::serve::Server;
use crate::support;

fn sh(study: &Study, command: &str) {
    let status = Command::new("sh").args(["-c", command]).current_dir(study.path("")).status();
    assert!(status.unwrap().success(), "{command}");
}

fn findings(answer: &Value) -> String {
    let each = answer["findings"].as_array().unwrap().iter().map(|f| f.as_str().unwrap());
    each.collect::<Vec<_>>().join("\n")
}

/// Replaces a PNG by a JPEG of good quality.
fn to_jpeg(png: &Path) {
    let image = image::open(png).unwrap().to_luma8();
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&image).unwrap();
    fs::write(png.with_extension("jpg"), bytes).unwrap();
    fs::remove_file(png).unwrap();
}

fn images(study: &Study) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(study.path("images")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn archives_of_every_kind_give_the_same_data_set() {
    if !support::programs(&["zip", "tar", "xz", "zstd"]) {
        return;
    }
    let study = Study::new();
    let folder = study.json(INGEST)["id"].clone();
    sh(&study, "mkdir -p deep/images_001 && cp -r images deep/images_001/ && cp data.csv deep/");
    sh(&study, "cd deep && zip -qr ../archive.zip . && zip -q0r ../stored.zip .");
    sh(&study, "tar -cf plain.tar images && tar -cJf images.tar.xz images && cp plain.tar plain.tar.gz");
    sh(
        &study,
        "tar --zstd -cf images.tar.zst images && cp archive.zip download && cp plain.tar images_2.tgz",
    );
    sh(&study, "tar -czf padded.tar.gz images && head -c 10240 /dev/zero >>padded.tar.gz");
    sh(&study, "tar -cf labelled.tar -V NIH -G images && gzip -k labelled.tar");
    for archive in [
        "archive.zip",
        "stored.zip",
        "plain.tar",
        "plain.tar.gz",
        "images_2.tgz",
        "images.tar.xz",
        "images.tar.zst",
        "download",
        "padded.tar.gz",
        "labelled.tar.gz",
    ] {
        let answer = study.json(&format!("ingest {archive} --metadata data.csv --boxes boxes.csv"));
        assert_eq!(answer["id"], folder, "{archive}");
        assert_eq!(answer["findings"], json!([]), "{archive}");
    }
}

#[test]
fn jpegs_are_registered_as_they_are_and_used_like_pngs() {
    let study = Study::new();
    let hash = images(&study).iter().map(|png| to_jpeg(png)).count();
    assert_eq!(hash, 30);
    study.edit("data.csv", |text| text.replace(".png", ".jpg"));
    study.edit("boxes.csv", |text| text.replace(".png", ".jpg"));
    let answer = study.json(&format!("{INGEST} --check full"));
    assert_eq!((&answer["images"], &answer["findings"]), (&json!(30), &json!([])));
    let image = study.path("images/00000001_000.jpg");
    assert_eq!(fs::read(study.object(&id_of(&image))).unwrap(), fs::read(&image).unwrap());
    study.is_sound();
    study.ok("split make tiny --folds 1 --name s");
    study.ok("train --dataset tiny --split s --model tiny --set epochs=1 --threads 1 --fold 0");
    let scores = study.json("predict tiny-s images/00000001_000.jpg");
    assert!(scores["images"][0]["scores"]["Mass"].is_number(), "{scores}");
    study.ok("gradcam tiny-s 00000006_000.jpg --label Mass -o out.png");
    study.ok("dataset export tiny --format croissant -o exported");
    let exported = fs::read(study.path("exported/images/00000001_000.jpg")).unwrap();
    assert_eq!(exported, fs::read(&image).unwrap());
    let document = fs::read_to_string(study.path("exported/croissant.json")).unwrap();
    assert!(document.contains("image/jpeg") && !document.contains("image/png"), "{document}");
    let server = Server::start(&study);
    let shown = server.get(&format!("/xray/{}/0", study.id("tiny")));
    assert_eq!((shown.status, shown.heads["content-type"].as_str()), (200, "image/jpeg"));
    drop(server);
    // The width is that of the upright image.
    let turned = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/jpeg/gray-exif-6.jpg");
    fs::copy(turned, study.path("images/00000001_000.jpg")).unwrap();
    study.ok("ingest images --metadata data.csv --name turned");
    let registry = study.registry();
    let dataset = registry.get(Id::<Dataset>::new(study.id("turned").parse().unwrap())).unwrap();
    let manifest = registry.manifest(&dataset).unwrap();
    let row = &manifest.rows[manifest.row_named("00000001_000.jpg").unwrap()];
    assert_eq!((row.width, row.height), (61, 83));
}

#[test]
fn a_damaged_jpeg_is_refused_by_name() {
    let study = Study::new();
    let png = study.path("images/00000001_000.png");
    to_jpeg(&png);
    let jpeg = png.with_extension("jpg");
    let bytes = fs::read(&jpeg).unwrap();
    fs::write(&jpeg, &bytes[..bytes.len() - 9]).unwrap();
    study.refused(1, INGEST, &["00000001_000.jpg is cut off at byte", "hint:"]);
    study.is_empty();
}

#[test]
fn a_name_that_differs_in_case_form_or_ending_is_matched_where_nothing_else_is_meant_and_named() {
    let study = Study::new();
    let folder = study.json(INGEST)["id"].clone();
    let at = |name: &str| study.path("images").join(name);
    fs::rename(at("00000001_000.png"), at("00000001_000.PNG")).unwrap();
    let answer = study.json(INGEST);
    assert_eq!(answer["id"], folder);
    let said = "1 image differs in case or Unicode form only from its name in the metadata, used: 00000001_000.PNG for 00000001_000.png";
    assert_eq!(findings(&answer), said);
    to_jpeg(&at("00000002_000.png"));
    let answer = study.json(INGEST);
    assert_eq!(answer["images"], json!(30));
    let said = "1 image has another ending than in the metadata, used: 00000002_000.jpg for 00000002_000.png";
    assert!(findings(&answer).contains(said), "{answer}");
    // Two possible matches: neither is used.
    fs::copy(at("00000002_000.jpg"), at("00000002_000.jpeg")).unwrap();
    study.refused(1, INGEST, &["no image for 1 row of data.csv: 00000002_000.png"]);
    let answer = study.json(&format!("{INGEST} --allow-missing"));
    let said = "2 images have no row in the metadata, ignored: 00000002_000.jpeg; 00000002_000.jpg";
    assert!(findings(&answer).contains(said), "{answer}");
    // An exact name wins.
    fs::copy(at("00000003_000.png"), at("00000003_000.PNG")).unwrap();
    let answer = study.json(&format!("{INGEST} --allow-missing"));
    assert!(findings(&answer).contains("ignored: 00000002_000.jpeg; 00000002_000.jpg; 00000003_000.PNG"));
    // The contents of a file decide its format, not its name.
    fs::copy(at("00000002_000.jpg"), at("00000002_000.png")).unwrap();
    let answer = study.json(&format!("{INGEST} --allow-missing"));
    assert!(findings(&answer).contains("1 image has another format than its name says"), "{answer}");
}

#[test]
fn the_images_of_a_folder_behind_a_link_are_taken_and_what_is_left_out_is_named() {
    let study = Study::new();
    let folder = study.json(INGEST)["id"].clone();
    sh(
        &study,
        "mkdir -p nih/images_001 disk2/images_002 && mv images/0000000* nih/images_001 && mv images/* disk2/images_002",
    );
    symlink("../disk2/images_002", study.path("nih/images_002")).unwrap();
    let ingest = "ingest nih --metadata data.csv --boxes boxes.csv";
    for more in ["", " --allow-missing"] {
        let answer = study.json(&format!("{ingest}{more}"));
        assert_eq!((&answer["id"], &answer["missing"]), (&folder, &json!(0)));
        assert_eq!(
            findings(&answer),
            "1 link to a folder was followed: nih/images_002 -> ../disk2/images_002"
        );
    }
    // The disk is gone: an error with and without --allow-missing.
    sh(&study, "mv disk2 unmounted && touch nih/scan.dcm nih/images_003.zip");
    let words =
        ["1 link leads nowhere: nih/images_002 -> ../disk2/images_002", "nih/scan.dcm", "nih/images_003.zip"];
    study.refused(1, ingest, &[&words[..], &["no image for", "give --allow-missing"]].concat());
    let answer = study.json(&format!("{ingest} --allow-missing"));
    assert!(words.iter().all(|word| findings(&answer).contains(word)), "{answer}");
}

#[test]
fn what_lies_in_the_place_of_a_file_is_named_with_the_way_to_get_it() {
    let study = Study::new();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let page = "<!DOCTYPE html>\n<html><title>Sign in</title></html>";
    for (name, text) in [("lfs.tar.gz", lfs), ("html.tar.gz", page), ("lfs.csv", lfs), ("html.csv", page)] {
        fs::write(study.path(name), text).unwrap();
    }
    fs::write(study.path("annex.zip"), "/annex/objects/SHA256E-s1--0.zip\n").unwrap();
    fs::write(
        study.path("sheet.csv"),
        b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x13\0\0\0[Content_Types].xml",
    )
    .unwrap();
    fs::write(study.path("zeros.tar.gz"), [0; 4096]).unwrap();
    fs::write(study.path("empty.zip"), "").unwrap();
    for (file, words) in [
        ("lfs.tar.gz", ["lfs.tar.gz is a pointer of Git LFS", "hint: `git lfs pull` fetches"]),
        ("html.tar.gz", ["html.tar.gz is a web page (HTML)", "hint: the server sent a page"]),
        ("annex.zip", ["annex.zip is a pointer of git-annex", "hint: `git annex get annex.zip` fetches"]),
        ("zeros.tar.gz", ["zeros.tar.gz is a file of zeros", "hint: the download did not finish"]),
        ("empty.zip", ["empty.zip is an empty file", "hint: the download did not finish"]),
    ] {
        study.refused(1, &format!("ingest {file} --metadata data.csv --allow-missing"), &words);
    }
    for (file, words) in [
        ("lfs.csv", ["lfs.csv is a pointer of Git LFS", "hint: `git lfs pull` fetches"]),
        ("html.csv", ["html.csv is a web page (HTML)", "hint: the server sent a page"]),
        ("sheet.csv", ["sheet.csv is an Excel workbook", "hint: open it in the spreadsheet program"]),
    ] {
        study.refused(1, &format!("ingest --metadata-only --metadata {file}"), &words);
    }
    fs::write(study.path("images/00000001_000.png"), lfs).unwrap();
    study.refused(
        1,
        INGEST,
        &[
            "00000001_000.png is neither a PNG nor a JPEG but a pointer of Git LFS",
            "hint: `git -C images lfs pull`",
        ],
    );
    study.is_empty();
}

#[test]
fn a_hard_link_that_cannot_be_made_says_why() {
    if !support::root("a file of another user, and another file system") {
        return;
    }
    let study = Study::new();
    // /dev/shm is another file system.
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    for image in images(&study) {
        fs::copy(&image, other.path().join(image.file_name().unwrap())).unwrap();
    }
    let from = other.path().display();
    study.refused(
        1,
        &format!("ingest {from} --metadata data.csv --link hardlink"),
        &[
            "cannot hard-link",
            ".png: it is on another file system than the registry",
            "hint: give `--link copy`",
        ],
    );
    study.is_empty();
    study.ok(&format!("ingest {from} --metadata data.csv --name d --link copy"));
    let out = other.path().join("out");
    study.refused(
        1,
        &format!("dataset export d --format croissant --link hardlink -o {}", out.display()),
        &["hint: a hard link needs one file system: give `--link copy`"],
    );
    assert!(!out.exists(), "nothing half-written stays");
}
