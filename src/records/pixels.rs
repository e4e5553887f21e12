//! Hashes of decoded pixels: the same pixels in a different file by another program, has other bytes and the same
//! pixels.
//!
//! They are a record of their own beside the data set, because decoding takes minutes and is not always done. What
//! compares images by their pixels names the record that it used, so that the verdict can be recomputed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Content, Dataset, Descriptor, ImageUse, Kind, Packed, Recomputed, Record, RecordClass, Role, Travels,
};
use crate::digits::{counted, thousands};
use crate::hash::{Hash, Id};

/// The hashes of the decoded pixels of a data set's images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PixelHashes {
    /// The data set.
    pub dataset: Id<Dataset>,
    /// The hashes, one for each row of its manifest.
    pub pixels: Id<PixelDigests>,
    /// Number of images whose hash is known; of the others, the file is not there or cannot be decoded.
    pub known: u64,
    /// Version of the rules that produced this record.
    pub rules: u32,
}

impl Record for PixelHashes {
    const KIND: Kind = Kind::PixelHashes;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "pixel-hashes",
        plural: "pixel-hashes",
        called: "pixel hashes",
        inputs: &[Role::Dataset],
        outputs: &[Role::Pixels],
        chosen: |at| at == "/rules",
        class: RecordClass::Derived,
        travels: Travels::WithSubject,
        carries: false,
        recomputed: Some(Recomputed::Pixels),
        content: Content::Document,
        is_listed: false,
    };

    fn summary(&self) -> String {
        format!("hashes of the pixels of {}", counted(self.known, "image"))
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        vec![ImageUse::Holds(self.dataset)]
    }
}

impl PixelHashes {
    /// Asserts that hashes are those that the record counts, of a data set of this many images.
    pub(crate) fn check_digests(&self, digests: &PixelDigests, images: u64) -> Result<(), String> {
        let (rows, known) = (digests.rows.len() as u64, digests.known());
        match (rows == images, known == self.known) {
            (false, _) => Err(format!(
                "hashes of {}, but the data set has {}",
                counted(rows, "image"),
                counted(images, "image")
            )),
            (true, false) => Err(format!(
                "{} known hashes, but the record says {}",
                thousands(known),
                thousands(self.known)
            )),
            (true, true) => Ok(()),
        }
    }
}

/// For each row of a manifest the BLAKE3 hash of width and height as little-endian u32, followed by the gray values row
/// after row; `None` where it is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelDigests {
    /// In the order of the manifest.
    pub rows: Vec<Option<Hash>>,
}

impl PixelDigests {
    /// Number of rows whose hash is known.
    pub fn known(&self) -> u64 {
        self.rows.iter().flatten().count() as u64
    }
}

impl Packed for PixelDigests {
    const KIND: &'static str = "pixels";
    const MAGIC: &'static [u8; 8] = b"regpixel";
}
