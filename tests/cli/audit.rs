//! A result and everything behind it in one file: `reg audit`, and the Python program in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use reg::hash::Id;
use reg::records::{Dataset, ImageRow, Predictions, Run, ScoreSource, Split, Table, Withdrawal, rules};
use reg::registry::Stamp;
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::harness::{Study, files};

type Members = BTreeMap<String, Vec<u8>>;

fn members(path: &Path) -> Members {
    let mut zip = ZipArchive::new(File::open(path).unwrap()).unwrap();
    (0..zip.len())
        .map(|place| {
            let mut member = zip.by_index(place).unwrap();
            let (name, mut bytes) = (member.name().unwrap().into_owned(), Vec::new());
            member.read_to_end(&mut bytes).unwrap();
            (name, bytes)
        })
        .collect()
}

fn pack(path: &Path, members: &Members) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// Python that finds no other program.
fn interpreter() -> Command {
    let python =
        ["/usr/bin/python3", "/usr/local/bin/python3"].into_iter().find(|path| Path::new(path).exists());
    let mut command = Command::new(python.unwrap_or("python3"));
    if python.is_some() {
        command.env("PATH", "/nowhere");
    }
    command.arg("-I");
    command
}

/// A bundle's own program, out of the bundle.
fn program(study: &Study, bundle: &str) -> PathBuf {
    let script = study.path("check.py");
    if !script.exists() {
        fs::write(&script, &members(&study.path(bundle))["check.py"]).unwrap();
    }
    script
}

/// Exit code and output of the bundle's own program.
pub(crate) fn python(study: &Study, bundle: &str) -> (i32, String) {
    let output = interpreter().arg(program(study, bundle)).arg(study.path(bundle)).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

#[test]
fn a_bundle_of_the_same_table_is_the_same_bytes_and_checks_with_and_without_reg() {
    let (study, other) = (Study::trained(), Study::trained());
    let made = study.json("audit table -o a.zip");
    assert_eq!((&made["ok"], &made["left_out"]), (&true.into(), &0.into()));
    other.ok("tag another-name table");
    other.ok("audit another-name -o b.zip");
    assert_eq!(fs::read(study.path("a.zip")).unwrap(), fs::read(other.path("b.zip")).unwrap());

    let checked = study.json("audit verify a.zip");
    assert_eq!((&checked["ok"], &checked["id"]), (&true.into(), &study.id("table").into()));
    assert_eq!((&checked["records"], &checked["objects"]), (&made["records"], &made["objects"]));
    // Two models, two folds, fifteen labels.
    assert_eq!(checked["aucs"], 60);
    let (code, said) = python(&study, "a.zip");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("60 AUCs recomputed, equal to the last digit")
            && said.ends_with("everything checked is correct\n"),
        "{said}"
    );

    let inside = members(&study.path("a.zip"));
    let table = String::from_utf8(inside["readable/table.txt"].clone()).unwrap();
    let shown = study.ok("show table");
    assert!(shown.lines().filter(|line| line.contains(" ± ")).all(|line| table.contains(line)), "{table}");
    assert!(!inside.keys().any(|name| name.ends_with(".png")));
    assert!(
        !study.path(".a.zip").exists()
            && files(study.path(".").as_path()).iter().all(|f| !f.ends_with(".part"))
    );
}

#[test]
fn without_weights_checkpoints_are_named_and_not_included() {
    let study = Study::trained();
    let [with, without] =
        ["audit table -o a.zip", "audit table --no-weights -o b.zip"].map(|c| study.json(c));
    assert_eq!(without["left_out"], 4);
    assert_eq!(with["objects"].as_u64().unwrap(), without["objects"].as_u64().unwrap() + 4);
    assert_eq!(study.json("audit verify b.zip")["ok"], true);
    let (code, said) = python(&study, "b.zip");
    assert!(code == 0 && said.contains("not included, so not checked: checkpoint"), "{said}");
    // An object cannot be lost by claiming that it was left out.
    let mut inside = members(&study.path("a.zip"));
    let run = inside.iter().find(|(name, _)| name.starts_with("readable/run-")).unwrap().1;
    let run: Value = serde_json::from_slice(run).unwrap();
    let id = run["checkpoint"].as_str().unwrap();
    // Nor can a record be hidden in this way.
    let mut hidden = members(&study.path("b.zip"));
    let mut listing: Value = serde_json::from_slice(&hidden["bundle.json"]).unwrap();
    let entry =
        listing["objects"].as_array_mut().unwrap().iter_mut().find(|one| one["kind"] == "run").unwrap();
    entry["file"] = Value::Null;
    hidden.insert("bundle.json".to_owned(), listing.to_string().into_bytes());
    pack(&study.path("h.zip"), &hidden);
    assert_eq!((study.reg("audit verify h.zip").code, python(&study, "h.zip").0), (3, 3));
    inside.remove(&format!("objects/{}/{}", &id[..2], &id[2..])).unwrap();
    pack(&study.path("c.zip"), &inside);
    study.reg("audit verify c.zip").says(3, &[]);
    assert_eq!(python(&study, "c.zip").0, 3);
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let study = Study::trained();
    study.ok("audit tiny-s-f0 -o a.zip");
    let whole = members(&study.path("a.zip"));
    for name in whole.keys() {
        let mut changed = whole.clone();
        let bytes = changed.get_mut(name).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        pack(&study.path("changed.zip"), &changed);
        let answer = study.reg("--json audit verify changed.zip");
        // A bundle whose listing is not JSON is refused.
        assert!(answer.code == 3 || answer.code == 1 && name == "bundle.json", "{name}: {answer:?}");
        let (code, said) = python(&study, "changed.zip");
        assert!(code == 3 || code == 1 && name == "bundle.json", "{name}: {said}");
    }
    let mut more = whole.clone();
    more.insert("extra.txt".to_owned(), b"hello".to_vec());
    pack(&study.path("more.zip"), &more);
    let answer = study.reg("--json audit verify more.zip");
    assert_eq!(
        (answer.code, &answer.json()["wrong"][0]),
        (3, &"extra.txt does not belong to the bundle".into())
    );
    let (code, said) = python(&study, "more.zip");
    assert!(code == 3 && said.contains("extra.txt does not belong to the bundle"), "{said}");
}

#[test]
fn a_table_that_its_scores_do_not_bear_out_is_caught_though_its_hashes_are_right() {
    let study = Study::trained();
    let registry = study.registry();
    let predictions = study.json("show table")["record"]["models"][0]["predictions"][0].clone();
    let below = study.json(&format!("trace --down {}", predictions.as_str().unwrap()));
    assert_eq!(study.json("reproduce table")["identical"], true);
    let sound = study.json("verify --recompute");
    assert_eq!((&sound["wrong"], &sound["recomputed"]), (&[0; 0][..].into(), &9.into()));
    let tables = below["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] == "table");
    let ids: Vec<Id<Table>> =
        tables.map(|node| Id::new(node["id"].as_str().unwrap().parse().unwrap())).collect();
    for (number, id) in ids.into_iter().enumerate() {
        let forged = match registry.get(id).unwrap() {
            Table::Auc(mut table) => {
                table.labels.iter_mut().find(|label| label.auc.is_some()).unwrap().auc = Some(0.99);
                Table::Auc(table)
            }
            Table::Comparison(mut table) => {
                let mean = &mut table.models[1].mean.mean;
                *mean = mean.map(|mean| mean + 1e-15);
                Table::Comparison(table)
            }
            other => other,
        };
        let mut transaction = registry.transaction().unwrap();
        let id = transaction.put(&forged).unwrap();
        transaction.commit(&Stamp { time: "2026-01-01T00:00:00Z".into(), command: "forge".into() }).unwrap();
        let again = study.reg(&format!("--json reproduce {id}"));
        assert_eq!((again.code, &again.json()["identical"]), (3, &false.into()), "{again:?}");
        let verified = study.reg(&format!("--json verify --recompute {id}"));
        let document = verified.json();
        assert_eq!(
            (verified.code, &document["damaged"], &document["wrong"][0]["id"]),
            (3, &[0; 0][..].into(), &id.to_string().into())
        );
        if matches!(forged, Table::Comparison(_)) {
            let differs = study.json(&format!("diff table {id}"));
            assert!(differs["why"][0].as_str().unwrap().contains("is false: AUC mlp mean mean"), "{differs}");
            study.refused(
                3,
                &format!("report {id} -o p.html"),
                &["is false: AUC mlp mean mean", "--recompute"],
            );
            study.ok("key new -o k");
            study.refused(3, &format!("attest {id} --key k -o a.json"), &["is false: AUC mlp mean mean"]);
            assert!(!study.path("p.html").exists() && !study.path("a.json").exists());
        }
        let file = format!("forged{number}.zip");
        study.ok(&format!("audit {id} -o {file}"));
        let answer = study.reg(&format!("audit verify {file}"));
        assert_eq!(answer.code, 3, "{answer:?}");
        let said = String::from_utf8_lossy(&answer.stdout);
        let what =
            if matches!(forged, Table::Comparison(_)) { ": AUC mlp mean mean is 0." } else { ": AUC " };
        assert!(said.contains("scores and labels give") && said.contains(what), "{answer:?}");
        let (code, said) = python(&study, &file);
        assert!(code == 3 && said.contains("scores and labels give"), "{said}");
    }
}

#[test]
fn the_bundled_program_lets_no_table_pass_that_differs_in_one_place() {
    let study = Study::trained();
    study.json("eval mlp-s-f0 --subset val");
    // Of these labels, only Fibrosis has a threshold: the validation images have both answers.
    let options = "--labels Effusion,Edema,Fibrosis --bootstrap 100 --metrics --by gender";
    study.ok(&format!(
        "compare tiny-s-f0 mlp-s-f0 {options} --published paper --allow-different-images --name rich"
    ));
    study.ok("compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1 --labels Effusion --name folds");
    study.ok("dataset stats tiny --name counts");
    let auc = study.json("eval tiny-s-f0")["table"].as_str().unwrap().to_owned();
    // Without these keys, the table is another honest table.
    let rich = ["without bootstrap", "without groups"];
    let other: [&str; 0] = [];
    for (table, allowed) in
        [("rich", &rich[..]), ("folds", &other[..]), ("counts", &other[..]), (&*auc, &other[..])]
    {
        let bundle = format!("{table}.zip");
        study.ok(&format!("audit {table} -o {bundle}"));
        let forge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/forge.py");
        let mut command = interpreter();
        command.arg(forge).arg(program(&study, &bundle)).arg(study.path(&bundle));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{table}: {output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let (tried, passed) = said.split_once('\n').unwrap();
        assert!(tried.parse::<u32>().unwrap() > 30, "{table}: {tried} forgeries");
        // What the program says that it does not recompute; `reg audit verify` does.
        let named = |line: &str| {
            let within = line.strip_prefix("metrics.").and_then(|rest| rest.split_once('.'));
            within.is_some_and(|(_, key)| key.starts_with("intervals") || key.starts_with("line"))
                || ["metrics.0 without intervals", "metrics.0 without line"].contains(&line)
        };
        let passed: Vec<&str> = passed.lines().filter(|line| !named(line)).collect();
        assert_eq!(passed, allowed, "{table}: changed, and nobody noticed");
    }
}

#[test]
fn the_bundled_program_knows_the_keys_of_every_kind_and_the_labels() {
    let study = Study::trained();
    study.ok("audit s -o a.zip");
    let mut command = interpreter();
    let ask = "import json, runpy, sys; it = runpy.run_path(sys.argv[1]); \
               print(json.dumps([it['KINDS'], it['TABLES'], it['LABELS'], it['RULES'], it['PROGRAM']]))";
    let output = command.args(["-c", ask]).arg(program(&study, "a.zip")).output().unwrap();
    let known: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(known[2], serde_json::json!(reg::dataset::labels::names()));
    // If a version of rules were raised in one program only, every honest bundle would be refused, or not checked.
    let rules = serde_json::json!({
        "dataset": rules::INGEST, "split": rules::SPLIT, "import": rules::IMPORT,
        "program": rules::PROGRAM_SCORES, "mean": rules::MEAN, "pixel-hashes": rules::PIXELS, "dataset table": rules::COUNTS,
        "auc table": rules::AUC, "comparison table": rules::COMPARISON, "probe table": rules::PROBE,
        "heat table": rules::HEAT, "pointing table": rules::POINTING,
    });
    assert_eq!(known[3], rules);
    // Required keys, and after the bar the optional ones.
    let keys = |known: &Value| {
        let (required, optional) = known.as_str().unwrap().split_once('|').unwrap();
        [required, optional].map(|keys| keys.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>())
    };
    let of_schema = |schema: &Value| {
        let own = |key: &String| !["kind", "version", "type"].contains(&key.as_str());
        let all = schema["properties"].as_object().unwrap().keys().filter(|key| own(key)).cloned();
        let named = schema["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned());
        let required: BTreeSet<String> = named.filter(own).collect();
        let optional = all.filter(|key| !required.contains(key)).collect();
        [required, optional]
    };
    for kind in reg::records::Kind::ALL {
        let (kind, schema) = (kind.name(), kind.schema());
        match schema["oneOf"].as_array().filter(|_| kind == "table") {
            // Of a network, or of a program.
            None if kind == "spec" => {
                for (name, known) in [("NetworkSpec", &known[0][kind]), ("ProgramSpec", &known[4])] {
                    assert_eq!(keys(known), of_schema(&schema["$defs"][name]), "{name}");
                }
            }
            None => assert_eq!(keys(&known[0][kind]), of_schema(&schema), "{kind}"),
            Some(types) => {
                for schema in types {
                    let name = schema["properties"]["type"]["const"].as_str().unwrap();
                    assert_eq!(keys(&known[1][name]), of_schema(schema), "table of type {name}");
                }
            }
        }
    }
}

#[test]
fn scores_of_another_fold_than_that_of_their_run_are_caught() {
    let study = Study::trained();
    let registry = study.registry();
    let id = |name: &str| -> reg::hash::Hash { study.id(name).parse().unwrap() };
    // The scores of fold 0 under the run of fold 1, which has learnt from some of these patients.
    let [own, other] = ["tiny-s-f0", "tiny-s-f1"].map(&id);
    let view = registry.view().unwrap();
    let of_run = registry.referring::<Predictions>(&view, &own).unwrap();
    let is_tested = |predictions: &Predictions| predictions.is_plain(reg::records::Subset::Test);
    let (_, honest) = of_run.into_iter().find(|(_, predictions)| is_tested(predictions)).unwrap();
    drop(view);
    let ScoreSource::Run { device, threads, numerics, .. } = honest.source.clone() else {
        panic!("{honest:?}")
    };
    let source = ScoreSource::Run { run: Id::new(other), device, threads, numerics, flipped: false };
    let forged = Predictions { source, ..honest };
    let dataset = registry.get(forged.dataset).unwrap();
    let manifest = registry.manifest(&dataset).unwrap();
    let scores = registry.scores(&forged).unwrap();
    let stamp = Stamp { time: "2026-01-01T00:00:00Z".into(), command: "forge".into() };
    let mut transaction = registry.transaction().unwrap();
    let predictions = transaction.put(&forged).unwrap();
    let table = reg::scores::auc_table(predictions, &forged, &dataset, &manifest, &scores, None, None);
    let table = transaction.put(&Table::Auc(table)).unwrap();
    transaction.commit(&stamp).unwrap();
    study.refused(3, &format!("reproduce {table}"), &["do not match their run"]);
    assert_eq!(study.reg("verify --recompute").code, 3);
    study.ok(&format!("audit {table} -o f.zip"));
    let answer = study.reg("audit verify f.zip");
    let said = String::from_utf8_lossy(&answer.stdout);
    assert!(answer.code == 3 && said.contains("differ from the run's"), "{answer:?}");
    let (code, said) = python(&study, "f.zip");
    assert!(code == 3 && said.contains("that of its run is 1"), "{said}");
}

#[test]
fn a_data_set_that_contradicts_its_metadata_and_a_split_that_leaks_are_caught() {
    let study = Study::trained();
    let registry = study.registry();
    let dataset = Id::<Dataset>::new(study.id("tiny").parse().unwrap());
    let honest = registry.get(dataset).unwrap();
    let manifest = registry.manifest(&honest).unwrap();
    let stamp = || Stamp { time: "2026-01-01T00:00:00Z".into(), command: "forge".into() };
    let change: [fn(&mut ImageRow); 3] = [
        |row| row.labels.set(0, row.label(0).map(|has| !has)),
        |row| row.age = row.age.map(|age| age + 13),
        |row| row.patient = 77_777.into(),
    ];
    for (number, change) in change.into_iter().enumerate() {
        let mut manifest = manifest.clone();
        change(&mut manifest.rows[3]);
        let mut transaction = registry.transaction().unwrap();
        let manifest = transaction.put_packed(&manifest).unwrap();
        let forged = transaction.put(&Dataset { manifest, ..honest.clone() }).unwrap();
        transaction.commit(&stamp()).unwrap();
        caught(&study, &forged.to_string(), &format!("d{number}.zip"), "metadata");
    }
    let split = registry.get(Id::<Split>::new(study.id("s").parse().unwrap())).unwrap();
    let mut assignment = registry.assignment(&split).unwrap();
    let twice: Vec<usize> =
        (0..manifest.rows.len()).filter(|row| manifest.rows[*row].patient == 5.into()).collect();
    assignment.folds[0][twice[0]] = 0;
    assignment.folds[0][twice[1]] = 1;
    let mut transaction = registry.transaction().unwrap();
    let assignment = transaction.put_packed(&assignment).unwrap();
    let forged = transaction.put(&Split { assignment, ..split }).unwrap();
    transaction.commit(&stamp()).unwrap();
    caught(&study, &forged.to_string(), "s.zip", "patient 5 is in two subsets");
}

/// Both programs find the problem behind a forged record.
fn caught(study: &Study, id: &str, file: &str, words: &str) {
    study.ok(&format!("audit {id} -o {file}"));
    let answer = study.reg(&format!("audit verify {file}"));
    assert!(answer.code == 3 && String::from_utf8_lossy(&answer.stdout).contains(words), "{answer:?}");
    let (code, said) = python(study, file);
    assert!(code == 3 && said.contains(words), "{said}");
}

#[test]
fn a_false_run_or_manifest_is_not_reproduced_not_signed_and_named() {
    let study = Study::trained();
    study.ok("key new -o k");
    let registry = study.registry();
    let stamp = || Stamp { time: "2026-01-01T00:00:00Z".into(), command: "forge".into() };
    let run = registry.get(Id::<Run>::new(study.id("tiny-s-f0").parse().unwrap())).unwrap();
    let dataset = registry.get(Id::<Dataset>::new(study.id("tiny").parse().unwrap())).unwrap();
    let mut manifest = registry.manifest(&dataset).unwrap();
    manifest.rows[0].sha256 = manifest.rows[1].sha256;
    let mut transaction = registry.transaction().unwrap();
    let run = transaction
        .put(&Run { best_epoch: run.best_epoch.map(|epoch| epoch + 1), ..run })
        .unwrap()
        .to_string();
    let manifest = transaction.put_packed(&manifest).unwrap();
    let dataset = transaction.put(&Dataset { manifest, ..dataset }).unwrap().to_string();
    transaction.commit(&stamp()).unwrap();
    for (id, what) in [(run, "best_epoch"), (dataset.clone(), "sha256")] {
        let again = study.reg(&format!("reproduce {id}"));
        assert!(again.code == 3 && String::from_utf8_lossy(&again.stdout).contains(what), "{again:?}");
        let verified = study.reg(&format!("verify --recompute {id}"));
        assert!(
            verified.code == 3 && String::from_utf8_lossy(&verified.stdout).contains(what),
            "{verified:?}"
        );
        if id != dataset {
            study.refused(3, &format!("attest {id} --key k -o a.json"), &["is false: best_epoch"]);
        }
    }
    assert!(!study.path("a.json").exists());
}

#[test]
fn a_strangers_words_do_not_steer_the_terminal() {
    let study = Study::trained();
    study.ok("audit s -o a.zip");
    let mut more = members(&study.path("a.zip"));
    more.insert("x\u{1b}[2K\nsound: 82 objects\u{1b}[8m".to_owned(), Vec::new());
    pack(&study.path("b.zip"), &more);
    let answer = study.reg("audit verify b.zip");
    let said = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.code == 3 && !said.contains('\u{1b}'), "{said:?}");
    assert!(said.lines().all(|line| !line.starts_with("sound")), "{said:?}");
    study.ok("withdraw patient:5 --reason mistake");
    let registry = study.registry();
    let view = registry.view().unwrap();
    let id = Id::<Withdrawal>::new(view.of_kind(reg::records::Kind::Withdrawal).unwrap()[0]);
    drop(view);
    let record = registry.get(id).unwrap();
    let reason = "consent\u{1b}[2J\u{202e}".to_owned();
    let mut transaction = registry.transaction().unwrap();
    transaction.put(&Withdrawal { reason, number: 1, ..record }).unwrap();
    transaction.commit(&Stamp { time: "2026-01-01T00:00:00Z".into(), command: "forge".into() }).unwrap();
    study.ok("audit s -o c.zip");
    for command in ["audit verify c.zip", "trace --down patient:5", "list withdrawal"] {
        let answer = study.reg(command);
        let said = String::from_utf8(answer.stdout).unwrap() + &answer.stderr;
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{command}: {said:?}");
    }
}

#[test]
fn the_bundle_of_a_heat_map_holds_no_picture_of_a_patient() {
    let study = Study::trained();
    let image = "00000005_000.png";
    let made = study.json(&format!("gradcam tiny-s-f0 {image} --label Mass -o heat.png"));
    study.ok(&format!("tag heat {}", made["id"].as_str().unwrap()));
    study.ok("audit heat -o a.zip");
    let png = |bytes: &Vec<u8>| bytes.starts_with(b"\x89PNG");
    assert!(!members(&study.path("a.zip")).values().any(png));
    assert_eq!(study.json("audit verify a.zip")["ok"], true);
    // The purged picture is not needed either.
    study.ok("withdraw patient:5 --reason consent --purge");
    study.ok("audit heat -o b.zip");
    assert_eq!(study.json("audit verify b.zip")["ok"], true);
    study.ok("key new -o k");
    study.ok("attest heat --key k -o a.json");
    study.ok("attest verify a.json --key k.pub --objects");
}

#[test]
fn nothing_hides_in_the_archive_beside_its_members() {
    let study = Study::trained();
    study.ok("audit tiny-s-f0 --no-weights -o a.zip");
    let whole = fs::read(study.path("a.zip")).unwrap();
    let find = |bytes: &[u8]| whole.windows(bytes.len()).position(|at| at == bytes).unwrap();
    let mut comment = whole.clone();
    let length = comment.len();
    comment[length - 2..].copy_from_slice(&2u16.to_le_bytes());
    comment.extend(b"hi");
    let mut renamed = whole.clone();
    // The first is the local header's, which readers of the directory at the end never see.
    let local = find(b"README.md");
    renamed[local] = b'L';
    let mut dated = whole.clone();
    dated[local - 18] ^= 1;
    let forged = [
        ("comment", comment),
        ("before", [b"#!/bin/sh\n".as_slice(), &whole].concat()),
        ("renamed", renamed),
        ("dated", dated),
    ];
    for (what, bytes) in forged {
        fs::write(study.path("b.zip"), bytes).unwrap();
        let answer = study.reg("--json audit verify b.zip");
        assert!(matches!(answer.code, 1 | 3), "{what}: {answer:?}");
        let (code, said) = python(&study, "b.zip");
        assert_eq!(code, 3, "{what}: {said}");
        if answer.code == 3 {
            let wrong = answer.json()["wrong"][0].as_str().unwrap().to_owned();
            assert!(wrong.contains("the archive differs from reg's own packing"), "{what}: {wrong}");
        }
    }
    // Members in another order, and folders of their own.
    pack(&study.path("b.zip"), &members(&study.path("a.zip")));
    let verified = |file: &str| {
        let answer = study.reg(&format!("audit verify {file}"));
        (answer.code, String::from_utf8(answer.stdout).unwrap())
    };
    let (code, said) = verified("b.zip");
    assert!(code == 3 && said.contains("the archive differs from reg's own packing"), "{said}");
    let mut zip = ZipWriter::new(File::create(study.path("b.zip")).unwrap());
    zip.add_directory("objects/", SimpleFileOptions::default()).unwrap();
    for (name, bytes) in members(&study.path("a.zip")) {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name, options).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
    let (code, said) = verified("b.zip");
    assert!(code == 3 && said.contains("1 folder does not belong to the bundle: it was repacked"), "{said}");
    assert_eq!(verified("a.zip").0, 0);
}

#[test]
fn a_bundle_says_that_its_result_contains_withdrawn_data_and_begins_at_any_record() {
    let study = Study::trained();
    study.ok("audit table -o before.zip");
    study.ok("withdraw 00000005_000.png --reason mistake");
    study.ok("withdraw 00000005_000.png --revoke --reason again");
    study.ok("withdraw patient:5 --reason consent");
    study.ok("audit table -o a.zip");
    assert_ne!(fs::read(study.path("before.zip")).unwrap(), fs::read(study.path("a.zip")).unwrap());
    let verified = study.json("audit verify a.zip");
    assert_eq!(verified["withdrawals"].as_array().unwrap().len(), 1, "{verified}");
    assert_eq!(verified["withdrawals"][0]["reason"], "consent");
    assert_eq!(verified["withdrawn"]["images"], 2);
    let said = study.ok("audit verify a.zip");
    for words in ["note: withdrawn: patient 5: consent", "contains withdrawn data: 2 images"] {
        assert!(said.contains(words), "{said}");
    }
    let inside = members(&study.path("a.zip"));
    let table = String::from_utf8(inside["readable/table.txt"].clone()).unwrap();
    assert!(table.contains("contains withdrawn data: 2 images"), "{table}");
    // The record alone, of a bundle about something else.
    let withdrawal = inside.keys().find(|name| name.starts_with("readable/withdrawal-")).unwrap();
    let short = withdrawal.trim_start_matches("readable/withdrawal-").trim_end_matches(".json");
    let object =
        inside.keys().find(|name| name.replace('/', "").starts_with(&format!("objects{short}"))).unwrap();
    let mut more = members(&study.path("before.zip"));
    more.insert(object.clone(), inside[object].clone());
    pack(&study.path("more.zip"), &more);
    assert_eq!((study.reg("audit verify more.zip").code, python(&study, "more.zip").0), (3, 3));
    let (code, said) = python(&study, "a.zip");
    assert!(code == 0 && said.contains("withdrawn: 2 images of patient 5"), "{said}");

    // An execution refers to its result.
    let traced = study.json("trace table");
    let of_kind = |kind: &str| {
        let node = traced["nodes"].as_array().unwrap().iter().find(|node| node["kind"] == kind);
        node.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let execution = of_kind("execution");
    study.ok(&format!("audit {execution} -o e.zip"));
    let verified = study.json("audit verify e.zip");
    assert_eq!((&verified["ok"], &verified["id"]), (&true.into(), &execution.into()));
    let (code, said) = python(&study, "e.zip");
    assert_eq!(code, 0, "{said}");
    assert!(verified["records"].as_u64().unwrap() > 4, "{verified}");
    let image = of_kind("image");
    study.refused(1, &format!("audit {image} -o i.zip"), &["is not a record", "hint: give a table"]);
    assert!(!study.path("i.zip").exists());
}

#[test]
fn what_is_no_bundle_is_refused() {
    let study = Study::trained();
    study.ok("audit table -o a.zip");
    let bytes = fs::read(study.path("a.zip")).unwrap();
    fs::write(study.path("short.zip"), &bytes[..bytes.len() / 2]).unwrap();
    study.refused(1, "audit verify short.zip", &["short.zip is not an audit bundle"]);
    // Packed anew by a tool that compresses.
    fs::write(study.path("bundle.json"), &members(&study.path("a.zip"))["bundle.json"]).unwrap();
    let mut zip = Command::new("python3");
    zip.args(["-m", "zipfile", "-c", "packed.zip", "bundle.json"]).current_dir(study.path("."));
    assert!(zip.status().unwrap().success());
    study.refused(1, "audit verify packed.zip", &["bundle.json is compressed"]);
    study.refused(1, "audit verify data.csv", &["data.csv is not an audit bundle"]);
    study.refused(1, "audit verify nowhere.zip", &["cannot read nowhere.zip"]);
    study.refused(1, "audit table -o no/where.zip", &["cannot write no/where.zip"]);
    study.refused(1, "audit nothing -o b.zip", &["nothing"]);
    study.refused(2, "audit table", &["--output"]);
    assert!(!study.path("b.zip").exists());
}
