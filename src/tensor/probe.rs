//! Linear probes: how well a linear predictor on the features of a frozen network predicts a target (Alain and
//! Bengio, arXiv:1610.01644).
//!
//! Features are standardised with the training images. Logistic regression, or least squares for years, with a
//! ridge penalty is convex, so Newton's method finds the unique best predictor in double precision, without
//! learning rate, epochs or seed; only the penalty is selected, on the validation images.

use std::io::Write;
use std::time::Instant;

use reg::disk::Dir;
use reg::hash::Hash;
use reg::records::{Scores, Target};
use reg::worker::{JobOutcome, Phase, ProgressStep, files};
use tch::{Kind, Tensor};

use crate::error::TensorError;
use crate::features::Features;
use crate::paths::JobPaths;
use crate::predict::{Inputs, frozen, write};
use crate::reporter::{Pace, Reporter};

type Result<T> = std::result::Result<T, TensorError>;

/// From nearly constant to nearly unpenalized predictors. Descending, so that each fit starts from the previous
/// solution.
const PENALTIES: [f64; 9] = [1e3, 100.0, 10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5];
/// Number of images whose features are converted to double precision at a time.
const CHUNK: usize = 4096;
/// The fit stops after a step whose expected reduction of the loss is smaller than this.
const ENOUGH: f64 = 1e-12;
const MOST_STEPS: usize = 100;
const MOST_HALVINGS: usize = 40;
/// Number of images that the network processes at once while features are computed, for the memory estimate.
const BATCH: u32 = 32;

/// Rows of the manifest whose target is known, ascending, and the true value of each.
pub(crate) struct ProbeRows {
    pub(crate) rows: Vec<u32>,
    pub(crate) truth: Vec<f64>,
}

/// Fits the predictor and writes its predictions for the validation and the test images.
pub(crate) fn probe<W: Write>(
    paths: &JobPaths,
    inputs: &Inputs,
    checkpoint: Hash,
    ([training, validation, test], target): ([ProbeRows; 3], Target),
    cache: &Dir,
    reporter: &mut Reporter<W>,
) -> Result<JobOutcome> {
    let start = Instant::now();
    let (net, parameters) = frozen(paths, inputs, checkpoint, BATCH, reporter)?;
    let mut all: Vec<u32> =
        [&training, &validation, &test].into_iter().flat_map(|part| part.rows.iter().copied()).collect();
    all.sort_unstable();
    let features = Features::compute(&net, inputs, (checkpoint, paths.threads), &all, cache, reporter)?;
    let computed = start.elapsed();

    let _off = tch::no_grad_guard();
    let sample = |part| Sample::new(&features, part);
    let [fitted, chosen_on, evaluated] = [sample(&training)?, sample(&validation)?, sample(&test)?];
    let design = Design::new(&fitted)?;
    let loss = if target == Target::Age { Loss::Squares } else { Loss::Logistic };
    let total = PENALTIES.len() as u64;
    let step = ProgressStep {
        phase: Phase::Fit,
        epoch: 0,
        epochs: 0,
        done: 0,
        total,
        rate: 0.0,
        loss: None,
        left: None,
    };
    let pace = Pace::begin(step);
    let mut weights = Tensor::f_zeros([design.width + 1], (Kind::Double, design.mean.device()))?;
    let mut best: Option<(f64, f64, Tensor)> = None;
    for (done, penalty) in PENALTIES.into_iter().enumerate() {
        let mut look =
            || reporter.progress(pace.step(done as u64, best.as_ref().map(|(loss, ..)| *loss), None));
        weights = design.fit(&fitted, loss, penalty, weights, &mut look)?;
        let reached = design.mean_loss(&chosen_on, loss, &weights)?;
        if best.as_ref().is_none_or(|(least, ..)| reached < *least) {
            best = Some((reached, penalty, weights.shallow_clone()));
        }
    }
    let (_, penalty, weights) = best.expect("there are penalties, and their losses are numbers");
    for (name, part, sample) in [(files::VALIDATION, validation, chosen_on), (files::SCORES, test, evaluated)]
    {
        let scores = design.predict(&sample, &weights)?;
        write(paths, name, Scores { rows: part.rows, labels: 1, scores })?;
    }
    let seconds = [("features", computed), ("fit", start.elapsed() - computed)];
    let seconds = seconds.map(|(part, time)| (part.to_owned(), time.as_secs_f64())).into();
    Ok(JobOutcome { parameters, penalty: Some(penalty), seconds, ..JobOutcome::default() })
}

#[derive(Clone, Copy, PartialEq)]
enum Loss {
    Logistic,
    Squares,
}

impl Loss {
    /// Sum of the losses of the predictions `z` for `y`.
    fn sum(self, z: &Tensor, y: &Tensor) -> Result<f64> {
        let losses = match self {
            Loss::Logistic => z.f_softplus()?.f_sub(&z.f_mul(y)?)?,
            Loss::Squares => z.f_sub(y)?.f_square()?.f_mul_scalar(0.5)?,
        };
        Ok(losses.f_sum(Kind::Double)?.f_double_value(&[])?)
    }

    /// First and second derivative of each loss.
    fn derivatives(self, z: &Tensor, y: &Tensor) -> Result<[Tensor; 2]> {
        Ok(match self {
            Loss::Logistic => {
                let p = z.f_sigmoid()?;
                [p.f_sub(y)?, p.f_mul(&p.f_neg()?.f_add_scalar(1.0)?)?]
            }
            Loss::Squares => [z.f_sub(y)?, z.f_ones_like()?],
        })
    }
}

/// Some images: features `[images, features]` in single precision, true values `[images]` in double.
struct Sample {
    features: Tensor,
    truth: Tensor,
}

impl Sample {
    fn new(features: &Features, part: &ProbeRows) -> Result<Self> {
        let features = features.of(&part.rows)?;
        let truth = Tensor::f_from_slice(&part.truth)?.f_to_device(features.device())?;
        Ok(Sample { features, truth })
    }

    fn len(&self) -> usize {
        self.truth.numel()
    }
}

/// Converts features to the inputs of the predictor: standardised, with an additional constant 1.
struct Design {
    width: i64,
    mean: Tensor,
    scale: Tensor,
}

impl Design {
    fn new(training: &Sample) -> Result<Self> {
        let features = training.features.f_to_kind(Kind::Double)?;
        let mean = features.f_mean_dim(&[0i64][..], false, Kind::Double)?;
        let deviation =
            features.f_sub(&mean)?.f_square()?.f_mean_dim(&[0i64][..], false, Kind::Double)?.f_sqrt()?;
        // A constant feature carries no information.
        let scale =
            deviation.f_reciprocal()?.f_where_self(&deviation.f_gt(0.0)?, &deviation.f_zeros_like()?)?;
        Ok(Design { width: features.size()[1], mean, scale })
    }

    /// Passes the images to `each` in chunks: `[images, width + 1]` and their true values.
    fn for_each(&self, sample: &Sample, mut each: impl FnMut(&Tensor, &Tensor) -> Result<()>) -> Result<()> {
        for start in (0..sample.len()).step_by(CHUNK) {
            let (start, length) = (start as i64, CHUNK.min(sample.len() - start) as i64);
            let x = sample.features.f_narrow(0, start, length)?.f_to_kind(Kind::Double)?;
            let x = x.f_sub(&self.mean)?.f_mul(&self.scale)?;
            let ones = Tensor::f_ones([length, 1], (Kind::Double, x.device()))?;
            each(&Tensor::f_cat(&[x, ones], 1)?, &sample.truth.f_narrow(0, start, length)?)?;
        }
        Ok(())
    }

    fn predict(&self, sample: &Sample, weights: &Tensor) -> Result<Vec<f64>> {
        let mut said = Vec::with_capacity(sample.len());
        self.for_each(sample, |x, _| {
            said.extend(Vec::<f64>::try_from(x.f_mv(weights)?)?);
            Ok(())
        })?;
        Ok(said)
    }

    fn mean_loss(&self, sample: &Sample, loss: Loss, weights: &Tensor) -> Result<f64> {
        let mut sum = 0.0;
        self.for_each(sample, |x, y| {
            sum += loss.sum(&x.f_mv(weights)?, y)?;
            Ok(())
        })?;
        Ok(sum / sample.len() as f64)
    }

    /// The weights that minimise the mean loss plus half the penalty times the sum of their squares, without
    /// that of the constant. `look` is called between the steps to check for an interrupt.
    fn fit(
        &self,
        sample: &Sample,
        loss: Loss,
        penalty: f64,
        mut weights: Tensor,
        look: &mut impl FnMut() -> Result<()>,
    ) -> Result<Tensor> {
        let (n, size) = (sample.len() as f64, self.width + 1);
        let penalties = Tensor::f_full([size], penalty, (Kind::Double, weights.device()))?;
        let _ = penalties.f_narrow(0, self.width, 1)?.f_fill_(0.0)?;
        let penalised = |weights: &Tensor| -> Result<f64> {
            let squares = weights.f_square()?.f_dot(&penalties)?.f_double_value(&[])?;
            Ok(self.mean_loss(sample, loss, weights)? + squares / 2.0)
        };
        let mut reached = penalised(&weights)?;
        for _ in 0..MOST_STEPS {
            look()?;
            let mut gradient = Tensor::f_zeros([size], (Kind::Double, weights.device()))?;
            let mut curvature = Tensor::f_zeros([size, size], (Kind::Double, weights.device()))?;
            self.for_each(sample, |x, y| {
                let [first, second] = loss.derivatives(&x.f_mv(&weights)?, y)?;
                let _ = gradient.f_add_(&x.f_tr()?.f_mv(&first)?)?;
                let _ = curvature.f_add_(&x.f_tr()?.f_mm(&x.f_mul(&second.f_unsqueeze(1)?)?)?)?;
                Ok(())
            })?;
            let gradient = gradient.f_div_scalar(n)?.f_add(&weights.f_mul(&penalties)?)?;
            // The small constant keeps rounding from turning a flat direction into a descending one.
            let diagonal = penalties.f_add_scalar(1e-12)?;
            let curvature = curvature.f_div_scalar(n)?.f_add(&diagonal.f_diag(0)?)?;
            let factor = curvature.f_linalg_cholesky(false)?;
            let step = gradient.f_unsqueeze(1)?.f_cholesky_solve(&factor, false)?.f_squeeze_dim(1)?;
            let promise = gradient.f_dot(&step)?.f_double_value(&[])?;
            let (mut length, mut moved) = (1.0, None);
            for _ in 0..MOST_HALVINGS {
                let there = weights.f_sub(&step.f_mul_scalar(length)?)?;
                let loss = penalised(&there)?;
                if loss <= reached - 1e-4 * length * promise {
                    moved = Some((there, loss));
                    break;
                }
                length /= 2.0;
            }
            // If rounding exceeds the gain of a step, this is the minimum.
            let Some((there, loss)) = moved else { break };
            (weights, reached) = (there, loss);
            if promise < ENOUGH {
                break;
            }
        }
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::uniform;
    use tch::Device;

    const IMAGES: u64 = 40;

    /// 40 images with three features, uniform in [-1, 1), and a target computed from the features and noise.
    fn fitted(loss: Loss, truth: fn([f64; 3], f64) -> f64) -> Vec<f64> {
        let (value, noise) = (uniform("probe"), uniform("probe noise"));
        let features: Vec<f32> = (0..IMAGES * 3).map(|n| value(n) as f32).collect();
        let of_image = |image: u64| {
            let x = [0, 1, 2].map(|feature| f64::from(features[(image * 3 + feature) as usize]));
            truth(x, noise(image))
        };
        let truth = Tensor::from_slice(&(0..IMAGES).map(of_image).collect::<Vec<f64>>());
        let features = Tensor::from_slice(&features).reshape([IMAGES as i64, 3]);
        let sample = Sample { features, truth };
        let start = Tensor::zeros([4], (Kind::Double, Device::Cpu));
        let weights = Design::new(&sample).unwrap().fit(&sample, loss, 0.01, start, &mut || Ok(())).unwrap();
        weights.try_into().unwrap()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9 * b.abs().max(1.0);
        assert!(found.iter().zip(expected).all(near), "{found:?}, not {expected:?}");
    }

    /// z = StandardScaler().fit_transform(x); y = x[:, 0] + 0.5 * x[:, 1] + noise > 0
    /// LogisticRegression(C=1 / (40 * 0.01), solver="newton-cholesky", tol=1e-12).fit(z, y)
    #[test]
    fn classes_are_those_of_scikit_learn_s_logistic_regression() {
        let weights = fitted(Loss::Logistic, |x, noise| f64::from(u8::from(x[0] + 0.5 * x[1] + noise > 0.0)));
        close(&weights, &[1.587496696294237, 0.7190349019176064, -0.06732763742437771, -0.10627934481515663]);
    }

    /// years = 50 + 20 * x[:, 0] - 5 * x[:, 2] + 10 * noise
    /// Ridge(alpha=40 * 0.01, solver="cholesky").fit(z, years)
    #[test]
    fn years_are_those_of_scikit_learn_s_ridge_regression() {
        let weights = fitted(Loss::Squares, |x, noise| 50.0 + 20.0 * x[0] - 5.0 * x[2] + 10.0 * noise);
        close(&weights, &[12.67864830935692, -0.04118906167499372, -2.550778343985092, 51.49114541709423]);
    }

    #[test]
    fn a_feature_that_never_changes_is_left_out() {
        let features = Tensor::from_slice(&[1.0f32, 5.0, 2.0, 5.0, 3.0, 5.0]).reshape([3, 2]);
        let sample = Sample { features, truth: Tensor::from_slice(&[1.0f64, 2.0, 3.0]) };
        let start = Tensor::zeros([3], (Kind::Double, Device::Cpu));
        let design = Design::new(&sample).unwrap();
        let weights = design.fit(&sample, Loss::Squares, 1e-9, start, &mut || Ok(())).unwrap();
        let weights: Vec<f64> = weights.try_into().unwrap();
        assert!((weights[1], (weights[2] - 2.0).abs() < 1e-6) == (0.0, true), "{weights:?}");
    }
}
