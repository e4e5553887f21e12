//! Data sets other than ChestX-ray14: other labels, some of them missing, and patients and studies that are identified
//! by text. No reader creates such a data set yet, so the library adds them to a registry.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use reg::dataset::png;
use reg::hash::Id;
use reg::records::{
    AgeRange, Comparison, Dataset, Gender, ImageRow, LabelValues, Manifest, Predictions, Table, ViewPosition,
    rules,
};
use reg::registry::Stamp;
use serde_json::{Value, json};

use crate::audit::python;
use crate::harness::{Study, files};

/// Whether an image, by number, has a label; some labels are missing.
fn value(image: usize, label: usize) -> Option<bool> {
    match (image * 7 + label * 5) % 9 {
        0 | 4 if label % 3 != 1 || image % 3 == 1 => None,
        of => Some(of % 2 == image % 2),
    }
}

/// A registry with the pictures of the fixture as a data set `other`, two images a patient.
fn other(labels: &[String], no_finding: Option<&str>) -> Study {
    let study = Study::bare();
    study.ok("init");
    let registry = study.registry();
    let mut transaction = registry.transaction().unwrap();
    let pictures = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny/images"));
    let pictures: Vec<_> =
        pictures.into_iter().filter(|path| path.extension().is_some_and(|e| e == "png")).collect();
    let mut rows = Vec::new();
    for (image, path) in pictures.iter().enumerate() {
        let bytes = fs::read(path).unwrap();
        let file = transaction.put_outside(&bytes).unwrap();
        let info = png::check(&bytes).unwrap();
        let values: Vec<_> = (0..labels.len()).map(|label| value(image, label)).collect();
        rows.push(ImageRow {
            name: format!("x,{image:02}.png").parse().unwrap(),
            object: Some(file.object.hash),
            sha256: file.sha256,
            bytes: file.bytes,
            width: info.width,
            height: info.height,
            row: image as u32 + 1,
            patient: format!("p{}-α", image / 2).parse().unwrap(),
            study: (image % 3 > 0).then(|| format!("study {image}, second").parse().unwrap()),
            follow_up: None,
            age: Some(30 + image as i32),
            gender: if image % 4 < 2 { Gender::Female } else { Gender::Male },
            view: ViewPosition::PA,
            labels: LabelValues::of(&values),
        });
    }
    let manifest = Manifest { labels: labels.len() as u32, rows };
    let dataset = Dataset {
        source: "hospital".to_owned(),
        rules: rules::INGEST,
        labels: labels.to_vec(),
        no_finding: no_finding.map(str::to_owned),
        manifest: transaction.put_packed(&manifest).unwrap(),
        metadata: transaction.put_outside(b"rows of another format").unwrap(),
        boxes_file: None,
        box_size: None,
        boxes: None,
        metadata_only: false,
        images: manifest.rows.len() as u64,
        patients: manifest.rows.len().div_ceil(2) as u64,
        bytes: manifest.rows.iter().map(|row| row.bytes).sum(),
        missing: 0,
        age: Some(AgeRange { min: 30, max: 29 + manifest.rows.len() as i32 }),
        impossible_ages: 0,
        withdrawn: None,
    };
    let id = transaction.put(&dataset).unwrap();
    transaction.name("other", id.hash).unwrap();
    transaction.commit(&Stamp { time: "2026-01-01T00:00:00Z".into(), command: "test".into() }).unwrap();
    study
}

fn three() -> Vec<String> {
    ["Lung, left", "Mass", "Normal"].map(str::to_owned).into()
}

fn train(study: &Study, model: &str, name: &str) -> Value {
    let settings = "--set epochs=2 --threads 1 --fold 0";
    study.json(&format!("train --dataset other --split s --model {model} {settings} --name {name}"))
}

/// The share of pairs of a positive and a negative that the scores put in the right order, a tie counting half, over
/// the images whose label is known; and how many are positive, negative and missing.
fn by_hand(study: &Study, predictions: &Value, label: usize) -> (Option<f64>, [u64; 3]) {
    let registry = study.registry();
    let id = Id::<Predictions>::new(predictions.as_str().unwrap().parse().unwrap());
    let scores = registry.scores(&registry.get(id).unwrap()).unwrap();
    let each: Vec<(f64, Option<bool>)> = scores
        .rows
        .iter()
        .zip(scores.column(label))
        .map(|(row, score)| (score, value(*row as usize, label)))
        .collect();
    let of = |wanted| each.iter().filter(move |(_, truth)| *truth == wanted).map(|(score, _)| *score);
    let pairs = of(Some(true)).flat_map(|p| of(Some(false)).map(move |n| (p, n)));
    let won: Vec<f64> = pairs
        .map(|(p, n)| {
            if p > n {
                1.0
            } else if p == n {
                0.5
            } else {
                0.0
            }
        })
        .collect();
    let auc = (!won.is_empty()).then(|| won.iter().sum::<f64>() / won.len() as f64);
    (auc, [Some(true), Some(false), None].map(|wanted| of(wanted).count() as u64))
}

/// Asserts that a run's table matches its scores and the known labels.
fn holds(study: &Study, trained: &Value, labels: &[String]) {
    let registry = study.registry();
    let id = Id::<Table>::new(trained["table"].as_str().unwrap().parse().unwrap());
    let Table::Auc(table) = registry.get(id).unwrap() else { panic!("an AUC table") };
    assert_eq!(table.labels.len(), labels.len());
    let mut missing = 0;
    for (place, (row, name)) in table.labels.iter().zip(labels).enumerate() {
        let (auc, counts) = by_hand(study, &trained["predictions"], place);
        assert_eq!(&row.label, name);
        assert_eq!([row.positives, row.negatives, row.missing.unwrap_or(0)], counts, "{name}");
        assert_eq!(row.auc.is_some(), auc.is_some(), "{name}");
        assert!(row.auc.zip(auc).is_none_or(|(a, b)| (a - b).abs() < 1e-12), "{name}: {row:?} and {auc:?}");
        missing += counts[2];
    }
    assert!(missing > 0, "something is missing among the test images");
}

#[test]
fn three_labels_some_of_them_missing_go_from_statistics_to_a_bundle_that_checks() {
    let labels = three();
    let study = other(&labels, Some("Normal"));
    let images =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny/images")).unwrap().count();
    let stats = study.json("dataset stats other --name stats");
    for (place, name) in labels.iter().enumerate() {
        let count = |wanted: Option<bool>| (0..images).filter(|image| value(*image, place) == wanted).count();
        let (positives, missing) = (count(Some(true)), count(None));
        let expected = positives as f64 / (images - missing) as f64;
        let mut row = json!({ "positives": positives, "prevalence": expected });
        if missing > 0 {
            row["missing"] = json!(missing);
        }
        assert_eq!(stats["labels"][name], row, "{name}");
    }
    let found = (0..images).map(|image| (0..2).filter(|label| value(image, *label) == Some(true)).count());
    assert_eq!(stats["findings_per_image"], json!(found.sum::<usize>() as f64 / images as f64));
    assert!(study.ok("dataset stats other").contains("Missing"));

    study.ok("split make other --folds 2 --ratios 40/20/40 --name s");
    study.ok("split check s");
    let tiny = train(&study, "tiny", "t0");
    let mlp = train(&study, "mlp", "m0");
    holds(&study, &tiny, &labels);
    holds(&study, &mlp, &labels);
    assert_eq!(train(&study, "tiny", "t0")["cached"], true);

    let compare = "compare t0 m0 --bootstrap 100 --seed 1 --metrics --by gender --name table";
    let table = study.json(compare)["table"].as_str().unwrap().to_owned();
    let Table::Comparison(comparison) =
        study.registry().get(Id::<Table>::new(table.parse().unwrap())).unwrap()
    else {
        panic!("a comparison")
    };
    compares(&study, &comparison, &[&tiny, &mlp]);
    let said = study.ok(compare);
    assert!(said.contains("An image whose label is missing is left out"), "{said}");

    // Another tool may spell a label differently; its columns are matched to the labels of the data set.
    let csv: String = (0..images).map(|image| format!("\"x,{image:02}.png\",0.{image:02},0.5\n")).collect();
    fs::write(study.path("theirs.csv"), format!("Image Index,\"prob_lung, LEFT\",prob_normal\n{csv}"))
        .unwrap();
    let imported = study.json("predictions import theirs.csv --dataset other --name theirs");
    assert_eq!(imported["labels"], json!(["Lung, left", "Normal"]));
    fs::write(study.path("none.csv"), "Image Index,Edema\na.png,1\n").unwrap();
    study.refused(
        1,
        "predictions import none.csv --dataset other --name none",
        &["no column of scores", "Lung, left, Mass, Normal"],
    );

    study.ok("export other -o other.csv");
    let csv = fs::read_to_string(study.path("other.csv")).unwrap();
    let mut lines = csv.lines();
    let head = "Image Index,Patient ID,Follow-up #,Patient Age,Patient Gender,View Position,Study ID,\"Lung, left\",Mass,Normal,";
    assert!(lines.next().unwrap().starts_with(head), "{csv}");
    let field = |truth: Option<bool>| truth.map_or(String::new(), |truth| truth.to_string());
    for (image, line) in lines.enumerate() {
        let study = if image % 3 > 0 { format!("\"study {image}, second\"") } else { String::new() };
        let truth = [0, 1, 2].map(|label| field(value(image, label))).join(",");
        let gender = if image % 4 < 2 { "F" } else { "M" };
        let begins =
            format!("\"x,{image:02}.png\",p{}-α,,{},{gender},PA,{study},{truth},", image / 2, 30 + image);
        assert!(line.starts_with(&begins), "{line}\n{begins}");
    }
    study.ok("export other -o other.parquet");
    study.ok("export t0 -o card.md");
    assert!(fs::read_to_string(study.path("card.md")).unwrap().contains("Missing"));
    study.ok("export t0 --format checkpoint -o model");
    assert!(fs::read_to_string(study.path("model/model.py")).unwrap().contains("Lung, left"));
    study.ok("dataset export other --format croissant -o croissant");
    study.ok("report table -o report.html");
    assert!(fs::read_to_string(study.path("report.html")).unwrap().contains("Lung, left"));
    checks(&study, "table");
    checks(&study, "stats");
    checks(&study, "theirs");
    patient_goes(&study, images);
}

/// A comparison says of each model and label what its table says, and counts what is missing.
fn compares(study: &Study, comparison: &Comparison, trained: &[&Value]) {
    for (model, trained) in comparison.models.iter().zip(trained) {
        for (place, label) in model.labels.iter().enumerate() {
            let (auc, [positives, _, missing]) = by_hand(study, &trained["predictions"], place);
            assert_eq!(label.positives, [positives]);
            assert_eq!(label.missing.first().copied().unwrap_or(0), missing);
            assert!(label.auc.folds[0].zip(auc).is_none_or(|(a, b)| (a - b).abs() < 1e-12), "{label:?}");
        }
    }
    let bootstrap = comparison.bootstrap.as_ref().unwrap();
    for row in bootstrap.rows.iter().filter(|row| row.less.is_none()) {
        let model = comparison.models.iter().find(|model| model.name == row.model).unwrap();
        let spread = match &row.label {
            Some(name) => model.labels.iter().find(|label| label.label == *name).unwrap().auc.clone(),
            None if row.pathologies => reg::report::mean_over_pathologies(comparison, model).unwrap(),
            None => model.mean.clone(),
        };
        assert!((row.value - spread.mean.unwrap()).abs() < 1e-12, "{row:?}");
    }
    for row in &comparison.metrics {
        let place = comparison.models[0].labels.iter().position(|label| label.label == row.label).unwrap();
        let (_, [positives, negatives, _]) = by_hand(study, &trained[0]["predictions"], place);
        assert_eq!(row.prevalence, Some(positives as f64 / (positives + negatives) as f64), "{row:?}");
        assert_eq!(row.bins.iter().map(|bin| bin.images).sum::<u64>(), positives + negatives);
    }
    for name in ["tiny", "mlp"] {
        let of = comparison.groups.iter().filter(|row| row.model == name && row.label == "Mass");
        let missing: u64 = of.map(|row| row.missing.unwrap_or(0)).sum();
        let (_, counts) = by_hand(study, &trained[0]["predictions"], 1);
        assert_eq!(missing, counts[2], "the groups together are all");
    }
}

/// Both programs check a bundle of such a data set, and say that they did not read the metadata.
fn checks(study: &Study, name: &str) {
    let bundle = format!("{name}.zip");
    study.ok(&format!("audit {name} -o {bundle}"));
    let checked = study.json(&format!("audit verify {bundle}"));
    assert_eq!(
        (&checked["ok"], &checked["unread"]),
        (&json!(true), &json!([study.id("other")])),
        "{checked}"
    );
    let (code, said) = python(study, &bundle);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("whose format this program does not read: hospital"), "{said}");
}

/// A patient that is identified by text can be traced and withdrawn.
fn patient_goes(study: &Study, images: usize) {
    let traced = study.json("trace --down patient:p3-α");
    assert_eq!(traced["images"].as_array().unwrap().len(), 2, "{traced}");
    assert_eq!(traced["images"][0]["patient"], "p3-α");
    let withdrawn = study.json("withdraw patient:p3-α --reason consent");
    assert_eq!(withdrawn["images"].as_array().map_or(2, Vec::len), 2, "{withdrawn}");
    study.refused(
        3,
        "train --dataset other --split s --model mlp --fold 1 --set epochs=1 --threads 1",
        &["patient p3-α: consent"],
    );
    let record = study.json("list withdrawal")["records"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(study.json(&format!("show {record}"))["record"]["subject"]["patient"], "p3-α");
    study.ok("reindex");
    study.is_sound();
    let patients: BTreeSet<String> = (0..images).map(|image| format!("p{}-α", image / 2)).collect();
    assert_eq!(study.json("dataset show other")["record"]["patients"], json!(patients.len()));
}

#[test]
fn three_hundred_labels_need_more_than_a_word_and_go_the_same_way() {
    let labels: Vec<String> = (0..300).map(|label| format!("finding {label:03}")).collect();
    let study = other(&labels, None);
    study.ok("split make other --folds 2 --ratios 40/20/40 --name s");
    let mlp = train(&study, "mlp", "m0");
    holds(&study, &mlp, &labels);
    study.ok("compare m0 --name table");
    checks(&study, "table");
    study.ok("report table -o report.html");
    assert!(fs::read_to_string(study.path("report.html")).unwrap().contains("finding 299"));
    study.ok("export other -o other.csv");
    study.is_sound();
}

#[test]
fn a_manifest_of_other_labels_than_its_data_set_is_caught() {
    let study = other(&three(), None);
    let registry = study.registry();
    let id = Id::<Dataset>::new(study.id("other").parse().unwrap());
    let honest = registry.get(id).unwrap();
    let mut transaction = registry.transaction().unwrap();
    let labels = vec!["Lung, left".to_owned()];
    let forged = transaction.put(&Dataset { labels, ..honest }).unwrap();
    transaction.commit(&Stamp { time: "2026-01-01T00:00:00Z".into(), command: "test".into() }).unwrap();
    let lie = "does not match the record that refers to it: 3 labels, but the data set has 1";
    study.refused(
        3,
        &format!("audit {forged} -o f.zip"),
        &[lie, "hint: its hash is correct, so it was written with this error"],
    );
    study.refused(3, &format!("dataset stats {forged}"), &[lie]);
    let verified = study.reg("verify --recompute");
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.code == 3 && said.contains(&forged.hash.short()), "{said}");
}

#[test]
fn a_registry_and_a_remote_of_the_older_format_are_told_so() {
    let study = Study::bare();
    study.ok("init");
    fs::write(study.path(".reg/format"), "reg 1\n").unwrap();
    let answer = study.refused(
        1,
        "list",
        &["is of an older format, 1; this reg reads format 6", "and ingest the data again"],
    );
    assert!(!answer.stderr.contains("not a registry") && !answer.stderr.contains("damaged"), "{answer:?}");
    fs::write(study.path(".reg/format"), "reg 6\n").unwrap();
    fs::create_dir(study.path("old")).unwrap();
    fs::write(study.path("old/format"), "reg-remote 1\n").unwrap();
    for command in ["push old", "pull old"] {
        study.refused(1, command, &["is of an older format, 1", "push to another folder"]);
    }
}
