//! Each hint, typed into the file that it is about, mends it.

use toml::{Table, Value};

use super::*;
use crate::network::{bases, parse, text_of};

fn table(base: &str) -> Table {
    toml::from_str(text_of(base).unwrap()).unwrap()
}

fn layers(table: &mut Table) -> &mut Vec<Value> {
    table["layers"].as_array_mut().unwrap()
}

fn layer(table: &mut Table, at: usize) -> &mut Table {
    layers(table)[at].as_table_mut().unwrap()
}

fn error(table: &Table) -> NetworkFileError {
    parse("own", &toml::to_string(table).unwrap()).expect_err(&format!("{table}"))
}

/// What stands in the quotation marks of a hint.
fn quoted(hint: &str) -> Vec<&str> {
    hint.split('`').skip(1).step_by(2).collect()
}

/// Writes the fields of a hint where they belong: into a layer, beside the other fields of images, or at the top.
fn type_in(table: &mut Table, at: Option<usize>, hint: &str) {
    for field in quoted(hint) {
        let (key, value) = toml::from_str::<Table>(field).expect(hint).into_iter().next().unwrap();
        let of_image = at.is_none() && table.get("image").is_some_and(|image| image.get(&key).is_some());
        let place = match at {
            Some(at) => layer(table, at),
            None if of_image => table["image"].as_table_mut().unwrap(),
            None => &mut *table,
        };
        place.insert(key, value);
    }
}

/// Breaks a network, types what the hint says, and expects a network.
fn mended(base: &str, at: Option<usize>, break_it: impl FnOnce(&mut Table)) {
    let mut table = table(base);
    break_it(&mut table);
    let error = error(&table);
    let hint = error.hint.clone().unwrap_or_else(|| panic!("{base}: no hint: {error}"));
    match hint.strip_prefix("write `").and_then(|rest| rest.split_once("` for `")) {
        Some((known, unknown)) => {
            let text = toml::to_string(&table).unwrap();
            let text = text.replace(unknown.trim_end_matches('`'), known);
            parse("own", &text).unwrap_or_else(|e| panic!("{base}: {error}; {hint}: {e}"));
        }
        None => {
            type_in(&mut table, at, &hint);
            let text = toml::to_string(&table).unwrap();
            parse("own", &text).unwrap_or_else(|e| panic!("{base}: {error}; {hint}: {e}"));
        }
    }
}

#[test]
fn a_field_that_is_missing_zero_empty_or_misspelt_in_any_layer_is_mended_by_its_hint() {
    let mut tried = 0;
    for base in bases() {
        for at in 0..layers(&mut table(base)).len() {
            for (key, value) in layer(&mut table(base), at).clone() {
                let wrong = match value {
                    // What a layer is follows from nothing.
                    Value::String(_) if key == "layer" => {
                        mended(base, Some(at), |table| {
                            let layer = layer(table, at);
                            let kind = format!("{}qq", layer["layer"].as_str().unwrap());
                            layer.insert("layer".to_owned(), Value::String(kind));
                        });
                        tried += 1;
                        continue;
                    }
                    Value::String(_) if key == "block" => Value::String("basick".to_owned()),
                    Value::String(_) => Value::String("../a b".to_owned()),
                    Value::Integer(_) if key == "padding" => Value::Integer(1000),
                    Value::Integer(_) => Value::Integer(0),
                    Value::Array(_) => Value::Array(Vec::new()),
                    other => panic!("{other}"),
                };
                mended(base, Some(at), |table| drop(layer(table, at).remove(&key)));
                mended(base, Some(at), |table| drop(layer(table, at).insert(key.clone(), wrong)));
                mended(base, Some(at), |table| {
                    let value = layer(table, at).remove(&key).unwrap();
                    layer(table, at).insert(format!("{key}qq"), value);
                });
                tried += 3;
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn what_is_wrong_with_images_names_and_the_head_is_mended_by_its_hint() {
    let set = |key: &'static str, value: &'static str| {
        move |table: &mut Table| {
            let value = toml::from_str::<Table>(&format!("x = {value}")).unwrap().remove("x").unwrap();
            match table.get_mut("image").and_then(Value::as_table_mut).filter(|image| image.contains_key(key))
            {
                Some(image) => image.insert(key.to_owned(), value),
                None => table.insert(key.to_owned(), value),
            };
        }
    };
    for (key, value) in [
        ("channels", "2"),
        ("mean", "[0.5]"),
        ("mean", "[nan, 0.5, 0.5]"),
        ("std", "[0.25, 0.25]"),
        ("std", "[0.25, 0.25, 0.0]"),
        ("resize", "100"),
        ("resize", "100000000"),
        ("input", "0"),
        ("input", "20"),
        ("input", "5000"),
        ("head", "\"\""),
        ("head", "\"a/b\""),
        ("layers", "[]"),
    ] {
        mended("resnet18", None, set(key, value));
        mended("densenet121", None, set(key, value));
    }
    for key in ["channels", "input", "resize", "mean", "std"] {
        let remove = |table: &mut Table| drop(table["image"].as_table_mut().unwrap().remove(key));
        let mut broken = table("resnet18");
        remove(&mut broken);
        let hint = error(&broken).hint.unwrap();
        type_in(broken["image"].as_table_mut().unwrap(), None, &hint);
        parse("own", &toml::to_string(&broken).unwrap()).unwrap();
    }
    mended("mlp", None, set("layers", "[]"));
    mended("resnet18", None, |table| drop(table.remove("head")));
    mended("mlp", None, |table| drop(table.remove("layers")));
    mended("resnet18", None, |table| drop(table.remove("image")));
    // Two layers of one name, of which the second is named.
    mended("resnet18", Some(3), |table| {
        layer(table, 3).insert("name".to_owned(), Value::String("layer1".to_owned()));
    });
    mended("resnet18", Some(0), |table| {
        layer(table, 0).insert("norm".to_owned(), Value::String("conv1".to_owned()));
    });
    mended("resnet18", None, |table| {
        drop(table.insert("head".to_owned(), Value::String("conv1".to_owned())))
    });
    // An even kernel, and an input that a window does not fit into.
    mended("resnet18", Some(0), |table| {
        layer(table, 0).insert("kernel".to_owned(), Value::Integer(8));
    });
    mended("tiny", None, |table| {
        let image = table["image"].as_table_mut().unwrap();
        image.insert("input".to_owned(), Value::Integer(1));
    });
}
