//! The JSON Schema of each kind of record, generated from its type.
//!
//! schemars describes the types; three things are added here. A document has a `kind` and a `version`
//! that its type lacks. A variant that stands for a struct of its own must say all its keys in one
//! place, or `additionalProperties` forbids the variant's own tag. And integers have the bounds of
//! their width, which schemars only names.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Record;

/// What a document of kind `T` must be.
pub(super) fn schema<T: Record>() -> Value {
    // As it is written and not as it may be read: every key is there, null where there is nothing.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut root = match generator.into_root_schema_for::<T>().to_value() {
        Value::Object(root) => root,
        other => unreachable!("the schema of a struct is an object, not {other}"),
    };
    root.insert("title".into(), T::KIND.into());
    let mut definitions = match root.remove("$defs") {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    };
    let envelope = [("kind", json!({ "const": T::KIND })), ("version", json!({ "const": T::VERSION }))];
    match root.get_mut("oneOf") {
        Some(Value::Array(variants)) => {
            for variant in variants.iter_mut().filter_map(Value::as_object_mut) {
                inline(variant, &mut definitions);
                add(variant, envelope.clone());
            }
        }
        _ => add(&mut root, envelope),
    }
    if !definitions.is_empty() {
        root.insert("$defs".into(), definitions.into());
    }
    let mut schema = Value::Object(root);
    bound(&mut schema);
    schema
}

/// Puts the struct that a variant refers to in the place of the reference.
fn inline(variant: &mut Map<String, Value>, definitions: &mut Map<String, Value>) {
    let Some(Value::String(reference)) = variant.remove("$ref") else { return };
    let name = reference.rsplit('/').next().expect("a split has a part");
    let Some(Value::Object(definition)) = definitions.remove(name) else { return };
    for (key, value) in definition {
        match (variant.get_mut(&key), value) {
            (Some(Value::Object(own)), Value::Object(more)) => own.extend(more),
            (Some(Value::Array(own)), Value::Array(more)) => own.extend(more),
            (Some(_), _) => {}
            (None, value) => drop(variant.insert(key, value)),
        }
    }
}

fn add(object: &mut Map<String, Value>, keys: [(&str, Value); 2]) {
    for (key, value) in keys {
        let properties = object.entry("properties").or_insert_with(|| json!({}));
        properties[key] = value;
        let required = object.entry("required").or_insert_with(|| json!([]));
        required.as_array_mut().expect("`required` is a list").push(key.into());
    }
}

/// Gives integers the bounds of their width.
fn bound(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let bounds = match map.get("format").and_then(Value::as_str) {
                Some("uint32") => Some((json!(u32::MIN), json!(u32::MAX))),
                Some("uint64") => Some((json!(u64::MIN), json!(u64::MAX))),
                Some("int32") => Some((json!(i32::MIN), json!(i32::MAX))),
                _ => None,
            };
            if let Some((minimum, maximum)) = bounds {
                map.insert("minimum".into(), minimum);
                map.insert("maximum".into(), maximum);
            }
            map.values_mut().for_each(bound);
        }
        Value::Array(items) => items.iter_mut().for_each(bound),
        _ => {}
    }
}
