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
    let said = "1 image differs from its name in the metadata only in case or Unicode form, used: 00000001_000.PNG for 00000001_000.png";
    assert_eq!(findings(&answer), said);
    to_jpeg(&at("00000002_000.png"));
    let answer = study.json(INGEST);
    assert_eq!(answer["images"], json!(30));
    let said =
        "1 image has a different extension than in the metadata, used: 00000002_000.jpg for 00000002_000.png";
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
    let findings_now = findings(&answer);
    assert!(findings_now.contains("ignored: 00000002_000.jpeg; 00000002_000.jpg"), "{answer}");
    let second = "1 image has the row of another file with a similar name, ignored: 00000003_000.PNG";
    assert!(findings_now.contains(second), "{answer}");
    // The contents of a file decide its format, not its name.
    fs::copy(at("00000002_000.jpg"), at("00000002_000.png")).unwrap();
    let answer = study.json(&format!("{INGEST} --allow-missing"));
    assert!(findings(&answer).contains("1 image has a different format than its name says"), "{answer}");
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
            ".png: it is on a different file system than the registry",
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

#[test]
fn the_bytes_of_a_file_without_an_ending_decide_in_a_folder_and_in_an_archive() {
    if !support::programs(&["zip", "tar", "mkfifo"]) {
        return;
    }
    let study = Study::new();
    study.ok(INGEST);
    sh(
        &study,
        "cp -r images bare && for f in bare/*.png; do mv $f ${f%.png}; done && echo text >bare/README",
    );
    sh(&study, "tar -czf bare.tgz bare && zip -qr bare.zip bare && mkfifo bare/00000099_000.png");
    let folder = study.json("ingest bare --metadata data.csv");
    let named = findings(&folder);
    assert!(
        named.contains("30 images have a different extension than in the metadata, used: 00000001_000 for"),
        "{named}"
    );
    assert!(named.contains("1 pipe, socket or device was not read: bare/00000099_000.png"), "{named}");
    for archive in ["bare.tgz", "bare.zip"] {
        let read = study.json(&format!("ingest {archive} --metadata data.csv"));
        assert_eq!(read["id"], folder["id"], "{archive}");
    }
}

#[test]
fn notes_tell_only_of_what_was_not_read_and_how_to_have_it_read() {
    if !support::programs(&["zip", "tar"]) {
        return;
    }
    let study = Study::new();
    sh(&study, "mkdir -p root/.hid && cp images/*.png root && mv root/00000002_000.png root/.hid");
    sh(&study, "cd root && tar -cf inner.tar 00000003_000.png && rm 00000003_000.png");
    sh(&study, "cd root && cp .hid/*.png . && tar -cf ../outer.tar *.png inner.tar && rm 00000002_000.png");
    let own = "(give it as a path of its own)";
    let said = study.reg("ingest root --metadata data.csv --allow-missing");
    said.says(0, &[&format!("root/.hid {own}"), &format!("root/inner.tar {own}")]);
    let all = study.reg("ingest root root/.hid root/inner.tar --metadata data.csv");
    assert!(all.code == 0 && !all.stderr.contains("not read"), "{all:?}");
    let packed = study.reg("ingest outer.tar --metadata data.csv --allow-missing");
    packed.says(
        0,
        &["1 archive inside another was not read: outer.tar/inner.tar (unpack the outer archive first)"],
    );
    // Names that several files could have.
    sh(&study, "mkdir amb && cp images/00000001_000.png amb/A.png && cp images/00000002_000.png amb/a.png");
    study.edit("data.csv", |text| text.replace("00000001_000.png", "A.PNG"));
    let unclear =
        "A.PNG of the metadata can match A.png, a.png: rename the right image to exactly the name in its row";
    study.reg("ingest amb --metadata data.csv").says(1, &[unclear]);
    sh(&study, "cp images/00000003_000.png amb");
    study.reg("ingest amb --metadata data.csv").says(1, &[unclear]);
    study.reg("ingest amb --metadata data.csv --allow-missing").says(0, &[unclear]);
    // Members of one name.
    sh(
        &study,
        "mkdir -p t/p t/q && cp images/00000002_000.png t/p && cp images/00000003_000.png t/q/00000002_000.png",
    );
    sh(&study, "tar -cf twice.tar -C t p q && tar -cf same.tar -C t/p . && tar -rf same.tar -C t/q .");
    study.reg("ingest twice.tar --metadata data.csv --allow-missing").says(
        1,
        &["twice.tar has two images with the same name but different bytes: p/00000002_000.png and q/00000002_000.png", "move one of them away"],
    );
    study
        .reg("ingest same.tar --metadata data.csv --allow-missing")
        .says(1, &["two members are ./00000002_000.png", "the second file replaces the first"]);
    // One zip archive in several files.
    sh(&study, "head -c 300000 /dev/urandom >noise && zip -q0 -s 64k parts.zip images/*.png noise");
    for part in ["parts.zip", "parts.z01", "parts.z02"] {
        let command = format!("ingest {part} --metadata data.csv");
        let said = study.reg(&command);
        if part == "parts.z02" {
            assert_eq!(said.code, 1, "{said:?}");
            continue;
        }
        said.says(
            1,
            &["is one part of a zip archive in several files", "`zip -s 0 parts.zip -O joined.zip`"],
        );
    }
}

#[test]
fn what_another_download_does_not_help_has_its_own_hint() {
    let study = Study::new();
    let image = study.path("images/00000001_000.png");
    let whole = fs::read(&image).unwrap();
    fs::write(&image, [&whole[..], b"xyz"].concat()).unwrap();
    study.refused(1, INGEST, &["has 3 bytes after its end", "remove the bytes after their end"]);
    // A frame of four components, as of CMYK.
    let frame = [0xff, 0xc0, 0, 20, 8, 0, 8, 0, 8, 4, 1, 17, 0, 2, 17, 0, 3, 17, 0, 4, 17, 0];
    fs::write(&image, [&[0xff, 0xd8][..], &frame, &[0xff, 0xda, 0, 2, 0xff, 0xd9]].concat()).unwrap();
    study.refused(
        1,
        INGEST,
        &["has 4 colour components", "convert these images to PNG, or to JPEG in gray or RGB"],
    );
    fs::write(&image, "../.git/annex/objects/Ab/Cd/SHA256E-s1--0.png/SHA256E-s1--0.png").unwrap();
    study.refused(1, INGEST, &["`git -C images annex get 00000001_000.png` fetches the file"]);
    // A link of git-annex to what is not here, whatever it is wanted for.
    fs::write(&image, whole).unwrap();
    study.ok(INGEST);
    for name in ["w.safetensors", "x.png", "s.csv"] {
        symlink(format!(".git/annex/objects/Ab/SHA256E-s1--0/{name}"), study.path(name)).unwrap();
    }
    for (command, file) in [
        ("weights import w.safetensors --name w", "w.safetensors"),
        ("predictions import s.csv --dataset tiny --name s", "s.csv"),
    ] {
        study.refused(
            1,
            command,
            &["is a link to .git/annex/objects/", &format!("`git annex get {file}` fetches the file")],
        );
    }
    study.refused(
        1,
        "weights import images --name w",
        &["cannot read images: it is a folder", "give a file in it"],
    );
}

#[test]
fn scores_that_other_tools_write_are_refused_with_what_to_change() {
    let study = Study::divided();
    let file = |head: &str, row: &str| {
        let rows: String = (1..=4).map(|n| format!("0000000{n}_000.png{row}\n")).collect();
        fs::write(study.path("s.csv"), format!("{head}\n{rows}")).unwrap();
    };
    let refused =
        |words: &[&str]| drop(study.refused(1, "predictions import s.csv --dataset tiny --name s", words));
    for name in ["image", "filename", "File_Name"] {
        file(&format!("{name},Mass"), ",0.5");
        refused(&[
            "has no column \"Image Index\"",
            &format!("rename the column {name:?} to \"Image Index\""),
        ]);
    }
    file(",Mass", ",0.5");
    refused(&["the first column has no name; if it has the names of the images, call it \"Image Index\""]);
    file("Image Index", "");
    refused(&["has no column of scores"]);
    file("Image Index;Mass;Edema", ";0,5;0,1");
    refused(&[
        "is \"0,1\"",
        "decimal commas are not read; if every comma is a decimal comma: `sed 's/,/./g' s.csv > points.csv`",
    ]);
    file("Image Index,Mass", ",55.5");
    refused(&["which is not a probability", "divide the scores by 100 if they are percentages"]);
    file("Image Index,Mass", ",-5.5");
    refused(&["hint: give --logits if"]);
}
