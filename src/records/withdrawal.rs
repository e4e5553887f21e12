//! A withdrawal of data: the subject, its images, the reason, and whether the bytes are permanently removed.
//!
//! The record refers to objects by text that is not a link: it must neither keep withdrawn objects nor seem
//! damaged when they are removed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::check_time;
use super::{Content, Descriptor, ImageUse, Kind, PatientId, Record, RecordClass, Role, Travels};
use crate::hash::{Hash, Id, Mention, Sha256};

/// Data that must not be used any more, or the revocation of an earlier withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// The patient or image that is withdrawn.
    pub subject: Subject,
    /// Number of earlier withdrawals in the registry, so that a repeated withdrawal is another record.
    pub number: u64,
    /// The reason in free text.
    pub reason: String,
    /// Time in UTC, such as `2026-11-05T08:30:00Z`.
    #[schemars(extend("pattern" = super::time::PATTERN))]
    pub time: String,
    /// Name of the machine.
    pub host: String,
    /// The command line, quoted for a shell.
    pub command: String,
    /// The images known at that time, by name. Images that are added later are withdrawn too.
    pub images: Vec<WithdrawnImage>,
    /// Pictures of heat maps that show these images.
    pub pictures: Vec<Mention>,
    /// Whether the bytes of images and pictures are permanently removed.
    pub purge: bool,
    /// The withdrawal that this one revokes, which has the same subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::hash::Hash")]
    pub revokes: Option<Id<Withdrawal>>,
}

impl Withdrawal {
    /// The files of its images.
    pub fn files(&self) -> impl Iterator<Item = Hash> + '_ {
        self.images.iter().filter_map(|image| image.blake3).map(|file| file.0)
    }

    /// The objects that it covers: the files of its images, and pictures that show them.
    pub fn objects(&self) -> impl Iterator<Item = Hash> + '_ {
        self.files().chain(self.pictures.iter().map(|picture| picture.0))
    }
}

impl Record for Withdrawal {
    const KIND: Kind = Kind::Withdrawal;
    const VERSION: u32 = 2;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "withdrawal",
        plural: "withdrawals",
        called: "a withdrawal",
        inputs: &[Role::Revokes],
        outputs: &[],
        chosen: |_| true,
        class: RecordClass::Decided,
        travels: Travels::Always,
        carries: false,
        recomputed: None,
        content: Content::Withdrawal,
        is_listed: false,
    };

    fn check(&self) -> Result<(), String> {
        check_time("time", &self.time)
    }

    fn summary(&self) -> String {
        let verb = match (self.revokes, self.purge) {
            (Some(_), _) => "no longer withdrawn",
            (None, true) => "withdrawn and purged",
            (None, false) => "withdrawn",
        };
        format!("{} {verb} on {}: {}", self.subject, self.time, self.reason)
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        Vec::new()
    }
}

/// The subject of a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Subject {
    /// All images of a patient.
    Patient {
        /// `Patient ID`.
        patient: PatientId,
    },
    /// One image, whatever name its bytes have.
    Image {
        /// `Image Index`: the file name.
        name: String,
    },
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Patient { patient } => write!(f, "patient {patient}"),
            Subject::Image { name } => write!(f, "image {name}"),
        }
    }
}

/// An image with its properties at the time of the withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawnImage {
    /// `Image Index`: the file name.
    pub name: String,
    /// `Patient ID`.
    pub patient: PatientId,
    /// BLAKE3 of the image file; null in a metadata-only data set.
    pub blake3: Option<Mention>,
    /// SHA-256 of the image file; null in a metadata-only data set.
    pub sha256: Option<Sha256>,
    /// Size of the image file in bytes.
    pub bytes: u64,
}
