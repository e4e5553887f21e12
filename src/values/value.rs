//! Values of the long form, and the counts beside them.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum LongValue<'t> {
    /// A quantity.
    Number(f64),
    /// A count, a seed or a version.
    Integer(i128),
    /// A word or a sentence.
    Text(Cow<'t, str>),
    /// Yes or no.
    Truth(bool),
    /// An undefined quantity.
    Undefined,
}

impl LongValue<'_> {
    /// The value as a number; 1 for yes and 0 for no.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            LongValue::Number(number) => Some(*number),
            LongValue::Integer(number) => Some(*number as f64),
            LongValue::Truth(truth) => Some(f64::from(u8::from(*truth))),
            LongValue::Text(_) | LongValue::Undefined => None,
        }
    }

    /// The value as a count.
    pub fn as_count(&self) -> Option<u64> {
        match self {
            LongValue::Integer(number) => u64::try_from(*number).ok(),
            LongValue::Number(_) | LongValue::Text(_) | LongValue::Truth(_) | LongValue::Undefined => None,
        }
    }

    /// The value as a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            LongValue::Text(text) => Some(text),
            LongValue::Number(_) | LongValue::Integer(_) | LongValue::Truth(_) | LongValue::Undefined => None,
        }
    }

    /// The same quantity with the opposite sign.
    pub(super) fn negated(self) -> Self {
        match self {
            LongValue::Number(number) => LongValue::Number(-number),
            LongValue::Integer(number) => LongValue::Integer(-number),
            other @ (LongValue::Text(_) | LongValue::Truth(_) | LongValue::Undefined) => other,
        }
    }
}

impl Serialize for LongValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            LongValue::Number(number) => number.serialize(serializer),
            // The widest counts and seeds of a record have 64 bits, which every format takes.
            LongValue::Integer(number) => match (u64::try_from(*number), i64::try_from(*number)) {
                (Ok(number), _) => number.serialize(serializer),
                (_, Ok(number)) => number.serialize(serializer),
                _ => number.serialize(serializer),
            },
            LongValue::Text(text) => text.serialize(serializer),
            LongValue::Truth(truth) => truth.serialize(serializer),
            LongValue::Undefined => serializer.serialize_none(),
        }
    }
}

impl<'t> From<&'t str> for LongValue<'t> {
    fn from(text: &'t str) -> Self {
        LongValue::Text(Cow::Borrowed(text))
    }
}

impl<'t> From<&'t String> for LongValue<'t> {
    fn from(text: &'t String) -> Self {
        LongValue::Text(Cow::Borrowed(text))
    }
}

impl From<String> for LongValue<'_> {
    fn from(text: String) -> Self {
        LongValue::Text(Cow::Owned(text))
    }
}

impl From<f64> for LongValue<'_> {
    fn from(number: f64) -> Self {
        LongValue::Number(number)
    }
}

impl From<bool> for LongValue<'_> {
    fn from(truth: bool) -> Self {
        LongValue::Truth(truth)
    }
}

impl From<u64> for LongValue<'_> {
    fn from(number: u64) -> Self {
        LongValue::Integer(number.into())
    }
}

impl From<u32> for LongValue<'_> {
    fn from(number: u32) -> Self {
        LongValue::Integer(number.into())
    }
}

impl From<i32> for LongValue<'_> {
    fn from(number: i32) -> Self {
        LongValue::Integer(number.into())
    }
}

impl From<usize> for LongValue<'_> {
    fn from(number: usize) -> Self {
        LongValue::Integer(number as i128)
    }
}

impl<'t, T: Into<LongValue<'t>>> From<Option<T>> for LongValue<'t> {
    fn from(value: Option<T>) -> Self {
        value.map_or(LongValue::Undefined, Into::into)
    }
}

/// Counts beside a value; `None` where the record does not give one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RowCounts {
    /// Images.
    pub images: Option<u64>,
    /// Patients.
    pub patients: Option<u64>,
    /// Images with the label.
    pub positives: Option<u64>,
    /// Images without the label.
    pub negatives: Option<u64>,
    /// Patients with a positive image; of a mean or a difference, the fewest.
    pub positive_patients: Option<u64>,
    /// Patients with a negative image; of a mean or a difference, the fewest.
    pub negative_patients: Option<u64>,
    /// Images whose label is missing.
    pub missing: Option<u64>,
    /// Labels that a mean covers.
    pub labels: Option<u64>,
    /// Folds that a mean covers.
    pub folds: Option<u64>,
    /// Resamples that an interval is based on.
    pub resamples: Option<u64>,
}

impl RowCounts {
    /// Each count with its name, which is that of its statistic, too.
    pub fn named(&self) -> [(&'static str, Option<u64>); 10] {
        let RowCounts {
            images,
            patients,
            positives,
            negatives,
            positive_patients,
            negative_patients,
            missing,
            labels,
            folds,
            resamples,
        } = *self;
        [
            ("images", images),
            ("patients", patients),
            ("positives", positives),
            ("negatives", negatives),
            ("positive_patients", positive_patients),
            ("negative_patients", negative_patients),
            ("missing", missing),
            ("labels", labels),
            ("folds", folds),
            ("resamples", resamples),
        ]
    }
}
