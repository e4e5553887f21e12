//! Content hashes and ids. The only file that uses the BLAKE3 crate.
//!
//! Every object is named by the BLAKE3 hash of its bytes. An [`Id<T>`] is such a hash whose type also says what
//! the object holds, so the id of a split cannot be passed where the id of a data set is expected.

use std::fmt;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// Minimum number of hex digits of an abbreviated id.
pub const MIN_PREFIX: usize = 6;
/// Number of hex digits of an id that is shown to a person.
pub const SHORT: usize = 12;

/// The BLAKE3 hash of an object's bytes: 32 bytes, written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

/// A text that is not 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a hash: 64 hex digits in lower case are expected")]
pub struct ParseHashError(String);

impl Hash {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Hash(*blake3::hash(bytes).as_bytes())
    }

    /// The first [`SHORT`] hex digits.
    pub fn short(&self) -> String {
        self.to_string()[..SHORT].to_owned()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(as_text(&hex(&self.0)))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(s: &str) -> Result<Self, ParseHashError> {
        unhex(s).map(Hash).ok_or_else(|| ParseHashError(s.to_owned()))
    }
}

// Hex digits in JSON, 32 plain bytes in packed arrays.
impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if !d.is_human_readable() {
            return <[u8; 32]>::deserialize(d).map(Hash);
        }
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Hash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "BLAKE3 hash of the bytes of another object of the registry: a link."
        })
    }
}

/// The id of an object that holds a `T`; ids of different kinds cannot be confused.
pub struct Id<T> {
    /// The hash of the object's bytes.
    pub hash: Hash,
    kind: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The id of the object `hash`, which holds a `T`.
    pub fn new(hash: Hash) -> Self {
        Id { hash, kind: PhantomData }
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}
impl<T> Eq for Id<T> {}
impl<T> std::hash::Hash for Id<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.hash.cmp(&other.hash)
    }
}
impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.fmt(f)
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.hash, f)
    }
}
impl<T> Serialize for Id<T> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.hash.serialize(s)
    }
}
impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Hash::deserialize(d).map(Id::new)
    }
}
impl<T> schemars::JsonSchema for Id<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Hash::schema_name()
    }
    fn json_schema(g: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Hash::json_schema(g)
    }
}

/// The SHA-256 of imported bytes, which other audit formats use to identify them.
///
/// Written as `sha256:` and 64 hex digits, so that it cannot be mistaken for a link to an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

const SHA256_PREFIX: &str = "sha256:";

impl Sha256 {
    /// Its 64 hex digits, as `sha256sum` prints them.
    pub fn digits(&self) -> String {
        as_text(&hex(&self.0)).to_owned()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SHA256_PREFIX}{}", as_text(&hex(&self.0)))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if !d.is_human_readable() {
            return <[u8; 32]>::deserialize(d).map(Sha256);
        }
        let text = String::deserialize(d)?;
        text.strip_prefix(SHA256_PREFIX)
            .and_then(unhex)
            .map(Sha256)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a SHA-256")))
    }
}

/// The BLAKE3 hash of an object that is mentioned without being a dependency.
///
/// Written as `blake3:` and 64 hex digits, so that it cannot be mistaken for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mention(pub Hash);

const MENTION_PREFIX: &str = "blake3:";

impl Serialize for Mention {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{MENTION_PREFIX}{}", self.0))
    }
}

impl<'de> Deserialize<'de> for Mention {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let hash = text.strip_prefix(MENTION_PREFIX).and_then(|digits| digits.parse().ok());
        hash.map(Mention).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a BLAKE3")))
    }
}

impl schemars::JsonSchema for Mention {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Blake3".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^blake3:[0-9a-f]{64}$",
            "description": "BLAKE3 hash of an object that is mentioned: not a link, so the object need not exist."
        })
    }
}

impl schemars::JsonSchema for Sha256 {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^sha256:[0-9a-f]{64}$",
            "description": "SHA-256 of imported bytes."
        })
    }
}

/// Both hashes of a stream and its length, computed in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// The object's name.
    pub blake3: Hash,
    /// SHA-256 of the same bytes, for audit formats of other tools.
    pub sha256: Sha256,
    /// Bytes read.
    pub bytes: u64,
}

/// Hashes a stream of bytes piece by piece, as [`struct@Hash`] and optionally as [`Sha256`].
pub struct Hasher {
    blake3: blake3::Hasher,
    sha256: Option<sha2::Sha256>,
    bytes: u64,
}

impl Hasher {
    /// A hasher for both hashes.
    pub fn both() -> Self {
        Hasher { blake3: blake3::Hasher::new(), sha256: Some(sha2::Sha256::new()), bytes: 0 }
    }

    /// A hasher for the object's name only.
    pub fn name_only() -> Self {
        Hasher { blake3: blake3::Hasher::new(), sha256: None, bytes: 0 }
    }

    /// Adds `bytes` to the hash.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        self.bytes += bytes.len() as u64;
    }

    /// Reads `reader` to its end.
    pub fn read(&mut self, mut reader: impl Read) -> io::Result<()> {
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => self.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Bytes hashed so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The object's name.
    pub fn finish(&self) -> Hash {
        Hash(*self.blake3.finalize().as_bytes())
    }

    /// Both hashes of a [`Hasher::both`] and the number of bytes.
    pub fn digest(self) -> Digest {
        let sha256 = self.sha256.expect("digest() belongs to Hasher::both()").finalize();
        Digest {
            blake3: Hash(*self.blake3.finalize().as_bytes()),
            sha256: Sha256(sha256.into()),
            bytes: self.bytes,
        }
    }
}

impl Digest {
    /// Both hashes of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::both();
        hasher.update(bytes);
        hasher.digest()
    }
}

/// Derives a 32-byte key from words, for a random stream with a single purpose.
///
/// BLAKE3's key derivation over the little-endian words, with `context` as its context string.
pub fn derive_key(context: &str, words: &[u64]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for word in words {
        hasher.update(&word.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// On the stack, because a data set has hundreds of thousands of hashes.
fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

fn as_text(digits: &[u8; 64]) -> &str {
    std::str::from_utf8(digits).expect("hex digits are ASCII")
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_b3sum_and_sha256sum() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.blake3.to_string(),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        );
        assert_eq!(
            digest.sha256.to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.bytes, 3);
    }

    #[test]
    fn text_form_round_trips_and_refuses_the_rest() {
        let hash = Hash::of(b"x");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let upper = hash.to_string().to_uppercase();
        for wrong in ["", "abc", upper.as_str(), &format!("{hash}0"), &format!("é{}", &hash.to_string()[2..])]
        {
            assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn derived_keys_depend_on_context_words_and_order() {
        let key = derive_key("a", &[1, 2]);
        assert_ne!(key, derive_key("b", &[1, 2]));
        assert_ne!(key, derive_key("a", &[2, 1]));
        assert_eq!(key, derive_key("a", &[1, 2]));
    }
}
