//! The loss: binary cross-entropy on logits, averaged over the known labels of images.

use reg::records::{LabelCounts, Loss};
use tch::{Device, Reduction, Tensor};

use crate::error::TensorError;
use crate::images::{Images, Targets};

type Result<T> = std::result::Result<T, TensorError>;

/// The loss, with weights determined from the training images.
pub(crate) struct Criterion {
    /// Weight of a positive and of a negative term for each label; `None` if all are 1.
    weights: Option<Vec<[f64; 2]>>,
    labels: usize,
}

impl Criterion {
    /// Determines the weights from the training images.
    ///
    /// Positive-negative: for a label with `n` known images and `p` positives, a positive has weight `n / 2p`
    /// and a negative `n / 2(n - p)`; a label without positives or without negatives has weight 1.
    /// Class-balanced: a label has weight `1 / p`, scaled so that the mean weight of labels with positives is
    /// 1; a label without positives has weight 1.
    pub(crate) fn new(loss: Loss, images: &Images, training: &[u32], labels: u32) -> Self {
        let LabelCounts { positives, missing } = images.counts(training, labels);
        let known = |missing: &u64| (training.len() as u64 - missing) as f64;
        let counts = || positives.iter().zip(&missing);
        let weights = match loss {
            Loss::Bce => None,
            Loss::PositiveNegative => {
                Some(counts().map(|(&p, missing)| balanced(p as f64, known(missing))).collect())
            }
            Loss::ClassBalanced => {
                let inverse = || positives.iter().filter(|p| **p > 0).map(|&p| 1.0 / p as f64);
                let mean = inverse().sum::<f64>() / inverse().count().max(1) as f64;
                let weight = |p: u64| if p > 0 { 1.0 / p as f64 / mean } else { 1.0 };
                Some(positives.iter().map(|&p| [weight(p); 2]).collect())
            }
        };
        Criterion { weights, labels: labels as usize }
    }

    /// The loss of a batch, differentiable: the mean over the known labels, of which there must be at least
    /// one. `logits` is `[batch, labels]`.
    pub(crate) fn of_batch(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor> {
        let Targets { positive, known, terms } = targets;
        let weights = self.weights.as_ref().map(|weights| term_weights(weights, positive)).transpose()?;
        let of = |weights: Option<&Tensor>, over| {
            logits.f_binary_cross_entropy_with_logits(positive, weights, None::<&Tensor>, over)
        };
        let Some(known) = known else { return Ok(of(weights.as_ref(), Reduction::Mean)?) };
        let weights = match weights {
            Some(weights) => weights.f_mul(known)?,
            None => known.shallow_clone(),
        };
        Ok(of(Some(&weights), Reduction::Sum)?.f_div_scalar(*terms as f64)?)
    }

    /// The mean loss over the known labels in double precision; NaN if no label is known. `logits` is `[images,
    /// labels]`, row after row; `truth(image, label)` is the true value.
    pub(crate) fn mean(&self, logits: &[f64], truth: impl Fn(usize, usize) -> Option<bool>) -> f64 {
        let mut known = 0u64;
        let term = |(index, &x): (usize, &f64)| {
            let label = index % self.labels;
            let y = truth(index / self.labels, label)?;
            known += 1;
            let weight = self.weights.as_ref().map_or(1.0, |weights| weights[label][usize::from(!y)]);
            // -ln sigmoid(x) for a positive, -ln (1 - sigmoid(x)) for a negative, without overflow.
            let x = if y { -x } else { x };
            Some(weight * (x.max(0.0) + (-x.abs()).exp().ln_1p()))
        };
        let sum = logits.iter().enumerate().filter_map(term).sum::<f64>();
        sum / known as f64
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
            let matrix = |of: &dyn Fn(usize) -> bool| {
                let values: Vec<f32> = (0..6).map(|i| f32::from(u8::from(of(i)))).collect();
                Tensor::from_slice(&values).reshape([3, 2])
            };
            let targets = Targets { positive: matrix(&|i| truth[i]), known: None, terms: 6 };
            let tensor = criterion.of_batch(&x, &targets).unwrap().double_value(&[]);
            let scalar =
                criterion.mean(&logits.map(f64::from), |image, label| Some(truth[image * 2 + label]));
            assert!((tensor - scalar).abs() < 1e-6, "{tensor} and {scalar}");
            // The same without missing labels: the mean over the others.
            let missing = [1, 3, 4];
            let known = Some(matrix(&|i| !missing.contains(&i)));
            let targets =
                Targets { positive: matrix(&|i| truth[i] && !missing.contains(&i)), known, terms: 3 };
            let tensor = criterion.of_batch(&x, &targets).unwrap().double_value(&[]);
            let scalar = criterion.mean(&logits.map(f64::from), |image, label| {
                let i = image * 2 + label;
                (!missing.contains(&i)).then_some(truth[i])
            });
            assert!((tensor - scalar).abs() < 1e-6, "{tensor} and {scalar}");
            // By hand: -ln sigmoid(0), -ln sigmoid(-3), -ln sigmoid(-0.5) for a negative with logit 0.5, and
            // their weights.
            let terms = [2f64.ln(), (3f64.exp()).ln_1p(), 0.5 + (-0.5f64).exp().ln_1p()];
            let weight =
                |i: usize, of: f64| if criterion.weights.is_some() { of * terms[i] } else { terms[i] };
            let by_hand = (weight(0, 3.0) + weight(1, 3.0) + weight(2, 0.5)) / 3.0;
            assert!((scalar - by_hand).abs() < 1e-12, "{scalar} and {by_hand}");
            assert!(criterion.mean(&logits.map(f64::from), |_, _| None).is_nan());
        }
    }

    #[test]
    fn a_missing_label_has_no_gradient() {
        let criterion = Criterion { weights: None, labels: 2 };
        let x = Tensor::from_slice(&[0.5f32, -1.0]).reshape([1, 2]).set_requires_grad(true);
        let row = |values: [f32; 2]| Tensor::from_slice(&values).reshape([1, 2]);
        let targets = Targets { positive: row([0.0, 0.0]), known: Some(row([0.0, 1.0])), terms: 1 };
        let loss = criterion.of_batch(&x, &targets).unwrap();
        let gradient = Tensor::run_backward(&[&loss], &[&x], false, false).remove(0);
        let values = Vec::<f32>::try_from(gradient.reshape([-1])).unwrap();
        assert_eq!(values[0], 0.0);
        assert!((values[1] - 0.26894143).abs() < 1e-6, "sigmoid(-1): {values:?}");
    }

    #[test]
    fn balanced_weights_make_both_sides_count_the_same() {
        let [positive, negative] = balanced(10.0, 100.0);
        assert!((positive * 10.0 - negative * 90.0).abs() < 1e-12);
        assert!((positive * 10.0 + negative * 90.0 - 100.0).abs() < 1e-12);
        assert_eq!(balanced(0.0, 100.0), [1.0; 2]);
    }
}
