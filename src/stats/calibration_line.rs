//! Whether probabilities are too high, too low or too extreme: the line that calibrates their logits.
//!
//! A logistic regression of the truth on the logits (Cox, Biometrika 45, 1958; Steyerberg, Clinical Prediction Models,
//! 2019, section 15.3): calibrated probabilities have slope 1 and intercept 0. A slope below 1 says that probabilities
//! are too extreme.

/// What calibrates the logits of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationLine {
    /// Calibration in the large: the intercept with the slope fixed at 1. Above 0, probabilities are too low.
    pub in_the_large: f64,
    /// The intercept beside the slope.
    pub intercept: f64,
    /// The slope.
    pub slope: f64,
}

/// Steps of Newton's method; a handful is enough where the maximum is finite.
const STEPS: usize = 100;
/// A step this small, relative to the value, ends the search.
const SMALL: f64 = 1e-13;

/// Fits the line; `None` where a class is missing, all logits are equal or one is infinite, or they separate the classes, so that the
/// slope has no finite value.
///
/// # Panics
/// If the slices differ in length.
pub fn calibration_line(logits: &[f64], positive: &[bool]) -> Option<CalibrationLine> {
    assert_eq!(logits.len(), positive.len(), "one label a logit");
    let auc = super::auc(logits, positive)?;
    if logits.iter().any(|x| !x.is_finite()) || separated(logits, positive) || auc == 0.5 && all_equal(logits)
    {
        return None;
    }
    let in_the_large = newton([0.0], |[intercept]| {
        let (mut gradient, mut curvature) = (0.0, 0.0);
        for (x, y) in logits.iter().zip(positive) {
            let p = sigmoid(intercept + x);
            gradient += f64::from(u8::from(*y)) - p;
            curvature += p * (1.0 - p);
        }
        (curvature > 0.0).then(|| [gradient / curvature])
    })?[0];
    // Logits of unit variance and mean 0, so that both unknowns are of the same size.
    let n = logits.len() as f64;
    let mean = logits.iter().sum::<f64>() / n;
    let scale = (logits.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    let [intercept, slope] = newton([0.0, 0.0], |[intercept, slope]| {
        let (mut g, mut h) = ([0.0; 2], [0.0; 3]);
        for (x, y) in logits.iter().zip(positive) {
            let x = (x - mean) / scale;
            let p = sigmoid(intercept + slope * x);
            let (gap, weight) = (f64::from(u8::from(*y)) - p, p * (1.0 - p));
            g = [g[0] + gap, g[1] + gap * x];
            h = [h[0] + weight, h[1] + weight * x, h[2] + weight * x * x];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [h[2] * g[0] - h[1] * g[1], h[0] * g[1] - h[1] * g[0]];
        (determinant > 0.0).then(|| step.map(|step| step / determinant))
    })?;
    Some(CalibrationLine { in_the_large, intercept: intercept - slope * mean / scale, slope: slope / scale })
}

/// Whether all positives are on one side of all negatives, ties included: then the likelihood has no maximum.
fn separated(logits: &[f64], positive: &[bool]) -> bool {
    let of = |class: bool| logits.iter().zip(positive).filter(move |(_, y)| **y == class).map(|(x, _)| *x);
    let (min, max) = (
        |class| of(class).fold(f64::INFINITY, f64::min),
        |class| of(class).fold(f64::NEG_INFINITY, f64::max),
    );
    min(true) >= max(false) || max(true) <= min(false)
}

fn all_equal(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// Adds steps until they are small; `None` if they do not become so.
fn newton<const N: usize>(start: [f64; N], step: impl Fn([f64; N]) -> Option<[f64; N]>) -> Option<[f64; N]> {
    let mut at = start;
    for _ in 0..STEPS {
        let step = step(at)?;
        // Far from the maximum a full step can leave it further behind.
        let step = step.map(|step| step.clamp(-5.0, 5.0));
        for (value, step) in at.iter_mut().zip(step) {
            *value += step;
        }
        if at.iter().zip(step).all(|(value, step)| step.abs() <= SMALL * (1.0 + value.abs())) {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibrated_logits_have_slope_one_and_twice_too_extreme_ones_a_half() {
        // Of images at probability 3/4, three of four are positive; at 1/4, one of four.
        let logit = 3.0f64.ln();
        let truth = [true, true, true, false, true, false, false, false];
        let logits: Vec<f64> = (0..8).map(|i| if i < 4 { logit } else { -logit }).collect();
        let line = calibration_line(&logits, &truth).unwrap();
        assert!(
            (line.slope - 1.0).abs() < 1e-12
                && line.intercept.abs() < 1e-12
                && line.in_the_large.abs() < 1e-12
        );
        let extreme: Vec<f64> = logits.iter().map(|x| 2.0 * x + 1.0).collect();
        let line = calibration_line(&extreme, &truth).unwrap();
        assert!((line.slope - 0.5).abs() < 1e-12 && (line.intercept + 0.5).abs() < 1e-12, "{line:?}");
        assert!(line.in_the_large < 0.0, "probabilities are too high");
    }

    #[test]
    fn undefined_without_a_finite_maximum() {
        let truth = [false, false, true, true];
        assert_eq!(calibration_line(&[-1.0, 0.0, 1.0, 2.0], &truth), None, "separated");
        assert_eq!(calibration_line(&[-1.0, 0.0, 0.0, 2.0], &truth), None, "separated but for a tie");
        assert_eq!(calibration_line(&[1.0, 0.0, 0.0, -2.0], &truth), None, "separated the other way round");
        assert_eq!(calibration_line(&[0.5; 4], &truth), None, "constant");
        assert_eq!(calibration_line(&[-1.0, f64::INFINITY, 1.0, 0.0], &truth), None);
        assert_eq!(calibration_line(&[0.5], &[true]), None);
    }
}
