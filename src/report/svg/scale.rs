//! Maps quantities to pixels: scales with round ticks, and lines without invisible points.

/// A linear scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AxisScale {
    domain: [f64; 2],
    pixels: [f64; 2],
    step: f64,
}

impl AxisScale {
    /// A scale from `low` to `high`, each rounded outwards, with about the given number of ticks.
    pub(super) fn round(low: f64, high: f64, ticks: usize, pixels: [f64; 2]) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / ticks as f64);
        // An excess of a thousandth of a step does not add a tick.
        let down = (low / step + 1e-3).floor() * step;
        let up = (high / step - 1e-3).ceil() * step;
        AxisScale { domain: [down, up], pixels, step }
    }

    /// A scale without ticks that ends where its values do.
    pub(super) fn exact(low: f64, high: f64, pixels: [f64; 2]) -> Self {
        AxisScale { domain: [low, high], pixels, step: high - low }
    }

    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let [low, high] = self.domain;
        let [from, to] = self.pixels;
        from + (value - low) / (high - low) * (to - from)
    }

    /// The ticks: values and their labels.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let [low, high] = self.domain;
        let n = ((high - low) / self.step).round() as usize;
        let whole = |decimals: &i32| {
            let scaled = self.step * 10f64.powi(*decimals);
            (scaled - scaled.round()).abs() < 1e-6
        };
        let decimals = (0..9).find(whole).unwrap_or(9) as usize;
        (0..=n)
            .map(|i| low + i as f64 * self.step)
            .map(|value| {
                let text = format!("{value:.decimals$}");
                let zero = text.strip_prefix('-').is_some_and(|t| t.chars().all(|c| matches!(c, '0' | '.')));
                (self.at(value), if zero { text[1..].to_owned() } else { text })
            })
            .collect()
    }
}

/// The smallest of 1, 2, 5, 10 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    // Parsed from decimal digits rather than computed, so that it is the same number on every machine.
    let exponent = format!("{step:e}").split_once('e').and_then(|(_, e)| e.parse::<i32>().ok()).unwrap_or(0);
    let power: f64 = format!("1e{exponent}").parse().unwrap_or(1.0);
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// The line without the points that are within `tolerance` of the remaining line (Ramer, Douglas and Peucker);
/// the first and the last point stay.
pub(super) fn thinned(points: &[[f64; 2]], tolerance: f64) -> Vec<[f64; 2]> {
    if points.len() < 3 {
        return points.to_vec();
    }
    let mut kept = vec![false; points.len()];
    kept[0] = true;
    kept[points.len() - 1] = true;
    let mut parts = vec![(0, points.len() - 1)];
    while let Some((first, last)) = parts.pop() {
        let inner = first + 1..last;
        let far = inner
            .map(|i| (distance(points[i], points[first], points[last]), i))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, at)) = far.filter(|(farthest, _)| *farthest > tolerance) {
            kept[at] = true;
            parts.extend([(first, at), (at, last)]);
        }
    }
    points.iter().zip(kept).filter(|(_, kept)| *kept).map(|(point, _)| *point).collect()
}

/// Distance of a point from the line between two others.
fn distance(point: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let along = [b[0] - a[0], b[1] - a[1]];
    let to = [point[0] - a[0], point[1] - a[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let share = if length > 0.0 { (to[0] * along[0] + to[1] * along[1]) / length } else { 0.0 };
    let share = share.clamp(0.0, 1.0);
    let beside = [to[0] - share * along[0], to[1] - share * along[1]];
    (beside[0] * beside[0] + beside[1] * beside[1]).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_begin_and_end_at_round_numbers_and_show_them() {
        let texts = |low, high, n| -> Vec<String> {
            AxisScale::round(low, high, n, [0.0, 100.0]).ticks().into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(texts(0.0, 1.0, 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(0.513, 0.93, 5), ["0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]);
        assert_eq!(texts(0.0, 4321.0, 4), ["0", "2000", "4000", "6000"]);
        assert_eq!(texts(-0.03, 0.03, 3), ["-0.04", "-0.02", "0.00", "0.02", "0.04"]);
        assert_eq!(texts(0.2, 0.2, 3).first().unwrap(), "0.0");
        let scale = AxisScale::round(0.0, 1.0, 5, [10.0, 0.0]);
        assert_eq!([scale.at(0.0), scale.at(0.5), scale.at(1.0)], [10.0, 5.0, 0.0]);
    }

    #[test]
    fn a_thinned_line_is_nowhere_further_from_the_whole_one_than_it_may() {
        let whole: Vec<[f64; 2]> =
            (0..5000).map(|i| f64::from(i) / 5000.0).map(|x| [300.0 * x, 300.0 * x.sqrt()]).collect();
        let thin = thinned(&whole, 0.1);
        assert!(thin.len() < 60, "{}", thin.len());
        assert_eq!((thin[0], thin[thin.len() - 1]), (whole[0], whole[4999]));
        for point in &whole {
            let nearest = thin.windows(2).map(|pair| distance(*point, pair[0], pair[1]));
            assert!(nearest.min_by(f64::total_cmp).unwrap() <= 0.1);
        }
        assert_eq!(thinned(&[[1.0, 2.0]], 0.1), [[1.0, 2.0]]);
    }
}
