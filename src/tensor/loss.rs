//! What is minimised: binary cross-entropy on logits, averaged over labels and images.

use reg::records::Loss;
use tch::{Device, Reduction, Tensor};

use crate::error::TensorError;
use crate::images::Images;

type Result<T> = std::result::Result<T, TensorError>;

/// The loss, with the weights that the training images give it.
pub(crate) struct Criterion {
    /// Weight of a positive and of a negative term, a label each; none where all are 1.
    weights: Option<Vec<[f64; 2]>>,
    labels: usize,
}

impl Criterion {
    /// Weighs terms by the training images.
    ///
    /// Positive-negative: of `n` images with `p` positives, a positive weighs `n / 2p` and a negative
    /// `n / 2(n - p)`; a label that lacks either keeps 1. Class-balanced: a label weighs `1 / p`, scaled
    /// so that the labels with positives weigh 1 on average; one without positives weighs 1.
    pub(crate) fn new(loss: Loss, images: &Images, training: &[u32], labels: u32) -> Self {
        let n = training.len() as f64;
        let positives = images.positives(training, labels);
        let weights = match loss {
            Loss::Bce => None,
            Loss::PositiveNegative => Some(positives.iter().map(|&p| balanced(p as f64, n)).collect()),
            Loss::ClassBalanced => {
                let inverse = || positives.iter().filter(|p| **p > 0).map(|&p| 1.0 / p as f64);
                let mean = inverse().sum::<f64>() / inverse().count().max(1) as f64;
                let weight = |p: u64| if p > 0 { 1.0 / p as f64 / mean } else { 1.0 };
                Some(positives.iter().map(|&p| [weight(p); 2]).collect())
            }
        };
        Criterion { weights, labels: labels as usize }
    }

    /// The loss of a batch, to be differentiated. `logits` and `targets` are `[batch, labels]`.
    pub(crate) fn of_batch(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let weights = self.weights.as_ref().map(|weights| term_weights(weights, targets)).transpose()?;
        let mean = Reduction::Mean;
        Ok(logits.f_binary_cross_entropy_with_logits(targets, weights.as_ref(), None::<&Tensor>, mean)?)
    }

    /// The mean loss over images, in double precision. `logits` is `[images, labels]`, row after row;
    /// `positive(image, label)` says what is true.
    pub(crate) fn mean(&self, logits: &[f64], positive: impl Fn(usize, usize) -> bool) -> f64 {
        let term = |(index, &x): (usize, &f64)| {
            let label = index % self.labels;
            let y = positive(index / self.labels, label);
            let weight = self.weights.as_ref().map_or(1.0, |weights| weights[label][usize::from(!y)]);
            // -ln sigmoid(x) for a positive, -ln (1 - sigmoid(x)) for a negative, without overflow.
            let x = if y { -x } else { x };
            weight * (x.max(0.0) + (-x.abs()).exp().ln_1p())
        };
        logits.iter().enumerate().map(term).sum::<f64>() / logits.len() as f64
    }
}

fn balanced(positives: f64, images: f64) -> [f64; 2] {
    let negatives = images - positives;
    if positives == 0.0 || negatives == 0.0 {
        return [1.0; 2];
    }
    [images / (2.0 * positives), images / (2.0 * negatives)]
}

/// `[batch, labels]`: the weight of each term.
fn term_weights(weights: &[[f64; 2]], targets: &Tensor) -> Result<Tensor> {
    let row = |values: Vec<f32>, device: Device| Tensor::f_from_slice(&values)?.f_to_device(device);
    let negative = row(weights.iter().map(|[_, n]| *n as f32).collect(), targets.device())?;
    let difference = row(weights.iter().map(|[p, n]| (p - n) as f32).collect(), targets.device())?;
    Ok(targets.f_mul(&difference)?.f_add(&negative)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_loss_agree() {
        let logits = [0.0f32, 3.0, -3.0, 40.0, -40.0, 0.5];
        let truth = [true, false, true, true, false, false];
        for weights in [None, Some(vec![[3.0, 0.6], [0.5, 0.5]])] {
            let criterion = Criterion { weights, labels: 2 };
            let x = Tensor::from_slice(&logits).reshape([3, 2]);
            let y = Tensor::from_slice(&truth.map(|t| f32::from(u8::from(t)))).reshape([3, 2]);
            let tensor = criterion.of_batch(&x, &y).unwrap().double_value(&[]);
            let scalar = criterion.mean(&logits.map(f64::from), |image, label| truth[image * 2 + label]);
            assert!((tensor - scalar).abs() < 1e-6, "{tensor} and {scalar}");
        }
    }

    #[test]
    fn balanced_weights_make_both_sides_count_the_same() {
        let [positive, negative] = balanced(10.0, 100.0);
        assert!((positive * 10.0 - negative * 90.0).abs() < 1e-12);
        assert!((positive * 10.0 + negative * 90.0 - 100.0).abs() < 1e-12);
        assert_eq!(balanced(0.0, 100.0), [1.0; 2]);
    }
}
