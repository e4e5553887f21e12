//! A model as data: everything that defines its layers, and nothing about its training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network that ends with a dense layer of one logit per label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name of the preset; the name in tables.
    pub name: String,
    /// The layers.
    pub architecture: Architecture,
}

/// The layers of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "family", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Architecture {
    /// ResNet with bottleneck blocks, version 1, as in torchvision (the stride is in the 3 x 3 convolution). He
    /// et al., CVPR 2016.
    Resnet {
        /// Bottleneck blocks in conv2_x, conv3_x, conv4_x, conv5_x.
        blocks: [u32; 4],
        /// Whether there is one more max-pooling (3 x 3, stride 2, padding 1) after conv2_x.
        extra_pool: bool,
        /// Whether age, gender and view are concatenated to the 2048 pooled features.
        meta: bool,
        /// The conversion of images.
        image: ImageInput,
    },
    /// A few 3 x 3 convolutions, each with BatchNorm, ReLU and 2 x 2 max-pooling, then global average pooling:
    /// for tests and the demo.
    Tiny {
        /// Output channels of each convolution.
        widths: Vec<u32>,
        /// Whether age, gender and view are concatenated to the pooled features.
        meta: bool,
        /// The conversion of images.
        image: ImageInput,
    },
    /// A multi-layer perceptron on age, gender and view alone.
    Mlp {
        /// Units of each hidden layer, each followed by ReLU.
        hidden: Vec<u32>,
    },
}

/// The conversion of an image to the input of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    /// 1, or 3 equal channels for pre-trained weights.
    pub channels: u32,
    /// Side of the square input in pixels.
    pub input: u32,
    /// Validation and test: side to which an image is resized before the centre is cropped.
    pub resize: u32,
    /// Subtracted from gray values in [0, 1], for each channel.
    pub mean: Vec<f64>,
    /// Divisor after the subtraction, for each channel.
    pub std: Vec<f64>,
}

impl Architecture {
    /// The conversion of images, for a network with image input.
    pub fn image(&self) -> Option<&ImageInput> {
        match self {
            Architecture::Resnet { image, .. } | Architecture::Tiny { image, .. } => Some(image),
            Architecture::Mlp { .. } => None,
        }
    }

    /// Whether age, gender and view are inputs.
    pub fn meta(&self) -> bool {
        match self {
            Architecture::Resnet { meta, .. } | Architecture::Tiny { meta, .. } => *meta,
            Architecture::Mlp { .. } => true,
        }
    }
}
