//! Records made again from what they name: data sets from their metadata, splits from their seed, scores from the file that
//! they were read from, tables from scores and labels; and runs held to their log and checkpoint.
//!
//! Whoever can write into a registry can write a false record, and hash it rightly. A hash does not tell; this does.

mod images;
mod inputs;
mod scores;
mod tables;

use serde::Serialize;
use serde_json::Value;

use super::RunError;
use crate::hash::{Hash, Id};
use crate::records::{Dataset, Kind, Predictions, Recomputed, ScoreSource, Split, Table, rules};
use crate::registry::Objects;
pub use images::images;
pub(super) use scores::attributed;

/// Differences that are told one by one.
const MAX_REPORTED: usize = 20;

/// A value that a record has, and that its inputs do not give.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Mismatch {
    /// Where it stands, such as `models.0.labels.3.auc.mean`.
    pub place: String,
    /// As recorded.
    pub recorded: Value,
    /// As it comes out now.
    pub now: Value,
}

impl Mismatch {
    /// None where both are the same.
    fn of(place: &str, recorded: impl Serialize, now: impl Serialize) -> Option<Self> {
        let [recorded, now] =
            [serde_json::to_value(recorded), serde_json::to_value(now)].map(Result::unwrap_or_default);
        (recorded != now).then(|| Mismatch { place: place.to_owned(), recorded, now })
    }
}

/// Makes a record again from what it names and says what differs, the first few differences.
///
/// None where that takes a network, as for a table of probes or heat maps, for what somebody said (executions, studies),
/// and for a data set whose metadata are of a format that is not read here.
///
/// # Errors
/// [`RunError::OtherRules`] of a record that this reg would make by other rules: it may be true, and nothing here tells.
pub fn recompute(objects: &dyn Objects, id: Hash, kind: Kind) -> Result<Option<Vec<Mismatch>>, RunError> {
    let Some(how) = kind.descriptor().recomputed else { return Ok(None) };
    if let Some((recorded, here)) = rules_of(objects, id, how)?
        && recorded != here
    {
        return Err(RunError::OtherRules { id, kind: kind.name().to_owned(), recorded, here });
    }
    match how {
        Recomputed::Dataset => inputs::dataset(objects, Id::new(id)),
        Recomputed::Split => inputs::split(objects, Id::new(id)).map(Some),
        Recomputed::Weights => inputs::weights(objects, Id::new(id)).map(Some),
        Recomputed::Software => inputs::software(objects, Id::new(id)).map(Some),
        Recomputed::Spec => inputs::spec(objects, Id::new(id)).map(Some),
        Recomputed::Run => scores::run(objects, Id::new(id)).map(Some),
        Recomputed::Predictions => scores::predictions(objects, Id::new(id)).map(Some),
        Recomputed::Table => tables::table(objects, Id::new(id)),
    }
}

/// The rules by which a record was made, and those by which it would be made here; none of a kind without rules.
fn rules_of(objects: &dyn Objects, id: Hash, how: Recomputed) -> Result<Option<(u32, u32)>, RunError> {
    Ok(match how {
        Recomputed::Dataset => Some((objects.get(Id::<Dataset>::new(id))?.rules, rules::INGEST)),
        Recomputed::Split => Some((objects.get(Id::<Split>::new(id))?.rules, rules::SPLIT)),
        Recomputed::Table => Some(objects.get(Id::<Table>::new(id))?.rules()),
        Recomputed::Predictions => match objects.get(Id::<Predictions>::new(id))?.source {
            ScoreSource::Import { rules, .. } => Some((rules, rules::IMPORT)),
            ScoreSource::Run { .. } => None,
        },
        Recomputed::Weights | Recomputed::Software | Recomputed::Spec | Recomputed::Run => None,
    })
}

/// Asserts that a record says what its inputs give.
pub fn verify_record(objects: &dyn Objects, id: Hash, kind: Kind) -> Result<(), RunError> {
    match recompute(objects, id, kind)?.unwrap_or_default().into_iter().next() {
        None => Ok(()),
        Some(Mismatch { place, recorded, now }) => {
            let what = format!("{place} is recorded as {recorded}, and what it names gives {now}");
            Err(RunError::False { id, kind: kind.name().to_owned(), what })
        }
    }
}

/// What differs between a record and what its inputs give.
fn compared<T: Serialize>(recorded: &T, now: &T) -> Vec<Mismatch> {
    let [recorded, now] = [recorded, now].map(|record| serde_json::to_value(record).unwrap_or_default());
    let mut found = Vec::new();
    differences("", &recorded, &now, &mut found);
    found
}

/// Walks two documents side by side.
fn differences(place: &str, recorded: &Value, now: &Value, found: &mut Vec<Mismatch>) {
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
