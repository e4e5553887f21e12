//! Figures as files.

use std::fs;

use serde_json::json;

use crate::harness::{Study, files};

#[test]
fn figures_are_written_beside_the_tables_and_are_the_same_again() {
    let study = Study::trained();
    let command = "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1 --svg deep/figures";
    let answer = study.json(command);
    assert_eq!(answer["figures"].as_array().unwrap().len(), 17, "figure 5, matrix, 15 labels");
    assert_eq!(answer["figures"][0], json!("deep/figures/range.svg"));
    let read = || -> Vec<Vec<u8>> {
        files(&study.path("deep/figures")).iter().map(|file| fs::read(file).unwrap()).collect()
    };
    let first = read();
    assert_eq!(first.len(), 17);
    assert!(study.ok(command).ends_with("17 figures in deep/figures\n"));
    assert_eq!(read(), first, "same numbers, same bytes, nothing left on its way");
    let mean = answer["auc"]["mlp"]["mean"]["mean"].as_f64().unwrap();
    let range = fs::read_to_string(study.path("deep/figures/range.svg")).unwrap();
    assert!(range.contains(&format!("mlp: mean {mean:.3}")), "{mean} {range}");

    study.ok("dataset stats tiny --svg ages");
    let ages = fs::read_to_string(study.path("ages/ages.svg")).unwrap();
    assert!(ages.contains("bins of two years"), "{ages}");
    study.refused(1, "dataset stats tiny --svg data.csv", &["cannot make the folder data.csv"]);
}
