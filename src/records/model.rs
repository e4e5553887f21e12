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

/// The layers of a model, in order. What follows from them (tensors and their shapes, sizes of maps, numbers of
/// multiplications) is computed by [`crate::network`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// The conversion of images; null for a network without image input.
    pub image: Option<ImageInput>,
    /// Whether age, gender and view are inputs: appended to the pooled features, or the only inputs of a network
    /// without images.
    pub meta: bool,
    /// The layers before the last one. Those of a network with images end in a map, whose means over the image
    /// plane are the features.
    pub layers: Vec<Layer>,
    /// Name of the last layer, which is dense with bias, from the features to one logit per label: `fc` in
    /// torchvision's ResNets, `classifier` in its DenseNets.
    pub head: String,
}

/// A layer, or a group of layers of a known construction. Names are those of torchvision's modules; a
/// convolution has no bias and is padded so that stride 1 preserves the size, BatchNorm has momentum 0.1 and
/// epsilon 1e-5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "layer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Layer {
    /// A convolution, BatchNorm, ReLU.
    Conv {
        /// Name of the convolution.
        name: String,
        /// Name of the BatchNorm.
        norm: String,
        /// Output channels.
        channels: u32,
        /// Side of the kernel, odd.
        kernel: u32,
        /// The stride.
        stride: u32,
    },
    /// Max-pooling.
    MaxPool {
        /// Side of the window.
        kernel: u32,
        /// The stride.
        stride: u32,
        /// Padding on each side.
        padding: u32,
    },
    /// For each width a 3 x 3 convolution, BatchNorm, ReLU and 2 x 2 max-pooling, named `NAME.N.conv` and
    /// `NAME.N.bn` from 0.
    ConvPool {
        /// Prefix of the names.
        name: String,
        /// Output channels of each convolution.
        widths: Vec<u32>,
    },
    /// A stage of residual blocks, named `NAME.N` from 0, version 1 as in torchvision. He et al., CVPR 2016.
    Residual {
        /// Prefix of the names.
        name: String,
        /// The kind of the blocks.
        block: Block,
        /// Number of blocks.
        blocks: u32,
        /// Channels of the blocks' 3 x 3 convolutions.
        planes: u32,
        /// Stride of the first block.
        stride: u32,
    },
    /// A dense block: each layer is BatchNorm, ReLU, 1 x 1 convolution, BatchNorm, ReLU and 3 x 3 convolution of
    /// all earlier maps, named `NAME.denselayerN` from 1. Huang et al., CVPR 2017.
    DenseBlock {
        /// Prefix of the names.
        name: String,
        /// Number of layers.
        depth: u32,
        /// Channels that each layer adds.
        growth: u32,
        /// Output channels of the 1 x 1 convolutions divided by `growth`.
        bottleneck: u32,
    },
    /// BatchNorm, ReLU, a 1 x 1 convolution to half of the channels and 2 x 2 average pooling, named `NAME.norm`
    /// and `NAME.conv`: between two dense blocks.
    Transition {
        /// Prefix of the names.
        name: String,
    },
    /// BatchNorm and ReLU.
    Norm {
        /// Name of the BatchNorm.
        name: String,
    },
    /// Hidden dense layers with bias, each followed by ReLU, named `NAME.N` from 0: of a network without images.
    Dense {
        /// Prefix of the names.
        name: String,
        /// Units of each layer.
        hidden: Vec<u32>,
    },
}

/// The kind of a residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Block {
    /// Two 3 x 3 convolutions; the first has the stride.
    Basic,
    /// A 1 x 1, a 3 x 3 and a 1 x 1 convolution to four times the channels; the 3 x 3 one has the stride.
    Bottleneck,
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
        self.image.as_ref()
    }

    /// Whether age, gender and view are inputs.
    pub fn meta(&self) -> bool {
        self.meta
    }
}
