//! Adam with moments that can be saved. Kingma and Ba, ICLR 2015, in the form in which PyTorch computes
//! it; without weight decay.
//!
//! tch's optimiser neither gives nor takes its moments, without which no training can go on where it
//! was interrupted.

use reg::records::Training;
use tch::Tensor;

use crate::error::TensorError;

type Result<T> = std::result::Result<T, TensorError>;

/// The optimiser's state.
pub(crate) struct Adam {
    beta1: f64,
    beta2: f64,
    eps: f64,
    /// Steps taken.
    pub(crate) steps: u64,
    /// First and second moment of each parameter, in the order of the parameters.
    pub(crate) moments: Vec<[Tensor; 2]>,
}

impl Adam {
    /// Begins with moments of zero.
    pub(crate) fn new(training: &Training, parameters: &[Tensor]) -> Result<Self> {
        let zeros = |tensor: &Tensor| -> Result<[Tensor; 2]> {
            let zero = || tensor.f_detach().and_then(|tensor| tensor.f_zeros_like());
            Ok([zero()?, zero()?])
        };
        let moments = parameters.iter().map(zeros).collect::<Result<_>>()?;
        let Training { beta1, beta2, eps, .. } = *training;
        Ok(Adam { beta1, beta2, eps, steps: 0, moments })
    }

    /// Takes one step: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
    /// `p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)`.
    pub(crate) fn step(&mut self, parameters: &[Tensor], gradients: &[Tensor], lr: f64) -> Result<()> {
        let _off = tch::no_grad_guard();
        self.steps += 1;
        let t = self.steps as f64;
        let size = lr / (1.0 - self.beta1.powf(t));
        let correction = (1.0 - self.beta2.powf(t)).sqrt();
        for ((parameter, gradient), [m, v]) in parameters.iter().zip(gradients).zip(&mut self.moments) {
            let _ = m.f_lerp_(gradient, 1.0 - self.beta1)?;
            let _ = v.f_mul_scalar_(self.beta2)?;
            let _ = v.f_add_(&gradient.f_mul(gradient)?.f_mul_scalar_(1.0 - self.beta2)?)?;
            let mut denominator = v.f_sqrt()?;
            let _ = denominator.f_mul_scalar_(1.0 / correction)?;
            let _ = denominator.f_add_scalar_(self.eps)?;
            let mut change = m.f_div(&denominator)?;
            let _ = change.f_mul_scalar_(-size)?;
            let _ = parameter.shallow_clone().f_add_(&change)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reg::records::Loss;

    #[test]
    fn steps_are_those_of_the_published_equations() {
        let training = Training {
            epochs: 1,
            batch: 1,
            lr: 0.05,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            lr_factor: 0.5,
            patience: 0,
            loss: Loss::Bce,
            augmentation: None,
        };
        // Minimises (p - 3)^2 from p = [0, 5], whose gradient is 2 (p - 3).
        let parameter = Tensor::from_slice(&[0.0f32, 5.0]);
        let mut adam = Adam::new(&training, std::slice::from_ref(&parameter)).unwrap();
        let mut expected = [(0.0f64, 0.0, 0.0), (5.0, 0.0, 0.0)];
        for t in 1..=50 {
            let gradient: Tensor = (&parameter - 3.0) * 2.0;
            adam.step(std::slice::from_ref(&parameter), &[gradient], training.lr).unwrap();
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
