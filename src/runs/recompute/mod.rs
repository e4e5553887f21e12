//! Recomputes records from their inputs: data sets from their metadata, splits from their seed, imported scores
//! from their file, tables from scores and labels. Also checks runs against their log and checkpoint.
//!
//! Anyone with write access to a registry can write a false record with a correct hash. Hashes do not show
//! this; recomputing does.

mod images;
mod inputs;
mod scores;
mod tables;

use serde::Serialize;
use serde_json::Value;

use super::RunError;
use crate::hash::{Hash, Id};
use crate::records::{Dataset, Kind, PixelHashes, Predictions, Recomputed, ScoreSource, Split, Table, rules};
use crate::registry::Objects;
pub use images::images;
pub(super) use scores::attributed;

/// Maximum number of differences that are listed.
const MAX_REPORTED: usize = 20;

/// A value of a record that does not follow from its inputs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Mismatch {
    /// Its path in the record, such as `models.0.labels.3.auc.mean`.
    pub place: String,
    /// The recorded value.
    pub recorded: Value,
    /// The recomputed value.
    pub now: Value,
}

impl Mismatch {
    /// `None` if both are the same.
    fn of(place: &str, recorded: impl Serialize, now: impl Serialize) -> Option<Self> {
        let [recorded, now] =
            [serde_json::to_value(recorded), serde_json::to_value(now)].map(Result::unwrap_or_default);
        (recorded != now).then(|| Mismatch { place: place.to_owned(), recorded, now })
    }
}

/// Recomputes a record from its inputs and returns the first differences.
///
/// `None` if that needs a network (tables of probes, heat maps), if there are no inputs (executions, studies),
/// and for a data set whose metadata has a format that reg does not read.
///
/// # Errors
/// [`RunError::OtherRules`] for a record made by other rules than those of this reg, which cannot be checked
/// here.
pub fn recompute(objects: &dyn Objects, id: Hash, kind: Kind) -> Result<Option<Vec<Mismatch>>, RunError> {
    let Some(how) = kind.descriptor().recomputed else { return Ok(None) };
    if let Some((recorded, here)) = rules_of(objects, id, how)?
        && recorded != here
    {
        return Err(RunError::OtherRules { id, kind: kind.name().to_owned(), recorded, here });
    }
    match how {
        Recomputed::Dataset => inputs::dataset(objects, Id::new(id)),
        Recomputed::Pixels => inputs::pixels(objects, Id::new(id)).map(Some),
        Recomputed::Split => inputs::split(objects, Id::new(id)).map(Some),
        Recomputed::Weights => inputs::weights(objects, Id::new(id)).map(Some),
        Recomputed::Software => inputs::software(objects, Id::new(id)).map(Some),
        Recomputed::Spec => inputs::spec(objects, Id::new(id)).map(Some),
        Recomputed::Run => scores::run(objects, Id::new(id)).map(Some),
        Recomputed::Predictions => scores::predictions(objects, Id::new(id)).map(Some),
        Recomputed::Table => tables::table(objects, Id::new(id)),
    }
}

/// The version of the rules that produced a record, and this reg's version of them; `None` for a kind without
/// rules.
fn rules_of(objects: &dyn Objects, id: Hash, how: Recomputed) -> Result<Option<(u32, u32)>, RunError> {
    Ok(match how {
        Recomputed::Dataset => Some((objects.get(Id::<Dataset>::new(id))?.rules, rules::INGEST)),
        Recomputed::Pixels => Some((objects.get(Id::<PixelHashes>::new(id))?.rules, rules::PIXELS)),
        Recomputed::Split => Some((objects.get(Id::<Split>::new(id))?.rules, rules::SPLIT)),
        Recomputed::Table => Some(objects.get(Id::<Table>::new(id))?.rules()),
        Recomputed::Predictions => match objects.get(Id::<Predictions>::new(id))?.source {
            ScoreSource::Import { rules, .. } => Some((rules, rules::IMPORT)),
            ScoreSource::Run { .. } => None,
        },
        Recomputed::Weights | Recomputed::Software | Recomputed::Spec | Recomputed::Run => None,
    })
}

/// Asserts that a record follows from its inputs.
pub fn verify_record(objects: &dyn Objects, id: Hash, kind: Kind) -> Result<(), RunError> {
    match recompute(objects, id, kind)?.unwrap_or_default().into_iter().next() {
        None => Ok(()),
        Some(Mismatch { place, recorded, now }) => {
            let what = format!("{place} is recorded as {recorded}, but recomputing it gives {now}");
            Err(RunError::False { id, kind: kind.name().to_owned(), what })
        }
    }
}

/// The differences between a record and its recomputed value.
fn compared<T: Serialize>(recorded: &T, now: &T) -> Vec<Mismatch> {
    let [recorded, now] = [recorded, now].map(|record| serde_json::to_value(record).unwrap_or_default());
    let mut found = Vec::new();
    differences("", &recorded, &now, &mut found);
    found
}

/// Compares two documents recursively.
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
