//! A model as data: everything that defines its layers, nothing of how it is trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network with a dense layer of one logit a label at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name of the preset that it started from; what tables call it.
    pub name: String,
    /// The layers.
    pub architecture: Architecture,
}

/// The layers of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "family", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Architecture {
    /// ResNet with bottleneck blocks, version 1, as torchvision has it (the stride in the 3 x 3
    /// convolution). He et al., CVPR 2016.
    Resnet {
        /// Bottleneck blocks in conv2_x, conv3_x, conv4_x, conv5_x.
        blocks: [u32; 4],
        /// One more max-pooling (3 x 3, stride 2, padding 1) after conv2_x.
        extra_pool: bool,
        /// Age, gender and view are concatenated to the 2048 pooled features.
        meta: bool,
        /// What the images become.
        image: ImageInput,
    },
    /// A few 3 x 3 convolutions with BatchNorm, ReLU and 2 x 2 max-pooling each, then global average
    /// pooling: for tests and the demo.
    Tiny {
        /// Output channels of each convolution.
        widths: Vec<u32>,
        /// Age, gender and view are concatenated to the pooled features.
        meta: bool,
        /// What the images become.
        image: ImageInput,
    },
    /// A multi-layer perceptron on age, gender and view alone.
    Mlp {
        /// Units of each hidden layer, each followed by ReLU.
        hidden: Vec<u32>,
    },
}

/// What an image is turned into before it enters a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    /// 1, or 3 equal ones for pre-trained weights.
    pub channels: u32,
    /// Side of the square that the network sees, in pixels.
    pub input: u32,
    /// Validation and test: side to which an image is resized before the centre is cropped.
    pub resize: u32,
    /// Subtracted from gray values in [0, 1], a channel each.
    pub mean: Vec<f64>,
    /// Divides what is left, a channel each.
    pub std: Vec<f64>,
}

impl Architecture {
    /// How images enter, for a network that looks at images.
    pub fn image(&self) -> Option<&ImageInput> {
        match self {
            Architecture::Resnet { image, .. } | Architecture::Tiny { image, .. } => Some(image),
            Architecture::Mlp { .. } => None,
        }
    }

    /// Whether age, gender and view enter.
    pub fn meta(&self) -> bool {
        match self {
            Architecture::Resnet { meta, .. } | Architecture::Tiny { meta, .. } => *meta,
            Architecture::Mlp { .. } => true,
        }
    }
}
