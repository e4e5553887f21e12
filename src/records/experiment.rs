//! Whether two trainings are of one experiment.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{NetworkSpec, Spec};

/// The first setting in which two trainings differ, and both values. Folds of one experiment have different
/// folds and may have different seeds; threads, device kind and code change bits, but not the experiment.
pub fn different_settings(a: &Spec, b: &Spec) -> Option<(String, String, String)> {
    let kind = |spec: &Spec| if spec.program().is_some() { "a program" } else { "a network" }.to_owned();
    match (a, b) {
        (Spec::Network(one), Spec::Network(other)) => different_network_settings(one, other),
        (Spec::Program(one), Spec::Program(other)) => one.program.difference(&other.program),
        _ => Some(("kind of run".to_owned(), kind(a), kind(b))),
    }
}

/// The same of two networks.
pub fn different_network_settings(a: &NetworkSpec, b: &NetworkSpec) -> Option<(String, String, String)> {
    let b = NetworkSpec {
        fold: a.fold,
        seed: a.seed,
        threads: a.threads,
        device: a.device,
        numerics: a.numerics.clone(),
        ..b.clone()
    };
    let document = |spec: &NetworkSpec| serde_json::to_value(spec).unwrap_or_default();
    first_difference("", &document(a), &document(&b))
}

fn first_difference(path: &str, a: &Value, b: &Value) -> Option<(String, String, String)> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (a, b) {
        (a, b) if a == b => None,
        (Value::Object(x), Value::Object(y)) => {
            let keys: BTreeSet<&String> = x.keys().chain(y.keys()).collect();
            let of = |key: &str| [x, y].map(|object| object.get(key).cloned().unwrap_or_default());
            keys.into_iter().find_map(|key| {
                let [x, y] = of(key);
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                first_difference(&path, &x, &y)
            })
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() && x.iter().all(Value::is_object) => {
            let pairs = (1..).zip(x.iter().zip(y));
            pairs.into_iter().find_map(|(n, (x, y))| first_difference(&format!("{path}.{n}"), x, y))
        }
        _ => Some((path.to_owned(), plain(a), plain(b))),
    }
}
