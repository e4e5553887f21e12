//! Bytes of records and packed arrays, in both directions. The only file that uses the bincode crate.
//!
//! A record is one JSON document in canonical form: keys sorted by their UTF-8 bytes, no spaces,
//! UTF-8, shortest round-trip floats. A packed array is a 12-byte header (8 ASCII letters that name
//! the kind, a `u32` version) and bincode with fixed-width little-endian integers behind it.
//! `schema/on-disk.md` specifies both.

use serde::de::value::MapDeserializer;
use serde_json::{Map, Value};

use super::{Kind, Packed, Record, Role};
use crate::digits::{counted, thousands};
use crate::hash::Hash;
use crate::limits;

const HEADER: usize = 12;

/// Why bytes are not a valid record or packed array.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Not JSON, or fields that do not match the kind.
    #[error("not a valid {kind} record at `{}`: {}", printable(path), printable(source))]
    Shape {
        /// The expected kind.
        kind: &'static str,
        /// Where in the document.
        path: String,
        /// What serde says.
        source: serde_json::Error,
    },
    /// Not JSON at all, or without kind and version.
    #[error("not a record: {}", printable(.0))]
    NotARecord(String),
    /// A record of another kind.
    #[error("found a {} where a {expected} is expected", printable(found))]
    Kind {
        /// The expected kind.
        expected: &'static str,
        /// The kind in the bytes.
        found: String,
    },
    /// A record written by a newer reg.
    #[error("{} version {found} is newer than this reg, which reads version {known}", printable(kind))]
    Version {
        /// The kind.
        kind: String,
        /// The version in the bytes.
        found: u64,
        /// The newest version that this reg reads.
        known: u32,
    },
    /// A record written by an older reg, in whose format this kind had another meaning.
    #[error(
        "{} version {found} is of an older format than this reg reads, which is version {known}",
        printable(kind)
    )]
    OlderFormat {
        /// The kind.
        kind: String,
        /// The version in the bytes.
        found: u64,
        /// The version that this reg reads.
        known: u32,
    },
    /// A record with a value that its types allow but its kind does not.
    #[error("not a valid {kind} record: {}", printable(reason))]
    Invalid {
        /// The kind.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Not in canonical form: the same value in another form would have another hash.
    #[error("a {0} record not in canonical form")]
    NotCanonical(&'static str),
    /// A packed array that does not decode.
    #[error("not a valid packed {kind}: {}", printable(reason))]
    Packed {
        /// The expected kind.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A float that JSON cannot write (NaN or an infinity).
    #[error("a {kind} record with a value that JSON cannot represent: {source}")]
    Unwritable {
        /// The kind.
        kind: &'static str,
        /// What serde says.
        source: serde_json::Error,
    },
}

/// Untrusted text, shortened to fit a terminal and without control characters.
pub(crate) fn printable(text: impl std::fmt::Display) -> String {
    const SHOWN: usize = 400;
    let text = text.to_string();
    let mut shown = String::new();
    for c in text.chars().take(SHOWN) {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The canonical bytes of a record, including `kind` and `version`.
pub fn encode<T: Record>(record: &T) -> Result<Vec<u8>, CodecError> {
    let unwritable = |source| CodecError::Unwritable { kind: T::KIND.name(), source };
    let value = serde_json::to_value(record).map_err(unwritable)?;
    // serde_json writes NaN and the infinities as null silently. Then the value that is read back lacks a
    // number or, if the number is optional, differs from the original.
    if T::deserialize(&value).map_err(unwritable)? != *record {
        return Err(unwritable(serde::ser::Error::custom("a number is not finite")));
    }
    record.check().map_err(|reason| CodecError::Invalid { kind: T::KIND.name(), reason })?;
    document::<T>(value)
}

/// Adds kind and version to the fields of a record.
fn document<T: Record>(value: Value) -> Result<Vec<u8>, CodecError> {
    let Value::Object(mut map) = value else {
        return Err(CodecError::NotARecord("a record is a JSON object".into()));
    };
    map.insert("kind".into(), T::KIND.name().into());
    map.insert("version".into(), T::VERSION.into());
    let bytes = canonical(&Value::Object(map));
    check_length(&bytes)?;
    Ok(bytes)
}

fn check_length(bytes: &[u8]) -> Result<(), CodecError> {
    match bytes.len() as u64 {
        0..=limits::RECORD => Ok(()),
        _ => Err(CodecError::NotARecord(format!("it is longer than {} bytes", thousands(limits::RECORD)))),
    }
}

/// Reads a record of kind `T`: kind, version, shape and canonical form are checked.
pub fn decode<T: Record>(bytes: &[u8]) -> Result<T, CodecError> {
    let header = Header::read(bytes)?;
    if header.kind != T::KIND {
        return Err(CodecError::Kind { expected: T::KIND.name(), found: header.kind.name().to_owned() });
    }
    check_version(header.kind.name(), header.version, T::VERSION)?;
    let mut map = header.document;
    map.remove("kind");
    map.remove("version");
    let record: T = serde_path_to_error::deserialize(Value::Object(map)).map_err(|e| CodecError::Shape {
        kind: T::KIND.name(),
        path: e.path().to_string(),
        source: e.into_inner(),
    })?;
    record.check().map_err(|reason| CodecError::Invalid { kind: T::KIND.name(), reason })?;
    let value = serde_json::to_value(&record)
        .map_err(|source| CodecError::Unwritable { kind: T::KIND.name(), source })?;
    if document::<T>(value)? != bytes {
        return Err(CodecError::NotCanonical(T::KIND.name()));
    }
    Ok(record)
}

/// Asserts that a version is the one that is read: there is one for each kind.
fn check_version(kind: &str, found: u64, known: u32) -> Result<(), CodecError> {
    let kind = || kind.to_owned();
    match found.cmp(&known.into()) {
        std::cmp::Ordering::Greater => Err(CodecError::Version { kind: kind(), found, known }),
        // Versions start at 1: a smaller number is not an older format, and is refused later as not canonical.
        std::cmp::Ordering::Less if found > 0 => Err(CodecError::OlderFormat { kind: kind(), found, known }),
        std::cmp::Ordering::Less | std::cmp::Ordering::Equal => Ok(()),
    }
}

/// The common fields of every record.
pub struct Header {
    /// The record's kind.
    pub kind: Kind,
    /// The version of that kind.
    pub version: u64,
    /// The whole document, including kind and version.
    pub document: Map<String, Value>,
}

impl Header {
    /// Parses a document and reads its kind and version.
    pub fn read(bytes: &[u8]) -> Result<Self, CodecError> {
        let not = |reason: &str| CodecError::NotARecord(reason.to_owned());
        if bytes.first() != Some(&b'{') {
            return Err(not("it does not start with `{`"));
        }
        check_length(bytes)?;
        let document: Map<String, Value> = serde_json::from_slice(bytes).map_err(|e| not(&e.to_string()))?;
        let kind = document.get("kind").and_then(Value::as_str);
        let version = document.get("version").and_then(Value::as_u64);
        let (Some(kind), Some(version)) = (kind, version) else {
            return Err(not("it has no `kind` and `version`"));
        };
        let kind = Kind::named(kind).ok_or_else(|| not(&format!("unknown kind `{kind}`")))?;
        Ok(Header { kind, version, document })
    }

    /// The document as a value of its type, which is checked; neither its kind nor its canonical form is.
    pub(super) fn typed<T: Record>(&self) -> Result<T, serde_json::Error> {
        let of_type = self.document.iter().filter(|(key, _)| !["kind", "version"].contains(&key.as_str()));
        let record = T::deserialize(MapDeserializer::new(of_type.map(|(key, value)| (key.as_str(), value))))?;
        record.check().map_err(serde::de::Error::custom)?;
        Ok(record)
    }

    /// The links of the document: every 64-digit hash in it, with its key; for the `object` of an imported
    /// file, the key of that file.
    ///
    /// This rule of the format is the same for every kind, so lineage needs no code per kind, and an auditor
    /// can follow it with jq.
    pub fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (key, value) in &self.document {
            collect_links(key, value, &mut links);
        }
        links
    }
}

/// A reference from one object to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The target.
    pub to: Hash,
    /// The key under which it is named.
    pub role: Role,
}

/// The key of the bytes in a [`super::File`].
const FILE_OBJECT: &str = "object";

fn collect_links(role: &str, value: &Value, links: &mut Vec<Link>) {
    match value {
        Value::String(text) => {
            if let Ok(to) = text.parse() {
                links.push(Link { to, role: Role::named(role) });
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_links(role, item, links)),
        Value::Object(map) => map.iter().for_each(|(key, item)| {
            let key = if key == FILE_OBJECT { role } else { key };
            collect_links(key, item, links);
        }),
        _ => {}
    }
}

/// The canonical bytes of a JSON value.
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            // Sorted here, independent of serde_json's feature `preserve_order`.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push(b'{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_scalar(&Value::String(key.clone()), out);
                out.push(b':');
                write_canonical(item, out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        scalar => write_scalar(scalar, out),
    }
}

fn write_scalar(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a scalar always has a JSON form");
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard()
        .with_little_endian()
        .with_fixed_int_encoding()
        .with_limit::<{ limits::ARRAY as usize }>()
}

/// The bytes of a packed array. A value that [`unpack`] would refuse is not written.
pub fn pack<T: Packed>(value: &T) -> Result<Vec<u8>, CodecError> {
    value.check().map_err(|reason| CodecError::Packed { kind: T::KIND, reason })?;
    let mut bytes = Vec::from(*T::MAGIC);
    bytes.extend(T::VERSION.to_le_bytes());
    bincode::serde::encode_into_std_write(value, &mut bytes, config())
        .map_err(|e| CodecError::Packed { kind: T::KIND, reason: e.to_string() })?;
    Ok(bytes)
}

/// Reads a packed array and checks its header, its content and that no byte is left over.
pub fn unpack<T: Packed>(bytes: &[u8]) -> Result<T, CodecError> {
    let wrong = |reason: String| CodecError::Packed { kind: T::KIND, reason };
    let (header, body) =
        bytes.split_at_checked(HEADER).ok_or_else(|| wrong("shorter than its header".into()))?;
    if header[..8] != *T::MAGIC {
        return Err(wrong("it starts with other bytes".into()));
    }
    let version = u32::from_le_bytes(header[8..].try_into().expect("four bytes"));
    if version == 0 {
        return Err(wrong("versions count from 1".into()));
    }
    check_version(T::KIND, version.into(), T::VERSION)?;
    let (value, consumed): (T, usize) =
        bincode::serde::decode_from_slice(body, config()).map_err(|e| wrong(e.to_string()))?;
    // bincode accepts trailing bytes; but two different byte strings must not have the same value.
    if consumed != body.len() {
        return Err(wrong(format!("{} too many", counted((body.len() - consumed) as u64, "byte"))));
    }
    value.check().map_err(wrong)?;
    Ok(value)
}

/// The kind of a packed array according to its header.
pub fn packed_magic(bytes: &[u8]) -> Option<[u8; 8]> {
    if bytes.len() < HEADER { None } else { bytes[..8].try_into().ok() }
}
