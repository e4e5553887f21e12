//! Records that differ from the recomputed ones, in one place each.

use reg::hash::{Hash, Id};
use reg::recompute::recompute;
use reg::records::{Kind, Predictions, Run, Spec, Table, Weights, codec};
use reg::registry::{Objects, Registry, RegistryError, Stamp};
use serde_json::{Value, json};

use crate::harness::Study;

/// A registry in which one record is replaced.
struct Overlay<'a> {
    registry: &'a Registry,
    id: Hash,
    record: Vec<u8>,
}

impl Objects for Overlay<'_> {
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError> {
        if *id == self.id { Ok(self.record.clone()) } else { self.registry.bytes(id) }
    }

    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError> {
        self.registry.runs_of(file)
    }

    fn weights_of(&self, file: &Hash) -> Result<Vec<Id<Weights>>, RegistryError> {
        self.registry.weights_of(file)
    }
}

/// Every document that differs from this one in a single place: a number, one where there
/// is none, a truth value, a row that is missing.
fn forgeries(at: &str, value: &Value, whole: &Value, found: &mut Vec<(String, Value)>) {
    let mut with = |what: &str, other: Value| {
        let mut forged = whole.clone();
        *forged.pointer_mut(at).unwrap() = other;
        found.push((format!("{at}{what}"), forged));
    };
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(number) => with("", (number + 1).into()),
            None => with("", (number.as_f64().unwrap() * (1.0 + 1e-13) + 1e-300).into()),
        },
        Value::Bool(value) => with("", (!value).into()),
        Value::Array(each) => {
            if !each.is_empty() {
                with(" shorter", each[1..].to_vec().into());
            }
            each.iter().enumerate().for_each(|(i, one)| forgeries(&format!("{at}/{i}"), one, whole, found));
        }
        Value::Object(map) => {
            map.iter().for_each(|(key, one)| forgeries(&format!("{at}/{key}"), one, whole, found));
        }
        Value::Null => with("", 0.5.into()),
        Value::String(_) => {}
    }
}

#[test]
fn no_number_of_a_record_can_be_changed_and_no_row_left_out() {
    let study = Study::trained();
    study.ok(
        "compare tiny-s-f0 mlp-s-f0 --labels Effusion,Edema --bootstrap 100 --metrics --by gender --name compared",
    );
    study.ok("compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1 --labels Effusion --name folds");
    study.ok("dataset stats tiny --name counts");
    let predictions = study.json("show folds")["record"]["models"][0]["predictions"][0].clone();
    let predictions = predictions.as_str().unwrap();
    study.ok(&format!("export {predictions} -o scores.csv"));
    study.ok("predictions import scores.csv --logits --dataset tiny --split s --fold 0 --name theirs");
    let auc = study.json("eval tiny-s-f0")["table"].as_str().unwrap().to_owned();
    let registry = study.registry();
    let view = registry.view().unwrap();
    let names = ["compared", "folds", "counts", &auc, "tiny", "s", "tiny-s-f0", predictions, "theirs"];
    let mut passed = Vec::new();
    for name in names {
        let id = registry.resolve(&view, name).unwrap();
        let kind = view.kind(&id).unwrap().unwrap();
        let whole: Value = serde_json::from_slice(&registry.bytes(&id).unwrap()).unwrap();
        let mut forged = Vec::new();
        forgeries("", &whole, &whole, &mut forged);
        assert!(forged.len() > 3, "{} forgeries of {whole}", forged.len());
        for (place, document) in forged {
            let overlay = Overlay { registry: &registry, id, record: serde_json::to_vec(&document).unwrap() };
            if recompute(&overlay, id, kind).is_ok_and(|found| found.unwrap().is_empty()) {
                passed.push(format!("{kind} {place}"));
            }
        }
    }
    // What a run says of its training, against its log.
    let run = registry.resolve(&view, "tiny-s-f0").unwrap();
    let spec = registry.get(Id::<Run>::new(run)).unwrap().spec.hash;
    let whole: Value = serde_json::from_slice(&registry.bytes(&spec).unwrap()).unwrap();
    for (at, other) in [("/training/epochs", Value::from(300)), ("/training/lr", Value::from(0.5))] {
        let mut forged = whole.clone();
        *forged.pointer_mut(at).unwrap() = other;
        let overlay = Overlay { registry: &registry, id: spec, record: serde_json::to_vec(&forged).unwrap() };
        let found = recompute(&overlay, run, Kind::Run).unwrap().unwrap();
        assert!(!found.is_empty(), "{at} changed, and nobody noticed");
    }
    // Number of threads and version of the numbers of scores cannot be checked against another record.
    let told_alone = ["predictions /source/numerics/version", "predictions /source/threads"];
    assert_eq!(passed, told_alone, "changed, and nobody noticed");
}

/// Registers the scores and the table of a run anew under the name `forged`, as those of another spec; all hashes are right.
fn with_spec(study: &Study, run: &str, change: &dyn Fn(&mut Value)) {
    let registry = study.registry();
    let view = registry.view().unwrap();
    let id = registry.resolve(&view, run).unwrap();
    let tables = study.json("list table")["records"].as_array().unwrap().clone();
    let tables = tables.iter().map(|table| table["id"].as_str().unwrap().to_owned());
    let is_of_tests = |table: &String| {
        let record = &study.json(&format!("show {table}"))["record"];
        let scores =
            record["predictions"].as_str().map(|id| study.json(&format!("show {id}"))["record"].clone());
        scores.is_some_and(|scores| {
            scores["source"]["run"] == json!(id.to_string()) && scores["subset"] == "test"
        })
    };
    let table = tables.into_iter().find(is_of_tests).unwrap();
    let document = |id: &Hash| -> Value { serde_json::from_slice(&registry.bytes(id).unwrap()).unwrap() };
    let table = registry.resolve(&view, &table).unwrap();
    let (mut of_run, mut of_table) = (document(&id), document(&table));
    let hash = |value: &Value| value.as_str().unwrap().parse::<Hash>().unwrap();
    let mut spec = document(&hash(&of_run["spec"]));
    let mut predictions = document(&hash(&of_table["predictions"]));
    change(&mut spec);
    drop(view);
    let mut transaction = registry.transaction().unwrap();
    of_run["spec"] = transaction.put(&record::<Spec>(&spec)).unwrap().hash.to_string().into();
    let forged = transaction.put(&record::<Run>(&of_run)).unwrap();
    predictions["source"]["run"] = forged.hash.to_string().into();
    let predictions = transaction.put(&record::<Predictions>(&predictions)).unwrap();
    of_table["predictions"] = predictions.hash.to_string().into();
    let table = transaction.put(&record::<Table>(&of_table)).unwrap();
    transaction.name("forged", table.hash).unwrap();
    transaction.commit(&Stamp { time: "2026-01-01T00:00:00Z".into(), command: "forge".into() }).unwrap();
}

/// A record of its document.
fn record<T: reg::records::Record>(document: &Value) -> T {
    codec::decode(&codec::canonical(document)).unwrap()
}

/// What the two programs say of the bundle of `forged`.
fn verified(study: &Study) -> [String; 2] {
    study.ok("audit forged -o forged.zip");
    let ours = study.reg("audit verify forged.zip");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/src/audit/check.py");
    let theirs =
        std::process::Command::new("python3").args(["-I", program]).arg(study.path("forged.zip")).output();
    std::fs::remove_file(study.path("forged.zip")).unwrap();
    let theirs = theirs.unwrap();
    let said = if ours.code == 0 { "" } else { "WRONG" };
    let ours = format!("{said} {} {}", String::from_utf8_lossy(&ours.stdout), ours.stderr);
    [ours, String::from_utf8(theirs.stdout).unwrap()]
}

/// One unit more in the hidden layers of a network.
fn widen(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(hidden)) = map.get_mut("hidden") {
                hidden[0] = (hidden[0].as_u64().unwrap() + 1).into();
            }
            map.values_mut().for_each(widen);
        }
        Value::Array(each) => each.iter_mut().for_each(widen),
        _ => {}
    }
}

#[test]
fn a_spec_that_does_not_fit_what_was_run_is_noticed() {
    let study = Study::trained();
    std::fs::write(study.path("train.py"), crate::programs::TRAIN).unwrap();
    std::fs::write(study.path("w.txt"), "w").unwrap();
    study.ok("run --dataset tiny --split s --fold 0 --name theirs --input w=w.txt -- python3 train.py");
    study.ok("run --dataset tiny --split s --fold 0 --name plain -- python3 train.py");
    for said in ["plain", "theirs", "mlp-s-f0"].map(|name| {
        with_spec(&study, name, &|_| {});
        let said = verified(&study);
        study.ok("tag --delete forged");
        said
    }) {
        assert!(said.iter().all(|said| !said.contains("WRONG")), "{said:?}");
        assert!(said[1].contains("not checked: that a run is what its spec says"), "{said:?}");
    }
    // The script is gone, and the network is another one.
    type Forgery<'f> = (&'f str, &'f dyn Fn(&mut Value), [&'f str; 2]);
    let script = "its command runs train.py, which is not among its files";
    let forgeries: [Forgery; 2] = [
        ("plain", &|spec| spec["program"]["files"] = Value::Array(Vec::new()), [script; 2]),
        (
            "mlp-s-f0",
            &|spec| widen(&mut spec["model"]),
            ["in the network of its spec", "`reg audit verify` checks"],
        ),
    ];
    for (name, change, words) in forgeries {
        with_spec(&study, name, change);
        let said = verified(&study);
        study.ok("tag --delete forged");
        for (said, word) in said.iter().zip(words) {
            assert!(said.contains(word), "{name}: {said}");
        }
    }
}
