//! The pixels of a data set in the forms that networks are fed from, decoded and resized once.
//!
//! Unpacking a PNG of 1024 x 1024 takes several milliseconds, reading its pixels a tenth of one. A
//! pixel cache's file is named by what its bytes follow from, and each image is checked when it is read.

use std::io;
use std::path::{Path, PathBuf};

use super::pixels::{self, Gray};
use crate::disk::Dir;
use crate::hash::{Hash, Id};
use crate::records::{ImageInput, ImageRow, Manifest, rules};
use crate::store::Slots;

/// A form of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizedPixels {
    /// As it is.
    Original,
    /// Its shorter side shrunk to this length, where it is longer.
    Shrunk(u32),
    /// Resized to a square of side `resize`, of which the centre of side `input` is left.
    Evaluation {
        /// Side before the crop.
        resize: u32,
        /// Side of what is left.
        input: u32,
    },
}

impl ResizedPixels {
    /// What a network sees in validation and test.
    pub fn evaluation(image: &ImageInput) -> Self {
        ResizedPixels::Evaluation { resize: image.resize, input: image.input }
    }

    /// Width and height in this form of an image of this width and height.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            ResizedPixels::Original => (width, height),
            ResizedPixels::Shrunk(side) => pixels::shrunk_size(width, height, side),
            ResizedPixels::Evaluation { input, .. } => (input, input),
        }
    }

    /// Makes it.
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

/// Bytes of the pixels of one image.
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

/// All images of a data set in one resized form, as far as they were made: a file of 8-bit grey values.
pub struct PixelCache {
    resized: ResizedPixels,
    slots: Slots,
}

impl PixelCache {
    /// Opens the file below `cache`, or makes it.
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

    /// The form.
    pub fn resized(&self) -> ResizedPixels {
        self.resized
    }

    /// Bytes of the file when all of it is made.
    pub fn bytes(&self) -> u64 {
        self.slots.bytes()
    }

    /// Whether an image looks made. Only [`PixelCache::get`] tells for sure.
    pub fn looks_made(&self, index: usize) -> bool {
        self.slots.looks_filled(index)
    }

    /// The resized image `row`, the manifest's row `index`, whose object is `object`; none
    /// unless it was made from that object and is whole.
    pub fn get(&self, index: usize, row: &ImageRow, object: &Hash) -> Option<Gray> {
        let (width, height) = self.resized.size(row.width, row.height);
        self.slots.get(index, object).map(|data| Gray { width, height, data })
    }

    /// Keeps a resized image. One of another size than the manifest says is not kept.
    pub fn put(&self, index: usize, row: &ImageRow, object: &Hash, image: &Gray) -> io::Result<()> {
        if self.resized.size(row.width, row.height) != (image.width, image.height) {
            return Ok(());
        }
        self.slots.put(index, object, &image.data)
    }
}
