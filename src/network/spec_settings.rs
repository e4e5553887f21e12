//! The settings of a training under the names that `reg train --set` uses.

use serde_json::{Value, json};

use super::settings;
use crate::records::{Model, NetworkSpec, ProgramInput, Spec, Training, variable};

/// Settings that follow from the network unless somebody changes them, so that they say nothing beside its name.
pub const OF_THE_NETWORK: [&str; 13] = [
    "blocks",
    "channels",
    "depth",
    "extra_pool",
    "growth",
    "hidden",
    "input",
    "mean",
    "meta",
    "pixels",
    "resize",
    "std",
    "widths",
];

/// Name and value of each setting of a network's spec, sorted by name: of network and training, and how weights are
/// initialised, kind of device and threads. Data set, split, fold, network, weights and seed are none.
pub fn network_settings(spec: &NetworkSpec) -> Vec<(String, Value)> {
    let mut found = vec![
        ("device".to_owned(), json!(spec.device)),
        ("init".to_owned(), json!(spec.init)),
        ("threads".to_owned(), json!(spec.threads)),
    ];
    found.extend(model_settings(&spec.model, &spec.training));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Name and value of each setting of a spec, sorted by name: those of [`network_settings`], or what a program was
/// started with.
pub fn spec_settings(spec: &Spec) -> Vec<(String, Value)> {
    let program = match spec {
        Spec::Network(spec) => return network_settings(spec),
        Spec::Program(spec) => &spec.program,
    };
    let mut found = vec![("command".to_owned(), json!(program.command.join(" ")))];
    found
        .extend(program.interpreter.iter().map(|interpreter| ("interpreter".to_owned(), json!(interpreter))));
    let input = |input: &ProgramInput| (format!("input.{}", input.name), json!(input.object.hash.short()));
    found.extend(program.inputs.iter().map(input));
    let variables = program.variables.iter().map(|text| variable(text));
    found.extend(variables.map(|(name, value)| (format!("env.{name}"), json!(value))));
    found.extend(program.network.then(|| ("network".to_owned(), json!("allowed"))));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Name and value of each setting of a network and its training, sorted by name.
pub fn model_settings(model: &Model, training: &Training) -> Vec<(String, Value)> {
    let architecture = &model.architecture;
    let mut found = Vec::new();
    for part in [json!(training), json!(architecture.image)] {
        leaves(part, &mut found);
    }
    found.push(("meta".to_owned(), json!(architecture.meta)));
    found.extend(settings(architecture).into_iter().map(|(name, value)| (name.to_owned(), value)));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Settings are in groups; the names are unique across groups.
fn leaves(value: Value, found: &mut Vec<(String, Value)>) {
    let Value::Object(map) = value else { return };
    for (key, value) in map {
        match value {
            Value::Object(_) => leaves(value, found),
            Value::Null => {}
            value => found.push((key, value)),
        }
    }
}
