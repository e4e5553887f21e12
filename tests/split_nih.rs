//! Splits of the real ChestX-ray14 metadata, where `REG_NIH` names the folder that holds
//! `Data_Entry_2017_v2020.csv.gz`, `train_val_list.txt.gz` and `test_list.txt.gz`.
//!
//! Run with `REG_NIH=FOLDER cargo test --test split_nih -- --ignored --nocapture`; it prints the sizes.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use reg::hash::Sha256;
use reg::records::{FoldSizes, Gender, ImageRow, Subset, SubsetSize, ViewPosition};
use reg::split::{leaks, official, parse_list, resample, sizes};

fn read(name: &str) -> String {
    let folder = std::env::var_os("REG_NIH").expect("REG_NIH names a folder");
    let mut text = String::new();
    let file = File::open(PathBuf::from(folder).join(name)).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// Names and patients only.
fn rows() -> Vec<ImageRow> {
    let text = read("Data_Entry_2017_v2020.csv.gz");
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let column = |name| headers.iter().position(|header| header == name).unwrap();
    let (name, patient) = (column("Image Index"), column("Patient ID"));
    let row = |record: csv::StringRecord| ImageRow {
        name: record[name].to_owned(),
        object: None,
        sha256: Sha256([0; 32]),
        bytes: 0,
        width: 0,
        height: 0,
        row: 0,
        patient: record[patient].parse().unwrap(),
        follow_up: 0,
        age: 0,
        gender: Gender::Unknown,
        view: ViewPosition::Unknown,
        labels: 0,
    };
    let mut rows: Vec<ImageRow> = reader.records().map(|record| row(record.unwrap())).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

fn print(name: &str, fold: &FoldSizes) {
    for (subset, size) in Subset::ALL.into_iter().zip([fold.train, fold.val, fold.test]) {
        let SubsetSize { images, patients } = size;
        let mean = images as f64 / patients as f64;
        println!("{name} {:5} {images:6} images {patients:5} patients {mean:.3} a patient", subset.name());
    }
}

#[test]
#[ignore = "needs the NIH's metadata"]
fn five_folds_meet_the_papers_quotas_without_bias_or_leak() {
    let rows = rows();
    let split = resample(&rows, [70, 10, 20], 5, 1).unwrap();
    assert_eq!(leaks(&rows, &split), []);
    for (k, fold) in sizes(&rows, &split).iter().enumerate() {
        print(&format!("fold {k}"), fold);
        assert_eq!([fold.train.images, fold.val.images, fold.test.images], [78_484, 11_212, 22_424]);
        // All patients have 3.640. Over 200 folds the subsets' means are 3.641, 3.645 and 3.631, with standard
        // errors of 0.002, 0.008 and 0.006.
        for size in [fold.train, fold.val, fold.test] {
            let mean = size.images as f64 / size.patients as f64;
            assert!((mean - 3.64).abs() < 0.5, "{mean} images a patient");
        }
    }
}

#[test]
#[ignore = "needs the NIH's metadata"]
fn the_official_lists_are_imported_whole_and_leak_nothing() {
    let rows = rows();
    let (train_val, test) =
        (parse_list(&read("train_val_list.txt.gz")), parse_list(&read("test_list.txt.gz")));
    let split = official(&rows, &train_val, &test, 0.1, 1).unwrap();
    let fold = &sizes(&rows, &split.assignment)[0];
    print("official", fold);
    assert_eq!((fold.train.images + fold.val.images, fold.test.images), (86_524, 25_596));
    assert_eq!(fold.val.images, 8_652);
    assert_eq!((split.unknown_names.len(), split.unlisted.len()), (0, 0));
    assert_eq!(leaks(&rows, &split.assignment), []);
}
