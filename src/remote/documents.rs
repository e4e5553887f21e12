//! The two documents of a pack store, as specified in `schema/on-disk.md`: the index of a pack, and the list of names.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::hash::Hash;

/// The objects of a pack, in order and without gaps. A file of `index/`, named by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackIndex {
    pub(super) kind: PackKind,
    pub(super) objects: Vec<PackEntry>,
    /// Hash of the pack.
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

/// All names after a push. A numbered file of `names/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameList {
    /// The command of the push.
    pub(super) command: String,
    pub(super) kind: NamesKind,
    /// All names.
    pub(super) names: BTreeMap<String, Hash>,
    /// The hash of the previous list; null for the first.
    pub(super) prev: Option<Hash>,
    /// Number of the list, from 1.
    pub(super) seq: u64,
    /// Time in UTC.
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

/// The newest version of both documents.
pub(super) const VERSION: u64 = 1;

/// Why bytes are not a valid document.
pub(super) enum Unreadable {
    Newer(u64),
    Wrong(String),
}

/// The canonical bytes: the fields of the types above are in alphabetical order.
pub(super) fn encode(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("its keys are texts and it holds no float")
}

/// Reads a document, which must be in canonical form.
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
    /// The bytes of the file: the document, and in a second line its hash as a JSON string.
    pub(super) fn file(&self) -> Vec<u8> {
        let mut bytes = encode(self);
        let check = Hash::of(&bytes);
        bytes.extend(format!("\n\"{check}\"\n").bytes());
        bytes
    }

    /// Reads a file of `names/`; returns the list and the hash of its document.
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
