//! The settings of layers: fields under their names, as in `reg train --set blocks=[3,4,6,3]`.

use serde_json::{Value, json};

use crate::records::{Architecture, Layer};

/// Fields of layers that are settings. If several layers have one, a list has a value for each of them, and a
/// single value is that of all.
const FIELDS: [&str; 5] = ["blocks", "depth", "growth", "hidden", "widths"];
/// Whether there is one more max-pooling behind the first stage, as in the paper's larger networks.
const EXTRA_POOL: &str = "extra_pool";
/// That max-pooling.
const POOL: Layer = Layer::MaxPool { kernel: 3, stride: 2, padding: 1 };

/// The settings of an architecture's layers, by name.
pub fn settings(architecture: &Architecture) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    for field in FIELDS {
        let mut values: Vec<Value> =
            architecture.layers.iter().filter_map(|layer| json!(layer).get(field).cloned()).collect();
        match values.len() {
            0 => {}
            1 => found.push((field, values.remove(0))),
            _ => found.push((field, values.into())),
        }
    }
    if let Some(stage) = first_stage(architecture) {
        found.push((EXTRA_POOL, (architecture.layers.get(stage + 1) == Some(&POOL)).into()));
    }
    found
}

/// Changes a setting of the layers; `None` if they have no such setting.
pub fn set(architecture: &mut Architecture, name: &str, value: &Value) -> Option<Result<(), String>> {
    let (_, now) = settings(architecture).into_iter().find(|(known, _)| *known == name)?;
    if name == EXTRA_POOL {
        return Some(match value.as_bool() {
            Some(wanted) => {
                extra_pool(architecture, wanted);
                Ok(())
            }
            None => Err("true or false".to_owned()),
        });
    }
    let mut layers: Vec<Value> = architecture.layers.iter().map(|layer| json!(layer)).collect();
    let mut slots: Vec<&mut Value> = layers.iter_mut().filter_map(|layer| layer.get_mut(name)).collect();
    match value.as_array().filter(|_| slots.len() > 1) {
        Some(values) if values.len() != slots.len() => {
            return Some(Err(format!("{} values are needed, such as {now}", slots.len())));
        }
        Some(values) => slots.iter_mut().zip(values).for_each(|(slot, value)| **slot = value.clone()),
        None => slots.iter_mut().for_each(|slot| **slot = value.clone()),
    }
    let layers = layers.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
    Some(layers.map(|layers| architecture.layers = layers).map_err(|e| e.to_string()))
}

/// The first group of blocks.
fn first_stage(architecture: &Architecture) -> Option<usize> {
    let stage = |layer: &Layer| matches!(layer, Layer::Residual { .. } | Layer::DenseBlock { .. });
    architecture.layers.iter().position(stage)
}

/// Adds or removes the max-pooling behind the first stage. Returns whether there is a stage.
pub(super) fn extra_pool(architecture: &mut Architecture, wanted: bool) -> bool {
    let Some(behind) = first_stage(architecture).map(|stage| stage + 1) else { return false };
    match (wanted, architecture.layers.get(behind) == Some(&POOL)) {
        (true, false) => architecture.layers.insert(behind, POOL),
        (false, true) => drop(architecture.layers.remove(behind)),
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Plan, preset};

    fn architecture(name: &str) -> Architecture {
        preset(name).unwrap().model.architecture
    }

    #[test]
    fn settings_of_layers_are_lists_in_their_order() {
        let mut resnet = architecture("resnet50");
        assert_eq!(settings(&resnet), [("blocks", json!([3, 4, 6, 3])), ("extra_pool", json!(false))]);
        set(&mut resnet, "blocks", &json!([2, 2, 3, 3])).unwrap().unwrap();
        assert_eq!(resnet, architecture("resnet38"));
        set(&mut resnet, "blocks", &json!(1)).unwrap().unwrap();
        assert_eq!(settings(&resnet)[0].1, json!([1, 1, 1, 1]));
        let error = set(&mut resnet, "blocks", &json!([1, 1])).unwrap().unwrap_err();
        assert_eq!(error, "4 values are needed, such as [1,1,1,1]");
        assert!(set(&mut resnet, "blocks", &json!("many")).unwrap().is_err());
        assert!(set(&mut resnet, "widths", &json!([1])).is_none());

        let mut mlp = architecture("mlp");
        set(&mut mlp, "hidden", &json!([4, 2])).unwrap().unwrap();
        assert_eq!(settings(&mlp), [("hidden", json!([4, 2]))]);
    }

    #[test]
    fn one_more_pooling_halves_the_map_once_more() {
        let mut large = architecture("resnet50-large");
        let map = |architecture: &Architecture| Plan::of(architecture, 15).unwrap().map().side;
        assert_eq!((map(&large), settings(&large)[1].1.clone()), (7, json!(true)));
        set(&mut large, "extra_pool", &json!(false)).unwrap().unwrap();
        assert_eq!(map(&large), 14);
    }
}
