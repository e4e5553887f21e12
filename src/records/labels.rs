//! The labels of an image, and the rules for label names.

use std::fmt;

use crate::digits::{counted, thousands};
use crate::limits::{DATASET_LABELS, LABEL_NAME};

/// The labels of one image: each positive, negative, or missing.
///
/// One word, without heap allocation, for up to 64 labels that are all known; two words for each 64 labels otherwise.
/// Missing is a separate value, so that it cannot be mistaken for negative.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LabelValues(Words);

/// The same values are always of the same variant, so that they are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Words {
    /// Up to 64 labels, none of them missing: the bits of the positives.
    Known(u64),
    /// The words of the positive labels, followed by as many words of the missing ones.
    Many(Box<[u64]>),
}

/// Number of words with one bit per label.
pub(super) fn words(labels: usize) -> usize {
    labels.div_ceil(u64::BITS as usize)
}

impl LabelValues {
    /// `labels` labels, all of them negative.
    pub fn negative(labels: usize) -> Self {
        LabelValues(match words(labels) {
            0 | 1 => Words::Known(0),
            more => Words::Many(vec![0; 2 * more].into()),
        })
    }

    /// From one value per label: `None` if the label is missing.
    pub fn of(values: &[Option<bool>]) -> Self {
        let mut labels = Self::negative(values.len());
        values.iter().enumerate().for_each(|(label, value)| labels.set(label, *value));
        labels
    }

    /// Sets the value of a label.
    ///
    /// # Panics
    /// If there are fewer labels.
    pub fn set(&mut self, label: usize, value: Option<bool>) {
        let (place, bit) = (label / u64::BITS as usize, 1 << (label % u64::BITS as usize));
        let put = |word: &mut u64, is: bool| *word = if is { *word | bit } else { *word & !bit };
        if let (Words::Known(positive), Some(value)) = (&mut self.0, value) {
            assert_eq!(place, 0, "label {label} of 64 or fewer");
            return put(positive, value);
        }
        let (positive, missing) = self.words();
        let (mut positive, mut missing) = (positive.to_vec(), missing.to_vec());
        put(&mut positive[place], value == Some(true));
        put(&mut missing[place], value.is_none());
        *self = Self::of_words(&positive, &missing);
    }

    /// The value of a label; `None` if it is missing, and for a label that the data set does not have.
    pub fn get(&self, label: usize) -> Option<bool> {
        let (positive, missing) = self.words();
        let (word, bit) = (label / u64::BITS as usize, label % u64::BITS as usize);
        let is = |words: &[u64]| words.get(word).map(|word| word >> bit & 1 == 1);
        is(positive).filter(|_| is(missing) == Some(false))
    }

    /// The positive labels, ascending.
    pub fn positives(&self) -> impl Iterator<Item = usize> {
        bits(self.words().0)
    }

    /// The missing labels, ascending.
    pub fn missing(&self) -> impl Iterator<Item = usize> {
        bits(self.words().1)
    }

    /// Bits of the positive and of the missing labels; label 0 is the lowest bit of the first word.
    pub(super) fn words(&self) -> (&[u64], &[u64]) {
        match &self.0 {
            Words::Known(positive) => (std::slice::from_ref(positive), &[0]),
            Words::Many(words) => words.split_at(words.len() / 2),
        }
    }

    /// From the bits of the positive and of the missing labels, the same number of words each.
    pub(super) fn of_words(positive: &[u64], missing: &[u64]) -> Self {
        LabelValues(match (positive, missing) {
            ([positive], [0]) => Words::Known(*positive),
            _ => Words::Many([positive, missing].concat().into()),
        })
    }

    /// Checks that the values are valid for an image with this number of labels.
    pub(super) fn check(&self, labels: usize) -> Result<(), String> {
        let (positive, missing) = self.words();
        if positive.len() != words(labels).max(1) {
            return Err(format!(
                "has bits for {} labels instead of {labels}",
                thousands(positive.len() as u64 * 64)
            ));
        }
        if let Some(beyond) = bits(positive).chain(bits(missing)).find(|label| *label >= labels) {
            return Err(format!("has label {beyond}, but there are {labels}, counted from 0"));
        }
        match self.positives().find(|label| self.missing().any(|other| other == *label)) {
            Some(both) => Err(format!("has label {both} both as positive and as missing")),
            None => Ok(()),
        }
    }
}

/// The indices of the set bits, ascending.
fn bits(words: &[u64]) -> impl Iterator<Item = usize> {
    let of_word = |(place, word): (usize, &u64)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(place * u64::BITS as usize + bit)
        })
    };
    words.iter().enumerate().flat_map(of_word)
}

/// No labels, for an image of which only the file is known.
impl Default for LabelValues {
    fn default() -> Self {
        Self::negative(0)
    }
}

impl fmt::Debug for LabelValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |bits: &mut dyn Iterator<Item = usize>| {
            bits.map(|bit| bit.to_string()).collect::<Vec<_>>().join(",")
        };
        write!(f, "positive [{}] missing [{}]", all(&mut self.positives()), all(&mut self.missing()))
    }
}

/// For each label, the number of images that have it, and of those for which it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCounts {
    /// Number of images with the label, for each label.
    pub positives: Vec<u64>,
    /// Number of images whose label is missing, for each label.
    pub missing: Vec<u64>,
}

impl LabelCounts {
    /// The counts of no images.
    pub fn new(labels: usize) -> Self {
        LabelCounts { positives: vec![0; labels], missing: vec![0; labels] }
    }

    /// Counts an image. Labels beyond the counted ones are ignored.
    pub fn add(&mut self, image: &LabelValues) {
        let LabelCounts { positives, missing } = self;
        for label in image.positives() {
            if let Some(count) = positives.get_mut(label) {
                *count += 1;
            }
        }
        for label in image.missing() {
            if let Some(count) = missing.get_mut(label) {
                *count += 1;
            }
        }
    }
}

/// The schema of a data set's labels.
pub(super) fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let no_hash = serde_json::json!({ "pattern": "^[0-9a-f]{64}$" });
    schemars::json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": DATASET_LABELS,
        "uniqueItems": true,
        "items": { "type": "string", "minLength": 1, "maxLength": LABEL_NAME, "pattern": "^[^|]*$", "not": no_hash }
    })
}

/// Checks the label names of a data set: their number and each name.
///
/// `|` separates labels when several are written in one field.
pub(super) fn check_names(labels: &[String]) -> Result<(), String> {
    if !(1..=DATASET_LABELS).contains(&labels.len()) {
        return Err(format!(
            "it has {}; a data set has 1 to {DATASET_LABELS}",
            counted(labels.len() as u64, "label")
        ));
    }
    let odd = |name: &&String| !super::name::is_plain_text(name, LABEL_NAME) || name.contains('|');
    if let Some(name) = labels.iter().find(odd) {
        return Err(format!(
            "{name:?} is not the name of a label: it must be plain text of 1 to {LABEL_NAME} bytes without `|` and not a hash"
        ));
    }
    let mut sorted: Vec<&String> = labels.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("it has two labels `{}`", pair[0])),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_labels_take_no_place_on_the_heap() {
        assert_eq!(size_of::<LabelValues>(), 16);
        assert!(matches!(LabelValues::negative(64).0, Words::Known(0)));
        assert!(matches!(LabelValues::negative(65).0, Words::Many(_)));
    }

    #[test]
    fn a_label_that_was_missing_and_is_known_now_leaves_no_trace() {
        let mut labels = LabelValues::of(&[Some(true), None]);
        assert!(matches!(labels.0, Words::Many(_)));
        labels.set(1, Some(false));
        assert_eq!(labels, LabelValues::of(&[Some(true), Some(false)]));
        labels.set(0, Some(false));
        assert_eq!(labels, LabelValues::negative(2));
    }

    #[test]
    fn a_label_that_is_not_there_is_missing() {
        let three = LabelValues::of(&[Some(true), Some(false), None]);
        assert_eq!(
            [0, 1, 2, 64, 1000].map(|label| three.get(label)),
            [Some(true), Some(false), None, None, None]
        );
        assert_eq!(format!("{three:?}"), "positive [0] missing [2]");
    }

    #[test]
    fn names_of_labels_are_plain_and_different() {
        let check =
            |names: &[&str]| check_names(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(check(&["Mass", "Lung, left", "Überblähung"]), Ok(()));
        for (names, message) in [
            (&[][..], "it has 0 labels; a data set has 1 to 512"),
            (&["a", "b", "a"][..], "it has two labels `a`"),
            (&[""][..], "\"\" is not the name of a label"),
            (&["a|b"][..], "\"a|b\" is not the name of a label"),
            (&[" a"][..], "\" a\" is not the name of a label"),
            (&["a\u{202e}b"][..], "\"a\\u{202e}b\" is not the name of a label"),
        ] {
            let error = check(names).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
        assert!(check(&[&"x".repeat(129)]).is_err());
        assert!(check_names(&(0..513).map(|i| i.to_string()).collect::<Vec<_>>()).is_err());
        assert!(check_names(&(0..512).map(|i| i.to_string()).collect::<Vec<_>>()).is_ok());
    }

    proptest! {
        #[test]
        fn values_come_back_as_they_were_set(values in prop::collection::vec(prop::option::of(any::<bool>()), 1..200)) {
            let labels = LabelValues::of(&values);
            prop_assert_eq!(labels.check(values.len()), Ok(()));
            let got: Vec<Option<bool>> = (0..values.len()).map(|label| labels.get(label)).collect();
            prop_assert_eq!(&got, &values);
            let positives: Vec<usize> = (0..values.len()).filter(|label| values[*label] == Some(true)).collect();
            prop_assert_eq!(labels.positives().collect::<Vec<_>>(), positives);
            prop_assert_eq!(labels.missing().count(), values.iter().filter(|value| value.is_none()).count());
            let mut again = LabelValues::of(&vec![None; values.len()]);
            values.iter().enumerate().for_each(|(label, value)| again.set(label, *value));
            prop_assert_eq!(again, labels);
        }
    }
}
