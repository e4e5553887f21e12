//! What the weights of a network begin with from scratch.

use crate::records::{Architecture, Layer};

/// The rule by which weights begin: that of torchvision's networks of the same layers. With each of them, BatchNorm begins
/// as the identity on normalised values, and the weights of a dense layer uniformly within 1 / sqrt(inputs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// That of ResNets: convolutions begin normally distributed with variance 2 / fan-out (He et al., ICCV 2015), biases
    /// like the weights of their dense layer.
    FanOut,
    /// That of DenseNets, which is that of every network with a dense block: convolutions with variance 2 / fan-in, biases
    /// as 0.
    FanIn,
}

impl Initial {
    pub(super) fn of(architecture: &Architecture) -> Self {
        match architecture.layers.iter().any(|layer| matches!(layer, Layer::DenseBlock { .. })) {
            true => Initial::FanIn,
            false => Initial::FanOut,
        }
    }

    /// Standard deviation of the weights of a convolution.
    pub fn deviation(self, [inputs, outputs]: [u64; 2], kernel: u64) -> f64 {
        let fan = match self {
            Initial::FanOut => outputs,
            Initial::FanIn => inputs,
        };
        (2.0 / (fan * kernel * kernel) as f64).sqrt()
    }

    /// The weights of a dense layer lie between this number and its negative.
    pub fn bound(self, inputs: u64) -> f64 {
        1.0 / (inputs as f64).sqrt()
    }

    /// The same of its bias.
    pub fn bound_of_bias(self, inputs: u64) -> f64 {
        match self {
            Initial::FanOut => self.bound(inputs),
            Initial::FanIn => 0.0,
        }
    }
}
