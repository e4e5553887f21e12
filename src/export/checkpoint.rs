//! A checkpoint with `model.py`, which defines the network in PyTorch.
//!
//! The weights are the recorded ones, byte for byte; they have torchvision's names. The program has the layers
//! as the spec records them, and a method for each kind of layer among them. It processes images like
//! [`crate::dataset::pixels`] and the worker, with the same integers, so that scores agree up to the rounding of
//! single precision.

use super::{ExportError, ExportFolder};
use crate::digits::counted;
use crate::escape;
use crate::hash::Id;
use crate::records::{AgeRange, Architecture, AucTable, ImageInput, Layer, Model, OperatingPoint, Run, Spec};
use crate::registry::Registry;
use crate::scores::run_thresholds;
use crate::store::LinkMode;
use serde_json::Value;

/// File name of the weights in an exported folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// File name of the program in an exported folder.
pub const PROGRAM: &str = "model.py";

/// Writes the weights of a run and a program that scores images with them.
pub fn checkpoint(registry: &Registry, run: Id<Run>, folder: &ExportFolder) -> Result<(), ExportError> {
    let weights = registry.get(run)?.checkpoint;
    let (Some(program), Some(weights)) = (program_of(registry, run)?, weights) else {
        return Err(ExportError::OfProgram(run.hash.short()));
    };
    folder.write(PROGRAM, program.as_bytes())?;
    folder.object(registry.store(), &weights.hash, CHECKPOINT, LinkMode::Copy)
}

/// The program that scores images with a run's weights; none where a program of the user's own trained them.
pub(super) fn program_of(registry: &Registry, run: Id<Run>) -> Result<Option<String>, ExportError> {
    let Spec::Network(spec) = registry.get(registry.get(run)?.spec)? else { return Ok(None) };
    let dataset = registry.get(spec.dataset)?;
    let thresholds = thresholds(registry, run, OperatingPoint::Youden)?;
    Ok(Some(program(&run.to_string(), &spec.model, &dataset.labels, dataset.age, thresholds.as_ref())))
}

/// The validation images of a run with the thresholds chosen on them.
pub(super) fn thresholds(
    registry: &Registry,
    run: Id<Run>,
    at: OperatingPoint,
) -> Result<Option<AucTable>, ExportError> {
    run_thresholds(registry, &registry.view()?, run, at)
        .map_err(|e| ExportError::Inconsistent { id: run.hash, reason: e.to_string() })
}

/// The program: a network and its input, assembled from the files in `model/`.
fn program(
    run: &str,
    model: &Model,
    labels: &[String],
    age: Option<AgeRange>,
    thresholds: Option<&AucTable>,
) -> String {
    let (image, meta) = (model.architecture.image(), model.architecture.meta());
    let mut parts = vec![begin(run, model, labels, thresholds)];
    if let Some(ImageInput { input, resize, mean, std, .. }) = image {
        let pixels = include_str!("model/pixels.py")
            .replace("RESIZE, SIDE = SIDES", &format!("RESIZE, SIDE = {resize}, {input}"))
            .replace("MEAN, STD = NORMAL", &format!("MEAN, STD = {mean:?}, {std:?}"));
        parts.push(pixels);
    }
    if meta {
        let range = age.map_or("None".to_owned(), |age| format!("({}, {})", age.min, age.max));
        parts.push(include_str!("model/meta.py").replace("AGE_RANGE", &range));
    }
    parts.push(network(&model.architecture));
    parts.push(end(image.is_some(), meta));
    // Two blank lines between definitions; none between constants.
    let first = parts.remove(0);
    parts.into_iter().fold(first, |text, part| {
        let constants = text.ends_with("]\n") && part.starts_with(|c: char| c.is_ascii_uppercase());
        text + if constants { "" } else { "\n\n" } + &part
    })
}

fn begin(run: &str, model: &Model, labels: &[String], thresholds: Option<&AucTable>) -> String {
    let (image, meta) = (model.architecture.image().is_some(), model.architecture.meta());
    let usage: Vec<&str> =
        [image.then_some("IMAGE.png"), meta.then_some("[--age YEARS] [--gender M|F] [--view PA|AP]")]
            .into_iter()
            .flatten()
            .collect();
    let (needs, imports) = match image {
        true => (
            "torch, safetensors, numpy and pillow",
            ["import numpy as np\n", "from PIL import Image, ImageOps\n"],
        ),
        false => ("torch and safetensors", ["", ""]),
    };
    let [numbers, images] = imports;
    let imports = format!(
        "{numbers}import torch\n{images}from safetensors.torch import load_file\nfrom torch import nn"
    );
    let list = |items: Vec<String>| {
        format!("[\n{}]\n", items.iter().map(|item| format!("    {item},\n")).collect::<String>())
    };
    let layers = model.architecture.layers.iter().map(|layer| python(&serde_json::json!(layer))).collect();
    // A record's text is put in last, or at the end, because it could have any of these words.
    let named = |c: &char| c.is_ascii_alphanumeric() || "._-+".contains(*c);
    let text = include_str!("model/begin.py")
        .replace("USAGE", &usage.join(" "))
        .replace("NEEDS", needs)
        .replace("VERSION", env!("CARGO_PKG_VERSION"))
        .replace("IMPORTS", &imports)
        .replace("run RUN", &format!("run\n{run}"))
        .replacen("MODEL", &model.name.chars().filter(named).collect::<String>(), 1);
    let logit = |place: usize| thresholds?.labels.get(place)?.threshold.map(|threshold| threshold.score);
    let logits = (0..labels.len()).map(|place| logit(place).map_or("None".to_owned(), |x| format!("{x:?}")));
    let chosen = match thresholds.and_then(|auc| Some((auc, auc.operating_point?))) {
        Some((auc, at)) => format!(
            "those with {at}, chosen on {} of {}.",
            counted(auc.images, "validation image"),
            counted(auc.patients, "patient")
        ),
        None => "None without scores of validation images.".to_owned(),
    };
    let labels = labels.iter().map(|label| escape::json(label)).collect();
    format!(
        "{text}\nLABELS = {}# An image counts as positive if its logit is at least this:\n# {chosen}\nTHRESHOLDS = {}LAYERS = {}",
        list(labels),
        list(logits.collect()),
        list(layers)
    )
}

/// A layer of a record as a literal: it has numbers, text, and lists of them.
fn python(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields =
                fields.iter().map(|(key, value)| format!("{}: {}", escape::json(key), python(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::String(text) => escape::json(text),
        other => other.to_string(),
    }
}

/// The methods of a kind of layer, and the kinds that it builds on.
fn methods(layer: &Layer) -> (&'static [&'static str], &'static str) {
    const CONVOLUTION: &str = include_str!("model/layers/convolution.py");
    const NORM: &str = include_str!("model/layers/norm.py");
    match layer {
        Layer::Conv { .. } => (&[CONVOLUTION], include_str!("model/layers/conv.py")),
        Layer::MaxPool { .. } => (&[], include_str!("model/layers/max-pool.py")),
        Layer::ConvPool { .. } => (&[CONVOLUTION], include_str!("model/layers/conv-pool.py")),
        Layer::Residual { .. } => (&[CONVOLUTION], include_str!("model/layers/residual.py")),
        Layer::DenseBlock { .. } => (&[CONVOLUTION, NORM], include_str!("model/layers/dense-block.py")),
        Layer::Transition { .. } => (&[CONVOLUTION, NORM], include_str!("model/layers/transition.py")),
        Layer::Norm { .. } => (&[CONVOLUTION], NORM),
        Layer::Dense { .. } => (&[], include_str!("model/layers/dense.py")),
    }
}

fn network(architecture: &Architecture) -> String {
    let (image, meta) = (architecture.image(), architecture.meta());
    // What the first image is, so that all modules are made.
    let (arguments, first, features, last) = match (image, meta) {
        (None, _) => ("x", "torch.zeros(1, 3)".to_owned(), "x.shape[1]", "x"),
        (Some(image), meta) => {
            let zeros = format!("torch.zeros(1, {}, SIDE, SIDE)", image.channels);
            match meta {
                false => ("x", zeros, "x.shape[1]", "x.mean((2, 3))"),
                true => (
                    "x, meta",
                    format!("{zeros}, torch.zeros(1, 3)"),
                    "x.shape[1] + 3",
                    "torch.cat([x.mean((2, 3)), meta], 1)",
                ),
            }
        }
    };
    let mut text = include_str!("model/network.py")
        .replace("FIRST", &first)
        .replace("ARGUMENTS", arguments)
        .replace("FEATURES", features)
        .replace("LAST", last)
        .replace("HEAD", &escape::json(&architecture.head));
    let mut seen = Vec::new();
    for (below, own) in architecture.layers.iter().map(methods) {
        for part in below.iter().copied().chain([own]) {
            if !seen.contains(&part) {
                text += &format!("\n{part}");
                seen.push(part);
            }
        }
    }
    text
}

fn end(image: bool, meta: bool) -> String {
    let (mut arguments, mut inputs) = (String::new(), Vec::new());
    if image {
        arguments += "    parser.add_argument(\"image\")\n";
        inputs.push("square(arguments.image)");
    }
    if meta {
        arguments += "    parser.add_argument(\"--age\", type=int)\n";
        arguments += "    parser.add_argument(\"--gender\", choices=[\"M\", \"F\"])\n";
        arguments += "    parser.add_argument(\"--view\", choices=[\"PA\", \"AP\"])\n";
        inputs.push("meta(arguments.age, arguments.gender, arguments.view)");
    }
    include_str!("model/end.py")
        .replace("ARGUMENTS", &arguments)
        .replace("INPUTS", &inputs.join(",\n            "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::labels;
    use crate::network::preset;

    /// The program of each of these models was run with PyTorch 2.11 on a checkpoint of its kind, and its scores agreed with `reg predict` within 1e-5; fixtures/model/README.md describes how.
    /// After a change of a program, repeat this.
    #[test]
    fn programs_are_the_ones_that_were_tried() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/model");
        for name in
            ["resnet50", "resnet18-1channel", "resnet38-large-meta", "densenet121", "tiny-meta", "mlp"]
        {
            let model = preset(name).expect("a preset").model;
            let age = Some(AgeRange { min: 1, max: 95 });
            let text = program(&"0".repeat(64), &model, &labels::names(), age, None);
            let path = folder.join(format!("{name}.py"));
            if std::env::var_os("REG_REGENERATE").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert!(text.lines().all(|line| line.len() <= 120), "{name}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{}", path.display());
        }
    }
}
