//! The settings of a model, with their defaults and what they mean: what `reg train --set` can change.

use serde::Serialize;
use serde_json::Value;

use super::config::{ConfigError, Overrides, resolve};
use super::expected::{choices, property};
use crate::network::model_settings;
use crate::records::Kind;

/// A setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Its name in `--set NAME=VALUE`.
    pub name: String,
    /// The value unless it is set.
    pub default: Value,
    /// What it means, in one line.
    pub about: String,
}

/// The settings of a model, sorted by name, as these overrides have them.
pub fn settings(overrides: &Overrides) -> Result<Vec<Setting>, ConfigError> {
    let (model, training) = resolve(overrides)?;
    let schema = Kind::Spec.schema();
    let setting = |(name, default): (String, Value)| {
        let about = about(&schema, &name);
        Setting { name, default, about }
    };
    Ok(model_settings(&model, &training).into_iter().map(setting).collect())
}

/// The names of the settings of all models, sorted.
pub fn setting_names() -> Vec<String> {
    let models = ["densenet121", "mlp", "resnet50", "tiny"];
    let of = |model: &str| {
        let overrides = Overrides { model: model.to_owned(), ..Overrides::default() };
        resolve(&overrides).map(|(model, training)| model_settings(&model, &training)).unwrap_or_default()
    };
    let mut names: Vec<String> = models.into_iter().flat_map(of).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    names
}

/// What the records say of a field, without what concerns older records.
fn about(schema: &Value, name: &str) -> String {
    if name == "extra_pool" {
        return "Whether another max-pooling layer follows the first stage.".to_owned();
    }
    let text = property(schema, name).and_then(|of| of["description"].as_str()).unwrap_or_default();
    let first = text.split("; absent").next().unwrap_or_default().replace('\n', " ");
    let first = if first.ends_with('.') { first } else { first + "." };
    match choices(name) {
        Some(choices) => format!("{first} Possible: {choices}."),
        None => first,
    }
}

/// The settings with named values, and these: `loss: bce, positive-negative or class-balanced`.
pub fn setting_choices() -> Vec<String> {
    let of = |name: String| choices(&name).map(|choices| format!("{name}: {choices}"));
    setting_names().into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_described_and_can_be_set_to_its_default() {
        for model in ["resnet50", "densenet121", "tiny-meta", "mlp"] {
            let plain = Overrides { model: model.to_owned(), ..Overrides::default() };
            let all = settings(&plain).unwrap();
            assert!(all.iter().any(|setting| setting.name == "lr"));
            for Setting { name, default, about } in all {
                assert!(about.len() > 5, "{model} {name}: `{about}`");
                let set =
                    vec![format!("{name}={}", default.as_str().map_or(default.to_string(), str::to_owned))];
                let same = resolve(&Overrides { set, ..plain.clone() }).unwrap();
                assert_eq!(same, resolve(&plain).unwrap(), "{model} {name}");
            }
        }
        let names = setting_names();
        assert!(
            ["batch", "growth", "hidden", "widths"].iter().all(|name| names.contains(&(*name).to_owned()))
        );
    }
}
