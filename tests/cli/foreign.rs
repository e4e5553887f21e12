//! Models of other tools: `reg predictions import`, and comparisons of imported scores with those of runs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use reg::hash::{Hasher, Id, Sha256};
use reg::records::{Dataset, Manifest};
use serde_json::{Value, json};

use crate::harness::Study;
use crate::published;

/// Names of the images of fold 0's test subset of split `s`, in the order of the manifest.
fn test_images(study: &Study) -> Vec<String> {
    let registry = study.registry();
    let split: reg::records::Split = registry.get(id(study, "s")).unwrap();
    let dataset: Dataset = registry.get(split.dataset).unwrap();
    let manifest: Manifest = registry.manifest(&dataset).unwrap();
    let rows = registry.assignment(&split).unwrap().rows(0, reg::records::Subset::Test);
    rows.iter().map(|row| manifest.rows[*row as usize].name.to_string()).collect()
}

fn id<T>(study: &Study, name: &str) -> Id<T> {
    Id::new(study.id(name).parse().unwrap())
}

/// A CSV of scores for these images, with ties.
fn scores(images: &[String], labels: &[&str]) -> String {
    let mut csv = format!("prob_{},Image Index\n", labels.join(",prob_"));
    for (i, image) in images.iter().enumerate() {
        for j in 0..labels.len() {
            write!(csv, "0.{},", (i * 7 + j * 3) % 10).unwrap();
        }
        writeln!(csv, "{image}").unwrap();
    }
    csv
}

const LABELS: [&str; 15] = reg::dataset::labels::LABELS;

#[test]
fn another_tools_scores_take_part_like_a_run() {
    let study = Study::trained();
    let csv = scores(&test_images(&study), &LABELS);
    fs::write(study.path("theirs.csv"), &csv).unwrap();
    study.ok("export mlp-s-f0 -o x.parquet");
    let parquet = "predictions import x.parquet --dataset tiny --move --name theirs";
    study.refused(1, parquet, &["x.parquet is a Parquet file", "reg export ID -o scores.csv"]);
    let import = "predictions import theirs.csv --dataset tiny --split s --fold 0 --move --name theirs";
    let answer = study.json(import);
    assert_eq!(answer["images"], json!(test_images(&study).len()));
    assert_eq!(answer["labels"], json!(LABELS));
    assert_eq!((&answer["missing_labels"], &answer["extra_images"]), (&json!([]), &json!([])));
    assert_eq!(study.json(import), answer, "again");
    let compared = study.json("compare theirs tiny-s-f0 --name both");
    assert_eq!(compared["auc"]["theirs"]["mean"]["mean"], answer["auc"]["mean"]);
    assert_eq!(compared["spearman"]["models"], json!(["theirs", "tiny"]));
    // The file itself is kept, and the table leads to it.
    let record = &study.json("show theirs")["record"];
    let file = &record["source"]["file"];
    let stored = fs::read(study.object(file["object"].as_str().unwrap())).unwrap();
    assert_eq!(String::from_utf8(stored).unwrap(), csv);
    let sha256: Sha256 = serde_json::from_value(file["sha256"].clone()).unwrap();
    let mut hasher = Hasher::both();
    hasher.update(csv.as_bytes());
    assert_eq!(sha256, hasher.digest().sha256);
    let trace = study.json("trace both");
    let nodes = trace["nodes"].as_array().unwrap();
    assert!(nodes.iter().any(|node| node["id"] == file["object"]), "{trace}");
    study.is_sound();
}

#[test]
fn what_does_not_count_is_left_out_and_reported() {
    let study = Study::divided();
    let mut images = test_images(&study);
    let missing = images.pop().unwrap();
    let train = fs::read_to_string(study.path("data.csv")).unwrap();
    let other = train.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned());
    let other = other.filter(|name| !images.contains(name) && *name != missing).take(2);
    images.extend(other.collect::<Vec<_>>());
    images.push("unheard_of.png".to_owned());
    let mut csv = scores(&images, &LABELS[..14]);
    csv = csv.lines().map(|line| format!("{line},7\n")).collect();
    let again = csv.lines().nth(1).unwrap().to_owned();
    fs::write(study.path("theirs.csv"), csv.replacen(",7\n", ",Patient\n", 1) + &again).unwrap();
    let import = "predictions import theirs.csv --dataset tiny --split s --fold 0 --move --name theirs";
    let answer = study.json(import);
    assert_eq!(answer["images"], json!(images.len() - 3));
    assert_eq!(answer["missing_labels"], json!(["No Finding"]));
    assert_eq!(answer["ignored_columns"], json!(["Patient"]));
    assert_eq!(answer["repeated_images"], json!([images[0]]));
    assert_eq!(answer["unknown_images"], json!(["unheard_of.png"]));
    assert_eq!(answer["extra_images"].as_array().unwrap().len(), 2);
    assert_eq!(answer["missing_images"], json!(1));
    let told = study.reg(import).stderr;
    for word in [
        "No Finding",
        "\"Patient\"",
        "unheard_of.png",
        "2 images of the file outside of the subset",
        &missing,
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn scores_that_mean_nothing_here_are_refused() {
    let study = Study::divided();
    let import = |csv: &str, more: &str, code: i32, words: &[&str]| {
        fs::write(study.path("theirs.csv"), csv).unwrap();
        study.refused(
            code,
            &format!("predictions import theirs.csv --dataset tiny --move --name theirs {more}"),
            words,
        );
    };
    let one = test_images(&study)[0].clone();
    import(&format!("Image Index,Mass\n{one},1.5\n"), "", 1, &[&one, "1.5", "Mass", "hint: give --logits"]);
    import(&format!("Image Index,Mass\n{one},x\n"), "", 1, &["theirs.csv, row 1: Mass is \"x\""]);
    import("Image Index,Mass\nno.png,1\n", "", 1, &["no score of a usable image", "hint:"]);
    import("Image Index,Masse\nno.png,1\n", "", 1, &["no column of scores", "hint:"]);
    import(&format!("Image Index,Mass\n{one},1\n"), "--split s", 1, &["2 divisions", "hint: give --fold K"]);
    import(
        &format!("Image Index,Mass\n{one},1\n"),
        "--split s --fold 2",
        1,
        &["no fold or re-sampling 2: give --fold 0 to 1"],
    );
    import(&format!("Image Index,Mass\n{one},1\n"), "--fold 0", 2, &["--split"]);
    assert!(study.json("list predictions")["records"].as_array().unwrap().is_empty());
    fs::write(study.path("theirs.csv"), format!("Image Index,Mass\n{one},1.5\n")).unwrap();
    study.ok("predictions import theirs.csv --dataset tiny --move --name theirs --logits");
}

/// A score as `tests/stats_reference.py` makes it.
fn made_up_score(row: u64, label: u64, positive: bool) -> String {
    let mut h = (row * 2_654_435_761 + label * 40_503 + 12_345) % (1 << 32);
    h = (h ^ (h >> 15)) * 2_246_822_519 % (1 << 32);
    h ^= h >> 13;
    let lift = if positive { 3 + label } else { 0 };
    match label % 2 {
        0 => format!("0.{:03}", (h % 1000 * (100 - lift) + 1000 * lift) / 100),
        _ => format!("0.{:010}", (h * (100 - lift) + (lift << 32)) / 100),
    }
}

#[test]
fn aucs_of_imported_scores_of_real_images_are_those_of_scikit_learn() {
    let Some(study) = published::metadata_only() else { return };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stats/import-nih.json");
    let golden: Value = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
    let registry = study.registry();
    let dataset: Dataset = registry.get(id(&study, "nih-meta")).unwrap();
    let mut rows = registry.manifest(&dataset).unwrap().rows;
    rows.sort_by_key(|row| row.row);
    let mut csv = format!("Image Index,{}\n", LABELS[..14].join(","));
    let images = golden["images"].as_u64().unwrap();
    for (number, row) in (0..images).zip(&rows) {
        csv += &row.name;
        for label in 0..14u64 {
            csv += ",";
            csv += &made_up_score(number, label, row.label(label as usize) == Some(true));
        }
        csv += "\n";
    }
    fs::write(study.path("theirs.csv"), csv).unwrap();
    let answer = study.json("predictions import theirs.csv --dataset nih-meta --move --name theirs");
    assert_eq!(answer["images"], golden["images"]);
    assert_eq!(answer["missing_labels"], json!(["No Finding"]));
    for (label, auc) in golden["auc"].as_object().unwrap() {
        let (ours, reference) = (answer["auc"][label].as_f64().unwrap(), auc.as_f64().unwrap());
        assert!((ours - reference).abs() <= 1e-12, "{label}: {ours}, the reference is {reference}");
    }
}

#[test]
fn the_truth_beside_the_scores_is_never_taken_for_them() {
    let study = Study::divided();
    let dataset: Dataset = study.registry().get(id(&study, "tiny")).unwrap();
    let rows = study.registry().manifest(&dataset).unwrap().rows;
    let labels = ["Mass", "Effusion"];
    let place = |label: &str| dataset.labels.iter().position(|own| own == label).unwrap();
    let score = |i: usize, j: usize| format!("0.{}", (i * 7 + j * 3) % 10);
    let table = |heads: &[String], cells: &dyn Fn(usize, usize) -> Vec<String>| {
        let mut csv = format!("Image Index,{}\n", heads.join(","));
        for (i, row) in rows.iter().enumerate() {
            let cells: Vec<String> = (0..labels.len()).flat_map(|j| cells(i, j)).collect();
            writeln!(csv, "{},{}", row.name, cells.join(",")).unwrap();
        }
        fs::write(study.path("theirs.csv"), csv).unwrap();
    };
    let truth = |i: usize, j: usize| u8::from(rows[i].label(place(labels[j])) == Some(true)).to_string();
    let import = "predictions import theirs.csv --dataset tiny --move --name theirs";
    table(&labels.map(str::to_owned), &|i, j| vec![score(i, j)]);
    let expected = study.json(import)["auc"].clone();
    assert_ne!(expected["Mass"], json!(1.0));
    // Whatever the names of the score columns are, and wherever they are.
    for name in ["pred_{}", "{}_prob", "score_{}", "{} score", "y_pred_{}"] {
        let head = |label: &str| name.replace("{}", label);
        table(&labels.map(|label| [label.to_owned(), head(label)]).concat(), &|i, j| {
            vec![truth(i, j), score(i, j)]
        });
        assert_eq!(study.json(import)["auc"], expected, "{name}");
        table(&labels.map(|label| [head(label), format!("{label}_true")]).concat(), &|i, j| {
            vec![score(i, j), truth(i, j)]
        });
        assert_eq!(study.json(import)["auc"], expected, "{name}");
    }
    // Two columns match: a pattern decides, and is recorded, so that the table can be checked.
    let two = labels.map(|label| [format!("prob_{label}"), format!("pred_{label}")]).concat();
    table(&two, &|i, j| vec![score(i, j), score(j, i)]);
    study.refused(
        1,
        import,
        &[
            "two columns that could be the scores of one label: \"pred_Mass\" and \"prob_Mass\"",
            "hint: give --columns 'pred_{label}'",
        ],
    );
    let answer = study.json(&format!("{import} --columns prob_{{label}}"));
    assert_eq!(answer["auc"], expected);
    assert_eq!(study.json("show theirs")["record"]["source"]["columns"], json!("prob_{label}"));
    study.ok("verify --recompute theirs");
    study.refused(1, &format!("{import} --columns x_{{label}}"), &["no column of scores", "x_{label}"]);
    study.refused(2, &format!("{import} --columns prob_"), &["a pattern contains {label} exactly once"]);
    // Labels without scores.
    for coding in [["0", "1"], ["0.0", "1.0"]] {
        table(&labels.map(str::to_owned), &|i, j| vec![coding[usize::from(truth(i, j) == "1")].to_owned()]);
        study.refused(1, import, &["these are labels, not scores", "hint:"]);
    }
    table(&labels.map(|label| format!("true_{label}")), &|i, j| vec![score(i, j)]);
    study.refused(1, import, &["it is unclear whether columns named \"true_{label}\" are scores"]);
    // A word that may turn a score round, two ways to name the columns, and logits that nobody called so.
    table(&labels.map(|label| format!("prob_no_{label}")), &|i, j| vec![score(i, j)]);
    let unclear =
        ["it is unclear whether columns named \"prob_no_{label}\" are scores", "--columns 'prob_no_{label}'"];
    study.refused(1, import, &unclear);
    table(&["pred_Mass".to_owned(), "Effusion".to_owned()], &|i, j| vec![score(i, j)]);
    study.refused(
        1,
        import,
        &[
            "names its score columns in two ways, such as \"pred_Mass\" and \"Effusion\"",
            "hint: name all columns",
        ],
    );
    table(&labels.map(|label| format!("logit_{label}")), &|i, j| vec![score(i, j)]);
    study.refused(1, import, &["by its name, column \"logit_Effusion\" holds logits", "hint: give --logits"]);
    study.ok(&format!("{import} --logits"));
    // Labels with noise.
    table(&labels.map(str::to_owned), &|i, j| {
        vec![format!("{}{}", if truth(i, j) == "1" { "0.9" } else { "0.0" }, (i * 7 + j) % 10)]
    });
    let answer = study.json(import);
    assert_eq!(answer["separated"], json!(["Effusion", "Mass"]));
    assert!(study.reg(import).stderr.contains("the scores separate every label perfectly"));
    // Decisions of 0 and 1 that are not all right are accepted as scores, with a note.
    table(&labels.map(str::to_owned), &|i, j| vec![if i == 0 { "1".to_owned() } else { truth(i, j) }]);
    assert!(study.reg(import).stderr.contains("scores are all 0 or 1"));
    study.is_sound();
}

#[test]
fn images_are_found_however_their_names_are_written() {
    let study = Study::divided();
    let images = test_images(&study);
    let import = "predictions import theirs.csv --dataset tiny --split s --fold 0 --move --name theirs";
    fs::write(study.path("theirs.csv"), scores(&images, &LABELS)).unwrap();
    let expected = study.json(import);
    assert_eq!(expected["inexact_names"], json!([]));
    for rename in [
        |name: &str| format!("images/{name}"),
        |name: &str| name.trim_end_matches(".png").to_owned(),
        |name: &str| name.to_uppercase(),
        |name: &str| format!("C:\\data\\{name}"),
    ] {
        let renamed: Vec<String> = images.iter().map(|name| rename(name)).collect();
        fs::write(study.path("theirs.csv"), scores(&renamed, &LABELS)).unwrap();
        let answer = study.json(import);
        assert_eq!(answer["auc"], expected["auc"]);
        assert_eq!(answer["inexact_names"].as_array().unwrap().len(), images.len());
        // Two names of one image with different scores.
        let mut twice = renamed;
        twice.push(images[0].clone());
        fs::write(study.path("theirs.csv"), scores(&twice, &LABELS)).unwrap();
        study.refused(1, import, &["contradict each other about image", &images[0]]);
    }
    let others: Vec<String> = images.iter().map(|name| name.replace(".png", ".dcm")).collect();
    fs::write(study.path("theirs.csv"), scores(&others, &LABELS)).unwrap();
    study.refused(1, import, &["no score of a usable image", "the file names its images like", ".dcm"]);
    study.is_sound();
}

#[test]
fn scores_come_from_a_pipe_as_from_a_file() {
    let study = Study::divided();
    let csv = scores(&test_images(&study), &LABELS);
    fs::write(study.path("theirs.csv"), &csv).unwrap();
    let import = |file: &str| {
        format!("--json predictions import {file} --dataset tiny --split s --fold 0 --move --name theirs")
    };
    let expected = study.json(import("theirs.csv").trim_start_matches("--json "));
    let answer = study.piped(&import("/dev/stdin"), csv.as_bytes());
    assert_eq!(serde_json::from_slice::<Value>(&answer.stdout).unwrap(), expected, "{}", answer.stderr);
    let answer = study.piped(&import("/dev/stdin"), b"PAR1 and more");
    assert!(answer.stderr.contains("/dev/stdin is a Parquet file"), "{}", answer.stderr);
}

/// Constant scores of a label have no rank correlation, and every mean says how many labels it covers.
#[test]
fn every_mean_says_how_many_labels_it_covers() {
    let study = Study::divided();
    let images = test_images(&study);
    fs::write(study.path("a.csv"), scores(&images, &LABELS)).unwrap();
    let constant = scores(&images, &LABELS);
    let mass = LABELS.iter().position(|label| *label == "Mass").unwrap();
    let constant = constant.lines().enumerate().map(|(line, text)| {
        let cells = text.split(',').enumerate();
        let cell = |(place, cell): (usize, &str)| match line == 0 || place == mass || place == LABELS.len() {
            true => cell.to_owned(),
            false => "0.5".to_owned(),
        };
        cells.map(cell).collect::<Vec<_>>().join(",") + "\n"
    });
    fs::write(study.path("b.csv"), constant.collect::<String>()).unwrap();
    for name in ["a", "b"] {
        study.ok(&format!("predictions import {name}.csv --dataset tiny --split s --fold 0 --name {name}"));
    }
    let answer = study.json("compare a b --name both");
    let spearman = &answer["spearman"];
    assert_eq!(spearman["matrix"], json!([[1.0, 1.0], [1.0, 1.0]]));
    assert_eq!((&spearman["over"], &spearman["cells"]), (&json!([[15, 1], [1, 1]]), &json!(15)));
    assert_eq!(spearman["constant"].as_array().unwrap().len(), 14);
    assert_eq!(spearman["constant"][0], json!({ "model": "b", "label": "Atelectasis", "fold": 0 }));
    let defined = answer["auc"]["a"].as_object().unwrap().iter().filter(|(label, _)| *label != "mean");
    let defined = defined.filter(|(_, spread)| !spread["mean"].is_null()).count();
    assert_eq!(answer["auc"]["a"]["mean"]["labels"], json!([defined]));
    for format in ["text", "markdown", "latex", "csv"] {
        let shown = study.ok(&format!("compare a b --table auc --table spearman --format {format}"));
        let lines =
            |start: &str| shown.lines().find(|line| line.contains(start)).unwrap_or_default().to_owned();
        assert!(lines("Labels in the mean").contains(&defined.to_string()), "{shown}");
        for (row, over) in [("Correlations covered with a", "15"), ("Correlations covered with b", "1")] {
            assert!(lines(row).contains(over), "{shown}");
        }
        if format != "csv" {
            assert!(
                shown.contains("The means are over 1 of 15 correlations, one for each label and "),
                "{shown}"
            );
            assert!(shown.contains("Atelectasis"), "{shown}");
        }
    }
    // Both folds of one model, whose means cover different labels: none is the best.
    study.ok("verify --recompute both");
    study.is_sound();
}
