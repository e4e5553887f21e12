//! Differences between two documents.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::hash::Hash;
use crate::records::Header;

/// JSON pointers of the values that differ between two documents, without links.
pub(super) fn differing(a: &Header, b: &Header) -> Vec<String> {
    let mut found = Vec::new();
    compare("", &a.document.clone().into(), &b.document.clone().into(), &mut found);
    found
}

/// The same for any two JSON values.
pub(super) fn compare(at: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    match (a, b) {
        // Hash and size of a file go with the link to it.
        (Value::Object(one), Value::Object(other)) if is_file(one) && is_file(other) => {}
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let null = Value::Null;
                let [one, other] = [one, other].map(|map| map.get(key).unwrap_or(&null));
                compare(&format!("{at}/{key}"), one, other, found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (place, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{at}/{place}"), one, other, found);
            }
        }
        _ if a == b || is_link(a) && is_link(b) => {}
        _ => found.push(at.to_owned()),
    }
}

fn is_file(map: &Map<String, Value>) -> bool {
    map.len() == 3 && ["object", "sha256", "bytes"].iter().all(|key| map.contains_key(*key))
}

fn is_link(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<Hash>().is_ok())
}
