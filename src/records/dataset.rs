//! A data set: which images, with which labels and patients, out of which metadata file.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{File, Packed, is_plain_name};
use crate::hash::{Hash, Id, Sha256};

/// A version of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Where the format of the metadata comes from: `ChestX-ray14`.
    pub source: String,
    /// Label names; bit `i` of a manifest row's `labels` is `labels[i]`.
    pub labels: Vec<String>,
    /// One row an image, sorted by name.
    pub manifest: Id<Manifest>,
    /// The original metadata CSV.
    pub metadata: File,
    /// The original box list.
    pub boxes_file: Option<File>,
    /// The boxes of this data set's images.
    pub boxes: Option<Id<Boxes>>,
    /// True when no image files belong to it, only metadata rows.
    pub metadata_only: bool,
    /// Rows of the manifest.
    pub images: u64,
    /// Different patients among them.
    pub patients: u64,
    /// Bytes of the image files.
    pub bytes: u64,
    /// Rows of the metadata whose image was not there (`--allow-missing`).
    pub missing: u64,
    /// Smallest and largest plausible age, used to scale the age feature.
    pub age: Option<AgeRange>,
    /// Images whose age is recorded as given but is impossible; left out of `age`.
    pub impossible_ages: u64,
    /// Rows of the metadata that were left out because their images were withdrawn; absent where none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub withdrawn: Option<u64>,
}

impl Dataset {
    /// The same with what its manifest counts.
    pub(crate) fn counted(self, manifest: &Manifest) -> Self {
        let rows = &manifest.rows;
        let ages = rows.iter().filter_map(ImageRow::plausible_age);
        let patients: HashSet<u32> = rows.iter().map(|row| row.patient).collect();
        let impossible = |row: &&ImageRow| row.age.is_some() && row.plausible_age().is_none();
        Dataset {
            images: rows.len() as u64,
            patients: patients.len() as u64,
            bytes: rows.iter().map(|row| row.bytes).sum(),
            age: ages.clone().min().zip(ages.max()).map(|(min, max)| AgeRange { min, max }),
            impossible_ages: rows.iter().filter(impossible).count() as u64,
            ..self
        }
    }
}

/// Smallest and largest age of a data set, in years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgeRange {
    /// Smallest plausible age in years.
    pub min: i32,
    /// Largest plausible age in years.
    pub max: i32,
}

/// Ages from 0 to this are plausible; the published files also hold 148 and 414.
pub(crate) const MAX_AGE: i32 = 120;

/// Stands where there is no file.
const NO_SHA256: Sha256 = Sha256([0; 32]);

/// One row an image, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The rows.
    pub rows: Vec<ImageRow>,
}

impl Manifest {
    /// Position of the row of this name.
    pub fn row_named(&self, name: &str) -> Option<usize> {
        self.rows.binary_search_by(|row| row.name.as_str().cmp(name)).ok()
    }
}

impl Packed for Manifest {
    const KIND: &'static str = "manifest";
    const MAGIC: &'static [u8; 8] = b"regmanif";

    fn links(&self) -> Vec<Hash> {
        self.rows.iter().filter_map(|row| row.object).collect()
    }

    fn check(&self) -> Result<(), String> {
        if let Some(pair) = self.rows.windows(2).find(|pair| pair[0].name >= pair[1].name) {
            return Err(format!("`{}` is not in the order of names", pair[1].name));
        }
        // A name becomes a path wherever images are written, and a stranger may have made the manifest.
        if let Some(row) = self.rows.iter().find(|row| !is_plain_name(&row.name)) {
            return Err(format!("{:?} is not the name of an image: it must be a plain file name", row.name));
        }
        let fileless = |row: &&ImageRow| row.object.is_none();
        let nothing = |row: &ImageRow| (row.sha256, row.bytes, row.width, row.height) == (NO_SHA256, 0, 0, 0);
        match self.rows.iter().filter(fileless).find(|row| !nothing(row)) {
            Some(row) => Err(format!("`{}` has no file but has a hash or a size", row.name)),
            None => Ok(()),
        }
    }
}

/// One image of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRow {
    /// `Image Index`: the file name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// The image file; none in a data set of metadata only.
    pub object: Option<Hash>,
    /// SHA-256 of the image file; zeros without one.
    pub sha256: Sha256,
    /// Size of the image file in bytes.
    pub bytes: u64,
    /// Width in pixels as the PNG header says; 0 without a file.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Data row of the metadata CSV, counted from 1 behind the header.
    pub row: u32,
    /// `Patient ID`.
    pub patient: u32,
    /// `Follow-up #`.
    pub follow_up: u32,
    /// `Patient Age` in years as given, impossible ones included; none where the field is empty.
    pub age: Option<i32>,
    /// `Patient Gender`.
    pub gender: Gender,
    /// `View Position`.
    pub view: ViewPosition,
    /// Bit `i` is set when the data set's label `i` is positive.
    pub labels: u32,
}

/// Reads a string that lies in the bytes at hand. bincode takes an owned one's length at its word and
/// allocates that much before it looks whether so many bytes are there. JSON, in which jobs come, does not.
fn text<'de, D: Deserializer<'de>>(bytes: D) -> Result<String, D::Error> {
    match bytes.is_human_readable() {
        true => String::deserialize(bytes),
        false => <&str>::deserialize(bytes).map(str::to_owned),
    }
}

impl ImageRow {
    /// Whether label `i` is positive.
    pub fn has(&self, label: usize) -> bool {
        label < u32::BITS as usize && self.labels >> label & 1 == 1
    }

    /// The age in years, if it is given and possible.
    pub fn plausible_age(&self) -> Option<i32> {
        self.age.filter(|age| (0..=MAX_AGE).contains(age))
    }
}

/// `Patient Gender`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Gender {
    /// `M`
    Male,
    /// `F`
    Female,
    /// An empty field.
    Unknown,
}

/// `View Position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ViewPosition {
    /// `PA`: the beam goes from back to front, the patient stands.
    PA,
    /// `AP`: from front to back, often lying.
    AP,
    /// An empty field.
    Unknown,
}

/// The annotated boxes of a data set's images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boxes {
    /// The boxes, by image and then label.
    pub rows: Vec<BoxRow>,
}

impl Packed for Boxes {
    const KIND: &'static str = "boxes";
    const MAGIC: &'static [u8; 8] = b"regboxes";

    fn check(&self) -> Result<(), String> {
        let place = |row: &BoxRow| (row.image, row.label);
        if self.rows.windows(2).any(|pair| place(&pair[0]) > place(&pair[1])) {
            return Err("its boxes are not in the order of images and labels".into());
        }
        match self.rows.iter().flat_map(|row| [row.x, row.y, row.w, row.h]).find(|edge| !edge.is_finite()) {
            Some(edge) => Err(format!("{edge} is not a valid position")),
            None => Ok(()),
        }
    }
}

/// One annotated box, in pixels of the original image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxRow {
    /// Row of the manifest.
    pub image: u32,
    /// Index of the label.
    pub label: u32,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}
