//! Random streams that depend on nothing but their key: ChaCha8 keyed by a seed, a purpose and
//! numbers such as fold, epoch and image. Never by thread, time or platform.
//!
//! Random numbers are derived here, in integers where possible, because the sampling algorithms of
//! random-number crates change between their versions and a split must never change.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::hash::derive_key;

/// A stream of random numbers.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `seed` for `purpose` (a fixed text, such as `reg split`) and `words`.
    pub fn new(purpose: &str, seed: u64, words: &[u64]) -> Self {
        let mut key = vec![seed];
        key.extend(words);
        Stream(ChaCha8Rng::from_seed(derive_key(purpose, &key)))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform between `low` and `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in `0..n` without bias, for `n > 0`. Lemire, ACM TOMACS 29 (2019), section 4.
    pub fn below(&mut self, n: u64) -> u64 {
        loop {
            let product = u128::from(self.bits()) * u128::from(n);
            let low = product as u64;
            // Without this rejection, some results would be more likely than others.
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// Standard normal. Box and Muller, Ann. Math. Statist. 29 (1958).
    pub fn normal(&mut self) -> f64 {
        // 1 - uniform is in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Shuffles `items` (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_pinned_for_ever() {
        let mut stream = Stream::new("reg test", 1, &[2, 3]);
        let drawn: Vec<u64> = (0..4).map(|_| stream.below(1000)).collect();
        let mut order: Vec<u32> = (0..8).collect();
        stream.shuffle(&mut order);
        insta::assert_compact_debug_snapshot!((drawn, order, stream.uniform(), stream.normal()), @"([28, 881, 875, 601], [7, 0, 4, 2, 5, 1, 6, 3], 0.041079337687833894, -0.09175075045587591)");
    }

    #[test]
    fn below_reaches_every_value_about_equally_often() {
        let mut stream = Stream::new("reg test", 7, &[]);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[stream.below(6) as usize] += 1;
        }
        assert!(counts.iter().all(|n| (9_600..10_400).contains(n)), "{counts:?}");
    }
}
