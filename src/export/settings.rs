//! The settings of a run by the names that `reg train --set` has for them.

use serde_json::Value;

use crate::records::Spec;

/// Name and value of each setting of a spec, in the order of names; ids of other records are not among them.
pub(super) fn settings(spec: &Spec) -> Vec<(String, String)> {
    let mut found = vec![
        ("device".to_owned(), text(&serde_json::json!(spec.device))),
        ("fold".to_owned(), spec.fold.to_string()),
        ("init".to_owned(), spec.init.name().to_owned()),
        ("model".to_owned(), spec.model.name.clone()),
        ("seed".to_owned(), spec.seed.to_string()),
        ("threads".to_owned(), spec.threads.to_string()),
    ];
    for part in [serde_json::json!(spec.training), serde_json::json!(spec.model.architecture)] {
        leaves(&part, &mut found);
    }
    found.sort();
    found
}

/// Settings lie in groups, and no two have one name.
fn leaves(value: &Value, found: &mut Vec<(String, String)>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => leaves(value, found),
            Value::Null => {}
            _ => found.push((key.clone(), text(value))),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
