//! The numbers of a table, each with what it is about.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::harness::Study;

/// What a value is about.
const ABOUT: [&str; 11] =
    ["table", "model", "against", "label", "mean_over", "by", "group", "fold", "seed", "item", "statistic"];

fn rows(study: &Study, file: &str) -> Vec<Value> {
    let text = fs::read_to_string(study.path(file)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
}

/// The one row with these fields.
fn row(rows: &[Value], fields: Value) -> &Value {
    let has = |row: &&Value| fields.as_object().unwrap().iter().all(|(key, value)| row[key] == *value);
    let found: Vec<&Value> = rows.iter().filter(has).collect();
    assert_eq!(found.len(), 1, "{fields}: {found:?}");
    found[0]
}

#[test]
fn every_value_of_a_table_is_exported_as_a_row_of_its_own() {
    let study = Study::trained();
    study
        .ok("compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1 --bootstrap 100 --metrics --by gender --name all");
    let said = study.json("export all --long -o values.json");
    let rows = rows(&study, "values.json");
    assert_eq!((&said["files"][0]["rows"], &said["files"][0]["columns"]), (&json!(rows.len()), &json!(23)));
    let mut seen = std::collections::BTreeSet::new();
    for row in &rows {
        assert!(seen.insert(ABOUT.map(|column| row[column].to_string())), "twice: {row}");
    }
    let record = study.json("show all")["record"].clone();
    for model in record["models"].as_array().unwrap() {
        for label in model["labels"].as_array().unwrap() {
            for fold in [0, 1] {
                let of = json!({ "table": "auc", "model": model["name"], "label": label["label"], "fold": fold, "statistic": "auc" });
                let row = row(&rows, of);
                let counts = (&row["positives"], &row["negative_patients"]);
                assert_eq!(row["value"], label["auc"]["folds"][fold], "{row}");
                assert_eq!(counts, (&label["positives"][fold], &label["negative_patients"][fold]), "{row}");
            }
        }
    }
    let first = &record["resampled"].as_array().unwrap().iter().find(|row| row["label"].is_null()).unwrap();
    let of = json!({ "table": "resampled", "model": first["a"], "against": first["b"], "mean_over": "labels", "statistic": "p" });
    assert_eq!(row(&rows, of)["value"], first["p"]);
    let group = &record["groups"][0];
    let of = json!({ "table": "groups", "by": group["by"], "group": group["group"], "model": group["model"],
        "label": group["label"], "fold": group["fold"], "statistic": "auc" });
    assert_eq!(
        (&row(&rows, of.clone())["value"], &row(&rows, of)["patients"]),
        (&group["auc"], &group["patients"])
    );
    // The other formats have the same rows, columns and digits.
    study.ok("export all --long -o values.csv");
    let text = fs::read_to_string(study.path("values.csv")).unwrap();
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let columns: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(columns[..ABOUT.len()], ABOUT);
    for (line, row) in csv.records().zip(&rows) {
        let line = line.unwrap();
        let fields: BTreeMap<&str, &str> = columns.iter().map(String::as_str).zip(&line).collect();
        assert_eq!(fields.len(), row.as_object().unwrap().len());
        for (column, field) in fields {
            match &row[column] {
                Value::Null => assert_eq!(field, ""),
                Value::String(text) => assert_eq!(field, text),
                number => assert_eq!(field.parse::<f64>().unwrap(), number.as_f64().unwrap()),
            }
        }
    }
    study.ok("export all table --long --format parquet -o folder");
    assert!(
        study.path("folder/all-values.parquet").exists()
            && study.path("folder/table-values.parquet").exists()
    );
}

#[test]
fn a_table_that_is_not_comparable_says_so_in_every_row_and_only_tables_have_values() {
    let study = Study::trained();
    study.ok("compare tiny-s-f0 mlp-s-f1 --by run --allow-different-images --name odd");
    study.ok("export odd --long -o values.json");
    let rows = rows(&study, "values.json");
    let reasons = study.json("show odd")["record"]["unfair"].as_array().unwrap().clone();
    let first = reasons[0]["why"].as_str().unwrap();
    assert!(rows.iter().all(|row| row["not comparable"].as_str().unwrap().starts_with(first)), "{reasons:?}");
    let kinds = reasons.iter().filter(|reason| reason["kind"] == reasons[0]["kind"]).count();
    let of = json!({ "table": "not-comparable", "item": reasons[0]["kind"] });
    assert_eq!(row(&rows, of)["value"].as_f64(), Some(kinds as f64));
    let said = ["no values to export with --long", "only tables have such values: leave out --long"];
    study.refused(1, "export mlp-s-f0 --long -o x.csv", &said);
    study.refused(1, "export tiny --long -o x.csv", &said);
    study.refused(
        2,
        "export mlp-s-f0 --long --format card -o x.md",
        &["--long exports the values of a table"],
    );
    assert!(!study.path("x.csv").exists() && !study.path("x.md").exists());
}

#[test]
fn any_export_can_be_json() {
    let study = Study::trained();
    study.ok("export mlp-s-f0 -o scores.json");
    study.ok("export mlp-s-f0 -o scores.csv");
    let rows = rows(&study, "scores.json");
    let text = fs::read_to_string(study.path("scores.csv")).unwrap();
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let columns = csv.headers().unwrap().clone();
    let lines: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), rows[0].as_object().unwrap().len()), (lines.len(), columns.len()));
    for (line, row) in lines.iter().zip(&rows) {
        assert_eq!(&row["Image Index"], &line[0]);
        assert_eq!(row[&columns[2]].as_f64(), line[2].parse().ok(), "{row}");
    }
}
