//! The JSON Schemas in `schema/` match the types, and accept and refuse what the codec does.

use std::fs;

use serde_json::{Value, json};

use reg::records::{self, codec};

use super::{golden, regenerate, root, values};

/// The golden records: name and document.
fn documents() -> Vec<(&'static str, Value)> {
    let files = values::all().into_iter().map(|value| value.file).filter(|file| file.ends_with(".json"));
    files.map(|file| (file, serde_json::from_slice(&fs::read(golden(file)).unwrap()).unwrap())).collect()
}

fn validator(document: &Value) -> jsonschema::Validator {
    let kind = document["kind"].as_str().unwrap();
    let path = root().join(format!("schema/{kind}.schema.json"));
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(jsonschema::meta::is_valid(&schema), "the schema of {kind} is none");
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn the_schemas_are_what_the_types_say() {
    for kind in records::Kind::ALL {
        let text = format!("{}\n", serde_json::to_string_pretty(&kind.schema()).unwrap());
        let path = root().join(format!("schema/{kind}.schema.json"));
        if regenerate() {
            fs::write(&path, &text).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap() == text, "{} is out of date", path.display());
    }
}

#[test]
fn the_schemas_of_commands_are_what_the_types_say() {
    let folder = root().join("schema/cli");
    let all = reg::documents::schemas();
    for (name, schema) in &all {
        assert!(jsonschema::meta::is_valid(schema), "the schema of {name} is none");
        let text = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
        let path = folder.join(format!("{name}.schema.json"));
        if regenerate() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap() == text, "{} is out of date", path.display());
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), all.len(), "no command has gone");
}

#[test]
fn the_schemas_accept_every_golden_record() {
    for (file, document) in documents() {
        let errors: Vec<String> =
            validator(&document).iter_errors(&document).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{file}: {errors:?}");
    }
}

/// Every place in a document, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, item)| places(item, &format!("{at}/{key}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| places(item, &format!("{at}/{i}"), found));
        }
        _ => {}
    }
}

/// The document with a single change, in every way and at every place, and a description of the change.
fn mutations(document: &Value) -> Vec<(String, Value)> {
    let hash = "0123456789abcdef".repeat(4);
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1u64 << 32),
        json!(1.5),
        json!("x"),
        json!(hash),
        json!(hash.to_uppercase()),
        json!(format!("sha256:{hash}")),
        json!([]),
        json!(["x"]),
        json!({}),
    ];
    let mut all_places = Vec::new();
    places(document, "", &mut all_places);
    let mut made = Vec::new();
    for place in all_places {
        let mut make = |what: String, change: &dyn Fn(&mut Value)| {
            let mut changed = document.clone();
            change(changed.pointer_mut(&place).unwrap());
            made.push((format!("{place}: {what}"), changed));
        };
        let value = document.pointer(&place).unwrap();
        // The codec distinguishes 1 from 1.0; JSON Schema cannot.
        let float = value.is_f64() || value.is_null();
        for other in others.iter().filter(|other| !float || other.is_f64() || !other.is_number()) {
            make(other.to_string(), &|value| *value = other.clone());
        }
        if let Some(map) = value.as_object() {
            make("one more key".to_owned(), &|value| value["unknown"] = json!(1));
            for key in map.keys() {
                make(format!("without {key}"), &|value| drop(value.as_object_mut().unwrap().remove(key)));
            }
        }
        if value.as_array().is_some_and(|items| !items.is_empty()) {
            make("one item less".to_owned(), &|value| drop(value.as_array_mut().unwrap().pop()));
            make("one item twice".to_owned(), &|value| {
                let items = value.as_array_mut().unwrap();
                items.push(items[0].clone());
            });
        }
    }
    made
}

#[test]
fn the_schemas_refuse_what_the_codec_refuses_and_nothing_else() {
    for (file, document) in documents() {
        let validator = validator(&document);
        let (mut accepted, mut refused) = (0, 0);
        for (what, changed) in mutations(&document) {
            let read = records::check(&codec::canonical(&changed)).map(drop);
            assert_eq!(
                validator.is_valid(&changed),
                read.is_ok(),
                "{file}, {what}: the codec says {read:?}, the schema the contrary"
            );
            if read.is_ok() { accepted += 1 } else { refused += 1 }
        }
        assert!(accepted > 0 && refused > 50, "{file}: {accepted} accepted, {refused} refused");
    }
}
