//! Whether probabilities mean what they say: the Brier score and the expected calibration error.

/// Computes the mean squared distance of the probabilities from the truth, 0 or 1 (Brier, Monthly Weather
/// Review 78, 1950); `None` without images.
///
/// # Panics
/// If the slices differ in length.
pub fn brier(probabilities: &[f64], positive: &[bool]) -> Option<f64> {
    assert_eq!(probabilities.len(), positive.len(), "one label a probability");
    let distance = |(p, positive): (&f64, &bool)| (p - f64::from(u8::from(*positive))).powi(2);
    let sum: f64 = probabilities.iter().zip(positive).map(distance).sum();
    (!positive.is_empty()).then(|| sum / positive.len() as f64)
}

/// How probabilities and frequencies agree, bin by bin.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Expected calibration error: the distance of mean probability and frequency, averaged over the images.
    pub ece: f64,
    /// The bins, of equal width from 0 to 1.
    pub bins: Vec<ReliabilityBin>,
}

/// Images whose probability is above `k / bins` and at most `(k + 1) / bins`; 0 belongs to the first bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityBin {
    /// How many.
    pub images: u64,
    /// How many of them are positive.
    pub positives: u64,
    /// Their mean probability; `None` without images.
    pub mean: Option<f64>,
}

/// Computes the calibration in `bins` bins (Guo et al., ICML 2017, section 2); `None` without images.
///
/// # Panics
/// If the slices differ in length, or there are no bins.
pub fn calibration(probabilities: &[f64], positive: &[bool], bins: usize) -> Option<Calibration> {
    assert_eq!(probabilities.len(), positive.len(), "one label a probability");
    assert!(bins > 0, "at least one bin");
    let mut sums = vec![(0u64, 0u64, 0.0f64); bins];
    for (p, positive) in probabilities.iter().zip(positive) {
        let (images, positives, sum) = &mut sums[bin_of(*p, bins)];
        *images += 1;
        *positives += u64::from(*positive);
        *sum += p;
    }
    let n = positive.len() as f64;
    // An empty bin has distance 0.
    let distance = |(_, positives, sum): &(u64, u64, f64)| (sum - *positives as f64).abs();
    let ece = sums.iter().map(distance).sum::<f64>() / n;
    let bins = sums.iter().map(|(images, positives, sum)| ReliabilityBin {
        images: *images,
        positives: *positives,
        mean: (*images > 0).then(|| sum / *images as f64),
    });
    (!positive.is_empty()).then(|| Calibration { ece, bins: bins.collect() })
}

/// The bin of a probability; see [`ReliabilityBin`].
pub fn bin_of(probability: f64, bins: usize) -> usize {
    // The product is rounded, so that an edge may be missed by one.
    let guess = (probability * bins as f64).floor().clamp(0.0, (bins - 1) as f64) as usize;
    let edge = |k: usize| k as f64 / bins as f64;
    let mut bin = guess;
    while bin > 0 && probability <= edge(bin) {
        bin -= 1;
    }
    while bin + 1 < bins && probability > edge(bin + 1) {
        bin += 1;
    }
    bin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certain_and_right_is_zero_and_certain_and_wrong_is_one() {
        assert_eq!(brier(&[1.0, 0.0], &[true, false]), Some(0.0));
        assert_eq!(brier(&[0.0, 1.0], &[true, false]), Some(1.0));
        assert_eq!(calibration(&[1.0, 0.0], &[true, false], 10).unwrap().ece, 0.0);
        assert_eq!(calibration(&[0.0, 1.0], &[true, false], 10).unwrap().ece, 1.0);
    }

    #[test]
    fn edges_belong_to_the_bin_below_and_zero_to_the_first() {
        let found = calibration(&[0.0, 0.5, 0.50001, 1.0], &[false, true, true, true], 2).unwrap();
        let bins: Vec<_> = found.bins.iter().map(|bin| (bin.images, bin.positives, bin.mean)).collect();
        assert_eq!(bins, [(2, 1, Some(0.25)), (2, 2, Some(0.750005))]);
        assert_eq!(calibration(&[0.9], &[true], 2).unwrap().bins[0].mean, None);
    }

    #[test]
    fn every_edge_belongs_to_the_bin_below() {
        for bins in [1, 2, 7, 10, 15, 49] {
            let upper: Vec<f64> = (1..=bins).map(|k| k as f64 / bins as f64).collect();
            let close = upper.iter().flat_map(|edge| [edge.next_down(), *edge, edge.next_up().min(1.0)]);
            for p in close.chain([0.0, 1e-300, 1.0]) {
                assert_eq!(
                    bin_of(p, bins),
                    upper.partition_point(|edge| *edge < p).min(bins - 1),
                    "{p} of {bins}"
                );
            }
        }
    }

    #[test]
    fn undefined_without_images() {
        assert_eq!((brier(&[], &[]), calibration(&[], &[], 3)), (None, None));
    }
}
