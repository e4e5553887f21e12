//! That data must not be used any more: whose, which images, why, and whether their bytes are gone for good.
//!
//! It names what it is about by text that is no link: a record must neither keep alive what it takes away, nor
//! seem broken when that is gone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Content, Descriptor, ImageUse, Kind, PatientId, Record, RecordClass, Role, Travels};
use crate::hash::{Hash, Id, Mention, Sha256};

/// Data that must not be used any more, or that an earlier withdrawal was a mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// Whom or what it is about.
    pub subject: Subject,
    /// Number of earlier withdrawals in the registry, so that a repeated withdrawal is another record.
    pub number: u64,
    /// Why, in the words of who decided.
    pub reason: String,
    /// When, in UTC.
    pub time: String,
    /// Name of the machine.
    pub host: String,
    /// The command line, quoted as a shell takes it.
    pub command: String,
    /// The images that were known then, by name. What comes later is withdrawn with them.
    pub images: Vec<WithdrawnImage>,
    /// Pictures of heat maps that show these images.
    pub pictures: Vec<Mention>,
    /// Whether the bytes of images and pictures are removed for good.
    pub purge: bool,
    /// The withdrawal that this takes back, whose subject is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::hash::Hash")]
    pub revokes: Option<Id<Withdrawal>>,
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

/// Whom or what a withdrawal is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Subject {
    /// All images of a patient.
    Patient {
        /// `Patient ID`.
        patient: PatientId,
    },
    /// One image, under whatever name its bytes come.
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

/// An image as data sets had it when it was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawnImage {
    /// `Image Index`: the file name.
    pub name: String,
    /// `Patient ID`.
    pub patient: PatientId,
    /// BLAKE3 of the image file; null in a data set of metadata only.
    pub blake3: Option<Mention>,
    /// SHA-256 of the image file; null in a data set of metadata only.
    pub sha256: Option<Sha256>,
    /// Size of the image file in bytes.
    pub bytes: u64,
}
