use std::collections::HashMap;

use serde_json::json;

use super::*;
use crate::index::{RunRow, RunSettings, TestAuc};

fn run(number: u8, model: &str, settings: &[(&str, serde_json::Value)], test: Option<f64>) -> ListedRun {
    let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let row = RunRow {
        spec: Hash([100 + number; 32]),
        dataset: Hash([201; 32]),
        split: Hash([202; 32]),
        fold: 0,
        model: model.to_owned(),
        weights: None,
        seed: u64::from(number),
        settings: RunSettings::of(&settings),
        epochs: Some(4),
        best_epoch: Some(3),
        val_loss: Some(f64::from(number) / 10.0),
        val_auc: Some(0.75),
        val_auc_labels: Some(2),
        test: test.map(|mean| TestAuc { table: Hash([150; 32]), mean: Some(mean), mean_over: 2, labels: 2 }),
        started: Some(format!("2026-11-0{number}T08:30:00Z")),
        seconds: Some(61.0),
        note: (number == 2).then(|| "odd".to_owned()),
    };
    let names = HashMap::from([(Hash([201; 32]), "tiny".to_owned())]);
    ListedRun::recorded(Hash([number; 32]), Some(format!("run-{number}")), row, &names)
}

fn four() -> Vec<ListedRun> {
    vec![
        run(1, "tiny", &[("lr", json!(0.01)), ("input", json!(32)), ("flip", json!(0.5))], Some(0.6)),
        run(2, "tiny", &[("lr", json!(0.001)), ("input", json!(32)), ("flip", json!(0.5))], Some(0.8)),
        run(3, "resnet50", &[("lr", json!(0.01)), ("input", json!(224)), ("flip", json!(0.5))], None),
        run(4, "mlp", &[("lr", json!(0.01))], Some(0.7)),
    ]
}

fn called(request: &ListRequest) -> Vec<String> {
    choose(four(), request).unwrap().iter().map(ListedRun::called).collect()
}

#[test]
fn runs_are_chosen_sorted_and_cut() {
    let sorted =
        |key: &str| ListRequest { order: Some(SortOrder::parse(key).unwrap()), ..ListRequest::default() };
    assert_eq!(
        called(&sorted("test_auc")),
        ["run-2", "run-4", "run-1", "run-3"],
        "largest first, undefined last"
    );
    assert_eq!(called(&sorted("test_auc:asc")), ["run-1", "run-4", "run-2", "run-3"]);
    assert_eq!(called(&sorted("val_loss:desc")), ["run-4", "run-3", "run-2", "run-1"]);
    assert_eq!(called(&sorted("model")), ["run-4", "run-3", "run-1", "run-2"]);
    assert_eq!(called(&sorted("input")), ["run-1", "run-2", "run-3", "run-4"], "missing settings last");
    let filter = Filter::parse("lr<0.01 or note=odd or date>2026-11-03").unwrap();
    let chosen = ListRequest { filter: Some(filter), limit: Some(2), ..ListRequest::default() };
    assert_eq!(called(&chosen), ["run-2", "run-3"]);
    for wrong in ["", ":asc", "lr:up"] {
        assert!(SortOrder::parse(wrong).is_err(), "{wrong}");
    }
    let error = choose(four(), &sorted("test_acu")).unwrap_err();
    assert!(matches!(&error, ListError::UnknownField { known, .. } if known == &["test_auc"]), "{error:?}");
}

#[test]
fn settings_are_shown_where_runs_differ_and_the_network_does_not_explain_it() {
    assert_eq!(differing(&four()), ["lr"], "`input` follows from the network, and mlp has no `flip`");
    let mut more = four();
    more.push(run(5, "tiny", &[("lr", json!(0.01)), ("input", json!(64)), ("flip", json!(0))], None));
    assert_eq!(differing(&more), ["flip", "input", "lr"]);
    assert_eq!(differing(&four()[..1]), Vec::<String>::new());
}

#[test]
fn columns_are_those_asked_for_or_those_that_say_something() {
    let columns = of_columns(None, &four()).unwrap();
    assert_eq!(
        columns,
        [
            "name", "model", "dataset", "split", "fold", "seed", "lr", "epoch", "val_loss", "val_auc",
            "test_auc", "date", "seconds", "state", "note"
        ]
    );
    let asked = ["name", "lr", "input"].map(str::to_owned);
    assert_eq!(of_columns(Some(&asked), &four()).unwrap(), asked);
    assert!(of_columns(Some(&["learning".to_owned()]), &four()).is_err());
    // Means that cover different labels are told apart.
    let mut other = four();
    other[0].test_auc_labels = Some(1);
    assert!(of_columns(None, &other).unwrap().contains(&"test_auc_labels".to_owned()));
}

#[test]
fn a_listed_run_has_the_keys_that_are_promised() {
    let document = json!(four()[1]);
    for key in [
        "name", "id", "model", "dataset", "split", "fold", "seed", "settings", "epoch", "val_loss",
        "val_auc", "test_auc", "date", "seconds", "state", "note",
    ] {
        assert!(document.get(key).is_some(), "{key}");
    }
    assert_eq!(document["settings"], json!({ "flip": 0.5, "input": 32, "lr": 0.001 }));
    assert_eq!((&document["dataset"], &document["state"]), (&json!("tiny"), &json!("done")));
}
