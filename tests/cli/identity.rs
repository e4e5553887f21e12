//! The identity of a run depends on the version of its numbers, and not on the sources that computed it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use reg::records::rules;
use serde_json::{Value, json};

use crate::harness::{Answer, MLP, Study, TINY, worker};

/// The worker's identity, as it prints it.
fn identity() -> Value {
    serde_json::from_slice(&Command::new(worker()).arg("identity").output().unwrap().stdout).unwrap()
}

/// A worker that computes as ours does, with another identity.
fn worker_of(study: &Study, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut identity = identity();
    change(&mut identity);
    let said = study.path(&format!("{name}.json"));
    fs::write(&said, identity.to_string()).unwrap();
    let script = format!("#!/bin/sh\ncat {}\necho\nexec {}\n", said.display(), worker().display());
    let path = study.path(name);
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Sources with a changed comment in `src/tensor/train.rs` and one new file.
fn mended(identity: &mut Value) {
    let sources = identity["sources"].as_str().unwrap();
    let mut lines: Vec<String> = sources
        .lines()
        .map(|line| match line.split_once("  ") {
            Some((hash, "src/tensor/train.rs")) => {
                let other: String = hash.chars().rev().collect();
                format!("{other}  src/tensor/train.rs")
            }
            _ => line.to_owned(),
        })
        .collect();
    lines.push(format!("{}  src/tensor/zoo.rs", "5".repeat(64)));
    identity["sources"] = json!(lines.join("\n") + "\n");
}

/// The version of the worker's numbers.
fn numerics() -> u64 {
    identity()["numerics"].as_u64().unwrap()
}

fn raise(identity: &mut Value) {
    identity["numerics"] = json!(numerics() + 1);
}

/// The note on a result of a worker whose sources are [`mended`].
fn differ() -> String {
    let numerics = numerics();
    format!(
        "from different source files with the same numerics {numerics}: 2 files differ: src/tensor/train.rs, src/tensor/zoo.rs"
    )
}

fn with(study: &Study, worker: &PathBuf, arguments: &str) -> Answer {
    let answer = study.reg_with("REG_TORCH", worker, &format!("--json {arguments}"));
    assert_eq!(answer.code, 0, "{answer:?}");
    answer
}

fn count(study: &Study, kind: &str) -> usize {
    study.json(&format!("list {kind}"))["records"].as_array().unwrap().len()
}

#[test]
fn other_sources_of_the_same_numerics_answer_and_say_so_and_other_numerics_train_anew() {
    let study = Study::divided();
    let first = study.json(MLP);
    assert_eq!((&first["cached"], &first["other_sources"]), (&json!(false), &json!(null)));
    let again = study.json(MLP);
    assert_eq!((&again["cached"], &again["other_sources"]), (&json!(true), &json!(null)));

    let other = worker_of(&study, "mended", mended);
    let answer = with(&study, &other, MLP);
    let said = answer.json();
    assert_eq!(
        (&said["cached"], &said["run"], &said["table"]),
        (&json!(true), &first["run"], &first["table"])
    );
    let files = ["src/tensor/train.rs", "src/tensor/zoo.rs"];
    assert_eq!(said["other_sources"], json!({ "numerics": numerics(), "files": files }));
    assert_eq!(answer.stderr.matches(&format!("trained {}", differ())).count(), 1, "{}", answer.stderr);
    let answer = with(&study, &other, "eval mlp-s-f0");
    answer.says(0, &[&format!("scored {}", differ())]);
    assert_eq!(answer.json()["table"], first["table"]);
    // New results are recorded as made by these sources.
    with(&study, &other, "eval mlp-s-f0 --subset train");
    assert_eq!((count(&study, "run"), count(&study, "spec"), count(&study, "software")), (1, 1, 2));

    // The bits are the same, and the differing sources are named anyway.
    let reproduced = with(&study, &other, "reproduce mlp-s-f0").json();
    assert_eq!((&reproduced["identical"], &reproduced["sources"]), (&json!(true), &json!(files)));
    assert!(reproduced["environment"].to_string().contains("the source files have changed since then"));
    assert_eq!(study.json("reproduce mlp-s-f0")["sources"], json!([]));

    let raised = worker_of(&study, "raised", raise);
    let anew = with(&study, &raised, &format!("{MLP} --name anew")).json();
    assert_eq!((&anew["cached"], &anew["other_sources"]), (&json!(false), &json!(null)));
    assert_ne!(anew["spec"], first["spec"]);
    assert_eq!(anew["checkpoint"], first["checkpoint"], "it only says that its numbers are others");
    let found = study.json("diff mlp-s-f0 anew");
    let code: Vec<&Value> = found["code"].as_array().unwrap().iter().map(|change| &change["what"]).collect();
    assert!(code.contains(&&json!("numerics.version")), "{found}");
    // Another libtorch and another target are distinguished without a raised number.
    for (key, value) in [("libtorch", "9.9.9"), ("target", "riscv64-linux")] {
        let elsewhere = worker_of(&study, key, |identity| identity[key] = json!(value));
        assert_eq!(with(&study, &elsewhere, MLP).json()["cached"], json!(false), "{key}");
    }
    study.is_sound();
}

#[test]
fn a_changed_bit_is_blamed_on_the_files_that_differ() {
    let study = Study::trained();
    // A worker whose sources differ and that does not compute the same: it trains with another learning rate.
    let liar = worker_of(&study, "liar", mended);
    let real = worker();
    let script = format!(
        "#!/bin/sh\ncat {}\necho\nsed -u 's/\"lr\":0.01,/\"lr\":0.02,/' | {} | sed -u 1d\n",
        study.path("liar.json").display(),
        real.display()
    );
    fs::write(&liar, script).unwrap();
    let answer = study.reg_with("REG_TORCH", &liar, "--json reproduce mlp-s-f0");
    assert_eq!(answer.code, 3, "{answer:?}");
    let said = answer.json();
    assert_eq!(said["identical"], json!(false));
    assert_eq!(said["sources"], json!(["src/tensor/train.rs", "src/tensor/zoo.rs"]));
    let text = String::from_utf8(study.reg_with("REG_TORCH", &liar, "reproduce mlp-s-f0").stdout).unwrap();
    let line =
        "the source files have changed since then: 2 files differ: src/tensor/train.rs, src/tensor/zoo.rs";
    assert!(text.contains(line), "{text}");
}

#[test]
fn a_study_finds_the_runs_that_other_sources_made() {
    let study = Study::divided();
    fs::write(
        study.path("small.toml"),
        "name = \"small\"\ndataset = \"tiny\"\nthreads = 1\n\n[[section]]\nname = \"one\"\nsplit = \"s\"\n\n\
         [[setup]]\nname = \"features\"\nsection = \"one\"\nmodel = \"mlp\"\nset = { epochs = 2 }\n",
    )
    .unwrap();
    study.ok("study run small.toml");
    let other = worker_of(&study, "mended", mended);
    let status = with(&study, &other, "study status small.toml").json();
    assert_eq!((status["done"].as_u64(), status["failed"].as_u64()), (Some(2), Some(0)), "{status}");
    with(&study, &other, "study run small.toml");
    assert_eq!((count(&study, "run"), count(&study, "study")), (2, 1));
    let raised = worker_of(&study, "raised", raise);
    let status = with(&study, &raised, "study run small.toml --plan").json();
    assert_eq!(status["done"].as_u64(), Some(0), "{status}");
}

#[test]
fn a_probe_and_a_heat_map_lead_to_the_program_that_computed() {
    let study = Study::divided();
    study.json(TINY);
    study.json(&TINY.replace("--fold 0", "--fold 1"));
    let probed = study.json("probe tiny-s-f0 tiny-s-f1 --target view --name known");
    assert_eq!(probed["other_sources"], json!(null));
    let map = study.json("gradcam tiny-s-f0 00000001_000.png --label Effusion -o map.png");
    for (table, executions) in [("known", 4), (map["id"].as_str().unwrap(), 2)] {
        let traced = study.json(&format!("trace {table}"));
        let nodes = traced["nodes"].as_array().unwrap();
        let of = |kind: &str| nodes.iter().filter(|node| node["kind"] == kind).count();
        assert!((of("software"), of("execution")) == (1, executions), "{table}: {traced}");
        let by_program = |edge: &&Value| edge["role"] == "software";
        let edges = traced["edges"].as_array().unwrap();
        assert_eq!(edges.iter().filter(by_program).count(), of("execution"));
    }
    let other = worker_of(&study, "mended", mended);
    let answer = with(&study, &other, "probe tiny-s-f0 tiny-s-f1 --target view");
    answer.says(0, &[&format!("fitted {}", differ())]);
    assert_eq!(answer.json()["table"], probed["table"]);
    // And in the other direction: from the program to all of its results.
    let software = study.json("list software")["records"][0]["id"].as_str().unwrap().to_owned();
    let down = study.json(&format!("trace {software} --down"));
    let kinds: Vec<&Value> = down["nodes"].as_array().unwrap().iter().map(|node| &node["kind"]).collect();
    for kind in ["execution", "run", "predictions", "table"] {
        assert!(kinds.contains(&&json!(kind)), "{kind}: {down}");
    }
    let tree = study.ok(&format!("trace {software} --down"));
    assert_eq!(tree.lines().filter(|line| line.contains("made: run")).count(), 2, "{tree}");
}

#[test]
fn what_other_rules_made_is_neither_false_nor_true() {
    let study = Study::trained();
    let registry = study.registry();
    let id: reg::hash::Hash = study.id("table").parse().unwrap();
    let table: reg::records::Table = registry.get(reg::hash::Id::new(id)).unwrap();
    let reg::records::Table::Comparison(mut comparison) = table else { panic!("a comparison") };
    comparison.rules += 1;
    comparison.models[0].mean.mean = Some(0.99);
    let mut transaction = registry.transaction().unwrap();
    let made = transaction.put(&reg::records::Table::Comparison(comparison)).unwrap();
    let stamp = reg::registry::Stamp { time: "2026-01-01T00:00:00Z".into(), command: "later".into() };
    transaction.commit(&stamp).unwrap();
    let later = rules::COMPARISON + 1;
    let verified = study.json("verify --recompute");
    assert_eq!(verified["wrong"], json!([]));
    let expected = json!([{ "id": made, "kind": "table", "rules": later, "here": rules::COMPARISON }]);
    assert_eq!(verified["other_rules"], expected);
    let said = &*format!(
        "was made by rules {later}, this reg has rules {}: it cannot be recomputed here",
        rules::COMPARISON
    );
    study.refused(1, &format!("reproduce {made}"), &[said, "hint: it was made by a newer reg"]);
    // Tables of a newer reg, or made by hand, are not signed.
    study.ok("key new -o k");
    study.refused(1, &format!("attest {made} --key k -o a.json"), &[said]);
    study.ok(&format!("audit {made} -o a.zip"));
    assert_eq!(study.reg("audit verify a.zip").code, 3);
}
