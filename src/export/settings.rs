//! The settings of a run under the names that `reg train --set` uses.

use serde_json::Value;

use crate::network;
use crate::records::Spec;

/// Name and value of each setting of a spec, sorted by name, without ids of other records.
pub(super) fn settings(spec: &Spec) -> Vec<(String, String)> {
    let mut found = vec![
        ("device".to_owned(), text(&serde_json::json!(spec.device))),
        ("fold".to_owned(), spec.fold.to_string()),
        ("init".to_owned(), spec.init.name().to_owned()),
        ("model".to_owned(), spec.model.name.clone()),
        ("seed".to_owned(), spec.seed.to_string()),
        ("threads".to_owned(), spec.threads.to_string()),
    ];
    let architecture = &spec.model.architecture;
    for part in [serde_json::json!(spec.training), serde_json::json!(architecture.image)] {
        leaves(&part, &mut found);
    }
    found.push(("meta".to_owned(), architecture.meta.to_string()));
    let layers = network::settings(architecture).into_iter();
    found.extend(layers.map(|(name, value)| (name.to_owned(), text(&value))));
    found.sort();
    found
}

/// Settings are in groups; the names are unique across groups.
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
