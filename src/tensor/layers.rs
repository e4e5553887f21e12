//! The layers that networks are made of, and the parameters and buffers behind them.
//!
//! Initial values are drawn from a stream that is keyed by the seed and the parameter's number, not
//! from libtorch's generators, so that they are the same on every device.

use reg::random::Stream;
use tch::{Device, Kind, Tensor};

use crate::error::TensorError;

type Result<T> = std::result::Result<T, TensorError>;

/// A named tensor of a network.
pub(crate) struct Named {
    /// torchvision's name.
    pub(crate) name: String,
    /// The values; layers share them.
    pub(crate) tensor: Tensor,
    /// Whether it is trained (a parameter) or counted (the running statistics of BatchNorm).
    pub(crate) parameter: bool,
}

/// Where initial values come from.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// Drawn by this seed.
    Drawn(u64),
    /// Zeros, because all of them will be loaded.
    Empty,
}

/// Makes layers and keeps account of their tensors.
pub(crate) struct Builder {
    start: Start,
    device: Device,
    pub(crate) named: Vec<Named>,
}

impl Builder {
    pub(crate) fn new(start: Start, device: Device) -> Self {
        Builder { start, device, named: Vec::new() }
    }

    fn add(&mut self, name: String, values: &[f32], shape: &[i64], parameter: bool) -> Result<Tensor> {
        let tensor = Tensor::f_from_slice(values)?.f_reshape(shape)?;
        let tensor = layout(&tensor.f_to_device(self.device)?)?.f_set_requires_grad(parameter)?;
        self.named.push(Named { name, tensor: tensor.shallow_clone(), parameter });
        Ok(tensor)
    }

    /// A parameter whose values are drawn one by one.
    fn drawn(&mut self, name: String, shape: &[i64], draw: impl Fn(&mut Stream) -> f64) -> Result<Tensor> {
        let count = shape.iter().product::<i64>() as usize;
        let values = match self.start {
            Start::Drawn(seed) => {
                let mut stream = Stream::new("reg initial weights", seed, &[self.named.len() as u64]);
                (0..count).map(|_| draw(&mut stream) as f32).collect()
            }
            Start::Empty => vec![0.0; count],
        };
        self.add(name, &values, shape, true)
    }

    /// A convolution without bias: normal with variance 2 / fan-out. He et al., ICCV 2015.
    pub(crate) fn conv(
        &mut self,
        name: &str,
        [from, to]: [i64; 2],
        kernel: i64,
        stride: i64,
    ) -> Result<Conv> {
        let deviation = (2.0 / (to * kernel * kernel) as f64).sqrt();
        let shape = [to, from, kernel, kernel];
        let weight = self.drawn(format!("{name}.weight"), &shape, |s| deviation * s.normal())?;
        Ok(Conv { weight, stride, padding: kernel / 2 })
    }

    /// A BatchNorm that begins as the identity on normalised values.
    pub(crate) fn batch_norm(&mut self, name: &str, width: i64) -> Result<BatchNorm> {
        let [zeros, ones] = [0.0, 1.0].map(|value| vec![value; width as usize]);
        Ok(BatchNorm {
            weight: self.add(format!("{name}.weight"), &ones, &[width], true)?,
            bias: self.add(format!("{name}.bias"), &zeros, &[width], true)?,
            mean: self.add(format!("{name}.running_mean"), &zeros, &[width], false)?,
            variance: self.add(format!("{name}.running_var"), &ones, &[width], false)?,
        })
    }

    /// A dense layer: uniform within 1 / sqrt(inputs), as PyTorch begins.
    pub(crate) fn dense(&mut self, name: &str, inputs: i64, outputs: i64) -> Result<Dense> {
        let bound = 1.0 / (inputs as f64).sqrt();
        let weight =
            self.drawn(format!("{name}.weight"), &[outputs, inputs], |s| s.between(-bound, bound))?;
        let bias = self.drawn(format!("{name}.bias"), &[outputs], |s| s.between(-bound, bound))?;
        Ok(Dense { weight, bias })
    }
}

/// Gives a 4-dimensional tensor on the processor the layout in which its convolutions are fastest:
/// channels last. Others are returned as they are.
pub(crate) fn layout(tensor: &Tensor) -> Result<Tensor> {
    let size = tensor.size();
    let &[_, channels, height, width] = size.as_slice() else {
        return Ok(tensor.shallow_clone());
    };
    if tensor.device() != Device::Cpu {
        return Ok(tensor.shallow_clone());
    }
    // Written with strides of their own: libtorch takes a permuted one-channel tensor for channels first.
    let strides = [channels * height * width, 1, width * channels, channels];
    let mut last = Tensor::f_empty_strided(size, strides, (Kind::Float, Device::Cpu))?;
    last.f_copy_(tensor)?;
    Ok(last)
}

/// A convolution whose padding keeps the size at stride 1.
pub(crate) struct Conv {
    weight: Tensor,
    stride: i64,
    padding: i64,
}

impl Conv {
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        Ok(x.f_conv2d(&self.weight, None::<&Tensor>, stride, padding, [1, 1], 1)?)
    }
}

/// Batch normalisation with torch's defaults: momentum 0.1, epsilon 1e-5.
pub(crate) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl BatchNorm {
    /// Normalises by the batch's statistics, which also move the running ones, or by the running ones.
    pub(crate) fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        let (mean, variance) = (Some(&self.mean), Some(&self.variance));
        Ok(x.f_batch_norm(Some(&self.weight), Some(&self.bias), mean, variance, training, 0.1, 1e-5, true)?)
    }
}

/// A dense layer with bias.
pub(crate) struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, Some(&self.bias))?)
    }
}

/// Max-pooling of 3 x 3, stride 2, padding 1.
pub(crate) fn pool_3x3(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?)
}

/// Means over the image plane: `[batch, channels, height, width]` to `[batch, channels]`.
pub(crate) fn global_mean(x: &Tensor) -> Result<Tensor> {
    // Not adaptive pooling, whose gradient on CUDA differs from run to run.
    Ok(x.f_mean_dim(&[2i64, 3][..], false, Kind::Float)?)
}
