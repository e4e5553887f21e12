//! Values in ascending order: the first step of ranks, AUCs and curves, which takes nearly all of their time.
//!
//! Tens of thousands of scores are sorted by their bits, eleven at a time, which is several times faster than by
//! comparing them. The order is that of `f64::total_cmp`, with -0.0 equal to 0.0.

use std::cell::Cell;

/// Bits that one pass sorts by.
const DIGIT: u32 = 11;
/// Leading bits that are sorted in this way. Few different scores agree in all of them.
const LEADING: u32 = 2 * DIGIT;
/// Fewer values than this are sorted by comparison.
const FEW: usize = 1 << 10;
/// The memory of so many values is kept for the next: 24 MB.
const KEPT: usize = 1 << 20;

/// The values in ascending order with their positions; equal values in the order of their positions. [`same`]
/// tells where ties begin and end. A NaN is sorted beyond the infinities.
///
/// # Panics
/// If there are 2^32 values or more.
pub(super) fn sorted(values: &[f64]) -> Vec<(f64, usize)> {
    let with_value = |placed: &PackedPosition| (ordered(values[placed.position()]), placed.position());
    SortedPositions::of(values).0.placed.iter().map(with_value).collect()
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
    // All bits of a negative value are inverted, of any other value only its sign.
    bits ^ (((bits as i64) >> 63) as u64 | SIGN)
}

/// The position of a value in the lower half, below the leading bits of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PackedPosition(u64);

impl PackedPosition {
    pub(super) fn position(self) -> usize {
        self.0 as u32 as usize
    }

    fn leading(self) -> u64 {
        self.0 >> u32::BITS
    }
}

/// The order of values, without the values.
pub(super) struct SortedPositions(Buffers);

#[derive(Debug, Default)]
struct Buffers {
    /// The positions of the values in ascending order, the order of [`sorted`].
    placed: Vec<PackedPosition>,
    /// For each different value, in ascending order, the number of values that are not larger.
    ends: Vec<u32>,
    /// Memory for what is sorted next.
    spare: Vec<PackedPosition>,
    runs: Vec<u32>,
}

thread_local! {
    /// The memory of the order that this thread needed last: to get it from the system takes as long as to sort.
    static MEMORY: Cell<Buffers> = Cell::default();
}

impl SortedPositions {
    /// Sorts values.
    ///
    /// # Panics
    /// If there are 2^32 values or more.
    pub(super) fn of(values: &[f64]) -> Self {
        let mut buffers = MEMORY.take();
        buffers.sort(values);
        SortedPositions(buffers)
    }

    /// The positions of each value that there is, in ascending order of the values. The positions of equal values are in
    /// ascending order.
    pub(super) fn ties(&self) -> impl Iterator<Item = &[PackedPosition]> {
        let mut start = 0;
        self.0.ends.iter().map(move |end| {
            let tied = &self.0.placed[start..*end as usize];
            start = *end as usize;
            tied
        })
    }
}

impl Drop for SortedPositions {
    fn drop(&mut self) {
        if self.0.placed.len() <= KEPT {
            // A thread that ends keeps nothing.
            let _ = MEMORY.try_with(|memory| memory.set(std::mem::take(&mut self.0)));
        }
    }
}

impl Buffers {
    fn sort(&mut self, values: &[f64]) {
        let count = u32::try_from(values.len()).expect("positions take 32 bits");
        let (mut low, mut high) = (u64::MAX, 0);
        for value in values {
            let key = key(*value);
            (low, high) = (low.min(key), high.max(key));
        }
        // The leading bits of a key's distance from the lowest, beside its position.
        let bits = u64::BITS - high.saturating_sub(low).leading_zeros();
        let shift = bits.saturating_sub(LEADING);
        let pack = |(value, position): (&f64, u64)| {
            PackedPosition((((key(*value) - low) >> shift) << u32::BITS) | position)
        };
        self.placed.clear();
        self.placed.extend(values.iter().zip(0..).map(pack));
        match values.len() < FEW {
            true => self.placed.sort_unstable(),
            false => sort_by_digits(&mut self.placed, &mut self.spare, bits - shift),
        }
        // Where the leading bits change: found without a branch, whose direction no processor could predict.
        self.ends.resize(values.len(), 0);
        let mut runs = 0;
        for (pair, end) in self.placed.windows(2).zip(1..) {
            self.ends[runs] = end;
            runs += usize::from(pair[0].leading() != pair[1].leading());
        }
        if count > 0 {
            self.ends[runs] = count;
            runs += 1;
        }
        self.ends.truncate(runs);
        if shift > 0 && runs < values.len() {
            std::mem::swap(&mut self.ends, &mut self.runs);
            self.ends.clear();
            sort_runs(&mut self.placed, &self.runs, values, &mut self.ends);
        }
    }
}

/// Sorts runs of values that agree in the leading bits by all bits; adds where ties end to `ends`.
fn sort_runs(placed: &mut [PackedPosition], runs: &[u32], values: &[f64], ends: &mut Vec<u32>) {
    let key = |placed: &PackedPosition| key(values[placed.position()]);
    let mut start = 0;
    for end in runs {
        let run = &mut placed[start as usize..*end as usize];
        if run.len() > 1 {
            run.sort_unstable_by_key(|placed| (key(placed), *placed));
            let changes = run.windows(2).zip(start + 1..).filter(|(pair, _)| key(&pair[0]) != key(&pair[1]));
            ends.extend(changes.map(|(_, end)| end));
        }
        ends.push(*end);
        start = *end;
    }
}

/// Sorts by the lowest `bits` of the leading ones, [`LEADING`] at most; the sort is stable.
fn sort_by_digits(placed: &mut Vec<PackedPosition>, spare: &mut Vec<PackedPosition>, bits: u32) {
    const PASSES: usize = (LEADING / DIGIT) as usize;
    let digit = |placed: PackedPosition, pass: usize| {
        (placed.leading() >> (pass as u32 * DIGIT)) as usize % (1 << DIGIT)
    };
    let mut places = [[0u32; 1 << DIGIT]; PASSES];
    for placed in placed.iter() {
        (0..PASSES).for_each(|pass| places[pass][digit(*placed, pass)] += 1);
    }
    spare.resize(placed.len(), PackedPosition(0));
    for (pass, places) in places.iter_mut().enumerate().take(bits.div_ceil(DIGIT) as usize) {
        let mut next = 0;
        for place in places.iter_mut() {
            (*place, next) = (next, next + *place);
        }
        for placed in placed.iter() {
            let place = &mut places[digit(*placed, pass)];
            spare[*place as usize] = *placed;
            *place += 1;
        }
        std::mem::swap(placed, spare);
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

    #[test]
    fn memory_that_served_for_other_values_changes_nothing() {
        let many: Vec<f64> = (0..5000).map(|i| f64::from(i * 7 % 4999) / 3.0).collect();
        let close: Vec<f64> =
            (0..3000).map(|i| 0.5 + f64::from(i % 50) * f64::EPSILON).chain([9.0]).collect();
        let mut buffers = Buffers::default();
        for values in [&many[..], &close, &many[..7], &[], &many] {
            buffers.sort(values);
            let mut fresh = Buffers::default();
            fresh.sort(values);
            assert_eq!((&buffers.placed, &buffers.ends), (&fresh.placed, &fresh.ends));
        }
    }

    proptest! {
        #[test]
        fn the_order_of_few_is_that_of_comparing(values in prop::collection::vec(any::<f64>(), 0..50)) {
            prop_assert_eq!(ours(&values), by_comparing(&values));
        }
    }
}
