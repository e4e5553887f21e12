//! The pixels of a data set in the sizes that networks need, decoded and resized once.
//!
//! Decoding a PNG of 1024 x 1024 takes several milliseconds, reading its pixels a tenth of one. The name of a
//! cache file contains everything on which its bytes depend, and each image is checked when it is read.

use std::io;
use std::path::{Path, PathBuf};

use super::pixels::{self, Gray};
use crate::disk::Dir;
use crate::hash::{Hash, Id};
use crate::records::{ImageInput, ImageRow, Manifest, rules};
use crate::store::Slots;

/// A size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizedPixels {
    /// Unchanged.
    Original,
    /// With the shorter side resized to this length, if it is longer.
    Shrunk(u32),
    /// Resized to a square with side `resize`, then cropped to the central square with side `input`.
    Evaluation {
        /// Side before the crop.
        resize: u32,
        /// Side after the crop.
        input: u32,
    },
}

impl ResizedPixels {
    /// The input of a network for validation and test.
    pub fn evaluation(image: &ImageInput) -> Self {
        ResizedPixels::Evaluation { resize: image.resize, input: image.input }
    }

    /// Width and height of a resized image with the given original width and height.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            ResizedPixels::Original => (width, height),
            ResizedPixels::Shrunk(side) => pixels::shrunk_size(width, height, side),
            ResizedPixels::Evaluation { input, .. } => (input, input),
        }
    }

    /// Resizes an image.
    pub fn of(self, image: Gray) -> Gray {
        match self {
            ResizedPixels::Original => image,
            ResizedPixels::Shrunk(side) => pixels::shrunk(image, side),
            ResizedPixels::Evaluation { resize, input } => {
                let data = pixels::evaluation_view(&image, resize, input);
                Gray { width: input, height: input, data }
            }
        }
    }

    fn name(self) -> String {
        match self {
            ResizedPixels::Original => "original".to_owned(),
            ResizedPixels::Shrunk(side) => format!("{side}"),
            ResizedPixels::Evaluation { resize, input } => format!("{input}-of-{resize}"),
        }
    }
}

/// The path of the file from the folder of the cache.
fn path(manifest: Id<Manifest>, resized: ResizedPixels) -> PathBuf {
    Path::new("pixels").join(format!("{}-{}-r{}", manifest.hash, resized.name(), rules::PIXELS))
}

/// Number of bytes for the pixels of one image.
fn length(resized: ResizedPixels, row: &ImageRow) -> u64 {
    let (width, height) = resized.size(row.width, row.height);
    u64::from(width) * u64::from(height)
}

/// Bytes that all images in a resized form take on the disk once it is made, and those that it takes now below `cache`.
pub fn room(
    cache: Option<&Dir>,
    manifest: Id<Manifest>,
    rows: &[ImageRow],
    resized: ResizedPixels,
) -> (u64, u64) {
    let all = rows.iter().map(|row| length(resized, row)).sum();
    // The file is sparse.
    let made = cache.and_then(|cache| cache.stat(path(manifest, resized)).ok()).map_or(0, |file| file.room());
    (all, made)
}

/// All images of a data set in one size, as far as they have been computed: a file of 8-bit gray values.
pub struct PixelCache {
    resized: ResizedPixels,
    slots: Slots,
}

impl PixelCache {
    /// Opens or creates the file below `cache`.
    pub fn open(
        cache: &Dir,
        manifest: Id<Manifest>,
        rows: &[ImageRow],
        resized: ResizedPixels,
    ) -> io::Result<Self> {
        let lengths = rows.iter().map(|row| length(resized, row));
        let slots = Slots::open(cache, &path(manifest, resized), lengths)?;
        Ok(PixelCache { resized, slots })
    }

    /// The size of the images.
    pub fn resized(&self) -> ResizedPixels {
        self.resized
    }

    /// Size of the complete file.
    pub fn bytes(&self) -> u64 {
        self.slots.bytes()
    }

    /// Whether an image seems to be present. Only [`PixelCache::get`] checks it.
    pub fn looks_made(&self, index: usize) -> bool {
        self.slots.looks_filled(index)
    }

    /// The resized image of `row`, row `index` of the manifest, whose object is `object`; `None` unless it was
    /// computed from that object and is intact.
    pub fn get(&self, index: usize, row: &ImageRow, object: &Hash) -> Option<Gray> {
        let (width, height) = self.resized.size(row.width, row.height);
        self.slots.get(index, object).map(|data| Gray { width, height, data })
    }

    /// Stores a resized image. An image whose size contradicts the manifest is not stored.
    pub fn put(&self, index: usize, row: &ImageRow, object: &Hash, image: &Gray) -> io::Result<()> {
        if self.resized.size(row.width, row.height) != (image.width, image.height) {
            return Ok(());
        }
        self.slots.put(index, object, &image.data)
    }
}
