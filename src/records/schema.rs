//! The JSON Schema of each kind of record, generated from its type.
//!
//! schemars describes the types. Two things are added: a document has a `kind` and a `version`, which its type
//! lacks, and integers have the bounds of their width, which schemars only names.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::Record;

/// The schema of a document of kind `T`.
pub(super) fn schema<T: Record>() -> Value {
    // For the written form, not for the accepted one: every key is present, with null for an absent value.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["title"] = T::KIND.name().into();
    if let Some(variants) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        variants.iter_mut().for_each(add_envelope::<T>);
    } else if let Some(variants) = schema.get("anyOf").and_then(Value::as_array).cloned() {
        // Variants that are told apart by their fields are definitions of their own.
        let names = variants.iter().filter_map(|variant| variant["$ref"].as_str()?.strip_prefix("#/$defs/"));
        names.for_each(|name| add_envelope::<T>(&mut schema["$defs"][name]));
    } else {
        add_envelope::<T>(&mut schema);
    }
    bound(&mut schema);
    schema
}

fn add_envelope<T: Record>(object: &mut Value) {
    object["properties"]["kind"] = json!({ "const": T::KIND.name() });
    object["properties"]["version"] = json!({ "const": T::VERSION });
    let required = object["required"].as_array_mut().expect("an object schema lists what it requires");
    required.extend(["kind", "version"].map(Value::from));
}

/// Adds the bounds of their width to integers.
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
