//! Computes hashes of decoded pixels: the same picture saved by another program has other bytes and the same pixels.
//!
//! Decoding takes milliseconds an image. Those of a data set are a record ([`PixelHashes`]), and only what is recorded counts
//! in a verdict: two machines with the same registry must give the same one. Whatever else was decoded, such as for a
//! training, is remembered in `cache/` by the hash of the file, so that making the record is quick. That file can be deleted
//! at any time; a damaged one is not used.

use std::collections::BTreeMap;
use std::io;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::pixels::{self, Gray};
use crate::disk::Dir;
use crate::hash::{Hash, Id};
use crate::limits;
use crate::progress::{Progress, Unit};
use crate::records::{Dataset, ImageRow, Packed, PixelDigests, PixelHashes, codec, rules};
use crate::registry::{Registry, RegistryError, Transaction};

/// The folder in the cache.
pub const FOLDER: &str = "pixel-hashes";
/// The name of the file, with the version of the rules by which images are decoded and hashed.
const FILE: &str = "v1";

/// Hashes of pixels, by the hash of the file, and where they are remembered.
#[derive(Debug, Default)]
pub struct KnownPixels {
    by_file: BTreeMap<Hash, Hash>,
    folder: Option<Dir>,
}

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

impl KnownPixels {
    /// Reads what is remembered in a [`FOLDER`] of a cache; nothing if it cannot be opened.
    pub fn remembered(folder: io::Result<Dir>) -> Self {
        let folder = folder.ok();
        let read = || {
            let bytes = folder.as_ref()?.read(FILE, limits::SEEN_FILES).ok()?;
            let (packed, sum) = bytes.split_last_chunk::<32>()?;
            (Hash::of(packed) == Hash(*sum)).then(|| codec::unpack::<Content>(packed).ok())?
        };
        let by_file = read().into_iter().flat_map(|content| content.pixels).collect();
        KnownPixels { by_file, folder }
    }

    /// Reads what is recorded of a data set.
    pub fn recorded(
        registry: &Registry,
        dataset: Id<Dataset>,
        rows: &[ImageRow],
    ) -> Result<Self, RegistryError> {
        KnownPixels::default().with_recorded(registry, dataset, rows)
    }

    /// Reads what is recorded of a data set, and what this machine remembers: where the missing hashes are to be computed.
    pub fn at_hand(
        registry: &Registry,
        dataset: Id<Dataset>,
        rows: &[ImageRow],
    ) -> Result<Self, RegistryError> {
        let remembered = KnownPixels::remembered(registry.cache_folder(FOLDER));
        remembered.with_recorded(registry, dataset, rows)
    }

    fn with_recorded(
        mut self,
        registry: &Registry,
        dataset: Id<Dataset>,
        rows: &[ImageRow],
    ) -> Result<Self, RegistryError> {
        if let Some((_, hashes)) = registry.pixel_hashes(&registry.view()?, dataset)? {
            let digests = registry.pixel_digests(&hashes)?.rows;
            let known = rows.iter().zip(digests).filter_map(|(row, digest)| Some((row.object?, digest?)));
            self.by_file.extend(known);
        }
        Ok(self)
    }

    /// Adds hashes and remembers all of them. What cannot be remembered has to be computed again, no more.
    pub fn remember(&mut self, new: impl IntoIterator<Item = (Hash, Hash)>) {
        let before = self.by_file.len();
        self.by_file.extend(new);
        let Some(folder) = self.folder.as_ref().filter(|_| self.by_file.len() > before) else { return };
        let pixels = self.by_file.iter().map(|(file, pixels)| (*file, *pixels)).collect();
        if let Ok(mut bytes) = codec::pack(&Content { pixels }) {
            let sum = Hash::of(&bytes);
            bytes.extend(sum.0);
            let _ = folder.replace(FILE, &bytes);
        }
    }

    /// The hash of the pixels of an image, if it is known.
    pub fn get(&self, row: &ImageRow) -> Option<Hash> {
        self.by_file.get(&row.object?).copied()
    }

    /// Those of a manifest's rows.
    pub fn digests(&self, rows: &[ImageRow]) -> PixelDigests {
        PixelDigests { rows: rows.iter().map(|row| self.get(row)).collect() }
    }

    /// Computes the hashes that are missing. Images that are not in the registry or cannot be decoded are left out:
    /// `reg verify` reports them.
    pub fn complete(&mut self, registry: &Registry, rows: &[ImageRow], progress: &dyn Progress) {
        let missing =
            rows.iter().filter_map(|row| row.object).filter(|file| !self.by_file.contains_key(file));
        let mut missing: Vec<Hash> = missing.collect();
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
        self.remember(new);
    }
}

/// Records hashes of the pixels of a data set's images.
pub fn record(
    transaction: &mut Transaction,
    dataset: Id<Dataset>,
    digests: &PixelDigests,
) -> Result<Id<PixelHashes>, RegistryError> {
    let pixels = transaction.put_packed(digests)?;
    transaction.put(&PixelHashes { dataset, pixels, known: digests.known(), rules: rules::PIXELS })
}
