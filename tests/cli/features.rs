//! Probes of features and heat maps: `reg probe` and `reg gradcam`.

use std::fs;

use reg::dataset::pixels;
use reg::hash::Id;
use reg::records::{Scores, Split};
use serde_json::{Value, json};

use crate::harness::Study;

const FOLDS: &str = "tiny-s-f0 tiny-s-f1";

/// Ids of the records of a kind.
fn ids(study: &Study, kind: &str) -> Vec<String> {
    let records = study.json(&format!("list {kind}"))["records"].clone();
    records.as_array().unwrap().iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

/// The share of pairs that the scores order correctly, by counting.
fn auc_by_pairs(scores: &[f64], positive: &[bool]) -> f64 {
    let of = |class| scores.iter().zip(positive).filter(move |(_, p)| **p == class).map(|(score, _)| *score);
    let (mut won, mut pairs) = (0.0, 0.0);
    for a in of(true) {
        for b in of(false) {
            won += if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 };
            pairs += 1.0;
        }
    }
    won / pairs
}

#[test]
fn a_probe_is_judged_on_test_images_by_a_threshold_of_validation_images() {
    let study = Study::trained();
    let probed = study.json(&format!("probe {FOLDS} --target view --name what-it-knows"));
    assert_eq!(probed["table"], study.id("what-it-knows").as_str());
    let folds = probed["folds"].as_array().unwrap();
    assert_eq!(folds.len(), 2);
    let registry = study.registry();
    let manifest =
        registry.manifest(&registry.get(Id::new(study.id("tiny").parse().unwrap())).unwrap()).unwrap();
    for (place, fold) in folds.iter().enumerate() {
        let read = |key: &str| -> (Vec<f64>, Vec<bool>) {
            let id = fold[key].as_str().unwrap().parse().unwrap();
            let scores: Scores = registry.packed_alone(Id::new(id)).unwrap();
            let ap = |row: &u32| manifest.rows[*row as usize].view == reg::records::ViewPosition::AP;
            let positive = scores.rows.iter().map(ap).collect();
            (scores.scores, positive)
        };
        let of_fold = |key: &str| probed["spread"][key]["folds"][place].as_f64();
        let (scores, positive) = read("test");
        assert_eq!(Some(auc_by_pairs(&scores, &positive)), of_fold("auc"));
        let (on, truth) = read("validation");
        let best = |t: f64| {
            let share = |class| {
                let of = || on.iter().zip(&truth).filter(|(_, p)| **p == class);
                of().filter(|(score, _)| (**score >= t) == class).count() as f64 / of().count() as f64
            };
            share(true) + share(false)
        };
        let threshold = of_fold("threshold").unwrap();
        assert!(on.iter().all(|t| best(*t) <= best(threshold) + 1e-12), "Youden's index is largest there");
        let right = |class: bool| {
            let of = || scores.iter().zip(&positive).filter(move |(_, p)| **p == class);
            of().filter(|(score, _)| (**score >= threshold) == class).count() as f64 / of().count() as f64
        };
        assert_eq!((Some(right(true)), Some(right(false))), (of_fold("sensitivity"), of_fold("specificity")));
    }
    let mean = probed["spread"]["auc"]["mean"].clone();
    assert_eq!((&probed["auc"], probed["spread"]["auc"]["n"].as_u64()), (&mean, Some(2)));
    // Its lineage ends at the images.
    let traced = study.json("trace what-it-knows");
    let has = |kind: &str| traced["nodes"].as_array().unwrap().iter().any(|node| node["kind"] == kind);
    assert!(["image", "run", "split", "software", "spec", "scores"].into_iter().all(has), "{traced}");
    assert!(!has("test"), "the scores of the test images are no damaged file: {traced}");
    study.is_sound();
}

#[test]
fn a_probe_gives_the_same_bytes_elsewhere_and_is_not_fitted_again() {
    let (study, other) = (Study::trained(), Study::trained());
    let table = |study: &Study, runs: &str| study.json(&format!("probe {runs} --target age"));
    let first = table(&study, FOLDS);
    assert!(first["mae"].as_f64().unwrap() > 0.0 && first["baseline"].as_f64().unwrap() > 0.0);
    // One fold after the other, in another registry.
    table(&other, "tiny-s-f1");
    assert_eq!(table(&other, "tiny-s-f0 tiny-s-f1")["table"], first["table"]);
    let executions = ids(&study, "execution");
    assert_eq!(table(&study, "tiny-s-f1 tiny-s-f0")["table"], first["table"]);
    assert_eq!(ids(&study, "execution"), executions, "nothing was computed");
    let shown = study.ok(&format!("show {}", first["table"].as_str().unwrap()));
    assert!(shown.contains("Linear probe of `tiny`: predicting age"), "{shown}");
}

#[test]
fn runs_that_are_not_folds_of_one_network_on_images_are_not_probed() {
    let study = Study::trained();
    let before = ids(&study, "table");
    study.refused(1, "probe mlp-s-f0 --target age", &["model mlp does not use images", "hint:"]);
    study.refused(1, "probe tiny-s-f0 mlp-s-f1 --target age", &["runs of one model", "mlp on split"]);
    study.refused(
        1,
        "probe tiny-s-f0 tiny-s-f0 --target view",
        &["both tiny on division 0", "one run per fold"],
    );
    study.refused(1, "probe s --target view", &["split"]);
    study.refused(2, "probe tiny-s-f0 --target weight", &["weight"]);
    assert_eq!(ids(&study, "table"), before);
    study.nothing_staged();
}

#[test]
fn a_target_that_never_changes_cannot_be_probed() {
    let study = Study::new();
    study.edit("data.csv", |text| text.replace(",AP,", ",PA,"));
    study.ok("ingest images --metadata data.csv --name tiny");
    study.ok("split make tiny --folds 2 --name s");
    study.ok(crate::harness::TINY);
    study.refused(
        1,
        "probe tiny-s-f0 --target view",
        &["division 0: the view of its train images", "the same"],
    );
}

/// An image of fold 0's test subset with a box, and the label of the box.
fn boxed(study: &Study) -> (String, String) {
    let game = study.json("gradcam tiny-s-f0 --boxes --subset train");
    let row = &game["boxes"][0];
    (row["image"].as_str().unwrap().to_owned(), row["label"].as_str().unwrap().to_owned())
}

#[test]
fn a_picture_has_the_size_of_its_image_and_its_record_says_how_it_was_made() {
    let study = Study::trained();
    let (image, label) = boxed(&study);
    let command = format!("gradcam tiny-s-f0 {image} --label {label} -o out.png");
    let answer = study.json(&command);
    assert_eq!((&answer["file"], &answer["image"]), (&json!("out.png"), &json!(image)));
    let picture = fs::read(study.path("out.png")).unwrap();
    let original = fs::read(study.path("images").join(&image)).unwrap();
    let size = |bytes: &[u8]| pixels::decode(bytes).map(|gray| (gray.width, gray.height)).unwrap();
    assert_eq!(size(&picture), size(&original));

    let record = study.json(&format!("show {}", answer["id"].as_str().unwrap()))["record"].clone();
    assert_eq!(record["picture"], reg::hash::Hash::of(&picture).to_string());
    assert_eq!(record["object"], reg::hash::Hash::of(&original).to_string());
    let heatmap: Vec<f64> = record["map"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|v| v.as_f64().unwrap())
        .collect();
    assert!(heatmap.iter().all(|cell| *cell >= 0.0));
    assert_eq!(heatmap.len(), 64);
    assert_eq!(answer["boxes"].as_array().unwrap().len(), 1);

    // The score is that of `reg predict`, and a file with the image's bytes counts as the image.
    let predicted = study.json(&format!("predict tiny-s-f0 images/{image}"));
    let [a, b] =
        [&predicted["images"][0]["scores"][&label], &answer["probability"]].map(|v| v.as_f64().unwrap());
    assert!((a - b).abs() < 1e-6, "{a} and {b}");
    let again = study.json(&format!("gradcam tiny-s-f0 images/{image} --label {label} -o again.png"));
    assert_eq!((&again["id"], fs::read(study.path("again.png")).unwrap()), (&answer["id"], picture));
    study.is_sound();
}

#[test]
fn a_file_of_nobody_s_can_be_looked_at_too() {
    let study = Study::trained();
    let (image, label) = boxed(&study);
    let gray = pixels::decode(&fs::read(study.path("images").join(image)).unwrap()).unwrap();
    let darker = pixels::Gray { data: gray.data.iter().map(|v| v / 2).collect(), ..gray };
    fs::write(study.path("mine.png"), pixels::encode_png(&darker)).unwrap();
    let answer = study.json(&format!("gradcam tiny-s-f0 mine.png --label {label} -o out.png"));
    assert_eq!(answer["boxes"], json!([]));
    let object = study.json(&format!("show {}", answer["id"].as_str().unwrap()))["record"]["object"].clone();
    assert_eq!(
        fs::read(study.object(object.as_str().unwrap())).unwrap(),
        fs::read(study.path("mine.png")).unwrap()
    );
}

#[test]
fn what_cannot_be_looked_at_is_named() {
    let study = Study::trained();
    let before = ids(&study, "table");
    let (image, out) = ("images/00000006_000.png", "--label Mass -o out.png");
    study.refused(1, &format!("gradcam mlp-s-f0 {image} {out}"), &["model mlp does not use images", "hint:"]);
    study.refused(
        1,
        &format!("gradcam tiny-s-f0 nobody.png {out}"),
        &["`nobody.png` is neither a file nor an image"],
    );
    study.refused(
        1,
        &format!("gradcam tiny-s-f0 {image} --label Cold -o out.png"),
        &["unknown label Cold", "Mass"],
    );
    let typo = format!("gradcam tiny-s-f0 {image} --label Masse -o out.png");
    study.refused(1, &typo, &["unknown label Masse", "hint: did you mean `Mass`?"]);
    study.refused(1, &format!("gradcam tiny-s-f0 data.csv {out}"), &["data.csv is not a readable image"]);
    study.refused(2, &format!("gradcam tiny-s-f0 {image}"), &["--label"]);
    assert_eq!(ids(&study, "table"), before);
    study.refused(
        1,
        &format!("gradcam tiny-s-f0 {image} --label Mass -o no/where.png"),
        &["cannot write no/where.png"],
    );
    assert!(!study.path("out.png").exists());
    study.nothing_staged();
}

#[test]
fn the_pointing_game_is_over_the_boxes_of_one_subset() {
    let study = Study::trained();
    let games = ["train", "val", "test"]
        .map(|subset| study.reg(&format!("--json gradcam tiny-s-f0 --boxes --subset {subset}")));
    let mut images: Vec<(String, String)> = Vec::new();
    for game in games.iter().filter(|game| game.code == 0).map(|game| game.json()) {
        let rows = game["boxes"].as_array().unwrap();
        let count = |of: &dyn Fn(&Value) -> bool| rows.iter().filter(|row| of(row)).count() as u64;
        assert_eq!(game["all"]["boxes"], rows.len());
        assert_eq!(game["all"]["hits"], count(&|row| row["heat"]["hit"] == true));
        assert_eq!(game["all"]["without_heat"], count(&|row| row["heat"]["heat_share"].is_null()));
        // Both shares are means over the same boxes.
        for share in ["heat_share", "area_share"] {
            let with_heat = rows.iter().filter(|row| !row["heat"]["heat_share"].is_null());
            let each: Vec<f64> = with_heat.map(|row| row["heat"][share].as_f64().unwrap()).collect();
            let mean = (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64);
            let said = game["all"][share].as_f64();
            assert!(said.zip(mean).map_or(said == mean, |(a, b)| (a - b).abs() < 1e-12), "{share}: {game}");
        }
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        images.extend(rows.iter().map(|row| (text(row, "image"), text(row, "label"))));
    }
    // Those without a box say so.
    for game in games.iter().filter(|game| game.code != 0) {
        game.says(1, &["image with an annotated box", "hint: choose another subset"]);
    }
    let boxes = fs::read_to_string(study.path("boxes.csv"))
        .unwrap()
        .lines()
        .skip(1)
        .filter(|l| !l.is_empty())
        .count();
    assert_eq!(images.len(), boxes, "each box is in one subset: {images:?}");
    let split: Split = study.registry().get(Id::new(study.id("s").parse().unwrap())).unwrap();
    assert_eq!(split.folds.len(), 2);
}

/// Writes another picture under `name`, and returns a name of an image of the data set.
fn strange(study: &Study, names: &[&str]) {
    let bytes = fs::read(study.path("images/00000006_000.png")).unwrap();
    let gray = pixels::decode(&bytes).unwrap();
    let darker = pixels::Gray { data: gray.data.iter().map(|v| v / 3).collect(), ..gray };
    for name in names {
        fs::create_dir_all(study.path(name).parent().unwrap()).unwrap();
        fs::write(study.path(name), pixels::encode_png(&darker)).unwrap();
    }
}

#[test]
fn a_file_is_its_bytes_and_not_its_name() {
    let study = Study::trained();
    strange(&study, &["other/00000001_000.png", "stranger.png"]);
    study.refused(
        1,
        "predict mlp-s-f0 other/00000001_000.png",
        &[
            "mlp needs age, gender and view, but ",
            "is not the image of that name in the data set",
            "hint: give --age YEARS",
        ],
    );
    study.refused(
        1,
        "predict mlp-s-f0 stranger.png --age 40 --view PA",
        &["is not an image of the data set", "give --gender M or F"],
    );
    let given = "--age 40 --gender f --view PA";
    let answer = study.json(&format!("predict mlp-s-f0 other/00000001_000.png stranger.png {given}"));
    let [a, b] = [&answer["images"][0], &answer["images"][1]];
    assert_eq!(a["scores"], b["scores"]);
    assert_eq!((&a["image"], &a["meta"]), (&json!(null), &json!({ "age": 40, "gender": "F", "view": "PA" })));
    let unknown = study.json("predict mlp-s-f0 stranger.png --age unknown --gender unknown --view unknown");
    assert_ne!(unknown["images"][0]["scores"], a["scores"]);

    // An image of the data set under another name, and through a pipe, is that image.
    fs::copy(study.path("images/00000001_000.png"), study.path("copy.png")).unwrap();
    let answer = study.json("predict mlp-s-f0 images/00000001_000.png copy.png");
    let [own, copy] = [&answer["images"][0], &answer["images"][1]];
    assert_eq!((&own["scores"], &own["meta"]), (&copy["scores"], &copy["meta"]), "in one batch");
    assert_eq!(copy["image"], json!("00000001_000.png"));
    assert!(
        study.ok("predict mlp-s-f0 copy.png").contains("from image 00000001_000.png of the run's data set")
    );
    let piped = |model: &str, more: &str, file: &str| {
        let command = format!("--json predict {model} /dev/stdin {more}");
        let answer = study.piped(&command, &fs::read(study.path(file)).unwrap());
        answer.json()["images"][0]["scores"].clone()
    };
    let close = |a: &Value, b: &Value| {
        let b = b.as_object().unwrap();
        a.as_object()
            .unwrap()
            .iter()
            .all(|(label, a)| (a.as_f64().unwrap() - b[label].as_f64().unwrap()).abs() < 1e-6)
    };
    assert!(close(&piped("mlp-s-f0", "", "copy.png"), &own["scores"]));
    assert_eq!(
        piped("tiny-s-f0", "", "stranger.png"),
        study.json("predict tiny-s-f0 stranger.png")["images"][0]["scores"]
    );

    // Values that contradict the data set, and values that the network does not see, are refused.
    study.refused(
        1,
        &format!("predict mlp-s-f0 copy.png {given}"),
        &[
            "copy.png is the data set's image 00000001_000.png, for which different values are recorded: age",
            "hint:",
        ],
    );
    study.refused(
        1,
        &format!("predict tiny-s-f0 copy.png {given}"),
        &["tiny sees no age, gender or view", "hint:"],
    );
    for (option, expected) in [
        ("--age 130", "0 to 120"),
        ("--age 1.5", "0 to 120"),
        ("--gender X", "M, F or unknown"),
        ("--view LL", "PA, AP or unknown"),
    ] {
        study.refused(2, &format!("predict mlp-s-f0 stranger.png {option}"), &[expected]);
    }
}

#[test]
fn a_heat_map_of_a_strange_file_records_the_age_gender_and_view_that_were_given() {
    let study = Study::trained();
    study.ok("train --dataset tiny --split s --model tiny-meta --set epochs=1 --threads 1 --name m");
    let (image, label) = boxed(&study);
    strange(&study, &[&format!("other/{image}")]);
    let command = format!("gradcam m other/{image} --label {label} -o out.png");
    study.refused(1, &command, &["is not the image of that name in the data set", "--age"]);
    let answer = study.json(&format!("{command} --age 40 --gender M --view unknown"));
    assert_eq!(answer["boxes"], json!([]), "not the boxes of the image of that name");
    assert_eq!(answer["meta"], json!({ "age": 40, "gender": "M", "view": "unknown" }));
    let shown = study.ok(&format!("show {}", answer["id"].as_str().unwrap()));
    assert!(shown.contains("as given: age 40, gender M, view unknown"), "{shown}");
    // The image itself, under another name.
    fs::copy(study.path("images").join(&image), study.path("copy.png")).unwrap();
    let copy = study.json(&format!("gradcam m copy.png --label {label} -o copy-out.png"));
    let named = study.json(&format!("gradcam m {image} --label {label} -o out.png"));
    assert_eq!((&copy["id"], &copy["image"]), (&named["id"], &json!(image)));
    study.is_sound();
}

/// The published list for images of another size, and a list in pixels of the images.
#[test]
fn boxes_are_scaled_to_the_images_that_are_there() {
    let study = Study::new();
    let ingest = |arguments: &str| study.json(&format!("ingest images --metadata data.csv {arguments}"));
    let boxes = |answer: &Value| {
        let id = answer["id"].as_str().unwrap();
        study.json(&format!("show {id}"))["record"]["boxes"].as_str().unwrap().to_owned()
    };
    let published = ingest("--boxes boxes.csv");
    // The images are 64 x 64, a sixteenth of the published ones.
    let scaled: String = fs::read_to_string(study.path("boxes.csv"))
        .unwrap()
        .lines()
        .enumerate()
        .map(|(number, line)| {
            let scaled = |text: &str| (text.parse::<f64>().unwrap() / 16.0).to_string();
            let fields = line.split(',').enumerate();
            let fields =
                fields.map(|(n, text)| if number > 0 && n > 1 { scaled(text) } else { text.to_owned() });
            fields.collect::<Vec<_>>().join(",") + "\n"
        })
        .collect();
    fs::write(study.path("small.csv"), scaled).unwrap();
    for size in ["image", "64x64"] {
        assert_eq!(
            boxes(&ingest(&format!("--boxes small.csv --box-size {size}"))),
            boxes(&published),
            "{size}"
        );
    }
    let doubtful = ingest("--boxes small.csv");
    assert_ne!(boxes(&doubtful), boxes(&published));
    assert!(doubtful["findings"].to_string().contains("`--box-size image`"), "{doubtful}");
    let refused = "ingest images --metadata data.csv --boxes boxes.csv --box-size image";
    study.refused(1, refused, &["boxes.csv, row ", "beyond 64 x 64 pixels"]);
    study.refused(2, &format!("{refused}s"), &["1024x1024, or `image`"]);
    study.edit("boxes.csv", |text| {
        let first = text.lines().nth(1).unwrap().to_owned();
        text.trim_end().to_owned() + "\n" + &first + "\n"
    });
    study.refused(
        1,
        "ingest images --metadata data.csv --boxes boxes.csv",
        &["is the same as that of row 1"],
    );
    assert_eq!(study.json("verify --recompute")["damaged"], json!([]));
}
