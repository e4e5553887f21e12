//! The documents and packed arrays that a registry holds, their kinds and their versions.
//!
//! A *record* is a small JSON document that names its inputs by id; a *packed* array holds bulk
//! data. Both are objects of the store. [`codec`] turns them into bytes and back.

pub mod codec;
mod comparison;
mod dataset;
mod event;
mod heat;
mod labels;
mod model;
mod name;
mod patient;
mod probe;
pub mod rules;
mod run;
mod schema;
mod software;
mod split;
mod study;
mod summary;
mod table;
mod withdrawal;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use codec::{CodecError, Header, Link};
pub use comparison::{
    Bootstrap, BootstrapRow, CalibrationBin, ComparedModel, Comparison, DelongRow, GroupBy, GroupRow,
    LabelSpread, MetricRow, Pooling, PublishedAuc, PublishedModel, PublishedTable, ResampledRow, Spread,
    Unfair, UnfairKind,
};
pub(crate) use dataset::MAX_AGE;
pub use dataset::{AgeRange, BoxRow, Boxes, Dataset, Gender, ImageRow, Manifest, ViewPosition};
pub use event::{Event, NameChange};
pub use heat::{Area, Heat, HeatInBox, PointedBox, PointedLabel, Pointing};
pub use labels::{LabelCounts, LabelValues, MAX_LABELS};
pub use model::{Architecture, ImageInput, Model};
pub(crate) use name::is_plain_name;
pub use patient::{BadText, PatientId, StudyId};
pub use probe::{ProbeResult, ProbeTable, ProbedFold, Target};
pub use run::{
    Augmentation, DeviceKind, EarlyStop, EpochLog, Execution, Git, Init, Layout, Loss, Pixels, Precision,
    Predictions, Run, Scale, ScoreSource, Scores, Spec, Training, Weights,
};
pub use software::{Computed, Numerics, Software, differing_sources, is_source_line, source_files};
pub use split::{Assignment, FoldSizes, Split, SplitMethod, Subset, SubsetSize};
pub use study::{Study, StudyProbe, StudyRun, StudySection};
pub use summary::summary;
pub use table::{AgeCount, AucTable, DatasetTable, LabelAuc, LabelPrevalence, Table};
pub use withdrawal::{Subject, Withdrawal, WithdrawnImage};

use crate::hash::{Hash, Id, Sha256};

/// A kind of JSON document.
pub trait Record: Serialize + DeserializeOwned + JsonSchema + PartialEq {
    /// The value of the document's `kind`.
    const KIND: &'static str;
    /// The newest version of the kind, the one that is written.
    const VERSION: u32 = 1;

    /// Says what is wrong with a value that the types allow.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A kind of packed array.
pub trait Packed: Serialize + DeserializeOwned {
    /// What messages call it.
    const KIND: &'static str;
    /// The first eight bytes.
    const MAGIC: &'static [u8; 8];
    /// The newest version of the kind, the one that is written.
    const VERSION: u32 = 1;

    /// The objects that it names.
    fn links(&self) -> Vec<Hash> {
        Vec::new()
    }

    /// Says what is wrong with a value that the types allow: lengths that differ, rows out of order.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Marks an object that is neither record nor packed array: bytes from outside, a checkpoint, a log.
pub struct Blob;

/// A file that came from outside, kept byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The bytes.
    pub object: Id<Blob>,
    /// SHA-256 of the same bytes.
    pub sha256: Sha256,
    /// Their number.
    pub bytes: u64,
}

impl From<crate::hash::Digest> for File {
    fn from(digest: crate::hash::Digest) -> Self {
        File { object: Id::new(digest.blake3), sha256: digest.sha256, bytes: digest.bytes }
    }
}

macro_rules! kinds {
    ($($type:ident = $kind:literal $({ $($more:tt)* })?),* $(,)?) => {
        $(impl Record for $type { const KIND: &'static str = $kind; $($($more)*)? })*

        /// The kinds of record, in the order in which a study makes them.
        pub const KINDS: &[&str] = &[$($kind),*];

        /// The JSON Schema of each kind, for `schema/`.
        pub fn schemas() -> Vec<(&'static str, serde_json::Value)> {
            vec![$(($kind, schema::schema::<$type>())),*]
        }

        /// Checks that `bytes` are a canonical record of a known kind and returns its links.
        pub fn check(bytes: &[u8]) -> Result<Header, CodecError> {
            let header = Header::read(bytes)?;
            match header.kind.as_str() {
                $($kind => { codec::decode::<$type>(bytes)?; })*
                other => return Err(CodecError::NotARecord(format!("unknown kind `{other}`"))),
            }
            Ok(header)
        }
    };
}

kinds! {
    Dataset = "dataset" {
        const VERSION: u32 = 2;

        fn check(&self) -> Result<(), String> {
            self.check_labels()
        }
    },
    Split = "split" { const VERSION: u32 = 2; },
    Weights = "weights",
    Software = "software" { const VERSION: u32 = 2; },
    Spec = "spec" { const VERSION: u32 = 2; },
    Run = "run",
    Predictions = "predictions" { const VERSION: u32 = 2; },
    Table = "table" { const VERSION: u32 = 2; },
    Study = "study" { const VERSION: u32 = 2; },
    Execution = "execution" { const VERSION: u32 = 2; },
    Withdrawal = "withdrawal" {
        const VERSION: u32 = 2;
    },
    Event = "event",
}

/// The packed kinds: what messages call them and their first eight bytes.
pub const PACKED: &[(&str, &[u8; 8])] = &[
    (Manifest::KIND, Manifest::MAGIC),
    (Boxes::KIND, Boxes::MAGIC),
    (Assignment::KIND, Assignment::MAGIC),
    (Scores::KIND, Scores::MAGIC),
];

/// The links of a packed array: the images of a manifest, nothing of the others.
pub fn packed_links(bytes: &[u8]) -> Result<Vec<Hash>, CodecError> {
    if codec::packed_magic(bytes).as_ref() != Some(Manifest::MAGIC) {
        return Ok(Vec::new());
    }
    Ok(codec::unpack::<Manifest>(bytes)?.links())
}
