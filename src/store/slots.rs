//! Derived bytes that are costly to make: one sparse file of numbered slots, each checked when it is read.
//!
//! A slot has its bytes and a BLAKE3 hash of the bytes and of the id of their source. A slot that was never
//! filled, was cut short by a crash, or was damaged later does not match its hash and is computed anew. So
//! nothing has to be synced, locked or written in order: processes that fill the same slot write the same
//! bytes. The file may be deleted at any time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::disk::Dir;
use crate::hash::{Hash, Hasher};

const HASH: usize = 32;

/// A file of slots.
pub struct Slots {
    file: File,
    /// Where each slot begins, and where the last one ends.
    starts: Vec<u64>,
}

impl Slots {
    /// Opens the file at `path` in `cache`, or makes it, for slots of these lengths in bytes.
    pub fn open(cache: &Dir, path: &Path, lengths: impl Iterator<Item = u64>) -> io::Result<Self> {
        let mut starts = vec![0];
        starts.extend(lengths.scan(0u64, |end, length| {
            *end += length + HASH as u64;
            Some(*end)
        }));
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            cache.create_dir_all(folder)?;
        }
        // The file is written in place, so a hard link would change that other file too.
        if cache.stat(path).is_ok_and(|there| there.is_file() && there.names() > 1) {
            cache.remove_file(path)?;
        }
        let file = cache.open_to_change(path, true)?;
        file.set_len(*starts.last().expect("it begins with one"))?;
        Ok(Slots { file, starts })
    }

    /// Bytes that the file takes when all slots are filled.
    pub fn bytes(&self) -> u64 {
        *self.starts.last().expect("it begins with one")
    }

    /// Whether a slot looks filled. Only [`Slots::get`] checks the hash.
    pub fn looks_filled(&self, slot: usize) -> bool {
        let mut hash = [0; HASH];
        let read = self.file.read_exact_at(&mut hash, self.starts[slot + 1] - HASH as u64);
        read.is_ok() && hash != [0; HASH]
    }

    /// The bytes of a slot that were computed from `source`; none if the slot does not have them.
    pub fn get(&self, slot: usize, source: &Hash) -> Option<Vec<u8>> {
        let (start, end) = (self.starts[slot], self.starts[slot + 1]);
        let mut bytes = vec![0; (end - start) as usize];
        // Whatever the reason is, the slot can be computed anew.
        self.file.read_exact_at(&mut bytes, start).ok()?;
        let hash: [u8; HASH] = bytes.split_off(bytes.len() - HASH).try_into().ok()?;
        (checksum(source, &bytes).0 == hash).then_some(bytes)
    }

    /// Fills a slot.
    pub fn put(&self, slot: usize, source: &Hash, bytes: &[u8]) -> io::Result<()> {
        let (start, end) = (self.starts[slot], self.starts[slot + 1]);
        assert_eq!(
            bytes.len() as u64 + HASH as u64,
            end - start,
            "a slot takes as many bytes as it was made for"
        );
        let mut whole = bytes.to_vec();
        whole.extend(checksum(source, bytes).0);
        self.file.write_all_at(&whole, start)
    }
}

fn checksum(source: &Hash, bytes: &[u8]) -> Hash {
    let mut hasher = Hasher::name_only();
    hasher.update(&source.0);
    hasher.update(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_slot_gives_what_was_put_into_it_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache/slots");
        let cache = Dir::open(dir.path()).unwrap();
        let open = || Slots::open(&cache, "cache/slots".as_ref(), [5, 0, 7].into_iter()).unwrap();
        let (a, b) = (Hash::of(b"a"), Hash::of(b"b"));
        let slots = open();
        assert!((0..3).all(|slot| slots.get(slot, &a).is_none() && !slots.looks_filled(slot)));
        slots.put(0, &a, b"first").unwrap();
        slots.put(1, &a, b"").unwrap();
        slots.put(2, &b, b"third..").unwrap();

        let slots = open();
        assert_eq!(slots.get(0, &a).unwrap(), b"first");
        assert_eq!(slots.get(1, &a).unwrap(), b"");
        assert_eq!(slots.get(2, &b).unwrap(), b"third..");
        assert_eq!(slots.get(2, &a), None, "made from something else");
        assert_eq!(slots.bytes(), fs::metadata(&path).unwrap().len());

        for at in 0..slots.bytes() {
            let mut bytes = fs::read(&path).unwrap();
            bytes[at as usize] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let slots = open();
            let found = [slots.get(0, &a), slots.get(1, &a), slots.get(2, &b)];
            assert_eq!(found.iter().filter(|slot| slot.is_none()).count(), 1, "byte {at}");
            bytes[at as usize] ^= 1;
            fs::write(&path, &bytes).unwrap();
        }
        File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
        let slots = open();
        assert!((0..3).all(|slot| slots.get(slot, &a).is_none()), "cut short");
        slots.put(0, &a, b"again").unwrap();
        assert_eq!(open().get(0, &a).unwrap(), b"again");
    }
}
