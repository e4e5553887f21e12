//! The mean of several models' scores.

/// Averages the scores of several models, image by image; every model has as many scores.
///
/// A value that all models share is kept as it is. No models give no scores.
///
/// # Panics
/// If the slices differ in length.
pub fn mean_scores(models: &[&[f64]]) -> Vec<f64> {
    let Some((first, rest)) = models.split_first() else { return Vec::new() };
    assert!(rest.iter().all(|other| other.len() == first.len()), "one score an image of every model");
    let n = models.len() as f64;
    (0..first.len())
        .map(|image| {
            let scores = models.iter().map(|model| model[image]);
            let (low, high) = scores
                .clone()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
            // Rounding must not carry the mean away from the scores.
            (scores.sum::<f64>() / n).max(low).min(high)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_taken_image_by_image() {
        assert_eq!(mean_scores(&[&[0.0, 0.5], &[1.0, 0.25]]), [0.5, 0.375]);
        assert_eq!(mean_scores(&[&[0.1], &[0.1], &[0.1]]), [0.1]);
        assert!(mean_scores(&[]).is_empty());
    }
}
