//! A data set: its images with labels and patients, and its metadata file.

use std::collections::HashSet;
use std::fmt;

use schemars::JsonSchema;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::labels::{self, LabelValues};
use super::{File, ImageName, Packed, PatientId, StudyId};
use crate::digits::{counted, thousands};
use crate::hash::{Hash, Id, Sha256};
use crate::limits;

/// A version of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Format of the metadata: `ChestX-ray14`.
    pub source: String,
    /// Version of the rules that produced this record.
    pub rules: u32,
    /// Label names, 1 to 512; label `i` of a manifest row is `labels[i]`.
    #[schemars(schema_with = "labels::schema")]
    pub labels: Vec<String>,
    /// The label for images that show none of the others; null if the source has none.
    pub no_finding: Option<String>,
    /// The images, one row each, sorted by name.
    pub manifest: Id<Manifest>,
    /// The original metadata CSV.
    pub metadata: File,
    /// The original box list.
    pub boxes_file: Option<File>,
    /// The boxes of this data set's images.
    pub boxes: Option<Id<Boxes>>,
    /// Width and height of the images that the box list refers to; absent if the list is in pixels of the images
    /// themselves. Boxes are scaled to the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "[u32; 2]")]
    pub box_size: Option<[u32; 2]>,
    /// Whether the data set has only metadata rows and no image files.
    pub metadata_only: bool,
    /// Number of rows of the manifest.
    pub images: u64,
    /// Number of different patients among them.
    pub patients: u64,
    /// Total size of the image files in bytes.
    pub bytes: u64,
    /// Number of metadata rows without an image (`--allow-missing`).
    pub missing: u64,
    /// Smallest and largest plausible age, used to scale the age feature.
    pub age: Option<AgeRange>,
    /// Number of images with an impossible age, which is recorded unchanged but left out of `age`.
    pub impossible_ages: u64,
    /// Number of metadata rows that were left out because their images were withdrawn; absent if there are
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub withdrawn: Option<u64>,
}

impl Dataset {
    /// Checks its labels.
    pub(super) fn check_labels(&self) -> Result<(), String> {
        labels::check_names(&self.labels)
    }

    /// Asserts that a manifest has the rows and labels of this data set, and files where it has files.
    pub(crate) fn check_manifest(&self, manifest: &Manifest) -> Result<(), String> {
        let (own, theirs) = (self.labels.len(), manifest.labels as usize);
        if own != theirs {
            return Err(format!("{}, but the data set has {own}", counted(theirs as u64, "label")));
        }
        if let Some(name) = self.no_finding.as_ref().filter(|name| !self.labels.contains(name)) {
            return Err(format!("{name:?}, the label for no finding, is not a label of the data set"));
        }
        self.check_rows(manifest.rows.len())?;
        match manifest.rows.iter().find(|row| row.object.is_none() != self.metadata_only) {
            Some(row) if self.metadata_only => {
                Err(format!("`{}` has a file, but the data set has metadata only", row.name))
            }
            Some(row) => Err(format!("`{}` has no file, but the data set has images", row.name)),
            None => Ok(()),
        }
    }

    /// Asserts that boxes are of images and labels of this data set.
    pub(crate) fn check_boxes(&self, boxes: &Boxes) -> Result<(), String> {
        let (images, labels) = (self.images, self.labels.len());
        let is_beyond = |row: &&BoxRow| u64::from(row.image) >= images || row.label as usize >= labels;
        match boxes.rows.iter().find(is_beyond) {
            Some(BoxRow { image, label, .. }) => Err(format!(
                "a box of image {image} and label {label}, counted from 0, but the data set has {} and {}",
                counted(images, "image"),
                counted(labels as u64, "label")
            )),
            None => Ok(()),
        }
    }

    /// Asserts that an array has a place for each image of this data set.
    pub(super) fn check_rows(&self, rows: usize) -> Result<(), String> {
        match rows as u64 == self.images {
            true => Ok(()),
            false => Err(format!(
                "{}, but the data set has {}",
                counted(rows as u64, "row"),
                counted(self.images, "image")
            )),
        }
    }

    /// The same record with the counts of its manifest.
    pub(crate) fn counted(self, manifest: &Manifest) -> Self {
        let rows = &manifest.rows;
        let ages = rows.iter().filter_map(ImageRow::plausible_age);
        let patients: HashSet<&PatientId> = rows.iter().map(|row| &row.patient).collect();
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

/// Ages from 0 to this are plausible; the published files also contain 148 and 414.
pub(crate) const MAX_AGE: i32 = 120;

/// Placeholder if there is no file.
const NO_SHA256: Sha256 = Sha256([0; 32]);

/// The images of a data set, one row each, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Number of labels of each row.
    pub labels: u32,
    /// The rows.
    pub rows: Vec<ImageRow>,
}

/// A manifest in packed form: all fields of the rows except for the labels, followed by the bits of the labels.
#[derive(Deserialize)]
struct PackedManifest {
    labels: u32,
    rows: Vec<ImageRow>,
    positive: Vec<u64>,
    /// Empty if no label of any image is missing.
    missing: Vec<u64>,
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let has_missing = self.rows.iter().any(|row| row.labels.missing().next().is_some());
        let each = self.rows.iter().map(|row| row.labels.words());
        let positive: Vec<u64> = each.clone().flat_map(|(positive, _)| positive.iter().copied()).collect();
        let missing: Vec<u64> = match has_missing {
            true => each.flat_map(|(_, missing)| missing.iter().copied()).collect(),
            false => Vec::new(),
        };
        let mut packed = s.serialize_struct("Manifest", 4)?;
        packed.serialize_field("labels", &self.labels)?;
        packed.serialize_field("rows", &self.rows)?;
        packed.serialize_field("positive", &positive)?;
        packed.serialize_field("missing", &missing)?;
        packed.end()
    }
}

/// The error of a manifest of too many labels, or of none.
fn label_count(labels: u32) -> String {
    format!("it has {}; a manifest has 1 to {}", counted(labels.into(), "label"), limits::DATASET_LABELS)
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let PackedManifest { labels, mut rows, positive, missing } = PackedManifest::deserialize(d)?;
        let wrong = |reason: String| Err(serde::de::Error::custom(reason));
        if !(1..=limits::DATASET_LABELS).contains(&(labels as usize)) {
            return wrong(label_count(labels));
        }
        let words = labels::words(labels as usize);
        let expected = rows.len() * words;
        if positive.len() != expected || ![0, expected].contains(&missing.len()) {
            let [positive, missing, expected] =
                [positive.len(), missing.len(), expected].map(|words| thousands(words as u64));
            return wrong(format!(
                "{positive} words of positive labels and {missing} of missing ones instead of {expected}"
            ));
        }
        if !missing.is_empty() && missing.iter().all(|word| *word == 0) {
            return wrong("it has words of missing labels, but no label is missing".to_owned());
        }
        let none = vec![0; words];
        let missing = missing.chunks_exact(words).chain(std::iter::repeat(&none[..]));
        for ((row, positive), missing) in rows.iter_mut().zip(positive.chunks_exact(words)).zip(missing) {
            row.labels = LabelValues::of_words(positive, missing);
        }
        Ok(Manifest { labels, rows })
    }
}

impl Manifest {
    /// Index of the row with this name.
    pub fn row_named(&self, name: &str) -> Option<usize> {
        self.rows.binary_search_by(|row| row.name.as_str().cmp(name)).ok()
    }
}

impl Packed for Manifest {
    const KIND: &'static str = "manifest";
    const MAGIC: &'static [u8; 8] = b"regmanif";
    const VERSION: u32 = 2;
    const NAMES_OTHERS: bool = true;

    fn links(&self) -> Vec<Hash> {
        self.rows.iter().filter_map(|row| row.object).collect()
    }

    fn check(&self) -> Result<(), String> {
        if !(1..=limits::DATASET_LABELS).contains(&(self.labels as usize)) {
            return Err(label_count(self.labels));
        }
        if let Some(pair) = self.rows.windows(2).find(|pair| pair[0].name >= pair[1].name) {
            return Err(format!("`{}` is not in the order of names", pair[1].name));
        }
        let labels = self.labels as usize;
        if let Some((row, why)) =
            self.rows.iter().find_map(|row| Some((row, row.labels.check(labels).err()?)))
        {
            return Err(format!("`{}` {why}", row.name));
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
    pub name: ImageName,
    /// The image file; none in a data set of metadata only.
    pub object: Option<Hash>,
    /// SHA-256 of the image file; zeros without one.
    pub sha256: Sha256,
    /// Size of the image file in bytes.
    pub bytes: u64,
    /// Width in pixels of the upright image, from the header; 0 without a file.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Data row of the metadata CSV, counted from 1 after the header.
    pub row: u32,
    /// `Patient ID`.
    pub patient: PatientId,
    /// The study to which the image belongs; `None` if the source has none.
    pub study: Option<StudyId>,
    /// `Follow-up #`; `None` if the source has none.
    pub follow_up: Option<u32>,
    /// `Patient Age` in years, including impossible ones; `None` if the field is empty.
    pub age: Option<i32>,
    /// `Patient Gender`.
    pub gender: Gender,
    /// `View Position`.
    pub view: ViewPosition,
    /// One value per label of the data set. In packed form, the values of all rows follow the rows; a single
    /// row has none.
    #[serde(skip)]
    pub labels: LabelValues,
}

impl ImageRow {
    /// Whether label `i` is positive; `None` if unknown.
    pub fn label(&self, label: usize) -> Option<bool> {
        self.labels.get(label)
    }

    /// Age, gender and view position.
    pub fn meta(&self) -> MetaFeatures {
        MetaFeatures { age: self.age, gender: self.gender, view: self.view }
    }

    /// The age in years, if it is given and plausible.
    pub fn plausible_age(&self) -> Option<i32> {
        self.meta().plausible_age()
    }
}

/// Age, gender and view position of an image, which some networks see besides its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetaFeatures {
    /// Age in years; null if unknown.
    pub age: Option<i32>,
    /// Gender of the patient.
    pub gender: Gender,
    /// View position.
    pub view: ViewPosition,
}

impl MetaFeatures {
    /// The age in years, if it is known and plausible.
    pub fn plausible_age(&self) -> Option<i32> {
        self.age.filter(|age| (0..=MAX_AGE).contains(age))
    }
}

/// `age 58, gender F, view PA`
impl fmt::Display for MetaFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = self.age.map_or("unknown".to_owned(), |age| age.to_string());
        write!(f, "age {age}, gender {}, view {}", self.gender.letter(), self.view.letters())
    }
}

/// `Patient Gender`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Gender {
    /// `M`
    Male,
    /// `F`
    Female,
    /// An empty field.
    Unknown,
}

impl Gender {
    /// `M`, `F` or `unknown`.
    pub fn letter(self) -> &'static str {
        match self {
            Gender::Male => "M",
            Gender::Female => "F",
            Gender::Unknown => "unknown",
        }
    }
}

/// `View Position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ViewPosition {
    /// `PA`: the beam goes from back to front, the patient stands.
    PA,
    /// `AP`: from front to back, often lying.
    AP,
    /// An empty field.
    Unknown,
}

impl ViewPosition {
    /// `PA`, `AP` or `unknown`.
    pub fn letters(self) -> &'static str {
        match self {
            ViewPosition::PA => "PA",
            ViewPosition::AP => "AP",
            ViewPosition::Unknown => "unknown",
        }
    }
}

/// The annotated boxes of a data set's images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boxes {
    /// The boxes, sorted by image, then by label.
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

/// One annotated box, in pixels of the image in the data set; of an image without a file, in those of the list.
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
