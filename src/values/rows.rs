//! Collects the rows of a long form.

use std::collections::HashMap;

use super::subject::ValueSubject;
use super::value::{LongValue, RowCounts};
use super::{LongRow, LongTable, SETTINGS};
use crate::records::{Computed, Numerics, Spread, StdError};

/// The rows so far.
#[derive(Default)]
pub(super) struct ValueRows<'t> {
    rows: Vec<LongRow<'t>>,
}

/// The statistics of a quantity over folds.
pub(super) struct SpreadNames {
    /// The value of a fold.
    fold: &'static str,
    mean: &'static str,
    std: &'static str,
    min: &'static str,
    max: &'static str,
    n: &'static str,
    seed_std: &'static str,
}

macro_rules! spread_names {
    ($name:ident, $quantity:literal) => {
        pub(super) const $name: SpreadNames = SpreadNames {
            fold: $quantity,
            mean: concat!($quantity, "_mean"),
            std: concat!($quantity, "_std"),
            min: concat!($quantity, "_min"),
            max: concat!($quantity, "_max"),
            n: concat!($quantity, "_folds"),
            seed_std: concat!($quantity, "_seed_std"),
        };
    };
}

spread_names!(AUC, "auc");
spread_names!(THRESHOLD, "threshold");
spread_names!(SENSITIVITY, "sensitivity");
spread_names!(SPECIFICITY, "specificity");
spread_names!(MAE, "mae");
spread_names!(DEVIATION, "deviation");
spread_names!(BASELINE, "baseline");

impl<'t> ValueRows<'t> {
    /// Adds a value.
    pub(super) fn add(
        &mut self,
        subject: ValueSubject<'t>,
        value: impl Into<LongValue<'t>>,
        counts: RowCounts,
    ) {
        self.rows.push(LongRow { subject, value: value.into(), counts });
    }

    /// Adds several statistics of one subject.
    pub(super) fn all<const N: usize>(
        &mut self,
        of: &ValueSubject<'t>,
        counts: RowCounts,
        values: [(&'static str, LongValue<'t>); N],
    ) {
        for (statistic, value) in values {
            self.add(of.statistic(statistic), value, counts);
        }
    }

    /// Adds the counts that there are as values.
    pub(super) fn counts(&mut self, of: &ValueSubject<'t>, counts: RowCounts) {
        for (name, count) in counts.named() {
            if let Some(count) = count {
                self.add(of.statistic(name), count, counts);
            }
        }
    }

    /// Adds what was asked for.
    pub(super) fn setting(&mut self, name: &'static str, value: impl Into<LongValue<'t>>) {
        self.add(ValueSubject::new(SETTINGS, name), value, RowCounts::default());
    }

    /// Adds a standard error with its degrees of freedom.
    pub(super) fn std_error(&mut self, of: &ValueSubject<'t>, counts: RowCounts, error: &StdError) {
        let StdError { value, df } = error;
        self.all(of, counts, [("std_error", (*value).into()), ("df", (*df).into())]);
    }

    /// Adds the environment of a computation.
    pub(super) fn computed(&mut self, fold: Option<u32>, computed: &'t Computed) {
        let Computed { device, threads, numerics: Numerics { version, libtorch, target } } = computed;
        let of = ValueSubject::new(SETTINGS, "").fold(fold);
        let values = [
            ("device", word(device)),
            ("threads", (*threads).into()),
            ("numerics", (*version).into()),
            ("libtorch", libtorch.into()),
            ("target", target.into()),
        ];
        self.all(&of, RowCounts::default(), values);
    }

    /// Adds a quantity over folds. `folds` are its folds with the counts of each and their seeds, which are none unless a
    /// fold has several. Of a record whose lists have different lengths, what lies beyond the folds is left out.
    pub(super) fn spread(
        &mut self,
        of: &ValueSubject<'t>,
        names: &SpreadNames,
        spread: &Spread,
        folds: &[FoldRow<'t>],
        counts: impl Fn(usize) -> RowCounts,
    ) {
        let Spread { folds: values, n, mean, std, min, max, seeds, seed_std } = spread;
        for (at, (fold, value)) in folds.iter().zip(values).enumerate() {
            self.add(of.statistic(names.fold).fold(fold.fold), *value, counts(at));
        }
        for (at, (fold, values)) in folds.iter().zip(seeds).enumerate() {
            for (seed, value) in fold.seeds.iter().zip(values) {
                let of = of.statistic(names.fold).fold(fold.fold).seed(Some(*seed));
                self.add(of, *value, counts(at));
            }
        }
        let over = RowCounts { folds: Some((*n).into()), ..RowCounts::default() };
        let summary = [(names.mean, mean), (names.std, std), (names.min, min), (names.max, max)];
        for (statistic, value) in summary {
            self.add(of.statistic(statistic), *value, over);
        }
        self.add(of.statistic(names.n), *n, over);
        if let Some(seed_std) = seed_std {
            self.add(of.statistic(names.seed_std), *seed_std, over);
        }
    }

    /// The long form. Values with the same subject, such as those of two boxes in one place, are numbered.
    pub(super) fn finish(self) -> LongTable<'t> {
        let mut seen: HashMap<ValueSubject<'t>, u32> = HashMap::with_capacity(self.rows.len());
        let mut rows = self.rows;
        for row in &mut rows {
            let count = seen.entry(row.subject.clone()).or_default();
            *count += 1;
            if *count > 1 {
                let item = row.subject.item.take().map_or_else(String::new, |item| item + " ");
                row.subject.item = Some(format!("{item}({count})"));
            }
        }
        LongTable { rows }
    }
}

/// A fold of a model.
pub(super) struct FoldRow<'t> {
    /// Its number; `None` for scores outside of a fold.
    pub(super) fold: Option<u32>,
    /// Its seeds, if it has several.
    pub(super) seeds: &'t [u64],
}

/// The folds of a list with a value for each: scores without a fold come first.
pub(super) fn fold_rows<'t>(folds: &[u32], seeds: &'t [Vec<u64>], values: usize) -> Vec<FoldRow<'t>> {
    let outside = (values > folds.len()).then_some(None);
    let numbers = outside.into_iter().chain(folds.iter().copied().map(Some));
    let row = |(at, fold)| FoldRow { fold, seeds: seeds.get(at).map_or(&[][..], Vec::as_slice) };
    numbers.enumerate().map(row).collect()
}

/// The name of a variant in a record, such as `per-label`.
pub(super) fn word<'t>(of: &impl serde::Serialize) -> LongValue<'t> {
    let value = serde_json::to_value(of).unwrap_or_default();
    value.as_str().map_or(LongValue::Undefined, |text| text.to_owned().into())
}
