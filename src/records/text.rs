//! Identifiers of patients, studies and images in a source: short plain text, checked wherever it comes from: a record,
//! a remote, a bundle or a CSV. The only file that uses the smol_str crate, which stores such text inline; otherwise
//! each row of a manifest would need heap allocations.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use super::name::{is_plain_name, is_plain_text};
use crate::limits;

/// Text that is not a valid patient, study or name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: it must be {rule}")]
pub struct BadText {
    what: &'static str,
    rule: &'static str,
    text: String,
}

/// What a patient and a study must be.
const PLAIN_TEXT: &str = "plain text of 1 to 64 bytes and not a hash";
/// What the name of an image must be.
const PLAIN_NAME: &str = "a plain file name";

/// A patient within a source, such as `13` or `p10-α`: plain text of 1 to 64 bytes.
///
/// Digits alone are a number, which has one form, without leading zeros: 1 and 00000001 are the same patient.
/// Numbers are sorted first, by size, then everything else by its bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PatientId(SmolStr);

/// A study within a source: unchanged plain text of 1 to 64 bytes.
// Few sources name studies, so a missing study must take little memory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StudyId(Box<str>);

/// The file name of an image: one plain component of a path, such as `00000013_000.png`. It becomes a path wherever
/// images are written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName(SmolStr);

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn bad(what: &'static str, rule: &'static str, text: &str) -> BadText {
    BadText { what, rule, text: text.chars().take(limits::SOURCE_ID + 1).collect() }
}

fn plain<'t>(what: &'static str, text: &'t str) -> Result<&'t str, BadText> {
    if is_plain_text(text, limits::SOURCE_ID) { Ok(text) } else { Err(bad(what, PLAIN_TEXT, text)) }
}

impl FromStr for PatientId {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let zeros = text.bytes().take_while(|byte| *byte == b'0').count();
        let spelt = match is_number(text) {
            // One digit is kept: 0 and 000 are patient 0.
            true => &text[zeros.min(text.len().saturating_sub(1))..],
            false => text,
        };
        match is_number(spelt) && (1..limits::SOURCE_ID).contains(&spelt.len()) {
            // A fast path without a check of each character, for most patients.
            true => Ok(PatientId(SmolStr::new(spelt))),
            false => plain("a patient", spelt).map(|text| PatientId(SmolStr::new(text))),
        }
    }
}

impl FromStr for StudyId {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        plain("a study", text).map(|text| StudyId(text.into()))
    }
}

impl FromStr for ImageName {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        match is_plain_name(text) {
            true => Ok(ImageName(SmolStr::new(text))),
            false => Err(bad("the name of an image", PLAIN_NAME, text)),
        }
    }
}

impl From<u32> for PatientId {
    fn from(number: u32) -> Self {
        let mut text = smol_str::SmolStrBuilder::new();
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{number}"));
        PatientId(text.finish())
    }
}

impl PatientId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number of a patient that is identified by one.
    pub fn number(&self) -> Option<u64> {
        if is_number(&self.0) { self.0.parse().ok() } else { None }
    }

    fn order(&self) -> (bool, usize, &str) {
        let number = is_number(&self.0);
        (!number, if number { self.0.len() } else { 0 }, &self.0)
    }
}

impl StudyId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ImageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// It is looked up, compared and written as the text that it is.
impl std::ops::Deref for ImageName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ImageName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ImageName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ImageName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for ImageName {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl Ord for PatientId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for PatientId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Reads text that is entirely in the input. For an owned string bincode trusts the claimed length and
/// allocates before it checks that this many bytes exist. JSON, the format of records and jobs, does not.
struct Given<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = BadText> + AsRef<str>> serde::de::Visitor<'_> for Given<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        let read: T = text.parse().map_err(E::custom)?;
        // Two forms of one value would be two objects.
        match read.as_ref() == text {
            true => Ok(read),
            false => Err(E::custom(format!("{text:?} is written {:?}", read.as_ref()))),
        }
    }
}

macro_rules! text {
    ($($type:ident, $most:expr, $about:literal;)*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let read: Self = d.deserialize_str(Given(std::marker::PhantomData))?;
                Ok(read)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $most,
                    "not": { "pattern": "^[0-9a-f]{64}$" },
                    "description": $about
                })
            }
        }
    )*};
}

text! {
    PatientId, limits::SOURCE_ID, "A patient within a source: plain text of 1 to 64 bytes; digits alone have no leading zeros.";
    StudyId, limits::SOURCE_ID, "A study within a source: plain text of 1 to 64 bytes.";
    ImageName, limits::FILE_NAME, "The file name of an image: one plain component of a path.";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(text: &str) -> PatientId {
        text.parse().unwrap()
    }

    #[test]
    fn a_number_has_one_spelling_and_numbers_are_in_their_order() {
        assert_eq!(patient("00000013"), patient("13"));
        assert_eq!(patient("13"), PatientId::from(13));
        assert_eq!((patient("000").as_str(), patient("0").as_str()), ("0", "0"));
        assert_ne!(patient("p01"), patient("p1"));
        let mut all = ["p2", "10", "9", "p10", "100000000000000000000000000", "α", "0"].map(patient);
        all.sort();
        assert_eq!(
            all.each_ref().map(PatientId::as_str),
            ["0", "9", "10", "100000000000000000000000000", "p10", "p2", "α"]
        );
    }

    #[test]
    fn text_that_is_not_plain_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "a\n",
            "a\u{202e}b",
            "\u{feff}",
            &"x".repeat(65),
            &"α".repeat(33),
            &"0a".repeat(32),
        ] {
            assert!(text.parse::<PatientId>().is_err() && text.parse::<StudyId>().is_err(), "{text:?}");
        }
        assert!(patient(&"α".repeat(32)).as_str().len() == 64);
        let message = "".parse::<PatientId>().unwrap_err().to_string();
        assert_eq!(message, "\"\" is not a patient: it must be plain text of 1 to 64 bytes and not a hash");
    }

    #[test]
    fn what_the_usual_sources_write_takes_no_place_on_the_heap() {
        assert_eq!((size_of::<PatientId>(), size_of::<ImageName>()), (24, 24));
        assert!(!patient("30805").0.is_heap_allocated() && !patient("patient64740").0.is_heap_allocated());
        let name: ImageName = "00030805_000.png".parse().unwrap();
        assert!(!name.0.is_heap_allocated());
    }

    #[test]
    fn where_there_is_no_study_little_room_is_taken() {
        assert_eq!(size_of::<Option<StudyId>>(), 16);
    }
}
