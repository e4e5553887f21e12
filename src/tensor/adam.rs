//! Adam with moments that can be saved. Kingma and Ba, ICLR 2015, with the fused kernel that PyTorch's
//! `Adam(fused=True)` runs; without weight decay.
//!
//! tch's optimiser cannot export or import its moments, which are necessary to resume a training, and it reads
//! the memory of the parameters several times per step.

use reg::records::Training;
use tch::{Device, Kind, Tensor};

use crate::calls::{self, Decay};
use crate::error::TensorError;

type Result<T> = std::result::Result<T, TensorError>;

/// The optimiser and its state.
pub(crate) struct Adam {
    decay: Decay,
    /// Steps taken.
    pub(crate) steps: u64,
    /// First and second moment of each parameter, in the order of the parameters.
    pub(crate) moments: Vec<[Tensor; 2]>,
    /// The number of steps as a tensor on the parameters' device.
    step: Tensor,
    /// Parameters, first and second moments as views in memory order, which the kernel needs.
    flat: [Vec<Tensor>; 3],
    /// Whether that order is channels last, for each parameter.
    last: Vec<bool>,
}

impl Adam {
    /// Starts with moments of zero.
    pub(crate) fn new(training: &Training, parameters: &[Tensor]) -> Result<Self> {
        let mut moments = Vec::new();
        let mut flat: [Vec<Tensor>; 3] = Default::default();
        let mut last = Vec::new();
        for parameter in parameters {
            let parameter = parameter.f_detach()?;
            let channels_last = !parameter.is_contiguous();
            let [m, v] = [parameter.f_zeros_like()?, parameter.f_zeros_like()?];
            for (list, tensor) in flat.iter_mut().zip([&parameter, &m, &v]) {
                list.push(in_memory_order(tensor, channels_last)?);
            }
            moments.push([m, v]);
            last.push(channels_last);
        }
        let device = parameters.first().map_or(Device::Cpu, Tensor::device);
        let step = Tensor::f_zeros(&[][..], (Kind::Float, device))?;
        let Training { beta1, beta2, eps, .. } = *training;
        Ok(Adam { decay: Decay { beta1, beta2, eps }, steps: 0, moments, step, flat, last })
    }

    /// Takes one step: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
    /// `p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)`.
    ///
    /// `gradients` are in the order and of the shapes of the parameters.
    pub(crate) fn step(&mut self, gradients: &[Tensor], lr: f64) -> Result<()> {
        let _off = tch::no_grad_guard();
        self.steps += 1;
        let _ = self.step.f_fill_(self.steps as f64)?;
        let [parameters, m, v] = &self.flat;
        let gradients: Vec<Tensor> = gradients
            .iter()
            .zip(&self.last)
            // Copies a gradient for which the backward pass has chosen another layout.
            .map(|(gradient, last)| Ok(in_memory_order(gradient, *last)?.f_contiguous()?))
            .collect::<Result<_>>()?;
        calls::adam([parameters, &gradients, m, v], &self.step, lr, self.decay)
    }
}

/// A view of a tensor in the order of its memory.
fn in_memory_order(tensor: &Tensor, channels_last: bool) -> Result<Tensor> {
    Ok(if channels_last { tensor.f_permute([0, 2, 3, 1])? } else { tensor.shallow_clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula;
    use crate::layers::Memory;
    use reg::records::{Layout, Loss};

    fn training(beta1: f64, beta2: f64, eps: f64) -> Training {
        Training {
            epochs: 1,
            batch: 1,
            lr: 0.05,
            beta1,
            beta2,
            eps,
            lr_factor: 0.5,
            patience: 0,
            loss: Loss::Bce,
            augmentation: None,
            pixels: None,
            precision: None,
            layout: None,
            early_stop: None,
        }
    }

    /// `fixtures/torchvision/adam.json`: ten steps of `torch.optim.Adam(fused=True)`.
    #[test]
    fn steps_are_those_of_pytorch_one_by_one() {
        #[derive(serde::Deserialize)]
        struct Golden {
            after: Vec<Vec<Vec<f64>>>,
            betas: [f64; 2],
            eps: f64,
            lr: Vec<f64>,
            shapes: Vec<Vec<i64>>,
        }
        let golden: Golden =
            serde_json::from_str(include_str!("../../fixtures/torchvision/adam.json")).unwrap();
        let tensor = |shape: &[i64], value: &dyn Fn(u64) -> f64| {
            let values: Vec<f32> =
                (0..shape.iter().product::<i64>() as u64).map(|i| value(i) as f32).collect();
            Tensor::from_slice(&values).reshape(shape)
        };
        let values = |tensor: &Tensor| Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap();
        for last in [false, true] {
            let layout = if last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
            let place = |tensor: Tensor| Memory { device: Device::Cpu, layout }.place(&tensor).unwrap();
            let parameters: Vec<Tensor> = (golden.shapes.iter().enumerate())
                .map(|(n, shape)| place(tensor(shape, &formula::uniform(&format!("parameter {n}")))))
                .collect();
            let mut adam =
                Adam::new(&training(golden.betas[0], golden.betas[1], golden.eps), &parameters).unwrap();
            assert_eq!(golden.after.len(), 10);
            for (t, (after, lr)) in golden.after.iter().zip(&golden.lr).enumerate() {
                let gradients: Vec<Tensor> = (golden.shapes.iter().enumerate())
                    .map(|(n, shape)| {
                        let uniform = formula::uniform(&format!("gradient {n} {t}"));
                        let value = |i: u64| match i {
                            0 => 0.0,
                            _ => uniform(i) * [1.0, 1e-3, 1e-6, 1e-9][i as usize % 4],
                        };
                        // The backward pass chooses the layout of gradients.
                        if t % 2 == 0 { place(tensor(shape, &value)) } else { tensor(shape, &value) }
                    })
                    .collect();
                adam.step(&gradients, *lr).unwrap();
                for (n, (found, expected)) in parameters.iter().zip(after).enumerate() {
                    for (found, expected) in values(found).iter().zip(expected) {
                        let off = (f64::from(*found) - expected).abs();
                        assert!(off < 1e-6, "step {t}, parameter {n}: {found}, not {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn steps_are_those_of_the_published_equations() {
        let training = training(0.9, 0.999, 1e-8);
        // Minimises (p - 3)^2 from p = [0, 5], whose gradient is 2 (p - 3).
        let parameter = Tensor::from_slice(&[0.0f32, 5.0]);
        let mut adam = Adam::new(&training, std::slice::from_ref(&parameter)).unwrap();
        let mut expected = [(0.0f64, 0.0, 0.0), (5.0, 0.0, 0.0)];
        for t in 1..=50 {
            let gradient: Tensor = (&parameter - 3.0) * 2.0;
            adam.step(&[gradient], training.lr).unwrap();
            for (p, m, v) in &mut expected {
                let g = 2.0 * (*p - 3.0);
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.999 * *v + 0.001 * g * g;
                let (first, second) = (*m / (1.0 - 0.9f64.powi(t)), *v / (1.0 - 0.999f64.powi(t)));
                *p -= training.lr * first / (second.sqrt() + training.eps);
            }
            for (index, (p, ..)) in expected.iter().enumerate() {
                let found = parameter.double_value(&[index as i64]);
                assert!((found - p).abs() < 1e-5, "step {t}: {found}, not {p}");
            }
        }
        assert_eq!(adam.steps, 50);
    }
}
