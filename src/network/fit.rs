//! Which networks can start from weights: names and shapes of the tensors of a file against those of every preset.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, Preset, TensorShape, names, preset};
use crate::digits::{counted, thousands};

/// Tensors that a message names.
const SHOWN: usize = 3;

/// What networks make of weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightsFit {
    /// These presets have exactly such tensors, apart from the last layer.
    Of {
        /// Their names.
        models: Vec<String>,
        /// The last layer of the file: its name and number of outputs; `None` if the file has none.
        head: Option<(String, u64)>,
    },
    /// No preset has; one clause about the nearest.
    None(String),
}

impl std::fmt::Display for WeightsFit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WeightsFit::None(why) => {
                write!(f, "warning: no built-in network of reg can start from these weights: {why}")
            }
            WeightsFit::Of { models, head } => {
                write!(f, "tensors of {}", some(models.iter()))?;
                match head {
                    None => write!(f, ", without a last layer: a training starts with a new one"),
                    Some((name, outputs)) => write!(
                        f,
                        "; the last layer, `{name}`, has {}: fine-tuning for a different number of labels replaces it",
                        counted(*outputs, "output")
                    ),
                }
            }
        }
    }
}

/// How the tensors of a file differ from those of a network.
#[derive(Default)]
struct Difference {
    missing: Vec<String>,
    left_over: Vec<String>,
    /// Name, found shape, expected shape.
    shapes: Vec<String>,
}

impl Difference {
    fn count(&self) -> usize {
        self.missing.len() + self.left_over.len() + self.shapes.len()
    }

    fn said(&self) -> String {
        let parts =
            [("missing", &self.missing), ("left over", &self.left_over), ("other shapes", &self.shapes)];
        let parts = parts.into_iter().filter(|(_, names)| !names.is_empty());
        parts.map(|(what, names)| format!("{what}: {}", some(names.iter()))).collect::<Vec<_>>().join("; ")
    }
}

/// Compares the tensors of a file, by name, with those of every preset. The last layer may be missing or have any
/// shape, because a training replaces it.
pub fn weights_fit(found: &BTreeMap<&str, Vec<u64>>) -> WeightsFit {
    let mut nearest: Option<(Difference, String)> = None;
    let (mut models, mut head) = (Vec::new(), None);
    let mut seen: BTreeSet<Vec<(String, Vec<u64>)>> = BTreeSet::new();
    for name in names() {
        let Some(Preset { model, .. }) = preset(&name) else { continue };
        // A preset is tested.
        let Ok(plan) = Plan::of(&model.architecture, 1) else { continue };
        let last = model.architecture.head;
        let body: Vec<TensorShape> = plan.modules.iter().flat_map(super::Module::tensors).collect();
        // Large networks and those with meta features have the same tensors.
        if !seen.insert(body.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect()) {
            continue;
        }
        let difference = difference(found, &body, &last);
        if difference.count() == 0 {
            head = head.or_else(|| outputs(found, &last));
            models.push(name);
        } else if nearest.as_ref().is_none_or(|(other, _)| difference.count() < other.count()) {
            nearest = Some((difference, name));
        }
    }
    match (models.is_empty(), nearest) {
        (false, _) => WeightsFit::Of { models, head },
        (true, Some((difference, name))) if difference.left_over.len() < found.len() => {
            WeightsFit::None(format!("the nearest is {name}; {}", difference.said()))
        }
        (true, _) => WeightsFit::None(format!("its tensor names match no network: {}", some(found.keys()))),
    }
}

fn difference(found: &BTreeMap<&str, Vec<u64>>, body: &[TensorShape], head: &str) -> Difference {
    let mut difference = Difference::default();
    let mut expected = BTreeSet::new();
    for TensorShape { name, shape, .. } in body {
        expected.insert(name.as_str());
        match found.get(name.as_str()) {
            None => difference.missing.push(name.clone()),
            Some(own) if own != shape => difference.shapes.push(format!("{name} is {own:?}, not {shape:?}")),
            Some(_) => {}
        }
    }
    let of_head =
        |name: &str| name.strip_prefix(head).is_some_and(|rest| [".weight", ".bias"].contains(&rest));
    let left = found.keys().filter(|name| !expected.contains(**name) && !of_head(name));
    difference.left_over = left.map(|name| (*name).to_owned()).collect();
    difference
}

/// The last layer in a file, with its number of outputs.
fn outputs(found: &BTreeMap<&str, Vec<u64>>, head: &str) -> Option<(String, u64)> {
    let bias = found.get(format!("{head}.weight").as_str())?;
    Some((head.to_owned(), *bias.first()?))
}

/// The first of a list, and how many more there are.
fn some<S: AsRef<str>>(names: impl ExactSizeIterator<Item = S>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.take(SHOWN).map(|name| name.as_ref().to_owned()).collect();
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {} more", shown.join(", "), thousands(more as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(name: &str, labels: u32) -> Vec<TensorShape> {
        Plan::of(&preset(name).unwrap().model.architecture, labels).unwrap().tensors()
    }

    fn said(tensors: &[TensorShape]) -> String {
        weights_fit(&tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.clone())).collect())
            .to_string()
    }

    #[test]
    fn every_preset_fits_itself_whatever_its_last_layer_is() {
        for name in names() {
            for labels in [1, 15, 1000] {
                let all = tensors(&name, labels);
                let all: BTreeMap<&str, Vec<u64>> =
                    all.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.clone())).collect();
                let WeightsFit::Of { models, head: Some((_, outputs)) } = weights_fit(&all) else {
                    panic!("{name}")
                };
                // Networks that differ in pooling or meta features alone are named by one of them.
                let last = format!("{}.", preset(&name).unwrap().model.architecture.head);
                let own = |model: &String| {
                    let mut body =
                        tensors(model, labels).into_iter().filter(|one| !one.name.starts_with(&last));
                    body.all(|one| all.get(one.name.as_str()) == Some(&one.shape))
                };
                assert!(models.iter().any(own), "{name}: {models:?}");
                assert_eq!(outputs, u64::from(labels), "{name}");
            }
        }
        let mut headless = tensors("resnet50", 1000);
        headless.retain(|tensor| !tensor.name.starts_with("fc."));
        assert_eq!(
            said(&headless),
            "tensors of resnet50, without a last layer: a training starts with a new one"
        );
    }

    #[test]
    fn a_tensor_of_another_shape_is_named_with_both_shapes() {
        let mut all = tensors("resnet50", 1000);
        let at = |all: &[TensorShape], name: &str| all.iter().position(|tensor| tensor.name == name).unwrap();
        let place = at(&all, "layer2.0.conv2.weight");
        all[place].shape = vec![128, 128, 1, 1];
        let message = said(&all);
        assert!(
            message.ends_with(
                "the nearest is resnet50; other shapes: layer2.0.conv2.weight is [128, 128, 1, 1], not [128, 128, 3, 3]"
            ),
            "{message}"
        );
        // A wide ResNet has the names of ResNet-50 and other widths.
        let mut wide = tensors("resnet50", 1000);
        for tensor in wide.iter_mut().filter(|tensor| tensor.name.starts_with("layer1.")) {
            tensor.shape[0] *= 2;
        }
        let message = said(&wide);
        assert!(message.contains("nearest is resnet50; other shapes: layer1.0.conv1.weight is [128, 64, 1, 1], not [64, 64, 1, 1]"), "{message}");
        assert!(message.ends_with(" more"), "{message}");
    }

    #[test]
    fn what_is_missing_and_what_is_left_over_is_named() {
        let mut all = tensors("densenet121", 1000);
        let gone = all.remove(4).name;
        all.push(TensorShape { name: "extra".into(), shape: vec![1], parameter: true });
        let message = said(&all);
        assert!(
            message.contains(&format!("nearest is densenet121; missing: {gone}; left over: extra")),
            "{message}"
        );
        let alien = [TensorShape { name: "blocks.0".into(), shape: vec![1], parameter: true }];
        assert!(said(&alien).ends_with("its tensor names match no network: blocks.0"), "{}", said(&alien));
    }
}
