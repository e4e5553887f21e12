//! Unneeded objects can be removed, and no others ever are.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use reg::records::codec::Header;
use reg::registry::Stamp;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::damage::{flip, victims};
use crate::harness::{MLP, Study, files, id_of, overwrite};
use crate::repair::heal;
use crate::stale::past_this_second;
use crate::training::{begun, signal};

const GC: &str = "gc --keep-days 0";
/// Images of the fixture; the two data sets have two of them in common.
const FIRST: [&str; 4] = ["00000001_000", "00000002_000", "00000003_000", "00000004_000"];
const SECOND: [&str; 3] = ["00000003_000", "00000004_000", "00000005_000"];

fn ingest(images: &[&str], name: &str) -> String {
    let images: String = images.iter().map(|image| format!(" images/{image}.png")).collect();
    format!("ingest{images} --metadata data.csv --allow-missing --move --name {name}")
}

fn objects(study: &Study) -> Vec<PathBuf> {
    files(&study.path(".reg/objects"))
}

/// The ids of a plan's or sweep's objects.
fn removed(swept: &Value) -> BTreeSet<String> {
    let each = swept["objects"].as_array().unwrap().iter();
    each.map(|garbage| garbage["id"].as_str().unwrap().to_owned()).collect()
}

fn of(study: &Study, name: &str, key: &str) -> String {
    study.json(&format!("show {name}"))["record"][key].as_str().unwrap().to_owned()
}

#[test]
fn a_data_set_that_lost_its_name_goes_with_what_is_its_own_and_comes_back_the_same() {
    let study = Study::new();
    let first = study.json(&ingest(&FIRST, "x"));
    let (manifest, id) = (of(&study, "x", "manifest"), first["id"].as_str().unwrap().to_owned());
    study.ok(&ingest(&SECOND, "x"));
    study.ok("split make x --folds 1 --ratios 34/33/33 --seed 1 --name s");
    study.ok("split make x --folds 1 --ratios 34/33/33 --seed 2");
    let unnamed: BTreeSet<String> = study.json("list split")["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|split| split["name"].is_null())
        .flat_map(|split| {
            let id = split["id"].as_str().unwrap();
            [id.to_owned(), of(&study, id, "assignment")]
        })
        .collect();
    past_this_second();
    // All objects are younger than a month.
    let young = study.json("gc");
    // The data set is also in the log of that time; split and assignment are only young.
    assert_eq!((removed(&young), &young["young"]["objects"]), (BTreeSet::new(), &json!(2)));

    let before = objects(&study);
    let (log, verified) = (study.json("log"), study.json("verify")["checked"].clone());
    let plan = study.json(&format!("{GC} --dry-run"));
    assert_eq!(objects(&study), before, "a dry run removes nothing");
    assert_eq!(study.json("verify")["checked"], verified);
    let mut expected: BTreeSet<String> = [id.clone(), manifest].into();
    expected.extend(["00000001_000", "00000002_000"].map(|i| id_of(&study.path(&format!("images/{i}.png")))));
    expected.extend(unnamed.iter().cloned());
    assert_eq!(removed(&plan), expected);
    let sizes = |ids: &BTreeSet<String>| -> u64 {
        ids.iter().map(|id| fs::metadata(study.object(id)).unwrap().len()).sum()
    };
    let sum = sizes(&expected);
    assert_eq!(plan["removed"], json!({ "objects": expected.len(), "bytes": sum }));
    assert_eq!(plan["kept"]["objects"], json!(before.len() - expected.len()));
    assert_eq!(plan["young"], json!({ "objects": 0, "bytes": 0 }));
    let text = study.ok(&format!("{GC} --dry-run"));
    let amount = format!("would remove {} objects, ", expected.len());
    assert!(text.contains(&amount) && text.contains(&format!("dataset {}", &id[..12])), "{text}");
    assert!(text.contains("packed arrays: 2 objects, ") && text.contains("blobs: 2 objects, "), "{text}");

    let swept = study.json(GC);
    for key in ["objects", "removed", "kept", "young", "finished"] {
        assert_eq!(swept[key], plan[key], "{key}");
    }
    let gone: BTreeSet<PathBuf> = expected.iter().map(|id| study.object(id)).collect();
    let left: Vec<PathBuf> = before.into_iter().filter(|path| !gone.contains(path)).collect();
    assert_eq!(objects(&study), left);
    study.is_sound();
    study.nothing_staged();
    assert_eq!(study.json("log"), log, "the log forgets nothing");
    let answers = || {
        ["list", "list dataset", "list split", "log", "show x", "show s", "trace s"].map(|c| study.json(c))
    };
    let before = answers();
    assert_eq!(before[1]["records"].as_array().unwrap().len(), 1);
    study.refused(1, &format!("show {id}"), &["no id starts with it"]);
    assert_eq!(removed(&study.json(GC)), BTreeSet::new());
    // A sweep that keeps more finds no problem in the log.
    assert_eq!(removed(&study.json("gc")), BTreeSet::new());
    study.ok("reindex");
    assert_eq!(answers(), before);
    let again = study.json(&ingest(&FIRST, "y"));
    assert_eq!((&again["id"], &again["new_objects"]), (&first["id"], &json!(4)));
    study.is_sound();
}

#[test]
fn results_stay_without_a_name_with_all_that_they_depend_on() {
    let study = Study::trained();
    let table = study.id("table");
    for record in study.json("list")["records"].as_array().unwrap() {
        if let Some(name) = record["name"].as_str() {
            study.ok(&format!("tag {name} --delete"));
        }
    }
    let before = objects(&study);
    past_this_second();
    let swept = study.json(GC);
    assert_eq!((removed(&swept), &swept["young"]["objects"]), (BTreeSet::new(), &json!(0)), "{swept}");
    assert_eq!(objects(&study), before);
    study.ok(&format!("verify {table}"));
    study.is_sound();
}

#[test]
fn what_a_killed_or_failed_ingest_left_goes() {
    let study = Study::new();
    study.ok(&ingest(&SECOND, "x"));
    let before = objects(&study);
    let files = [".reg/reg.redb", ".reg/commits"].map(|path| study.path(path));
    let old = files.clone().map(|path| fs::read(path).unwrap());
    let id = study.json(&ingest(&FIRST, "lost"))["id"].as_str().unwrap().to_owned();
    // Killed just before the commit.
    for (path, bytes) in files.iter().zip(&old) {
        fs::write(path, bytes).unwrap();
    }
    crate::stale::forget_head(&study);
    let batch = study.registry().store().batch().unwrap();
    batch.put(b"of nobody").unwrap();
    batch.persist().unwrap();
    fs::create_dir_all(study.path(".reg/tmp/scratch-1-1/0/ab")).unwrap();
    let verified = study.reg("--json verify");
    assert_eq!((verified.code, &verified.json()["unregistered"]), (0, &json!([id])));
    assert!(verified.stderr.contains("`reg gc` removes it once it is old enough"));
    past_this_second();
    assert_eq!(removed(&study.json("gc")), BTreeSet::new(), "it may be on its way still");
    let swept = study.json(GC);
    // The data set, its manifest, two images, the log entry outside the log, and bytes.
    assert_eq!(swept["removed"]["objects"], json!(6), "{swept}");
    assert!(removed(&swept).contains(&id));
    assert_eq!(objects(&study), before);
    assert_eq!(study.json("verify")["unregistered"], json!([]));
    study.ok("tag y x");
    study.nothing_staged();
    assert_eq!(study.json(&ingest(&FIRST, "lost"))["id"], json!(id));
    study.is_sound();
}

#[test]
fn an_interrupted_training_keeps_what_it_goes_on_with() {
    let study = Study::new();
    let id = |answer: Value| answer["id"].as_str().unwrap().to_owned();
    let dataset = id(study.json("ingest images --metadata data.csv"));
    let split = id(study.json(&format!("split make {dataset} --folds 1")));
    let train =
        format!("train --dataset {dataset} --split {split} --model tiny --set epochs=5000 --threads 1");
    let (mut child, errors) = begun(&study, &train);
    past_this_second();
    // While it runs and when it was killed.
    for killed in [false, true] {
        if killed {
            signal(&child, Signal::KILL);
            child.wait().unwrap();
        }
        let swept = study.json(GC);
        assert_eq!((removed(&swept), &swept["finished"]), (BTreeSet::new(), &json!([])), "{swept}");
    }
    drop(errors);
    study.is_sound();
    // Given up: only its folder kept the objects.
    let live = fs::read_dir(study.path(".reg/live")).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(live).unwrap();
    assert_eq!(study.json(GC)["kept"]["objects"], json!(0));
    study.is_sound();
    assert_eq!(objects(&study), Vec::<PathBuf>::new());
}

#[test]
fn the_folder_of_a_recorded_training_goes() {
    let study = Study::trained();
    let spec = of(&study, "mlp-s-f0", "spec");
    let live = study.path(&format!(".reg/live/{spec}"));
    fs::create_dir(&live).unwrap();
    fs::write(live.join("log.jsonl"), "{}").unwrap();
    let plan = study.json(&format!("{GC} --dry-run"));
    assert_eq!((&plan["finished"], live.exists()), (&json!([spec]), true));
    assert_eq!(study.json(GC)["finished"], json!([spec]));
    assert!(!live.exists());
    assert_eq!(study.json(MLP)["cached"], json!(true));
}

#[test]
fn nothing_is_removed_while_something_that_stays_is_damaged_or_missing() {
    let study = Study::trained();
    let batch = study.registry().store().batch().unwrap();
    let garbage = batch.put(b"of nobody").unwrap().to_string();
    batch.persist().unwrap();
    past_this_second();
    assert_eq!(removed(&study.json(&format!("{GC} --dry-run"))), BTreeSet::from([garbage.clone()]));
    let refused = |what: &str| {
        println!("{what}");
        let before = objects(&study);
        for command in [GC.to_owned(), format!("{GC} --dry-run")] {
            study.refused(1, &command, &["removing objects would lose data", "hint: `reg verify`"]);
        }
        assert_eq!(objects(&study), before, "{what}");
    };
    let mut victims: Vec<(String, &str)> =
        victims(&study).into_iter().map(|(id, kind, _)| (id, kind)).collect();
    victims.push((study.id("table"), "table"));
    victims.push((study.json("log")["events"][3]["id"].as_str().unwrap().to_owned(), "event"));
    for (id, kind) in victims {
        let path = study.object(&id);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        refused(&format!("{kind} missing"));
        heal(&path, &whole);
        let speaks = Header::read(&whole).is_ok() || ["manifest", "assignment", "scores"].contains(&kind);
        // Objects with references must be intact; objects without need only exist.
        if speaks {
            flip(&path);
            refused(&format!("{kind} flipped in the middle"));
        }
        if !["assignment", "scores"].contains(&kind) && speaks {
            let mut bytes = whole.clone();
            bytes[0] ^= 1;
            overwrite(&path, &bytes);
            refused(&format!("{kind} flipped at its start"));
        }
        overwrite(&path, &whole);
    }
    // An image is not read for this; it is kept whatever its bytes are.
    let image = study.object(&id_of(&study.path("images/00000001_000.png")));
    let whole = flip(&image);
    assert_eq!(removed(&study.json(GC)), BTreeSet::from([garbage]));
    overwrite(&image, &whole);
    study.ok("verify table");
}

#[test]
fn what_is_about_to_be_named_is_never_removed_and_a_waiting_gc_keeps_nobody_out() {
    let study = Study::divided();
    let registry = study.registry();
    // As during a slow ingest.
    let mut transaction = registry.transaction().unwrap();
    let found = id_of(&study.path("data.csv"));
    study.ok("tag tiny --delete");
    study.ok("tag s --delete");
    transaction.put_outside(&fs::read(study.path("data.csv")).unwrap()).unwrap();
    transaction.name("kept", found.parse().unwrap()).unwrap();
    past_this_second();
    let before = objects(&study);
    assert!(removed(&study.json(&format!("{GC} --dry-run"))).contains(&found));
    std::thread::scope(|scope| {
        let gc = scope.spawn(|| study.reg(&format!("--json {GC}")));
        // These processes start while it waits, or before; they wait for it no longer than for each other.
        for n in 0..3 {
            study.ok(&format!("tag t{n} {found}"));
            study.ok(&format!("tag t{n} --delete"));
            study.ok("list");
        }
        let holder = format!("process {}", std::process::id());
        gc.join().unwrap().says(1, &["registry is busy", "lock is held by", &holder, "hint: try again"]);
    });
    let names: Vec<PathBuf> = objects(&study).into_iter().filter(|path| before.contains(path)).collect();
    assert_eq!(names, before);
    let stamp = Stamp { time: "2026-01-01T00:00:00Z".to_owned(), command: "test".to_owned() };
    transaction.commit(&stamp).unwrap();
    past_this_second();
    assert!(removed(&study.json(GC)).len() > 2);
    assert_eq!(study.ok("cat kept").into_bytes(), fs::read(study.path("data.csv")).unwrap());
    study.is_sound();
}
