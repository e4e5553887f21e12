//! Records that differ from the recomputed ones, in one place each.

use reg::hash::{Hash, Id};
use reg::recompute::recompute;
use reg::records::{Kind, Run, Weights};
use reg::registry::{Objects, Registry, RegistryError};
use serde_json::Value;

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
