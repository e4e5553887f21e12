//! Hashes of decoded pixels: the same picture saved by another program has other bytes and the same pixels.
//!
//! Decoding takes milliseconds an image, so what was computed is kept in the registry's `cache/`, by the hash of the file,
//! whatever data set it is in. The file can be deleted at any time; a damaged one is not used.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::pixels::{self, Gray};
use crate::hash::Hash;
use crate::limits;
use crate::progress::{Progress, Unit};
use crate::records::{ImageRow, Packed, codec};
use crate::registry::Registry;

const FOLDER: &str = "pixel-hashes";
/// The name of the file, with the version of the rules by which images are decoded and hashed.
const FILE: &str = "v1";

/// Hashes of pixels, by the hash of the file.
#[derive(Debug, Default)]
pub struct PixelHashes(BTreeMap<Hash, Hash>);

/// The file in the cache, followed by the BLAKE3 hash of its packed bytes.
#[derive(Serialize, Deserialize)]
struct Content {
    pixels: Vec<(Hash, Hash)>,
}

impl Packed for Content {
    const KIND: &'static str = "list of pixel hashes";
    const MAGIC: &'static [u8; 8] = b"regpixh1";
}

/// The hash of an image's pixels: of width and height as little-endian u32, then the gray values row after row.
pub fn pixel_hash(image: &Gray) -> Hash {
    let size = [image.width.to_le_bytes(), image.height.to_le_bytes()].concat();
    Hash::of(&[&size[..], &image.data].concat())
}

impl PixelHashes {
    /// Reads what was computed before.
    pub fn load(registry: &Registry) -> Self {
        let read = || {
            let bytes = registry.cache_folder(FOLDER).ok()?.read(FILE, limits::SEEN_FILES).ok()?;
            let (packed, sum) = bytes.split_last_chunk::<32>()?;
            (Hash::of(packed) == Hash(*sum)).then(|| codec::unpack::<Content>(packed).ok())?
        };
        PixelHashes(read().into_iter().flat_map(|content| content.pixels).collect())
    }

    /// Adds hashes and keeps all of them. What cannot be kept has to be computed again, no more.
    pub fn keep(&mut self, registry: &Registry, new: impl IntoIterator<Item = (Hash, Hash)>) {
        let before = self.0.len();
        self.0.extend(new);
        if self.0.len() == before {
            return;
        }
        let pixels = self.0.iter().map(|(file, pixels)| (*file, *pixels)).collect();
        if let Ok(mut bytes) = codec::pack(&Content { pixels }) {
            let sum = Hash::of(&bytes);
            bytes.extend(sum.0);
            let _ = registry.cache_folder(FOLDER).and_then(|folder| folder.replace(FILE, &bytes));
        }
    }

    /// The hash of the pixels of an image, if it is known.
    pub fn of(&self, row: &ImageRow) -> Option<Hash> {
        self.0.get(&row.object?).copied()
    }

    /// Computes and keeps the hashes that are missing. Images that are not in the registry or cannot be decoded are left
    /// out: `reg verify` reports them.
    pub fn complete(&mut self, registry: &Registry, rows: &[ImageRow], progress: &dyn Progress) {
        let mut missing: Vec<Hash> =
            rows.iter().filter_map(|row| row.object).filter(|file| !self.0.contains_key(file)).collect();
        missing.sort_unstable();
        missing.dedup();
        progress.begin("decode", Unit::Items, missing.len() as u64);
        let hash = |file: &Hash| {
            let bytes = registry.store().read(file).ok()?;
            progress.advance(1);
            Some((*file, pixel_hash(&pixels::decode(&bytes).ok()?)))
        };
        let new: Vec<(Hash, Hash)> = missing.par_iter().filter_map(hash).collect();
        progress.end();
        self.keep(registry, new);
    }
}
