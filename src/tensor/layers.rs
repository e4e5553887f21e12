//! The layers of networks, with their parameters and buffers.
//!
//! Initial values are drawn from a random stream with the seed and the parameter's number as key, not from
//! libtorch's generators, so that they are the same on every device.

use reg::network::Initial;
use reg::random::Stream;
use reg::records::Layout;
use tch::{Device, Kind, Tensor};

use crate::calls;
use crate::error::TensorError;

type Result<T> = std::result::Result<T, TensorError>;

/// A named tensor of a network.
pub(crate) struct NamedTensor {
    /// The name in torchvision.
    pub(crate) name: String,
    /// The values; layers share them.
    pub(crate) tensor: Tensor,
    /// Whether it is trained (a parameter) or a running statistic of BatchNorm (a buffer).
    pub(crate) parameter: bool,
}

/// Initial values of parameters.
#[derive(Clone, Copy)]
pub(crate) enum InitialValues {
    /// Drawn with this seed.
    Drawn(u64),
    /// Zeros, because all values will be loaded.
    Empty,
}

/// Device and memory layout of tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Memory {
    /// The device.
    pub(crate) device: Device,
    /// The memory layout.
    pub(crate) layout: Layout,
}

impl Memory {
    /// The CPU with the layout in which its convolutions are fastest.
    #[cfg(test)]
    pub(crate) const CPU: Memory = Memory { device: Device::Cpu, layout: Layout::ChannelsLast };

    /// Moves a tensor there. Only tensors with 4 dimensions have a layout.
    pub(crate) fn place(self, tensor: &Tensor) -> Result<Tensor> {
        let tensor = tensor.f_to_device(self.device)?;
        let size = tensor.size();
        let (&[_, channels, height, width], Layout::ChannelsLast) = (size.as_slice(), self.layout) else {
            return Ok(tensor);
        };
        // With explicit strides, because libtorch takes a permuted one-channel tensor for channels first.
        let strides = [channels * height * width, 1, width * channels, channels];
        let mut last = Tensor::f_empty_strided(size, strides, (tensor.kind(), self.device))?;
        last.f_copy_(&tensor)?;
        Ok(last)
    }
}

/// Creates layers and collects their tensors.
pub(crate) struct Builder {
    start: InitialValues,
    initial: Initial,
    memory: Memory,
    pub(crate) named: Vec<NamedTensor>,
}

impl Builder {
    pub(crate) fn new(start: InitialValues, initial: Initial, memory: Memory) -> Self {
        Builder { start, initial, memory, named: Vec::new() }
    }

    fn add(&mut self, name: String, values: &[f32], shape: &[i64], parameter: bool) -> Result<Tensor> {
        let tensor = Tensor::f_from_slice(values)?.f_reshape(shape)?;
        let tensor = self.memory.place(&tensor)?.f_set_requires_grad(parameter)?;
        self.named.push(NamedTensor { name, tensor: tensor.shallow_clone(), parameter });
        Ok(tensor)
    }

    /// A parameter whose values are drawn one by one.
    fn drawn(&mut self, name: String, shape: &[i64], draw: impl Fn(&mut Stream) -> f64) -> Result<Tensor> {
        let count = shape.iter().product::<i64>() as usize;
        let values = match self.start {
            InitialValues::Drawn(seed) => {
                let mut stream = Stream::new("reg initial weights", seed, &[self.named.len() as u64]);
                (0..count).map(|_| draw(&mut stream) as f32).collect()
            }
            InitialValues::Empty => vec![0.0; count],
        };
        self.add(name, &values, shape, true)
    }

    /// A convolution without bias, followed by BatchNorm if it has a name. The convolution is initialized with a normal
    /// distribution, BatchNorm as the identity on normalised values.
    pub(crate) fn conv(
        &mut self,
        (name, norm): (&str, Option<&str>),
        channels: [i64; 2],
        shape: [i64; 2],
    ) -> Result<Conv> {
        let ([from, to], [kernel, stride]) = (channels, shape);
        let deviation = self.initial.deviation([from as u64, to as u64], kernel as u64);
        let weight =
            self.drawn(format!("{name}.weight"), &[to, from, kernel, kernel], |s| deviation * s.normal())?;
        let norm = match norm {
            Some(norm) => Norm::Batch(self.batch_norm(norm, to)?),
            None => Norm::Absent,
        };
        Ok(Conv { weight, stride, padding: kernel / 2, norm })
    }

    /// A BatchNorm, initialized as the identity on normalised values.
    pub(crate) fn batch_norm(&mut self, name: &str, channels: i64) -> Result<BatchNorm> {
        let [zeros, ones] = [0.0, 1.0].map(|value| vec![value; channels as usize]);
        let shape = &[channels];
        Ok(BatchNorm {
            weight: self.add(format!("{name}.weight"), &ones, shape, true)?,
            bias: self.add(format!("{name}.bias"), &zeros, shape, true)?,
            mean: self.add(format!("{name}.running_mean"), &zeros, shape, false)?,
            variance: self.add(format!("{name}.running_var"), &ones, shape, false)?,
        })
    }

    /// A dense layer, initialized uniformly.
    pub(crate) fn dense(&mut self, name: &str, inputs: i64, outputs: i64) -> Result<Dense> {
        let (bound, of_bias) = (self.initial.bound(inputs as u64), self.initial.bound_of_bias(inputs as u64));
        let weight =
            self.drawn(format!("{name}.weight"), &[outputs, inputs], |s| s.between(-bound, bound))?;
        let bias = self.drawn(format!("{name}.bias"), &[outputs], |s| s.between(-of_bias, of_bias))?;
        Ok(Dense { weight, bias })
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
    /// Normalises: in `training` with the statistics of the batch, which also update the running statistics,
    /// otherwise with the running statistics.
    pub(crate) fn forward(&self, x: &Tensor, training: bool, then: Then) -> Result<Activation> {
        if training && x.numel() == self.weight.numel() {
            // Of one value the variance is 0 / 0: PyTorch refuses it too.
            return Err(TensorError::OneValue);
        }
        let BatchNorm { weight, bias, mean, variance } = self;
        if training {
            let tensors = [weight, bias, mean, variance];
            let (shortcut, relu) = then.parts();
            if let Some((tensor, twin)) = calls::norm(x, tensors, shortcut, relu, [MOMENTUM, EPSILON])? {
                return Ok(Activation { tensor, twin });
            }
        }
        let [weight, bias, mean, variance] = [weight, bias, mean, variance].map(Some);
        let y = x.f_batch_norm(weight, bias, mean, variance, training, MOMENTUM, EPSILON, true)?;
        then.apply(y)
    }

    /// With running statistics it is one factor and one term per channel, `[channels]` each.
    pub(crate) fn folded(&self) -> Result<[Tensor; 2]> {
        let _off = tch::no_grad_guard();
        let factor = self.weight.f_div(&self.variance.f_add_scalar(EPSILON)?.f_sqrt()?)?;
        let term = self.bias.f_sub(&self.mean.f_mul(&factor)?)?;
        Ok([factor, term])
    }
}

/// A convolution whose padding preserves the size at stride 1, with normalisation.
pub(crate) struct Conv {
    weight: Tensor,
    stride: i64,
    padding: i64,
    norm: Norm,
}

/// The normalisation after a convolution.
enum Norm {
    /// Batch normalisation.
    Batch(BatchNorm),
    /// Nothing: the factor and the term of BatchNorm with running statistics are part of the weights and of this
    /// bias.
    Folded { bias: Tensor, one_pass: bool },
    /// Nothing, and there was none.
    Absent,
}

const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// The operation after a normalised convolution.
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// Negative values become 0.
    Relu,
    /// This tensor is added first; its memory may be reused for the result.
    AddRelu(Tensor),
}

impl Then {
    /// What is added, and whether negative values become 0.
    fn parts(&self) -> (Option<&Tensor>, bool) {
        match self {
            Then::Nothing => (None, false),
            Then::Relu => (None, true),
            Then::AddRelu(tensor) => (Some(tensor), true),
        }
    }

    /// Does it in the memory of `y`.
    fn apply(self, mut y: Tensor) -> Result<Activation> {
        Ok(Activation::from(match self {
            Then::Nothing => y,
            Then::Relu => y.f_relu_()?,
            Then::AddRelu(tensor) => y.f_add_(&tensor)?.f_relu_()?,
        }))
    }
}

/// A value of a network.
pub(crate) struct Activation {
    tensor: Tensor,
    /// The same tensor as another output of the operation that computed it, which adds the gradients of both.
    twin: Option<Tensor>,
}

impl From<Tensor> for Activation {
    fn from(tensor: Tensor) -> Self {
        Activation { tensor, twin: None }
    }
}

impl Activation {
    /// The tensor for one of the layers that read it.
    pub(crate) fn read(&mut self) -> Tensor {
        self.twin.take().unwrap_or_else(|| self.tensor.shallow_clone())
    }
}

impl Conv {
    /// Convolves and normalises: in `training` with the statistics of the batch, which also update the running
    /// statistics, otherwise with the running statistics.
    pub(crate) fn forward(&self, x: &Tensor, training: bool, then: Then) -> Result<Activation> {
        match &self.norm {
            Norm::Folded { bias, one_pass: true } => {
                let (add, relu) = match then {
                    Then::Nothing => (None, false),
                    Then::Relu => (None, true),
                    Then::AddRelu(tensor) => (Some(tensor), true),
                };
                let weights = [&self.weight, bias];
                Ok(calls::convolution(x, weights, self.stride, self.padding, add, relu)?.into())
            }
            Norm::Folded { bias, one_pass: false } => then.apply(self.convolve(x, Some(bias))?),
            Norm::Batch(norm) => norm.forward(&self.convolve(x, None)?, training, then),
            Norm::Absent => then.apply(self.convolve(x, None)?),
        }
    }

    fn convolve(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        Ok(x.f_conv2d(&self.weight, bias, [self.stride; 2], [self.padding; 2], [1, 1], 1)?)
    }

    /// The same convolution with the running statistics folded into the weights, for evaluation.
    pub(crate) fn folded(&self, memory: Memory) -> Result<Self> {
        let (weight, norm) = match &self.norm {
            Norm::Batch(norm) => {
                let [factor, bias] = norm.folded()?;
                let _off = tch::no_grad_guard();
                let weight = memory.place(&self.weight.f_mul(&factor.f_reshape([-1, 1, 1, 1])?)?)?;
                let one_pass = memory.device == Device::Cpu && tch::utils::has_mkldnn();
                (weight, Norm::Folded { bias, one_pass })
            }
            Norm::Absent => (self.weight.f_detach()?, Norm::Absent),
            Norm::Folded { .. } => {
                return Err(TensorError::Settings("what is folded already cannot be folded".into()));
            }
        };
        Ok(Conv { weight, stride: self.stride, padding: self.padding, norm })
    }
}

/// A dense layer with bias.
pub(crate) struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    /// The same layer with shared tensors.
    pub(crate) fn shared(&self) -> Self {
        Dense { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone() }
    }

    /// `[outputs, inputs]`.
    pub(crate) fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// `[batch, inputs]` to `[batch, outputs]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, Some(&self.bias))?)
    }
}

/// Means over the image plane: `[batch, channels, height, width]` to `[batch, channels]`.
pub(crate) fn global_mean(x: &Tensor) -> Result<Tensor> {
    // Not adaptive pooling, whose gradient on CUDA differs from run to run.
    Ok(x.f_mean_dim(&[2i64, 3][..], false, Kind::Float)?)
}

#[cfg(test)]
mod tests;
