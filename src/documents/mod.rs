//! The JSON document of each command, described by types: `schema/cli/` has their JSON Schemas.
//!
//! The commands write these documents; that what they write fits is held by the tests, which run every command. Keys
//! are promises: a later version of reg may have more of them, and none less.

// Only read by the derived descriptions.
#![allow(dead_code)]

mod data;
mod exchange;
mod look;
mod results;
mod trust;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Value, json};

use crate::hash::Hash;
use crate::records::NameChange;
use crate::usage::UnknownOrigin;

/// The commands whose `--json` is a document, and the JSON Schema of each, by name.
///
/// `cat`, `log --follow` and the other formats of `trace` write something else.
pub fn schemas() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    data::add(&mut all);
    results::add(&mut all);
    look::add(&mut all);
    trust::add(&mut all);
    exchange::add(&mut all);
    all.push(("error", schema::<Failed>("any command that fails", false)));
    all.sort_by_key(|(name, _)| *name);
    all
}

/// The output of a command that fails.
#[derive(Serialize, JsonSchema)]
struct Failed {
    /// The error in one sentence; for a wrong expression, also its position.
    error: String,
    /// What to try.
    hint: Option<String>,
}

/// A result that contains withdrawn images.
#[derive(Serialize, JsonSchema)]
struct WithdrawnUse {
    /// The result.
    id: Hash,
    /// How many withdrawn images it has, and how it used them.
    uses: Value,
}

/// A result whose models started from files of unknown origin.
#[derive(Serialize, JsonSchema)]
struct OfUnknownAncestry {
    /// The result.
    id: Hash,
    /// The files.
    files: Vec<UnknownOrigin>,
}

/// A result whose models were trained on images or patients that they are tested on.
#[derive(Serialize, JsonSchema)]
struct KnownLeaks {
    /// The result.
    id: Hash,
    /// The leaks, a sentence each.
    why: Vec<String>,
}

/// The schema of a document. Documents of commands that give names or show results may have more keys.
fn schema<T: JsonSchema>(command: &str, open: bool) -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let (moved, withdrawn) =
        (generator.subschema_for::<NameChange>(), generator.subschema_for::<WithdrawnUse>());
    let unknown = generator.subschema_for::<OfUnknownAncestry>();
    let leaks = generator.subschema_for::<KnownLeaks>();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["title"] = json!(command);
    if let Some(properties) = schema["properties"].as_object_mut().filter(|_| !open) {
        let list =
            |items: Value, about: &str| json!({ "type": "array", "items": items, "description": about });
        let withdrawn = list(json!(withdrawn), "Results with withdrawn images, if there are any.");
        properties.entry("withdrawn").or_insert(withdrawn);
        let about = "Results whose models started from files of unknown origin.";
        let about_leaks = "Leaks that are not in the record of a shown result.";
        properties.entry("leaks").or_insert(list(json!(leaks), about_leaks));
        properties.entry("unknown_ancestry").or_insert(list(json!(unknown), about));
        properties
            .insert("moved".to_owned(), list(json!(moved), "Names that were moved from another object."));
    }
    close(&mut schema);
    schema
}

/// Objects with listed keys have no others.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let listed = map.contains_key("properties") && map.get("type") == Some(&json!("object"));
            if listed
                && !map.contains_key("additionalProperties")
                && !map.contains_key("unevaluatedProperties")
            {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_is_described_once_and_key_by_key() {
        let all = schemas();
        let mut names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        names.dedup();
        assert_eq!(names.len(), all.len());
        for (name, schema) in &all {
            let keys = schema["properties"].as_object().unwrap_or_else(|| panic!("{name}: {schema}"));
            assert!(keys.values().any(|key| key.get("description").is_some()), "{name}");
        }
    }
}
