//! Values of a record that do not follow from what it was made of.

use serde::Serialize;
use serde_json::Value;

use super::Kind;
use crate::hash::Hash;

/// Maximum number of differences that are listed.
pub const MAX_REPORTED: usize = 20;

/// A value of a record that does not follow from its inputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mismatch {
    /// What it is: of a table the subject of the value, such as `AUC tiny Effusion mean`, otherwise its path in the record, such as
    /// `folds.0.test.images`.
    pub place: String,
    /// The recorded value.
    pub recorded: Value,
    /// The recomputed value.
    pub now: Value,
}

impl Mismatch {
    /// `None` if both are the same.
    pub fn of(place: &str, recorded: impl Serialize, now: impl Serialize) -> Option<Self> {
        let [recorded, now] =
            [serde_json::to_value(recorded), serde_json::to_value(now)].map(Result::unwrap_or_default);
        (recorded != now).then(|| Mismatch { place: place.to_owned(), recorded, now })
    }
}

/// The differences between a record and its recomputed value.
pub fn compared<T: Serialize>(recorded: &T, now: &T) -> Vec<Mismatch> {
    let [recorded, now] = [recorded, now].map(|record| serde_json::to_value(record).unwrap_or_default());
    let mut found = Vec::new();
    differences("", &recorded, &now, &mut found);
    found
}

/// Compares two documents recursively.
pub fn differences(place: &str, recorded: &Value, now: &Value, found: &mut Vec<Mismatch>) {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match (recorded, now) {
        _ if found.len() >= MAX_REPORTED || recorded == now => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                differences(&below(key), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&below(&at.to_string()), a, b, found);
            }
        }
        _ => {
            found.push(Mismatch { place: place.to_owned(), recorded: recorded.clone(), now: now.clone() });
        }
    }
}

/// A record that contradicts its inputs.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {} is false: {what}", id.short())]
pub struct FalseRecord {
    /// The record.
    pub id: Hash,
    /// Its kind.
    pub kind: String,
    /// The first wrong value.
    pub what: String,
}

impl FalseRecord {
    /// Asserts that nothing in a record differs from what was recomputed.
    pub fn check(id: Hash, kind: Kind, mismatches: Vec<Mismatch>) -> Result<(), Self> {
        match mismatches.into_iter().next() {
            None => Ok(()),
            Some(Mismatch { place, recorded, now }) => {
                let what = format!("{place} is recorded as {recorded}, but recomputing it gives {now}");
                Err(FalseRecord { id, kind: kind.name().to_owned(), what })
            }
        }
    }

    /// A hint.
    pub fn hint(&self) -> &'static str {
        "`reg verify --recompute` names every false record"
    }
}
