//! ResNets of bottleneck blocks with torchvision's structure and tensor names. He et al., CVPR 2016;
//! the stride sits in the 3 x 3 convolution, as torchvision has it.

use tch::Tensor;

use crate::error::TensorError;
use crate::layers::{BatchNorm, Builder, Conv, global_mean, pool_3x3};

type Result<T> = std::result::Result<T, TensorError>;

/// Output channels of a block over those of its 3 x 3 convolution.
const EXPANSION: i64 = 4;
/// Channels of the 3 x 3 convolutions in conv2_x to conv5_x.
const PLANES: [i64; 4] = [64, 128, 256, 512];
/// Pooled features.
pub(crate) const FEATURES: i64 = PLANES[3] * EXPANSION;

/// The layers before the dense one.
pub(crate) struct Resnet {
    conv1: Conv,
    bn1: BatchNorm,
    stages: Vec<Vec<Bottleneck>>,
    extra_pool: bool,
}

impl Resnet {
    pub(crate) fn build(to: &mut Builder, blocks: [u32; 4], extra_pool: bool, channels: i64) -> Result<Self> {
        let conv1 = to.conv("conv1", [channels, PLANES[0]], 7, 2)?;
        let bn1 = to.batch_norm("bn1", PLANES[0])?;
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
        Ok(Resnet { conv1, bn1, stages, extra_pool })
    }

    /// `[batch, channels, side, side]` to `[batch, 2048]`.
    pub(crate) fn features(&self, images: &Tensor, training: bool) -> Result<Tensor> {
        let mut x = self.bn1.forward(&self.conv1.forward(images)?, training)?;
        x = pool_3x3(&x.f_relu_()?)?;
        for (stage, blocks) in self.stages.iter().enumerate() {
            for block in blocks {
                x = block.forward(&x, training)?;
            }
            if stage == 0 && self.extra_pool {
                x = pool_3x3(&x)?;
            }
        }
        global_mean(&x)
    }
}

/// 1 x 1, 3 x 3 and 1 x 1 convolution, added to the input.
struct Bottleneck {
    layers: [(Conv, BatchNorm); 3],
    downsample: Option<(Conv, BatchNorm)>,
}

impl Bottleneck {
    fn build(to: &mut Builder, name: &str, inputs: i64, planes: i64, stride: i64) -> Result<Self> {
        let outputs = planes * EXPANSION;
        let mut layer = |number: u32, channels: [i64; 2], kernel, stride| -> Result<(Conv, BatchNorm)> {
            let conv = to.conv(&format!("{name}.conv{number}"), channels, kernel, stride)?;
            Ok((conv, to.batch_norm(&format!("{name}.bn{number}"), channels[1])?))
        };
        let layers = [
            layer(1, [inputs, planes], 1, 1)?,
            layer(2, [planes, planes], 3, stride)?,
            layer(3, [planes, outputs], 1, 1)?,
        ];
        let downsample = match stride != 1 || inputs != outputs {
            true => {
                let conv = to.conv(&format!("{name}.downsample.0"), [inputs, outputs], 1, stride)?;
                Some((conv, to.batch_norm(&format!("{name}.downsample.1"), outputs)?))
            }
            false => None,
        };
        Ok(Bottleneck { layers, downsample })
    }

    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        let [(conv1, bn1), (conv2, bn2), (conv3, bn3)] = &self.layers;
        let y = bn1.forward(&conv1.forward(x)?, training)?.f_relu_()?;
        let y = bn2.forward(&conv2.forward(&y)?, training)?.f_relu_()?;
        let mut y = bn3.forward(&conv3.forward(&y)?, training)?;
        let mut sum = match &self.downsample {
            Some((conv, bn)) => y.f_add_(&bn.forward(&conv.forward(x)?, training)?)?,
            None => y.f_add_(x)?,
        };
        Ok(sum.f_relu_()?)
    }
}
