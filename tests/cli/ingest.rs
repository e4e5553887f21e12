//! What an ingest accepts; the same data gives the same data set.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reg::hash::Id;
use reg::records::{Dataset, Manifest};
use serde_json::{Value, json};

use crate::harness::{INGEST, Study, id_of};

fn findings(answer: &Value) -> String {
    let each = answer["findings"].as_array().unwrap().iter().map(|f| f.as_str().unwrap());
    each.collect::<Vec<_>>().join("\n")
}

fn dataset(study: &Study, name: &str) -> (Dataset, Manifest) {
    let registry = study.registry();
    let record = registry.get(Id::<Dataset>::new(study.id(name).parse().unwrap())).unwrap();
    let manifest = registry.manifest(&record).unwrap();
    (record, manifest)
}

#[test]
fn the_same_files_give_the_same_id_and_nothing_new() {
    let study = Study::new();
    let first = study.json(INGEST);
    let second = study.json(INGEST);
    assert_eq!((&second["id"], &second["new_objects"]), (&first["id"], &json!(0)));
    // Also in another registry, with another number of threads, from another source.
    let other = Study::new();
    assert_eq!(other.json(&format!("{INGEST} --link copy --check full"))["id"], first["id"]);
    assert_eq!(study.json("list dataset")["records"].as_array().unwrap().len(), 1);
}

#[test]
fn the_order_of_metadata_rows_changes_nothing_but_their_numbers() {
    let study = Study::divided();
    study.edit("data.csv", |text| {
        let (header, rows) = text.split_once('\n').unwrap();
        let mut rows: Vec<&str> = rows.lines().collect();
        rows.reverse();
        rows.swap(3, 17);
        format!("{header}\n{}\n", rows.join("\n"))
    });
    study.ok("ingest images --metadata data.csv --boxes boxes.csv --name shuffled");
    let ((a, mut first), (b, mut second)) = (dataset(&study, "tiny"), dataset(&study, "shuffled"));
    assert_ne!(a.metadata, b.metadata, "another file, and the record says so");
    assert_ne!(first, second, "a manifest says where each image stands in its own metadata file");
    first.rows.iter_mut().chain(&mut second.rows).for_each(|row| row.row = 0);
    assert_eq!(first, second);
    // So the same patients are in the same subsets.
    study.ok("split make shuffled --folds 2 --name t");
    let assignment = |name: &str| study.json(&format!("show {name}"))["record"]["assignment"].clone();
    assert_eq!(assignment("s"), assignment("t"));
}

#[test]
fn images_are_found_in_nested_folders_and_by_several_paths() {
    let study = Study::new();
    let flat = study.json(INGEST)["id"].clone();
    fs::create_dir_all(study.path("nested/images_001/images")).unwrap();
    fs::create_dir_all(study.path("nested/images_002/images")).unwrap();
    for (number, entry) in fs::read_dir(study.path("images")).unwrap().enumerate() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let to = format!("nested/images_00{}/images/{name}", 1 + number % 2);
        fs::rename(study.path("images").join(&name), study.path(&to)).unwrap();
    }
    fs::write(study.path("nested/README.txt"), "not an image").unwrap();
    for paths in ["nested", "nested/images_002 nested/images_001/images"] {
        let command = format!("ingest {paths} --metadata data.csv --boxes boxes.csv");
        assert_eq!(study.json(&command)["id"], flat);
    }
}

#[test]
fn archives_as_the_nih_publishes_them_give_the_same_data_set() {
    let study = Study::new();
    let folder = study.json(INGEST)["id"].clone();
    let tar = |archive: &str, pattern: &str| {
        let command = format!("tar -czf {archive} {pattern}");
        let status =
            std::process::Command::new("sh").args(["-c", &command]).current_dir(study.path("")).status();
        assert!(status.unwrap().success());
    };
    tar("images_001.tar.gz", "images/0000000*");
    tar("images_002.tar.gz", "images/0000001* images/0000002*");
    let command = "ingest images_001.tar.gz images_002.tar.gz --metadata data.csv --boxes boxes.csv";
    assert_eq!(study.json(command)["id"], folder);
    let bytes = fs::read(study.path("images_002.tar.gz")).unwrap();
    fs::write(study.path("images_002.tar.gz"), &bytes[..bytes.len() / 2]).unwrap();
    study.refused(1, command, &["images_002.tar.gz", "cut-off", "hint: download it again"]);
}

#[test]
fn packed_metadata_and_a_mark_with_crlf_say_the_same() {
    let study = Study::new();
    let status =
        std::process::Command::new("gzip").args(["-k", "data.csv"]).current_dir(study.path("")).status();
    assert!(status.unwrap().success());
    study.ok("ingest images --metadata data.csv --name plain");
    study.ok("ingest images --metadata data.csv.gz --name packed");
    study.edit("data.csv", |text| format!("\u{feff}{}", text.replace('\n', "\r\n")));
    study.ok("ingest images --metadata data.csv --name marked");
    let manifest = |name: &str| study.json(&format!("show {name}"))["record"]["manifest"].clone();
    assert_eq!(manifest("plain"), manifest("packed"));
    assert_eq!(manifest("plain"), manifest("marked"));
}

#[test]
fn rgba_and_16_bit_images_are_kept_as_they_are_and_trained_on() {
    let study = Study::new();
    let (rgba, deep) = (study.path("images/00000002_000.png"), study.path("images/00000003_000.png"));
    let plain = fs::read(study.path("images/00000003_000.png")).unwrap();
    image::open(&rgba).unwrap().to_rgba8().save(&rgba).unwrap();
    image::open(&deep).unwrap().to_luma16().save(&deep).unwrap();
    assert_ne!(plain, fs::read(&deep).unwrap());
    study.ok(&format!("{INGEST} --check full"));
    for path in [&rgba, &deep] {
        assert_eq!(fs::read(study.object(&id_of(path))).unwrap(), fs::read(path).unwrap());
    }
    study.ok("split make tiny --folds 1 --name s");
    let trained = study.json("train --dataset tiny --split s --model tiny --set epochs=1 --threads 1");
    // Grey with R = G = B and 16 bits made of 8 have the pixels of the original: the same weights.
    let other = Study::new();
    other.ok(INGEST);
    other.ok("split make tiny --folds 1 --name s");
    let original = other.json("train --dataset tiny --split s --model tiny --set epochs=1 --threads 1");
    assert_ne!(trained["spec"], original["spec"]);
    assert_eq!(trained["checkpoint"], original["checkpoint"]);
}

#[test]
fn an_image_without_a_row_is_reported_and_not_ingested() {
    let study = Study::new();
    fs::copy(study.path("images/00000001_000.png"), study.path("images/00009999_000.png")).unwrap();
    let answer = study.json(INGEST);
    assert_eq!(answer["images"], json!(30));
    assert!(findings(&answer).contains("1 image has no row in the metadata, ignored: 00009999_000.png"));
    assert!(study.reg(INGEST).stderr.contains("note: 1 image has no row"));
    assert!(!study.reg(&format!("-q {INGEST}")).stderr.contains("note"));
}

#[test]
fn rows_without_image_are_counted_and_the_first_five_named() {
    let study = Study::new();
    for image in ["02_000", "03_000", "05_001", "06_000", "07_000", "08_000", "20_000"] {
        fs::remove_file(study.path(&format!("images/000000{image}.png"))).unwrap();
    }
    let first = "00000002_000.png, 00000003_000.png, 00000005_001.png, 00000006_000.png, 00000007_000.png, …";
    study.refused(1, INGEST, &["no image for 7 rows of data.csv", first, "hint: give --allow-missing"]);
    study.is_empty();
    let answer = study.json(&format!("{INGEST} --allow-missing"));
    assert_eq!((&answer["images"], &answer["missing"]), (&json!(23), &json!(7)));
    assert!(
        findings(&answer).contains("not in this data set, ignored"),
        "the boxes of an image that is not there"
    );
    study.is_sound();
}

#[test]
fn a_repeated_row_and_a_patient_of_two_genders_are_reported() {
    let study = Study::new();
    study.edit("data.csv", |text| {
        let first = text.lines().nth(1).unwrap().to_owned();
        let five = text.lines().find(|row| row.starts_with("00000005_001")).unwrap().to_owned();
        let turned =
            if five.contains(",M,") { five.replace(",M,", ",F,") } else { five.replace(",F,", ",M,") };
        text.replace(&five, &turned) + &first + "\n"
    });
    let answer = study.json(INGEST);
    assert_eq!(answer["images"], json!(30));
    let findings = findings(&answer);
    assert!(findings.contains("1 duplicate row, used once: row 31 (00000001_000.png)"), "{findings}");
    assert!(findings.contains("1 patient with two genders: patient 5"), "{findings}");
}

#[test]
fn one_image_under_two_names_is_reported_by_bytes_and_by_pixels() {
    let study = Study::new();
    fs::copy(study.path("images/00000001_000.png"), study.path("images/00000002_000.png")).unwrap();
    let answer = study.json(INGEST);
    let expected = "1 file is under several names: 00000001_000.png = 00000002_000.png";
    assert!(findings(&answer).contains(expected), "{answer}");
    // The same picture in other bytes is found only by decoding.
    let third = study.path("images/00000003_000.png");
    image::open(study.path("images/00000004_000.png")).unwrap().to_rgba8().save(&third).unwrap();
    assert!(!findings(&study.json(INGEST)).contains("picture"));
    let answer = study.json(&format!("{INGEST} --check full"));
    let expected = "1 picture is under several names: 00000003_000.png = 00000004_000.png";
    assert!(findings(&answer).contains(expected), "{answer}");
}

#[test]
fn one_name_in_two_places_is_taken_once_where_the_bytes_are_the_same() {
    let study = Study::new();
    fs::create_dir(study.path("images/again")).unwrap();
    let (kept, again) = (study.path("images/00000001_000.png"), study.path("images/again/00000001_000.png"));
    fs::copy(&kept, &again).unwrap();
    assert!(findings(&study.json(INGEST)).contains("are the same image, used once"));
    let study = Study::new();
    fs::create_dir(study.path("images/again")).unwrap();
    fs::copy(study.path("images/00000002_000.png"), study.path("images/again/00000001_000.png")).unwrap();
    study.refused(1, INGEST, &["again/00000001_000.png", "same name but different bytes", "hint:"]);
    study.is_empty();
}

#[test]
fn hard_linked_images_become_read_only_and_are_not_copied() {
    use std::os::unix::fs::MetadataExt;
    let study = Study::new();
    let answer = study.reg(&format!("{INGEST} --link hardlink"));
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(String::from_utf8_lossy(&answer.stdout).contains("read-only"));
    let source = study.path("images/00000001_000.png");
    let object = study.object(&id_of(&source));
    let (source, object) = (fs::metadata(&source).unwrap(), fs::metadata(&object).unwrap());
    assert_eq!(source.ino(), object.ino());
    assert_eq!(source.permissions().mode() & 0o222, 0);
    study.is_sound();
    // Copies leave their source unchanged.
    let other = Study::new();
    other.ok(INGEST);
    assert_ne!(fs::metadata(other.path("images/00000001_000.png")).unwrap().permissions().mode() & 0o200, 0);
}

#[test]
fn impossible_ages_are_kept_as_given_flagged_and_left_out_of_the_scaling() {
    let study = Study::new();
    study.edit("data.csv", |text| {
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        for (row, age) in [(1, "-3"), (2, "411"), (3, "058Y")] {
            let mut fields: Vec<&str> = rows[row].split(',').collect();
            fields[4] = age;
            rows[row] = fields.join(",");
        }
        rows.join("\n") + "\n"
    });
    let answer = study.json(INGEST);
    let expected =
        "2 impossible ages (below 0 or above 120), stored unchanged: row 1 (00000001_000.png): -3, row 2";
    assert!(findings(&answer).contains(expected), "{answer}");
    let (record, manifest) = dataset(&study, "tiny");
    assert_eq!(record.impossible_ages, 2);
    assert_eq!(
        manifest.rows[..3].iter().map(|row| row.age).collect::<Vec<_>>(),
        [Some(-3), Some(411), Some(58)]
    );
    let age = record.age.unwrap();
    assert!(age.min >= 0 && age.max <= 120, "{age:?}");
    let stats = study.json("dataset stats tiny");
    assert!(stats["age"]["max"].as_f64().unwrap() <= 120.0 && stats["age"]["min"].as_f64().unwrap() >= 0.0);
}

#[test]
fn metadata_alone_is_a_data_set_without_images() {
    let study = Study::new();
    let answer = study.json("ingest --metadata-only --metadata data.csv --name rows");
    assert_eq!((&answer["images"], &answer["bytes"]), (&json!(30), &json!(0)));
    assert_eq!(study.json("dataset stats rows")["patients"], json!(24));
    study.is_sound();
}
