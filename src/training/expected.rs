//! What a value of a setting may be, in words, by the schema of a spec.

use serde_json::Value;

use crate::records::Kind;

/// Definitions of the schema of a spec that describe settings, and the names of one where it has several.
const DESCRIBED: [&str; 4] = ["Training", "Augmentation", "ImageInput", "Architecture"];

/// The schema of a setting within that of a spec.
pub(super) fn property<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let field = |of: &'s Value| of["properties"].get(name);
    let own = DESCRIBED.iter().find_map(|of| field(&schema["$defs"][of]));
    let layers = schema["$defs"]["Layer"]["oneOf"].as_array();
    own.or_else(|| layers?.iter().find_map(field))
}

/// What a value of the setting may be: `a whole number`, `bce or focal`; `None` where the schema does not say.
pub(super) fn expected(name: &str) -> Option<String> {
    let schema = Kind::Spec.schema();
    let (mut words, mut kinds) = (Vec::new(), Vec::new());
    collect(&schema, property(&schema, name)?, &mut words, &mut kinds);
    words.dedup();
    kinds.dedup();
    words.extend(kinds);
    let last = words.pop()?;
    Some(match words.is_empty() {
        true => last,
        false => format!("{} or {last}", words.join(", ")),
    })
}

/// The values that can be given by name, and what others may be: `bce, positive-negative or class-balanced`, `never or a
/// whole number`; `None` for a setting without named values.
pub(super) fn choices(name: &str) -> Option<String> {
    let schema = Kind::Spec.schema();
    let (mut words, mut kinds) = (Vec::new(), Vec::new());
    collect(&schema, property(&schema, name)?, &mut words, &mut kinds);
    // Nothing is set to none: a record without the setting is an older one.
    words.retain(|word| word != "none");
    words.dedup();
    kinds.dedup();
    if words.is_empty() {
        return None;
    }
    words.extend(kinds);
    let last = words.pop()?;
    (!words.is_empty()).then(|| format!("{} or {last}", words.join(", ")))
}

fn collect(schema: &Value, of: &Value, words: &mut Vec<String>, kinds: &mut Vec<String>) {
    if let Some(target) = of["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return collect(schema, &schema["$defs"][target], words, kinds);
    }
    for list in ["anyOf", "oneOf", "allOf"] {
        for one in of[list].as_array().into_iter().flatten() {
            collect(schema, one, words, kinds);
        }
    }
    let named = of["enum"].as_array().into_iter().flatten().chain(of.get("const"));
    let named: Vec<String> = named.filter_map(|word| word.as_str().map(str::to_owned)).collect();
    if !named.is_empty() {
        words.extend(named);
        return;
    }
    let types: Vec<&str> = match &of["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    for kind in types {
        kinds.extend(match kind {
            "integer" => Some("a whole number".to_owned()),
            "number" => Some("a number".to_owned()),
            "boolean" => Some("true or false".to_owned()),
            "array" => Some("a list such as [0.1, 0.9]".to_owned()),
            "null" => {
                words.push("none".to_owned());
                None
            }
            _ => None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_says_what_a_setting_may_be() {
        assert_eq!(expected("epochs").unwrap(), "a whole number");
        assert_eq!(expected("lr").unwrap(), "a number");
        assert_eq!(choices("precision").unwrap(), "f32, tf32 or bf16");
        assert_eq!(choices("early_stop").unwrap(), "never or a whole number");
        assert_eq!(choices("lr"), None);
        assert!(expected("pixels").unwrap().contains("original"), "{:?}", expected("pixels"));
        assert_eq!(expected("nothing"), None);
    }
}
