//! ResNets of bottleneck blocks with torchvision's structure and tensor names. He et al., CVPR 2016;
//! the stride is in the 3 x 3 convolution, as in torchvision.

use tch::Tensor;

use crate::error::TensorError;
use crate::layers::{Builder, Conv, Memory, Then, pool_3x3};

type Result<T> = std::result::Result<T, TensorError>;

/// Ratio of a block's output channels to those of its 3 x 3 convolution.
const EXPANSION: i64 = 4;
/// Channels of the 3 x 3 convolutions in conv2_x to conv5_x.
const PLANES: [i64; 4] = [64, 128, 256, 512];
/// Number of pooled features.
pub(crate) const FEATURES: i64 = PLANES[3] * EXPANSION;

/// The layers before the dense one.
pub(crate) struct Resnet {
    conv1: Conv,
    stages: Vec<Vec<Bottleneck>>,
    extra_pool: bool,
}

impl Resnet {
    pub(crate) fn build(to: &mut Builder, blocks: [u32; 4], extra_pool: bool, channels: i64) -> Result<Self> {
        let conv1 = to.conv(["conv1", "bn1"], [channels, PLANES[0]], [7, 2])?;
        let mut inputs = PLANES[0];
        let mut stages = Vec::new();
        for (stage, (&count, planes)) in blocks.iter().zip(PLANES).enumerate() {
            let mut blocks = Vec::new();
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let name = format!("layer{}.{block}", stage + 1);
                blocks.push(Bottleneck::build(to, &name, inputs, planes, stride)?);
                inputs = planes * EXPANSION;
            }
            stages.push(blocks);
        }
        Ok(Resnet { conv1, stages, extra_pool })
    }

    /// The output of the last block: `[batch, channels, side, side]` to `[batch, 2048, side / 32, side / 32]`.
    pub(crate) fn map(&self, images: &Tensor, training: bool) -> Result<Tensor> {
        let mut x = pool_3x3(&self.conv1.forward(images, training, Then::Relu)?)?;
        for (stage, blocks) in self.stages.iter().enumerate() {
            for block in blocks {
                x = block.forward(x, training)?;
            }
            if stage == 0 && self.extra_pool {
                x = pool_3x3(&x)?;
            }
        }
        Ok(x)
    }

    /// The same layers with the running statistics folded into the weights, for evaluation.
    pub(crate) fn folded(&self, memory: Memory) -> Result<Self> {
        let stage = |blocks: &Vec<Bottleneck>| blocks.iter().map(|block| block.folded(memory)).collect();
        Ok(Resnet {
            conv1: self.conv1.folded(memory)?,
            stages: self.stages.iter().map(stage).collect::<Result<_>>()?,
            extra_pool: self.extra_pool,
        })
    }
}

/// 1 x 1, 3 x 3 and 1 x 1 convolution, added to the input.
struct Bottleneck {
    layers: [Conv; 3],
    downsample: Option<Conv>,
}

impl Bottleneck {
    fn build(to: &mut Builder, name: &str, inputs: i64, planes: i64, stride: i64) -> Result<Self> {
        let outputs = planes * EXPANSION;
        let mut layer = |number: u32, channels: [i64; 2], shape: [i64; 2]| {
            to.conv([&format!("{name}.conv{number}"), &format!("{name}.bn{number}")], channels, shape)
        };
        let layers = [
            layer(1, [inputs, planes], [1, 1])?,
            layer(2, [planes, planes], [3, stride])?,
            layer(3, [planes, outputs], [1, 1])?,
        ];
        let downsample = match stride != 1 || inputs != outputs {
            true => {
                let names = [&format!("{name}.downsample.0"), &format!("{name}.downsample.1")];
                Some(to.conv(names.map(String::as_str), [inputs, outputs], [1, stride])?)
            }
            false => None,
        };
        Ok(Bottleneck { layers, downsample })
    }

    fn forward(&self, x: Tensor, training: bool) -> Result<Tensor> {
        let [conv1, conv2, conv3] = &self.layers;
        let y = conv1.forward(&x, training, Then::Relu)?;
        let y = conv2.forward(&y, training, Then::Relu)?;
        let shortcut = match &self.downsample {
            Some(conv) => conv.forward(&x, training, Then::Nothing)?,
            None => x,
        };
        conv3.forward(&y, training, Then::AddRelu(shortcut))
    }

    fn folded(&self, memory: Memory) -> Result<Self> {
        let [a, b, c] = &self.layers;
        Ok(Bottleneck {
            layers: [a.folded(memory)?, b.folded(memory)?, c.folded(memory)?],
            downsample: self.downsample.as_ref().map(|conv| conv.folded(memory)).transpose()?,
        })
    }
}
