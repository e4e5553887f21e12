//! The two documents of a pack store, as `schema/on-disk.md` has them: what lies in a pack, and what the names are.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::hash::Hash;

/// What lies in a pack, in order and without a gap. A file of `index/`, named by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackIndex {
    pub(super) kind: PackKind,
    pub(super) objects: Vec<PackEntry>,
    /// The pack, by the hash of all its bytes.
    pub(super) pack: Hash,
    pub(super) version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackEntry {
    pub(super) bytes: u64,
    pub(super) id: Hash,
    /// The kind of a record or packed array, or `blob`.
    pub(super) kind: String,
}

/// What everything is named behind a push. A file of `names/`, numbered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameList {
    /// The command that made it.
    pub(super) command: String,
    pub(super) kind: NamesKind,
    /// All names.
    pub(super) names: BTreeMap<String, Hash>,
    /// The check of the list before; null for the first.
    pub(super) prev: Option<Hash>,
    /// Number of the list, from 1.
    pub(super) seq: u64,
    /// When, in UTC.
    pub(super) time: String,
    pub(super) version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PackKind {
    Pack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NamesKind {
    Names,
}

/// The newest version of both.
pub(super) const VERSION: u64 = 1;

/// Why bytes are no such document.
pub(super) enum Unreadable {
    Newer(u64),
    Wrong(String),
}

/// The canonical bytes: the fields above stand in the order of their names.
pub(super) fn encode(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("its keys are texts and it holds no float")
}

/// Reads a document; only its canonical form will do.
pub(super) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let wrong = |e: serde_json::Error| Unreadable::Wrong(crate::records::codec::printable(e));
    let Version { version } = serde_json::from_slice(bytes).map_err(wrong)?;
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    let document: T = serde_json::from_slice(bytes).map_err(wrong)?;
    if version == 0 || encode(&document) != bytes {
        return Err(Unreadable::Wrong("it is not in canonical form".to_owned()));
    }
    Ok(document)
}

impl NameList {
    /// The bytes of the file: the document, and in a second line its hash as a JSON text.
    pub(super) fn file(&self) -> Vec<u8> {
        let mut bytes = encode(self);
        let check = Hash::of(&bytes);
        bytes.extend(format!("\n\"{check}\"\n").bytes());
        bytes
    }

    /// Reads a file of `names/`, and gives the hash of its document.
    pub(super) fn read(bytes: &[u8]) -> Result<(NameList, Hash), Unreadable> {
        let wrong = |reason: &str| Unreadable::Wrong(reason.to_owned());
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let [document, check, b""] = lines[..] else { return Err(wrong("it does not have two lines")) };
        let found = Hash::of(document);
        if check != format!("\"{found}\"").as_bytes() {
            return Err(wrong("its second line is not the hash of the first"));
        }
        Ok((decode(document)?, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::codec::canonical;

    #[test]
    fn documents_are_canonical_and_read_back() {
        let index = PackIndex {
            kind: PackKind::Pack,
            objects: vec![PackEntry { bytes: 3, id: Hash::of(b"abc"), kind: "blob".to_owned() }],
            pack: Hash::of(b"abc"),
            version: VERSION,
        };
        let list = NameList {
            command: "reg push \"é\u{1}\"".to_owned(),
            kind: NamesKind::Names,
            names: BTreeMap::from([("b".to_owned(), Hash::of(b"")), ("A".to_owned(), Hash::of(b"x"))]),
            prev: None,
            seq: 1,
            time: "2026-11-05T08:30:00Z".to_owned(),
            version: VERSION,
        };
        for bytes in [encode(&index), encode(&list)] {
            assert_eq!(canonical(&serde_json::from_slice(&bytes).unwrap()), bytes);
        }
        assert!(decode::<PackIndex>(&encode(&index)).is_ok_and(|read| read == index));
        assert!(NameList::read(&list.file()).is_ok_and(|(read, _)| read == list));
        let newer = NameList { version: 2, ..list.clone() };
        assert!(matches!(NameList::read(&newer.file()), Err(Unreadable::Newer(2))));
        let file = list.file();
        for at in 0..file.len() {
            let mut flipped = file.clone();
            flipped[at] ^= 1;
            assert!(NameList::read(&flipped).is_err(), "byte {at}");
        }
    }
}
