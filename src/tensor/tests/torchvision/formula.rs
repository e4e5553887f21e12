//! Weights, images and labels as formulas, equal to the bit to those in `tests/torchvision_reference.py`.
//! `fixtures/torchvision/README.md` defines them.

use reg::dataset::pixels::Gray;

pub(crate) const LABELS: u32 = 15;
/// Number of values of a tensor in the golden files.
pub(crate) const SAMPLES: u64 = 4;

/// 64 bits for each index: SplitMix64's output function on a counter that starts at FNV-1a of the name.
fn bits(name: &str) -> impl Fn(u64) -> u64 + use<> {
    let step = |seed: u64, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    move |index| {
        let z = seed.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Uniform in [-1, 1).
pub(crate) fn uniform(name: &str) -> impl Fn(u64) -> f64 + use<> {
    let bits = bits(name);
    move |index| (bits(index) >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// Values of a parameter or buffer by its name.
pub(crate) fn weight(name: &str, shape: &[usize]) -> Vec<f32> {
    let (centre, width) = match shape {
        _ if name.ends_with("running_var") => (1.0, 0.5),
        // The last normalisation of a block is small, so that blocks add little to their input.
        [_] if name.ends_with(".weight") && name.contains(".bn3.") => (0.25, 0.125),
        [_] if name.ends_with(".weight") => (1.0, 0.25),
        [_, inputs @ ..] if !inputs.is_empty() => {
            // He's deviation; a quarter of it in the dense layer, for logits of order 1.
            let part = if ["fc.weight", "classifier.weight"].contains(&name) { 0.25 } else { 1.0 };
            (0.0, (6.0 / inputs.iter().product::<usize>() as f64).sqrt() * part)
        }
        _ => (0.0, 0.1),
    };
    let uniform = uniform(name);
    let value = |index| (centre + width * uniform(index)) as f32;
    (0..shape.iter().product::<usize>() as u64).map(value).collect()
}

/// 8 x 8 tiles, a ramp and noise.
pub(crate) fn image(number: u32, side: u32) -> Gray {
    let (tiles, noise) = (bits(&format!("tiles {number}")), bits(&format!("noise {number}")));
    let pixel = |index: u32| {
        let (x, y) = (index % side, index / side);
        let tile = tiles(u64::from(y * 8 / side * 8 + x * 8 / side)) >> 57;
        let noise = noise(index.into()) >> 58;
        (tile + noise + u64::from((x + y) * 32 / side)) as u8
    };
    Gray { width: side, height: side, data: (0..side * side).map(pixel).collect() }
}

/// Whether an image has a label.
pub(crate) fn has(image: u32, label: u32) -> bool {
    bits("labels")(u64::from(image * LABELS + label)) >> 63 == 1
}

/// Sum, sum of magnitudes and some values at indices that depend on the name: the content of the golden files
/// for a tensor.
pub(crate) fn sampled(name: &str, values: &[f64]) -> Vec<f64> {
    let bits = bits(&format!("{name} samples"));
    let place = |number| (bits(number) % values.len() as u64) as usize;
    let sums = [values.iter().sum(), values.iter().map(|value| value.abs()).sum()];
    sums.into_iter().chain((0..SAMPLES).map(|number| values[place(number)])).collect()
}
