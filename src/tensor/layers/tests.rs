//! BatchNorm in one pass, compared with libtorch's operations in double precision.

use tch::{Device, Kind, Tensor};

use super::*;
use crate::formula;

/// Numbers of a shape in [-1, 1), which are not a parameter, in channels last.
fn drawn(name: &str, size: &[i64]) -> Tensor {
    let uniform = formula::uniform(name);
    let values: Vec<f32> = (0..size.iter().product::<i64>() as u64).map(|i| uniform(i) as f32).collect();
    Memory::CPU.place(&Tensor::from_slice(&values).reshape(size)).unwrap()
}

/// What is added before the ReLU, and how often the output is read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum After {
    Nothing,
    Relu,
    Shortcut { reads: usize },
}

/// How the gradients of the output lie in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gradient {
    /// Dense, in channels last.
    Dense,
    /// As the means over a plane spread it: the same number at all positions.
    Spread,
    /// In channels first.
    First,
    /// Dense, and one tensor for all that read the output.
    Shared,
}

/// Inputs of a BatchNorm: x, weight, bias, shortcut; and whether each is trained.
struct Case {
    size: [i64; 4],
    after: After,
    gradient: Gradient,
    trained: [bool; 4],
}

const ALL: [bool; 4] = [true; 4];

/// Output, running mean and variance, and the gradients of what is trained.
struct Found {
    output: Tensor,
    running: [Tensor; 2],
    gradients: Vec<Tensor>,
}

impl Case {
    fn inputs(&self) -> [Tensor; 4] {
        let channels = &[self.size[1]][..];
        [
            drawn("x", &self.size) * 3.0 + 0.5,
            drawn("weight", channels) + 1.25,
            drawn("bias", channels),
            drawn("shortcut", &self.size),
        ]
    }

    /// Computes in one kind of number, by one pass if `fused`, else by libtorch's operations.
    fn compute(&self, kind: Kind, fused: bool) -> Found {
        let [x, weight, bias, shortcut] = self.inputs().map(|tensor| tensor.to_kind(kind));
        for (tensor, trained) in [&x, &weight, &bias, &shortcut].into_iter().zip(self.trained) {
            let _ = tensor.set_requires_grad(trained);
        }
        let channels = [self.size[1]];
        let norm = BatchNorm {
            weight: weight.shallow_clone(),
            bias: bias.shallow_clone(),
            mean: Tensor::full(channels, 0.25, (kind, Device::Cpu)),
            variance: Tensor::full(channels, 2.0, (kind, Device::Cpu)),
        };
        let relu = self.after != After::Nothing;
        let reads = match self.after {
            After::Shortcut { reads } => reads,
            _ => 1,
        };
        let added = matches!(self.after, After::Shortcut { .. }).then_some(&shortcut);
        let mut output = if fused {
            let then = match (added, relu) {
                (Some(shortcut), _) => Then::AddRelu(shortcut.shallow_clone()),
                (None, true) => Then::Relu,
                (None, false) => Then::Nothing,
            };
            norm.forward(&x, true, then).unwrap()
        } else {
            let [mean, variance] = [&norm.mean, &norm.variance].map(Some);
            let y = x.batch_norm(Some(&weight), Some(&bias), mean, variance, true, MOMENTUM, EPSILON, true);
            let y = added.map_or(y.shallow_clone(), |shortcut| &y + shortcut);
            Activation::from(if relu { y.relu() } else { y })
        };
        assert_eq!(output.twin.is_some(), fused && added.is_some());
        let read: Vec<Tensor> = (0..reads).map(|_| output.read()).collect();
        let sum = |terms: Vec<Tensor>| terms.into_iter().reduce(|sum, term| sum + term).unwrap();
        let loss = match self.gradient {
            Gradient::Shared => self.loss(&sum(read), 0, kind),
            _ => sum(read.iter().enumerate().map(|(place, y)| self.loss(y, place, kind)).collect()),
        };
        let inputs = [&x, &weight, &bias, &shortcut];
        let used = inputs.into_iter().zip(self.trained).take(if added.is_some() { 4 } else { 3 });
        let trained: Vec<&Tensor> = used.filter(|(_, trained)| *trained).map(|(tensor, _)| tensor).collect();
        let gradients = Tensor::run_backward(&[&loss], &trained, false, false);
        Found { output: output.read().detach(), running: [norm.mean, norm.variance], gradients }
    }

    fn loss(&self, output: &Tensor, read: usize, kind: Kind) -> Tensor {
        let factor = drawn(&format!("factor {read}"), &self.size).to_kind(kind);
        match self.gradient {
            Gradient::Dense | Gradient::Shared => (output * factor).sum(kind),
            Gradient::First => (output.contiguous() * factor.contiguous()).sum(kind),
            Gradient::Spread => {
                let means = output.mean_dim(&[2i64, 3][..], false, kind);
                (means * factor.mean_dim(&[2i64, 3][..], false, kind) * 100.0).sum(kind)
            }
        }
    }

    fn check(&self) {
        let Case { size, after, gradient, trained } = self;
        let what = format!("{size:?} {after:?} {gradient:?} {trained:?}");
        let (found, expected) = (self.compute(Kind::Float, true), self.compute(Kind::Double, false));
        near(&found.output, &expected.output, 1e-5, &format!("{what}: output"));
        for (found, expected) in found.running.iter().zip(&expected.running) {
            near(found, expected, 1e-6, &format!("{what}: running statistics"));
        }
        assert_eq!(found.gradients.len(), expected.gradients.len());
        for (number, (found, expected)) in found.gradients.iter().zip(&expected.gradients).enumerate() {
            // Gradients of x are small differences of large terms where the batch is small.
            near(found, expected, 3e-5, &format!("{what}: gradient {number}"));
        }
    }
}

/// Whether values differ by at most `tolerance`, relative to the largest of them and 1.
fn near(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let expected = expected.to_kind(Kind::Double);
    let largest = expected.abs().max().double_value(&[]).max(1.0);
    let off = (found.to_kind(Kind::Double) - expected).abs().max().double_value(&[]) / largest;
    assert!(off <= tolerance, "{what}: off by {off}");
}

const AFTER: [After; 4] =
    [After::Nothing, After::Relu, After::Shortcut { reads: 1 }, After::Shortcut { reads: 2 }];

#[test]
fn a_pass_computes_what_libtorch_computes_in_double_precision() {
    for size in [
        [1, 1, 1, 2],
        [2, 1, 5, 3],
        [1, 3, 7, 5],
        [5, 3, 9, 11],
        [16, 7, 1, 1],
        [1, 64, 13, 9],
        [3, 64, 33, 31],
        // Several chunks, the last one not a whole one.
        [5, 96, 31, 29],
        [2, 2050, 7, 7],
    ] {
        for after in AFTER {
            for gradient in [Gradient::Dense, Gradient::Spread, Gradient::First, Gradient::Shared] {
                Case { size, after, gradient, trained: ALL }.check();
            }
        }
    }
}

#[test]
fn what_is_not_trained_gets_no_gradient_and_changes_no_other() {
    for after in AFTER {
        for frozen in 0..4 {
            let mut trained = ALL;
            trained[frozen] = false;
            Case { size: [3, 20, 9, 7], after, gradient: Gradient::Dense, trained }.check();
            if frozen < 3 || matches!(after, After::Shortcut { .. }) {
                let mut only = [false; 4];
                only[frozen] = true;
                Case { size: [3, 20, 9, 7], after, gradient: Gradient::Dense, trained: only }.check();
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let before = tch::get_num_threads();
    for after in AFTER {
        let case = Case { size: [4, 96, 40, 40], after, gradient: Gradient::Dense, trained: ALL };
        let mut all = Vec::new();
        for threads in [1, 2, 3, 7] {
            tch::set_num_threads(threads);
            let Found { output, running, gradients } = case.compute(Kind::Float, true);
            all.push(std::iter::once(output).chain(running).chain(gradients).collect::<Vec<_>>());
        }
        let (first, rest) = all.split_first().unwrap();
        for other in rest {
            assert!(first.iter().zip(other).all(|(a, b)| a == b), "{after:?}");
        }
    }
    tch::set_num_threads(before);
}

/// A BatchNorm as it begins, for `channels` of a kind.
fn fresh(channels: i64, kind: Kind) -> BatchNorm {
    let of = |value: f64| Tensor::full([channels], value, (kind, Device::Cpu));
    BatchNorm { weight: of(1.0), bias: of(0.0), mean: of(0.0), variance: of(1.0) }
}

#[test]
fn a_mean_far_from_zero_and_a_value_far_from_the_rest_cost_no_digits() {
    let size = [4, 33, 40, 40];
    let spread = drawn("spread", &size);
    let far = &spread + 3000.0;
    let outlier = spread.copy();
    // The first pixel of the first image.
    let _ = outlier.narrow(0, 0, 1).narrow(2, 0, 1).narrow(3, 0, 1).fill_(5e4);
    // The second half of the rows.
    let steps = spread.copy();
    let _ = steps.narrow(0, 2, 2).f_add_scalar_(1e5).unwrap();
    for (name, x) in [("far", far), ("outlier", outlier), ("steps", steps)] {
        let (ours, double) = (fresh(33, Kind::Float), fresh(33, Kind::Double));
        let found = ours.forward(&x, true, Then::Nothing).unwrap().read();
        let expected = double.forward(&x.to_kind(Kind::Double), true, Then::Nothing).unwrap().read();
        let relative = |found: &Tensor, expected: &Tensor| {
            let off = (found.to_kind(Kind::Double) - expected) / expected;
            off.abs().max().double_value(&[])
        };
        assert!(relative(&ours.variance, &double.variance) < 1e-6, "{name}");
        assert!(relative(&ours.mean, &double.mean) < 1e-6, "{name}");
        // The mean itself is rounded to single precision.
        near(&found, &expected, 5e-4, name);
    }
}

/// libtorch's own operations on the same numbers.
fn plain(x: &Tensor, shortcut: &Tensor) -> [Tensor; 2] {
    let BatchNorm { weight, bias, mean, variance } = fresh(x.size()[1], x.kind());
    let y =
        x.batch_norm(Some(&weight), Some(&bias), Some(&mean), Some(&variance), true, MOMENTUM, EPSILON, true);
    [y.relu(), (y + shortcut).relu()]
}

#[test]
fn what_is_not_a_number_stays_so_where_libtorch_leaves_it_so() {
    let size = [2, 5, 6, 7];
    let at = |tensor: &Tensor, channel, value: f64| {
        let _ = tensor.narrow(0, 1, 1).narrow(1, channel, 1).narrow(2, 3, 1).narrow(3, 2, 1).fill_(value);
    };
    let (x, shortcut) = (drawn("x", &size), drawn("shortcut", &size));
    for (channel, value) in [(0, f64::NAN), (1, f64::INFINITY), (2, f64::NEG_INFINITY)] {
        at(&x, channel, value);
        at(&shortcut, channel + 2, value);
    }
    let factor = drawn("factor", &size);
    for (add, expected) in [false, true].into_iter().zip(plain(&x, &shortcut)) {
        let then = || if add { Then::AddRelu(shortcut.shallow_clone()) } else { Then::Relu };
        let found = fresh(5, Kind::Float).forward(&x, true, then()).unwrap().read();
        assert!(found.isnan() == expected.isnan() && found.isinf() == expected.isinf(), "{found}");
        assert!(found.isnan().any().int64_value(&[]) == 1);
        // The gradient of a shortcut passes where the output is not a number, as libtorch's does.
        let input = shortcut.copy().set_requires_grad(true);
        let ours =
            fresh(5, Kind::Float).forward(&x, true, Then::AddRelu(input.shallow_clone())).unwrap().read();
        let [_, theirs] = plain(&x, &input);
        let gradient =
            |y: Tensor| Tensor::run_backward(&[(y * &factor).sum(Kind::Float)], &[&input], false, false);
        assert!(gradient(ours)[0] == gradient(theirs)[0]);
    }
}

#[test]
fn other_tensors_are_left_to_libtorch() {
    let taken = |x: &Tensor, norm: &BatchNorm, shortcut: Option<&Tensor>| {
        let BatchNorm { weight, bias, mean, variance } = norm;
        calls::norm(x, [weight, bias, mean, variance], shortcut, true, [MOMENTUM, EPSILON]).unwrap().is_some()
    };
    let x = drawn("x", &[2, 6, 5, 4]);
    let norm = fresh(6, Kind::Float);
    assert!(taken(&x, &norm, None) && taken(&x, &norm, Some(&x.copy())));
    assert!(!taken(&x.contiguous(), &norm, None), "channels first");
    assert!(!taken(&x, &norm, Some(&x.contiguous())), "a shortcut in channels first");
    assert!(!taken(&x, &norm, Some(&x.narrow(0, 0, 1))), "a shortcut of another shape");
    assert!(!taken(&x.to_kind(Kind::Double), &fresh(6, Kind::Double), None));
    assert!(!taken(&x.to_kind(Kind::BFloat16), &norm, None));
    assert!(!taken(&x, &fresh(5, Kind::Float), None), "parameters of other channels");
    let autocast = calls::Autocast::on(Device::Cpu).unwrap();
    assert!(!taken(&x, &norm, None), "autocast");
    drop(autocast);
    assert!(!taken(&drawn("one", &[1, 6, 1, 1]), &norm, None), "one value per channel");
    let before = norm.mean.copy();
    assert!(!taken(&x.contiguous(), &norm, None) && norm.mean == before, "running statistics stay");
}
