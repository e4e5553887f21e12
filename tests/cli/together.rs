//! Several processes at once on one registry.

use std::collections::BTreeSet;
use std::thread;

use serde_json::json;

use crate::harness::Study;

#[test]
fn processes_that_ingest_name_and_list_at_once_all_succeed() {
    let study = Study::new();
    thread::scope(|scope| {
        for n in 0..6 {
            let study = &study;
            scope.spawn(move || {
                // Half of them ingest the same images, half only metadata: the same objects are added at the same time.
                let how = if n % 2 == 0 { "images --boxes boxes.csv" } else { "--metadata-only" };
                study.ok(&format!("ingest {how} --metadata data.csv --name d{n}"));
                for m in 0..4 {
                    study.ok(&format!("tag t{n}-{m} d{n}"));
                    study.ok("list");
                }
                study.ok(&format!("split make d{n} --folds 1 --seed {n} --name s{n}"));
            });
        }
    });
    let events = study.json("log")["events"].clone();
    let events = events.as_array().unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=36).rev().collect::<Vec<_>>(), "each change of names once, in one chain");
    let named: BTreeSet<String> = (0..6)
        .flat_map(|n| (0..4).map(move |m| format!("t{n}-{m}")).chain([format!("d{n}"), format!("s{n}")]))
        .collect();
    for name in &named {
        assert_eq!(study.id(name).len(), 64, "{name}");
    }
    assert_eq!(study.json("list dataset")["records"].as_array().unwrap().len(), 2);
    study.is_sound();
    study.nothing_staged();
    let before = study.json("log");
    assert_eq!(study.json("reindex")["names"], json!(named.len()));
    assert_eq!(study.json("log"), before);
}

#[test]
fn one_name_given_by_many_at_once_ends_with_one_of_them() {
    let study = Study::divided();
    thread::scope(|scope| {
        for n in 0..6 {
            let study = &study;
            scope.spawn(move || study.ok(if n % 2 == 0 { "tag x tiny" } else { "tag x s" }));
        }
    });
    let last = study.json("log x")["events"][0]["names"][0]["to"].clone();
    assert_eq!(study.id("x"), last.as_str().unwrap());
    study.is_sound();
}
