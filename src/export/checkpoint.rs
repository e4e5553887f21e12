//! A checkpoint with `model.py`, which defines the parts of the network in PyTorch that torchvision does not
//! have.
//!
//! The weights are the recorded ones, byte for byte; they have torchvision's names. The program processes
//! images like [`crate::dataset::pixels`] and the worker, with the same integers, so that scores agree up to
//! the rounding of single precision.

use super::{ExportError, ExportFolder};
use crate::escape;
use crate::hash::Id;
use crate::records::{AgeRange, Architecture, ImageInput, Run};
use crate::registry::Registry;
use crate::store::LinkMode;

/// File name of the weights in an exported folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// File name of the program in an exported folder.
pub const PROGRAM: &str = "model.py";

/// Writes the weights of a run and a program that scores images with them.
pub fn checkpoint(registry: &Registry, run: Id<Run>, folder: &ExportFolder) -> Result<(), ExportError> {
    folder.write(PROGRAM, program_of(registry, run)?.as_bytes())?;
    folder.object(registry.store(), &registry.get(run)?.checkpoint.hash, CHECKPOINT, LinkMode::Copy)
}

/// The program that scores images with a run's weights.
pub(super) fn program_of(registry: &Registry, run: Id<Run>) -> Result<String, ExportError> {
    let spec = registry.get(registry.get(run)?.spec)?;
    let dataset = registry.get(spec.dataset)?;
    Ok(program(&run.to_string(), &spec.model.architecture, &dataset.labels, dataset.age))
}

/// The program: a network and its input, assembled from the files in `model/`.
fn program(run: &str, architecture: &Architecture, labels: &[String], age: Option<AgeRange>) -> String {
    let (image, meta) = (architecture.image(), architecture.meta());
    let mut parts = vec![begin(run, architecture, labels)];
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
    parts.push(network(architecture));
    parts.push(end(image.is_some(), meta));
    // Two blank lines between definitions; none between constants.
    let first = parts.remove(0);
    parts.into_iter().fold(first, |text, part| {
        let constants = text.ends_with("]\n") && part.starts_with(|c: char| c.is_ascii_uppercase());
        text + if constants { "" } else { "\n\n" } + &part
    })
}

fn begin(run: &str, architecture: &Architecture, labels: &[String]) -> String {
    let (image, meta) = (architecture.image().is_some(), architecture.meta());
    let resnet = matches!(architecture, Architecture::Resnet { .. });
    let usage: Vec<&str> =
        [image.then_some("IMAGE.png"), meta.then_some("[--age YEARS] [--gender M|F] [--view PA|AP]")]
            .into_iter()
            .flatten()
            .collect();
    let needs = match (image, resnet) {
        (true, true) => "torch, torchvision, safetensors, numpy and pillow",
        (true, false) => "torch, safetensors, numpy and pillow",
        _ => "torch and safetensors",
    };
    let mut imports = Vec::new();
    if image {
        imports.push("import numpy as np");
    }
    imports.push("import torch");
    if image {
        imports.push("from PIL import Image, ImageOps");
    }
    imports.push("from safetensors.torch import load_file");
    let extra = matches!(
        architecture,
        Architecture::Resnet { image, extra_pool, .. } if image.channels != 3 || *extra_pool
    );
    if !resnet || extra {
        imports.push("from torch import nn");
    }
    if resnet {
        imports.push("from torchvision.models.resnet import Bottleneck, ResNet");
    }
    let names: Vec<String> = labels.iter().map(|label| format!("    {},\n", escape::json(label))).collect();
    let title = match architecture {
        Architecture::Resnet { .. } => "A ResNet",
        Architecture::Tiny { .. } => "A small convolutional network",
        Architecture::Mlp { .. } => "A perceptron on age, gender and view position",
    };
    include_str!("model/begin.py")
        .replace("MODEL, and its scores of an image", &format!("{title}, and its scores of an image"))
        .replace("USAGE", &usage.join(" "))
        .replace("NEEDS", needs)
        .replace("VERSION", env!("CARGO_PKG_VERSION"))
        .replace("IMPORTS", &imports.join("\n"))
        .replace("run RUN", &format!("run\n{run}"))
        .replace("LABEL_NAMES", &format!("[\n{}]", names.concat()))
}

fn network(architecture: &Architecture) -> String {
    let extra = if architecture.meta() { 3 } else { 0 };
    match architecture {
        Architecture::Resnet { blocks, extra_pool, meta, image } => {
            let (mut init, mut differences) = (String::new(), Vec::new());
            if image.channels != 3 {
                init += &format!(
                    "\n        self.conv1 = nn.Conv2d({}, 64, 7, stride=2, padding=3, bias=False)",
                    image.channels
                );
                differences.push("one channel");
            }
            if *extra_pool {
                init += "\n        self.layer1.append(nn.MaxPool2d(3, stride=2, padding=1))";
                differences.push("a max-pooling after conv2_x");
            }
            let forward = if *meta {
                init += "\n        self.fc = torch.nn.Linear(2048 + 3, len(LABELS))";
                differences.push("age, gender and view appended to the features");
                include_str!("model/resnet_meta.py")
            } else {
                ""
            };
            let differences = match differences.as_slice() {
                [] => ", as in torchvision".to_owned(),
                all => format!(".\n\n    Unlike torchvision's: {}", all.join(", ")),
            };
            include_str!("model/resnet.py")
                .replace("blocks BLOCKS", &format!("blocks {}", numbers(blocks)))
                .replace("DIFFERENCES", &differences)
                .replace("BLOCKS", &numbers(blocks))
                .replace("INIT", &init)
                .replace("FORWARD\n", forward)
        }
        Architecture::Tiny { widths, meta, image } => include_str!("model/tiny.py")
            .replace("CHANNELS", &image.channels.to_string())
            .replace("WIDTHS", &numbers(widths))
            .replace(" + EXTRA", &if extra > 0 { format!(" + {extra}") } else { String::new() })
            .replace(", META_ARGUMENT", if *meta { ", meta" } else { "" })
            .replace("LAST", if *meta { "torch.cat([x, meta], 1)" } else { "x" }),
        Architecture::Mlp { hidden } => include_str!("model/mlp.py").replace("HIDDEN", &numbers(hidden)),
    }
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

fn numbers(values: &[u32]) -> String {
    format!("{values:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::labels;
    use crate::runs::presets;

    /// The program of each of these models was run with PyTorch 2.11 and torchvision 0.26 on a checkpoint of
    /// its kind, and its scores agreed with `reg predict` within 1e-5; fixtures/model/README.md describes how.
    /// After a change of a program, repeat this.
    #[test]
    fn programs_are_the_ones_that_were_tried() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/model");
        for name in ["resnet50", "resnet50-1channel", "resnet38-large-meta", "tiny-meta", "mlp"] {
            let model = presets::model(name).expect("a preset");
            let age = Some(AgeRange { min: 1, max: 95 });
            let text = program(&"0".repeat(64), &model.architecture, &labels::names(), age);
            let path = folder.join(format!("{name}.py"));
            if std::env::var_os("REG_REGENERATE").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert!(text.lines().all(|line| line.len() <= 120), "{name}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{}", path.display());
        }
    }
}
