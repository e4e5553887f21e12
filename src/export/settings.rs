//! The settings of a run for other tools, as text.

use serde_json::Value;

use crate::network::spec_settings;
use crate::records::Spec;

/// Name and value of each setting of a spec, sorted by name, without ids of other records.
pub(super) fn settings(spec: &Spec) -> Vec<(String, String)> {
    let mut found = vec![
        ("fold".to_owned(), spec.fold().to_string()),
        ("model".to_owned(), spec.model_name().to_owned()),
        ("seed".to_owned(), spec.seed().to_string()),
    ];
    found.extend(spec_settings(spec).into_iter().map(|(name, value)| (name, text(&value))));
    found.sort();
    found
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
