//! Networks by name: the files in `presets/`, and what is derived from each.
//!
//! `-1channel` has one input channel; `-large` also twice the input and one more max-pooling behind the first
//! stage (Baltruschat et al., Scientific Reports 9, 6381, 2019); `-meta`, behind either, appends age, gender and
//! view to the features.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::settings::extra_pool;
use super::{NetworkFileError, check};
use crate::records::{Architecture, ImageInput, Layer, Model};

/// Name and text of each file, sorted by name.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

const ONE_CHANNEL: &str = "-1channel";
const LARGE: &str = "-large";
const META: &str = "-meta";

/// A network by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// The network.
    pub model: Model,
    /// Settings of training in which it differs from the defaults.
    pub training: Map<String, Value>,
    /// Whether it is a `-large` one.
    pub large: bool,
}

/// The file of a network.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    image: Option<ImageInput>,
    #[serde(default)]
    meta: bool,
    layers: Vec<Layer>,
    head: String,
    #[serde(default)]
    training: Map<String, Value>,
}

/// Names of the files.
pub fn bases() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The text of a file.
#[cfg(test)]
pub(super) fn text_of(base: &str) -> Option<&'static str> {
    FILES.iter().find(|(name, _)| *name == base).map(|(_, text)| *text)
}

/// Names of all presets.
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    for base in bases() {
        for input in ["", ONE_CHANNEL, LARGE] {
            names.extend(["", META].map(|meta| format!("{base}{input}{meta}")));
        }
    }
    names.retain(|name| preset(name).is_some());
    names
}

/// The preset `name`, if there is one.
pub fn preset(name: &str) -> Option<Preset> {
    let (rest, meta) = name.strip_suffix(META).map_or((name, false), |rest| (rest, true));
    let suffix = [ONE_CHANNEL, LARGE].into_iter().find(|suffix| rest.ends_with(suffix)).unwrap_or("");
    let base = &rest[..rest.len() - suffix.len()];
    let (_, text) = FILES.iter().find(|(known, _)| *known == base)?;
    let mut preset = parse(name, text).unwrap_or_else(|e| panic!("the network {base} is tested: {e}"));
    let architecture = &mut preset.model.architecture;
    if meta {
        architecture.image.as_ref()?;
        architecture.meta = true;
    }
    if !suffix.is_empty() {
        // The paper does not say how it scales gray values; these numbers give approximately zero mean and unit
        // standard deviation.
        let image = architecture.image.as_mut().filter(|image| image.channels == 3)?;
        (image.channels, image.mean, image.std) = (1, vec![0.5], vec![0.25]);
    }
    if suffix == LARGE {
        let image = architecture.image.as_mut()?;
        (image.input, image.resize) = (2 * image.input, image.input + image.resize);
        preset.large = extra_pool(architecture, true);
        return preset.large.then_some(preset);
    }
    Some(preset)
}

/// Reads the file of a network.
///
/// # Errors
/// What is wrong, with the line or the field.
pub fn parse(name: &str, text: &str) -> Result<Preset, NetworkFileError> {
    let file: NetworkFile = toml::from_str(text).map_err(|e| NetworkFileError::of_toml(&e))?;
    let NetworkFile { image, meta, layers, head, training } = file;
    let meta = meta || image.is_none();
    let architecture = Architecture { image, meta, layers, head };
    check(&architecture, 1)?;
    let model = Model { name: name.to_owned(), architecture };
    Ok(Preset { model, training, large: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Plan;
    use crate::records::Block;

    #[test]
    fn every_name_is_a_preset_and_the_rest_is_none() {
        let names = names();
        for name in &names {
            assert_eq!(preset(name).unwrap().model.name, *name);
        }
        let of = |base: &str| names.iter().filter(|name| name.starts_with(base)).count();
        assert_eq!((of("resnet50"), of("densenet121"), of("tiny"), of("mlp")), (6, 6, 2, 1));
        for wrong in
            ["resnet", "resnet500", "resnet50-", "resnet50-meta-large", "mlp-meta", "tiny-large", "", "-meta"]
        {
            assert!(preset(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn large_networks_pool_once_more_and_see_twice_the_side() {
        for (name, stage) in
            [("resnet50-large-meta", "layer1"), ("densenet121-large-meta", "features.denseblock1")]
        {
            let large = preset(name).unwrap();
            let Architecture { image: Some(image), meta: true, layers, .. } = &large.model.architecture
            else {
                panic!("{name} has images and meta features")
            };
            assert_eq!((image.channels, image.input, image.resize, large.large), (1, 448, 480, true));
            let stage = layers.iter().position(|layer| match layer {
                Layer::Residual { name, block: Block::Bottleneck, .. } | Layer::DenseBlock { name, .. } => {
                    name == stage
                }
                _ => false,
            });
            assert_eq!(layers[stage.unwrap() + 1], Layer::MaxPool { kernel: 3, stride: 2, padding: 1 });
            let plan = Plan::of(&large.model.architecture, 15).unwrap();
            assert_eq!((plan.map().side, plan.smallest), (7, 64));
        }
    }

    #[test]
    fn a_field_that_is_wrong_is_named_with_its_layer() {
        let text = FILES.iter().find(|(name, _)| *name == "resnet18").unwrap().1;
        let changes = [
            (
                "blocks = 2, planes = 128",
                "blocks = 0, planes = 128",
                "`blocks` of layer 4 (`layer2`) cannot be 0",
            ),
            ("blocks = 2, planes = 128", "blocks = 4000000000, planes = 128", "a network has at most"),
            (
                "planes = 512",
                "planes = 100000",
                "`channels` of layer 6 (`layer4`) cannot be 100000: at most 65,536",
            ),
            ("kernel = 7", "kernel = 8", "`kernel` of layer 1 (`conv1`) cannot be 8: it must be odd"),
            ("name = \"layer2\"", "name = \"layer1\"", "another layer has the same name"),
            ("name = \"layer2\"", "name = \"forward\"", "PyTorch's modules have an attribute of this name"),
            (
                "name = \"layer2\"",
                "name = \"layers.training\"",
                "PyTorch's modules have an attribute of this name",
            ),
            ("name = \"layer2\"", "name = \"dense\"", "PyTorch's modules have an attribute of this name"),
            ("name = \"layer2\"", "name = \"../layer2\"", "letters, digits and _"),
            ("name = \"layer2\"", "nane = \"layer2\"", "unknown field `nane`"),
            ("\"max-pool\"", "\"min-pool\"", "unknown variant `min-pool`"),
            ("channels = 3\n", "channels = 2\n", "`channels` cannot be 2: 1 or 3"),
            ("input = 224", "input = 500", "`resize` cannot be 256"),
            ("head = \"fc\"", "", "missing field `head`"),
            ("head = \"fc\"", "head = \"\"", "`head` cannot be \"\""),
        ];
        for (from, to, said) in changes {
            assert!(text.contains(from), "{from}");
            let error = parse("own", &text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
