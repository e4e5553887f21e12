//! Values in ascending order: the first step of ranks, AUCs and curves, which takes nearly all of their time.
//!
//! Tens of thousands of scores are sorted by their bits, eleven at a time, which is several times faster than by
//! comparing them. The order is that of `f64::total_cmp`, with -0.0 equal to 0.0.

/// Bits that one pass sorts by.
const DIGIT: u32 = 11;
/// Leading bits that are sorted in this way. Few different scores agree in all of them.
const LEADING: u32 = 2 * DIGIT;
/// Fewer values than this are sorted by comparison.
const FEW: usize = 1 << 10;

/// The values in ascending order with their positions; equal values in the order of their positions. [`same`]
/// tells where ties begin and end. A NaN is sorted beyond the infinities.
///
/// # Panics
/// If there are 2^32 values or more.
pub(super) fn sorted(values: &[f64]) -> Vec<(f64, usize)> {
    let with_value = |position: &u32| (ordered(values[*position as usize]), *position as usize);
    SortedPositions::of(values).positions.iter().map(with_value).collect()
}

/// Whether two of [`sorted`] are tied.
pub(super) fn same(a: &(f64, usize), b: &(f64, usize)) -> bool {
    a.0.to_bits() == b.0.to_bits()
}

/// The value with -0.0 replaced by 0.0: `total_cmp` distinguishes the two zeros, ranks must not.
fn ordered(value: f64) -> f64 {
    value + 0.0
}

/// An integer with the same order as the value.
fn key(value: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    let bits = ordered(value).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The order of values, without the values.
pub(super) struct SortedPositions {
    /// The positions of the values in ascending order, the order of [`sorted`].
    positions: Vec<u32>,
    /// For each place in the order: whether the value before it is smaller.
    larger: Vec<bool>,
}

impl SortedPositions {
    /// Sorts values.
    ///
    /// # Panics
    /// If there are 2^32 values or more.
    pub(super) fn of(values: &[f64]) -> Self {
        assert!(u32::try_from(values.len()).is_ok(), "positions take 32 bits");
        let keys: Vec<u64> = values.iter().map(|value| key(*value)).collect();
        let low = keys.iter().copied().min().unwrap_or(0);
        let range = keys.iter().copied().max().unwrap_or(0) - low;
        // The leading bits of a key's distance from the lowest, beside its position.
        let bits = u64::BITS - range.leading_zeros();
        let shift = bits.saturating_sub(LEADING);
        let pack = |(key, position): (&u64, u64)| (((key - low) >> shift) << u32::BITS) | position;
        let mut packed: Vec<u64> = keys.iter().zip(0..).map(pack).collect();
        match packed.len() < FEW {
            true => packed.sort_unstable(),
            false => sort_by_digits(&mut packed, bits - shift),
        }
        let mut positions: Vec<u32> = packed.iter().map(|packed| *packed as u32).collect();
        let mut before = u64::MAX;
        let is_larger =
            |packed: &u64| std::mem::replace(&mut before, packed >> u32::BITS) != packed >> u32::BITS;
        let mut larger: Vec<bool> = packed.iter().map(is_larger).collect();
        if shift > 0 {
            // Values that agree in the leading bits are not in order yet.
            let mut start = 0;
            while let Some(end) = larger[start..].iter().position(|larger| !larger).map(|place| start + place)
            {
                start = end - 1;
                let many = larger[end..].iter().position(|larger| *larger).unwrap_or(larger.len() - end);
                let run = &mut positions[start..end + many];
                run.sort_unstable_by_key(|position| (keys[*position as usize], *position));
                for (larger, pair) in larger[end..].iter_mut().zip(run.windows(2)) {
                    *larger = keys[pair[0] as usize] != keys[pair[1] as usize];
                }
                start = end + many;
            }
        }
        SortedPositions { positions, larger }
    }

    /// The positions of each value that there is, in ascending order of the values. The positions of equal values are in
    /// ascending order.
    pub(super) fn ties(&self) -> impl Iterator<Item = &[u32]> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let mut end = start + 1;
            while self.larger.get(end) == Some(&false) {
                end += 1;
            }
            let tied = self.positions.get(start..end);
            start = end;
            tied
        })
    }
}

/// Sorts by the lowest `bits` of the upper half, [`LEADING`] at most; the sort is stable.
fn sort_by_digits(packed: &mut Vec<u64>, bits: u32) {
    const PASSES: usize = (LEADING / DIGIT) as usize;
    let digit =
        |packed: u64, pass: usize| (packed >> (u32::BITS + pass as u32 * DIGIT)) as usize % (1 << DIGIT);
    let mut places = [[0u32; 1 << DIGIT]; PASSES];
    for packed in packed.iter() {
        (0..PASSES).for_each(|pass| places[pass][digit(*packed, pass)] += 1);
    }
    let mut sorted = vec![0; packed.len()];
    for (pass, places) in places.iter_mut().enumerate().take(bits.div_ceil(DIGIT) as usize) {
        let mut next = 0;
        for place in places.iter_mut() {
            (*place, next) = (next, next + *place);
        }
        for packed in packed.iter() {
            let place = &mut places[digit(*packed, pass)];
            sorted[*place as usize] = *packed;
            *place += 1;
        }
        std::mem::swap(packed, &mut sorted);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_comparing(values: &[f64]) -> Vec<(u64, usize)> {
        let mut sorted: Vec<(f64, usize)> = values.iter().map(|value| ordered(*value)).zip(0..).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        sorted.into_iter().map(|(value, position)| (value.to_bits(), position)).collect()
    }

    fn ours(values: &[f64]) -> Vec<(u64, usize)> {
        sorted(values).into_iter().map(|(value, position)| (value.to_bits(), position)).collect()
    }

    #[test]
    fn the_order_is_that_of_comparing_whatever_the_values() {
        // A multiplicative sequence: all bits vary, and nothing is sorted.
        let bits = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        let any: Vec<f64> = (0..5000).map(|i| f64::from_bits(bits(i))).collect();
        let close: Vec<f64> = (0..5000).map(|i| 0.5 + (bits(i) >> 44) as f64 * f64::EPSILON).collect();
        let far: Vec<f64> = close.iter().copied().chain([f64::MAX, -1e-300, f64::NAN, 0.0, -0.0]).collect();
        let tied: Vec<f64> = (0..5000).map(|i| (bits(i) >> 61) as f64 - 3.0).collect();
        for values in [any, close, far, tied, vec![0.25; 3000], Vec::new()] {
            assert_eq!(ours(&values), by_comparing(&values));
        }
    }

    proptest! {
        #[test]
        fn the_order_of_few_is_that_of_comparing(values in prop::collection::vec(any::<f64>(), 0..50)) {
            prop_assert_eq!(ours(&values), by_comparing(&values));
        }
    }
}
