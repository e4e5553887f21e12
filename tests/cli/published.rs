//! The published files, if available: `shared/nih` in the project or above it.

use serde_json::{Value, json};

use crate::harness::Study;
use crate::support::nih;

#[test]
fn the_real_images_are_ingested_with_their_rows_and_boxes() {
    let Some(nih) = nih() else { return };
    let study = Study::bare();
    study.ok("init");
    let metadata = nih.join("Data_Entry_2017_v2020.csv.gz");
    let boxes = nih.join("BBox_List_2017.csv.gz");
    let ingest = format!(
        "ingest {} --metadata {} --boxes {} --name nih96",
        nih.join("images").display(),
        metadata.display(),
        boxes.display()
    );
    study.refused(1, &ingest, &["112,024 rows", "00000001_000.png", "hint: give --allow-missing"]);
    study.is_empty();
    let answer = study.json(&format!("{ingest} --allow-missing"));
    assert_eq!((&answer["images"], &answer["patients"]), (&json!(96), &json!(96)));
    assert_eq!(answer["missing"], json!(112_120 - 96));
    let stats = study.json("dataset stats nih96");
    assert!(stats["labels"].as_object().unwrap().values().all(|l| l["positives"].as_u64().unwrap() >= 6));
    study.ok("split make nih96 --folds 5 --name s5");
    let image = crate::harness::id_of(&nih.join("images/00002578_000.png"));
    assert!(study.ok(&format!("trace --down {image}")).contains("00002578_000.png"));
    study.is_sound();
}

pub(crate) fn metadata_only() -> Option<Study> {
    let nih = nih()?;
    let study = Study::bare();
    study.ok("init");
    let metadata = nih.join("Data_Entry_2017_v2020.csv.gz");
    study.ok(&format!("ingest --metadata-only --metadata {} --name nih-meta", metadata.display()));
    Some(study)
}

#[test]
fn statistics_of_the_complete_metadata_are_the_papers() {
    let Some(study) = metadata_only() else { return };
    let stats = study.json("dataset stats nih-meta");
    assert_eq!((&stats["images"], &stats["patients"]), (&json!(112_120), &json!(30_805)));
    let close = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 5e-5;
    assert!(
        close(&stats["age"]["mean"], 46.6264) && close(&stats["age"]["std"], 16.6027),
        "{}",
        stats["age"]
    );
    for (label, positives) in [
        ("Hernia", 227),
        ("Pneumonia", 1_431),
        ("Fibrosis", 1_686),
        ("Edema", 2_303),
        ("Emphysema", 2_516),
        ("Cardiomegaly", 2_776),
        ("Pleural_Thickening", 3_385),
        ("Consolidation", 4_667),
        ("Pneumothorax", 5_302),
        ("Mass", 5_782),
        ("Nodule", 6_331),
        ("Atelectasis", 11_559),
        ("Effusion", 13_317),
        ("Infiltration", 19_894),
        ("No Finding", 60_361),
    ] {
        assert_eq!(stats["labels"][label]["positives"], json!(positives), "{label}");
    }
    let numbers = stats.to_string();
    for count in ["63340", "48780", "67310", "44810"] {
        assert!(numbers.contains(count), "{count}: {} {}", stats["gender"], stats["view"]);
    }
}

#[test]
fn the_official_lists_make_a_split_without_a_leak() {
    let Some(study) = metadata_only() else { return };
    let nih = nih().expect("it was there a moment ago");
    let import = format!(
        "split import nih-meta --train-val {} --test {} --val-fraction 0.125 --name official",
        nih.join("train_val_list.txt.gz").display(),
        nih.join("test_list.txt.gz").display()
    );
    let sizes = study.json(&import)["folds"][0].clone();
    assert_eq!(sizes["test"]["images"], json!(25_596));
    let images = |subset: &str| sizes[subset]["images"].as_u64().unwrap();
    assert_eq!(images("train") + images("val"), 86_524);
    assert_eq!(study.json("split check official")["leaks"], json!([]));
}

/// The official test images are known by their names, whatever a split is called.
#[test]
fn published_numbers_stand_beside_scores_of_the_official_test_images() {
    let Some(study) = metadata_only() else { return };
    let nih = nih().expect("it was there a moment ago");
    let mut text = String::new();
    let list = std::fs::File::open(nih.join("test_list.txt.gz")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(list), &mut text).unwrap();
    let names: Vec<&str> = text.split_whitespace().collect();
    let csv = |names: &[&str]| {
        let rows = names
            .iter()
            .enumerate()
            .map(|(n, name)| format!("{name},0.{:03},0.{:03}\n", n * 7 % 997, n * 11 % 991));
        "Image Index,Mass,Hernia\n".to_owned() + &rows.collect::<String>()
    };
    std::fs::write(study.path("all.csv"), csv(&names)).unwrap();
    std::fs::write(study.path("fewer.csv"), csv(&names[1..])).unwrap();
    for name in ["all", "fewer"] {
        study.ok(&format!("predictions import {name}.csv --dataset nih-meta --name {name}"));
    }
    let answer = study.json("compare all --published paper");
    assert_eq!((&answer["unfair"], &answer["published"]["models"][0]["mean_over"]), (&json!([]), &json!(14)));
    study.refused(
        3,
        "compare fewer --published paper",
        &["for 25,596 test images, but 25,595 are scored here"],
    );
    study.refused(
        3,
        "compare all --published literature",
        &["for other images (random 70/10/20, not released)"],
    );
    // Real patients have several images each: as many images of other patients would tell more.
    let clustered = |variance: &str| {
        let answer = study.json(&format!("compare all --variance {variance}"));
        let mass = &answer["auc"]["all"]["Mass"];
        assert_eq!(
            (&mass["positives"], &answer["images"]["all"]["patients"]),
            (&json!([1748]), &json!([2797]))
        );
        let ends = mass["intervals"][0].as_array().unwrap();
        ends[1].as_f64().unwrap() - ends[0].as_f64().unwrap()
    };
    assert_ne!(clustered("clustered"), clustered("delong"));
    let told = study.ok("compare all --variance delong --table intervals");
    assert!(told.contains("DeLong, images taken as independent"), "{told}");
}

/// Slow: about eight seconds of two cores. The paper's MLP has 0.61 over five folds.
#[test]
fn slow_the_papers_mlp_has_its_auc_on_the_complete_metadata() {
    let Some(study) = metadata_only() else { return };
    study.ok("split make nih-meta --folds 5 --ratios 70/10/20 --seed 1 --name s5");
    let answer = study.json("train --dataset nih-meta --split s5 --fold 0 --model mlp");
    let mean = answer["auc"]["mean"].as_f64().unwrap();
    assert!((0.60..=0.63).contains(&mean), "{mean}");
}
