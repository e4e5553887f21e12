//! A second ingest reads the files that look changed, finds the changes, and gives the same data set.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::harness::{INGEST, Study, files, id_of, overwrite};

const IMAGES: u64 = 30;

/// Sets the time of every file to another day: recently changed files are read again anyway.
fn aged(study: &Study) {
    for path in files(&study.path("images")) {
        set_time(&path, SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000));
    }
}

fn set_time(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn ingested() -> (Study, Value) {
    let study = Study::new();
    aged(&study);
    let first = study.json(INGEST);
    assert_eq!(first["unchanged"], json!(0));
    (study, first)
}

/// Another intact PNG of the same size, in the place of one.
fn retouch(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let data = bytes.windows(4).position(|four| four == b"IDAT").unwrap();
    let length = u32::from_be_bytes(bytes[data - 4..data].try_into().unwrap()) as usize;
    let end = data + 4 + length;
    bytes[end - 6] ^= 1;
    let sum = crc32fast::hash(&bytes[data..end]).to_be_bytes();
    bytes[end..end + 4].copy_from_slice(&sum);
    // In place: the inode stays.
    File::options().write(true).open(path).unwrap().write_all(&bytes).unwrap();
}

#[test]
fn an_unchanged_folder_is_not_read_again_and_is_the_same_data_set() {
    let (study, first) = ingested();
    for (more, unchanged) in [("", IMAGES), (" --paranoid", 0), ("", IMAGES), (" --link copy", IMAGES)] {
        let again = study.json(&format!("{INGEST}{more}"));
        assert_eq!((&again["id"], &again["new_objects"]), (&first["id"], &json!(0)), "{more}");
        assert_eq!(again["unchanged"], json!(unchanged), "{more}");
    }
    assert!(study.reg(INGEST).stderr.contains("30 files look unchanged and were not read again"));
    assert_eq!(study.json("log")["events"].as_array().unwrap().len(), 1);
    study.is_sound();
}

#[test]
fn a_changed_file_is_found_even_if_its_time_was_put_back() {
    let (study, first) = ingested();
    let image = study.path("images/00000001_000.png");
    let time = fs::metadata(&image).unwrap().modified().unwrap();
    retouch(&image);
    set_time(&image, time);
    // No program can set back the time of the last change of the file (ctime).
    let found = study.json(INGEST);
    assert_ne!(found["id"], first["id"]);
    assert_eq!((&found["unchanged"], found["images"].as_u64()), (&json!(IMAGES - 1), Some(IMAGES)));
    assert_eq!(study.json(&format!("{INGEST} --paranoid"))["id"], found["id"]);
    let known = study.json(INGEST);
    assert_eq!((&known["id"], &known["unchanged"]), (&found["id"], &json!(IMAGES)));

    let image = study.path("images/00000002_000.png");
    retouch(&image);
    let by_time = study.json(INGEST);
    assert_ne!(by_time["id"], found["id"]);
    assert_eq!(by_time["unchanged"], json!(IMAGES - 1));
    // Another file in its place, of the same size and time.
    let image = study.path("images/00000003_000.png");
    let time = fs::metadata(&image).unwrap().modified().unwrap();
    fs::copy(&image, study.path("copy")).unwrap();
    fs::remove_file(&image).unwrap();
    retouch(&study.path("copy"));
    fs::rename(study.path("copy"), &image).unwrap();
    set_time(&image, time);
    let by_inode = study.json(INGEST);
    assert_ne!(by_inode["id"], by_time["id"]);
    // Broken files are found by their time, too.
    let bytes = fs::read(&image).unwrap();
    overwrite(&image, &bytes[..bytes.len() - 1]);
    study.refused(1, INGEST, &["00000003_000.png", "not intact"]);
    study.is_sound();
}

#[test]
fn files_that_became_objects_by_a_link_are_not_read_again() {
    let study = Study::new();
    aged(&study);
    let first = study.json(&format!("{INGEST} --link hardlink"));
    let again = study.json(&format!("{INGEST} --link hardlink"));
    assert_eq!((&again["id"], &again["unchanged"]), (&first["id"], &json!(IMAGES)));
    // Another link changes the ctime, so the bytes are read again.
    fs::hard_link(study.path("images/00000001_000.png"), study.path("other")).unwrap();
    let again = study.json(INGEST);
    assert_eq!((&again["id"], &again["unchanged"]), (&first["id"], &json!(IMAGES - 1)));
}

#[test]
fn a_file_that_was_changed_a_moment_before_is_read_again() {
    let study = Study::new();
    let first = study.json(INGEST);
    retouch(&study.path("images/00000001_000.png"));
    assert_ne!(study.json(INGEST)["id"], first["id"]);
}

#[test]
fn an_object_that_was_lost_comes_back() {
    let (study, first) = ingested();
    let object = study.object(&id_of(&study.path("images/00000001_000.png")));
    fs::remove_file(object).unwrap();
    assert_eq!(study.reg("verify").code, 3);
    let again = study.json(INGEST);
    assert_eq!((&again["id"], &again["new_objects"]), (&first["id"], &json!(1)));
    assert_eq!(again["unchanged"], json!(IMAGES - 1));
    study.is_sound();
}

#[test]
fn a_lost_or_damaged_cache_costs_time_only() {
    let (study, first) = ingested();
    let cache =
        || files(&study.path(".reg/cache/seen")).into_iter().find(|p| p.extension().is_none()).unwrap();
    let whole = fs::read(cache()).unwrap();
    let mut cases = vec![Vec::new(), b"rubbish".to_vec(), whole[..whole.len() - 1].to_vec(), vec![0; 4096]];
    for at in (0..whole.len()).step_by(whole.len() / 8) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        cases.push(bytes);
    }
    for bytes in cases {
        fs::write(cache(), bytes).unwrap();
        let again = study.json(INGEST);
        assert_eq!((&again["id"], &again["unchanged"]), (&first["id"], &json!(0)));
        assert_eq!(study.json(INGEST)["unchanged"], json!(IMAGES), "and is there again");
    }
    fs::remove_dir_all(study.path(".reg/cache")).unwrap();
    assert_eq!(study.json(INGEST)["id"], first["id"]);
    study.is_sound();
}

#[test]
fn an_archive_is_not_read_again_either() {
    let study = Study::new();
    let tar =
        Command::new("tar").args(["-czf", "images.tar.gz", "images"]).current_dir(study.path("")).status();
    assert!(tar.unwrap().success());
    let archive = study.path("images.tar.gz");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    set_time(&archive, time);
    let ingest = "ingest images.tar.gz --metadata data.csv --boxes boxes.csv --name tiny";
    let first = study.json(ingest);
    let again = study.json(ingest);
    assert_eq!((&again["id"], &again["new_objects"]), (&first["id"], &json!(0)));
    assert_eq!(again["unchanged"], json!(1), "one file");
    // Other bytes of the same size and modification time are not mistaken for the file.
    let length = fs::metadata(&archive).unwrap().len() as usize;
    File::options().write(true).open(&archive).unwrap().write_all(&vec![0; length]).unwrap();
    set_time(&archive, time);
    study.refused(1, ingest, &["images.tar.gz"]);
    set_time(&archive, time + Duration::from_secs(1));
    study.refused(1, ingest, &["images.tar.gz"]);
    study.is_sound();
}
